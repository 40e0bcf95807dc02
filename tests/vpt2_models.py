"""Force fields for the tests of perturbation theory."""

import itertools

import numpy as np

from painn_spectra.vpt2.force_field import ForceField


def field_of(omega, cubic, quartic, dipole=None) -> ForceField:
    """A force field without rotation; constants given for sorted indices, the rest by symmetry."""
    n = len(omega)
    third, fourth = np.zeros((n, n, n)), np.zeros((n, n, n))
    for indices, value in cubic.items():
        for order in itertools.permutations(indices):
            third[order] = value
    for indices, value in quartic.items():  # (i, j) of φ_iijj, (i, j, k) of φ_iijk
        i, j, k = indices if len(indices) == 3 else (indices[0], indices[1], indices[1])
        for order in itertools.permutations((i, i, j, k)):
            if order[0] == order[1]:
                fourth[order[1:]] = value
    slopes = dipole or (np.zeros((n, 3)), np.zeros((n, n, 3)))
    return ForceField(np.array(omega, float), third, fourth, np.zeros((3, n, n)), np.ones(3), slopes, slopes)


def overtones_of_bends(found, one: int, two: int) -> tuple[float, np.ndarray]:
    """2ν of a pair of degenerate modes: the level of l = 0 and the two of l = 2."""
    rows = [found.basis.index(state) for state in ((one, one), (two, two), (one, two))]
    scalar = (found.vectors[rows[0]] + found.vectors[rows[1]]) ** 2 / 2  # share of the round state
    within = np.flatnonzero((found.vectors[rows] ** 2).sum(0) > 0.5)
    assert len(within) == 3
    low = within[scalar[within].argmax()]
    return found.wavenumber_cm[low], found.wavenumber_cm[within[within != low]]
