"""Spread of an ensemble against its error: the factor of a known law, coverage, files of other models."""

import json
import re

import numpy as np
import pytest
import torch
from ase.io import read, write
from small_model import two_molecules

from painn_spectra import keys
from painn_spectra.calibration import calibrate, factors, read_factors, spread_over, table
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.errors import InputError
from painn_spectra.evaluate import evaluate_files, evaluate_stage, mean_over, predict
from painn_spectra.files import write_json
from painn_spectra.fitting import Trainer
from painn_spectra.gathering import gather_labels
from painn_spectra.model.checkpoint import load_model, save_model
from painn_spectra.model.potential import Potential
from painn_spectra.predictions import predict_files
from painn_spectra.settings.training import DatasetSettings, ModelSettings, TrainSettings
from painn_spectra.snapshot import snapshot
from painn_spectra.split import read_split
from painn_spectra.train import train_model

SMALL = ModelSettings(n_features=16, n_layers=2, n_radial=10)
QUICK = TrainSettings(epochs=30, batch_size=6, learning_rate=5e-3, ema_decay=0.9, linear_beyond=None)


def test_the_factor_of_a_known_law():
    """Members scatter by σ about a mean that is off by 3σ: the factor is 3, and 68 and 95 % lie within.

    Three members' σ² has two degrees of freedom: the factor's relative error is √(1/(2n) + 1/(4n)).
    """
    rng, n, members = np.random.default_rng(0), 4000, 3
    size = rng.uniform(0.5, 2.0, n)  # (n,) | each frame its own
    truth = rng.normal(size=n)
    error = 3.0 * size * rng.normal(size=n)
    predictions = [{keys.ENERGY: truth + error + size * rng.normal(size=n)} for _ in range(members)]
    spread = spread_over(predictions)
    shared = {keys.ENERGY: error}
    found = factors(spread, shared)[keys.ENERGY]
    weight = np.mean(size**4) / np.mean(size**2) ** 2  # uneven frames count for fewer
    assert found == pytest.approx(3.0, rel=4 * np.sqrt(weight * (1 / (2 * n) + 1 / (4 * n))))
    frames = Frames(np.ones((n, 1), int), np.zeros((n, 1, 3)), {}, np.full(n, "a"))
    exact = {keys.ENERGY: size}  # a spread without its own noise
    (row,) = table("all", frames, exact, shared, {keys.ENERGY: 3.0})
    for name, share in (("within_1", 0.6827), ("within_2", 0.9545)):
        assert row[name] == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n))
    assert row["rank_correlation"] > 0.3 and row["unit"] == "meV"


@pytest.fixture(scope="module")
def ensemble(water_labels, tmp_path_factory):
    """Folder with a data set of water and three members."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("ensemble")
    data, split = folder / "dataset.extxyz", folder / "split.json"
    gather_labels([water_labels], data, split, DatasetSettings(validation_fraction=0.15))
    for k in range(3):
        train_model(data, split, folder / f"{k}.pt", folder / f"{k}.jsonl", QUICK, SMALL, member=k)
    return folder


def members(folder):
    return [folder / f"{k}.pt" for k in range(3)]


def test_predictions_carry_the_calibrated_spread(ensemble, tmp_path):
    data, split, told = ensemble / "dataset.extxyz", ensemble / "split.json", tmp_path / "calibration.json"
    hot = two_molecules()[::2]
    for frame in hot:
        frame.arrays["REF_forces"] = np.zeros((3, 3))
        frame.info |= {"REF_energy": -100.0, "REF_dipole": np.zeros(3), "REF_polarizability": np.zeros(9)}
    write(tmp_path / "hot.extxyz", hot, format="extxyz")
    calibrate(members(ensemble), data, split, told, [tmp_path / "hot.extxyz"])
    content = json.loads(told.read_text())
    assert [row["frames"] for row in content["calibration"][::4]] == ["validation", "test", "hot.extxyz"]
    same_name = tmp_path / "validation.extxyz"  # measured on like any other, never calibrated with
    write(same_name, hot, format="extxyz")
    calibrate(members(ensemble), data, split, tmp_path / "again.json", [same_name])
    assert json.loads((tmp_path / "again.json").read_text())["factors"] == content["factors"]
    frames = read_frames(data)
    predictions = [predict(load_model(path), frames) for path in members(ensemble)]
    index = read_split(split, data)["validation"]
    error = mean_over(predictions)[keys.FORCES][index] - frames.labels[keys.FORCES][index]
    spread = np.std([one[keys.FORCES][index] for one in predictions], axis=0, ddof=1)
    expected = np.sqrt(np.square(error).sum() / np.square(spread).sum())
    assert content["factors"][keys.FORCES] == pytest.approx(expected, rel=1e-4)
    for calibration, factor in ((None, 1.0), (told, content["factors"][keys.FORCES])):
        predict_files(members(ensemble), data, tmp_path / "out.extxyz", calibration)
        out = read(tmp_path / "out.extxyz", index=":")
        found = np.array([out[k].arrays["model_forces_spread"] for k in index])
        assert found == pytest.approx(factor * spread, rel=1e-4, abs=1e-6)
        assert len(out[0].info["model_polarizability_spread"].ravel()) == 9
    with pytest.raises(InputError, match="calibration of other models"):
        read_factors(told, members(ensemble)[:2])
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(InputError, match="no calibration"):
        read_factors(tmp_path / "list.json", members(ensemble))
    for wrong in (-1, float("nan"), float("inf"), "x"):
        (tmp_path / "edited.json").write_text(json.dumps(content | {"factors": {keys.ENERGY: wrong}}))
        with pytest.raises(InputError, match=r"edited.json: no calibration"):
            read_factors(tmp_path / "edited.json", members(ensemble))
    for models in (members(ensemble)[:1], [*members(ensemble), members(ensemble)[0]]):
        with pytest.raises(InputError, match=r"0.pt: one model, or one named twice, has no spread"):
            calibrate(models, data, split, told)


def test_a_dipole_that_symmetry_forbids(tmp_path):
    """H2's members agree on exactly nothing; the labels are off by rounding. JSON has no infinity."""
    none = {keys.DIPOLE: np.zeros((4, 3), np.float32)}
    for off in (0.0, 1e-9):
        error = {keys.DIPOLE: np.full((4, 3), off)}
        found = factors(none, error)
        assert found == {keys.DIPOLE: 1.0}
        frames = Frames(np.ones((4, 2), int), np.zeros((4, 2, 3)), {}, np.full(4, "a"))
        (row,) = table("all", frames, none, error, found)
        assert row["within_1"] == (off == 0) and row["rank_correlation"] is None
        write_json(tmp_path / "c.json", row)


def test_wrong_labels_are_named(ensemble, tmp_path, capsys):
    """One energy off by 30 eV, one frame's forces turned around: these and no others."""
    frames = read(ensemble / "dataset.extxyz", index=":")
    frames[5].info["REF_energy"] += 30.0
    frames[40].arrays["REF_forces"] *= -30
    for frame in frames:
        frame.info["REF_polarizability"] = np.ravel(frame.info["REF_polarizability"])
    write(tmp_path / "labels.extxyz", frames, format="extxyz")
    data, split = tmp_path / "dataset.extxyz", tmp_path / "split.json"
    gather_labels([tmp_path / "labels.extxyz"], data, split, DatasetSettings())
    capsys.readouterr()
    files = (tmp_path / "errors.csv", [tmp_path / f"{k}.csv" for k in range(3)], tmp_path / "figures")
    metrics = [ensemble / f"{k}.jsonl" for k in range(3)]
    evaluate_stage(members(ensemble), data, split, *files, metrics)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("outlier")]
    assert [line.split(" (")[0] for line in sorted(lines)] == ["outlier: frame 40", "outlier: frame 5"]
    told = "".join(lines)
    assert re.search(r"energy off by (3\.0|2\.9)\S*e\+04", told) and "forces off by" in told
    text = (tmp_path / "outliers.csv").read_text()
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 3
    assert (tmp_path / "figures/training.svg").stat().st_size > 0


def test_a_snapshot_is_the_averaged_model_of_an_unfinished_training(ensemble, tmp_path):
    """Cut off before its end, the checkpoint gives a model that predicts, and that training goes on from."""
    data, split, model = ensemble / "dataset.extxyz", ensemble / "split.json", tmp_path / "model.pt"
    kept = {}

    def stop(trainer, checkpoint, key):
        raise KeyboardInterrupt

    settings = QUICK.model_copy(update={"checkpoint_interval_s": 1e-6})
    original, calls = Trainer.save, []

    def save(trainer, checkpoint, key):
        original(trainer, checkpoint, key)
        calls.append(1)
        if len(calls) == 20:
            kept.update({name: value.clone() for name, value in trainer.weights.items()})
            stop(trainer, checkpoint, key)

    Trainer.save = save
    try:
        with pytest.raises(KeyboardInterrupt):
            train_model(data, split, model, tmp_path / "m.jsonl", settings, SMALL)
    finally:
        Trainer.save = original
    saved = torch.load(tmp_path / "model.pt.parts/state.pt", weights_only=True)
    snapshot(tmp_path / "model.pt.parts/state.pt", tmp_path / "snapshot.pt")
    with pytest.raises(InputError, match=r"state.pt: is the checkpoint itself"):
        snapshot(tmp_path / "model.pt.parts/state.pt", tmp_path / "model.pt.parts/../model.pt.parts/state.pt")
    taken = load_model(tmp_path / "snapshot.pt")
    assert all(torch.equal(value, kept[name]) for name, value in taken.state_dict().items())
    whole = load_model(ensemble / "0.pt").metadata
    same = ("elements", "properties", "level_of_theory", "range", "n_train", "member")
    assert all(taken.metadata[name] == whole[name] for name in same)  # the range warns in dynamics
    assert taken.metadata["snapshot_at_step"] == 20
    few = QUICK.model_copy(update={"epochs": 1})
    train_model(data, split, model, tmp_path / "m.jsonl", few, SMALL, start_from=tmp_path / "snapshot.pt")
    for name, wrong in (("told", "[1]"), ("key", "3"), ("trainer", [1]), ("trainer", Opener())):
        torch.save(saved | {name: wrong}, tmp_path / "state.pt")
        with pytest.raises(InputError, match=r"state.pt: (not|no) .*checkpoint") as caught:
            snapshot(tmp_path / "state.pt", tmp_path / "none.pt")
        assert "weights_only" not in str(caught.value)
    with pytest.raises(InputError, match="model or checkpoint"):
        snapshot(data, tmp_path / "none.pt")


class Opener:
    """A pickle of it would open a file."""

    def __reduce__(self):
        return open, ("none.txt", "w")


@pytest.mark.parametrize(("architecture", "metadata", "words"), [
    ({"charge": 1}, {}, r"other charge \(1\) than .*0.pt \(0\)"),
    ({}, {"properties": ["energy", "forces"]}, r"other properties \(\('energy', 'forces'\)\)"),
])  # fmt: skip
def test_members_of_different_kinds_are_no_ensemble(ensemble, tmp_path, architecture, metadata, words):
    one = load_model(ensemble / "0.pt")
    other = Potential(**one.architecture | architecture)
    other.load_state_dict(one.state_dict())
    save_model(tmp_path / "other.pt", other, one.metadata | metadata)
    both = [ensemble / "0.pt", tmp_path / "other.pt"]
    data = ensemble / "dataset.extxyz"
    for use in (
        lambda: evaluate_files(both, data),
        lambda: predict_files(both, data, tmp_path / "out.extxyz"),
        lambda: calibrate(both, data, ensemble / "split.json", tmp_path / "c.json"),
    ):
        with pytest.raises(InputError, match=words):
            use()
    assert [path.name for path in tmp_path.iterdir()] == ["other.pt"]


def test_a_model_named_twice_is_no_ensemble(ensemble, tmp_path):
    (tmp_path / "link.pt").symlink_to(ensemble / "0.pt")
    with pytest.raises(InputError, match="named twice, which would count it double"):
        predict_files(
            [ensemble / "0.pt", tmp_path / "link.pt"], ensemble / "dataset.extxyz", tmp_path / "o.xyz"
        )
