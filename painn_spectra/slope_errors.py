"""Errors of a model's ∂μ/∂r and ∂α/∂r on frames with labels of them: what its intensities rest on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.dataset import Frames
from painn_spectra.derivatives import derivative_by_atom, displaced
from painn_spectra.model.checkpoint import learnt
from painn_spectra.model.potential import Potential

Array = NDArray[np.float64]


def slope_rows(potentials: Sequence[Potential], frames: Frames) -> list[dict[str, Any]]:
    """One row per derivative that frames bring and the models have learnt the tensor of.

    Component-wise MAE and RMSE of the ensemble's mean, e and Å², as the rows of `evaluate.error_rows`; the
    baseline is zero.
    """
    rows = []
    for name, derivative in keys.DERIVATIVES.items():
        index = np.flatnonzero(frames.having(derivative))
        if not len(index) or name not in learnt(potentials[0]):
            continue
        known = frames.take(index)
        real = known.numbers > 0
        predicted = np.mean([derivatives_of(one, known, name) for one in potentials], axis=0)
        wanted = known.derivatives[derivative][real]
        row: dict[str, Any] = {"property": derivative, "unit": keys.SHOWN_UNITS[derivative][0]}
        for prefix, values in (("", predicted[real] - wanted), ("baseline_", wanted)):
            row[f"{prefix}mae"] = float(np.abs(values).mean())
            row[f"{prefix}rmse"] = float(np.sqrt(np.square(values).mean()))
        rows.append(row | {"n": wanted.size})
    return rows


def derivatives_of(potential: Potential, frames: Frames, name: str) -> Array:
    """∂/∂r of the tensor `name`, (n_frames, n_atoms, ..., 3), zero on padding, by central differences."""
    found = []
    for numbers, positions in zip(frames.numbers, frames.positions, strict=True):
        n = int((numbers > 0).sum())
        moved = torch.as_tensor(displaced(positions[:n]), dtype=torch.float32)
        tensors = potential(torch.as_tensor(numbers[:n]).repeat(len(moved), 1), moved, (name,))[name].numpy()
        slopes = derivative_by_atom(tensors.astype(float))
        found.append(np.concatenate([slopes, np.zeros((len(numbers) - n, *slopes.shape[1:]))]))
    return np.array(found)
