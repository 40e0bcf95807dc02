"""Copies of what the repository ships, for tests that run its workflow with a configuration of their own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

STUB = r"""#!/bin/sh
# Makes what a stage would make: every path it is given, and the files beside them.
figures() { for stem; do for width in "" -column; do for ending in svg pdf png; do
    touch "$stem$width.$ending"; done; done; done; }
stage=$1; shift
case "$*" in *--settings*) shift 2;; esac
[ "$1" = --store ] && shift 2
case $stage in
    spectra) for name in ir.jdx raman.jdx ir.json raman.json bands.json power.csv; do
        touch "$(dirname "$1")/$name"; done ;;
    compare) figures "$2/ir" "$2/raman" ;;
    harmonic-model) touch "$(dirname "$3")/model.npz" ;;
    evaluate-split) touch "$(dirname "$3")/outliers.csv"; figures "$4/parity" "$4/training" ;;
esac
for path; do
    case $path in *.*) [ -e "$path" ] || echo "$stage" > "$path" ;; esac
done
"""


TINY = {
    "molecules": [{"name": "water", "temperature_K": 100}],  # a poor model holds together when cold
    "dataset": {"test_fraction": 0.25, "validation_fraction": 0.1},
    "model": {"n_features": 16, "n_layers": 2, "n_radial": 8},
    "train": {
        "members": 2,
        "epochs": 60,
        "learning_rate": 2e-2,
        "ema_decay": 0.9,
        "linear_beyond": None,  # a few hundred steps stay far from any knee
        "pretrain": {"n_frames": 40, "epochs": 10, "learning_rate": 2e-2},
    },
    "md": {"n_replicas": 2, "equilibration_ps": 0.1, "production_ps": 0.7, "checkpoint_interval_ps": 0.5},
    "spectra": {"fwhm_cm": 60},
}


class Clone:
    """A fresh copy of what the repository ships, with a configuration of its own."""

    def __init__(self, folder: Path, config: dict) -> None:
        self.folder = folder
        for name in ("workflow", "profiles"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "Snakefile", folder)
        (folder / "benchmarks").mkdir()
        for name in ("steps", "reference_step"):
            told = "import sys; print(*sys.argv)"
            (folder / f"benchmarks/{name}.py").write_text(told, encoding="utf-8")
        (folder / "config").mkdir()
        self.configure(config)

    def configure(self, config: dict) -> None:
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def stub(self) -> None:
        path = self.folder / "bin/painn-spectra"
        path.parent.mkdir()
        path.write_text(STUB, encoding="utf-8")
        path.chmod(0o755)

    def labels(self, name: str) -> Path:
        path = self.folder / f"config/molecules/{name}/labels.extxyz"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        path = os.pathsep.join([str(self.folder / "bin"), str(BIN), os.environ["PATH"]])
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def jobs(self, *arguments: str) -> set[str]:
        """What a run would do now: `rule molecule`."""
        done = self.snakemake("--dry-run", *arguments)
        text = done.stdout + done.stderr
        assert done.returncode == 0, text
        blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)", text, flags=re.MULTILINE)
        assert blocks or "Nothing to be done" in text, text
        molecule = (re.search(r"wildcards: .*molecule=(\w+)", block) for _, block in blocks)
        found = zip((rule for rule, _ in blocks), molecule, strict=True)
        return {f"{rule} {match[1]}" if match else rule for rule, match in found} - {"all"}

    def run(self) -> None:
        done = self.snakemake("--quiet", "all")
        assert done.returncode == 0, done.stdout + done.stderr
