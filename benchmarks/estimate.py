"""What a molecule was expected to take against what its finished run took, in core-hours by stage.

    python -m benchmarks.estimate config/examples/methanol.yaml results/methanol

The estimate is that of `painn-spectra new`, for this config: a trial label and a few steps of each stage,
timed now on this machine. What the run took is the processor time in results/<molecule>/benchmarks.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import yaml

from painn_spectra.config import load_config
from painn_spectra.new_molecule import print_estimate
from painn_spectra.sampling.conformers import read_conformers

STAGE_OF = {
    "label_chunk": "labels",
    "label_pretraining": "GFN2-xTB labels to learn first",
    "pretrain_member": "training",
    "train_round": "training",
    "train_member": "training",
    "sample_model": "sampling with the model",
    "run_dynamics": "dynamics",
    "run_member": "dynamics",
}
OTHERS = "evaluation, harmonics, spectra, figures"


def taken(folder: Path) -> dict[str, float]:
    """Core-hours of each stage by the files that the workflow keeps."""
    hours: dict[str, float] = defaultdict(float)
    for file in sorted(folder.glob("*.tsv")):
        heads, values = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[:2])
        told = dict(zip(heads, values, strict=True))
        seconds = told["cpu_time"] if told["cpu_time"] != "NA" else told["s"]  # NA: ended within a second
        hours[STAGE_OF.get(file.stem.partition("-")[0], OTHERS)] += float(seconds) / 3600
    return hours


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("results", type=Path, help="results/<molecule> of the run")
    arguments = parser.parse_args()
    config = load_config(yaml.safe_load(arguments.config.read_text(encoding="utf-8")))
    expected = print_estimate(config, read_conformers(arguments.results / "conformers.extxyz"))
    expected = {"labels" if stage.endswith(" labels") else stage: hours for stage, hours in expected.items()}
    spent = taken(arguments.results / "benchmarks")
    print("| stage | expected, core-hours | taken | taken/expected |\n|---|---|---|---|")
    for stage in (*expected, OTHERS):
        if stage in spent or stage in expected:
            print(line(stage, expected.get(stage), spent.get(stage)))
    print(line("all", sum(expected.values()), sum(spent.values())))


def line(stage: str, expected: float | None, spent: float | None) -> str:
    values = [f"{value:.2f}" if value is not None else "–" for value in (expected, spent)]
    ratio = f"{spent / expected:.2f}" if spent and expected else "–"
    return f"| {stage} | {' | '.join(values)} | {ratio} |"


if __name__ == "__main__":
    main()
