"""Training and test of one model on one property of QM9."""

import json
import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, check_outputs, fingerprint, output_lock, write_json, write_text
from painn_spectra.fitting import Trainer, epochs_between_validations, learning_rate, stalled
from painn_spectra.model.device import pick_device
from painn_spectra.model.painn import N_ELEMENTS
from painn_spectra.plan import STAGE_VERSION
from painn_spectra.progress import Progress
from painn_spectra.published.qm9 import TARGETS, Molecules, read_qm9, split_molecules
from painn_spectra.published.qm9_lists import references
from painn_spectra.published.qm9_model import ScalarModel
from painn_spectra.settings.training import ModelSettings, Qm9Settings, TrainSettings

FORMAT_VERSION = 1
EVALUATION_BATCH = 256


def train_qm9(
    target: str, output: Path, metrics: Path, errors: Path,
    settings: Qm9Settings, training: TrainSettings, model: ModelSettings,
) -> None:  # fmt: skip
    """Stage: train one model on one property, test it and write errors in shown units.

    A killed training goes on from its checkpoint.
    """
    if target not in TARGETS:
        raise InputError(f"{target}: is no property of QM9 that is learnt; take one of {', '.join(TARGETS)}")
    check_outputs(output, metrics, errors)
    data = read_qm9(Path(settings.data), Path(settings.excluded) if settings.excluded else None)
    if target not in data.properties:
        raise InputError(f"{settings.data}: has no {target}; it has {', '.join(data.properties)}")
    parts = split_molecules(len(data), settings.n_train, settings.n_validation, settings.seed)
    torch.manual_seed(training.seed)
    potential = ScalarModel(TARGETS[target].head, model)
    known = data.take(parts["train"])
    free = np.zeros(N_ELEMENTS + 1)
    if settings.atomref:
        free = references(Path(settings.atomref), target, data.numbers) * TARGETS[target].factor
    values = {name: index_values(data.take(index), target) for name, index in parts.items()}
    potential.normalise(known.numbers, values["train"], free)
    device = pick_device(training.device)
    potential.to(device)
    how = training.model_dump(exclude={"checkpoint_interval_s"})
    inputs = [fingerprint(path) for path in settings.sources.values()]
    key = json.dumps([target, how, model.model_dump(), settings.model_dump(), inputs, STAGE_VERSION["qm9"]])
    with output_lock(output):
        trainer = fit_scalar(potential, data, parts, target, training, Path(f"{output}.parts/state.pt"), key)
        potential.load_state_dict(trainer.weights)
        test = data.take(parts["test"])
        mae = mean_absolute_error(potential, test, values["test"])
        baseline = float(np.abs(values["test"] - potential.baseline(test.numbers)).mean())
        write_text(metrics, trainer.metrics)
        header = {
            "format_version": FORMAT_VERSION, "target": target, "unit": TARGETS[target].unit,
            "architecture": model.model_dump(), "test_mae": mae, "n_train": len(known),
        }  # fmt: skip
        with atomic_path(output) as temporary:
            torch.save({"header": json.dumps(header), "state": potential.state_dict()}, temporary)
        row = {"target": target, "unit": TARGETS[target].unit, "mae": mae, "baseline_mae": baseline,
               "painn": TARGETS[target].painn, "n_train": len(known), "n_test": len(test),
               "hours": trainer.seconds / 3600}  # fmt: skip
        write_json(errors, row)
        shutil.rmtree(f"{output}.parts", ignore_errors=True)
    told = TARGETS[target]
    print(f"{target}: MAE {mae:.4g} {told.unit}, offsets alone {baseline:.4g}, the paper {told.painn:g}")


def index_values(data: Molecules, target: str) -> NDArray[np.float64]:
    """A property in its shown unit, (n,)."""
    return data.properties[target] * TARGETS[target].factor


def fit_scalar(
    potential: ScalarModel, data: Molecules, parts: Mapping[str, NDArray[np.int64]], target: str,
    settings: TrainSettings, checkpoint: Path, key: str,
) -> Trainer[ScalarModel]:  # fmt: skip
    """Mean square error in units of the scale, with the optimiser, averaging and schedule of `fitting`."""
    device = potential.scale.device
    trainer = Trainer(potential, settings)
    trainer.resume(checkpoint, key)
    known = data.take(parts["train"])
    z = torch.as_tensor(known.numbers, device=device)
    r = torch.as_tensor(known.positions, device=device, dtype=torch.float32)
    y = torch.as_tensor(index_values(known, target), device=device)
    validation = data.take(parts["validation"])
    values = index_values(validation, target)
    batch_size = min(settings.batch_size, len(known))
    per_epoch = len(known) // batch_size
    n_steps = settings.epochs * per_epoch
    validate_every = per_epoch * epochs_between_validations(settings)
    progress = Progress(f"QM9 {target}", n_steps)
    progress.resume_at(trainer.step)
    before, began = trainer.seconds, time.monotonic()
    saved, note = began, ""
    order = np.empty(0, dtype=np.int64)
    while trainer.step < n_steps:
        epoch, batch = divmod(trainer.step, per_epoch)
        if batch == 0 or len(order) == 0:
            order = np.random.default_rng((settings.seed, epoch)).permutation(len(known))
        chosen = torch.as_tensor(order[batch * batch_size : (batch + 1) * batch_size], device=device)
        rate = learning_rate(trainer, settings, n_steps)
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate
        error = (potential(z[chosen], r[chosen]).double() - y[chosen]) / potential.scale
        loss = error.square().mean().float()
        trainer.learn(loss)
        trainer.losses.append(loss.item())
        trainer.seconds = before + time.monotonic() - began
        if trainer.step % validate_every == 0 or trainer.step == n_steps:
            mae = mean_absolute_error(trainer.averaged, validation, values)
            if not math.isfinite(mae):
                raise InputError(f"QM9 {target}: error became {mae}; lower train.learning_rate")
            train_loss = float(np.mean(trainer.losses))
            line = {"epoch": epoch + 1, "step": trainer.step, "seconds": round(trainer.seconds, 1),
                    "learning_rate": rate, "train_loss": train_loss, "mae": mae}  # fmt: skip
            trainer.metrics += json.dumps(line) + "\n"
            note, trainer.losses = f"MAE {mae:.4g} {TARGETS[target].unit}", []
            if stalled(trainer, mae, settings):
                break
        if time.monotonic() - saved > settings.checkpoint_interval_s:
            trainer.save(checkpoint, key)
            saved = time.monotonic()
        progress.advance(note=note)
    return trainer


@torch.no_grad()
def mean_absolute_error(potential: ScalarModel, data: Molecules, values: NDArray[np.float64]) -> float:
    """Over all molecules, in the shown unit."""
    total, device = 0.0, potential.scale.device
    for first in range(0, len(data), EVALUATION_BATCH):
        part = slice(first, first + EVALUATION_BATCH)
        r = torch.as_tensor(data.positions[part], device=device, dtype=torch.float32)
        predicted = potential(torch.as_tensor(data.numbers[part], device=device), r)
        total += float(np.abs(predicted.double().cpu().numpy() - values[part]).sum())
    return total / len(data)
