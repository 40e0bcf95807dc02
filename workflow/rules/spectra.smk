# Spectra with statistical errors from one trajectory file, or from one of each ensemble member.
rule compute_spectra:
    input:
        trajectory="results/{molecule}/{dynamics}/trajectory.h5",
        members=expand("results/{{molecule}}/{{dynamics}}/{member}/trajectory.h5", member=MEMBERS[1:]),
    output:
        ir="results/{molecule}/{dynamics}/ir.csv",
        raman="results/{molecule}/{dynamics}/raman.csv",
        bands="results/{molecule}/{dynamics}/bands.csv",
        replicas="results/{molecule}/{dynamics}/replicas.npz",
        twins=multiext(
            "results/{molecule}/{dynamics}/", "ir.jdx", "raman.jdx", "ir.json", "raman.json", "bands.json"
        ),
        power=["results/{molecule}/{dynamics}/power.csv"] if SETTINGS.md.record_motion else [],
    log:
        "results/{molecule}/logs/compute_spectra-{dynamics}.log",
    benchmark:
        "results/{molecule}/benchmarks/compute_spectra-{dynamics}.tsv"
    params:
        settings=settings("spectra"),
        version=STAGE_VERSION["spectra"],
        members=lambda wildcards, input: ["--members", *input.members] if input.members else "",
    resources:
        mem_mb=more(4000),
        runtime=more(30),
    shell:
        "painn-spectra spectra --settings {params.settings:q} {input.trajectory}"
        " {output.ir} {output.raman} {output.bands} {output.replicas} {params.members} > {log} 2>&1"
