# Published data sets with their own split, MD17 and rMD17: trained, evaluated, and set beside what others report.
def published_files(wildcards):
    """Those that are no addresses; `ancient`, as their content enters."""
    sources = entry(SETTINGS, wildcards.molecule).published.sources.values()
    return [ancient(path) for path in sources if not is_address(path)]


rule gather_published:
    input:
        published_files,
    output:
        dataset="results/{molecule}/dataset.extxyz",
        split="results/{molecule}/split.json",
    wildcard_constraints:
        molecule="|".join(PUBLISHED) or "(?!)",
    log:
        "results/{molecule}/logs/gather_published.log",
    params:
        settings=settings("gather-published"),
        version=STAGE_VERSION["gather-published"],
        content=lambda wildcards, input: [content_hash(path) for path in input],
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "painn-spectra gather-published --settings {params.settings:q} {output} > {log} 2>&1"


ruleorder: gather_published > gather_labels


rule compare_with_published:
    input:
        errors(PUBLISHED),
    output:
        "results/accuracy.md",
    log:
        "results/accuracy.log",
    params:
        folders=expand("results/{molecule}", molecule=PUBLISHED),
        version=STAGE_VERSION["accuracy"],
    resources:
        mem_mb=1000,
        runtime=5,
    shell:
        "painn-spectra accuracy {output} {params.folders} > {log} 2>&1"
