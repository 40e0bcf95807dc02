"""The stage `md`: files, resuming, failures, conformers. The molecules are analytic toys."""

import json
import math
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
import weakref
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import psutil
import pytest
import torch
from scipy.spatial.transform import Rotation
from toy_potentials import GEOMETRIES, Toy, load_toy, write_inputs

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.files import output_lock
from painn_spectra.md.alignment import matching_orders
from painn_spectra.md.block import lengths
from painn_spectra.md.limits import check_fastest_vibration
from painn_spectra.md.minima import hessian, surface
from painn_spectra.md.run import run_dynamics
from painn_spectra.md.segments import PER_SAMPLE, join, production_segments, write_segment
from painn_spectra.md.starts import diverse, share
from painn_spectra.md.state import State
from painn_spectra.normal_modes import normal_modes
from painn_spectra.plan import STAGE_VERSION
from painn_spectra.populations import classical_weights
from painn_spectra.relaxation import relax
from painn_spectra.report.words import cautions
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K

Arrays = dict[str, np.ndarray]
SHORT: dict[str, Any] = {
    "n_replicas": 3, "equilibration_ps": 0.1, "production_ps": 0.2, "checkpoint_interval_ps": 0.05,
}  # fmt: skip


def run(
    folder: Path, inputs: tuple[Path, Path], threads: int = 1, isotopes: Any = None, **change: Any
) -> Arrays:
    """Run the stage and read the trajectory's datasets."""
    settings = DynamicsSettings(**(SHORT | change))
    run_dynamics(
        *inputs, folder / "trajectory.h5", folder / "dynamics.json", settings, "toy", "classical", 300.0,
        isotopes or {}, threads, load_toy,
    )  # fmt: skip
    with h5py.File(folder / "trajectory.h5") as file:
        return {name: values[:] for name, values in file.items()}


def same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture
def peroxide(tmp_path: Path) -> tuple[Path, Path]:
    return write_inputs(tmp_path, "peroxide")


def test_trajectory_is_as_documented(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    data = run(tmp_path, peroxide, record_interval_steps=4, record_motion=False)
    n, samples = 3, 100
    assert {name: values.shape for name, values in data.items()} == {
        keys.POTENTIAL_ENERGY: (n, samples),
        keys.KINETIC_ENERGY: (n, samples),
        keys.HALF_STEP_KINETIC_ENERGY: (n, samples),
        keys.DIPOLE: (n, samples, 3),
        keys.POLARIZABILITY: (n, samples, 3, 3),
        keys.SPARSE_POSITIONS: (n, 10, 4, 3),
    }
    with h5py.File(tmp_path / "trajectory.h5") as file:
        attributes = dict(file.attrs)
    assert attributes["format_version"] == keys.TRAJECTORY_VERSION
    assert (attributes["molecule"], attributes["dynamics"]) == ("toy", "classical")
    assert attributes["sample_interval_fs"] == 2.0 and attributes["integrator_timestep_fs"] == 0.5
    assert attributes["sparse_stride"] == 10 and attributes["degrees_of_freedom"] == 9
    assert attributes["numbers"].tolist() == [8, 8, 1, 1]
    assert json.loads(attributes["settings"])["record_interval_steps"] == 4
    assert len(json.loads(attributes["starts"])["replicas"]) == n

    toy = Toy("peroxide")
    for sparse in range(10):  # every recorded property belongs to the positions of its step
        positions = torch.tensor(data[keys.SPARSE_POSITIONS][:, sparse].astype(float))
        out = toy(torch.tensor([[8, 8, 1, 1]] * n), positions)
        assert np.allclose(out[keys.ENERGY], data[keys.POTENTIAL_ENERGY][:, 10 * sparse], atol=1e-5)
        assert np.allclose(out[keys.DIPOLE], data[keys.DIPOLE][:, 10 * sparse], atol=1e-5)
        assert np.allclose(out[keys.POLARIZABILITY], data[keys.POLARIZABILITY][:, 10 * sparse], atol=1e-4)
    summary = json.loads((tmp_path / "dynamics.json").read_text())
    assert abs(summary["drift_meV_atom_ps"]["mean"]) < 1
    assert summary["n_replicas"] == n and summary["length_ps"] == pytest.approx(0.2)
    assert sum(start["n_replicas"] for start in summary["starts"]) == n
    assert summary["seconds_per_step"] > 0


def test_motion_is_that_of_the_run(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    """Recording each step: r(t + Δt) − r(t) = Δt v(t + Δt/2), and the kinetic energy is the recorded one."""
    settings = {"record_interval_steps": 1, "production_ps": 0.1}
    data = run(tmp_path, peroxide, **settings)
    r, v = data[keys.SPARSE_POSITIONS], data[keys.HALF_STEP_VELOCITIES].astype(float)
    assert r.shape == v.shape == (3, 200, 4, 3) and data[keys.HALF_STEP_VELOCITIES].dtype == np.float32
    assert np.diff(r, axis=1) / 0.5 == pytest.approx(v[:, :-1], abs=2e-6)  # of 0.02 Å/fs; float32 positions
    masses = np.array([15.999, 15.999, 1.008, 1.008])
    kinetic = 0.5 * AMU_A2_FS2_IN_EV * np.einsum("a,rtax->rt", masses, v**2)
    mean = data[keys.HALF_STEP_KINETIC_ENERGY]  # over both half steps
    assert (kinetic[:, :-1] + kinetic[:, 1:]) / 2 == pytest.approx(mean[:, 1:], rel=1e-5)
    with h5py.File(tmp_path / "trajectory.h5") as file:
        assert file.attrs["sparse_stride"] == 1
    (tmp_path / "without").mkdir()
    without = run(tmp_path / "without", peroxide, record_motion=False, **settings)
    assert keys.HALF_STEP_VELOCITIES not in without
    assert np.array_equal(without.pop(keys.SPARSE_POSITIONS), r[:, ::40])
    assert all(np.array_equal(values, data[name]) for name, values in without.items())
    long = run(tmp_path, peroxide, record_interval_steps=1, production_ps=0.13)
    assert np.array_equal(long[keys.HALF_STEP_VELOCITIES][:, :200], data[keys.HALF_STEP_VELOCITIES])


def test_threads_do_not_change_the_trajectory(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    one = run(tmp_path / "one", peroxide, threads=1, n_replicas=11)
    two = run(tmp_path / "two", peroxide, threads=2, n_replicas=11)
    assert same(one, two)
    other_seed = run(tmp_path / "other", peroxide, n_replicas=11, seed=1)
    assert not np.array_equal(one[keys.DIPOLE], other_seed[keys.DIPOLE])


def test_longer_and_shorter_runs_share_their_beginning(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    short = run(tmp_path, peroxide)
    segments = sorted((tmp_path / "trajectory.h5.parts").rglob("0*.h5"))
    ages = [path.stat().st_mtime_ns for path in segments]
    long = run(tmp_path, peroxide, production_ps=0.33, checkpoint_interval_ps=0.07)
    assert [path.stat().st_mtime_ns for path in segments] == ages
    for name in short.keys() - {keys.MODE_ENERGY_EXCESS}:  # a mean over the run
        values = short[name]
        assert np.array_equal(long[name][:, : values.shape[1]], values)
    assert long[keys.DIPOLE].shape[1] == 330 and long[keys.SPARSE_POSITIONS].shape[1] == 330
    assert same(long, run(tmp_path / "at once", peroxide, production_ps=0.33))
    assert same(short, run(tmp_path, peroxide))


def test_other_settings_start_afresh(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    run(tmp_path, peroxide)
    changed = run(tmp_path, peroxide, timestep_fs=0.4)
    assert same(changed, run(tmp_path / "fresh", peroxide, timestep_fs=0.4))


def test_other_version_of_the_stage_starts_afresh(
    tmp_path: Path, peroxide: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, peroxide, n_replicas=1)
    segment = tmp_path / "trajectory.h5.parts/0000-0000/000001.h5"
    made = segment.stat().st_mtime_ns
    run(tmp_path, peroxide, n_replicas=1)
    assert segment.stat().st_mtime_ns == made
    monkeypatch.setitem(STAGE_VERSION, "md", STAGE_VERSION["md"] + 1)
    run(tmp_path, peroxide, n_replicas=1)
    assert segment.stat().st_mtime_ns > made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record_interval_steps": 6}, r"md.record_interval_steps = 6 records every 3 fs.*use at most 5"),
        ({"timestep_fs": 1.3, "record_interval_steps": 1}, r"md.timestep_fs = 1.3 .* use at most 1.05"),
    ],
)
def test_undersampled_vibrations_are_refused(
    tmp_path: Path, peroxide: tuple[Path, Path], change: dict[str, float], message: str
) -> None:
    """O–H at 3577 cm⁻¹, 3934 with 10 % to spare: a period of 8.5 fs, and 0.6 of Nyquist every 2.5 fs."""
    with pytest.raises(InputError, match=message) as error:
        run(tmp_path, peroxide, **change)
    assert "\n" not in str(error.value) and not (tmp_path / "trajectory.h5").exists()


def test_highest_mode_of_any_conformer_counts() -> None:
    conformers = [{"wavenumbers_cm": [300.0, 3000.0]}, {"wavenumbers_cm": [200.0, 3700.0]}]
    check_fastest_vibration(DynamicsSettings(record_interval_steps=4), conformers[:1])
    check_fastest_vibration(DynamicsSettings(record_interval_steps=4), conformers)
    with pytest.raises(InputError, match=r"3700 cm-1, .* use at most 4"):
        check_fastest_vibration(DynamicsSettings(record_interval_steps=5), conformers)
    check_fastest_vibration(DynamicsSettings(record_interval_steps=6), conformers[:1])


class Notes:
    """Stands in for Progress and keeps what is told."""

    told: ClassVar[list[str]] = []

    def __init__(self, *_: Any) -> None:
        self.told.clear()

    def resume_at(self, done: int) -> None:
        pass

    def advance(self, amount: int, note: str) -> None:
        self.told.append(note)


def test_progress_tells_temperature_and_drift(
    tmp_path: Path, peroxide: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("painn_spectra.md.run.Progress", Notes)
    run(tmp_path, peroxide, production_ps=0.1)
    data = run(tmp_path, peroxide, production_ps=0.3)  # goes on: the reference comes from the first segment
    temperature, drift = re.fullmatch(r"(\d+) K, drift ([+-]\d+\.\d\d) meV/atom/ps", Notes.told[-2]).groups()
    total = (data[keys.POTENTIAL_ENERGY] + data[keys.KINETIC_ENERGY]).mean(0)  # (n_samples,) | eV
    assert float(drift) == pytest.approx(1e3 * (total[-1] - total[0]) / 4 / 0.3, abs=0.006)
    kinetic = data[keys.HALF_STEP_KINETIC_ENERGY][:, -1].mean()
    assert float(temperature) == pytest.approx(2 * kinetic / (9 * BOLTZMANN_EV_K), abs=0.51)


def test_production_keeps_no_samples(
    tmp_path: Path, peroxide: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A written segment's arrays are gone before the next is written, and no step hangs on to the last."""
    written: list[list[weakref.ref[np.ndarray]]] = []

    def spy(path: Path, state: State, samples: Arrays, *rest: Any) -> None:
        assert all(array() is None for arrays in written for array in arrays)
        written.append([weakref.ref(values) for values in samples.values()])
        assert state.positions.grad_fn is None and state.velocities.grad_fn is None
        write_segment(path, state, samples, *rest)

    monkeypatch.setattr("painn_spectra.md.block.write_segment", spy)
    run(tmp_path, peroxide, n_replicas=1)
    assert len(written) == 6  # two of the equilibration


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


def test_replica_groups_make_the_trajectory_of_one_run(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    """Two jobs of eight and four replicas, in any order, then the job that joins: bit for bit one big run."""
    whole = run(tmp_path / "whole", peroxide, n_replicas=12)
    settings = DynamicsSettings(**(SHORT | {"n_replicas": 12, "replicas_per_job": 8}))
    trajectory = tmp_path / "trajectory.h5"
    for group in (1, 0):
        told = tmp_path / f"{group}.json"
        run_dynamics(
            *peroxide, trajectory, told, settings, "toy", "classical", 300.0, {}, 1, load_toy, group=group
        )
        assert not trajectory.exists()
    assert json.loads(told.read_text()) == {"replicas": [0, 7]}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("0*.h5")}
    assert same(whole, run(tmp_path, peroxide, n_replicas=12, replicas_per_job=8))
    assert {path: path.stat().st_mtime_ns for path in before} == before  # joined, not run again
    with pytest.raises(InputError, match="count from 0 to 1"):
        run_dynamics(
            *peroxide, trajectory, told, settings, "toy", "classical", 300.0, {}, 1, load_toy, group=2
        )


def test_inputs_are_checked(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="atom 4 does not exist; indices run from 0 to 3"):
        run(tmp_path, peroxide, isotopes={4: 2.0})
    with pytest.raises(InputError, match="no such file"):
        run(tmp_path, (peroxide[0], tmp_path / "nothing.extxyz"))
    with pytest.raises(InputError, match="no such model file"):
        run(tmp_path, (tmp_path / "nothing.pt", peroxide[1]))
    with pytest.raises(InputError, match="'quantum': not known"):
        run_dynamics(
            *peroxide, tmp_path / "t.h5", tmp_path / "d.json", DynamicsSettings(), "toy", "quantum", 300, {}
        )
    mixed = tmp_path / "mixed.extxyz"
    mixed.write_text(peroxide[1].read_text() + "1\nProperties=species:S:1:pos:R:3\nH 0 0 0\n")
    with pytest.raises(InputError, match="frame 12 is H, frame 0 is O2H2"):
        run(tmp_path, (peroxide[0], mixed))


def test_isotopes_change_masses_and_lower_the_vibrations(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, "hydrogen")
    heavy = run(tmp_path, inputs, isotopes={0: 2.014102, 1: 2.014102}, rotation="removed")
    with h5py.File(tmp_path / "trajectory.h5") as file:
        assert file.attrs["masses_amu"].tolist() == [2.014102, 2.014102]
        assert file.attrs["degrees_of_freedom"] == 1
        (conformer,) = json.loads(file.attrs["starts"])["conformers"]
    light_cm = np.sqrt(40.0 / (1.008 / 2) * 9.648533e-3) / (2 * np.pi * 2.99792458e-5)
    assert conformer["wavenumbers_cm"] == [pytest.approx(light_cm * np.sqrt(1.008 / 2.014102), rel=1e-4)]
    assert np.isfinite(heavy[keys.DIPOLE]).all()


def test_dipole_of_an_ion_moves_to_the_centre_of_its_masses(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, "hydrogen", charge=1.0)
    data = run(tmp_path, inputs, isotopes={0: 3.016})
    # each atom bears q/2: q (r_0 + r_1)/2 about the centre of mass of HT, zero about that of H2
    fraction = 3.016 / 4.024
    arms = data[keys.SPARSE_POSITIONS]
    centre = fraction * arms[:, :, 0] + (1 - fraction) * arms[:, :, 1]
    expected = arms.mean(2) - centre
    assert np.abs(centre).max() < 1e-6
    assert np.allclose(data[keys.DIPOLE], expected, atol=1e-6)


@pytest.mark.physics
def test_production_is_thermal(tmp_path: Path) -> None:
    """NVE from a minimum would give half the temperature."""
    inputs = write_inputs(tmp_path, "water")
    run(tmp_path, inputs, n_replicas=24, equilibration_ps=0.4, friction_per_ps=20.0, rotation="removed")
    temperature = json.loads((tmp_path / "dynamics.json").read_text())["kinetic_temperature_K"]
    assert abs(temperature["mean"] - 300) < 4 * temperature["standard_error"] < 150


def test_mirror_images_are_two_conformers(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    run(tmp_path, peroxide, n_replicas=4)
    starts = json.loads((tmp_path / "trajectory.h5.parts/starts.json").read_text())
    energies = [conformer["energy_eV"] for conformer in starts["conformers"]]
    assert len(energies) == 2 and energies[0] == pytest.approx(energies[1], abs=1e-9)
    assert [conformer["weight"] for conformer in starts["conformers"]] == pytest.approx([0.5, 0.5])
    assert sorted(starts["replicas"]) == [0, 0, 1, 1]
    for conformer in starts["conformers"]:  # minimum of a cos φ + b cos 2φ, softened by nothing
        r = np.array(conformer["positions"])
        one, other = (np.cross(r[h] - r[o], r[1] - r[0]) for h, o in ((2, 0), (3, 1)))
        cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        assert cosine == pytest.approx(-0.045 / 0.12, abs=0.02)


def test_matching_knows_turns_exchanges_and_mirrors() -> None:
    rng = np.random.default_rng(0)
    kinds = np.array([6, 1, 1, 9, 17])
    chiral = rng.standard_normal((5, 3)) * 1.5
    turned = chiral @ Rotation.random(rng=rng).as_matrix() + 3.0
    assert matching_orders(chiral, turned[[0, 2, 1, 3, 4]], kinds) == {(0, 2, 1, 3, 4)}
    assert matching_orders(chiral, -turned, kinds) == set()
    methane = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.63
    assert len(matching_orders(methane, methane, np.array([6, 1, 1, 1, 1]))) == 12
    assert len(matching_orders(methane, methane, np.array([6, 1, 1, 1, 2]))) == 3


def toy_minimum(name: str) -> tuple[Any, np.ndarray, np.ndarray]:
    numbers = {"O": 8, "C": 6, "H": 1}
    symbols = {"water": "OHH", "carbon dioxide": "COO", "peroxide": "OOHH"}[name]
    on = surface(Toy(name), np.array([numbers[symbol] for symbol in symbols]))
    rng = np.random.default_rng(3)
    shaken = np.array(GEOMETRIES[name][1]) + 0.05 * rng.standard_normal((6, len(symbols), 3))
    relaxed, _, converged = relax(on, shaken)
    assert converged.all()
    masses = np.array([{"O": 15.999, "C": 12.011, "H": 1.008}[symbol] for symbol in symbols])
    return on, relaxed, masses


def test_harmonic_modes_of_a_linear_molecule() -> None:
    """Closed form: (antisymmetric/symmetric)² = (1 + 2 m_O/m_C) k/(k + 2 k'), k' the O–O spring."""
    on, relaxed, masses = toy_minimum("carbon dioxide")
    for geometry in relaxed:
        nu = normal_modes(hessian(on, geometry), geometry, masses)[0]
        assert len(nu) == 4 and nu[0] == pytest.approx(nu[1], rel=1e-4)
        ratio = np.sqrt((1 + 2 * 15.999 / 12.011) * 40.0 / (40.0 + 2 * 10.0))
        assert nu[3] / nu[2] == pytest.approx(ratio, rel=1e-4)


def test_weights_do_not_depend_on_masses() -> None:
    """Classical populations belong to the potential alone; without the moments of inertia they would not."""
    on, relaxed, masses = toy_minimum("peroxide")
    stretched = np.stack([relaxed[0], relaxed[0]])
    softer = [hessian(on, relaxed[0]), hessian(on, relaxed[0]) * 0.8]
    weights = []
    for heavy in (1.0, 2.0):
        m = masses * np.array([1, 1, heavy, 1])
        modes = [normal_modes(h, relaxed[0], m)[0] for h in softer]
        weights.append(classical_weights(stretched, np.zeros(2), modes, [1, 1], m, 300.0))
    assert weights[0] == pytest.approx(weights[1])
    assert weights[0][1] / weights[0][0] == pytest.approx(0.8 ** (-6 / 2))
    two = classical_weights(stretched, np.array([0, BOLTZMANN_EV_K * 300]), [modes[0]] * 2, [2, 1], m, 300.0)
    assert two[1] / two[0] == pytest.approx(2 / np.e)


def test_shares_follow_weights() -> None:
    for seed in range(20):
        counts = np.bincount(share(np.array([0.38, 0.31, 0.31]), 16, seed), minlength=3)
        assert counts.sum() == 16 and np.abs(counts - 16 * np.array([0.38, 0.31, 0.31])).max() < 1


def test_diverse_frames_are_far_apart() -> None:
    frames = np.zeros((60, 3, 3))
    frames[:, 1, 0], frames[:, 2, 1] = 1.0, np.repeat([1.0, 2.0, 3.0], 20)
    frames += 0.01 * np.random.default_rng(0).standard_normal(frames.shape)
    assert sorted(i // 20 for i in diverse(frames, 3)) == [0, 1, 2]


def test_joining_takes_the_memory_of_one_segment(tmp_path: Path) -> None:
    n, n_samples, n_segments = 8, 2000, 30
    state = State((0,), *(torch.zeros(1) for _ in range(6)))
    samples = {
        keys.POTENTIAL_ENERGY: np.zeros((n, n_samples)),
        keys.KINETIC_ENERGY: np.zeros((n, n_samples)),
        keys.HALF_STEP_KINETIC_ENERGY: np.zeros((n, n_samples)),
        keys.DIPOLE: np.zeros((n, n_samples, 3), np.float32),
        keys.POLARIZABILITY: np.zeros((n, n_samples, 3, 3), np.float32),
        keys.SPARSE_POSITIONS: np.zeros((n, n_samples // 20, 9, 3), np.float32),
        keys.HALF_STEP_VELOCITIES: np.zeros((n, n_samples, 9, 3), np.float32),
    }
    size = sum(values.nbytes for values in samples.values())
    for k in range(n_segments):
        write_segment(tmp_path / f"0-7/{k + 1:06d}.h5", state, samples, k * n_samples, 0.0)
    tracemalloc.start()
    join(tmp_path / "trajectory.h5", [tmp_path / "0-7"], n_segments * n_samples, 20, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * size < n_segments * size / 4


def test_starts_of_many_conformers_fit_into_the_trajectory(tmp_path: Path) -> None:
    """HDF5's older attributes end at 64 KiB."""
    state = State((0,), *(torch.zeros(1) for _ in range(6)))
    samples = {name: np.zeros((1, 1)) for name in (*PER_SAMPLE, keys.SPARSE_POSITIONS)}
    write_segment(tmp_path / "0-0/000001.h5", state, samples, 0, 0.0)
    join(tmp_path / "trajectory.h5", [tmp_path / "0-0"], 1, 1, {"starts": "x" * 200_000})
    with h5py.File(tmp_path / "trajectory.h5") as file:
        assert len(file.attrs["starts"]) == 200_000


def test_lengths_are_rounded_once() -> None:
    settings = DynamicsSettings(
        timestep_fs=0.2, record_interval_steps=5, production_ps=50, equilibration_ps=10
    )
    plan = lengths(settings)
    assert (plan.samples, plan.equilibration_steps, plan.sparse_stride) == (50000, 50000, 1)
    assert plan.total_steps == 300000
