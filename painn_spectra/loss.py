"""The loss of a batch, compiled where that pays, and the errors on validation frames."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.dataset import Frames
from painn_spectra.errors import first_line
from painn_spectra.model.potential import Potential
from painn_spectra.slopes import DISPLACED, DISPLACED_NUMBERS

VALIDATION_BATCH = 64
STEPS_WORTH_COMPILING = 8000
PLAIN_UNITS = {"meV": "meV", "meV/Å": "meV_A", "e·Å": "eA", "Å³": "A3"}  # for names in metrics.jsonl

Batch = dict[str, Tensor]  # arrays named in keys.py
Model = Callable[[Tensor, Tensor, tuple[str, ...]], dict[str, Tensor]]  # as Potential.forward


def to_batch(frames: Frames, device: str) -> Batch:
    """All frames as tensors: float32, but energies float64 (−4215 eV in float32 is ±0.2 meV)."""
    batch = {
        name: torch.as_tensor(
            value, device=device, dtype=torch.float64 if name == keys.ENERGY else torch.float32
        )
        for name, value in {**frames.labels, keys.POSITIONS: frames.positions}.items()
    }
    batch[keys.NUMBERS] = torch.as_tensor(frames.numbers, device=device)
    return batch


LossOf = Callable[[Batch], Tensor]


@dataclass(frozen=True)
class Loss:
    """Σ weight · mean penalty of x², the mean square of the components of a frame's or an atom's error.

    x is in units of the labels' spread. Up to about `knee` the penalty is x², far beyond 2 knee·x: a few far
    frames else take the gradient from all others, and are learnt by heart. None: x² throughout.
    """

    weights: dict[str, float]
    spreads: dict[str, float]
    knee: float | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Properties that are learnt."""
        return tuple(name for name in keys.PROPERTIES if self.weights[name] > 0)

    def __call__(self, potential: Model, batch: Batch) -> Tensor:
        numbers, positions = batch[keys.NUMBERS], batch[keys.POSITIONS]
        n = len(numbers)
        if DISPLACED in batch:
            numbers = torch.cat([numbers, batch[DISPLACED_NUMBERS]])
            positions = torch.cat([positions, batch[DISPLACED]])
        predicted = potential(numbers, positions, self.wanted)
        n_real = (batch[keys.NUMBERS] > 0).sum()
        loss = torch.zeros((), device=n_real.device)
        for name in self.wanted:
            error = predicted[name][:n] - batch[name]
            loss = loss + self.weights[name] * self.penalty(name, error, n_real)
            if (derivative := keys.DERIVATIVES.get(name)) in batch:
                plus, minus = predicted[name][n:].chunk(2)
                label = batch[derivative]  # NaN of frames that bring the other derivative alone
                error = torch.where(label.isnan(), 0.0, plus - minus - label)
                penalty = self.penalty(derivative, error, n_real)
                loss = loss + self.weights[derivative] * penalty
        return loss

    def penalty(self, name: str, error: Tensor, n_real: Tensor) -> Tensor:
        """Mean over frames, or over n_real atoms: errors of padding are zero."""
        squared = (error / self.spreads[name]).square().flatten(0, int(name == keys.FORCES))
        squared = squared.reshape(len(squared), -1).mean(dim=1)
        if self.knee is not None:
            squared = 2 * self.knee**2 * ((1 + squared / self.knee**2).sqrt() - 1)
        return (squared.sum() / n_real if name == keys.FORCES else squared.mean()).float()


def faster(loss: Loss, potential: Potential, example: Batch, n_steps: int) -> LossOf:
    """The loss of a batch of `example`'s shape: by loops written for the CPU, else compiled where it pays."""
    if example[keys.POSITIONS].device.type == "cpu":
        engine = training_engine(potential)
        if engine is not None:
            return partial(loss, engine)
    plain = partial(loss, potential)
    return compiled(plain, potential, example) if n_steps >= STEPS_WORTH_COMPILING else plain


def training_engine(potential: Potential) -> Any:
    """None without numba, and for a number of features whose half does not fill the lanes."""
    try:
        from painn_spectra.model import training_engine as module  # numba takes a second to import
    except ImportError:
        return None
    return module.TrainingEngine(potential) if module.fits(potential) else None


def compiled(plain: LossOf, potential: Potential, example: Batch) -> LossOf:
    """`plain` through torch.compile, or itself where no C++ compiler is at hand. Compiling takes a minute."""
    began = time.monotonic()
    fast = torch.compile(plain, fullgraph=True, dynamic=False)
    try:
        fast(example).backward()
    except Exception as error:  # no compiler, no Python headers, a full disk: all leave the plain way
        print(
            f"training step not compiled ({first_line(error)[:100]}): it runs at half speed", file=sys.stderr
        )
        return plain
    finally:
        potential.zero_grad(set_to_none=False)
    print(f"training step compiled in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return fast


def validation_errors(potential: nn.Module, data: Batch, index: np.ndarray, loss: Loss) -> dict[str, float]:
    """Loss and component-wise MAE, in the units that the names end in. Leaves the potential in eval mode."""
    potential.eval()
    sums, total = dict.fromkeys(loss.wanted, 0.0), 0.0
    for first in range(0, len(index), VALIDATION_BATCH):
        batch = {name: value[index[first : first + VALIDATION_BATCH]] for name, value in data.items()}
        share = len(batch[keys.NUMBERS]) / len(index)
        predicted = potential(batch[keys.NUMBERS], batch[keys.POSITIONS], loss.wanted)
        real = batch[keys.NUMBERS] > 0
        n_real = real.sum()
        for name in loss.wanted:
            error = predicted[name] - batch[name]
            total += share * loss.weights[name] * float(loss.penalty(name, error, n_real))
            sums[name] += share * float((error[real] if name == keys.FORCES else error).abs().mean())
    errors = {"loss": total}
    for name, value in sums.items():
        unit, factor = keys.SHOWN_UNITS[name]
        errors[f"{name}_mae_{PLAIN_UNITS[unit]}"] = value * factor
    return errors
