"""Thermal populations of conformers, of classical and of quantum nuclei."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from painn_spectra.errors import InputError
from painn_spectra.normal_modes import is_linear, moments_of_inertia
from painn_spectra.units import BOLTZMANN_EV_K, SECOND_RADIATION_CM_K

Array = NDArray[np.floating[Any]]


def classical_weights(
    minima: Array,
    energies_eV: Array,
    modes_cm: Sequence[Array],
    symmetry_numbers: Sequence[float],
    masses_amu: Array,
    temperature_K: float,
) -> Array:
    """Classical populations of rigid rotors with harmonic vibrations, (n_conformers,), sum 1.

    w ∝ exp(−E/k_B T) · √(I_a I_b I_c)/σ · Π k_B T/(h ν)

    E -> energies_eV [eV], ν -> modes_cm [cm⁻¹], σ -> symmetry_numbers (halved where a mirror image counts
    along), T -> temperature_K [K], I -> principal moments [amu Å²]; common factors cancel. With the moments
    the weights do not depend on masses (product rule, Redlich 1935, doi:10.1515/zpch-1935-2834). An imaginary
    mode leaves exp(−E/k_B T)/σ.
    """
    logarithms = -energies_eV / (BOLTZMANN_EV_K * temperature_K) - np.log(symmetry_numbers)
    if _all_real(modes_cm):
        logarithms += _rotation(minima, masses_amu) - np.log(modes_cm).sum(1)
    return softmax(logarithms)


def quantum_weights(
    minima: Array,
    energies_eV: Array,
    modes_cm: Sequence[Array],
    symmetry_numbers: Sequence[float],
    masses_amu: Array,
    temperature_K: float,
) -> Array:
    """Populations with quantum vibrations, zero-point energy included; arguments of `classical_weights`.

    w ∝ exp(−E/k_B T) · √(I_a I_b I_c)/σ · Π e^{−x/2}/(1 − e^{−x}), x = hcν̃/k_B T
    """
    logarithms = -energies_eV / (BOLTZMANN_EV_K * temperature_K) - np.log(symmetry_numbers)
    if _all_real(modes_cm):
        x = SECOND_RADIATION_CM_K * np.array(modes_cm) / temperature_K  # (n_conformers, n_modes)
        logarithms += _rotation(minima, masses_amu) - (x / 2 + np.log(-np.expm1(-x))).sum(1)
    return softmax(logarithms)


def _all_real(modes_cm: Sequence[Array]) -> bool:
    """Whether every mode vibrates. Raises InputError for a mixture of linear and bent minima."""
    if len({len(nu) for nu in modes_cm}) > 1:
        raise InputError(
            "the molecule has linear and bent minima on this surface: no thermal weights; "
            "a model with few labels or epochs shows such minima, train it longer or on more"
        )
    return all((nu > 0).all() for nu in modes_cm)


def _rotation(minima: Array, masses_amu: Array) -> Array:
    """ln √(I_a I_b I_c), of a linear molecule ln √(I_b I_c), (n_conformers,)."""
    moments = moments_of_inertia(minima, masses_amu)  # (n_conformers, 3) | amu Å²
    if is_linear(minima[0], masses_amu):
        moments = moments[:, 1:]
    return 0.5 * np.log(moments).sum(1)
