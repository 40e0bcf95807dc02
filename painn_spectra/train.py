"""The stages that train: cheap labels first, then the real ones; one ensemble member at a time."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_masses

from painn_spectra import keys
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.errors import InputError
from painn_spectra.evaluate import predict
from painn_spectra.files import atomic_path, check_outputs, content_hash, output_lock, write_text
from painn_spectra.fitting import Task, Trainer, fit
from painn_spectra.loss import Loss, to_batch
from painn_spectra.model.checkpoint import load_model, save_model
from painn_spectra.model.device import pick_device
from painn_spectra.model.normalise import carry_over, label_spreads, set_offsets
from painn_spectra.model.potential import Potential
from painn_spectra.plan import STAGE_VERSION
from painn_spectra.settings.training import ModelSettings, TrainSettings
from painn_spectra.slopes import slopes_of
from painn_spectra.split import read_split
from painn_spectra.start_files import check_start
from painn_spectra.trained_range import trained_range


def pretrain_model(
    labels: Path,
    model: Path,
    metrics: Path,
    settings: TrainSettings,
    model_settings: ModelSettings,
    member: int = 0,
    charge: int = 0,
) -> None:
    """Stage: learn the cheap labels; the last 5 % of the frames validate."""
    frames = read_frames(labels, settings.loss.learnt)
    cut = len(frames) - max(1, len(frames) // 20)
    if not cut:
        raise InputError(
            f"{labels}: holds a single frame; give at least two, one to train and one to validate"
        )
    split = {"train": np.arange(cut), "validation": np.arange(cut, len(frames))}
    own = {"epochs": settings.pretrain.epochs, "learning_rate": settings.pretrain.learning_rate}
    settings = settings.model_copy(update={**own, "schedule": "cosine"})
    potential = new_potential(model_settings, charge, settings.seed + member)
    run(potential, frames, split, settings, member, model, metrics, content_hash(labels), "pre-training")


def train_model(
    dataset: Path,
    split: Path,
    model: Path,
    metrics: Path,
    settings: TrainSettings,
    model_settings: ModelSettings,
    member: int = 0,
    start_from: Path | None = None,
    charge: int = 0,
) -> None:
    """Stage: train one ensemble member on the data set, from scratch or from another model's weights."""
    frames = read_frames(dataset, settings.loss.learnt)
    parts = read_split(split, dataset, len(frames))
    inputs = content_hash(dataset) + content_hash(split)
    if start_from is None:
        potential = new_potential(model_settings, charge, settings.seed + member)
    else:
        potential = load_model(start_from)
        check_start(potential, model_settings, frames.elements, start_from)
        potential.charge = potential.architecture["charge"] = charge  # no weight depends on it
        inputs += content_hash(start_from)
    indices = {name: np.array(index) for name, index in parts.items()}
    run(potential, frames, indices, settings, member, model, metrics, inputs, "training")


def take_over(dataset: Path, model: Path, metrics: Path, earlier_dataset: Path, earlier_model: Path) -> bool:
    """Copy an earlier model and its metrics where the data set is the same; whether it was done."""
    if content_hash(dataset) != content_hash(earlier_dataset):
        return False
    for source, target in ((earlier_model, model), (earlier_model.with_name("metrics.jsonl"), metrics)):
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    print(f"{model}: the data set is that of {earlier_model}, which is taken over")
    return True


def new_potential(settings: ModelSettings, charge: int, seed: int) -> Potential:
    """A potential with random weights drawn from `seed`."""
    torch.manual_seed(seed)
    return Potential(**settings.model_dump(), standard_masses_amu=atomic_masses, charge=charge)


def run(
    potential: Potential,
    frames: Frames,
    split: dict[str, np.ndarray],
    settings: TrainSettings,
    member: int,
    model: Path,
    metrics: Path,
    inputs: str,
    label: str,
) -> None:
    """Fit and write the model; an interrupted fit of the same settings and `inputs` (hashes) goes on."""
    check_outputs(model, metrics)
    check_cutoff(frames, potential.architecture["cutoff_A"])
    device = pick_device(settings.device)
    known = frames.take(split["train"])
    if potential.metadata:  # trained before
        predicted = predict(potential, known)
        carry_over(potential, known.numbers, known.labels, predicted)
    else:
        set_offsets(potential, known.numbers, known.labels)
    spreads = label_spreads(known.numbers, known.labels)
    slopes = slopes_of(known, settings.loss.model_dump(), device)
    if slopes:
        spreads |= {keys.DERIVATIVES[name]: value for name, value in slopes.spreads.items()}
    loss = Loss(settings.loss.model_dump(), spreads, settings.linear_beyond)
    potential.to(device=device, dtype=torch.float32)
    trainer = Trainer(potential, settings)
    trainer.told = {
        "elements": known.elements,
        "properties": settings.loss.learnt,
        "level_of_theory": known.level,
        "range": trained_range(known),
        "n_train": len(known),
        "settings": settings.model_dump(),
        "member": member,
    }
    data = to_batch(frames, device)
    task = Task(label, data, split["train"], split["validation"], loss, settings, member, slopes)
    how = settings.model_dump(exclude={"checkpoint_interval_s"})
    key = json.dumps([how, potential.architecture, member, inputs, STAGE_VERSION["train"]])
    checkpoint = Path(f"{model}.parts/state.pt")
    with output_lock(model):
        trainer.resume(checkpoint, key)
        fit(trainer, task, checkpoint, key)
        potential.load_state_dict(trainer.weights)
        write_text(metrics, trainer.metrics)
        save_model(model, potential, told(trainer))
        shutil.rmtree(checkpoint.parent, ignore_errors=True)


def told(trainer: Trainer[Any]) -> dict[str, Any]:
    """What a model file says of its training; the validation is that of the weights it holds."""
    lines = [json.loads(line) for line in trainer.metrics.splitlines()] or [None]
    kept = min(lines, key=lambda line: line["loss"]) if trainer.best_weights else lines[-1]
    return trainer.told | {"seconds": round(trainer.seconds, 1), "validation": kept}


def check_cutoff(frames: Frames, cutoff_A: float) -> None:
    """Raise InputError when the cutoff cuts a molecule into parts that do not see each other."""
    distances = np.linalg.norm(frames.positions[:, None] - frames.positions[:, :, None], axis=-1)  # Å
    real = frames.numbers > 0
    reach = (distances < cutoff_A) & real[:, None] & real[:, :, None]
    reached = np.zeros_like(real)
    reached[:, 0] = True
    for _ in range(frames.numbers.shape[1]):
        reached = (reach & reached[:, None]).any(2)
    lost = np.flatnonzero((reached != real).any(1))
    if len(lost):
        raise InputError(
            f"model.cutoff_A = {cutoff_A:g}: splits frame {lost[0]} into parts that do not interact; "
            "enlarge the cutoff or remove the dissociated frame"
        )
