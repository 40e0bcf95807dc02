"""A small untrained model file that knows hydrogen, oxygen and carbon, and frames of two molecules."""

from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from ase.data import atomic_masses

from painn_spectra.model.checkpoint import save_model
from painn_spectra.model.potential import Potential


def write_model(path: Path, seed: int = 0, n_layers: int = 2) -> Path:
    torch.manual_seed(seed)
    save_model(path, Potential(8, n_layers, 5, 4.0, atomic_masses), {"elements": [1, 6, 8]})
    return path


SIZE = {"n_features": 8, "n_layers": 2, "n_radial": 5, "cutoff_A": 4.0, "norm_epsilon": 1e-8}  # as settings


def two_molecules() -> list[Atoms]:
    """Water, ethanol, water: different sizes and compositions, no symmetric positions."""
    frames = [molecule(name) for name in ("H2O", "CH3CH2OH", "H2O")]
    rng = np.random.default_rng(0)
    for frame in frames:
        frame.positions += rng.normal(scale=0.05, size=(len(frame), 3))
    return frames
