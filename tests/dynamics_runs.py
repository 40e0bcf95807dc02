"""Short runs of dynamics with a known potential, read back."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from toy_potentials import load_toy

from painn_spectra.md.run import run_dynamics
from painn_spectra.settings.dynamics import DynamicsSettings

Arrays = dict[str, np.ndarray]
SHORT: dict[str, Any] = {
    "n_replicas": 3, "equilibration_ps": 0.1, "production_ps": 0.2, "checkpoint_interval_ps": 0.05,
}  # fmt: skip


def run(
    folder: Path, inputs: tuple[Path, Path], threads: int = 1, isotopes: Any = None, **change: Any
) -> Arrays:
    """Run the stage and read the trajectory's datasets."""
    settings = DynamicsSettings(**(SHORT | change))
    run_dynamics(
        *inputs, folder / "trajectory.h5", folder / "dynamics.json", settings, "toy", "classical", 300.0,
        isotopes or {}, threads, load_toy,
    )  # fmt: skip
    with h5py.File(folder / "trajectory.h5") as file:
        return {name: values[:] for name, values in file.items()}


def same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
