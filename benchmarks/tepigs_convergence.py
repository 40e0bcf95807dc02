"""Does the Te PIGS correction settle? Its forces and the band it moves, by temperature and sample count.

    python -m benchmarks.tepigs_convergence results/ethanol WORK --band 3300 4000

WORK keeps what is finished, so that a stopped run goes on. Each case: path integrals at T_e, a correction of
the default size, dynamics on the sum, the infrared band's centroid. Forces of the corrections are compared on
the same geometries, the centroids that the first case held out.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.io import read

from painn_spectra import keys
from painn_spectra.cli import main as painn_spectra
from painn_spectra.config import load_config
from painn_spectra.dataset import read_frames
from painn_spectra.model.checkpoint import load_model
from painn_spectra.plan import stage_settings
from painn_spectra.spectra.bands import band_centroid
from painn_spectra.spectra.compare import read_replicas
from painn_spectra.split import read_split
from painn_spectra.tepigs.centroids import write_centroids

CASES = ((500.0, 4000), (500.0, 2000), (500.0, 1000), (400.0, 4000), (700.0, 4000))  # K, centroids; a
# smaller set is the first part of every replica of the set before it
MD = {"n_replicas": 16, "equilibration_ps": 2.0, "production_ps": 5.0}


def stage(outputs: Sequence[Path], *command: str) -> None:
    """Run a stage of the command line unless its outputs are there."""
    if not all(path.exists() for path in outputs):
        outputs[0].parent.mkdir(parents=True, exist_ok=True)
        assert painn_spectra([*command]) == 0, command


def run_case(
    results: Path, folder: Path, whole: Path | None, temperature_K: float, n_frames: int, threads: int
) -> None:
    """All stages of one case into `folder`; centroids are a part of those in `whole` if it is given."""
    name = results.name
    tepigs = {"temperature_K": temperature_K, "n_frames": n_frames}
    molecule = {"name": name, "structure": "unused"}
    config = load_config({"molecules": [molecule], "dynamics": ["tepigs"], "md": MD, "tepigs": tepigs})

    def told(of: str) -> list[str]:
        return ["--settings", stage_settings(config, of, name, dynamics="tepigs")]

    model, dataset = str(results / "model/0/model.pt"), str(results / "dataset.extxyz")
    centroids, split, correction, metrics = (
        folder / file for file in ("centroids.extxyz", "split.json", "model.pt", "metrics.jsonl")
    )
    trajectory, report = folder / "trajectory.h5", folder / "dynamics.json"
    spectra = [folder / file for file in ("ir.csv", "raman.csv", "bands.csv", "replicas.npz")]
    cores = ["--threads", str(threads)]
    if whole and not split.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shorten(whole / "centroids.extxyz", n_frames, centroids, split)
    stage([centroids, split], "sample-centroids", *told("sample-centroids"), *cores, model, dataset,
          str(centroids), str(split))  # fmt: skip
    stage([correction], "train", *told("train-correction"), str(centroids), str(split), str(correction),
          str(metrics))  # fmt: skip
    stage([trajectory, report], "md", *told("md"), *cores, model, dataset, str(trajectory), str(report),
          "--correction", str(correction), str(centroids))  # fmt: skip
    stage(spectra, "spectra", *told("spectra"), str(trajectory), *map(str, spectra))


def shorten(source: Path, n_frames: int, output: Path, split: Path) -> None:
    """The first of every replica's centroids, as many as a shorter sampling had had."""
    everything = read(source, index=":", format="extxyz")
    replicas: dict[str, list[Atoms]] = {}
    for frame in everything:
        replicas.setdefault(frame.info["seed"], []).append(frame)
    each = -(-n_frames // len(replicas))
    write_centroids([frame for frames in replicas.values() for frame in frames[:each]], output, split)


def forces(correction: Path, numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Of the correction alone, (n_frames, n_atoms, 3) | eV/Å."""
    model = load_model(correction).eval()
    out = model(torch.as_tensor(numbers), torch.as_tensor(positions), (keys.ENERGY, keys.FORCES))
    values: np.ndarray = out[keys.FORCES].detach().numpy()
    return values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="results/<molecule>")
    parser.add_argument("work", type=Path)
    parser.add_argument("--band", type=float, nargs=2, default=(3300.0, 4000.0), metavar="CM")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    folders = [arguments.work / f"{temperature_K:.0f}K-{n}" for temperature_K, n in CASES]
    largest: dict[float, Path] = {}  # by temperature
    for folder, (temperature_K, n_frames) in zip(folders, CASES, strict=True):
        whole = largest.setdefault(temperature_K, folder)
        source = whole if whole != folder else None
        run_case(arguments.results, folder, source, temperature_K, n_frames, arguments.threads)
    centroids = folders[0] / "centroids.extxyz"
    held_out = read_frames(centroids).take(read_split(folders[0] / "split.json", centroids)["test"])
    learnt = [forces(folder / "model.pt", held_out.numbers, held_out.positions) for folder in folders]

    def rms(values: np.ndarray) -> str:
        return f"{1e3 * np.sqrt((values**2).mean()):.1f}"

    print(
        f"RMS of single labels {rms(held_out.labels[keys.FORCES])} meV/Å\n"
        "| T_e, K | centroids | force, RMS meV/Å | from the first case | band, cm⁻¹ |\n|---|---|---|---|---|"
    )
    for (temperature_K, n), folder, force in zip(CASES, folders, learnt, strict=True):
        nu, densities, _ = read_replicas(folder / "replicas.npz")
        middle = band_centroid(nu, densities["ir"], *arguments.band)
        print(
            f"| {temperature_K:.0f} | {n} | {rms(force)} | {rms(force - learnt[0])} "
            f"| {middle[0]:.0f} ± {middle[1]:.0f} |"
        )


if __name__ == "__main__":
    main()
