# Figures, the comparison with experiment and the pages that gather them.
def figure(spectrum):
    """A figure of the report that `snakemake --report` writes."""
    return report(
        f"results/{{molecule}}/figures/{{dynamics}}/{spectrum}.svg",
        caption=f"../report/{spectrum}.rst",
        category="{molecule}",
        labels={"figure": f"{spectrum} spectrum", "dynamics": "{dynamics}"},
    )


rule draw_figures:
    input:
        spectra=multiext("results/{molecule}/{dynamics}/", "ir.csv", "raman.csv", "bands.csv", "replicas.npz"),
        experiment=lambda wildcards: [
            source
            for source in experiment_files(entry(SETTINGS, wildcards.molecule)).sources.values()
            if not is_address(source)
        ],
        sticks=sticks,
    output:
        comparison="results/{molecule}/{dynamics}/comparison.csv",
        similarity="results/{molecule}/{dynamics}/similarity.csv",
        ir=figure("ir"),
        raman=figure("raman"),
        twins=twins("results/{molecule}/figures/{dynamics}/ir", "results/{molecule}/figures/{dynamics}/raman"),
    log:
        "results/{molecule}/logs/draw_figures-{dynamics}.log",
    benchmark:
        "results/{molecule}/benchmarks/draw_figures-{dynamics}.tsv"
    params:
        settings=settings("compare"),
        conditions=conditions,
        folders=lambda wildcards: "results/{0}/{1} results/{0}/figures/{1}".format(*wildcards),
        version=STAGE_VERSION["compare"],
    resources:
        mem_mb=2000,
        runtime=15,
    shell:
        "painn-spectra compare --settings {params.settings:q} {params.folders} {output.comparison}"
        " {output.similarity}"
        " --harmonic {input.sticks} > {log} 2>&1"


rule write_report:
    input:
        errors(),
        "results/{molecule}/figures/parity.svg",
        expand(
            "results/{{molecule}}/{dynamics}/{file}",
            dynamics=DYNAMICS,
            file=["dynamics.json", "ir.csv", "raman.csv", "bands.csv", "comparison.csv", "similarity.csv"],
        ),
        expand(
            "results/{{molecule}}/figures/{dynamics}/{file}", dynamics=DYNAMICS, file=["ir.svg", "raman.svg"]
        ),
        harmonic_comparison,
        sticks,
    output:
        "results/{molecule}/report.html",
    log:
        "results/{molecule}/logs/write_report.log",
    params:
        settings=settings("report"),
        folder="results/{molecule}",
        version=STAGE_VERSION["report"],
    resources:
        mem_mb=1000,
        runtime=5,
    shell:
        "painn-spectra report --settings {params.settings:q} {params.folder} {output} > {log} 2>&1"


rule write_index:
    input:
        expand("results/{molecule}/report.html", molecule=MOLECULES),
    output:
        "results/report.html",
    log:
        "results/logs/write_index.log",
    params:
        version=STAGE_VERSION["report"],
    shell:
        "painn-spectra index {output} {input} > {log} 2>&1"
