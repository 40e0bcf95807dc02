"""Resident memory of the dynamics over a long run: does it stay flat?

    python -m benchmarks.memory [--steps 1000000] [--replicas 1] [--features 16] [--record 4]
    python -m benchmarks.memory --command md MODEL DATASET TRAJECTORY REPORT --settings JSON --threads 2

The first runs the stage's own loop, checkpoints and files included, on ethanol with a small untrained model;
steps of 1e-5 fs keep the molecule together, and 500 of them go into a segment. The second runs any command
of painn-spectra, on Linux, and adds up what its processes hold, shared pages once.
"""

import argparse
import contextlib
import subprocess
import sys
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
POLL_S, SHOWN_EVERY_S = 0.5, 300.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--record", type=int, default=4)
    parser.add_argument("--command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.command:
        raise SystemExit(watch(arguments.command))
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


def watch(command: list[str]) -> int:
    """Run `painn-spectra COMMAND`; print the memory now and then, and its highest value."""
    highest_MB, shown, began = 0.0, 0.0, time.monotonic()
    with subprocess.Popen([Path(sys.executable).with_name("painn-spectra"), *command]) as process:
        while process.poll() is None:
            held_MB, n = 0.0, 0
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in (parent := psutil.Process(process.pid), *parent.children(recursive=True)):
                    held_MB, n = held_MB + one.memory_full_info().pss / 2**20, n + 1
            highest_MB = max(highest_MB, held_MB)
            if time.monotonic() - began >= shown:
                print(f"{shown:8.0f} s {held_MB:8.0f} MB in {n} processes", flush=True)
                shown += SHOWN_EVERY_S
            time.sleep(POLL_S)
    print(f"highest: {highest_MB:.0f} MB, after {time.monotonic() - began:.0f} s")
    return process.returncode


if __name__ == "__main__":
    main()
