"""The runs of ethanol that the checks share: where they are, and their series."""

from pathlib import Path

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.spectra.series import Series
from painn_spectra.spectra.trajectory_file import open_trajectory

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results" / "validation"
DATASET = ROOT / "config" / "molecules" / "ethanol" / "labels.extxyz"  # leads to the conformers


def trajectories(kind: str) -> list[Path]:
    """Finished batches of `reference` (GFN2-xTB) or `model` (PaiNN trained on it)."""
    return sorted((RESULTS / kind).glob("[0-9]*/trajectory.h5"))


def replica(series: Series, name: str, number: int) -> np.ndarray:
    """The whole series of one replica, (n_samples, ...)."""
    return np.concatenate(list(series.chunks(name, number)))


def ethanol_series(n_replicas: int = 1) -> tuple[list[tuple[np.ndarray, ...]], float]:
    """[(μ (n, 3) | e·Å, α (n, 3, 3) | Å³)] of the first replicas of ethanol, and the interval in fs."""
    found: list[tuple[np.ndarray, ...]] = []
    interval_fs = float("nan")
    for file in trajectories("model") or trajectories("reference"):
        with open_trajectory(file) as series:
            interval_fs = series.sample_interval_fs
            for k in range(series.n_replicas):
                found.append(tuple(replica(series, name, k) for name in (keys.DIPOLE, keys.POLARIZABILITY)))
        if len(found) >= n_replicas:
            return found[:n_replicas], interval_fs
    if not found:
        raise InputError("no dynamics of ethanol yet; run benchmarks.validation.direct_dynamics")
    return found, interval_fs
