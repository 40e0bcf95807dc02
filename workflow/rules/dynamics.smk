# Molecular dynamics with the first ensemble member, and with the others from the same starts. `<trajectory>.parts/` beside the output holds closed
# segments: a killed run goes on, and a longer production_ps extends the run, though Snakemake deletes the output.
#
# With md.replicas_per_job the replicas are shared out among jobs, `run_replicas`, each of which fills its part of that
# folder; run_dynamics then finds everything done and joins it.
def groups(folder):
    """What the jobs that share the replicas of one run leave; nothing where one job runs all."""
    return expand(f"{folder}/replicas/{{group}}.json", group=replica_groups(SETTINGS.md), allow_missing=True)


rule run_replicas:
    input:
        model=lambda wildcards: models(wildcards.molecule)[0],
        dataset=dataset,
    output:
        "results/{molecule}/{dynamics}/replicas/{group}.json",
    log:
        "results/{molecule}/logs/run_replicas-{dynamics}-{group}.log",
    benchmark:
        "results/{molecule}/benchmarks/run_replicas-{dynamics}-{group}.tsv"
    params:
        settings=settings("md"),
        trajectory="results/{molecule}/{dynamics}/trajectory.h5",
        group=lambda wildcards: int(wildcards.group),
        first="",
        version=STAGE_VERSION["md"],
    threads: lambda wildcards: min(workflow.cores, math.ceil((SETTINGS.md.replicas_per_job or 1) / BLOCK_REPLICAS))
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * max(4000, 1000 * threads),
        runtime=more(1440),
        gpu=gpus(SETTINGS.md.device),
    shell:
        "painn-spectra md --settings {params.settings:q} --threads {threads} --group {params.group} {params.first}"
        " {input.model} {input.dataset} {params.trajectory} {output} > {log} 2>&1"


use rule run_replicas as run_member_replicas with:
    input:
        model=lambda wildcards: models(wildcards.molecule)[int(wildcards.member)],
        dataset=dataset,
        first_member=lambda wildcards: models(wildcards.molecule)[0],
    output:
        "results/{molecule}/{dynamics}/{member}/replicas/{group}.json",
    log:
        "results/{molecule}/logs/run_member_replicas-{dynamics}-{member}-{group}.log",
    benchmark:
        "results/{molecule}/benchmarks/run_member_replicas-{dynamics}-{member}-{group}.tsv"
    params:
        settings=settings("md"),
        trajectory="results/{molecule}/{dynamics}/{member}/trajectory.h5",
        group=lambda wildcards: int(wildcards.group),
        first=lambda wildcards, input: f"--first-member {input.first_member}",
        version=STAGE_VERSION["md"],


rule run_dynamics:
    input:
        model=lambda wildcards: models(wildcards.molecule)[0],
        dataset=dataset,
        groups=groups("results/{molecule}/{dynamics}"),
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
        mem_mb=lambda wildcards, threads, attempt: attempt * max(4000, 1000 * threads),
        runtime=more(1440),
        gpu=gpus(SETTINGS.md.device),
    shell:
        "painn-spectra md --settings {params.settings:q} --threads {threads} {input.model} {input.dataset}"
        " {output} > {log} 2>&1"


rule run_member:
    input:
        model=lambda wildcards: models(wildcards.molecule)[int(wildcards.member)],
        dataset=dataset,
        first_member=lambda wildcards: models(wildcards.molecule)[0],
        groups=groups("results/{molecule}/{dynamics}/{member}"),
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
        mem_mb=lambda wildcards, threads, attempt: attempt * max(4000, 1000 * threads),
        runtime=more(1440),
        gpu=gpus(SETTINGS.md.device),
    shell:
        "painn-spectra md --settings {params.settings:q} --threads {threads} --first-member {input.first_member}"
        " {input.model} {input.dataset} {output} > {log} 2>&1"
