"""The stages of seconds for kill_series.py: before labels, between training and dynamics, and after.

All on water with GFN2-xTB and a small model, in the order of the workflow: `commands` run each once into a
folder of inputs, and each is then killed while it writes the same files anew into a folder of its own.
"""

import importlib
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from painn_spectra.config import load_config
from painn_spectra.plan import stage_settings

Contents = dict[str, np.ndarray]
Command = Callable[[Path], list[str]]

CONFIG = load_config(
    {
        "molecules": [
            {"name": "water", "structure": "O", "method": {"program": "gfn2-xtb"}, "temperature_K": 20.0}
        ],
        "sampling": {
            "n_embeddings": 5, "n_frames": 30, "n_trajectories": 2, "interval_fs": 10.0,
            "frames_per_round": 6, "model_temperatures_K": [50.0, 100.0],
        },
        "model": {"n_features": 16, "n_layers": 2, "n_radial": 8},
        "train": {
            "epochs": 200, "batch_size": 6, "learning_rate": 5e-3, "ema_decay": 0.9,
            "pretrain": {"n_frames": 20, "epochs": 10},
        },
        "md": {"n_replicas": 8, "equilibration_ps": 0.1, "production_ps": 1.0, "friction_per_ps": 20.0},
        "spectra": {"fwhm_cm": 60.0, "max_wavenumber_cm": 4500.0},
    }
)  # fmt: skip
# stage -> its paths in order; {f}: the folder that it writes to, {i}: that of its inputs
PATHS = {
    "conformers": "{f}/conformers.extxyz",
    "sample": "{i}/conformers.extxyz {f}/geometries.extxyz",
    "label": "--store {i}/store {i}/geometries.extxyz {f}/labels.extxyz {f}/failures.json",
    "gather": "{f}/dataset.extxyz {f}/split.json {i}/labels.extxyz",
    "label-pretraining": "{i}/dataset.extxyz {i}/split.json {f}/pretraining/labels.extxyz",
    "pretrain": "{i}/pretraining/labels.extxyz {f}/pretraining/model.pt {f}/pretraining/metrics.jsonl",
    "train": "{i}/dataset.extxyz {i}/split.json {f}/model/0/model.pt {f}/model/0/metrics.jsonl",
    "sample-model": "{i}/model/0/model.pt {i}/dataset.extxyz {f}/batch.extxyz --split {i}/split.json"
    " --record {f}/sampling.json",
    "evaluate-split": "{i}/dataset.extxyz {i}/split.json {f}/evaluation/errors.csv {f}/figures"
    " --models {i}/model/0/model.pt --members {f}/evaluation/0.csv --metrics {i}/model/0/metrics.jsonl",
    "calibrate": "{i}/dataset.extxyz {i}/split.json {f}/evaluation/calibration.json"
    " --models {i}/model/0/model.pt {i}/pretraining/model.pt",
    "harmonic-reference": "{i}/conformers.extxyz {f}/harmonic/reference.csv",
    "harmonic-model": "{i}/model/0/model.pt {i}/dataset.extxyz {f}/harmonic/model.csv"
    " {f}/harmonic/conformers.extxyz",
    "harmonic-compare": "{i}/harmonic/reference.csv {i}/harmonic/model.csv {f}/harmonic/comparison.csv",
    "vpt2": "{i}/model/0/model.pt {i}/harmonic/model.csv {f}/harmonic/vpt2.csv",
    "md": "{i}/model/0/model.pt {i}/dataset.extxyz {f}/classical/trajectory.h5 {f}/classical/dynamics.json",
    "spectra": "{i}/classical/trajectory.h5 {f}/classical/ir.csv {f}/classical/raman.csv"
    " {f}/classical/bands.csv {f}/classical/replicas.npz",
    "compare": "{i}/classical {f}/figures/classical {f}/classical/comparison.csv"
    " {f}/classical/similarity.csv --harmonic {i}/harmonic/model.csv",
    "ladder": "{i} {f}/ladder.csv {f}/figures --dynamics classical",
    "report": "{i} {f}/report.html",
    "index": "{f}/index.html {i}/report.html",
}
LONG = ("label", "train", "md")  # series of their own
UNSET = ("index", "evaluate-split", "calibrate", "harmonic-compare", "vpt2")  # no --settings
WORK = (
    "sampling.conformers", "sampling.first_set", "sampling.model_batch", "sampling.pretraining", "evaluate",
    "calibration", "harmonic_reference", "harmonic_model", "harmonic_comparison", "vpt2.stage",
    "spectra.spectrum", "spectra.compare", "spectra.ladder", "spectra.figures", "report.page", "train",
)  # fmt: skip


def words(stage: str, inputs: Path, folder: Path) -> list[str]:
    """Command line of a stage that writes into `folder`."""
    told = [] if stage in UNSET else ["--settings", stage_settings(CONFIG, stage, "water", 0, "classical", 1)]
    return [stage, *told, *(path.format(f=folder, i=inputs) for path in PATHS[stage].split())]


def short_stages(inputs: Path) -> dict[str, Command]:
    """Name and command line of each, with the inputs that `commands` have left."""
    return {stage: partial(words, stage, inputs) for stage in PATHS if stage not in LONG}


def commands(inputs: Path) -> list[list[str]]:
    """Command lines that make all inputs, in order; imports what the stages would import."""
    for module in WORK:
        importlib.import_module(f"painn_spectra.{module}")
    return [words(stage, inputs, inputs) for stage in PATHS]


def files_of(folder: Path) -> Contents:
    """The bytes of every output, tables, archives, pages and figures alike, without the folder's own name and
    the seconds that a training took, and a model's weights (seconds change checksums inside of its file); not
    locks, records of the run or what a stage goes on from."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") or part.endswith(".parts") for part in name.parts)
        if path.is_file() and not hidden and path.suffix != ".lock":
            if path.suffix == ".pt":
                state = torch.load(path, weights_only=True)["state"]
                content = b"".join(value.numpy().tobytes() for value in state.values())
            else:
                content = path.read_bytes().replace(str(folder).encode(), b"")
            content = re.sub(rb'"seconds": ?[0-9.e+-]+', b"", content)
            found[str(name)] = np.frombuffer(content, np.uint8)
    return found
