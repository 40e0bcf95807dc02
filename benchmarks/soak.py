"""Labelling and dynamics in a loop for an hour: does the process grow, does it keep files or children?

`python -m benchmarks.soak --minutes 60`: small runs of water in one process, each from nothing to its last
file; after each, resident memory, open files, child processes and threads. Writes soak.csv and a figure;
fails where memory grows beyond its scatter or anything is left open.
"""

import argparse
import csv
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from ase import Atoms
from ase.io import write

from painn_spectra.gathering import gather_labels
from painn_spectra.labelling import label_chunk
from painn_spectra.md.run import run_dynamics
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.settings.molecule import Method
from painn_spectra.settings.training import DatasetSettings, ModelSettings, TrainSettings
from painn_spectra.stages import LabelStage
from painn_spectra.train import train_model

WATER = [[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]]  # Å
N_FRAMES, SPREAD_A = 40, 0.04
MODEL = ModelSettings(n_features=16, n_layers=2, n_radial=8)
TRAINING = TrainSettings(epochs=60, batch_size=6, learning_rate=5e-3, ema_decay=0.9)
DYNAMICS = DynamicsSettings(
    n_replicas=2, equilibration_ps=0.1, production_ps=0.3, checkpoint_interval_ps=0.05, friction_per_ps=20.0
)
TEMPERATURE_K = 100.0  # a poor model holds together when cold
WARM_LOOPS = 5  # compiling, caches
GROWTH_MB_PER_100_LOOPS = 2.0
HEADS = ("minutes", "loop", "rss_MB", "open_files", "children", "threads")


def geometries(path: Path, seed: int, n_frames: int = N_FRAMES) -> Path:
    """Displaced waters in four groups, written to `path`."""
    rng = np.random.default_rng(seed)
    frames = [Atoms("OH2", WATER + rng.normal(scale=SPREAD_A, size=(3, 3))) for _ in range(n_frames)]
    for number, frame in enumerate(frames):
        frame.info["seed"] = 4 * number // n_frames
    write(path, frames, format="extxyz")
    return path


def label(folder: Path, seed: int) -> Path:
    """Label `N_FRAMES` geometries that no store knows yet."""
    folder.mkdir()
    labels = folder / "labels.extxyz"
    settings = LabelStage(method=Method(program="gfn2-xtb"), chunk_frames=N_FRAMES)
    source = geometries(folder / "geometries.extxyz", seed)
    label_chunk(source, labels, folder / "labels.json", settings, folder / "store")
    return labels


def train(folder: Path) -> tuple[Path, Path]:
    """Data set and a small trained model."""
    dataset, split, model = (folder / name for name in ("dataset.extxyz", "split.json", "model.pt"))
    gather_labels(
        [folder / "labels.extxyz"], dataset, split, DatasetSettings(), failures=[folder / "labels.json"]
    )
    train_model(dataset, split, model, folder / "metrics.jsonl", TRAINING, MODEL)
    return model, dataset


def sample(process: psutil.Process, began: float, loop: int) -> tuple[float, ...]:
    time.sleep(0.5)  # a worker that has finished leaves
    minutes = (time.monotonic() - began) / 60
    rss_MB = process.memory_info().rss / 2**20
    return minutes, loop, rss_MB, process.num_fds(), len(process.children(True)), process.num_threads()


def growth(rows: np.ndarray) -> tuple[float, float]:
    """Slope of the resident memory and its error, MB per 100 loops, after the first loops."""
    loops, memory = rows[WARM_LOOPS:, 1], rows[WARM_LOOPS:, 2]
    (slope, _), covariance = np.polyfit(loops, memory, 1, cov="unscaled")
    residual = memory - np.polyval(np.polyfit(loops, memory, 1), loops)
    return 100 * slope, 100 * float(np.sqrt(covariance[0, 0]) * residual.std(ddof=2))


def draw(rows: np.ndarray, figure: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panel, (memory, counts) = plt.subplots(2, 1, sharex=True, figsize=(7, 4.5), layout="constrained")
    memory.plot(rows[:, 0], rows[:, 2], lw=1)
    memory.set(ylabel="resident memory / MB", ylim=(0, 1.15 * rows[:, 2].max()))
    for column, name, line in ((3, "open files", "-"), (4, "children", "-"), (5, "threads", "--")):
        counts.plot(rows[:, 0], rows[:, column], line, lw=1.5, label=name)  # the last two are often equal
    counts.set(xlabel="minutes", ylabel="count", ylim=(0, None))
    counts.legend(frameon=False, ncols=3)
    panel.savefig(figure, dpi=150)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("results/.soak"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    process, rows = psutil.Process(), []
    with tempfile.TemporaryDirectory() as scratch, (arguments.out / "soak.csv").open("w") as table:
        output = csv.writer(table)
        output.writerow(HEADS)
        first = Path(scratch) / "first"
        label(first, 0)
        model, dataset = train(first)
        began = time.monotonic()
        while time.monotonic() - began < 60 * arguments.minutes or len(rows) < 2 * WARM_LOOPS:
            loop = len(rows) + 1
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                label(Path(folder) / "labels", loop)
                trajectory, report = Path(folder) / "trajectory.h5", Path(folder) / "dynamics.json"
                settings = DYNAMICS.model_copy(update={"seed": loop})
                run_dynamics(
                    model, dataset, trajectory, report, settings, "water", "classical", TEMPERATURE_K, {}, 1
                )
            rows.append(sample(process, began, loop))
            output.writerow([f"{value:.6g}" for value in rows[-1]])
            table.flush()
    table_of = np.array(rows)
    draw(table_of, arguments.out / "soak.png")
    slope, error = growth(table_of)
    later = table_of[WARM_LOOPS:]
    kept = {
        name: int(np.ptp(later[:, column]))
        for column, name in ((3, "open files"), (4, "children"), (5, "threads"))
    }
    print(
        f"{len(rows)} loops in {table_of[-1, 0]:.0f} min: memory {later[:, 2].min():.0f} to "
        f"{later[:, 2].max():.0f} MB, "
        f"{slope:+.2f} ± {error:.2f} MB per 100 loops; range of counts {kept}"
    )
    grows = slope > GROWTH_MB_PER_100_LOOPS and slope > 3 * error
    return int(grows or any(kept.values()))


if __name__ == "__main__":
    sys.exit(main())
