"""Minima of any surface: batched BFGS."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Surface = Callable[[Array], tuple[Array, Array]]  # (n, n_atoms, 3) | Å -> energies (n,) | eV, forces | eV/Å

FIRST_CURVATURE = 70.0  # eV/Å², the usual first guess for molecules
LONGEST_MOVE_A = 0.2
CONVERGED_EV_A = 1e-3


def relax(
    on: Surface,
    positions: Array,
    max_steps: int = 400,
    converged_eV_A: float = CONVERGED_EV_A,
    hessians: Array | None = None,
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Minimise every geometry by BFGS; positions (n, n_atoms, 3) | Å. Returns them, energies, converged (n,).

    hessians: (n, 3 n_atoms, 3 n_atoms) | eV/Å² to begin with, of a cheaper surface: a third of the steps.

    The step is |H|⁻¹F, which descends where H has negative curvature too, cut to LONGEST_MOVE_A per atom.
    H follows the BFGS update H += Δf Δfᵀ/(Δr·Δf) − HΔr ΔrᵀH/(ΔrᵀHΔr), Δf = −ΔF.
    Nocedal, Wright 2006, doi:10.1007/978-0-387-40065-5.
    """
    n, n_atoms, _ = positions.shape
    positions = positions.copy()
    energies, forces = on(positions)
    if hessians is None:
        hessians = np.tile(FIRST_CURVATURE * np.eye(3 * n_atoms), (n, 1, 1))
    hessians = hessians.copy()
    converged = np.linalg.norm(forces, axis=2).max(1) < converged_eV_A
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
        converged = np.linalg.norm(forces, axis=2).max(1) < converged_eV_A
    return positions, energies, converged & np.isfinite(energies)
