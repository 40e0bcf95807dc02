"""QM9's models: published heads, training killed, stopped early or on odd sets, molecules learnt by heart."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from painn_spectra.errors import InputError
from painn_spectra.fitting import Trainer
from painn_spectra.published import qm9_training
from painn_spectra.published.qm9 import TARGETS, read_qm9, split_molecules
from painn_spectra.published.qm9_model import ScalarModel
from painn_spectra.published.qm9_training import mean_absolute_error, train_qm9
from painn_spectra.settings.training import ModelSettings, Qm9Settings, TrainSettings

DATA = Path(__file__).parents[2] / "shared/data/qm9"
at_hand = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/qm9, a hundred molecules of QM9")
SMALL = ModelSettings(n_features=16, n_layers=2, n_radial=10)


@at_hand
@pytest.mark.parametrize("changed", ["excluded", "atomref", "data"])
def test_a_killed_training_goes_on_with_the_same_files_only(tmp_path, monkeypatch, changed):
    """Another content under the same path makes another split: the checkpoint is of no use."""
    paths = {name: tmp_path / name for name in ("data", "excluded", "atomref")}
    paths["data"].write_bytes((DATA / "qm9_reduced_100.xyz").read_bytes())
    paths["atomref"].write_bytes((DATA / "atomref.txt").read_bytes())
    paths["excluded"].write_text("1\n2\n")
    keys = []

    def killed(potential, data, parts, target, training, checkpoint, key):
        keys.append(key)
        raise KeyboardInterrupt

    monkeypatch.setattr(qm9_training, "fit_scalar", killed)
    settings = Qm9Settings(**{name: str(path) for name, path in paths.items()}, n_train=60, n_validation=20)
    for k in range(3):
        if k == 2:
            text = paths[changed].read_text()
            paths[changed].write_text(text.replace("2\n", "3\n", 1) if changed == "excluded" else text + "\n")
        with pytest.raises(KeyboardInterrupt):
            train_qm9(
                "U0", *[tmp_path / name for name in "abc"], settings, TrainSettings(device="cpu"), SMALL
            )
    assert keys[0] == keys[1] != keys[2]


@at_hand
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    settings = Qm9Settings(data=str(DATA / "qm9_reduced_100.xyz"), n_train=60, n_validation=20)
    training = TrainSettings(epochs=4, batch_size=25, checkpoint_interval_s=1e-9, device="cpu")

    def trained(name):
        train_qm9("U0", *[tmp_path / f"{name}.{end}" for end in ("pt", "jsonl", "json")], settings, training,
                  SMALL)  # fmt: skip
        return torch.load(tmp_path / f"{name}.pt", weights_only=True)["state"]

    whole, save = trained("whole"), Trainer.save

    def save_and_die(trainer, checkpoint, key):
        save(trainer, checkpoint, key)
        if trainer.step in (3, 6):  # within and at the end of epochs of two batches
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "save", save_and_die)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            trained("killed")
    resumed = trained("killed")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert [json.loads(line)["mae"] for line in (tmp_path / "whole.jsonl").read_text().splitlines()] == [
        json.loads(line)["mae"] for line in (tmp_path / "killed.jsonl").read_text().splitlines()
    ]


@at_hand
def test_outputs_are_looked_at_before_training(tmp_path):
    settings = Qm9Settings(data=str(DATA / "qm9_reduced_100.xyz"), n_train=60, n_validation=20)
    for metrics, words in (("m.pt", "named for two outputs"), ("", "is a folder")):
        with pytest.raises(InputError, match=words):
            train_qm9("mu", tmp_path / "m.pt", tmp_path / metrics, tmp_path / "e.json", settings,
                      TrainSettings(epochs=1), SMALL)  # fmt: skip
    assert not list(tmp_path.iterdir())


@at_hand
def test_one_molecule_that_offsets_explain_is_trained_all_the_same(tmp_path):
    """What rounding leaves of its value is no unit for an error."""
    settings = Qm9Settings(data=str(DATA / "qm9_reduced_100.xyz"), n_train=1, n_validation=5)
    for target in ("homo", "U0"):
        files = [tmp_path / f"{target}.{end}" for end in ("pt", "jsonl", "json")]
        train_qm9(target, *files, settings, TrainSettings(epochs=2), SMALL)
        assert torch.load(files[0], weights_only=True)["state"]["scale"] == 1.0


@at_hand
def test_a_plateau_ends_training_with_the_best_weights(tmp_path):
    settings = Qm9Settings(data=str(DATA / "qm9_reduced_100.xyz"), n_train=60, n_validation=20)
    training = TrainSettings(
        epochs=60, batch_size=20, learning_rate=0.03, schedule="plateau", plateau_patience_epochs=1,
        early_stopping_epochs=4,
    )  # fmt: skip
    files = [tmp_path / name for name in ("model.pt", "metrics.jsonl", "errors.json")]
    train_qm9("mu", *files, settings, training, SMALL)
    lines = [json.loads(line) for line in files[1].read_text().splitlines()]
    errors, rates = ([line[key] for line in lines] for key in ("mae", "learning_rate"))
    best = int(np.argmin(errors))
    assert len(lines) == best + 5 < 60 and rates[-1] < max(rates)
    potential = ScalarModel(TARGETS["mu"].head, SMALL)
    potential.load_state_dict(torch.load(files[0], weights_only=True)["state"])
    data = read_qm9(Path(settings.data))
    chosen = data.take(split_molecules(100, 60, 20, 0)["validation"])
    values = chosen.properties["mu"] * TARGETS["mu"].factor
    assert mean_absolute_error(potential, chosen, values) == pytest.approx(errors[best], rel=1e-5)
    with pytest.raises(InputError, match="A: is no property of QM9 that is learnt; take one of mu"):
        train_qm9("A", *files, settings, training, SMALL)


@pytest.mark.parametrize("head", ["dipole", "polarizability", "extent", "sum", "mean"])
def test_heads_are_those_of_the_property(head):
    """Nothing turns or shifts a number; two molecules far apart add up where the property does."""
    torch.manual_seed(0)
    model = ScalarModel(head, SMALL).double().requires_grad_(False)
    z = torch.tensor([[6, 8, 1, 1]])
    r = torch.randn(1, 4, 3, dtype=torch.float64)
    q = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    value = model(z, r)
    assert abs(value - model(z, r @ q.T + torch.tensor([3.0, -5.0, 2.0]))) < 1e-9
    more = torch.zeros(1, 2, dtype=torch.long)
    padded = model(torch.cat([z, more], 1), torch.cat([r, torch.ones(1, 2, 3)], 1))
    assert abs(value - padded) < 1e-9
    twice = model(torch.cat([z, z], 1), torch.cat([r, r + 1000.0], 1))
    if head in ("sum", "mean"):
        assert twice == pytest.approx(float(2 * value if head == "sum" else value), rel=1e-9)
    if head == "dipole":
        assert value > 0


@at_hand
@pytest.mark.parametrize("target", ["mu", "alpha", "r2", "U0"])
def test_a_few_molecules_are_learnt_by_heart(tmp_path, target):
    """To under one per cent of what offsets and scale know: wiring, units and heads are right."""
    settings = Qm9Settings(
        data=str(DATA / "qm9_reduced_100.xyz"), atomref=str(DATA / "atomref.txt"), n_train=10, n_validation=5
    )
    training = TrainSettings(epochs=500, batch_size=10, learning_rate=5e-3, ema_decay=0.9, weight_decay=0.0)
    files = [tmp_path / name for name in ("model.pt", "metrics.jsonl", "errors.json")]
    train_qm9(target, *files, settings, training, SMALL)
    data = read_qm9(Path(settings.data))
    known = data.take(split_molecules(100, 10, 5, 0)["train"])
    content = torch.load(files[0], weights_only=True)
    model = ScalarModel(TARGETS[target].head, SMALL)
    model.load_state_dict(content["state"])
    values = known.properties[target] * TARGETS[target].factor
    baseline = float(np.abs(values - values.mean()).mean())
    assert mean_absolute_error(model, known, values) < 0.01 * baseline
    assert '"target": "' + target in content["header"]
    assert all(path.is_file() for path in files) and len(list(tmp_path.iterdir())) == 4  # and the lock


@at_hand
def test_the_loss_falls_for_every_property(tmp_path):
    settings = Qm9Settings(data=str(DATA / "qm9_reduced_100.xyz"), n_train=80, n_validation=10)
    training = TrainSettings(epochs=6, batch_size=10, learning_rate=3e-3, ema_decay=0.9)
    for target in TARGETS:
        metrics = tmp_path / f"{target}.jsonl"
        train_qm9(
            target, tmp_path / f"{target}.pt", metrics, tmp_path / f"{target}.json", settings, training, SMALL
        )
        losses = [json.loads(line)["train_loss"] for line in metrics.read_text().splitlines()]
        assert losses[-1] < losses[0], target
