"""Boltzmann starts: the conformers of the model's surface, their weights, one of them for every replica."""

from collections import Counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from painn_spectra.errors import InputError
from painn_spectra.md.alignment import matching_orders, unique_geometries
from painn_spectra.md.bonds import bonds
from painn_spectra.md.minima import Surface, hessian, relax, surface, wavenumbers
from painn_spectra.md.state import inertia_tensor, is_linear
from painn_spectra.units import BOLTZMANN_EV_K

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

N_FRAMES = 24  # labelled geometries to relax


def find_starts(
    potential: nn.Module,
    numbers: Integers,
    masses_amu: Array,
    frames: Array,
    temperature_K: float,
    n_replicas: int,
    seed: int,
) -> dict[str, Any]:
    """Conformers and their share of the replicas, as JSON-able data.

    frames: (n_frames, n_atoms, 3) | Å, labelled geometries of one composition. Returns
    {"conformers": [{"positions", "energy_eV", "wavenumbers_cm", "symmetry_number", "weight"}],
    "replicas": [conformer of each replica]}.
    """
    on = surface(potential, numbers)
    relaxed, energies, converged = relax(on, frames[diverse(frames, N_FRAMES)])
    graphs = [bonds(numbers, geometry) for geometry in relaxed]
    if not converged.any():
        raise InputError(
            f"none of {len(relaxed)} labelled geometries relaxes to a minimum of the model; train it longer"
        )
    usual = Counter(graph for graph, good in zip(graphs, converged, strict=True) if good).most_common(1)[0][0]
    intact = converged & np.array([graph == usual for graph in graphs])
    minima, energies = relaxed[intact], energies[intact]

    # a finite sample may miss one of two mirror images; an achiral molecule merges with its own
    both, energies = np.concatenate([minima, -minima]), np.concatenate([energies, energies])
    conformers = weighted_conformers(on, numbers, masses_amu, both, energies, temperature_K)
    weights = np.array([conformer["weight"] for conformer in conformers])
    return {"conformers": conformers, "replicas": share(weights, n_replicas, seed)}


def weighted_conformers(
    on: Surface, numbers: Integers, masses_amu: Array, minima: Array, energies: Array, temperature_K: float
) -> list[dict[str, Any]]:
    """The distinct ones of `minima` (n, n_atoms, 3) | Å, lowest energy first, with their classical weights.

    Exchange of like atoms and rotation make no new conformer, reflection does; a saddle point is none. Returns
    [{"positions", "energy_eV", "wavenumbers_cm", "symmetry_number", "weight"}].
    """
    _, kinds = np.unique(np.stack([numbers, masses_amu], 1), axis=0, return_inverse=True)
    unique = unique_geometries(minima, energies, kinds)
    minima, energies = minima[unique], energies[unique]
    linear = is_linear_molecule(minima[0], masses_amu)
    modes = [wavenumbers(hessian(on, r), r, masses_amu, linear) for r in minima]

    true_minimum = np.array([bool((nu > 0).all()) for nu in modes])
    if true_minimum.any():  # a saddle point is no conformer
        chosen = np.flatnonzero(true_minimum)
        minima, energies, modes = minima[chosen], energies[chosen], [modes[i] for i in chosen]
    symmetry = [len(matching_orders(r, r, kinds)) for r in minima]
    weights = classical_weights(minima, energies, modes, symmetry, masses_amu, temperature_K)
    return [
        {
            "energy_eV": float(energy),
            "weight": float(weight),
            "symmetry_number": number,
            "wavenumbers_cm": [round(float(nu), 2) for nu in nus],
            "positions": r.tolist(),
        }
        for energy, weight, number, nus, r in zip(energies, weights, symmetry, modes, minima, strict=True)
    ]


def diverse(frames: Array, n_wanted: int) -> list[int]:
    """Farthest-point choice of frames in the space of all interatomic distances; the first frame leads."""
    i, j = np.triu_indices(frames.shape[1], 1)
    distances = np.linalg.norm(frames[:, i] - frames[:, j], axis=2)  # (n_frames, n_pairs) | Å
    chosen, gap = [0], np.full(len(frames), np.inf)
    while len(chosen) < min(n_wanted, len(frames)):
        gap = np.minimum(gap, np.linalg.norm(distances - distances[chosen[-1]], axis=1))
        chosen.append(int(gap.argmax()))
    return chosen


def is_linear_molecule(positions: Array, masses_amu: Array) -> bool:
    """Whether a geometry (n_atoms, 3) | Å is linear."""
    return is_linear(torch.as_tensor(positions)[None], torch.as_tensor(masses_amu)[:, None])


def classical_weights(
    minima: Array,
    energies_eV: Array,
    modes_cm: list[Array],
    symmetry_numbers: list[int],
    masses_amu: Array,
    temperature_K: float,
) -> Array:
    """Classical populations of rigid rotors with harmonic vibrations, (n_conformers,), sum 1.

    w ∝ exp(−E/k_B T) · √(I_a I_b I_c)/σ · Π k_B T/(h ν)

    E -> energies_eV [eV], ν -> modes_cm [cm⁻¹], σ -> symmetry_numbers, T -> temperature_K [K], I -> principal
    moments [amu Å²]; common factors cancel. With the moments the weights do not depend on
    masses (product rule, Redlich 1935, doi:10.1515/zpch-1935-2834). An imaginary mode leaves exp(−E/k_B T)/σ.
    """
    logarithms = -energies_eV / (BOLTZMANN_EV_K * temperature_K) - np.log(symmetry_numbers)
    if all((nu > 0).all() for nu in modes_cm):
        masses = torch.as_tensor(masses_amu)[:, None]
        moments = torch.linalg.eigvalsh(inertia_tensor(torch.as_tensor(minima), masses)).numpy()
        if is_linear_molecule(minima[0], masses_amu):
            moments = moments[:, 1:]
        logarithms += 0.5 * np.log(moments).sum(1) - np.log(modes_cm).sum(1)
    return softmax(logarithms)


def share(weights: Array, n_replicas: int, seed: int) -> list[int]:
    """Conformer of each replica by systematic resampling: counts within one of n_replicas × weight."""
    points = (np.arange(n_replicas) + np.random.default_rng(seed).uniform()) / n_replicas
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1).tolist()
