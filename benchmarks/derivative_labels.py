"""∂μ/∂r and ∂α/∂r for frames of ethanol's shipped labels that have none yet.

    python -m benchmarks.derivative_labels --frames 300 --threads 2  22 s a frame and core; killed, it goes on
    python -m benchmarks.derivative_labels --frames 300 --write      puts them into the label file

Frames are drawn from dynamics, of those that all three splits of benchmarks.ethanol_accuracy train on.
"""

import argparse

import numpy as np
from ase.io import write

from benchmarks.ethanol_accuracy import LABELS, ROOT, SPLITS, THERMAL, kind
from painn_spectra import keys
from painn_spectra.dataset import read_atoms, read_frames
from painn_spectra.derivative_labels import COLUMNS, columns
from painn_spectra.files import atomic_path
from painn_spectra.processes import finished_jobs
from painn_spectra.progress import Progress
from painn_spectra.reference.dft import labelling_environment
from painn_spectra.reference.label import compute_label
from painn_spectra.settings.molecule import Method
from painn_spectra.settings.training import DatasetSettings
from painn_spectra.split import split_frames

PARTS = ROOT / "results/derivative-labels"
DECIMALS = 5  # e and Å²: a hundredth of what fields and quadrature leave


def chosen() -> np.ndarray:
    """Frames in the order in which they get derivatives."""
    groups = read_frames(LABELS).groups
    common = set(range(len(groups)))
    for seed in SPLITS:
        common &= set(split_frames(groups, DatasetSettings(split_seed=seed), addition=False)["train"])
    thermal = sorted(k for k in common if kind(groups[k]) in THERMAL)
    return np.random.default_rng(0).permutation(thermal)


def derivatives_of(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(n_atoms, 36): the columns of both at the labels' level of theory; (n_atoms, 0) where it fails."""
    electric = (keys.DIPOLE, keys.POLARIZABILITY)
    labels = compute_label(numbers, positions, Method(), properties=electric, derivatives=True)
    found = [labels[name].reshape(len(numbers), -1) for name in keys.DERIVATIVES.values() if name in labels]
    return np.hstack(found) if len(found) == len(keys.DERIVATIVES) else np.empty((len(numbers), 0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, required=True, help="how many are to have derivatives")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into the label file")
    arguments = parser.parse_args()
    frames, index = read_atoms(LABELS), chosen()[: arguments.frames]
    missing = [k for k in index if COLUMNS[keys.POLARIZABILITY_DERIVATIVE] not in frames[k].arrays]
    print(f"{len(index) - len(missing)} of {len(index)} frames have derivatives")
    files = {k: PARTS / f"{k}.npy" for k in missing}
    jobs = {k: (frames[k].numbers, frames[k].positions) for k in missing if not files[k].is_file()}
    progress = Progress("derivatives", max(len(missing), 1))
    progress.resume_at(len(missing) - len(jobs))
    PARTS.mkdir(parents=True, exist_ok=True)
    with labelling_environment():
        for k, job in finished_jobs(derivatives_of, jobs, arguments.threads, "derivatives"):
            with atomic_path(files[k]) as temporary, temporary.open("wb") as stream:
                np.save(stream, job.result())
            progress.advance()
    if not arguments.write:
        return
    for k, file in files.items():
        values = np.load(file)
        for name, part in zip(keys.DERIVATIVES.values(), np.split(values, [9], axis=1), strict=True):
            if values.size:
                frames[k].arrays |= columns(name, part.round(DECIMALS))
    with atomic_path(LABELS) as temporary:
        write(temporary, frames, format="extxyz")


if __name__ == "__main__":
    main()
