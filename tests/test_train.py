"""Training: learns, resumes exactly, refuses what does not fit."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch
from ase.io import read, write
from scipy.optimize import brentq

from painn_spectra import keys
from painn_spectra.dataset import read_frames
from painn_spectra.errors import InputError
from painn_spectra.evaluate import error_rows, evaluate_files, predict
from painn_spectra.gathering import gather_labels
from painn_spectra.loss import Loss, faster, to_batch
from painn_spectra.model.checkpoint import load_model, save_model
from painn_spectra.model.normalise import label_spreads, set_offsets
from painn_spectra.settings.training import DatasetSettings, ModelSettings, TrainSettings
from painn_spectra.split import read_split, write_split
from painn_spectra.train import check_cutoff, new_potential, pretrain_model, train_model

SMALL = ModelSettings(n_features=16, n_layers=2, n_radial=10)
QUICK = TrainSettings(epochs=60, batch_size=6, learning_rate=5e-3, ema_decay=0.9)


@pytest.fixture(scope="module")
def water(water_labels, tmp_path_factory):
    """Folder with dataset, split and a trained model of water."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    gather_labels([water_labels], folder / "dataset.extxyz", folder / "split.json", DatasetSettings())
    fit(folder, folder / "model.pt", QUICK)
    return folder


def fit(folder, model, settings=QUICK, **options):
    metrics = model.with_suffix(".jsonl")
    train_model(folder / "dataset.extxyz", folder / "split.json", model, metrics, settings, SMALL, **options)
    return load_model(model)


def same_weights(one, two):
    return all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


def test_every_property_is_learnt(water):
    """All four errors at most a third of the mean's: a label wired wrongly stays near 1."""
    rows = evaluate_files([water / "model.pt"], water / "dataset.extxyz")
    assert [row["property"] for row in rows] == list(keys.PROPERTIES)
    for row in rows:
        assert row["mae"] < row["baseline_mae"] / 3, row
    lines = [json.loads(line) for line in (water / "model.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"] / 10 and lines[-1]["epoch"] == QUICK.epochs


def test_offset_is_restored_in_predictions(water):
    """Absolute energies come back: a forgotten offset would be −138 eV off."""
    frames = read_frames(water / "dataset.extxyz")
    predicted = predict(load_model(water / "model.pt"), frames)
    assert np.abs(predicted[keys.ENERGY] - frames.labels[keys.ENERGY]).max() < 0.5
    model = load_model(water / "model.pt")  # a network could learn it all, offsets forgotten: they must count
    model.energy_offset_eV[8] += 10.0
    model.polarizability_offset_A3[1] += 2.0
    moved = predict(model, frames)
    assert moved[keys.ENERGY] - predicted[keys.ENERGY] == pytest.approx(10.0, abs=1e-3)
    added = moved[keys.POLARIZABILITY] - predicted[keys.POLARIZABILITY]
    assert added == pytest.approx(np.broadcast_to(4.0 * np.eye(3), added.shape), abs=1e-3)


def test_same_seed_same_weights_other_member_other_weights(water, tmp_path):
    few = QUICK.model_copy(update={"epochs": 2})
    one, two, other = (fit(water, tmp_path / f"{k}.pt", few, member=m) for k, m in enumerate((0, 0, 1)))
    assert same_weights(one, two) and not same_weights(one, other)


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_killed_training_resumes_to_the_same_weights(water, tmp_path, schedule):
    """kill -9 in the middle, run again: the model equals one trained without interruption, bit for bit."""
    settings = QUICK.model_copy(update={"schedule": schedule, "epochs": 40, "checkpoint_interval_s": 0.02})
    script = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path; sys.path.insert(0, 'tests')\n"
        "from painn_spectra.settings.training import *; from painn_spectra.train import train_model\n"
        "d, m, s = Path(sys.argv[1]), Path(sys.argv[2]), TrainSettings.model_validate_json(sys.argv[3])\n"
        "train_model(d / 'dataset.extxyz', d / 'split.json', m, m.with_suffix('.jsonl'), s,"
        " ModelSettings(n_features=16, n_layers=2, n_radial=10))\n"
    )
    model = tmp_path / "killed.pt"
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(water), str(model), settings.model_dump_json()]
    )
    state = model.with_name("killed.pt.parts") / "state.pt"
    while not state.exists():
        assert child.poll() is None, "training ended before its first checkpoint"
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not model.exists()
    reached = torch.load(state, weights_only=True)["trainer"]["step"]
    assert reached > 0
    assert same_weights(fit(water, model, settings), fit(water, tmp_path / "straight.pt", settings))
    assert not state.parent.exists()
    resumed, straight = (
        [json.loads(line) | {"seconds": 0} for line in (tmp_path / name).read_text().splitlines()]
        for name in ("killed.jsonl", "straight.jsonl")
    )
    assert resumed == straight


@pytest.mark.parametrize("left", ["other settings", "list", "model", "text", "empty", "half written"])
def test_useless_checkpoint_is_not_resumed(water, tmp_path, left, capsys):
    """Of another training, emptied, or left by a killed save: start afresh and say so, tidy up."""
    model, parts = tmp_path / "model.pt", tmp_path / "model.pt.parts"
    parts.mkdir()
    state = parts / (".123.state.pt" if left == "half written" else "state.pt")
    if left in ("other settings", "list"):
        torch.save([1, 2] if left == "list" else {"key": "other", "trainer": {}}, state)
    else:
        state.write_bytes({"model": (water / "model.pt").read_bytes(), "text": b"hello world"}.get(left, b""))
    few = QUICK.model_copy(update={"epochs": 1})
    found = fit(water, model, few)
    assert (f"training begins anew: {state}: " in capsys.readouterr().out) == (left != "half written")
    assert same_weights(found, fit(water, tmp_path / "fresh.pt", few))
    assert not parts.exists()


def test_a_header_tells_the_validation_of_its_own_weights(water, tmp_path):
    """Of the best epoch, where the plateau schedule went on without finding a better one."""
    rough = {"schedule": "plateau", "epochs": 12, "learning_rate": 0.05, "ema_decay": 0.0}
    told = fit(water, tmp_path / "model.pt", QUICK.model_copy(update=rough)).metadata["validation"]
    lines = [json.loads(line) for line in (tmp_path / "model.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines]
    assert losses[-1] > min(losses) and told == lines[losses.index(min(losses))]


@pytest.fixture
def batch_loss(water):
    """A float64 potential, a loss and a batch of four frames."""
    frames = read_frames(water / "dataset.extxyz").take(range(4))
    potential = new_potential(SMALL, 0, 0)
    set_offsets(potential, frames.numbers, frames.labels)
    loss = Loss(QUICK.loss.model_dump(), label_spreads(frames.numbers, frames.labels), QUICK.linear_beyond)
    return potential.double().train(), loss, {k: v.double() if v.is_floating_point() else v
                                              for k, v in to_batch(frames, "cpu").items()}  # fmt: skip


def test_a_far_label_counts_little():
    """Labels 0, 0, 0, 100: least squares answers 25, a knee k the root of 3m = √(k² + m²), k/√8."""
    labels, n_real = torch.tensor([0.0, 0.0, 0.0, 100.0], dtype=torch.float64), torch.tensor(1)
    for knee, expected in ((None, 25.0), (0.3, 0.3 / 8**0.5), (1e4, 25.0)):
        loss = Loss({}, {keys.ENERGY: 2.0}, None if knee is None else knee / 2)

        def slope(answer, loss=loss):
            at = torch.tensor(answer, dtype=torch.float64, requires_grad=True)
            loss.penalty(keys.ENERGY, at - labels, n_real).backward()
            return float(at.grad)

        assert brentq(slope, -1, 101) == pytest.approx(expected, rel=1e-3), knee


def test_the_penalty_has_no_axes():
    """Turned forces and tensors cost the same; padding costs nothing; forces count per real atom."""
    generator = np.random.default_rng(2)
    turn = torch.as_tensor(np.linalg.qr(generator.normal(size=(3, 3)))[0])
    loss = Loss({}, {keys.FORCES: 0.5, keys.DIPOLE: 0.5, keys.POLARIZABILITY: 0.5}, 0.3)
    forces, tensor = (
        torch.as_tensor(generator.normal(size=(2, 4, 3))),
        torch.as_tensor(generator.normal(size=(2, 3, 3))),
    )
    forces[1, 2:] = 0  # padding
    n_real = torch.tensor(6)
    cost = loss.penalty(keys.FORCES, forces, n_real)
    assert loss.penalty(keys.FORCES, forces @ turn, n_real) == pytest.approx(float(cost), rel=1e-6)
    by_hand = [2 * 0.09 * ((1 + (4 * f @ f / 3) / 0.09).sqrt() - 1) for f in (*forces[0], *forces[1, :2])]
    assert float(cost) == pytest.approx(float(sum(by_hand) / 6), rel=1e-6)
    cost = loss.penalty(keys.POLARIZABILITY, tensor, n_real)
    turned = loss.penalty(keys.POLARIZABILITY, turn.T @ tensor @ turn, n_real)
    assert float(turned) == pytest.approx(float(cost), rel=1e-6)


def test_compiled_loss_equals_the_plain_one(batch_loss, monkeypatch, capsys):
    """Value and every weight's gradient, so the forces' second derivatives too.

    The tracing is the compiler's; its code generator, half a minute of g++, is left out.
    """
    potential, loss, batch = batch_loss
    monkeypatch.setattr("painn_spectra.loss.STEPS_WORTH_COMPILING", 0)
    monkeypatch.setattr("painn_spectra.loss.training_engine", lambda potential: None)
    monkeypatch.setattr("torch.compile", partial(torch.compile, backend="aot_eager"))
    compiled = faster(loss, potential, batch, 1)
    assert "not compiled" not in capsys.readouterr().err
    results = []
    for function in (compiled, partial(loss, potential)):
        potential.zero_grad()
        value = function(batch)
        value.backward()
        results.append([value.detach(), *(w.grad.clone() for w in potential.parameters())])
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)


def test_without_a_compiler_training_is_plain(batch_loss, monkeypatch, capsys):
    potential, loss, batch = batch_loss
    monkeypatch.setattr("painn_spectra.loss.STEPS_WORTH_COMPILING", 0)
    monkeypatch.setattr("painn_spectra.loss.training_engine", lambda potential: None)

    def fail(*arguments, **options):
        raise RuntimeError("No working C++ compiler found")

    monkeypatch.setattr("torch.compile", lambda function, **options: fail)
    function = faster(loss, potential, batch, 1)
    assert "No working C++ compiler" in capsys.readouterr().err
    assert torch.equal(function(batch), loss(potential, batch))
    assert all(weight.grad is None for weight in potential.parameters())


def test_element_seen_only_in_the_test_frames_is_unknown(water, tmp_path):
    frames = read(water / "dataset.extxyz", index=":")
    for atoms in frames:
        if str(atoms.info["seed"]) in json.loads((water / "split.json").read_text())["test_trajectories"]:
            atoms.numbers[0] = 16
    dataset = tmp_path / "dataset.extxyz"  # gathering refuses two molecules
    write(dataset, frames, format="extxyz")
    write_split(
        tmp_path / "split.json", dataset, read_split(water / "split.json", water / "dataset.extxyz"), []
    )
    fit(tmp_path, tmp_path / "model.pt", QUICK.model_copy(update={"epochs": 1}))
    with pytest.raises(InputError, match="S: unknown"):
        evaluate_files([tmp_path / "model.pt"], tmp_path / "dataset.extxyz")


def test_unknown_element_is_named(water, ethanol_labels):
    with pytest.raises(InputError, match="C: unknown"):
        evaluate_files([water / "model.pt"], ethanol_labels)


def test_fine_tuning_starts_from_the_given_weights(water, tmp_path):
    """One epoch from a trained model beats one epoch from scratch, for every property."""
    few = QUICK.model_copy(update={"epochs": 1, "learning_rate": 1e-4})
    frames = read_frames(water / "dataset.extxyz")
    tuned, scratch = (
        error_rows(predict(fit(water, tmp_path / f"{k}.pt", few, start_from=start), frames), frames, frames)
        for k, start in enumerate((water / "model.pt", None))
    )
    assert all(a["mae"] < b["mae"] for a, b in zip(tuned, scratch, strict=True))


def test_start_from_another_size_or_element_is_refused(water, tmp_path):
    with pytest.raises(InputError, match="n_features = 32"):
        train_model(
            water / "dataset.extxyz", water / "split.json", tmp_path / "m.pt", tmp_path / "m.jsonl", QUICK,
            SMALL.model_copy(update={"n_features": 32}), start_from=water / "model.pt",
        )  # fmt: skip
    potential = load_model(water / "model.pt")
    save_model(tmp_path / "carbon.pt", potential, {"elements": [6]})
    with pytest.raises(InputError, match="unknown"):
        fit(water, tmp_path / "m.pt", start_from=tmp_path / "carbon.pt")
    assert not (tmp_path / "m.pt").exists()


def test_pretraining_writes_a_model_to_start_from(water, tmp_path):
    settings = QUICK.model_copy(update={"pretrain": QUICK.pretrain.model_copy(update={"epochs": 2})})
    pretrain_model(water / "dataset.extxyz", tmp_path / "pre.pt", tmp_path / "pre.jsonl", settings, SMALL)
    assert len((tmp_path / "pre.jsonl").read_text().splitlines()) == 2
    fit(water, tmp_path / "m.pt", QUICK.model_copy(update={"epochs": 1}), start_from=tmp_path / "pre.pt")


@pytest.mark.parametrize(("model", "metrics", "words"), [
    ("m.pt", "m.pt", "m.pt: is named for two outputs"), ("folder", "m.jsonl", "folder: is a folder"),
    ("m.pt", "folder", "folder: is a folder"),
])  # fmt: skip
def test_outputs_are_checked_before_training(water, tmp_path, model, metrics, words, monkeypatch):
    monkeypatch.setattr("painn_spectra.train.fit", None)
    (tmp_path / "folder").mkdir()
    inputs = water / "dataset.extxyz", water / "split.json"
    with pytest.raises(InputError, match=words):
        train_model(*inputs, tmp_path / model, tmp_path / metrics, QUICK, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_single_frame_is_no_set_to_pretrain_on(water, tmp_path):
    write(tmp_path / "one.extxyz", read(water / "dataset.extxyz", index=":1"), format="extxyz")
    with pytest.raises(InputError, match=r"one.extxyz: holds a single frame"):
        pretrain_model(tmp_path / "one.extxyz", tmp_path / "m.pt", tmp_path / "m.jsonl", QUICK, SMALL)


def test_cutoff_that_splits_the_molecule(water):
    frames = read_frames(water / "dataset.extxyz")
    check_cutoff(frames, 5.0)
    with pytest.raises(InputError, match=r"cutoff_A = 0\.5"):
        check_cutoff(frames, 0.5)


def test_offsets_of_a_mixed_set():
    """Energies and polarizabilities additive over atoms are reproduced exactly by the offsets alone."""
    rng = np.random.default_rng(0)
    numbers = rng.choice([0, 1, 6, 8], size=(40, 7))
    numbers[:, 0] = 6
    energy_of, alpha_of = {0: 0.0, 1: -13.6, 6: -1036.0, 8: -2042.0}, {0: 0.0, 1: 0.4, 6: 1.3, 8: 0.7}
    energy = np.vectorize(energy_of.get)(numbers).sum(1)
    alpha = np.vectorize(alpha_of.get)(numbers).sum(1)[:, None, None] * np.eye(3)
    labels = {keys.ENERGY: energy, keys.FORCES: np.zeros((40, 7, 3)), keys.DIPOLE: np.zeros((40, 3)),
              keys.POLARIZABILITY: alpha}  # fmt: skip
    potential = new_potential(SMALL, 0, 0)
    set_offsets(potential, numbers, labels)
    assert float(potential.energy_offset_eV[8]) == pytest.approx(-2042.0)
    assert float(potential.polarizability_offset_A3[6]) == pytest.approx(1.3)
    assert label_spreads(numbers, labels)[keys.ENERGY] == 1.0  # rounding is no unit for an error
