"""Milliseconds per training step and per replica-step of dynamics, beside ASE driving the same model.

python -m benchmarks.steps [--features 64] [--model FILE] [--append]: rounds of all contestants interleaved,
medians of CPU time; `--append` adds the rows to benchmarks/history.csv. `peer_speed.py` measures the same
steps beside SchNetPack's.
"""

import argparse
import csv
import datetime
import platform
import statistics
import subprocess
import time
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from ase import Atoms, units
from ase.data import atomic_masses
from ase.md.verlet import VelocityVerlet

from painn_spectra import keys
from painn_spectra.ase import PaiNNCalculator
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.fitting import Trainer
from painn_spectra.loss import Loss, faster, to_batch
from painn_spectra.md.integrators import ENERGY_AND_FORCES, evaluate, verlet_step
from painn_spectra.md.state import State
from painn_spectra.model.checkpoint import load_model
from painn_spectra.model.fastest import fastest
from painn_spectra.model.normalise import label_spreads, set_offsets
from painn_spectra.model.painn import PUBLISHED_EPSILON
from painn_spectra.model.potential import Potential
from painn_spectra.settings.training import ModelSettings, TrainSettings
from painn_spectra.train import new_potential

ROOT = Path(__file__).parents[1]
HISTORY = ROOT / "benchmarks/history.csv"
ETHANOL = ROOT / "config/molecules/ethanol/labels.extxyz"
RECORD_INTERVAL, TIMESTEP_FS, ROUNDS = 2, 0.1, 7


class Contestant(Protocol):
    def run(self) -> None:
        """One step."""


class Dynamics:
    """Velocity Verlet of all replicas at once, dipole and polarizability at every `interval`-th step."""

    def __init__(
        self, potential: Potential, frames: Frames, n_replicas: int, interval: int, engine: bool = True
    ) -> None:
        chosen = np.arange(n_replicas) % len(frames)
        numbers = torch.as_tensor(frames.numbers[chosen])
        positions = torch.as_tensor(frames.positions[chosen])
        masses = torch.as_tensor(atomic_masses[frames.numbers[0]])[:, None]
        zero = torch.zeros_like(positions)
        self.interval, self.potential = interval, fastest(potential) if engine else potential
        self.state = State(tuple(range(n_replicas)), numbers, masses, positions, zero, zero, zero[:, 0, 0])
        evaluate(self.state, self.potential)

    def run(self) -> None:
        recorded = (self.state.step + 1) % self.interval == 0
        verlet_step(
            self.state, self.potential, TIMESTEP_FS, keys.PROPERTIES if recorded else ENERGY_AND_FORCES
        )


class WithAse:
    """The same by ASE's integrator and our calculator, one replica."""

    def __init__(self, potential: Potential, frames: Frames, interval: int) -> None:
        self.atoms = Atoms(frames.numbers[0], frames.positions[0])
        self.atoms.calc = PaiNNCalculator(potential, dtype=torch.float32)
        self.dynamics = VelocityVerlet(self.atoms, TIMESTEP_FS * units.fs)
        self.interval = interval

    def run(self) -> None:
        self.dynamics.run(1)
        if self.dynamics.nsteps % self.interval == 0:
            self.atoms.get_dipole_moment()


class Training:
    """A step of joint training as `fitting.fit` does it, the batch at hand."""

    def __init__(self, potential: Potential, frames: Frames, n_frames: int) -> None:
        spreads = label_spreads(frames.numbers, frames.labels)
        loss = Loss(TrainSettings().loss.model_dump(), spreads)
        self.trainer = Trainer(potential.train(), TrainSettings(learning_rate=1e-9))
        data = to_batch(frames, "cpu")
        self.batch = {name: value[:n_frames] for name, value in data.items()}
        self.loss_of = faster(loss, potential, self.batch, 0)

    def run(self) -> None:
        self.trainer.learn(self.loss_of(self.batch))


def fresh(n_features: int, frames: Frames) -> Potential:
    """Random weights, the offsets of `frames`."""
    potential = new_potential(ModelSettings(n_features=n_features, norm_epsilon=PUBLISHED_EPSILON), 0, 0)
    set_offsets(potential, frames.numbers, frames.labels)
    return potential.float().eval()


def seconds_per_step(contestant: Contestant, n_steps: int) -> float:
    """CPU time: what else the machine does does not count, but for the cache."""
    began = time.process_time()
    for _ in range(n_steps):
        contestant.run()
    return (time.process_time() - began) / n_steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--append", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frames = read_frames(ETHANOL)

    def potential() -> Potential:
        return load_model(arguments.model) if arguments.model else fresh(arguments.features, frames)

    contestants: dict[str, tuple[Contestant, int]] = {
        "ASE + our calculator, 1 replica": (WithAse(potential(), frames, RECORD_INTERVAL), 1),
        **{
            f"batched, {n} replicas": (Dynamics(potential(), frames, n, RECORD_INTERVAL), n)
            for n in (1, 8, 16, 64)
        },
        **{f"training step, batch {n}": (Training(potential(), frames, n), 1) for n in (8, 32)},
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, (contestant, n) in contestants.items():
            seconds[name].append(seconds_per_step(contestant, 10) / n)
    cost = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
    peer = cost["ASE + our calculator, 1 replica"]
    n_features = potential().architecture["n_features"]
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
