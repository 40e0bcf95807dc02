"""The runs of ethanol that the checks share: where they are, and their series.

python -m benchmarks.validation.runs    # keeps one replica in data/ for clones without dynamics of their own
"""

from pathlib import Path

import numpy as np

from benchmarks.validation.table import DATA
from painn_spectra import keys
from painn_spectra.files import atomic_path
from painn_spectra.spectra.series import Series
from painn_spectra.spectra.trajectory_file import open_trajectory

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results" / "validation"
SHIPPED = DATA / "ethanol_series.npz"
DATASET = ROOT / "config" / "molecules" / "ethanol" / "labels.extxyz"  # leads to the conformers
MODEL = ROOT / "results" / "ethanol" / "pretraining" / "0" / "model.pt"  # trained on GFN2-xTB
ELECTRIC = (keys.DIPOLE, keys.POLARIZABILITY)


def trajectories(kind: str) -> list[Path]:
    """Finished batches of `reference` (GFN2-xTB) or `model-0`, `model-1` … (members trained on it)."""
    return sorted((RESULTS / kind).glob("[0-9]*/trajectory.h5"))


def replica(series: Series, name: str, number: int) -> np.ndarray:
    """The whole series of one replica, (n_samples, ...)."""
    return np.concatenate(list(series.chunks(name, number)))


def ethanol_series(n_replicas: int = 1) -> tuple[list[tuple[np.ndarray, ...]], float]:
    """[(μ (n, 3) | e·Å, α (n, 3, 3) | Å³)] of up to n_replicas by GFN2-xTB, and the interval in fs.

    The one that is shipped where there is no dynamics yet.
    """
    found: list[tuple[np.ndarray, ...]] = []
    for file in trajectories("reference"):
        with open_trajectory(file) as series:
            interval_fs = series.sample_interval_fs
            found += [tuple(replica(series, name, k) for name in ELECTRIC) for k in range(series.n_replicas)]
        if len(found) >= n_replicas:
            break
    if found:
        return found[:n_replicas], interval_fs
    with np.load(SHIPPED) as data:
        return [tuple(data[name].astype(float) for name in ELECTRIC)], float(data["interval_fs"])


def main() -> None:
    [series], interval_fs = ethanol_series()
    arrays = dict(zip(ELECTRIC, (x.astype(np.float32) for x in series), strict=True))
    with atomic_path(SHIPPED) as temporary:
        np.savez_compressed(temporary, interval_fs=interval_fs, **arrays)


if __name__ == "__main__":
    main()
