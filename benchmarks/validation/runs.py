"""The runs of ethanol that the checks share: where they are, and their series."""

from pathlib import Path

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.spectra.series import open_trajectory

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results" / "validation"
DATASET = ROOT / "config" / "molecules" / "ethanol" / "labels.extxyz"  # leads to the conformers


def trajectories(kind: str) -> list[Path]:
    """Finished batches of `reference` (GFN2-xTB) or `model` (PaiNN trained on it)."""
    return sorted((RESULTS / kind).glob("[0-9]*/trajectory.h5"))


def ethanol_series() -> tuple[np.ndarray, np.ndarray, float]:
    """μ (n, 3) | e·Å, α (n, 3, 3) | Å³ of one replica of ethanol, and the interval in fs."""
    files = trajectories("model") or trajectories("reference")
    if not files:
        raise InputError("no dynamics of ethanol yet; run benchmarks.validation.direct_dynamics")
    with open_trajectory(files[0]) as series:
        return (
            series.replica(keys.DIPOLE, 0), series.replica(keys.POLARIZABILITY, 0), series.sample_interval_fs
        )  # fmt: skip
