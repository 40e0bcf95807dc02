"""Labels of ∂μ/∂r and ∂α/∂r in training: what they say of differences between displaced geometries.

Each step sees the derivatives of a few frames along one random displacement of all atoms: as the difference
of the model's tensors between +STEP_A and −STEP_A times it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from painn_spectra import keys
from painn_spectra.dataset import Frames
from painn_spectra.derivative_labels import LEAST_SIZE, typical_size

STEP_A = 0.01  # third derivatives change the differences by 1e-3 of them, float32 by 1e-4
DISPLACED = "displaced"  # (2 m, n_atoms, 3) | Å, in a batch: m geometries moved by +, then by −
DISPLACED_NUMBERS = "displaced_numbers"  # (2 m, n_atoms)


@dataclass(frozen=True)
class Slopes:
    """Frames with labelled derivatives, on the device that trains."""

    numbers: Tensor  # (n_frames, n_atoms)
    positions: Tensor  # (n_frames, n_atoms, 3) | Å
    derivatives: dict[str, Tensor]  # by the property's name: (n_frames, n_atoms, ..., 3), NaN where not known
    spreads: dict[str, float]  # root mean square of a component's change by the displacements, e·Å and Å³

    def __len__(self) -> int:
        return len(self.numbers)

    def draw(self, n_frames: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """`n_frames` of them displaced, to add to a batch, with the labels' changes by keys.DERIVATIVES."""
        index = rng.choice(len(self), n_frames, replace=False)
        along = rng.standard_normal((n_frames, *self.positions.shape[1:]), dtype=np.float32)
        real = (self.numbers[index] > 0).unsqueeze(-1)
        step = STEP_A * torch.as_tensor(along, device=self.positions.device) * real
        out = {DISPLACED: torch.cat([self.positions[index] + step, self.positions[index] - step])}
        out[DISPLACED_NUMBERS] = self.numbers[index].repeat(2, 1)
        for name, values in self.derivatives.items():
            out[keys.DERIVATIVES[name]] = 2 * torch.einsum("bi...z,biz->b...", values[index], step)
        return out


def slopes_of(frames: Frames, weights: Mapping[str, float], device: str) -> Slopes | None:
    """Of those `frames` that have derivatives which count, by the weights of the loss; None without any."""
    known = {
        name: having
        for name, derivative in keys.DERIVATIVES.items()
        if weights[name] and weights[derivative] and (having := frames.having(derivative)).any()
    }
    if not known:
        return None
    values = {name: frames.derivatives[keys.DERIVATIVES[name]] for name in known}
    index = np.flatnonzero(np.any(list(known.values()), axis=0))
    spreads = {
        name: 2 * STEP_A * max(typical_size(value[known[name]]), LEAST_SIZE[value.ndim - 3])
        for name, value in values.items()
    }
    options: Any = {"dtype": torch.float32, "device": device}
    return Slopes(
        torch.as_tensor(frames.numbers[index], device=device),
        torch.as_tensor(frames.positions[index], **options),
        {name: torch.as_tensor(value[index], **options) for name, value in values.items()},
        spreads,
    )
