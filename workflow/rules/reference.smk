# From a structure to a labelled set: conformers, geometries, labels in chunks, rounds with the model's own dynamics.
# Shipped labels are `ancient` and enter by content: a touch or a checkout redoes nothing.
LABEL_STORE = "results/.labels" # every label ever computed here, by geometry and level of theory


def structure_file(wildcards):
    structure = entry(SETTINGS, wildcards.molecule).structure or ""
    return structure if Path(structure).is_file() else []


def in_round(file):
    """`file` of the round that the job belongs to."""
    return f"results/{{molecule}}/rounds/{{round}}/{file}"


def new_labels(name, number, ending="extxyz"):
    """Labels that round `number` of the entry adds: the shipped file, or the chunks of its geometries."""
    molecule = entry(SETTINGS, name)
    if number == 0 and not computes_labels(molecule):
        return [ancient(labels_file(molecule))] if ending == "extxyz" else []
    return expand(
        "results/{molecule}/rounds/{number}/labels/{chunk}.{ending}",
        molecule=name,
        number=number,
        chunk=chunks(SETTINGS, number),
        ending=ending,
    )


def round_of(wildcards):
    """The round of a job; the data set that trains the final model is that of the last one."""
    return int(wildcards.get("round", rounds(SETTINGS, wildcards.molecule)))


def earlier(file, back=1):
    """Input function: `file` of the round before, nothing in the first."""

    def of_job(wildcards):
        number = round_of(wildcards)
        return f"results/{wildcards.molecule}/rounds/{number - back}/{file}" if number else []

    return of_job


def shipped_content(wildcards):
    molecule = entry(SETTINGS, wildcards.molecule)
    return "" if round_of(wildcards) or computes_labels(molecule) else content_hash(labels_file(molecule))


rule find_conformers:
    input:
        structure_file,
    output:
        "results/{molecule}/conformers.extxyz",
    log:
        "results/{molecule}/logs/find_conformers.log",
    params:
        settings=settings("conformers"),
        version=STAGE_VERSION["conformers"],
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    shell:
        "painn-spectra conformers --settings {params.settings:q} {output} > {log} 2>&1"


rule sample_geometries:
    input:
        "results/{molecule}/conformers.extxyz",
    output:
        "results/{molecule}/rounds/0/geometries.extxyz",
    log:
        "results/{molecule}/logs/sample_geometries.log",
    params:
        settings=settings("sample"),
        version=STAGE_VERSION["sample"],
    threads: lambda wildcards: workflow.cores
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * max(2000, 500 * threads),
        runtime=more(120),
    shell:
        "painn-spectra sample --settings {params.settings:q} --threads {threads} {input} {output} > {log} 2>&1"


def earlier_models(wildcards):
    """Ensemble members of the round before."""
    folder = f"results/{wildcards.molecule}/rounds/{int(wildcards.round) - 1}/model"
    return expand("{folder}/{member}/model.pt", folder=folder, member=range(SETTINGS.sampling.members))


def round_spectra(wildcards):
    """Harmonic spectra of the models so far, where their change may end the rounds."""
    if SETTINGS.sampling.until_spectrum_change is None:
        return []
    folder = f"results/{wildcards.molecule}/rounds"
    return expand("{folder}/{k}/harmonic/model.csv", folder=folder, k=range(int(wildcards.round)))


rule sample_model:
    input:
        models=earlier_models,
        dataset=earlier("dataset.extxyz"),
        split=earlier("split.json"),
        spectra=round_spectra,
    output:
        geometries=in_round("geometries.extxyz"),
        record=in_round("sampling.json"),
    wildcard_constraints:
        round=r"[1-9]\d*",
    log:
        "results/{molecule}/logs/sample_model-{round}.log",
    benchmark:
        "results/{molecule}/benchmarks/sample_model-{round}.tsv"
    params:
        settings=settings("sample-model"),
        version=STAGE_VERSION["sample-model"],
        others=lambda wildcards, input: input.models[1:],
    threads: lambda wildcards: min(workflow.cores, len(SETTINGS.sampling.model_temperatures_K))
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * max(4000, 1000 * threads),
        runtime=more(240),
    shell:
        "painn-spectra sample-model --settings {params.settings:q} --threads {threads} {input.models[0]}"
        " {input.dataset} {output.geometries} --others {params.others} --spectra {input.spectra}"
        " --split {input.split} --record {output.record} > {log} 2>&1"


# One frame at a time on one thread: chunks in parallel use the cores better than threads on one frame.
rule label_chunk:
    input:
        in_round("geometries.extxyz"),
    output:
        labels=in_round("labels/{chunk}.extxyz"),
        failures=in_round("labels/{chunk}.json"),
    wildcard_constraints:
        chunk=r"\d{4}",
    log:
        "results/{molecule}/logs/label_chunk-{round}-{chunk}.log",
    benchmark:
        "results/{molecule}/benchmarks/label_chunk-{round}-{chunk}.tsv"
    params:
        settings=settings("label"),
        store=LABEL_STORE,
        version=STAGE_VERSION["label"],
    resources:
        mem_mb=more(4000),
        runtime=more(720),
    shell:
        "painn-spectra label --settings {params.settings:q} --store {params.store} --threads {threads}"
        " {input} {output} > {log} 2>&1"


rule gather_labels:
    input:
        labels=lambda wildcards: new_labels(wildcards.molecule, round_of(wildcards)),
        failures=lambda wildcards: new_labels(wildcards.molecule, round_of(wildcards), "json"),
        dataset=earlier("dataset.extxyz"),
        split=earlier("split.json"),
    output:
        dataset="results/{molecule}/dataset.extxyz",
        split="results/{molecule}/split.json",
    log:
        "results/{molecule}/logs/gather_labels.log",
    params:
        settings=settings("gather"),
        version=STAGE_VERSION["gather"],
        content=shipped_content,
        previous=lambda wildcards, input: f"--previous {input.dataset} {input.split}" if input.dataset else "",
    resources:
        mem_mb=more(2000),
        runtime=more(10),
    shell:
        "painn-spectra gather --settings {params.settings:q} {output} {input.labels:q} {params.previous}"
        " --failures {input.failures} > {log} 2>&1"


use rule gather_labels as gather_round with:
    output:
        dataset=in_round("dataset.extxyz"),
        split=in_round("split.json"),
    log:
        "results/{molecule}/logs/gather_round-{round}.log",


rule label_pretraining:
    input:
        dataset=first_data("dataset.extxyz"),
        split=first_data("split.json"),
    output:
        "results/{molecule}/pretraining/labels.extxyz",
    log:
        "results/{molecule}/logs/label_pretraining.log",
    benchmark:
        "results/{molecule}/benchmarks/label_pretraining.tsv"
    params:
        settings=settings("label-pretraining"),
        version=STAGE_VERSION["label-pretraining"],
    threads: lambda wildcards: workflow.cores # bursts of dynamics are shared out among all
    resources:
        mem_mb=lambda wildcards, threads, attempt: attempt * max(2000, 500 * threads),
        runtime=more(120),
    shell:
        "painn-spectra label-pretraining --settings {params.settings:q} --threads {threads} {input} {output}"
        " > {log} 2>&1"
