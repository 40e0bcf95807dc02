"""The batched state of all replicas, and the mechanics of one molecule's rigid motion."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from painn_spectra.units import ACCELERATION_A_FS2, AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K


@dataclass
class State:
    """Replicas of one molecule, advanced together; everything that a restart needs is here."""

    replicas: tuple[int, ...]  # numbers of these replicas in the whole run: each has its own noise
    numbers: Tensor  # (n_replicas, n_atoms) | atomic numbers
    masses_amu: Tensor  # (n_atoms, 1) | amu, float64
    positions: Tensor  # (n_replicas, n_atoms, 3) | Å, float64
    velocities: Tensor  # (n_replicas, n_atoms, 3) | Å/fs, float64
    forces: Tensor  # (n_replicas, n_atoms, 3) | eV/Å, float64
    potential_energy: Tensor  # (n_replicas,) | eV, float64
    step: int = 0  # steps since the beginning of the equilibration

    SAVED: ClassVar[tuple[str, ...]] = ("positions", "velocities", "forces", "potential_energy")

    @property
    def accelerations(self) -> Tensor:
        return self.forces / self.masses_amu * ACCELERATION_A_FS2  # (n_replicas, n_atoms, 3) | Å/fs²


def standard_noise(state: State, seed: int) -> Tensor:
    """Standard normal numbers of this step, as many as positions.

    A function of (seed, replica, step) alone: neither a restart nor the grouping of replicas changes them.
    """
    rows = len(state.positions) // len(state.replicas)  # beads of a ring polymer, otherwise 1
    shape = (rows, *state.positions.shape[1:])
    noise = [np.random.default_rng((seed, r, state.step)).standard_normal(shape) for r in state.replicas]
    return torch.as_tensor(np.concatenate(noise), device=state.positions.device)


def thermal_velocities(state: State, temperature_K: float, seed: int) -> Tensor:
    """Maxwell-Boltzmann velocities, v = √(k_B T/m) ξ, (n_replicas, n_atoms, 3) | Å/fs."""
    spread = (BOLTZMANN_EV_K * temperature_K / state.masses_amu * ACCELERATION_A_FS2).sqrt()  # Å/fs
    return spread * standard_noise(state, seed)


def kinetic_energy(velocities: Tensor, masses_amu: Tensor) -> Tensor:
    """½ Σ m v², (n_replicas,) | eV."""
    return 0.5 * AMU_A2_FS2_IN_EV * (masses_amu * velocities.square()).sum((1, 2))


def half_step_kinetic_energy(state: State, timestep_fs: float) -> Tensor:
    """Mean of the kinetic energies at the two adjacent half steps, v ± a Δt/2, (n_replicas,) | eV.

    Its thermal mean is k_B T/2 per degree of freedom; on-step velocities are low by the factor 1 − ω²Δt²/4.
    """
    kick = 0.5 * timestep_fs * state.accelerations  # Å/fs
    return kinetic_energy(state.velocities, state.masses_amu) + kinetic_energy(kick, state.masses_amu)


def half_step_velocities(state: State, timestep_fs: float) -> Tensor:
    """v(t + Δt/2) = v + a Δt/2 of velocity Verlet, (n_replicas, n_atoms, 3) | Å/fs."""
    return state.velocities + 0.5 * timestep_fs * state.accelerations


def kinetic_temperature(energy_eV: Tensor, degrees_of_freedom: int) -> Tensor:
    """T = 2 E_kin / (f k_B), K."""
    return 2 * energy_eV / (degrees_of_freedom * BOLTZMANN_EV_K)


def centred(positions: Tensor, masses_amu: Tensor) -> Tensor:
    """Vectors with their mass-weighted mean removed; positions or velocities, (n_replicas, n_atoms, 3)."""
    return positions - (masses_amu * positions).sum(1, keepdim=True) / masses_amu.sum()


def inertia_tensor(positions: Tensor, masses_amu: Tensor) -> Tensor:
    """I = Σ m (r² 1 − r rᵀ) about the centre of mass, (n_replicas, 3, 3) | amu Å²."""
    r = centred(positions, masses_amu)
    identity = torch.eye(3, dtype=r.dtype, device=r.device)
    outer = torch.einsum("ai,rax,ray->rxy", masses_amu, r, r)
    return outer.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] * identity - outer


def without_rotation(positions: Tensor, velocities: Tensor, masses_amu: Tensor, linear: bool) -> Tensor:
    """Velocities with L = 0 about the centre of mass: v − ω × r, ω = I⁻¹ L. No rescaling follows.

    The mass-weighted projection leaves the other velocities thermal. A linear molecule keeps the motion about
    its axis: that is the vibrational angular momentum of its bending modes.
    """
    r = centred(positions, masses_amu)
    momentum = torch.linalg.cross(r, masses_amu * velocities).sum(1)  # (n_replicas, 3) | amu Å²/fs
    moments, axes = torch.linalg.eigh(inertia_tensor(positions, masses_amu))  # ascending
    rates = torch.einsum("rxk,rx->rk", axes, momentum) / moments  # (n_replicas, 3) | 1/fs, principal axes
    if linear:
        rates[:, 0] = 0.0
    omega = torch.einsum("rxk,rk->rx", axes, rates)
    return velocities - torch.linalg.cross(omega[:, None].expand_as(r), r)


def degrees_of_freedom(n_atoms: int, linear: bool, rotation_removed: bool) -> int:
    """3N − 3 without the centre of mass; 3N − 6 (linear: 3N − 5) without rotation too."""
    if not rotation_removed:
        return 3 * n_atoms - 3
    return 3 * n_atoms - (5 if linear else 6)
