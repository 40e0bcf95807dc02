"""Ethanol in the harmonic approximation: its derivatives at a minimum, and the potential that they make."""

from dataclasses import dataclass

import numpy as np
import torch
from ase.data import atomic_masses
from torch import Tensor, nn

from benchmarks.validation.runs import DATASET
from painn_spectra import keys
from painn_spectra.dataset import read_atoms
from painn_spectra.derivatives import Derivatives, derivatives, displaced
from painn_spectra.md.minima import predict, surface
from painn_spectra.normal_modes import centred
from painn_spectra.relaxation import relax
from painn_spectra.spectra.harmonic import Sticks, sticks
from painn_spectra.units import AMU_A2_FS2_IN_EV, LIGHT_CM_FS

CONVERGED_EV_A = 1e-4


@dataclass(frozen=True)
class Harmonic:
    """Ethanol at a minimum."""

    numbers: np.ndarray  # (n_atoms,)
    masses_amu: np.ndarray  # (n_atoms,) | amu
    minimum: np.ndarray  # (n_atoms, 3) | Å, about the centre of mass
    derivatives: Derivatives
    sticks: Sticks

    @property
    def omega(self) -> np.ndarray:
        return 2 * np.pi * LIGHT_CM_FS * self.sticks.wavenumber_cm  # (n_modes,) | 1/fs


class Quadratic(nn.Module):
    """E = ½ Σ ω_k² q_k², q_k = Σ_i √m_i L_ki·Δr_i: external modes have no stiffness; μ, α linear in Δr."""

    charge = 0.0

    def __init__(self, at: Harmonic) -> None:
        super().__init__()
        n_modes, size = len(at.omega), at.minimum.size
        self.minimum = torch.as_tensor(at.minimum)  # (n_atoms, 3) | Å
        to_q = at.sticks.modes * np.sqrt(at.masses_amu)[:, None]
        self.to_q = torch.as_tensor(to_q.reshape(n_modes, size))  # | amu^½
        self.stiffness = torch.as_tensor(at.omega**2 * AMU_A2_FS2_IN_EV)  # (n_modes,) | eV/(amu Å²)
        self.dipole = torch.as_tensor(at.derivatives.dipole.reshape(3, size))  # | e
        self.polarizability = torch.as_tensor(at.derivatives.polarizability.reshape(9, size))  # | Å²

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        moved = (positions - self.minimum).flatten(1)
        q = moved @ self.to_q.T
        out = {
            keys.ENERGY: 0.5 * (self.stiffness * q**2).sum(1),
            keys.FORCES: -((self.stiffness * q) @ self.to_q).reshape(positions.shape),
        }
        if keys.DIPOLE in properties:
            out[keys.DIPOLE] = moved @ self.dipole.T
            out[keys.POLARIZABILITY] = (moved @ self.polarizability.T).reshape(-1, 3, 3)
        return {name: out[name] for name in properties}


def harmonic(potential: nn.Module, geometry: np.ndarray | None = None) -> Harmonic:
    """Of `potential` at the minimum next to a geometry (n_atoms, 3) | Å, by default ethanol's first label."""
    frame = read_atoms(DATASET)[0]
    numbers, masses = frame.numbers.astype(np.int64), atomic_masses[frame.numbers]
    start = frame.positions if geometry is None else geometry
    relaxed, _, _ = relax(surface(potential, numbers), start[None], converged_eV_A=CONVERGED_EV_A)
    minimum = centred(relaxed[0], masses)
    properties = (keys.FORCES, keys.DIPOLE, keys.POLARIZABILITY)
    found = derivatives(predict(potential, numbers, displaced(minimum), properties))
    lines = sticks(found.hessian, found.dipole, found.polarizability, minimum, masses)
    return Harmonic(numbers, masses, minimum, found, lines)
