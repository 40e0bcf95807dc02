"""Dynamics until the errors are small enough: more replicas, the finished ones unchanged."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from toy_potentials import load_toy, write_inputs

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.md.run import run_dynamics
from painn_spectra.md.sufficiency import further_conformers, next_count
from painn_spectra.settings.dynamics import DynamicsSettings


def test_counts_follow_the_error() -> None:
    assert next_count(16, 0.05, 0.1, 256) == 16
    assert next_count(16, 0.11, 0.1, 256) == 24  # 16 · 1.21 · 1.1 = 21.3
    assert next_count(16, np.inf, 0.1, 256) == 16  # no band: more replicas would tell no more
    assert next_count(16, 0.9, 0.1, 256) == 32  # at most twice as many: the error is uncertain
    assert next_count(64, 0.2, 0.1, 100) == 100
    assert next_count(100, 0.2, 0.1, 100) == 100


def test_a_start_does_not_depend_on_what_follows() -> None:
    weights = np.array([0.38, 0.31, 0.31])
    many = further_conformers(weights, 16, 216, 3)
    assert further_conformers(weights, 16, 40, 3) == many[:24]
    for n in (24, 100, 200):
        shares = np.bincount(many[:n], minlength=3) / n
        assert np.abs(shares - weights).max() < 3 / n


def test_errors_need_replicas() -> None:
    from painn_spectra.settings.base import validate

    with pytest.raises(InputError, match=r"n_replicas = 4 cannot tell .* use at least 8"):
        validate(DynamicsSettings, {"n_replicas": 4, "until_relative_error": 0.1})


def test_replicas_are_added_and_kept(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, "water")
    trajectory, report = tmp_path / "trajectory.h5", tmp_path / "dynamics.json"

    def run(**change: object) -> tuple[np.ndarray, dict]:
        settings = DynamicsSettings.model_validate(
            {"n_replicas": 8, "equilibration_ps": 0.05, "friction_per_ps": 50.0, "production_ps": 0.2}
            | {"checkpoint_interval_ps": 0.2}
            | change
        )
        run_dynamics(*inputs, trajectory, report, settings, "toy", "classical", 300.0, {}, 1, load_toy)
        with h5py.File(trajectory) as file:
            assert len(json.loads(file.attrs["starts"])["replicas"]) == len(file[keys.DIPOLE])
            assert len(file[keys.MODE_ENERGY_EXCESS]) == len(file[keys.DIPOLE])
            return file[keys.DIPOLE][:], json.loads(report.read_text())

    few, told = run()
    assert len(few) == 8 and "largest_relative_area_error" not in told
    many, told = run(until_relative_error=0.001, max_replicas=20)
    assert len(many) == 20 and told["n_replicas"] == 20
    assert told["largest_relative_area_error"] > 0.001
    assert np.array_equal(many[:8], few)
    segments = sorted(tmp_path.rglob("000001.h5"))
    assert len(segments) == 3
    made = [path.stat().st_mtime_ns for path in segments]
    segments[-1].unlink()  # as if it had been killed there
    again, _ = run(until_relative_error=0.001, max_replicas=20)
    assert np.array_equal(again, many)
    assert [path.stat().st_mtime_ns for path in segments][:2] == made[:2]
    enough, told = run(until_relative_error=0.9)
    assert np.array_equal(enough, few) and told["largest_relative_area_error"] < 0.9
