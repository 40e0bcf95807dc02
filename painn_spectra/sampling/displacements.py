"""Geometries displaced along harmonic normal modes, as wide as quantum nuclei at a temperature spread."""

import numpy as np
from numpy.typing import NDArray

from painn_spectra.normal_modes import normal_modes
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K, LIGHT_CM_FS, SECOND_RADIATION_CM_K

Array = NDArray[np.float64]

SOFTEST_CM = 150.0  # below are hindered rotations, along which a straight displacement only stretches bonds


def amplitudes(wavenumbers_cm: Array, temperature_K: float) -> Array:
    """Standard deviation of each normal coordinate, (n_modes,) | Å·amu^½.

    σ² = ħ/(2ω) coth(ħω/(2 k_B T)), ω = 2πcν̃

    ν̃ -> wavenumbers_cm [cm⁻¹], positive; T -> temperature_K [K]. Wilson, Decius, Cross 1955, Molecular
    Vibrations; the classical k_B T/ω² at high temperature, the zero-point ħ/(2ω) at low.
    """
    omega = 2 * np.pi * LIGHT_CM_FS * wavenumbers_cm  # 1/fs
    quantum = BOLTZMANN_EV_K * SECOND_RADIATION_CM_K * wavenumbers_cm  # ħω | eV
    variance = quantum / (2 * omega**2) / np.tanh(quantum / (2 * BOLTZMANN_EV_K * temperature_K))
    return np.sqrt(variance / AMU_A2_FS2_IN_EV)


def thermal_displacements(
    hessian: Array,
    positions: Array,
    masses_amu: Array,
    temperature_K: float,
    n_frames: int,
    rng: np.random.Generator,
) -> Array:
    """Geometries (n_frames, n_atoms, 3) | Å around a minimum, normal coordinates drawn independently.

    Δr_i = Σ_k L_ki q_k/√m_i, q_k ~ N(0, σ_k²). Modes below SOFTEST_CM stay at rest: dynamics explore those.

    H -> hessian (3 n_atoms, 3 n_atoms) [eV/Å²]; r -> positions (n_atoms, 3) [Å]; m -> masses_amu (n_atoms,).
    """
    wavenumbers_cm, modes = normal_modes(hessian, positions, masses_amu)
    stiff = wavenumbers_cm > SOFTEST_CM
    q = amplitudes(wavenumbers_cm[stiff], temperature_K) * rng.standard_normal((n_frames, int(stiff.sum())))
    return positions + np.einsum("fk,kix->fix", q, modes[stiff]) / np.sqrt(masses_amu)[:, None]
