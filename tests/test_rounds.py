"""Rounds of labelling: what is picked, when they end, what an ended round leaves behind."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write
from torch import nn
from toy_potentials import GEOMETRIES, load_toy

from painn_spectra import keys
from painn_spectra.gathering import gather_labels
from painn_spectra.harmonic_model import harmonic_model
from painn_spectra.sampling import model_batch
from painn_spectra.sampling.model_batch import sample_model
from painn_spectra.sampling.picking import disagreements, pick
from painn_spectra.sampling.rounds import reason_to_stop, spectrum_changes, summarise_rounds
from painn_spectra.settings.training import DatasetSettings, SamplingSettings
from painn_spectra.spectra.csv_files import write_table
from painn_spectra.spectra.harmonic import HEADING
from painn_spectra.tables import read_csv
from painn_spectra.train import take_over


def test_disagreement_is_the_spread_without_the_zero_of_energy():
    energy = np.array([[1.0, 2.0, 6.0], [11.0, 12.0, 13.0]])  # about their means −2 −1 3 and −1 0 1
    forces = np.zeros((2, 3, 2, 3))
    forces[1, 2] = 2.0  # standard deviation of (0, 2) with n − 1: √2
    found = disagreements([{keys.ENERGY: e, keys.FORCES: f} for e, f in zip(energy, forces, strict=True)])
    np.testing.assert_allclose(found[keys.ENERGY], np.array([1, 1, 2]) / np.sqrt(2))
    np.testing.assert_allclose(found[keys.FORCES], [0, 0, np.sqrt(2)])


def test_a_twin_of_a_picked_frame_is_not_picked():
    prints = np.array([[0.0], [0.01], [1.0], [2.0], [2.01]])
    spreads = {keys.FORCES: np.array([3.0, 2.9, 1.0, 1.0, 1.0])}
    assert set(pick(3, prints, np.empty((0, 1)), spreads)) in ({0, 2, 3}, {0, 2, 4})
    assert pick(1, prints, np.array([[0.0]]), spreads)[0] in (
        3,
        4,
    )  # what is labelled already teaches nothing
    assert sorted(pick(9, prints, prints[:1], {})) == [0, 1, 2, 3, 4]


class Bent(nn.Module):
    """A potential whose polarizability is wrong in proportion to a stretch of the first pair."""

    def __init__(self, inner, rest_A):
        super().__init__()
        self.inner, self.rest_A = inner, rest_A

    def forward(self, numbers, positions, properties):
        out = self.inner(numbers, positions, properties)
        if keys.POLARIZABILITY in properties:
            stretch = (positions[:, 0] - positions[:, 1]).norm(dim=1) - self.rest_A
            out[keys.POLARIZABILITY] = out[keys.POLARIZABILITY] + 5 * stretch[:, None, None]
        return out


def inputs(folder, name="peroxide"):
    symbols, geometry = GEOMETRIES[name]
    rng = np.random.default_rng(1)
    frames = [Atoms(symbols, geometry + 0.01 * rng.normal(size=(len(geometry), 3))) for _ in range(6)]
    write(folder / "dataset.extxyz", frames, format="extxyz")
    for model in ("model", "other"):
        (folder / f"{model}.pt").write_text(json.dumps({"name": name}), encoding="utf-8")
    return folder / "model.pt", folder / "dataset.extxyz", folder / "other.pt"


@pytest.fixture
def briefly(monkeypatch):
    """Geometries are wanted, no equilibrium."""
    monkeypatch.setattr(model_batch, "EQUILIBRATION_PS", 0.1)


@pytest.mark.physics
def test_frames_are_picked_where_members_disagree(tmp_path, briefly):
    """Members differ by the O–O stretch: that of picked frames is larger than that of frames in turn."""
    model, dataset, other = inputs(tmp_path)
    rest_A = np.linalg.norm(np.subtract(*GEOMETRIES["peroxide"][1][:2]))

    def load(path, device):
        plain = load_toy(path, device)
        return Bent(plain, rest_A) if path == other else plain

    settings = SamplingSettings(frames_per_round=24, interval_fs=20, members=2, model_temperatures_K=[300.0])
    files = {name: tmp_path / f"{name}.extxyz" for name in ("turn", "picked")}
    sample_model(model, dataset, files["turn"], settings, 1, 1, load)
    sample_model(
        model, dataset, files["picked"], settings, 1, 1, load, [other], record=tmp_path / "record.json"
    )
    stretch = {
        name: np.abs([frame.get_distance(0, 1) - rest_A for frame in read(path, index=":")])
        for name, path in files.items()
    }
    assert len(stretch["turn"]) == len(stretch["picked"]) == 24
    difference = stretch["picked"].mean() - stretch["turn"].mean()
    error = np.hypot(*(values.std(ddof=1) / np.sqrt(24) for values in stretch.values()))
    assert difference > 3 * error
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["frames_added"] == 24 and record["median_disagreement"][keys.POLARIZABILITY] > 0
    assert record["median_disagreement"][keys.FORCES] == 0


def test_the_rule():
    small, large = {"ir": 0.001, "raman": 0.004}, {"ir": 0.001, "raman": 0.04}
    assert reason_to_stop(100, None, small, None) is None
    assert reason_to_stop(100, 101, large, 0.01) is None
    assert "budget of 100 labels" in reason_to_stop(100, 100, None, None)
    assert "changed less than 0.01 (IR 0.001, Raman 0.004)" in reason_to_stop(100, None, small, 0.01)
    assert reason_to_stop(100, None, None, 0.01) is None  # a first model has no model before


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A round that ends: the same model twice has the same harmonic spectra."""
    folder = tmp_path_factory.mktemp("ended")
    model, dataset, _ = inputs(folder)
    table = folder / "0.csv"
    harmonic_model(model, dataset, table, folder / "c.extxyz", load=load_toy)
    settings = SamplingSettings(frames_per_round=8, until_spectrum_change=0.01)
    files = (folder / "geometries.extxyz", folder / "record.json")
    sample_model(model, dataset, files[0], settings, 2, 1, load_toy, spectra=[table, table], record=files[1])
    return folder, *files


def test_an_ended_round_adds_nothing(ended):
    folder, geometries, record = ended
    assert geometries.read_text() == ""
    told = json.loads(record.read_text())
    assert told["frames_added"] == 0 and told["labels"] == 6 and "changed less than 0.01" in told["note"]
    assert spectrum_changes(folder / "0.csv", folder / "0.csv") == pytest.approx(
        {"ir": 0, "raman": 0}, abs=1e-12
    )


def test_change_of_a_spectrum_whose_band_moves(tmp_path):
    """Two Gaussians of width s, δ apart, have a cosine of exp(−δ²/4s²)."""
    for name, place in (("before", 1500.0), ("after", 1502.5)):
        row = [place if head == "wavenumber_cm-1" else 1 for head in HEADING]
        write_table(tmp_path / f"{name}.csv", {"molecule": "toy"}, HEADING, [row])
    s = 30.0 / np.sqrt(8 * np.log(2))
    expected = 1 - np.exp(-(2.5**2) / (4 * s**2))
    change = spectrum_changes(tmp_path / "before.csv", tmp_path / "after.csv")
    assert change == pytest.approx({"ir": expected, "raman": expected}, rel=0.01)
    assert expected == pytest.approx(0.01, rel=0.05)  # what config/README.md says of the setting


def test_the_budget_is_kept(tmp_path, briefly):
    model, dataset, _ = inputs(tmp_path)
    settings = SamplingSettings(frames_per_round=8, interval_fs=20, max_labels=9)
    sample_model(model, dataset, tmp_path / "g.extxyz", settings, 1, 1, load_toy)
    assert len(read(tmp_path / "g.extxyz", index=":")) == 3


def test_what_follows_an_ended_round_sees_the_same(water_labels, tmp_path):
    """Data set and split byte for byte; the model before is taken over, but not after real additions."""
    first, second = tmp_path / "0", tmp_path / "1"
    for folder in (first, second):
        folder.mkdir()
    settings = DatasetSettings()
    gather_labels([water_labels], first / "dataset.extxyz", first / "split.json", settings)
    empty, report = second / "labels.extxyz", second / "labels.json"
    empty.touch()
    report.write_text(json.dumps({"n_frames": 0, "failed": {}}))
    before = (first / "dataset.extxyz", first / "split.json")
    gather_labels(
        [empty], second / "dataset.extxyz", second / "split.json", settings, before, failures=[report]
    )
    for path in before:
        assert (second / path.name).read_bytes() == path.read_bytes()
    (first / "model.pt").write_text("weights")
    (first / "metrics.jsonl").write_text("{}")
    new = (second / "model.pt", second / "metrics.jsonl")
    assert take_over(second / "dataset.extxyz", *new, first / "dataset.extxyz", first / "model.pt")
    assert new[0].read_text() == "weights" and new[1].read_text() == "{}"
    with (second / "dataset.extxyz").open("a") as stream:
        stream.write("more")
    new[0].unlink()
    assert not take_over(second / "dataset.extxyz", *new, first / "dataset.extxyz", first / "model.pt")
    assert not new[0].exists()


def test_the_table_of_rounds(ended, tmp_path):
    folder, _, record = ended
    errors = tmp_path / "errors.csv"
    errors.write_text("property,unit,mae\nforces,meV/Å,12.5\nenergy,meV,3\n")
    spectra = [folder / "0.csv"] * 2
    summarise_rounds([record], spectra, errors, 6, tmp_path / "rounds.csv", tmp_path / "figures")
    rows = read_csv(tmp_path / "rounds.csv")
    assert [row["labels"] for row in rows] == ["6", "6"]
    assert float(rows[1]["forces_mae_meV_A"]) == 12.5 and rows[0]["ir_change"] == "nan"
    assert float(rows[1]["ir_change"]) < 1e-9 and rows[1]["note"] == "final model"
    assert {"rounds.svg", "rounds-column.pdf"} <= {path.name for path in (tmp_path / "figures").iterdir()}
