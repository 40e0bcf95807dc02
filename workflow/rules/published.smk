# Published data sets, MD17, rMD17 and QM9: trained, evaluated, and set beside what others report.
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
        mem_mb=more(2000),
        runtime=more(10),
    shell:
        "painn-spectra gather-published --settings {params.settings:q} {output} > {log} 2>&1"


ruleorder: gather_published > gather_labels


@functools.cache
def qm9_content():
    """What changes under the same path is learnt again; hashed once, and by jobs of QM9 only."""
    return [fingerprint(path) for path in SETTINGS.qm9.sources.values()]


rule train_qm9:
    output:
        model="results/qm9/{target}/model.pt",
        metrics="results/qm9/{target}/metrics.jsonl",
        errors="results/qm9/{target}/errors.json",
    wildcard_constraints:
        target=r"[A-Za-z0-9]+",
    log:
        "results/logs/train_qm9-{target}.log",
    benchmark:
        "results/benchmarks/train_qm9-{target}.tsv"
    params:
        settings=stage_settings(SETTINGS, "qm9"),
        version=STAGE_VERSION["qm9"],
        content=lambda wildcards: qm9_content(),
    threads: 1 # a second gains a tenth, and waits for ever on a core that something else holds
    resources:
        mem_mb=more(8000),
        runtime=more(10080),
        gpu=gpus(SETTINGS.train.device),
    shell:
        "painn-spectra qm9 --settings {params.settings:q} {wildcards.target} {output} > {log} 2>&1"


rule compare_with_published:
    input:
        errors(PUBLISHED),
        expand("results/qm9/{target}/errors.json", target=QM9_TARGETS),
    output:
        "results/accuracy.md",
    log:
        "results/logs/compare_with_published.log",
    params:
        folders=expand("results/{folder}", folder=PUBLISHED + [f"qm9/{target}" for target in QM9_TARGETS]),
        version=STAGE_VERSION["accuracy"],
    resources:
        mem_mb=more(1000),
        runtime=more(5),
    shell:
        "painn-spectra accuracy {output} {params.folders} > {log} 2>&1"
