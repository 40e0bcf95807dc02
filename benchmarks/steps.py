"""Milliseconds per training step and per replica-step of dynamics, beside ASE driving the same model.

python benchmarks/steps.py [--features 64] [--model FILE] [--append]: rounds of all contestants interleaved,
medians; `--append` adds the rows to benchmarks/history.csv.
"""

import argparse
import csv
import datetime
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

from painn_spectra import keys
from painn_spectra.ase import PaiNNCalculator
from painn_spectra.config import ModelSettings
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.md.integrators import evaluate, verlet_step
from painn_spectra.md.state import State
from painn_spectra.model.checkpoint import load_model
from painn_spectra.model.normalise import set_offsets
from painn_spectra.model.potential import Potential
from painn_spectra.train import new_potential

ROOT = Path(__file__).parents[1]
HISTORY = ROOT / "benchmarks/history.csv"
RECORD_INTERVAL = 2
ROUNDS = 7


def batched(potential: torch.nn.Module, frames: Frames, n_replicas: int) -> Callable[[], None]:
    """Ten steps of velocity Verlet for all replicas, dipole and polarizability at every second step."""
    numbers = torch.as_tensor(frames.numbers[:n_replicas])
    positions = torch.as_tensor(frames.positions[:n_replicas])
    masses = torch.ones(numbers.shape[1], 1, dtype=torch.float64)
    zero = torch.zeros_like(positions)
    state = State(tuple(range(n_replicas)), numbers, masses, positions, zero, zero, zero[:, 0, 0])
    evaluate(state, potential)

    def run() -> None:
        for _ in range(10 // RECORD_INTERVAL):
            verlet_step(state, potential, 0.1)
            verlet_step(state, potential, 0.1, keys.PROPERTIES)

    return run


def with_ase(potential: torch.nn.Module, frames: Frames) -> Callable[[], None]:
    """The same by ASE's integrator and our calculator, one replica."""
    atoms = Atoms(frames.numbers[0], frames.positions[0])
    atoms.calc = PaiNNCalculator(potential, dtype=torch.float32)
    dynamics = VelocityVerlet(atoms, 0.1 * units.fs)

    def run() -> None:
        for _ in range(10 // RECORD_INTERVAL):
            dynamics.run(RECORD_INTERVAL)
            atoms.get_dipole_moment()

    return run


def training(potential: torch.nn.Module, frames: Frames, n_frames: int) -> Callable[[], None]:
    """Ten plain (not compiled) steps of joint training at batch `n_frames`."""
    potential.train()
    numbers = torch.as_tensor(frames.numbers[:n_frames])
    positions = torch.as_tensor(frames.positions[:n_frames], dtype=torch.float32)
    labels = {name: torch.as_tensor(frames.labels[name][:n_frames]) for name in keys.PROPERTIES}
    optimizer = torch.optim.AdamW(potential.parameters(), lr=1e-9, fused=True)

    def run() -> None:
        for _ in range(10):
            out = potential(numbers, positions)
            loss = torch.stack([(out[name] - labels[name]).square().mean() for name in keys.PROPERTIES]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--append", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frames = read_frames(ROOT / "config/molecules/ethanol/labels.extxyz")

    def fresh() -> Potential:
        if arguments.model:
            return load_model(arguments.model)
        potential = new_potential(ModelSettings(n_features=arguments.features), 0, 0)
        set_offsets(potential, frames.numbers, frames.labels)
        return potential.float().eval()

    contestants: dict[str, tuple[Callable[[], None], int]] = {
        "ASE + our calculator, 1 replica": (with_ase(fresh(), frames), 10),
        **{f"batched, {n} replicas": (batched(fresh(), frames, n), 10 * n) for n in (1, 8, 16, 64)},
        **{f"training step, batch {n}": (training(fresh(), frames, n), 10) for n in (8, 32)},
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, (run, _) in contestants.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    cost = {name: 1e3 * statistics.median(seconds[name]) / contestants[name][1] for name in contestants}
    peer = cost["ASE + our calculator, 1 replica"]
    n_features = fresh().architecture["n_features"]
    print(f"{'one core, F = ' + str(n_features):<36}{'ms':>8}{'peer/this':>11}")
    for name, value in cost.items():
        ratio = "" if name.startswith("training") else f"{peer / value:11.2f}"
        print(f"{name:<36}{value:8.2f}{ratio}")
    if arguments.append:
        append(cost, n_features)


def append(cost: dict[str, float], n_features: int) -> None:
    """One row per measurement: date, commit, machine, what, milliseconds."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    new = not HISTORY.exists()
    with HISTORY.open("a", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if new:
            writer.writerow(["date", "commit", "machine", "benchmark", "n_features", "ms"])
        for name, value in cost.items():
            writer.writerow([date, commit, platform.machine(), name, n_features, f"{value:.3f}"])


if __name__ == "__main__":
    main()
