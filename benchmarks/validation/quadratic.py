"""Ethanol in the harmonic approximation: modes, their derivatives of μ and α, and the potential of them."""

from dataclasses import dataclass

import numpy as np
import torch
from ase.data import atomic_masses
from torch import Tensor, nn

from benchmarks.validation.runs import DATASET
from painn_spectra import keys
from painn_spectra.dataset import read_atoms
from painn_spectra.md.minima import hessian, relax, surface
from painn_spectra.normal_modes import centred, normal_modes
from painn_spectra.units import AMU_A2_FS2_IN_EV, AMU_E2_KM_MOL

DISPLACEMENT = 0.005  # √amu Å


class Quadratic(nn.Module):
    """E = ½ Σ ω_k² q_k², μ and α linear in q; q_k = Σ_i √m_i L_ki·Δr_i, so external modes are free."""

    charge = 0.0

    def __init__(self, minimum: np.ndarray, masses_amu: np.ndarray, modes: np.ndarray, omega: np.ndarray,
                 dmu: np.ndarray, dalpha: np.ndarray) -> None:  # fmt: skip
        super().__init__()
        self.minimum = torch.as_tensor(minimum)  # (n_atoms, 3) | Å
        self.to_q = torch.as_tensor(modes * np.sqrt(masses_amu)[:, None])  # (n_modes, n_atoms, 3) | amu^½
        self.stiffness = torch.as_tensor(omega**2 * AMU_A2_FS2_IN_EV)  # (n_modes,) | eV/(amu Å²)
        self.dmu, self.dalpha = torch.as_tensor(dmu), torch.as_tensor(dalpha)  # | e/√amu, Å²/√amu

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        q = torch.einsum("kax,rax->rk", self.to_q, positions - self.minimum)
        out = {
            keys.ENERGY: 0.5 * (self.stiffness * q**2).sum(1),
            keys.FORCES: -torch.einsum("k,rk,kax->rax", self.stiffness, q, self.to_q),
            keys.DIPOLE: q @ self.dmu,
            keys.POLARIZABILITY: torch.einsum("rk,kxy->rxy", q, self.dalpha),
        }
        return {name: out[name] for name in properties}


@dataclass(frozen=True)
class Sticks:
    """Ethanol in the harmonic approximation."""

    numbers: np.ndarray  # (n_atoms,)
    masses_amu: np.ndarray  # (n_atoms,) | amu
    minimum: np.ndarray  # (n_atoms, 3) | Å, about the centre of mass
    modes: np.ndarray  # (n_modes, n_atoms, 3) | orthonormal
    wavenumber_cm: np.ndarray  # (n_modes,) | cm⁻¹
    dmu: np.ndarray  # (n_modes, 3) | e/√amu
    dalpha: np.ndarray  # (n_modes, 3, 3) | Å²/√amu

    @property
    def infrared(self) -> np.ndarray:
        """N_A/(12 ε0 c²)(∂μ/∂Q)², (n_modes,) | km/mol."""
        return AMU_E2_KM_MOL * (self.dmu**2).sum(1)

    @property
    def raman(self) -> np.ndarray:
        """45β'² + 7γ'², (n_modes,) | Å⁴/amu."""
        beta2 = (np.trace(self.dalpha, axis1=1, axis2=2) / 3) ** 2
        gamma2 = 1.5 * ((self.dalpha**2).sum((1, 2)) - 3 * beta2)
        return 45 * beta2 + 7 * gamma2


def sticks(potential: nn.Module) -> Sticks:
    """Minimum, modes and derivatives along them, by differences."""
    frame = read_atoms(DATASET)[0]
    numbers = frame.numbers.astype(np.int64)
    masses = atomic_masses[numbers]
    on = surface(potential, numbers)
    minimum = centred(relax(on, frame.positions[None])[0][0], masses)
    wavenumber, modes = normal_modes(hessian(on, minimum), minimum, masses)
    along = modes / np.sqrt(masses)[:, None] * DISPLACEMENT  # Δr of Δq = DISPLACEMENT
    moved = torch.as_tensor(np.concatenate([minimum + along, minimum - along]))
    out = potential(torch.as_tensor(numbers).expand(len(moved), -1), moved, keys.PROPERTIES)
    slopes = []
    for name in (keys.DIPOLE, keys.POLARIZABILITY):
        plus, minus = np.split(out[name].double().numpy(), 2)
        slopes.append((plus - minus) / (2 * DISPLACEMENT))
    return Sticks(numbers, masses, minimum, modes, wavenumber, *slopes)
