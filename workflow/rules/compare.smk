# Figures, the comparison with experiment and the pages that gather them.
def figure(spectrum):
    """A figure of the report that `snakemake --report` writes."""
    return report(
        f"results/{{molecule}}/figures/{{dynamics}}/{spectrum}.svg",
        caption=f"../report/{spectrum}.rst",
        category="{molecule}",
        labels={"figure": f"{spectrum} spectrum", "dynamics": "{dynamics}"},
    )


def experiment_paths(wildcards):
    """Files of the experiment; addresses are fetched when they are read."""
    sources = experiment_files(entry(SETTINGS, wildcards.molecule)).sources.values()
    return [source for source in sources if not is_address(source)]


rule draw_figures:
    input:
        spectra=multiext("results/{molecule}/{dynamics}/", "ir.csv", "raman.csv", "bands.csv", "replicas.npz"),
        experiment=experiment_paths,
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
        mem_mb=more(2000),
        runtime=more(15),
    shell:
        "painn-spectra compare --settings {params.settings:q} {params.folders} {output.comparison}"
        " {output.similarity}"
        " --harmonic {input.sticks} > {log} 2>&1"


# All rungs that the settings list, one above the other. Perturbation theory is computed for it.
rule draw_ladder:
    input:
        spectra=expand(
            "results/{{molecule}}/{dynamics}/{file}",
            dynamics=DYNAMICS,
            file=["ir.csv", "replicas.npz", "dynamics.json"],
        ),
        vpt2="results/{molecule}/harmonic/vpt2.csv",
        experiment=experiment_paths,
        sticks=sticks,
    output:
        table="results/{molecule}/ladder.csv",
        svg=report(
            "results/{molecule}/figures/ladder.svg",
            caption="../report/ladder.rst",
            category="{molecule}",
            labels={"figure": "ladder"},
        ),
        png="results/{molecule}/figures/ladder.png",
    log:
        "results/{molecule}/logs/draw_ladder.log",
    params:
        settings=settings("ladder"),
        folders=lambda wildcards: "results/{0} results/{0}/ladder.csv results/{0}/figures".format(*wildcards),
        dynamics=DYNAMICS,
        version=STAGE_VERSION["ladder"],
    resources:
        mem_mb=more(2000),
        runtime=more(15),
    shell:
        "painn-spectra ladder --settings {params.settings:q} {params.folders} --dynamics {params.dynamics}"
        " > {log} 2>&1"


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
        mem_mb=more(1000),
        runtime=more(5),
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
