"""PaiNN's energy and its gradient as one differentiable function, written out by hand: training on the CPU.

Force training needs the derivative of ∂E/∂r with respect to the weights. With ḡ the loss's gradient with
respect to ∂E/∂r, ⟨ḡ, ∂E/∂r⟩ is the change of E along the displacement ḡ: so backwards, one pass carries the
values' changes along ḡ forward, and one carries the gradients of both back.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from painn_spectra.model.lanes import LANES
from painn_spectra.model.potential import Potential
from painn_spectra.model.radial import basis_and_slope
from painn_spectra.model.tape import Tape, new_tape
from painn_spectra.model.training_heads import first_block
from painn_spectra.model.training_pairs import find_pairs
from painn_spectra.model.training_passes import (
    LayerWeights,
    Pairs,
    Weights,
    adjoint_pass,
    forward_pass,
    gradient_pass,
    tangent_pass,
)  # fmt: skip


def pairs_within(positions: NDArray, sizes: NDArray, cutoff_A: float) -> Pairs:
    """positions: (a, 3) | Å, whose precision directions get; sizes: (molecules,) atoms of each."""
    room = int((sizes * (sizes - 1) // 2).sum())
    found, distances, directions = np.empty((room, 2), np.int64), np.empty(room), np.empty((room, 3))
    first_atoms = np.concatenate([[0], np.cumsum(sizes)])
    starts = np.empty_like(first_atoms)
    find_pairs(positions.astype(np.float64), first_atoms, cutoff_A, starts, found, distances, directions)
    n = starts[-1]
    return Pairs(starts, found[:n], distances[:n], directions[:n].astype(positions.dtype))


def fits(potential: Potential) -> bool:
    """Whether the loops come out even, also over the half as many features inside the heads."""
    return potential.painn.n_features % (2 * LANES) == 0


class TrainingEngine:
    """Stands in for a `Potential` in training mode on the CPU."""

    def __init__(self, potential: Potential) -> None:
        self.potential = potential
        self.tapes: list[tuple[Any, Tape]] = []  # at rest
        for head in (potential.dipole_head, potential.polarizability_head):
            head.atomic.run_first = first_block

    def __call__(self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...]) -> dict[str, Tensor]:
        """As `Potential.forward` in training mode."""
        real = numbers > 0
        painn: Any = self.potential.painn
        weights = self.weights()
        positions = positions.to(weights[0].dtype)
        pairs = pairs_within(positions.numpy()[real.numpy()], real.sum(1).numpy(), painn.cutoff_A)
        elements, which = torch.unique(numbers[real], return_inverse=True)
        first_s = painn.embedding(elements - 1)
        first_phi = painn.messages[0].phi(first_s)
        every_s, every_phi = functional.embedding(which, first_s), functional.embedding(which, first_phi)
        out = EnergyGradient.apply(self, pairs, every_s, every_phi, *weights)
        net_energy, gradient, s, v = (_padded(one, real) for one in out)
        return self.potential.assemble(
            numbers, positions, real.to(positions.dtype), properties, net_energy.sum(1), gradient, s, v
        )

    def weights(self) -> list[Tensor]:
        """In the order in which `EnergyGradient` takes them and gives their gradients."""
        painn: Any = self.potential.painn
        found = [painn.filters.weight, painn.filters.bias]
        for message, update in zip(painn.messages, painn.updates, strict=True):
            for linear in (message.phi[0], message.phi[2], update.a[0], update.a[2]):
                found += [linear.weight, linear.bias]
            found.append(update.mix.weight)
        net: Any = self.potential.energy_head.net
        return [*found, net[0].weight, net[0].bias, net[2].weight, net[2].bias]

    def take_tape(self, n_atoms: int, n_pairs: int) -> tuple[Any, Tape]:
        """One at rest, or a new one, and what tells its like."""
        painn = self.potential.painn
        sizes = len(painn.messages), painn.n_features, painn.n_radial
        shape = (*sizes, n_atoms, n_pairs, painn.filters.weight.dtype)
        while self.tapes:
            one = self.tapes.pop()
            if one[0] == shape:
                return one
        return shape, new_tape(*shape)


def _padded(values: Tensor, real: Tensor) -> Tensor:
    """(a, ...) -> (b, n, ...), zero where there is no atom."""
    if bool(real.all()):
        return values.view(*real.shape, *values.shape[1:])
    full = values.new_zeros(real.numel(), *values.shape[1:])
    full = full.index_put((real.flatten().nonzero().squeeze(1),), values)
    return full.view(*real.shape, *values.shape[1:])


class EnergyGradient(torch.autograd.Function):
    """(s, φ of the first layer, weights) -> atoms' energies (a,), ∂E/∂r (a, 3), s (a, F), v (a, 3, F)."""

    @staticmethod
    def forward(
        ctx: Any, engine: "TrainingEngine", pairs: Pairs, first_s: Tensor, first_phi: Tensor, *tensors: Tensor
    ) -> Any:
        key, tape = engine.take_tape(len(first_s), len(pairs.atoms))
        weights = arranged(tensors, engine.potential.painn.norm_epsilon)
        ctx.engine, ctx.pairs, ctx.tape, ctx.key = engine, pairs, tape, key
        ctx.save_for_backward(*tensors)
        filters = torch.cat([tensors[0], tensors[1][:, None]], dim=1)  # (3F of every layer, n_radial + 1)
        n_radial = filters.shape[1] - 1
        values = basis_and_slope(pairs.distances, n_radial, engine.potential.painn.cutoff_A)
        for half, value in zip(tape.basis.t, values, strict=True):
            half.copy_(torch.from_numpy(value))
        for out, one in zip(tape.filters, filters.T.split(first_s.shape[1], dim=1), strict=True):
            torch.mm(tape.basis.all, one, out=out)
        energies = forward_pass(tape, pairs, first_s, first_phi, weights)
        gradient = torch.from_numpy(gradient_pass(tape, pairs, weights))
        return energies, gradient.to(first_s.dtype), tape.s.t[0].clone(), tape.v.t[0].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, bar_energy: Tensor, bar_gradient: Tensor, bar_s: Tensor, bar_v: Tensor) -> Any:
        """bar_*: the loss's gradients with respect to what `forward` returned."""
        tape = ctx.tape
        weights = arranged(ctx.saved_tensors, ctx.engine.potential.painn.norm_epsilon)
        tangent_pass(tape, ctx.pairs, bar_gradient.double().numpy(), weights)
        tape.s_bar.t.copy_(bar_s)
        tape.v_bar.t.copy_(bar_v)
        gradients = adjoint_pass(tape, ctx.pairs, bar_energy, weights)
        by_filters = torch.cat([(tape.basis.all.T @ one).T for one in tape.filters_adj])
        s_bar, phi_bar = tape.s_bar.t.clone(), tape.layers[0].phi_adj.t[0].clone()
        ctx.engine.tapes.append((ctx.key, tape))
        return None, None, s_bar, phi_bar, by_filters[:, :-1], by_filters[:, -1], *gradients


def arranged(tensors: tuple[Tensor, ...], norm_epsilon: float) -> Weights:
    """In the order of `TrainingEngine.weights`."""
    per_layer = len(LayerWeights._fields)
    layers = [LayerWeights(*tensors[k : k + per_layer]) for k in range(2, len(tensors) - 4, per_layer)]
    return Weights(layers, norm_epsilon, *tensors[-4:])
