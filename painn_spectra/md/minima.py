"""The model as a surface to relax on, and its labels and curvatures at given geometries."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from painn_spectra import keys
from painn_spectra.derivatives import displaced, hessian_of
from painn_spectra.md.integrators import ENERGY_AND_FORCES
from painn_spectra.relaxation import Surface

Array = NDArray[np.float64]

BATCH = 8  # frames per evaluation: bounded memory, and fastest on one core


def predict(
    potential: nn.Module, numbers: NDArray[np.int64], positions: Array, properties: tuple[str, ...]
) -> dict[str, Array]:
    """Arrays named in keys.py at geometries (n, n_atoms, 3) | Å of one molecule."""
    device = next((p.device for p in potential.parameters()), torch.device("cpu"))
    outs = []
    for batch in torch.as_tensor(positions, device=device).split(BATCH):
        z = torch.as_tensor(numbers, device=device).expand(len(batch), -1)
        outs.append(potential(z, batch, properties))
    return {name: np.concatenate([out[name].double().cpu().numpy() for out in outs]) for name in properties}


def surface(potential: nn.Module, numbers: NDArray[np.int64]) -> Surface:
    """Energies and forces of one molecule's geometries, as arrays."""

    def energies_and_forces(positions: Array) -> tuple[Array, Array]:
        out = predict(potential, numbers, positions, ENERGY_AND_FORCES)
        return out[keys.ENERGY], out[keys.FORCES]

    return energies_and_forces


def hessian(on: Surface, positions: Array) -> Array:
    """∂²E/∂r∂r by central differences, (3 n_atoms, 3 n_atoms) | eV/Å²; positions (n_atoms, 3) | Å."""
    return hessian_of(on(displaced(positions))[1])
