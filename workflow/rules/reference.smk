# Labels to learn from. Shipped files are `ancient` and enter by content: a touch or a checkout redoes nothing.
def labels_of(wildcards):
    return labels_file(entry(SETTINGS, wildcards.molecule))


rule gather_labels:
    input:
        labels=ancient(labels_of),
    output:
        dataset="results/{molecule}/dataset.extxyz",
        split="results/{molecule}/split.json",
    log:
        "results/{molecule}/logs/gather_labels.log",
    params:
        settings=settings("gather"),
        version=STAGE_VERSION["gather"],
        content=lambda wildcards: content_hash(labels_of(wildcards)),
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "painn-spectra gather --settings {params.settings:q} {input.labels:q} {output} > {log} 2>&1"


rule label_pretraining:
    input:
        dataset=dataset,
        split=split,
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
        mem_mb=lambda wildcards, threads: max(2000, 500 * threads),
        runtime=120,
    shell:
        "painn-spectra label-pretraining --settings {params.settings:q} --threads {threads} {input} {output}"
        " > {log} 2>&1"
