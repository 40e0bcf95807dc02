"""The training step written out by hand is the same function, with the same gradients, as autograd's."""

from functools import partial

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.data import atomic_masses
from torch import nn

from painn_spectra import keys
from painn_spectra.loss import Batch, Loss, faster
from painn_spectra.model.lanes import LANES
from painn_spectra.model.potential import Potential

pytest.importorskip("numba")
from painn_spectra.model.training_engine import TrainingEngine

EVEN = dict.fromkeys(keys.PROPERTIES, 1.0)


def potential(n_features: int, n_layers: int, cutoff_A: float, charge: int = 0) -> Potential:
    """Random weights, biases too, scales that are not one."""
    torch.manual_seed(n_features + n_layers)
    new = Potential(n_features, n_layers, 12, cutoff_A, atomic_masses, charge, norm_epsilon=0.03)
    for parameter in new.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, std=0.2)
    new.energy_scale_eV.fill_(1.7)
    new.dipole_scale_eA.fill_(0.4)
    new.polarizability_scale_A3.fill_(0.9)
    return new.double().train()


def batch(*names: str) -> Batch:
    """Shaken molecules, padded, with random labels."""
    rng = np.random.default_rng(len(names))
    frames = [molecule(name) for name in names]
    n = max(map(len, frames))
    numbers, positions = np.zeros((len(frames), n), int), np.zeros((len(frames), n, 3))
    for row, frame in enumerate(frames):
        numbers[row, : len(frame)] = frame.numbers
        positions[row, : len(frame)] = frame.positions + rng.normal(scale=0.1, size=(len(frame), 3))
    shapes = {keys.ENERGY: (), keys.FORCES: (n, 3), keys.DIPOLE: (3,), keys.POLARIZABILITY: (3, 3)}
    labels = {name: rng.normal(size=(len(frames), *shape)) for name, shape in shapes.items()}
    labels[keys.FORCES][numbers == 0] = 0.0
    arrays = {keys.NUMBERS: numbers, keys.POSITIONS: positions, **labels}
    return {name: torch.as_tensor(value) for name, value in arrays.items()}


def gradients(loss_of, model: Potential, data: Batch) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    value = loss_of(data)
    value.backward()
    return value.item(), {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}


def largest_difference(model: Potential, data: Batch, weights: dict[str, float]) -> float:
    """Of the loss and all weights' gradients, relative to the largest gradient of each weight."""
    loss = Loss(EVEN | weights, EVEN)
    value, wanted = gradients(partial(loss, model), model, data)
    engine = TrainingEngine(model)
    differences = []
    for _ in range(2):  # the second step reuses the first one's arrays
        got_value, got = gradients(partial(loss, engine), model, data)
        differences.append(abs(got_value / value - 1))
        assert all(name in got or not gradient.any() for name, gradient in wanted.items())
        top = max(float(gradient.abs().max()) for gradient in wanted.values())
        for name, gradient in got.items():
            other = wanted.get(name, torch.zeros_like(gradient))
            unit = max(float(other.abs().max()), 1e-6 * top)
            differences.append(float((gradient - other).abs().max()) / unit)
    return max(differences)


@pytest.mark.parametrize(
    ("names", "n_features", "n_layers", "cutoff_A", "charge"),
    [
        (["CH3CH2OH"] * 3, 32, 3, 5.0, 0),
        (["H2O", "CH3CH2OH", "HCl", "CH4"], 32, 2, 4.0, 1),  # padding
        (["C6H6", "C6H6"], 32, 4, 2.2, 0),  # pairs beyond the cutoff
        (["H2O"], 6 * LANES, 1, 5.0, -1),
    ],
)
def test_gradients_are_autograds(names, n_features, n_layers, cutoff_A, charge):
    model = potential(n_features, n_layers, cutoff_A, charge)
    assert largest_difference(model, batch(*names), {}) < 1e-9


@pytest.mark.parametrize("only", keys.PROPERTIES)
def test_one_property_alone(only):
    model, weights = potential(32, 2, 5.0), dict.fromkeys(keys.PROPERTIES, 0.0) | {only: 1.0}
    assert largest_difference(model, batch("H2O", "NH3"), weights) < 1e-9


def test_atoms_without_neighbours():
    """No pair at all, and an atom beside a molecule that has some."""
    model = potential(32, 2, 5.0)
    assert largest_difference(model, batch("H", "O"), {}) < 1e-9
    assert largest_difference(model, batch("H", "H2O"), {}) < 1e-9


def test_single_precision():
    """Rounding alone, of sums that cancel."""
    data = {k: v.float() if v.is_floating_point() else v for k, v in batch(*["CH3CH2OH"] * 4).items()}
    assert largest_difference(potential(64, 3, 5.0).float(), data, {}) < 1e-3


def test_two_batches_before_going_back():
    """Each keeps arrays of its own until its gradients are taken."""
    model = potential(32, 2, 5.0)
    loss, engine = Loss(EVEN, EVEN), TrainingEngine(model)
    one, two = batch("H2O", "H2O"), batch("H2O", "H2O", "H2O")
    two = {name: value[1:] for name, value in two.items()}  # the same shape, other numbers
    _, wanted = gradients(lambda data: loss(model, data) + 2 * loss(model, two), model, one)
    _, got = gradients(lambda data: loss(engine, data) + 2 * loss(engine, two), model, one)
    for name, gradient in wanted.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-9, atol=1e-12)


def test_training_takes_it_where_it_fits():
    for n_features, fits in ((32, True), (24, False)):
        model = potential(n_features, 1, 5.0)
        loss_of = faster(Loss(EVEN, EVEN), model, batch("H2O"), 1)
        assert isinstance(loss_of.args[0], TrainingEngine) == fits
