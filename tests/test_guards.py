"""Replicas that go wrong, in every kind of dynamics: stopped and named, the others as if nothing was."""

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from ase.data import atomic_masses
from toy_potentials import load_toy, write_inputs

from painn_spectra import keys
from painn_spectra.dataset import labelled_geometries
from painn_spectra.errors import InputError
from painn_spectra.files import write_json
from painn_spectra.md.guards import FILE, keep_stopped
from painn_spectra.md.run import run_dynamics
from painn_spectra.md.segments import production_segments
from painn_spectra.model.checkpoint import save_model
from painn_spectra.model.potential import Potential
from painn_spectra.report.words import cautions
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.settings.training import DatasetSettings
from painn_spectra.split import split_frames, write_split
from painn_spectra.summary import frames_of

SHORT: dict[str, Any] = {
    "n_replicas": 3, "equilibration_ps": 0.02, "production_ps": 0.06, "checkpoint_interval_ps": 0.03,
    "timestep_fs": 0.25, "record_interval_steps": 2,
}  # fmt: skip
BEADS = {"classical": 1, "tepigs": 1, "rpmd2": 2, "trpmd2": 2}
FIRST = 80  # steps of the equilibration
HOT_K = 1000.0  # half of it is more than the integrator's error in a bond that is pulled
RANGE = {"neighbours": {"8": [[0.6, 1.3], [0.6, 1.3]], "1": [[0.6, 1.3], [0.8, 2.4]]}}
RECORDED = (keys.DIPOLE, keys.POLARIZABILITY, keys.POTENTIAL_ENERGY, keys.SPARSE_POSITIONS)


def spoilt(fault: str, n_beads: int, known: bool = False, pull_eV_A: float = 30.0):
    """A loader of toys whose second replica, where a batch has one, goes wrong in the production.

    nan, dipole: at the third of 120 samples; heat: 30 meV more with every sample; pull: a constant force
    `pull_eV_A` stretches a bond; apart: the same, to the other side for every other bead, so that their
    centroid knows nothing of it.
    """

    def load(path: Path, device: str) -> torch.nn.Module:
        toy, asked = load_toy(path, device), []
        if known:
            toy.metadata = {"range": RANGE}

        def spoil(_: Any, arguments: tuple[Any, ...], out: dict[str, torch.Tensor]) -> None:
            recorded = keys.DIPOLE in arguments[2]
            if recorded:
                asked.append(1)
            if not asked or len(arguments[1]) <= n_beads:  # equilibration, or a block without the second
                return
            row = slice(n_beads, 2 * n_beads)
            if fault in ("nan", "dipole") and recorded and len(asked) % 120 == 3:
                out[{"nan": keys.ENERGY, "dipole": keys.DIPOLE}[fault]][n_beads] = math.nan
            if fault == "heat":
                out[keys.ENERGY][row] += 0.03 * len(asked)
            if fault in ("pull", "apart"):
                bond = arguments[1][row, 1] - arguments[1][row, 0]
                side = torch.ones(n_beads, dtype=bond.dtype)
                side[1::2] = -1.0 if fault == "apart" else 1.0
                force = side[:, None] * torch.tensor([pull_eV_A, 0.0, 0.0], dtype=bond.dtype)
                out[keys.ENERGY][row] -= (force * bond).sum(1)
                out[keys.FORCES][row, 1] += force
                out[keys.FORCES][row, 0] -= force

        toy.register_forward_hook(spoil)
        return toy

    return load


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Water, and a small correction to it that knows its range."""
    folder = tmp_path_factory.mktemp("inputs")
    model, dataset = write_inputs(folder, "water")
    torch.manual_seed(0)
    potential = Potential(8, 1, 5, 4.0, atomic_masses)
    for parameter in potential.parameters():
        parameter.data *= 0.1
    save_model(folder / "correction.pt", potential, {"elements": [1, 6, 8], "range": RANGE})
    return model, dataset, folder / "correction.pt"


def run(folder: Path, inputs, kind: str, load, group: int | None = None, **change):
    model, dataset, correction = inputs
    settings = DynamicsSettings(**(SHORT | change))
    trajectory, report = folder / "trajectory.h5", folder / f"dynamics{'' if group is None else group}.json"
    run_dynamics(
        model, dataset, trajectory, report, settings, "toy", kind, HOT_K, {}, 1, load, group=group,
        correction=(correction, dataset) if kind == "tepigs" else None,
    )  # fmt: skip
    if group is not None:
        return {}, {}
    with h5py.File(trajectory) as file:
        data = {name: values[:] for name, values in file.items()} | {"stopped": file.attrs["stopped"]}
    return data, json.loads(report.read_text())


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    """The undisturbed run of each kind, made once."""
    made = {}

    def of(kind: str):
        if kind not in made:
            made[kind] = run(tmp_path_factory.mktemp(kind), inputs, kind, load_toy)
        return made[kind]

    return of


def check_others(whole, data, told, words: str, step: int | None = None) -> None:
    """The second replica stopped for that reason, tables and report say so, the others are bit for bit."""
    for name in RECORDED:
        assert np.array_equal(data[name], whole[0][name][[0, 2]]), name
    assert data["stopped"].tolist() == [1]
    (entry,) = told["stopped"]
    assert (told["n_replicas"], told["n_stopped"], entry["replica"]) == (2, 1, 1)
    assert words in entry["reason"] and f"step {entry['step']}" in entry["reason"]
    assert entry["time_ps"] == pytest.approx(entry["step"] * 0.25e-3)
    assert step is None or entry["step"] == step
    (caution,) = (line for line in cautions(told, [], [], {}) if "stopped" in line)
    assert "1 of 3 replicas" in caution and words in caution
    (of_member,) = (line for line in cautions({}, [], [], {}, members={"1": told}) if "stopped" in line)
    assert of_member == f"Model 1: {caution}"
    assert words in frames_of(told)["replica 1 stopped"]


@pytest.mark.parametrize("kind", list(BEADS))
@pytest.mark.parametrize(
    ("fault", "words", "step"),
    [
        ("nan", "energy is not a number", FIRST + 6),
        ("dipole", "dipole is not a number", FIRST + 6),
        ("pull", "the model leaves the molecule", None),
        ("heat", "per degree of freedom", None),
    ],
)
def test_a_bad_replica_stops_and_the_others_go_on(tmp_path, inputs, whole, kind, fault, words, step):
    load = spoilt(fault, BEADS[kind])
    if kind == "trpmd2" and fault == "heat":  # the thermostat stays: a drift of the sum says nothing
        assert run(tmp_path, inputs, kind, load)[1]["n_stopped"] == 0
        return
    check_others(whole(kind), *run(tmp_path, inputs, kind, load), words, step)


@pytest.mark.parametrize("kind", list(BEADS))
def test_a_replica_far_outside_of_the_range_stops(tmp_path, inputs, whole, kind):
    """Before the bond breaks; of ring polymers beads that go apart are seen, though the centroid stays."""
    pull_eV_A = 60.0 if kind == "trpmd2" else 30.0  # against friction
    load = spoilt("pull" if BEADS[kind] == 1 else "apart", BEADS[kind], True, pull_eV_A)
    data, told = run(tmp_path, inputs, kind, load)
    check_others(whole(kind), data, told, "far outside of the trained range")
    assert "has neighbour" in told["stopped"][0]["reason"]
    assert data[keys.RANGE_EXCESS].shape == (2, 120)
    assert keys.RANGE_EXCESS not in whole(kind)[0]  # a model without a range: as before


def test_frames_outside_are_told_and_not_stopped(tmp_path, inputs, whole, capsys, monkeypatch):
    """A bound at 0.94 Å: what the trajectory itself says is told, replica, time and distance."""
    narrow = {"neighbours": {"8": [[0.6, 0.94]]}}
    monkeypatch.setitem(RANGE, "neighbours", narrow["neighbours"])
    data, told = run(tmp_path, inputs, "classical", spoilt("", 1, known=True))
    assert told["n_stopped"] == 0 and np.array_equal(data[keys.DIPOLE], whole("classical")[0][keys.DIPOLE])
    r = data[keys.SPARSE_POSITIONS].astype(float)
    nearest = np.linalg.norm(r[:, :, 1:] - r[:, :, :1], axis=-1).min(2)  # (n_replicas, n_samples) | Å
    beyond = nearest - 0.94 - 0.034
    assert (
        told["outside_trained_range"] == pytest.approx((beyond > 0).mean(), abs=0.003) and (beyond > 0).any()
    )
    replica, frame = np.unravel_index(beyond.argmax(), beyond.shape)
    worst = told["farthest_frames"][0]
    assert (worst["replica"], worst["time_ps"]) == (replica, pytest.approx((frame + 1) * 0.5e-3))
    assert worst["beyond_A"] == pytest.approx(beyond.max(), abs=1e-3)
    words = f"O (atom 0) has neighbour 1 at {nearest.max():.2f} Å, trained to 0.94"
    assert worst["reason"] == words and words in capsys.readouterr().out
    assert any(words in line for line in cautions(told, [], [], {}))
    assert words in frames_of(told).values()


def test_a_model_that_never_saw_the_molecule_ends_the_stage(tmp_path, inputs, monkeypatch):
    monkeypatch.setitem(RANGE, "neighbours", {"8": [[0.5, 0.6]]})
    with pytest.raises(InputError, match=r"trained to 0\.60: far outside .* step 80 \(3 of 3 replicas"):
        run(tmp_path, inputs, "trpmd2", spoilt("", 2, known=True))


@pytest.mark.parametrize(("kind", "stopped"), [("classical", [1]), ("trpmd4", [1, 3, 5, 7])])
def test_jobs_that_share_the_replicas_stop_some_too(tmp_path, inputs, kind, stopped):
    """The second replica of every block is bad; two jobs, the later replicas first, and one that joins."""
    load = spoilt("nan", 4 if kind == "trpmd4" else 1)
    undisturbed, _ = run(tmp_path / "whole", inputs, kind, load_toy, n_replicas=9)
    for group in (1, 0, None):
        data, told = run(tmp_path, inputs, kind, load, group, n_replicas=9, replicas_per_job=8)
    kept = [replica for replica in range(9) if replica not in stopped]
    assert data["stopped"].tolist() == [entry["replica"] for entry in told["stopped"]] == stopped
    assert all(np.array_equal(data[name], undisturbed[name][kept]) for name in RECORDED)
    assert any(f"{len(stopped)} of 9 replicas were" in line for line in cautions(told, [], [], {}))


def test_a_lone_ring_polymer_that_stops_does_not_end_the_run(tmp_path, inputs):
    """Eight beads are a block of one. The second replica asks 120 times after the first's 120."""

    def load_with(wrong):
        def load(path: Path, device: str) -> torch.nn.Module:
            toy, asked = load_toy(path, device), []

            def spoil(_: Any, arguments: tuple[Any, ...], out: dict[str, torch.Tensor]) -> None:
                if keys.DIPOLE in arguments[2]:
                    asked.append(1)
                    if wrong(len(asked)):
                        out[keys.ENERGY][5] = math.nan

            toy.register_forward_hook(spoil)
            return toy

        return load

    undisturbed = run(tmp_path / "whole", inputs, "trpmd8", load_toy)
    data, told = run(tmp_path / "one", inputs, "trpmd8", load_with(lambda n: n == 190))
    check_others(undisturbed, data, told, "energy is not a number", FIRST + 140)
    parts = tmp_path / "one/trajectory.h5.parts"
    assert len(production_segments(parts / "0001-0001")) == 1  # the second was not finished
    again, _ = run(tmp_path / "one", inputs, "trpmd8", load_toy)
    assert all(np.array_equal(again[name], data[name]) for name in data)
    with pytest.raises(InputError, match=r"replica 1: energy is not .* \(2 of 3 replicas beside it too\)"):
        run(tmp_path / "all", inputs, "trpmd8", load_with(lambda n: True))


def test_members_tell_where_they_disagree(tmp_path, inputs, capsys):
    """Two waters differ by 2 eV/Å² of the H–H spring: frame by frame their forces' spread is 2|x|/3."""
    model, dataset, _ = inputs
    other, split = tmp_path / "other.pt", tmp_path / "split.json"
    other.write_text(json.dumps({"name": "water", "loosest_eV_A2": 8.0}), encoding="utf-8")
    _, frames = labelled_geometries(dataset)
    parts = split_frames(np.zeros(len(frames), int), DatasetSettings(test_fraction=0.4))
    write_split(split, dataset, parts, [])

    def spread(r: np.ndarray) -> float:
        stretch = np.linalg.norm(r[..., 1, :] - r[..., 2, :], axis=-1) - np.hypot(1.2, 0.93)  # Å
        return float(1e3 * 2 / 3 * np.sqrt(np.square(stretch).mean()))  # meV/Å

    for temperature_K, large in ((100.0, False), (3000.0, True)):
        files = tmp_path / f"{temperature_K}.h5", tmp_path / f"{temperature_K}.json"
        run_dynamics(
            other, dataset, *files, DynamicsSettings(**SHORT), "toy", "classical", temperature_K, {}, 1,
            load_toy, first_member=model, split=split,
        )  # fmt: skip
        told = json.loads(files[1].read_text())
        with h5py.File(files[0]) as file:
            ends = file[keys.SPARSE_POSITIONS][:, 59::60].astype(float)
        assert told["forces_spread_meV_A"]["test"] == pytest.approx(spread(frames[parts["test"]]), rel=1e-5)
        assert told["forces_spread_meV_A"]["dynamics"] == pytest.approx(spread(ends), rel=1e-4)
        assert told["energy_spread_meV"]["dynamics"] > 0
        worst = told["frames_of_largest_spread"][0]
        of_frame = np.abs(np.linalg.norm(ends[:, :, 1] - ends[:, :, 2], axis=-1) - np.hypot(1.2, 0.93))
        replica, k = np.unravel_index(of_frame.argmax(), of_frame.shape)
        assert (worst["replica"], worst["time_ps"]) == (replica, pytest.approx(0.03 * (k + 1)))
        assert told["spread_is_large"] == large
        assert ("members' forces differ" in capsys.readouterr().out) == large
        assert any("members' forces" in line for line in cautions(told, [], [], {})) == large


def test_the_share_of_stopped_replicas_is_that_of_the_run_so_far(tmp_path):
    """16 replicas grown to 128, one stopped in each of nine blocks; folders of a larger run beside."""
    told = {"reason": "bond 0-1 is long", "step": 3}
    for first in range(0, 72, 8):
        folder = tmp_path / f"{first:04d}-{first + 7:04d}"
        folder.mkdir()
        assert list(keep_stopped(folder, {}, {first: told}, 8, 128)) == [first]
    folder = tmp_path / "0000-0007"
    with pytest.raises(InputError, match=r"\(9 of 16 replicas beside it too\)"):
        keep_stopped(folder, {0: told}, {k: told for k in range(1, 8)}, 16, 16)
    small = tmp_path / "again"
    small.mkdir()
    (small / "0100-0107").mkdir()
    write_json(small / "0100-0107" / FILE, {str(k): told for k in range(100, 108)})
    (small / "0000-0007").mkdir()
    assert keep_stopped(small / "0000-0007", {}, {0: told}, 8, 8) == {0: told}
