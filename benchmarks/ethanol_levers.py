"""What a lever of training is worth: ethanol's errors with one thing changed at a time.

    python -m benchmarks.ethanol_levers run      trains what is missing, some four minutes each
    python -m benchmarks.ethanol_levers table    prints the table of docs/accuracy.md

`quick` as it was with AdamW, all labels that split 0 trains on, without their derivatives; from one model of
GFN2-xTB labels unless told otherwise. The plain training is repeated with other seeds: what differs less
than these do means nothing. SOAP needs `pip install pytorch_optimizer`.
"""

import argparse
import json
import math
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
from ase import Atoms
from ase.io import write
from torch import Tensor

from benchmarks import ethanol_accuracy as accuracy
from painn_spectra import keys
from painn_spectra.dataset import LEVEL_KEY, labelled_atoms, read_atoms, read_frames
from painn_spectra.files import atomic_path, content_hash, write_json
from painn_spectra.fitting import Trainer, learning_rate
from painn_spectra.loss import Loss, Model
from painn_spectra.model import normalise
from painn_spectra.model.checkpoint import load_model
from painn_spectra.reference.dft import labelling_environment
from painn_spectra.reference.label import compute_label, describe
from painn_spectra.sampling.pretraining import label_pretraining
from painn_spectra.settings.molecule import Method
from painn_spectra.settings.training import ModelSettings, TrainSettings
from painn_spectra.spectra.harmonic import read_conformers
from painn_spectra.split import read_split
from painn_spectra.tables import markdown
from painn_spectra.train import pretrain_model, train_model

FOLDER = accuracy.FOLDER / "levers"
STORED = accuracy.ROOT / "benchmarks/ethanol_levers.json"
REFERENCE = accuracy.LABELS.with_name("harmonic.npz")
STEP_A = 0.01  # of the displaced minima: anharmonic forces are 4 meV/Å then, at the stiffest bond 10
CYCLES = (1 / 7, 3 / 7, 1)  # ends of the warm restarts' cosines
LATE = 0.75  # of the steps, before the energy counts more
PLAIN = {"epochs": 200, "optimizer": "adamw", "learning_rate": 5e-4}
Optimizer = Literal["adamw", "muon"]


@dataclass(frozen=True)
class Lever:
    """One change; `changes` of train settings, `patched` code, another start or more labels."""

    changes: dict[str, Any] = field(default_factory=dict)
    patched: Callable[[], AbstractContextManager[Any]] = nullcontext
    start: tuple[int, int, Optimizer] | None = (3000, 50, "adamw")  # GFN2-xTB frames, epochs; None: random
    labels: int | None = None  # DFT labels, with as many steps as all get
    hessian: bool = False


class SoapTrainer(Trainer[Any]):
    def __init__(self, potential: Any, settings: TrainSettings) -> None:
        from pytorch_optimizer import SOAP

        super().__init__(potential, settings)
        self.optimizer = SOAP(potential.parameters(), weight_decay=settings.weight_decay)
        self.optimizer.zero_grad = self.flat.grad.zero_  # its own would cut the gradients' views


@dataclass(frozen=True)
class LateEnergy(Loss):
    """The energy counts ten times as much in the last steps."""

    n_steps: int = 20_200  # of 811 labels in batches of 8 for 200 epochs
    taken: list[None] = field(default_factory=list)

    def __call__(self, potential: Model, batch: dict[str, Tensor]) -> Tensor:
        self.taken.append(None)
        if len(self.taken) == round(LATE * self.n_steps):
            self.weights[keys.ENERGY] *= 10
        return super().__call__(potential, batch)


def restarted(trainer: Trainer[Any], settings: TrainSettings, n_steps: int) -> float:
    """The rate of cosines that begin anew (SGDR, arXiv:1608.03983), each twice as long as the one before."""
    edges = [0, *(round(end * n_steps) for end in CYCLES)]
    cycle = int(np.searchsorted(edges, trainer.step, side="right")) - 1
    share = (trainer.step - edges[cycle]) / (edges[cycle + 1] - edges[cycle])
    usual = learning_rate(trainer, settings, n_steps) / (1 + math.cos(math.pi * trainer.step / n_steps))
    return usual * (1 + math.cos(math.pi * share))


def without_scales(potential: Any, *labels: Any) -> None:
    """Offsets only: the network gives eV, e·Å and Å³ itself."""
    normalise.set_offsets(potential, *labels)
    for name in ("energy_scale_eV", "dipole_scale_eA", "polarizability_scale_A3"):
        getattr(potential, name).fill_(1.0)


def in_train(name: str, new: Any) -> Callable[[], AbstractContextManager[Any]]:
    return partial(patch, f"painn_spectra.{name}", new)


MUON = {"optimizer": "muon", "learning_rate": 1e-3}
LEVERS = {
    "as it is": Lever(),
    "as it is, seed 1": Lever({"seed": 1}),
    "as it is, seed 2": Lever({"seed": 2}),
    "warm restarts, three cosines": Lever(patched=in_train("fitting.learning_rate", restarted)),
    "no average of weights": Lever({"ema_decay": 0.0}),
    "average of weights: decay 0.99 instead of 0.999": Lever({"ema_decay": 0.99}),
    "decay 0.9999": Lever({"ema_decay": 0.9999}),
    "learning rate 1e-3 instead of 5e-4": Lever({"learning_rate": 1e-3}),
    "SOAP, 1e-3": Lever({"learning_rate": 1e-3}, in_train("train.Trainer", SoapTrainer)),
    "Muon, 1e-3": Lever(MUON),
    "Muon, 1e-3, 100 epochs instead of 200": Lever(MUON | {"epochs": 100}),
    "Muon, 2e-3, 100 epochs": Lever(MUON | {"epochs": 100, "learning_rate": 2e-3}),
    "Muon, 1e-3, 100 epochs after 25 on GFN2-xTB by Muon": Lever(
        MUON | {"epochs": 100}, start=(3000, 25, "muon")
    ),
    "Muon, 1e-3, 150 epochs after 25 on GFN2-xTB by Muon": Lever(
        MUON | {"epochs": 150}, start=(3000, 25, "muon")
    ),
    "Muon, 1e-3, 150 epochs after 75 on GFN2-xTB by Muon": Lever(
        MUON | {"epochs": 150}, start=(3000, 75, "muon")
    ),
    "Hessians of both minima": Lever(hessian=True),
    "energy counts ten times as much in the last quarter": Lever(patched=in_train("train.Loss", LateEnergy)),
    "batches of 4: twice the steps": Lever({"batch_size": 4}),
    "random weights": Lever(start=None),
    "random weights, outputs not scaled by the labels' root mean square": Lever(
        patched=in_train("train.set_offsets", without_scales), start=None
    ),
    "1000 GFN2-xTB frames, same steps": Lever(start=(1000, 150, "adamw")),
    "12 epochs on GFN2-xTB instead of 50": Lever(start=(3000, 12, "adamw")),
    "150 epochs on GFN2-xTB": Lever(start=(3000, 150, "adamw")),
    "100 labels": Lever(labels=100),
    "100 labels, Hessians of both minima": Lever(labels=100, hessian=True),
}


def start_of(
    data: Path, split: Path, lever: Lever, settings: TrainSettings, model: ModelSettings
) -> Path | None:
    """The model of cheap labels that this lever starts from, made once."""
    if lever.start is None:
        return None
    n_frames, epochs, optimizer = lever.start
    labels = FOLDER / f"pretraining-{n_frames}.extxyz"
    if not labels.is_file():
        label_pretraining(data, split, labels, settings.pretrain.model_copy(update={"n_frames": n_frames}))
    folder = FOLDER / f"pretraining-{n_frames}-{epochs}-{optimizer}"
    if not (folder / "model.pt").is_file():
        cheap = settings.pretrain.model_copy(update={"epochs": epochs})
        changed = settings.model_copy(update={"pretrain": cheap, "optimizer": optimizer})
        outputs = folder / "model.pt", folder / "metrics.jsonl"
        pretrain_model(labels, *outputs, changed, model)
    return folder / "model.pt"


def with_minima(data: Path) -> list[Atoms]:
    """The data set, then both minima moved by ±STEP_A along every coordinate, labelled by their Hessians."""
    frames = read_atoms(data)
    minima, _ = read_conformers(REFERENCE)
    along = STEP_A * np.concatenate([np.eye(27), -np.eye(27)]).reshape(-1, 9, 3)
    for k, positions in enumerate(minima.positions):
        with labelling_environment():
            rest = compute_label(minima.numbers, positions, Method())
        for step in along:
            force = -(minima.hessians[k] @ step.ravel()).reshape(9, 3)
            change = {
                keys.ENERGY: -np.sum(step * (rest[keys.FORCES] + force / 2)),
                keys.FORCES: force,
                keys.DIPOLE: np.einsum("xiz,iz->x", minima.dipole_derivatives[k], step),
                keys.POLARIZABILITY: np.einsum("xyiz,iz->xy", minima.polarizability_derivatives[k], step),
            }
            labels = {name: rest[name] + part for name, part in change.items()}
            told = {"seed": f"minimum-{k}", LEVEL_KEY: describe(Method())}
            frames.append(labelled_atoms(minima.numbers, positions + step, labels, told))
    return frames


def train_one(name: str, lever: Lever, usual: TrainSettings, model: ModelSettings) -> None:
    """Train with the lever and write its errors, unless they are there. Killed, it begins anew."""
    data, split = accuracy.prepared("quick", 0)
    start = start_of(data, split, lever, usual, model)
    folder = FOLDER / re.sub(r"[^a-z0-9]+", "-", name.lower())
    if (folder / "errors.json").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    content = json.loads(split.read_text(encoding="utf-8"))
    everything = len(content["train"])
    kept = np.random.default_rng(0).permutation(content["train"])[: lever.labels]
    content["train"] = sorted(int(k) for k in kept)
    ours = folder / "dataset.extxyz"
    if lever.hessian:
        more = with_minima(data)
        with atomic_path(ours) as temporary:
            write(temporary, more, format="extxyz")
        content["train"] += range(len(read_frames(data)), len(more))
    else:
        with atomic_path(ours) as temporary:
            shutil.copyfile(data, temporary)
    part = folder / "split.json"
    write_json(part, content | {"dataset_sha256": content_hash(ours)})
    no_slopes = usual.loss.model_copy(update=dict.fromkeys(keys.DERIVATIVES.values(), 0.0))
    epochs = round(usual.epochs * everything / len(content["train"]))
    changed = usual.model_copy(update={"loss": no_slopes, "epochs": epochs} | lever.changes)
    with lever.patched():
        outputs = folder / "model.pt", folder / "metrics.jsonl"
        train_model(ours, part, *outputs, changed, model, start_from=start)
    frames, parts, potential = read_frames(ours), read_split(part, ours), load_model(folder / "model.pt")
    known, test = frames.take(parts["train"]), frames.take(parts["test"])
    test = test.take([k for k, group in enumerate(test.groups) if accuracy.kind(group) in accuracy.THERMAL])
    found = {
        "lever": name,
        "labels": len(parts["train"]),
        "epochs": changed.epochs,
        "n_test": len(test),
        "seconds": potential.metadata["seconds"],
        "mae": accuracy.mean_errors(potential, test, known),
        "mae_train": accuracy.mean_errors(potential, known, known),
    }
    write_json(folder / "errors.json", found)


def table() -> str:
    """Errors on test frames of dynamics in the paper's units, and minutes of training."""
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.is_file() else []
    made = [json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*/errors.json")]
    runs = {run["lever"]: run for run in stored + made}
    found = [runs[name] for name in LEVERS if name in runs]
    if made:
        write_json(STORED, found)
    units = [f"{name}, {unit}" for name, (unit, _) in accuracy.PAPER_UNITS.items()]
    lines = []
    for run in found:
        errors = [f"{run['mae'][name] * unit:.3g}" for name, (_, unit) in accuracy.PAPER_UNITS.items()]
        lines.append([run["lever"], str(run["labels"]), *errors, f"{run['seconds'] / 60:.1f}"])
    return markdown(["lever", "labels", *units, "minutes"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["run", "table"])
    if parser.parse_args().what == "run":
        usual, model = accuracy.settings("quick", None, None)
        usual = usual.model_copy(update=PLAIN)
        for name, lever in LEVERS.items():
            train_one(name, lever, usual, model)
    print(table())


if __name__ == "__main__":
    main()
