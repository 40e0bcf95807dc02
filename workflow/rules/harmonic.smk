# Harmonic sticks: of the model always, as they cost seconds; of the labels' method from what ships with the labels,
# or computed on demand (`snakemake harmonic`), label by label: a killed job goes on from `.parts/`.
def reference_start(wildcards):
    """Shipped derivatives of the labels' method, which then only get the entry's masses; or the model's minima."""
    shipped = shipped_harmonic(SETTINGS, wildcards.molecule)
    return shipped or f"results/{wildcards.molecule}/harmonic/conformers.extxyz"


def shipped_derivatives(wildcards):
    shipped = shipped_harmonic(SETTINGS, wildcards.molecule)
    return content_hash(shipped) if shipped else ""


rule harmonic_model:
    input:
        model=lambda wildcards: models(wildcards.molecule)[0],
        dataset=dataset,
    output:
        table="results/{molecule}/harmonic/model.csv",
        conformers="results/{molecule}/harmonic/conformers.extxyz",
        derivatives="results/{molecule}/harmonic/model.npz",
    log:
        "results/{molecule}/logs/harmonic_model.log",
    benchmark:
        "results/{molecule}/benchmarks/harmonic_model.tsv"
    params:
        settings=settings("harmonic-model"),
        version=STAGE_VERSION["harmonic-model"],
    resources:
        mem_mb=more(4000),
        runtime=more(60),
    shell:
        "painn-spectra harmonic-model --settings {params.settings:q} {input} {output.table} {output.conformers}"
        " > {log} 2>&1"


# Of the models between the rounds of labelling: their change may end the rounds.
use rule harmonic_model as harmonic_round with:
    input:
        model=in_round("model/0/model.pt"),
        dataset=in_round("dataset.extxyz"),
    output:
        table=in_round("harmonic/model.csv"),
        conformers=in_round("harmonic/conformers.extxyz"),
        derivatives=in_round("harmonic/model.npz"),
    log:
        "results/{molecule}/logs/harmonic_round-{round}.log",
    benchmark:
        "results/{molecule}/benchmarks/harmonic_round-{round}.tsv"


# `ancient`: another training moves its minima, but not those that the reference method finds from them
rule harmonic_reference:
    input:
        ancient(reference_start),
    output:
        table="results/{molecule}/harmonic/reference.csv",
        derivatives="results/{molecule}/harmonic/reference.npz",
    log:
        "results/{molecule}/logs/harmonic_reference.log",
    benchmark:
        "results/{molecule}/benchmarks/harmonic_reference.tsv"
    params:
        settings=settings("harmonic-reference"),
        version=STAGE_VERSION["harmonic-reference"],
        content=shipped_derivatives,
    threads: lambda wildcards: 1 if shipped_harmonic(SETTINGS, wildcards.molecule) else workflow.cores
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * 4000 * threads,
        runtime=more(1440),
    shell:
        "painn-spectra harmonic-reference --settings {params.settings:q} --threads {threads} {input} {output.table}"
        " > {log} 2>&1"


# Perturbation theory on the model's surface: 6N labels at each of 4n + 2 geometries of a conformer with n modes.
rule run_vpt2:
    input:
        model=lambda wildcards: models(wildcards.molecule)[0],
        table="results/{molecule}/harmonic/model.csv",
    output:
        "results/{molecule}/harmonic/vpt2.csv",
    log:
        "results/{molecule}/logs/run_vpt2.log",
    benchmark:
        "results/{molecule}/benchmarks/run_vpt2.tsv"
    params:
        version=STAGE_VERSION["vpt2"],
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    shell:
        "painn-spectra vpt2 {input} {output} > {log} 2>&1"


rule harmonic_compare:
    input:
        reference="results/{molecule}/harmonic/reference.csv",
        model="results/{molecule}/harmonic/model.csv",
        derivatives=["results/{molecule}/harmonic/reference.npz", "results/{molecule}/harmonic/model.npz"],
    output:
        "results/{molecule}/harmonic/comparison.csv",
    log:
        "results/{molecule}/logs/harmonic_compare.log",
    params:
        version=STAGE_VERSION["compare"],
    resources:
        mem_mb=more(1000),
        runtime=more(10),
    shell:
        "painn-spectra harmonic-compare {input.reference} {input.model} {output} > {log} 2>&1"


rule scan_torsions:
    input:
        model=lambda wildcards: models(wildcards.molecule)[0],
        conformers="results/{molecule}/harmonic/conformers.extxyz",
    output:
        profiles="results/{molecule}/harmonic/torsions.csv",
        barriers="results/{molecule}/harmonic/barriers.csv",
        figures=report(
            "results/{molecule}/figures/torsions.svg",
            caption="../report/torsions.rst",
            category="{molecule}",
            labels={"figure": "torsional profiles"},
        ),
        twins=twins("results/{molecule}/figures/torsions"),
    log:
        "results/{molecule}/logs/scan_torsions.log",
    benchmark:
        "results/{molecule}/benchmarks/scan_torsions.tsv"
    params:
        settings=settings("torsions"),
        folder="results/{molecule}/figures",
        version=STAGE_VERSION["torsions"],
    threads: lambda wildcards: workflow.cores
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * 4000 * threads,
        runtime=more(720),
    shell:
        "painn-spectra torsions --settings {params.settings:q} --threads {threads} {input}"
        " {output.profiles} {output.barriers} {params.folder} > {log} 2>&1"
