"""Bonds of a geometry by covalent radii: numpy only, so that sampling and dynamics share them."""

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

BOND_FACTOR = 1.3  # atoms closer than this many sums of covalent radii are bonded


def bonds(numbers: NDArray[np.int64], positions: NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """Bonded pairs of a geometry, by covalent radii."""
    i, j = np.triu_indices(len(numbers), 1)
    lengths = np.linalg.norm(positions[i] - positions[j], axis=1)  # (n_pairs,) | Å
    limit = BOND_FACTOR * (covalent_radii[numbers[i]] + covalent_radii[numbers[j]])
    near = lengths < limit
    return tuple(zip(i[near].tolist(), j[near].tolist(), strict=True))
