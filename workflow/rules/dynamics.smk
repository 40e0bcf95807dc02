# Molecular dynamics with the first ensemble member, and with the others from the same starts. `<trajectory>.parts/` beside the output holds closed
# segments: a killed run goes on, and a longer production_ps extends the run, though Snakemake deletes the output.
rule run_dynamics:
    input:
        model=lambda wildcards: models(wildcards.molecule)[0],
        dataset=dataset,
    output:
        trajectory="results/{molecule}/{dynamics}/trajectory.h5",
        report="results/{molecule}/{dynamics}/dynamics.json",
    log:
        "results/{molecule}/logs/run_dynamics-{dynamics}.log",
    benchmark:
        "results/{molecule}/benchmarks/run_dynamics-{dynamics}.tsv"
    params:
        settings=settings("md"),
        version=STAGE_VERSION["md"],
    threads: lambda wildcards: min(workflow.cores, math.ceil(SETTINGS.md.n_replicas / BLOCK_REPLICAS))
    resources:
        mem_mb=lambda wildcards, threads: max(4000, 1000 * threads),
        runtime=1440,
    shell:
        "painn-spectra md --settings {params.settings:q} --threads {threads} {input} {output} > {log} 2>&1"


rule run_member:
    input:
        model=lambda wildcards: models(wildcards.molecule)[int(wildcards.member)],
        dataset=dataset,
        first_member=lambda wildcards: models(wildcards.molecule)[0],
    output:
        trajectory="results/{molecule}/{dynamics}/{member}/trajectory.h5",
        report="results/{molecule}/{dynamics}/{member}/dynamics.json",
    log:
        "results/{molecule}/logs/run_member-{dynamics}-{member}.log",
    benchmark:
        "results/{molecule}/benchmarks/run_member-{dynamics}-{member}.tsv"
    params:
        settings=settings("md"),
        version=STAGE_VERSION["md"],
    threads: lambda wildcards: min(workflow.cores, math.ceil(SETTINGS.md.n_replicas / BLOCK_REPLICAS))
    resources:
        mem_mb=lambda wildcards, threads: max(4000, 1000 * threads),
        runtime=1440,
    shell:
        "painn-spectra md --settings {params.settings:q} --threads {threads} --first-member {input.first_member}"
        " {input.model} {input.dataset} {output} > {log} 2>&1"
