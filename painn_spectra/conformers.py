"""Minima of any surface as conformers: distinct ones only, with vibrations, symmetry and weight."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra.derivatives import displaced, hessian_of
from painn_spectra.md.alignment import matching_orders, unique_geometries
from painn_spectra.normal_modes import normal_modes
from painn_spectra.populations import classical_weights
from painn_spectra.relaxation import Surface

Array = NDArray[np.float64]


def weighted_conformers(
    on: Surface,
    numbers: NDArray[np.int64],
    masses_amu: Array,
    minima: Array,
    energies: Array,
    temperature_K: float,
) -> list[dict[str, Any]]:
    """The distinct ones of `minima` (n, n_atoms, 3) | Å, lowest energy first, with their classical weights.

    Exchange of like atoms and rotation make no new conformer, reflection does; a saddle point is none.
    Returns [{"positions", "energy_eV", "wavenumbers_cm", "modes", "symmetry_number", "weight"}], JSON-able;
    modes (n_modes, n_atoms, 3) as `normal_modes` gives them.
    """
    _, kinds = np.unique(np.stack([numbers, masses_amu], 1), axis=0, return_inverse=True)
    unique = unique_geometries(minima, energies, kinds)
    minima, energies = minima[unique], energies[unique]
    vibrations = [normal_modes(hessian_of(on(displaced(r))[1]), r, masses_amu) for r in minima]
    modes = [wavenumbers for wavenumbers, _ in vibrations]

    true_minimum = np.array([bool((nu > 0).all()) for nu in modes])
    if true_minimum.any():
        chosen = np.flatnonzero(true_minimum)
        minima, energies, modes = minima[chosen], energies[chosen], [modes[i] for i in chosen]
        vibrations = [vibrations[i] for i in chosen]
    symmetry = [len(matching_orders(r, r, kinds)) for r in minima]
    weights = classical_weights(minima, energies, modes, symmetry, masses_amu, temperature_K)
    return [
        {
            "energy_eV": float(energy),
            "weight": float(weight),
            "symmetry_number": number,
            "wavenumbers_cm": [round(float(nu), 2) for nu in nus],
            "modes": shapes.round(7).tolist(),
            "positions": r.tolist(),
        }
        for energy, weight, number, (nus, shapes), r in zip(
            energies, weights, symmetry, vibrations, minima, strict=True
        )
    ]
