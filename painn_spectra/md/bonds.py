"""Bonds of a geometry by covalent radii: numpy only, so that sampling, dynamics and spectra share them."""

import numpy as np
from numpy.typing import NDArray

from painn_spectra.units import BOND_FACTOR, COVALENT_RADII_A

RADII_A = np.array(COVALENT_RADII_A)


def bonds(numbers: NDArray[np.int64], positions: NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """Bonded pairs of a geometry, by covalent radii."""
    i, j = np.triu_indices(len(numbers), 1)
    lengths = np.linalg.norm(positions[i] - positions[j], axis=1)  # (n_pairs,) | Å
    limit = BOND_FACTOR * (RADII_A[numbers[i]] + RADII_A[numbers[j]])
    near = lengths < limit
    return tuple(zip(i[near].tolist(), j[near].tolist(), strict=True))
