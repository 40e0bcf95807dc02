"""Modes that a power series about the minimum does not describe: turning about a single bond."""

import numpy as np
from numpy.typing import NDArray

from painn_spectra.md.bonds import bonds
from painn_spectra.rotatable import moving_atoms, rotatable

Array = NDArray[np.float64]

TORSION_SHARE = 0.5  # of a mode's kinetic energy


def large_amplitude(
    modes: Array, positions: Array, numbers: NDArray[np.int64], masses_amu: Array
) -> NDArray[np.bool_]:
    """Whether each mode (n_modes, n_atoms, 3) is mostly turning about rotatable bonds, (n_modes,).

    The share of a mode is its squared projection on the space that the torsions span in mass-weighted
    coordinates, translations and rotations, which the modes do not hold, taken out.
    """
    pairs, turns = bonds(numbers, positions), []
    for _, j, k, _ in rotatable(numbers, positions):
        moved = moving_atoms(pairs, j, k) or []
        turn = np.zeros_like(positions)
        turn[moved] = np.cross(positions[k] - positions[j], positions[moved] - positions[j])
        turns.append((np.sqrt(masses_amu)[:, None] * turn).ravel())
    if not turns:
        return np.zeros(len(modes), bool)
    flat = modes.reshape(len(modes), -1)
    inner = flat @ np.array(turns).T  # (n_modes, n_torsions): what lies within the vibrations
    basis, _ = np.linalg.qr(inner)
    return (basis**2).sum(1) > TORSION_SHARE
