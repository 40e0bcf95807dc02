# What a step of training and of dynamics costs with a trained model: not a result, so no part of `all`.
rule measure_steps:
    input:
        script="benchmarks/steps.py",
        model="results/{molecule}/model/0/model.pt",
    output:
        "results/{molecule}/benchmarks-steps.txt",
    log:
        "results/{molecule}/logs/measure_steps.log",
    params:
        python=sys.executable,
    threads: workflow.cores # it uses one; nothing else may run beside a measurement
    resources:
        mem_mb=more(4000),
        runtime=more(30),
    shell:
        "{params.python:q} {input.script} --model {input.model} > {output} 2> {log}"


# A step at the reference method beside one of the model: what the dynamics replaced. Aspirin takes minutes.
rule measure_reference_step:
    input:
        script="benchmarks/reference_step.py",
    output:
        "results/benchmarks-reference.txt",
    log:
        "results/logs/measure_reference_step.log",
    params:
        python=sys.executable,
    threads: workflow.cores
    resources:
        mem_mb=more(4000),
        runtime=more(60),
    shell:
        "{params.python:q} -m benchmarks.reference_step 2> {log} | tee {output}"
