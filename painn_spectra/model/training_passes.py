"""The four passes of a training step through PaiNN, over a `Tape`; notation of training_pairs.py.

Forward: values. Gradient: ∂E/∂ of all of them, and ∂E/∂r. Tangent: changes of the values along a displacement
of the atoms. Adjoint: the loss's gradient with respect to all of them, back to the weights.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from painn_spectra.model import training_atoms as per_atom
from painn_spectra.model import training_pairs as per_pair
from painn_spectra.model import training_second as second
from painn_spectra.model.tape import Both, Tape


class Pairs(NamedTuple):
    """Of all molecules of a batch, atoms numbered through without padding."""

    starts: NDArray  # (molecules + 1,), where each molecule's pairs begin
    atoms: NDArray  # (pairs, 2)
    distances: NDArray  # (pairs,) | Å
    directions: NDArray  # (pairs, 3)


class LayerWeights(NamedTuple):
    phi_in: Tensor
    phi_in_bias: Tensor
    phi_out: Tensor
    phi_out_bias: Tensor
    gate_in: Tensor
    gate_in_bias: Tensor
    gate_out: Tensor
    gate_out_bias: Tensor
    mix: Tensor


class Weights(NamedTuple):
    layers: list[LayerWeights]
    norm_epsilon: float
    energy_in: Tensor
    energy_in_bias: Tensor
    energy_out: Tensor
    energy_out_bias: Tensor


def forward_pass(tape: Tape, pairs: Pairs, first_s: Tensor, first_phi: Tensor, weights: Weights) -> Tensor:
    """Fill in the values; the tape's filters are there. Returns the atoms' energies (a,)."""
    s, v = tape.s, tape.v
    s.t[0].copy_(first_s)
    v.t[0].zero_()
    for k, (layer, w) in enumerate(zip(tape.layers, weights.layers, strict=True)):
        if k == 0:
            layer.phi.t[0].copy_(first_phi)
        else:
            layer.s_in.t[0].copy_(s.t[0])
            layer.v_in.t[0].copy_(v.t[0])
            torch.addmm(w.phi_in_bias, s.t[0], w.phi_in.T, out=layer.hidden.t[0])
            per_atom.silu(layer.hidden.n[0], layer.active.n[0])
            torch.addmm(w.phi_out_bias, layer.active.t[0], w.phi_out.T, out=layer.phi.t[0])
        per_pair.message(
            pairs.starts, pairs.atoms, pairs.directions, layer.filters, layer.phi.n[0], layer.v_in.n[0],
            k == 0, s.n[0], v.n[0],
        )  # fmt: skip
        layer.v.t[0].copy_(v.t[0])
        torch.mm(layer.v.rows[0], w.mix.T, out=layer.uv.rows[0])
        per_atom.gate_input(s.n[0], layer.uv.n[0], weights.norm_epsilon, layer.x.n[0])
        torch.addmm(w.gate_in_bias, layer.x.t[0], w.gate_in.T, out=layer.gate_hidden.t[0])
        per_atom.silu(layer.gate_hidden.n[0], layer.gate_active.n[0])
        torch.addmm(w.gate_out_bias, layer.gate_active.t[0], w.gate_out.T, out=layer.gate.t[0])
        per_atom.update(layer.uv.n[0], layer.gate.n[0], s.n[0], v.n[0])
    torch.addmm(weights.energy_in_bias, s.t[0], weights.energy_in.T, out=tape.energy_hidden.t[0])
    per_atom.silu(tape.energy_hidden.n[0], tape.energy_active.n[0])
    return torch.addmm(weights.energy_out_bias, tape.energy_active.t[0], weights.energy_out.T).squeeze(1)


def gradient_pass(tape: Tape, pairs: Pairs, weights: Weights) -> NDArray:
    """Fill in the energy's gradients. Returns ∂E/∂r (a, 3), float64."""
    by_r = np.zeros((len(tape.s.t[0]), 3))
    tape.energy_active_adj.t[1].copy_(weights.energy_out.expand_as(tape.energy_active_adj.t[1]))
    per_atom.silu_slope(tape.energy_hidden.n[0], tape.energy_active_adj.n[1], tape.energy_hidden_adj.n[1])
    torch.mm(tape.energy_hidden_adj.t[1], weights.energy_in, out=tape.layers[-1].hat_s_out.t)
    tape.layers[-1].hat_v_out.t.zero_()
    for k in reversed(range(len(tape.layers))):
        layer, w, below = tape.layers[k], weights.layers[k], tape.layers[k - 1]
        per_atom.gate_gradient(layer.uv.n[0], layer.hat_s_out.n, layer.hat_v_out.n, layer.gate_adj.n[1])
        torch.mm(layer.gate_adj.t[1], w.gate_out, out=layer.gate_active_adj.t[1])
        per_atom.silu_slope(layer.gate_hidden.n[0], layer.gate_active_adj.n[1], layer.gate_hidden_adj.n[1])
        torch.mm(layer.gate_hidden_adj.t[1], w.gate_in, out=layer.x_adj.t[1])
        per_atom.update_gradient(
            layer.uv.n[0], layer.gate.n[0], layer.x.n[0], layer.x_adj.n[1], layer.hat_s_out.n,
            layer.hat_v_out.n, layer.uv_adj.n[1], layer.hat_s.n,
        )  # fmt: skip
        torch.addmm(layer.hat_v_out.rows, layer.uv_adj.rows[1], w.mix, out=layer.hat_v.rows)
        if k > 0:
            layer.phi_adj.t[1].zero_()
            below.hat_v_out.t.copy_(layer.hat_v.t)
        per_pair.message_gradient(
            *pairs, layer.filters, layer.phi.n[0], layer.v_in.n[0], k == 0, layer.hat_s.n, layer.hat_v.n,
            layer.phi_adj.n[1], below.hat_v_out.n, tape.by_pair, by_r,
        )  # fmt: skip
        if k > 0:
            torch.mm(layer.phi_adj.t[1], w.phi_out, out=layer.active_adj.t[1])
            per_atom.silu_slope(layer.hidden.n[0], layer.active_adj.n[1], layer.hidden_adj.n[1])
            torch.addmm(layer.hat_s.t, layer.hidden_adj.t[1], w.phi_in, out=below.hat_s_out.t)
    return by_r


def tangent_pass(tape: Tape, pairs: Pairs, displacement: NDArray, weights: Weights) -> None:
    """Fill in the values' changes along the atoms' displacement (a, 3)."""
    per_pair.pair_tangents(*pairs[1:], displacement, tape.r_dot, tape.u_dot)
    s, v = tape.s, tape.v
    s.t[1].zero_()
    v.t[1].zero_()
    for k, (layer, w) in enumerate(zip(tape.layers, weights.layers, strict=True)):
        if k > 0:
            layer.s_in.t[1].copy_(s.t[1])
            layer.v_in.t[1].copy_(v.t[1])
            torch.mm(s.t[1], w.phi_in.T, out=layer.hidden.t[1])
            per_atom.silu_slope(*layer.hidden.n, layer.active.n[1])
            torch.mm(layer.active.t[1], w.phi_out.T, out=layer.phi.t[1])
        second.message_tangent(
            pairs.starts, pairs.atoms, pairs.directions, tape.r_dot, tape.u_dot, layer.filters, *layer.phi.n,
            *layer.v_in.n, k == 0, s.n[1], v.n[1],
        )  # fmt: skip
        layer.v.t[1].copy_(v.t[1])
        torch.mm(layer.v.rows[1], w.mix.T, out=layer.uv.rows[1])
        per_atom.gate_input_tangent(s.n[1], *layer.uv.n, *layer.x.n)
        torch.mm(layer.x.t[1], w.gate_in.T, out=layer.gate_hidden.t[1])
        per_atom.silu_slope(*layer.gate_hidden.n, layer.gate_active.n[1])
        torch.mm(layer.gate_active.t[1], w.gate_out.T, out=layer.gate.t[1])
        per_atom.update_tangent(*layer.uv.n, *layer.gate.n, s.n[1], v.n[1])
    torch.mm(s.t[1], weights.energy_in.T, out=tape.energy_hidden.t[1])
    per_atom.silu_slope(*tape.energy_hidden.n, tape.energy_active.n[1])


def adjoint_pass(tape: Tape, pairs: Pairs, bar_energy: Tensor, weights: Weights) -> list[Tensor]:
    """Gradients of the weights, layer by layer and the energy head's.

    tape.s_bar and v_bar: the loss's gradients with respect to the last s and v; then to the first s.
    bar_energy: (a,), with respect to the atoms' energies.
    """
    s_bar, v_bar, v_below = tape.s_bar, tape.v_bar, tape.v_below
    torch.mul(bar_energy[:, None], weights.energy_out, out=tape.energy_active_adj.t[0])
    silu_adjoint(tape.energy_hidden, tape.energy_active_adj, tape.energy_hidden_adj)
    s_bar.t.addmm_(tape.energy_hidden_adj.t[0], weights.energy_in)
    by_out = bar_energy[None] @ tape.energy_active.t[0] + tape.energy_active.t[1].sum(0)
    gradients = [*linear(tape.energy_hidden_adj, tape.s), by_out, bar_energy.sum()[None]]
    for k in reversed(range(len(tape.layers))):
        layer, w = tape.layers[k], weights.layers[k]
        hats = layer.hat_s_out.n, layer.hat_v_out.n
        per_atom.gate_adjoint(*layer.uv.n, *hats, s_bar.n, v_bar.n, layer.gate_adj.n[0])
        torch.mm(layer.gate_adj.t[0], w.gate_out, out=layer.gate_active_adj.t[0])
        silu_adjoint(layer.gate_hidden, layer.gate_active_adj, layer.gate_hidden_adj)
        torch.mm(layer.gate_hidden_adj.t[0], w.gate_in, out=layer.x_adj.t[0])
        per_atom.update_adjoint(
            *layer.uv.n, *layer.gate.n, *layer.x.n, *layer.x_adj.n, *hats, s_bar.n, v_bar.n, layer.uv_adj.n[0]
        )
        v_bar.rows.addmm_(layer.uv_adj.rows[0], w.mix)
        v_below.t.copy_(v_bar.t)
        layer.phi_adj.t[0].zero_()
        second.message_adjoint(
            pairs.starts, pairs.atoms, pairs.directions, tape.r_dot, tape.u_dot, layer.filters, *layer.phi.n,
            *layer.v_in.n, k == 0, layer.hat_s.n, layer.hat_v.n, s_bar.n, v_bar.n, layer.phi_adj.n[0],
            v_below.n, layer.filters_adj,
        )  # fmt: skip
        v_bar, v_below = v_below, v_bar
        by_phi: list[Any] = [None] * 4  # the first layer's φ is a table of elements
        if k > 0:
            torch.mm(layer.phi_adj.t[0], w.phi_out, out=layer.active_adj.t[0])
            silu_adjoint(layer.hidden, layer.active_adj, layer.hidden_adj)
            s_bar.t.addmm_(layer.hidden_adj.t[0], w.phi_in)
            by_phi = [*linear(layer.hidden_adj, layer.s_in), *linear(layer.phi_adj, layer.active)]
        by_gate = [*linear(layer.gate_hidden_adj, layer.x), *linear(layer.gate_adj, layer.gate_active)]
        gradients = [*by_phi, *by_gate, layer.uv_adj.all.T @ layer.v.all, *gradients]
    return gradients


def linear(adjoint: Both, inputs: Both) -> tuple[Tensor, Tensor]:
    """Gradients of a layer's weight (out, in) and bias (out,)."""
    return adjoint.all.T @ inputs.all, adjoint.t[0].sum(0)


def silu_adjoint(hidden: Both, active_adj: Both, hidden_adj: Both) -> None:
    per_atom.silu_adjoint(*hidden.n, *active_adj.n, hidden_adj.n[0])
