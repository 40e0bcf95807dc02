"""Minima of the model's surface: batched BFGS, finite-difference Hessian."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from painn_spectra import keys
from painn_spectra.md.integrators import ENERGY_AND_FORCES

Array = NDArray[np.float64]
Surface = Callable[[Array], tuple[Array, Array]]  # (n, n_atoms, 3) | Å -> energies (n,) | eV, forces | eV/Å

BATCH = 8  # frames per evaluation: bounded memory, and fastest on one core
FIRST_CURVATURE = 70.0  # eV/Å², the usual first guess for molecules
LONGEST_MOVE_A = 0.2
CONVERGED_EV_A = 1e-3
DISPLACEMENT_A = 0.005


def surface(potential: nn.Module, numbers: NDArray[np.int64]) -> Surface:
    """Energies and forces of one molecule's geometries, as arrays."""
    device = next((p.device for p in potential.parameters()), torch.device("cpu"))

    def energies_and_forces(positions: Array) -> tuple[Array, Array]:
        energies, forces = [], []
        for batch in torch.as_tensor(positions, device=device).split(BATCH):
            z = torch.as_tensor(numbers, device=device).expand(len(batch), -1)
            out = potential(z, batch, ENERGY_AND_FORCES)
            energies.append(out[keys.ENERGY].double().cpu().numpy())
            forces.append(out[keys.FORCES].double().cpu().numpy())
        return np.concatenate(energies), np.concatenate(forces)

    return energies_and_forces


def relax(on: Surface, positions: Array, max_steps: int = 400) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Minimise every geometry by BFGS; positions (n, n_atoms, 3) | Å. Returns them, energies, converged (n,).

    The step is |H|⁻¹F, which descends where H has negative curvature too, cut to LONGEST_MOVE_A per atom.
    H follows the BFGS update H += Δf Δfᵀ/(Δr·Δf) − HΔr ΔrᵀH/(ΔrᵀHΔr), Δf = −ΔF.
    Nocedal, Wright 2006, doi:10.1007/978-0-387-40065-5.
    """
    n, n_atoms, _ = positions.shape
    positions = positions.copy()
    energies, forces = on(positions)
    hessians = np.tile(FIRST_CURVATURE * np.eye(3 * n_atoms), (n, 1, 1))  # (n, 3 n_atoms, 3 n_atoms) | eV/Å²
    converged = np.linalg.norm(forces, axis=2).max(1) < CONVERGED_EV_A
    for _ in range(max_steps):
        active = np.flatnonzero(~converged & np.isfinite(energies))
        if len(active) == 0:
            break
        curvatures, modes = np.linalg.eigh(hessians[active])
        along = np.einsum("nim,ni->nm", modes, forces[active].reshape(len(active), -1))
        moves = np.einsum("nim,nm->ni", modes, along / np.maximum(np.abs(curvatures), 1e-3))
        moves = moves.reshape(-1, n_atoms, 3)
        longest = np.linalg.norm(moves, axis=2).max(1)
        moves *= np.minimum(1.0, LONGEST_MOVE_A / longest)[:, None, None]
        positions[active] += moves
        before = forces[active]
        energies[active], forces[active] = on(positions[active])
        if not np.isfinite(forces[active]).all():
            forces[active] = np.nan_to_num(forces[active])  # dead frames; their energy says so
        dr = moves.reshape(len(active), -1)
        df = (before - forces[active]).reshape(len(active), -1)
        hdr = np.einsum("nij,nj->ni", hessians[active], dr)
        curvature = (dr * df).sum(1)
        usable = np.abs(curvature) > 1e-12
        rise = df[:, :, None] * df[:, None, :] / np.where(usable, curvature, 1.0)[:, None, None]
        fall = hdr[:, :, None] * hdr[:, None, :] / np.where(usable, (dr * hdr).sum(1), 1.0)[:, None, None]
        hessians[active] += np.where(usable[:, None, None], rise - fall, 0.0)
        converged = np.linalg.norm(forces, axis=2).max(1) < CONVERGED_EV_A
    return positions, energies, converged & np.isfinite(energies)


def hessian(on: Surface, positions: Array) -> Array:
    """∂²E/∂r∂r by central differences, (3 n_atoms, 3 n_atoms) | eV/Å²; positions (n_atoms, 3) | Å."""
    n = positions.size
    shifts = DISPLACEMENT_A * np.eye(n).reshape(n, -1, 3)
    _, forces = on(np.concatenate([positions + shifts, positions - shifts]))
    matrix = (forces[n:] - forces[:n]).reshape(n, n) / (2 * DISPLACEMENT_A)
    return 0.5 * (matrix + matrix.T)
