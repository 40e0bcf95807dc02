"""Going on from a trained model: another level of theory, other zeros of energy, a new molecule."""

import dataclasses

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.io import write

from painn_spectra import keys
from painn_spectra.dataset import Frames, labelled_atoms, read_frames
from painn_spectra.errors import InputError
from painn_spectra.evaluate import error_rows, predict
from painn_spectra.gathering import gather_labels
from painn_spectra.model.checkpoint import learnt, load_model
from painn_spectra.model.normalise import carry_over
from painn_spectra.settings.training import DatasetSettings, ModelSettings, TrainSettings
from painn_spectra.train import train_model

SMALL = ModelSettings(n_features=16, n_layers=2, n_radial=10)
LONG = TrainSettings(epochs=60, batch_size=6, learning_rate=5e-3, ema_decay=0.9)
FEW = LONG.model_copy(update={"epochs": 4, "learning_rate": 1e-3})
ZERO = {1: 3.0, 8: -40.0}  # eV, of another method's free atoms
STIFFER, MORE = 1.15, 4.0  # its forces, and its polarizability about the isotropic one


def fit(folder, name, frames, settings, start=None):
    """Train on frames; returns the model's file."""
    path = folder / f"{name}.extxyz"
    atoms = [
        labelled_atoms(z[z > 0], r[z > 0], {
            key: v[k][z > 0] if key == keys.FORCES else v[k] for key, v in frames.labels.items()
        }, {"seed": group})
        for k, (z, r, group) in enumerate(zip(frames.numbers, frames.positions, frames.groups, strict=True))
    ]  # fmt: skip
    write(path, atoms, format="extxyz")
    data, split, model = folder / f"{name}.data.extxyz", folder / f"{name}.json", folder / f"{name}.pt"
    gather_labels([path], data, split, DatasetSettings(), properties=tuple(frames.labels))
    train_model(data, split, model, folder / f"{name}.jsonl", settings, SMALL, start_from=start)
    return model


def other_level(frames):
    """Labels of a method with other free atoms, stiffer bonds and a larger polarizability."""
    zero = np.vectorize({0: 0.0, **ZERO}.get)(frames.numbers).sum(1)
    labels = dict(frames.labels)
    labels[keys.ENERGY] = zero + STIFFER * labels[keys.ENERGY]
    labels[keys.FORCES] = STIFFER * labels[keys.FORCES]
    labels[keys.POLARIZABILITY] = MORE * labels[keys.POLARIZABILITY] + 0.5 * np.eye(3)
    return dataclasses.replace(frames, labels=labels)


@pytest.fixture(scope="module")
def base(water_labels, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("base")
    frames = read_frames(water_labels)
    return folder, frames, fit(folder, "base", frames, LONG)


def errors(model, frames):
    return {
        row["property"]: row["mae"] for row in error_rows(predict(load_model(model), frames), frames, frames)
    }


def test_another_level_of_theory_is_met_before_any_step(base):
    """Offsets and slopes alone bring the model to its old errors, in the units of the new labels."""
    _, frames, model = base
    before, new = errors(model, frames), other_level(frames)
    potential = load_model(model)
    carry_over(potential, new.numbers, new.labels, predict(potential, new))
    rows = error_rows(predict(potential, new), new, new)
    factor = {keys.ENERGY: STIFFER, keys.FORCES: STIFFER, keys.DIPOLE: 1.0, keys.POLARIZABILITY: MORE}
    for row in rows:
        assert row["mae"] < 1.1 * factor[row["property"]] * before[row["property"]], row["property"]
        assert row["mae"] < row["baseline_mae"] / 3


@pytest.mark.parametrize("kept", [(keys.ENERGY,), (keys.FORCES,)])
def test_energies_alone_or_forces_alone_keep_what_is_learnt(base, kept):
    """At the same level, on frames of another spread: offsets and scales stay as they were."""
    _, frames, model = base
    calm = frames.take(np.argsort(np.abs(frames.labels[keys.FORCES]).max((1, 2)))[: len(frames) // 2])
    before, potential = errors(model, calm), load_model(model)
    carry_over(potential, calm.numbers, {name: calm.labels[name] for name in kept}, predict(potential, calm))
    for row in error_rows(predict(potential, calm), calm, calm):
        assert row["mae"] < 1.3 * before[row["property"]], row["property"]


def test_an_ion_goes_on_from_the_neutral_molecule(base, tmp_path):
    """The charge is that of the labels, not that of the start."""
    folder, _, model = base
    train_model(
        folder / "base.data.extxyz", folder / "base.json", tmp_path / "ion.pt", tmp_path / "ion.jsonl",
        FEW.model_copy(update={"epochs": 1}), SMALL, start_from=model, charge=1,
    )  # fmt: skip
    assert load_model(tmp_path / "ion.pt").charge == 1


def test_fine_tuning_beats_training_from_scratch(base, tmp_path):
    """Eight labels of the new level, four epochs: every property better than from random weights."""
    _, frames, model = base
    new = other_level(frames)
    some = new.take(np.arange(0, 48, 4))
    tuned = errors(fit(tmp_path, "tuned", some, FEW, model), new)
    scratch = errors(fit(tmp_path, "scratch", some, FEW), new)
    assert all(tuned[name] < 0.5 * scratch[name] for name in keys.PROPERTIES), (tuned, scratch)


def test_a_set_without_dipoles_serves_too(base, tmp_path):
    """Forces and energies of another level; the model then tells that it predicts these two."""
    _, frames, model = base
    new = other_level(frames)
    labels = {name: new.labels[name] for name in (keys.ENERGY, keys.FORCES)}
    weights = FEW.loss.model_copy(update={"dipole": 0.0, "polarizability": 0.0})
    tuned = fit(
        tmp_path,
        "two",
        dataclasses.replace(new, labels=labels),
        FEW.model_copy(update={"loss": weights}),
        model,
    )
    assert learnt(load_model(tuned)) == (keys.ENERGY, keys.FORCES)
    with pytest.raises(InputError, match=r"label REF_dipole is missing.*train.loss.dipole: 0"):
        fit(tmp_path, "four", dataclasses.replace(new, labels=labels), FEW, tuned)


def test_a_new_molecule_of_known_elements(base, tmp_path):
    """Hydrogen peroxide after water, by GFN2-xTB: few labels go further than from scratch."""
    xtb = pytest.importorskip("painn_spectra.reference.xtb")
    peroxide, rng = molecule("H2O2"), np.random.default_rng(0)
    positions = peroxide.positions + rng.normal(scale=0.05, size=(30, 4, 3))
    every = [xtb.label(peroxide.numbers, r) for r in positions]
    labels = {name: np.array([one[name] for one in every]) for name in keys.PROPERTIES}
    groups = np.repeat(["a", "b", "c"], 10)
    frames = Frames(np.tile(peroxide.numbers, (30, 1)), positions, labels, groups)
    tuned = errors(fit(tmp_path, "tuned", frames, FEW, base[2]), frames)
    scratch = errors(fit(tmp_path, "scratch", frames, FEW), frames)
    assert tuned[keys.FORCES] < 0.8 * scratch[keys.FORCES], (tuned, scratch)
