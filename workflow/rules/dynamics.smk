# Molecular dynamics with the first ensemble member, and with the others from the same starts. `<trajectory>.parts/` beside the output holds closed
# segments: a killed run goes on, and a longer production_ps extends the run, though Snakemake deletes the output.
#
# With md.replicas_per_job the replicas are shared out among jobs, `run_replicas`, each of which fills its part of that
# folder; run_dynamics then finds everything done and joins it.
def groups(folder):
    """What the jobs that share the replicas of one run leave; nothing where one job runs all."""
    return expand(f"{folder}/replicas/{{group}}.json", group=replica_groups(SETTINGS.md), allow_missing=True)


def correction(wildcards):
    """What Te PIGS adds to the model of the entry, and the centroids that it was learnt from."""
    if wildcards.dynamics != "tepigs":
        return []
    member = wildcards.get("member", "0")
    folder = f"results/{wildcards.molecule}/correction/{member}"
    return [f"{folder}/model.pt", f"{folder}/centroids.extxyz"]


def dynamics_threads(wildcards):
    """One core for each block of replicas."""
    size = block_replicas(wildcards.dynamics, SETTINGS.md)
    shared = SETTINGS.md.replicas_per_job if "group" in wildcards.keys() else None
    return min(workflow.cores, math.ceil((shared or SETTINGS.md.n_replicas) / size))


rule run_replicas:
    input:
        model=lambda wildcards: models(wildcards.molecule)[0],
        dataset=dataset,
        correction=correction,
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
        added=lambda wildcards, input: ["--correction", *input.correction] if input.correction else "",
    threads: dynamics_threads
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * max(4000, 1000 * threads),
        runtime=more(1440),
        gpu=gpus(SETTINGS.md.device),
    shell:
        "painn-spectra md --settings {params.settings:q} --threads {threads} --group {params.group} {params.first}"
        " {input.model} {input.dataset} {params.trajectory} {output} {params.added} > {log} 2>&1"


use rule run_replicas as run_member_replicas with:
    input:
        model=lambda wildcards: models(wildcards.molecule)[int(wildcards.member)],
        dataset=dataset,
        first_member=lambda wildcards: models(wildcards.molecule)[0],
        correction=correction,
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
        added=lambda wildcards, input: ["--correction", *input.correction] if input.correction else "",


rule run_dynamics:
    input:
        model=lambda wildcards: models(wildcards.molecule)[0],
        dataset=dataset,
        groups=groups("results/{molecule}/{dynamics}"),
        correction=correction,
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
        added=lambda wildcards, input: ["--correction", *input.correction] if input.correction else "",
    threads: dynamics_threads
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * max(4000, 1000 * threads),
        runtime=more(1440),
        gpu=gpus(SETTINGS.md.device),
    shell:
        "painn-spectra md --settings {params.settings:q} --threads {threads} {input.model} {input.dataset} {output}"
        " {params.added} > {log} 2>&1"


rule run_member:
    input:
        model=lambda wildcards: models(wildcards.molecule)[int(wildcards.member)],
        dataset=dataset,
        split=split,
        first_member=lambda wildcards: models(wildcards.molecule)[0],
        groups=groups("results/{molecule}/{dynamics}/{member}"),
        correction=correction,
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
        added=lambda wildcards, input: ["--correction", *input.correction] if input.correction else "",
    threads: dynamics_threads
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * max(4000, 1000 * threads),
        runtime=more(1440),
        gpu=gpus(SETTINGS.md.device),
    shell:
        "painn-spectra md --settings {params.settings:q} --threads {threads} --split {input.split}"
        " --first-member {input.first_member}"
        " {input.model} {input.dataset} {output} {params.added} > {log} 2>&1"


# Te PIGS: path integrals at an elevated temperature, and a small model of what they add to the forces on centroids.
rule sample_centroids:
    input:
        model=lambda wildcards: models(wildcards.molecule)[int(wildcards.member)],
        dataset=dataset,
    output:
        centroids="results/{molecule}/correction/{member}/centroids.extxyz",
        split="results/{molecule}/correction/{member}/split.json",
    log:
        "results/{molecule}/logs/sample_centroids-{member}.log",
    benchmark:
        "results/{molecule}/benchmarks/sample_centroids-{member}.tsv"
    params:
        settings=settings("sample-centroids"),
        version=STAGE_VERSION["sample-centroids"],
    threads: lambda wildcards: min(workflow.cores, SETTINGS.tepigs.n_replicas)
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * max(4000, 1000 * threads),
        runtime=more(1440),
    shell:
        "painn-spectra sample-centroids --settings {params.settings:q} --threads {threads} {input} {output}"
        " > {log} 2>&1"


rule train_correction:
    input:
        centroids="results/{molecule}/correction/{member}/centroids.extxyz",
        split="results/{molecule}/correction/{member}/split.json",
    output:
        model="results/{molecule}/correction/{member}/model.pt",
        metrics="results/{molecule}/correction/{member}/metrics.jsonl",
    log:
        "results/{molecule}/logs/train_correction-{member}.log",
    benchmark:
        "results/{molecule}/benchmarks/train_correction-{member}.tsv"
    params:
        settings=settings("train-correction"),
        version=STAGE_VERSION["train-correction"],
    threads: 1 # a second gains a tenth, and waits for ever on a core that something else holds
    resources:
        mem_mb=more(4000),
        runtime=more(1440),
    shell:
        "painn-spectra train --settings {params.settings:q} {input} {output} > {log} 2>&1"
