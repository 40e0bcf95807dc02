"""Velocity Verlet for production and BAOAB Langevin for equilibration, all replicas in one batch."""

import math

import torch
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.md.state import State, thermal_velocities
from painn_spectra.units import ACCELERATION_A_FS2

ENERGY_AND_FORCES = (keys.ENERGY, keys.FORCES)


def evaluate(
    state: State, potential: nn.Module, properties: tuple[str, ...] = ENERGY_AND_FORCES
) -> dict[str, Tensor]:
    """Bring forces and potential energy up to date with the positions; return all `properties`."""
    out = potential(state.numbers, state.positions, properties)
    state.forces = out[keys.FORCES].to(state.positions.dtype)
    state.potential_energy = out[keys.ENERGY].to(state.positions.dtype)
    return out


def half_kick(state: State, timestep_fs: float) -> Tensor:
    """Δt/2m, (n_atoms, 1) | Å²/(eV fs): times a force, what half a step adds to the velocity."""
    return 0.5 * timestep_fs * ACCELERATION_A_FS2 / state.masses_amu


def verlet_step(
    state: State, potential: nn.Module, timestep_fs: float, properties: tuple[str, ...] = ENERGY_AND_FORCES
) -> dict[str, Tensor]:
    """One step of velocity Verlet; the forces at its end also yield the `properties` there.

    v ← v + a Δt/2;  r ← r + v Δt;  a ← F(r)/m;  v ← v + a Δt/2

    Δt -> timestep_fs [fs], r -> positions [Å], v -> velocities [Å/fs], a -> accelerations [Å/fs²].
    Swope, Andersen, Berens, Wilson 1982, doi:10.1063/1.442716.
    """
    kick = half_kick(state, timestep_fs)
    state.velocities = torch.addcmul(state.velocities, state.forces, kick)
    state.positions = state.positions.add(state.velocities, alpha=timestep_fs)
    out = evaluate(state, potential, properties)
    state.velocities = torch.addcmul(state.velocities, state.forces, kick)
    state.step += 1
    return out


def baoab_step(
    state: State,
    potential: nn.Module,
    timestep_fs: float,
    temperature_K: float,
    friction_per_ps: float,
    seed: int,
) -> None:
    """One Langevin step in the BAOAB splitting, whose positions sample a harmonic well exactly.

    B: v + a Δt/2;  A: r + v Δt/2;  O: e^{−γΔt} v + √(1 − e^{−2γΔt}) √(k_B T/m) ξ;  A;  B

    γ -> friction_per_ps [1/ps], T -> temperature_K [K], ξ -> standard normal noise of this replica and step.
    Leimkuhler, Matthews 2013, doi:10.1093/amrx/abs010.
    """
    state.step += 1
    kept = math.exp(-friction_per_ps * 1e-3 * timestep_fs)
    kick = half_kick(state, timestep_fs)
    state.velocities = torch.addcmul(state.velocities, state.forces, kick)
    state.positions = state.positions.add(state.velocities, alpha=0.5 * timestep_fs)
    noise = thermal_velocities(state, temperature_K, seed)
    state.velocities = kept * state.velocities + math.sqrt(1 - kept**2) * noise
    state.positions = state.positions.add(state.velocities, alpha=0.5 * timestep_fs)
    evaluate(state, potential)
    state.velocities = torch.addcmul(state.velocities, state.forces, kick)
