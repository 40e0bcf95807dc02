"""Labels of derivatives: read with checks, seen along random displacements, learnt."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.data import atomic_masses
from ase.io import read, write

from painn_spectra import keys
from painn_spectra.dataset import labelled_atoms, read_frames
from painn_spectra.derivative_labels import sum_rule_residual
from painn_spectra.errors import InputError
from painn_spectra.evaluate import evaluate_files
from painn_spectra.gathering import gather_labels
from painn_spectra.loss import Loss, to_batch
from painn_spectra.model.checkpoint import load_model
from painn_spectra.reference import xtb
from painn_spectra.settings.training import DatasetSettings, ModelSettings, TrainSettings
from painn_spectra.slope_errors import slope_rows
from painn_spectra.slopes import DISPLACED, STEP_A, slopes_of
from painn_spectra.train import new_potential, train_model

pytestmark = pytest.mark.skipif(not xtb.available(), reason="tblite has no wheel for this platform")

SMALL = ModelSettings(n_features=16, n_layers=2, n_radial=10)
SETTINGS = TrainSettings(epochs=60, batch_size=6, learning_rate=2e-2, ema_decay=0.9)
BOTH = list(keys.DERIVATIVES.values())
WEIGHTS = SETTINGS.loss.model_dump()


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """32 displaced waters, every second with derivatives."""
    rng, frames = np.random.default_rng(0), []
    for k in range(32):
        water = molecule("H2O")
        water.positions += rng.normal(scale=0.05, size=(3, 3))
        labels = xtb.label(water.numbers, water.positions, derivatives=k % 2 == 0)
        frames.append(labelled_atoms(water.numbers, water.positions, labels, {"seed": k // 8}))
    path = tmp_path_factory.mktemp("slopes") / "labels.extxyz"
    write(path, frames, format="extxyz")
    return path


@pytest.fixture(scope="module")
def gathered(labelled) -> Path:
    folder = labelled.parent
    gather_labels([labelled], folder / "dataset.extxyz", folder / "split.json", DatasetSettings())
    return folder


def test_frames_with_and_without_derivatives_are_read(labelled):
    frames = read_frames(labelled)
    assert {name: value.shape for name, value in frames.derivatives.items()} == {
        keys.DIPOLE_DERIVATIVE: (32, 3, 3, 3),
        keys.POLARIZABILITY_DERIVATIVE: (32, 3, 3, 3, 3),
    }
    for value in frames.derivatives.values():
        assert np.isfinite(value[::2]).all() and np.isnan(value[1::2]).all()
    one = xtb.label(frames.numbers[2], frames.positions[2], derivatives=True)
    for name in BOTH:
        np.testing.assert_allclose(frames.derivatives[name][2], one[name], atol=2e-3)
        np.testing.assert_array_equal(frames.take([4, 2]).derivatives[name][1], frames.derivatives[name][2])
    assert not read_frames(labelled, (keys.ENERGY, keys.FORCES)).derivatives


def test_smaller_molecules_are_padded_with_zeros(labelled, tmp_path):
    methanol = molecule("CH3OH")
    plain = xtb.label(methanol.numbers, methanol.positions)
    larger = labelled_atoms(methanol.numbers, methanol.positions, plain, {})
    write(tmp_path / "mixed.extxyz", [*read(labelled, index=":2"), larger], format="extxyz")
    found = read_frames(tmp_path / "mixed.extxyz").derivatives[keys.DIPOLE_DERIVATIVE]
    assert found.shape == (3, 6, 3, 3)
    assert (found[0, 3:] == 0).all() and np.isfinite(found[0]).all() and np.isnan(found[2]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a[:, :8], r"has shape \(3, 8\), needs 9 numbers an atom"),
        (lambda a: np.where(a == a[0, 0], np.nan, a), "holds NaN"),
        (lambda a: a.reshape(3, 3, 3).swapaxes(1, 2).reshape(3, 9), "is not the derivative of REF_dipole"),
        (lambda a: a[::-1], "is not the derivative of REF_dipole"),
        (lambda a: a * 1.89, "is not the derivative of REF_dipole"),
    ],
)
def test_derivatives_that_cannot_be_right_are_told(labelled, tmp_path, change, words):
    frame = read(labelled, index="0")
    column = f"REF_{keys.DIPOLE_DERIVATIVE}"
    values = frame.arrays.pop(column)
    frame.arrays[column] = change(values)
    write(tmp_path / "wrong.extxyz", frame, format="extxyz")
    with pytest.raises(InputError, match=f"frame 0: {column} {words}"):
        read_frames(tmp_path / "wrong.extxyz")


def test_the_sum_rules_are_those_of_a_tensor_that_moves_and_turns():
    """Closed form: point charges, and the outer product of a distance; another tensor's are not theirs."""
    rng = np.random.default_rng(1)
    positions, charges = rng.normal(size=(4, 3)), np.array([0.3, -0.5, 0.4, -0.2])
    dipole = charges @ positions
    slope = np.einsum("i,xy->ixy", charges, np.eye(3))
    assert sum_rule_residual(slope, positions, dipole) < 1e-12
    apart = positions[0] - positions[1]
    alpha, turned = np.outer(apart, apart), np.zeros((4, 3, 3, 3))
    by_apart = np.einsum("xz,y->xyz", np.eye(3), apart) + np.einsum("yz,x->xyz", np.eye(3), apart)
    turned[0], turned[1] = by_apart, -by_apart
    assert sum_rule_residual(turned, positions, alpha) < 1e-12
    assert sum_rule_residual(turned, positions, 2 * alpha) > 0.1
    assert sum_rule_residual(turned + 0.1, positions, alpha) > 0.1


def test_changes_along_displacements_are_those_of_the_labels(labelled):
    """GFN2-xTB itself at the displaced geometries; third derivatives and the field are what is left."""
    slopes = slopes_of(read_frames(labelled), WEIGHTS, "cpu")
    assert len(slopes) == 16
    drawn = slopes.draw(2, np.random.default_rng(3))
    again = slopes.draw(2, np.random.default_rng(3))
    assert all(torch.equal(drawn[name], again[name]) for name in drawn)
    numbers = np.array([8, 1, 1])
    found = [xtb.label(numbers, r) for r in drawn[DISPLACED].double().numpy()]
    for name, derivative in keys.DERIVATIVES.items():
        change = np.array([found[k][name] - found[k + 2][name] for k in range(2)])
        np.testing.assert_allclose(drawn[derivative], change, atol=0.02 * slopes.spreads[name])
        assert 0.3 < np.sqrt(np.mean(np.square(change))) / slopes.spreads[name] < 3


def test_the_loss_of_what_a_model_itself_says_is_zero(labelled):
    """Its own differences in place of the labels' leave no loss, those of another model do."""
    frames = read_frames(labelled)
    slopes = slopes_of(frames, WEIGHTS, "cpu")
    potential = new_potential(SMALL, 0, 1).double()
    potential.train()
    weights = dict.fromkeys(keys.PROPERTIES, 0.0) | {keys.DIPOLE: 1e-9, keys.POLARIZABILITY: 1e-9}
    weights |= dict.fromkeys(BOTH, 1.0)
    spreads = dict.fromkeys(keys.PROPERTIES, 1.0) | {
        keys.DERIVATIVES[n]: v for n, v in slopes.spreads.items()
    }
    loss = Loss(weights, spreads, knee=0.005)
    batch = {name: value[:4] for name, value in to_batch(frames, "cpu").items()}
    batch |= slopes.draw(3, np.random.default_rng(0))
    wrong = loss(potential, batch).item()
    out = potential(torch.tensor([[8, 1, 1]] * 6), batch[DISPLACED], (keys.DIPOLE, keys.POLARIZABILITY))
    for name, derivative in keys.DERIVATIVES.items():
        plus, minus = out[name].detach().chunk(2)
        batch[derivative] = plus - minus
    assert loss(potential, batch).item() < 1e-4 * wrong


def test_each_property_counts_where_its_label_is(labelled):
    """Frames that bring the one alone, weights of zero, and derivatives that vanish by symmetry."""
    frames = read_frames(labelled)
    dipole, alpha = (frames.derivatives[name].copy() for name in BOTH)
    dipole[:16], alpha[16:] = np.nan, np.nan
    apart = dataclasses.replace(frames, derivatives=dict(zip(BOTH, (dipole, alpha), strict=True)))
    slopes = slopes_of(apart, WEIGHTS, "cpu")
    assert len(slopes) == 16 and set(slopes.derivatives) == set(keys.DERIVATIVES)
    spreads = dict.fromkeys(keys.PROPERTIES, 1.0) | {
        keys.DERIVATIVES[name]: spread for name, spread in slopes.spreads.items()
    }
    batch = {name: value[:2] for name, value in to_batch(frames, "cpu").items()}
    batch |= slopes.draw(16, np.random.default_rng(0))
    potential = new_potential(SMALL, 0, 1)
    potential.train()
    loss = Loss(WEIGHTS, spreads, knee=0.005)(potential, batch)
    loss.backward()
    assert torch.isfinite(loss) and all(
        torch.isfinite(one.grad).all() for one in potential.parameters() if one.grad is not None
    )
    without = slopes_of(apart, WEIGHTS | {keys.DIPOLE_DERIVATIVE: 0.0}, "cpu")
    assert len(without) == 8 and list(without.derivatives) == [keys.POLARIZABILITY]
    assert slopes_of(apart, WEIGHTS | dict.fromkeys(BOTH, 0.0), "cpu") is None
    assert slopes_of(frames.take(range(1, 32, 2)), WEIGHTS, "cpu") is None
    flat = dataclasses.replace(frames, derivatives={keys.DIPOLE_DERIVATIVE: 0 * frames.derivatives[BOTH[0]]})
    assert slopes_of(flat, WEIGHTS, "cpu").spreads[keys.DIPOLE] > 1e-4


def test_what_vanishes_by_symmetry_is_read_and_what_is_left_empty_is_not(labelled, tmp_path):
    nitrogen = molecule("N2")
    labels = xtb.label(nitrogen.numbers, nitrogen.positions, derivatives=True)
    labels[keys.DIPOLE_DERIVATIVE] += 3e-4 * np.random.default_rng(0).normal(size=(2, 3, 3))
    write(
        tmp_path / "n2.extxyz",
        labelled_atoms(nitrogen.numbers, nitrogen.positions, labels, {}),
        format="extxyz",
    )
    assert set(read_frames(tmp_path / "n2.extxyz").derivatives) == set(BOTH)
    frame = read(labelled, index="0")
    frame.arrays["REF_dipole_derivative"] *= 0
    write(tmp_path / "zeros.extxyz", frame, format="extxyz")
    with pytest.raises(InputError, match="is not the derivative of REF_dipole"):
        read_frames(tmp_path / "zeros.extxyz")


def test_an_ions_derivative_about_an_origin_at_rest_is_named(tmp_path):
    ammonium = molecule("NH3")
    labels = xtb.label(ammonium.numbers, ammonium.positions, 1, 2, derivatives=True)
    frame = labelled_atoms(ammonium.numbers, ammonium.positions, labels, {})
    write(tmp_path / "right.extxyz", frame, format="extxyz")
    assert read_frames(tmp_path / "right.extxyz").derivatives
    shares = atomic_masses[ammonium.numbers] / atomic_masses[ammonium.numbers].sum()
    labels[keys.DIPOLE_DERIVATIVE] += np.einsum("i,xy->ixy", shares, np.eye(3))
    frame = labelled_atoms(ammonium.numbers, ammonium.positions, labels, {})
    write(tmp_path / "fixed.extxyz", frame, format="extxyz")
    with pytest.raises(InputError, match="sums to 1 e over the atoms: an ion's"):
        read_frames(tmp_path / "fixed.extxyz")


def test_errors_of_derivatives_are_told(gathered, labelled):
    """Labels are the model's own derivative by autograd, moved by a known amount: that is the error."""
    fit(gathered, "told.pt", epochs=2)
    model, frames = load_model(gathered / "told.pt"), read_frames(labelled).take(range(0, 8, 2))
    positions = torch.tensor(frames.positions, dtype=torch.float32, requires_grad=True)
    model.train()
    dipole = model(torch.as_tensor(frames.numbers), positions, (keys.DIPOLE,))[keys.DIPOLE]
    exact = torch.stack(
        [torch.autograd.grad(dipole[:, x].sum(), positions, retain_graph=True)[0] for x in range(3)], 2
    )
    model.eval()
    slopes = {keys.DIPOLE_DERIVATIVE: exact.numpy() + 0.25}
    row = slope_rows([model], dataclasses.replace(frames, derivatives=slopes))[0]
    assert (row["property"], row["unit"], row["n"]) == (keys.DIPOLE_DERIVATIVE, "e", 4 * 27)
    assert row["mae"] == pytest.approx(0.25, abs=2e-4) and row["rmse"] == pytest.approx(0.25, abs=2e-4)
    assert row["baseline_mae"] == pytest.approx(np.abs(slopes[keys.DIPOLE_DERIVATIVE]).mean())
    told = [row["property"] for row in evaluate_files([gathered / "told.pt"], labelled)]
    assert told == [*keys.PROPERTIES, *BOTH]


def fit(folder: Path, name: str, **change):
    settings = SETTINGS.model_copy(update=change)
    train_model(folder / "dataset.extxyz", folder / "split.json", folder / name,
                folder / f"{name}.jsonl", settings, SMALL)  # fmt: skip
    return load_model(folder / name)


def slope_errors(model, frames) -> dict[str, float]:
    """Mean absolute error of the derivatives along one displacement, in parts of their spread."""
    index = np.arange(0, len(frames), 2)
    slopes = slopes_of(frames.take(index), WEIGHTS, "cpu")
    drawn = slopes.draw(len(index), np.random.default_rng(5))
    out = model(torch.tensor([[8, 1, 1]] * (2 * len(index))), drawn[DISPLACED], keys.PROPERTIES)
    errors = {}
    for name, derivative in keys.DERIVATIVES.items():
        plus, minus = out[name].chunk(2)
        errors[name] = float((plus - minus - drawn[derivative]).abs().mean()) / slopes.spreads[name]
    return errors


def test_derivatives_are_learnt(gathered):
    """On frames of other geometries: closer than a model that has seen the tensors alone."""
    torch.set_num_threads(1)
    rng, unseen = np.random.default_rng(9), []
    for _ in range(12):
        water = molecule("H2O")
        water.positions += rng.normal(scale=0.05, size=(3, 3))
        labels = xtb.label(water.numbers, water.positions, derivatives=True)
        unseen.append(labelled_atoms(water.numbers, water.positions, labels, {}))
    write(gathered / "unseen.extxyz", unseen, format="extxyz")
    frames = read_frames(gathered / "unseen.extxyz")
    none = SETTINGS.loss.model_copy(update=dict.fromkeys(BOTH, 0.0))
    with_them, without = (
        slope_errors(fit(gathered, name, **change), frames)
        for name, change in (("with.pt", {}), ("without.pt", {"loss": none}))
    )
    for name in keys.DERIVATIVES:
        assert with_them[name] < 0.7 * without[name], (with_them, without)


def test_a_resumed_training_sees_the_same_displacements(gathered, monkeypatch):
    """Stopped after a checkpoint and started again: the weights of a training without interruption."""
    from painn_spectra import fitting

    short = {"epochs": 6, "checkpoint_interval_s": 1e-6}
    straight = fit(gathered, "straight.pt", **short)
    advance, calls = fitting.Progress.advance, []

    def stops(self, *arguments, **more):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        advance(self, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(fitting.Progress, "advance", stops)
        with pytest.raises(KeyboardInterrupt):
            fit(gathered, "stopped.pt", **short)
    resumed = fit(gathered, "stopped.pt", **short)
    for a, b in zip(straight.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert STEP_A == 0.01
