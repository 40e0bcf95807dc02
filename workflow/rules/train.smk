# One job per ensemble member: first on cheap labels, if the settings ask for them, then on the real ones.
rule pretrain_member:
    input:
        labels="results/{molecule}/pretraining/labels.extxyz",
    output:
        model="results/{molecule}/pretraining/{member}/model.pt",
        metrics="results/{molecule}/pretraining/{member}/metrics.jsonl",
    log:
        "results/{molecule}/logs/pretrain_member-{member}.log",
    benchmark:
        "results/{molecule}/benchmarks/pretrain_member-{member}.tsv"
    params:
        settings=settings("pretrain"),
        version=STAGE_VERSION["pretrain"],
    threads: 1 # a second gains a tenth, and waits for ever on a core that something else holds
    resources:
        mem_mb=more(4000),
        runtime=more(240),
        gpu=gpus(SETTINGS.train.device),
    shell:
        "painn-spectra pretrain --settings {params.settings:q} {input} {output} > {log} 2>&1"


def start_path(wildcards):
    """What training goes on from: a model made before, the pre-trained one, or nothing."""
    return start_from(SETTINGS, wildcards.molecule, int(wildcards.member))


def pretrained_model(wildcards):
    """The start that a job makes. One made before is no input: Snakemake would look for the job that makes it."""
    return [] if SETTINGS.train.start_from else start_path(wildcards) or []


def start_option(wildcards):
    path = start_path(wildcards)
    return f"--start-from {shlex.quote(path)}" if path else ""


def start_content(wildcards):
    return content_hash(start_path(wildcards)) if SETTINGS.train.start_from else ""


rule train_member:
    input:
        dataset=dataset,
        split=split,
        start=pretrained_model,
    output:
        model="results/{molecule}/model/{member}/model.pt",
        metrics="results/{molecule}/model/{member}/metrics.jsonl",
    log:
        "results/{molecule}/logs/train_member-{member}.log",
    benchmark:
        "results/{molecule}/benchmarks/train_member-{member}.tsv"
    params:
        settings=settings("train"),
        version=STAGE_VERSION["train"],
        start=start_option,
        content=start_content,
        same="",
    threads: 1 # a second gains a tenth, and waits for ever on a core that something else holds
    resources:
        mem_mb=more(4000),
        runtime=more(1440),
        gpu=gpus(SETTINGS.train.device),
    shell:
        "painn-spectra train --settings {params.settings:q} {params.start} {input.dataset} {input.split} {output}"
        " {params.same} > {log} 2>&1"


def model_before(wildcards):
    """The model of the round before, which stays where a round has added nothing."""
    if wildcards.round == "0":
        return []
    folder = f"results/{wildcards.molecule}/rounds/{int(wildcards.round) - 1}"
    return [f"{folder}/dataset.extxyz", f"{folder}/model/{wildcards.member}/model.pt"]


# The models between the rounds of labelling, on what is labelled so far.
use rule train_member as train_round with:
    input:
        dataset=in_round("dataset.extxyz"),
        split=in_round("split.json"),
        before=model_before,
        start=pretrained_model,
    output:
        model=in_round("model/{member}/model.pt"),
        metrics=in_round("model/{member}/metrics.jsonl"),
    log:
        "results/{molecule}/logs/train_round-{round}-{member}.log",
    benchmark:
        "results/{molecule}/benchmarks/train_round-{round}-{member}.tsv"
    params:
        settings=settings("train"),
        version=STAGE_VERSION["train"],
        start=start_option,
        content=start_content,
        same=lambda wildcards, input: f"--same-as {' '.join(input.before)}" if input.before else "",


rule evaluate_model:
    input:
        models=lambda wildcards: models(wildcards.molecule),
        metrics=lambda wildcards: [path.replace("model.pt", "metrics.jsonl") for path in models(wildcards.molecule)],
        dataset=dataset,
        split=split,
    output:
        errors="results/{molecule}/evaluation/errors.csv",
        outliers="results/{molecule}/evaluation/outliers.csv",
        members=expand("results/{{molecule}}/evaluation/{member}.csv", member=MEMBERS),
        svg=report(
            "results/{molecule}/figures/parity.svg",
            caption="../report/parity.rst",
            category="{molecule}",
            labels={"figure": "test errors"},
        ),
        curves=report(
            "results/{molecule}/figures/training.svg",
            caption="../report/training.rst",
            category="{molecule}",
            labels={"figure": "training"},
        ),
        twins=twins("results/{molecule}/figures/parity", "results/{molecule}/figures/training"),
    log:
        "results/{molecule}/logs/evaluate_model.log",
    benchmark:
        "results/{molecule}/benchmarks/evaluate_model.tsv"
    params:
        figures=lambda wildcards: f"results/{wildcards.molecule}/figures",
        version=STAGE_VERSION["evaluate"],
    resources:
        mem_mb=more(4000),
        runtime=more(30),
    shell:
        "painn-spectra evaluate-split {input.dataset} {input.split} {output.errors} {params.figures}"
        " --models {input.models} --members {output.members} --metrics {input.metrics} > {log} 2>&1"


rule calibrate_ensemble:
    input:
        models=lambda wildcards: models(wildcards.molecule),
        dataset=dataset,
        split=split,
    output:
        "results/{molecule}/evaluation/calibration.json",
    log:
        "results/{molecule}/logs/calibrate_ensemble.log",
    params:
        version=STAGE_VERSION["calibrate"],
    resources:
        mem_mb=more(4000),
        runtime=more(30),
    shell:
        "painn-spectra calibrate {input.dataset} {input.split} {output} --models {input.models} > {log} 2>&1"


# What each round of labelling has brought: asked for by name (`snakemake rounds`), it costs seconds.
rule summarise_rounds:
    input:
        dataset=dataset,
        errors="results/{molecule}/evaluation/errors.csv",
        records=lambda wildcards: expand(
            "results/{molecule}/rounds/{k}/sampling.json",
            molecule=wildcards.molecule,
            k=range(1, rounds(SETTINGS, wildcards.molecule) + 1),
        ),
        spectra=lambda wildcards: [
            *expand(
                "results/{molecule}/rounds/{k}/harmonic/model.csv",
                molecule=wildcards.molecule,
                k=range(rounds(SETTINGS, wildcards.molecule)),
            ),
            f"results/{wildcards.molecule}/harmonic/model.csv",
        ],
    output:
        table="results/{molecule}/evaluation/rounds.csv",
        svg=report(
            "results/{molecule}/figures/rounds.svg",
            caption="../report/rounds.rst",
            category="{molecule}",
            labels={"figure": "rounds of labelling"},
        ),
        twins=twins("results/{molecule}/figures/rounds"),
    log:
        "results/{molecule}/logs/summarise_rounds.log",
    params:
        figures="results/{molecule}/figures",
        version=STAGE_VERSION["rounds"],
    resources:
        mem_mb=more(2000),
        runtime=more(15),
    shell:
        "painn-spectra rounds {input.dataset} {input.errors} {output.table} {params.figures}"
        " --records {input.records} --spectra {input.spectra} > {log} 2>&1"
