"""Dynamics that is killed, damaged, locked, or goes mad: it goes on bit for bit, or says so in one line."""

import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest
import torch
from dynamics_runs import SHORT, run, same
from toy_potentials import load_toy, write_inputs

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.files import output_lock
from painn_spectra.md.run import run_dynamics
from painn_spectra.md.segments import production_segments
from painn_spectra.report.words import cautions
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.units import BOLTZMANN_EV_K


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_damaged_segment_is_computed_again(tmp_path: Path, peroxide: tuple[Path, Path], damage: str) -> None:
    whole = run(tmp_path, peroxide)
    segment = tmp_path / "trajectory.h5.parts/0000-0002/000003.h5"
    content = bytearray(segment.read_bytes())
    if damage == "flipped":
        with h5py.File(segment) as file:
            place = file[f"samples/{keys.DIPOLE}"].id.get_chunk_info(0).byte_offset
        content[place + 7] ^= 0xFF
    segment.write_bytes(content[: {"truncated": len(content) // 2, "flipped": None, "empty": 0}[damage]])
    assert same(whole, run(tmp_path, peroxide))


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.md.run import run_dynamics
from toy_potentials import load_toy
if __name__ == "__main__":
    folder = Path({folder!r})
    run_dynamics(Path({model!r}), Path({dataset!r}), folder / "trajectory.h5", folder / "dynamics.json",
                 DynamicsSettings(**{settings!r}), "toy", "classical", 300.0, {{}}, 2, load_toy)
"""


def test_killed_run_goes_on_bitwise(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    """kill -9 of the parent: its workers leave too, and the next run ends as if nothing had happened."""
    change = {"n_replicas": 11, "production_ps": 0.3, "checkpoint_interval_ps": 0.02}
    script = tmp_path / "killed.py"
    script.write_text(
        KILLED.format(
            path=sys.path, folder=str(tmp_path), model=str(peroxide[0]), dataset=str(peroxide[1]),
            settings=SHORT | change | {"production_ps": 500.0},
        )
    )  # fmt: skip
    parts = tmp_path / "trajectory.h5.parts"
    with subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while len(list(parts.rglob("000003.h5"))) < 2:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        children = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(children) >= 2
    deadline = time.monotonic() + 10
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    resumed = run(tmp_path, peroxide, **change)
    assert same(resumed, run(tmp_path / "at once", peroxide, **change))


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_killed_equilibration_goes_on_bitwise(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    class Interrupted(Exception):
        pass

    def load(path: Path, device: str) -> torch.nn.Module:
        toy = load_toy(path, device)
        calls = iter(range(400))

        def count(*_: Any) -> None:
            if next(calls, None) is None:
                raise Interrupted

        toy.register_forward_hook(count)
        return toy

    settings = DynamicsSettings(**(SHORT | {"equilibration_ps": 0.3}))
    with pytest.raises(Interrupted):
        run_dynamics(
            *peroxide, tmp_path / "trajectory.h5", tmp_path / "dynamics.json", settings, "toy", "classical",
            300.0, {}, 1, load,
        )  # fmt: skip
    parts = tmp_path / "trajectory.h5.parts/0000-0002"
    assert (parts / "000000.h5").exists() and not production_segments(parts)
    resumed = run(tmp_path, peroxide, equilibration_ps=0.3)
    assert same(resumed, run(tmp_path / "at once", peroxide, equilibration_ps=0.3))


def test_held_lock_is_one_line(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    with (
        output_lock(tmp_path / "trajectory.h5"),
        pytest.raises(InputError, match=f"process {os.getpid()}") as error,
    ):
        run(tmp_path, peroxide)
    assert "\n" not in str(error.value)


def load_and_die(path: Path, device: str) -> torch.nn.Module:
    """What a worker short of memory does; the parent, which seeks the starts, lives on."""
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return load_toy(path, device)


def test_death_of_a_worker_is_one_line(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    settings = DynamicsSettings(**(SHORT | {"n_replicas": 9}))
    with pytest.raises(InputError, match="a worker of the dynamics ended without a word"):
        run_dynamics(
            *peroxide, tmp_path / "trajectory.h5", tmp_path / "dynamics.json", settings, "toy", "classical",
            300.0, {}, 2, load_and_die,
        )  # fmt: skip


def load_going_mad(path: Path, device: str) -> torch.nn.Module:
    """Energies that are no numbers as soon as the production asks for dipoles."""
    toy = load_toy(path, device)
    toy.register_forward_hook(
        lambda _, arguments, out: (
            out | {keys.ENERGY: out[keys.ENERGY] * math.nan} if keys.DIPOLE in arguments[2] else None
        )
    )
    return toy


@pytest.mark.parametrize("threads", [1, 2])
def test_dissociation_and_nan_are_one_line(tmp_path: Path, threads: int) -> None:
    hot = write_inputs(tmp_path, "hydrogen")
    settings = DynamicsSettings(**(SHORT | {"n_replicas": 9, "timestep_fs": 0.05}))
    arguments = (*hot, tmp_path / "trajectory.h5", tmp_path / "dynamics.json")
    with pytest.raises(InputError, match=r"replica \d: bond 0-1 is .* Å long after .* ps") as error:
        run_dynamics(*arguments, settings, "toy", "classical", 3e5, {}, threads, load_toy)
    assert "\n" not in str(error.value)
    if threads == 1:
        with pytest.raises(
            InputError,
            match=r"replica 0: energy is not a number after .* ps, step \d+ \(8 of 8 replicas ",
        ):
            run_dynamics(*arguments, settings, "toy", "classical", 300.0, {}, threads, load_going_mad)


def load_with_one_gone_mad(path: Path, device: str) -> torch.nn.Module:
    """From the third step of the production on, the energy of row 2 of a block is no number."""
    toy, asked = load_toy(path, device), []

    def spoil(_: Any, arguments: tuple[Any, ...], out: dict[str, Any]) -> None:
        if keys.DIPOLE in arguments[2]:
            asked.append(1)
            if len(asked) == 3 and len(out[keys.ENERGY]) > 2:
                out[keys.ENERGY][2] = math.nan

    toy.register_forward_hook(spoil)
    return toy


def test_one_bad_replica_is_stopped_and_named_the_others_go_on(
    tmp_path: Path, peroxide: tuple[Path, Path]
) -> None:
    """The other replicas come out bit for bit; tables say which one is missing, and why."""
    whole = run(tmp_path / "whole", peroxide, n_replicas=5)
    settings = DynamicsSettings(**(SHORT | {"n_replicas": 5}))
    trajectory, report = tmp_path / "trajectory.h5", tmp_path / "dynamics.json"
    run_dynamics(
        *peroxide, trajectory, report, settings, "toy", "classical", 300.0, {}, 1, load_with_one_gone_mad
    )
    kept = [0, 1, 3, 4]
    with h5py.File(trajectory) as file:
        for name in (keys.DIPOLE, keys.POLARIZABILITY, keys.POTENTIAL_ENERGY):
            assert np.array_equal(file[name][:], whole[name][kept])
        assert file.attrs["stopped"].tolist() == [2]
        assert len(json.loads(file.attrs["starts"])["replicas"]) == 4
    told = json.loads(report.read_text())
    steps = round(settings.equilibration_ps * 1e3 / settings.timestep_fs) + 3 * settings.record_interval_steps
    assert (told["n_replicas"], told["n_stopped"]) == (4, 1)
    (entry,) = told["stopped"]
    assert (entry["replica"], entry["step"]) == (2, steps) and "not a number" in entry["reason"]
    assert any("1 of 5 replicas were stopped" in caution for caution in cautions(told, [], [], {}))


def test_a_replica_whose_energy_drifts_is_stopped(tmp_path: Path) -> None:
    """The zero of one replica's energy rises by 1 meV a sample: stopped at kT/2 per degree of freedom."""
    inputs = write_inputs(tmp_path, "water")

    def load(path: Path, device: str) -> torch.nn.Module:
        toy, asked = load_toy(path, device), []

        def lift(_: Any, arguments: tuple[Any, ...], out: dict[str, Any]) -> None:
            if keys.DIPOLE in arguments[2]:
                asked.append(1)
                out[keys.ENERGY][1] += 1e-3 * len(asked)

        toy.register_forward_hook(lift)
        return toy

    settings = DynamicsSettings(**(SHORT | {"n_replicas": 3, "production_ps": 1.0}))
    run_dynamics(
        *inputs, tmp_path / "trajectory.h5", tmp_path / "dynamics.json", settings, "toy", "classical", 300.0,
        {}, 1, load,
    )  # fmt: skip
    (entry,) = json.loads((tmp_path / "dynamics.json").read_text())["stopped"]
    assert entry["replica"] == 1 and "per degree of freedom" in entry["reason"]
    samples = (entry["step"] * settings.timestep_fs * 1e-3 - settings.equilibration_ps) * 1e3 / 1.0
    assert samples == pytest.approx(
        0.5 * 6 * BOLTZMANN_EV_K * 300.0 / 1e-3, abs=12
    )  # plus what 0.5 fs fluctuates
