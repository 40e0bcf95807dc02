"""Boltzmann starts: the conformers of the model's surface, their weights, one of them for every replica."""

from collections import Counter
from typing import Any

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from torch import nn

from painn_spectra.errors import InputError
from painn_spectra.md.alignment import matching_orders, unique_geometries
from painn_spectra.md.minima import hessian, surface
from painn_spectra.normal_modes import normal_modes
from painn_spectra.populations import classical_weights
from painn_spectra.relaxation import relax

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

N_FRAMES = 24  # labelled geometries to relax
BOND_FACTOR = 1.3  # atoms closer than this many sums of covalent radii are bonded


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
    {"conformers": [{"positions", "energy_eV", "wavenumbers_cm", "modes", "symmetry_number", "weight"}],
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
    _, kinds = np.unique(np.stack([numbers, masses_amu], 1), axis=0, return_inverse=True)
    unique = unique_geometries(both, energies, kinds)
    minima, energies = both[unique], energies[unique]
    vibrations = [normal_modes(hessian(on, r), r, masses_amu) for r in minima]
    modes = [wavenumbers for wavenumbers, _ in vibrations]

    true_minimum = np.array([bool((nu > 0).all()) for nu in modes])
    if true_minimum.any():  # a saddle point is no conformer
        chosen = np.flatnonzero(true_minimum)
        minima, energies, modes = minima[chosen], energies[chosen], [modes[i] for i in chosen]
        vibrations = [vibrations[i] for i in chosen]
    symmetry = [len(matching_orders(r, r, kinds)) for r in minima]
    weights = classical_weights(minima, energies, modes, symmetry, masses_amu, temperature_K)
    conformers = [
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
    return {"conformers": conformers, "replicas": share(np.asarray(weights, np.float64), n_replicas, seed)}


def diverse(frames: Array, n_wanted: int) -> list[int]:
    """Farthest-point choice of frames in the space of all interatomic distances; the first frame leads."""
    i, j = np.triu_indices(frames.shape[1], 1)
    distances = np.linalg.norm(frames[:, i] - frames[:, j], axis=2)  # (n_frames, n_pairs) | Å
    chosen, gap = [0], np.full(len(frames), np.inf)
    while len(chosen) < min(n_wanted, len(frames)):
        gap = np.minimum(gap, np.linalg.norm(distances - distances[chosen[-1]], axis=1))
        chosen.append(int(gap.argmax()))
    return chosen


def bonds(numbers: Integers, positions: Array) -> tuple[tuple[int, int], ...]:
    """Bonded pairs of a geometry, by covalent radii."""
    i, j = np.triu_indices(len(numbers), 1)
    lengths = np.linalg.norm(positions[i] - positions[j], axis=1)  # (n_pairs,) | Å
    limit = BOND_FACTOR * (covalent_radii[numbers[i]] + covalent_radii[numbers[j]])
    near = lengths < limit
    return tuple(zip(i[near].tolist(), j[near].tolist(), strict=True))


def share(weights: Array, n_replicas: int, seed: int) -> list[int]:
    """Conformer of each replica by systematic resampling: counts within one of n_replicas × weight."""
    points = (np.arange(n_replicas) + np.random.default_rng(seed).uniform()) / n_replicas
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1).tolist()
