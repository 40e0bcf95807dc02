"""The stage `md`: its files and what they hold. The molecules are analytic toys."""

import json
import re
import tracemalloc
import weakref
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pytest
import torch
from dynamics_runs import SHORT, Arrays, run, same
from toy_potentials import Toy, load_toy, write_inputs

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.md.block import lengths
from painn_spectra.md.run import run_dynamics
from painn_spectra.md.segments import join, write_segment
from painn_spectra.md.state import State
from painn_spectra.plan import STAGE_VERSION
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K


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


class Notes:
    """Stands in for Progress and keeps what is told."""

    told: ClassVar[list[str]] = []

    def __init__(self, *_: Any) -> None:
        self.told.clear()

    def resume_at(self, done: int) -> None:
        pass

    def at_work(self, done: int) -> None:
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
    with pytest.raises(InputError, match="frame 12 is H, the first one H2O2"):
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


def test_lengths_are_rounded_once() -> None:
    settings = DynamicsSettings(
        timestep_fs=0.2, record_interval_steps=5, production_ps=50, equilibration_ps=10
    )
    plan = lengths(settings)
    assert (plan.samples, plan.equilibration_steps, plan.sparse_stride) == (50000, 50000, 1)
    assert plan.total_steps == 300000
