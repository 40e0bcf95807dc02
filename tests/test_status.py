"""`painn-spectra status`: finished and unfinished jobs, and the spectrum of a run that is not done."""

import os
import shutil

import numpy as np
import pytest
from toy_potentials import load_toy, write_inputs

from painn_spectra.cli import main
from painn_spectra.md.partial import join_so_far
from painn_spectra.md.run import run_dynamics
from painn_spectra.md.segments import production_segments
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.spectra.trajectory_file import open_trajectory

BAR = "\x1b[K\rtraining:  20 % force MAE 63.1 meV/Å [10:48 elapsed, 43:55 left]\n\n"


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory):
    """A run of which the last segment, and with it trajectory.h5, is missing; and the whole trajectory."""
    folder = tmp_path_factory.mktemp("results") / "water"
    dynamics = folder / "classical"
    inputs = write_inputs(tmp_path_factory.mktemp("inputs"), "water")
    settings = DynamicsSettings(
        n_replicas=2,
        equilibration_ps=0.05,
        production_ps=0.3,
        checkpoint_interval_ps=0.1,
        record_motion=False,
    )
    files = dynamics / "trajectory.h5", dynamics / "dynamics.json"
    run_dynamics(*inputs, *files, settings, "water", "classical", 300.0, {}, 1, load_toy)
    whole = shutil.move(files[0], folder.parent / "whole.h5")
    production_segments(dynamics / "trajectory.h5.parts/0000-0001")[-1].unlink()
    failure = "painn-spectra: error: disk full; free some\n"
    for name, text in (("train_member-0", BAR), ("gather_labels", "done\n"), ("label_chunk-0", failure)):
        (folder / "logs").mkdir(exist_ok=True)
        (folder / f"logs/{name}.log").write_text(text, encoding="utf-8")
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks/gather_labels.tsv").write_text("s\th:m:s\n61.7\t0:01:01\n")
    os.utime(folder / "logs/train_member-0.log", (1e9, 1e9))
    return folder, whole


def test_what_is_there_so_far_is_the_beginning_of_the_whole(unfinished, tmp_path):
    folder, whole = unfinished
    assert join_so_far(folder / "classical/trajectory.h5.parts", tmp_path / "part.h5", "water")
    with open_trajectory(tmp_path / "part.h5") as part, open_trajectory(whole) as all_of_it:
        assert (part.n_replicas, part.n_samples) == (2, 200)
        assert all_of_it.n_samples == 300
        for name in ("dipole", "polarizability"):
            for replica in range(2):
                one, other = (series.quantities[name][1](replica, 0, 200) for series in (part, all_of_it))
                assert np.array_equal(one, other)


def test_a_stopped_replica_is_left_out_so_far_too(unfinished, tmp_path):
    parts = shutil.copytree(unfinished[0] / "classical/trajectory.h5.parts", tmp_path / "parts")
    (parts / "0000-0001/stopped.json").write_text('{"0": {"step": 1, "time_ps": 0.1, "reason": "it broke"}}')
    assert join_so_far(parts, tmp_path / "part.h5", "water")
    with open_trajectory(tmp_path / "part.h5") as part:
        assert part.n_replicas == 1 and list(part.stopped) == [0]


def test_status_tells_jobs_and_draws(unfinished, capsys):
    folder, _ = unfinished
    assert main(["status", str(folder.parent)]) == 0
    text = capsys.readouterr().out
    assert "train_member-0" in text
    assert "d ago" in text
    assert "force MAE 63.1 meV/Å [10:48 elapsed, 43:55 left]" in text
    assert "62 s" in text
    (failed,) = (line for line in text.splitlines() if line.startswith("label_chunk-0"))
    assert failed.split()[1] == "failed" and "disk full" in failed
    assert "2 replicas of 0.2 ps" in text
    for name in ("ir", "raman"):
        assert (folder / f"figures/classical/so-far-{name}.png").stat().st_size > 1000


def test_status_of_nothing_is_one_line(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 2
    assert "holds no results" in capsys.readouterr().err
    (tmp_path / "water/logs").mkdir(parents=True)
    assert main(["status", str(tmp_path)]) == 0
    assert "no job has begun" in capsys.readouterr().out
