"""Boltzmann starts: the conformers of the model's surface, their weights, one of them for every replica."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from painn_spectra.conformers import weighted_conformers
from painn_spectra.errors import InputError
from painn_spectra.md.bonds import bonds
from painn_spectra.md.common_starts import Conformers, in_line_with
from painn_spectra.md.minima import surface
from painn_spectra.relaxation import relax

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
    like: Conformers | None = None,
) -> dict[str, Any]:
    """Conformers and their share of the replicas, as JSON-able data.

    frames: (n_frames, n_atoms, 3) | Å, labelled geometries of one composition. like: conformers of the
    ensemble's first member; a replica then starts as it does there, unless the weights differ. Returns
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
    conformers = weighted_conformers(on, numbers, masses_amu, both, energies, temperature_K)
    if like is not None:
        firsts = np.array([conformer["positions"] for conformer in like])
        _, kinds = np.unique(np.stack([numbers, masses_amu], 1), axis=0, return_inverse=True)
        conformers = in_line_with(conformers, relax(on, firsts)[0], firsts, kinds, masses_amu)
    weights = np.array([conformer["weight"] for conformer in conformers])
    return {"conformers": conformers, "replicas": share(weights, n_replicas, seed)}


def diverse(frames: Array, n_wanted: int) -> list[int]:
    """Farthest-point choice of frames in the space of all interatomic distances; the first frame leads."""
    i, j = np.triu_indices(frames.shape[1], 1)
    distances = np.linalg.norm(frames[:, i] - frames[:, j], axis=2)  # (n_frames, n_pairs) | Å
    chosen, gap = [0], np.full(len(frames), np.inf)
    while len(chosen) < min(n_wanted, len(frames)):
        gap = np.minimum(gap, np.linalg.norm(distances - distances[chosen[-1]], axis=1))
        chosen.append(int(gap.argmax()))
    return chosen


def share(weights: Array, n_replicas: int, seed: int) -> list[int]:
    """Conformer of each replica by systematic resampling: counts within one of n_replicas × weight."""
    points = (np.arange(n_replicas) + np.random.default_rng(seed).uniform()) / n_replicas
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1).tolist()
