"""Derivatives of labels with respect to positions, by central differences: Hessian, ∂μ/∂r, ∂α/∂r."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray

from painn_spectra import keys

Array = NDArray[np.float64]

# GFN2-xTB water: O–H stretches 0.4 cm⁻¹ too high at 0.005 Å, 1.6 at 0.01, activities off by 0.3 % and 1.7 %;
# labels' rounding, divided by the step, still is far below both
STEP_A = 0.005


@dataclass(frozen=True)
class Derivatives:
    """What the harmonic spectra of one geometry need, in Cartesian coordinates: no mass is in it yet."""

    hessian: Array  # (3 n_atoms, 3 n_atoms) | eV/Å²
    dipole: Array  # (3, n_atoms, 3) | e, ∂μ_x/∂r_iy, of ions as the labels' origin has it
    polarizability: Array  # (3, 3, n_atoms, 3) | Å², ∂α_xy/∂r_iz


def displaced(positions: Array, step_A: float = STEP_A) -> Array:
    """All atoms moved by ±step along all axes, (6 n_atoms, n_atoms, 3) | Å; first all +, then all −."""
    shifts = step_A * np.eye(positions.size).reshape(positions.size, -1, 3)
    return np.concatenate([positions + shifts, positions - shifts])


def central_difference(values: Array, step_A: float = STEP_A) -> Array:
    """[f(r + h) − f(r − h)]/2h; values (6 n_atoms, ...) at the `displaced` geometries -> (3 n_atoms, ...)."""
    n = len(values) // 2
    return (values[:n] - values[n:]) / (2 * step_A)


def hessian_of(forces: Array, step_A: float = STEP_A) -> Array:
    """−∂F/∂r symmetrised, (3 n_atoms, 3 n_atoms) | eV/Å²; forces (6 n_atoms, n_atoms, 3) | eV/Å."""
    matrix = -central_difference(forces, step_A).reshape(len(forces) // 2, -1)
    return 0.5 * (matrix + matrix.T)


def derivative_by_atom(tensors: Array, step_A: float = STEP_A) -> Array:
    """(n_atoms, ..., 3) from tensors (6 n_atoms, ...) at the `displaced` geometries."""
    slopes = central_difference(tensors, step_A)
    return np.moveaxis(slopes.reshape(-1, 3, *slopes.shape[1:]), 1, -1)


def polarizability_derivative(polarizabilities: Array, step_A: float = STEP_A) -> Array:
    """∂α/∂r (3, 3, n_atoms, 3) | Å² from α (6 n_atoms, 3, 3) | Å³ at the `displaced` geometries."""
    return np.moveaxis(derivative_by_atom(polarizabilities, step_A), 0, 2)


def derivatives(labels: Mapping[str, Array], step_A: float = STEP_A) -> Derivatives:
    """From forces, dipoles and polarizabilities (6 n_atoms, ...) at the `displaced` geometries."""
    return Derivatives(
        hessian_of(labels[keys.FORCES], step_A),
        np.moveaxis(derivative_by_atom(labels[keys.DIPOLE], step_A), 0, 1),
        polarizability_derivative(labels[keys.POLARIZABILITY], step_A),
    )


def about_rest(found: Derivatives, numbers: NDArray[np.int64], charge: float) -> Derivatives:
    """The same with a dipole whose origin is at rest, ∂μ_x/∂r_iy + q δ_xy m_i/M: for ions.

    Labels have theirs in the centre of the standard masses m, which modes of an isotopologue move; they
    do not move its own centre, so that about any origin at rest all isotopologues have their intensities.
    """
    return replace(found, dipole=found.dipole + np.moveaxis(moving_origin(numbers, charge), 0, 1))


def moving_origin(numbers: NDArray[np.int64], charge: float) -> Array:
    """What an ion's ∂μ_x/∂r_iy is less by where the origin is the centre of mass, (n_atoms, 3, 3) | e."""
    shares = atomic_masses[numbers] / atomic_masses[numbers].sum()
    return charge * np.einsum("i,xy->ixy", shares, np.eye(3))
