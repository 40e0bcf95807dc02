"""Errors on held-out frames, beside the baseline that predicts the mean."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from painn_spectra import keys
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.errors import InputError
from painn_spectra.files import check_outputs, write_text
from painn_spectra.loss_curves import draw_losses
from painn_spectra.model.checkpoint import check_learnt, learnt, load_members
from painn_spectra.model.potential import Potential
from painn_spectra.outliers import find_outliers, write_outliers
from painn_spectra.plotting import draw_parity, versions
from painn_spectra.slope_errors import slope_rows
from painn_spectra.split import read_split

BATCH = 64
COLUMNS = ("property", "unit", "mae", "rmse", "baseline_mae", "baseline_rmse", "n")


def evaluate_stage(
    models: list[Path],
    dataset: Path,
    split: Path,
    errors: Path,
    members: list[Path],
    figures: Path,
    metrics: Sequence[Path] = (),
) -> None:
    """Stage: errors of the ensemble mean and of each member on the test frames, and parity plots.

    Derivatives of dipole and polarizability have rows where test frames bring labels of them.
    Writes outliers.csv beside `errors`, of all frames, and the loss curves of the trainings `metrics`.

    The baseline predicts the mean over the training frames (energy: least squares per element; force: zero).
    """
    if len(members) != len(models):
        raise InputError(
            f"{errors}: {len(models)} models, {len(members)} files of members; name one per model"
        )
    check_outputs(errors, *members)
    potentials = load_members(models)
    frames = read_frames(dataset, learnt(potentials[0]))
    parts = read_split(split, dataset, len(frames))
    test, train = frames.take(parts["test"]), frames.take(parts["train"])
    everything = [predict(one, frames, path) for one, path in zip(potentials, models, strict=True)]
    predictions = [{name: value[parts["test"]] for name, value in one.items()} for one in everything]
    for path, predicted, one in zip(members, predictions, potentials, strict=True):
        write_text(path, _csv(error_rows(predicted, test, train) + slope_rows([one], test)))
    mean = mean_over(predictions)
    rows = error_rows(mean, test, train) + slope_rows(potentials, test)
    shown = {name: (_shown(test.labels, test, name), _shown(mean, test, name)) for name in mean}
    for width_in, files in versions(figures / "parity"):
        draw_parity(shown, files, width_in)
    for width_in, files in versions(figures / "training") if metrics else ():
        draw_losses(metrics, files, width_in)
    write_text(errors, _csv(rows))
    outliers = find_outliers(frames, parts, mean_over(everything))
    write_outliers(errors.with_name("outliers.csv"), outliers, dataset)
    for row in rows:
        print("{property}: MAE {mae:.4g} {unit}, predicting the mean {baseline_mae:.4g}".format(**row))


def evaluate_files(models: list[Path], dataset: Path) -> list[dict[str, Any]]:
    """Errors of the ensemble mean of `models` on all frames of an extxyz file with REF_ keys.

    Of all properties that the models have learnt; a frame without one of them is an error. The baseline
    predicts the mean over these frames.
    """
    potentials = load_members(models)
    frames = read_frames(dataset, learnt(potentials[0]))
    mean = mean_over([predict(one, frames, path) for one, path in zip(potentials, models, strict=True)])
    return error_rows(mean, frames, frames) + slope_rows(potentials, frames)


def predict(
    potential: Potential,
    frames: Frames,
    source: Path | str = "the model",
    properties: tuple[str, ...] | None = None,
) -> dict[str, np.ndarray]:
    """Properties of all frames, by default all that the model has learnt.

    Raises InputError for an element or a property that the model was not trained on.
    """
    properties = learnt(potential) if properties is None else properties
    check_learnt(potential, properties, source)
    known = potential.metadata.get("elements")
    unknown = sorted(set(frames.elements) - set(known)) if known is not None else []
    if unknown:
        names, trained = (", ".join(chemical_symbols[z] for z in group) for group in (unknown, known or ()))
        raise InputError(f"{names}: unknown to {source}, which was trained on {trained}; use another model")
    parts: list[dict[str, np.ndarray]] = []
    for first in range(0, len(frames), BATCH):
        numbers = torch.as_tensor(frames.numbers[first : first + BATCH])
        positions = torch.as_tensor(frames.positions[first : first + BATCH], dtype=torch.float32)
        out = potential(numbers, positions, properties)
        parts.append({name: value.numpy() for name, value in out.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in properties}


def error_rows(predicted: dict[str, np.ndarray], frames: Frames, baseline: Frames) -> list[dict[str, Any]]:
    """One row per property: component-wise MAE and RMSE in shown units."""
    rows = []
    for name in predicted:
        unit, _ = keys.SHOWN_UNITS[name]
        reference, model = _shown(frames.labels, frames, name), _shown(predicted, frames, name)
        mean = _shown({name: _mean_prediction(name, frames, baseline)}, frames, name)
        error, spread = model - reference, mean - reference
        rows.append(
            {
                "property": name,
                "unit": unit,
                "mae": float(np.abs(error).mean()),
                "rmse": float(np.sqrt(np.square(error).mean())),
                "baseline_mae": float(np.abs(spread).mean()),
                "baseline_rmse": float(np.sqrt(np.square(spread).mean())),
                "n": len(reference),
            }
        )
    return rows


def _mean_prediction(name: str, frames: Frames, baseline: Frames) -> np.ndarray:
    """Energy: least squares over the composition; others: mean over the baseline's frames; forces: zero."""
    labels = baseline.labels[name]
    if name == keys.FORCES:
        return np.zeros_like(frames.labels[name])
    if name == keys.ENERGY:
        counts = [
            np.stack([(f.numbers == z).sum(1) for z in range(1, 95)], axis=1) for f in (baseline, frames)
        ]
        return counts[1] @ np.linalg.lstsq(counts[0], labels, rcond=None)[0]
    return np.broadcast_to(labels.mean(0), frames.labels[name].shape)


def _shown(values: dict[str, np.ndarray], frames: Frames, name: str) -> np.ndarray:
    """All components in shown units in one row, padding left out."""
    one = values[name][frames.numbers > 0] if name == keys.FORCES else np.asarray(values[name])
    return one.ravel() * keys.SHOWN_UNITS[name][1]


def mean_over(predictions: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Prediction of an ensemble from those of its members."""
    return {name: np.mean([one[name] for one in predictions], axis=0) for name in predictions[0]}


def _csv(rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    return stream.getvalue()
