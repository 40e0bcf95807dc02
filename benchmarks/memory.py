"""Resident memory of the dynamics over a long run: does it stay flat?

    python -m benchmarks.memory [--steps 1000000] [--replicas 1] [--features 16] [--record 4]

Runs the stage's own loop, checkpoints and files included, on ethanol with a small untrained model; steps of
1e-5 fs keep the molecule together, and 500 of them go into a segment.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from ase.data import atomic_masses

from benchmarks.steps import ETHANOL, fresh
from painn_spectra.dataset import read_frames
from painn_spectra.md.block import Block, run_block
from painn_spectra.model.fastest import fastest
from painn_spectra.settings.dynamics import DynamicsSettings

TIMESTEP_FS = 1e-5
ROWS = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--record", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frames = read_frames(ETHANOL)
    numbers, masses = frames.numbers[0], atomic_masses[frames.numbers[0]]
    process, began, shown = psutil.Process(), time.process_time(), set()

    def report(step: int, note: str) -> None:
        row = step * ROWS // arguments.steps
        if row not in shown:
            shown.add(row)
            memory_MB = process.memory_info().rss / 2**20
            print(f"{step:>9} steps {time.process_time() - began:8.0f} s {memory_MB:8.1f} MB", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        settings = DynamicsSettings(
            n_replicas=arguments.replicas, timestep_fs=TIMESTEP_FS, equilibration_ps=100 * TIMESTEP_FS / 1e3,
            production_ps=arguments.steps * TIMESTEP_FS / 1e3, record_interval_steps=arguments.record,
            checkpoint_interval_ps=500 * TIMESTEP_FS / 1e3,
        )  # fmt: skip
        block = Block(
            Path(folder) / f"0-{arguments.replicas - 1}", tuple(range(arguments.replicas)),
            numbers, masses, masses,
            np.repeat(frames.positions[:1], arguments.replicas, axis=0), False, 24, settings, 300.0, "cpu",
        )  # fmt: skip
        block.folder.mkdir()
        run_block(block, fastest(fresh(arguments.features, frames)), report)


if __name__ == "__main__":
    main()
