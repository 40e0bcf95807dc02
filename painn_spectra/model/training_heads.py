"""The first gated block of a read-out with its gradient written out by hand, for training; see heads.py.

mixed: (a, 3, 2n), what goes into norms and what is gated, side by side; x: (a, F + n), s and the norms.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from painn_spectra.model.heads import GatedBlock
from painn_spectra.model.lanes import (
    LANES,
    compiled,
    exponential,
    load,
    spread,
    square_root,
    store,
    vector,
)
from painn_spectra.model.training_atoms import silu, silu_slope
from painn_spectra.model.training_pairs import dot


@compiled
def norms_beside(s, mixed, norm_epsilon, x):
    """x = (s, norms)."""
    f, n = s.shape[1], mixed.shape[2] // 2
    epsilon = spread(s.dtype.type(norm_epsilon))
    for i in range(len(s)):
        for k in range(0, f, LANES):
            store(x, i * (f + n) + k, load(s, i * f + k))
        for k in range(0, n, LANES):
            v = vector(mixed, i * 6 * n + k, 2 * n)
            store(x, i * (f + n) + f + k, square_root(dot(v, v) + epsilon))


@compiled
def gated(y, mixed, s_out, v_out):
    """s_out = silu of the first half of y (a, 2n); v_out (a, 3, n) = second half times the gated vectors."""
    n = s_out.shape[1]
    one, zero = spread(y.dtype.type(1)), spread(y.dtype.type(0))
    for i in range(len(y)):
        for k in range(0, n, LANES):
            value, gate = load(y, i * 2 * n + k), load(y, (i * 2 + 1) * n + k)
            store(s_out, i * n + k, value / (one + exponential(zero - value)))
            for c in range(3):
                store(v_out, (i * 3 + c) * n + k, gate * load(mixed, (i * 6 + 2 * c + 1) * n + k))


@compiled
def gated_gradient(y, mixed, bar_s, bar_v, bar_y, bar_mixed):
    """Write bar_y, and bar_mixed where it is gated."""
    n = bar_s.shape[1]
    one, zero = spread(y.dtype.type(1)), spread(y.dtype.type(0))
    for i in range(len(y)):
        for k in range(0, n, LANES):
            value, gate = load(y, i * 2 * n + k), load(y, (i * 2 + 1) * n + k)
            sigma = one / (one + exponential(zero - value))
            store(bar_y, i * 2 * n + k, load(bar_s, i * n + k) * sigma * (one + value * (one - sigma)))
            by_gate = zero
            for c in range(3):
                bar, at = load(bar_v, (i * 3 + c) * n + k), (i * 6 + 2 * c + 1) * n + k
                by_gate = by_gate + bar * load(mixed, at)
                store(bar_mixed, at, bar * gate)
            store(bar_y, (i * 2 + 1) * n + k, by_gate)


@compiled
def norms_gradient(x, mixed, bar_x, bar_s, bar_mixed):
    """Write bar_s, and bar_mixed where norms are taken."""
    f, n = bar_s.shape[1], mixed.shape[2] // 2
    for i in range(len(x)):
        for k in range(0, f, LANES):
            store(bar_s, i * f + k, load(bar_x, i * (f + n) + k))
        for k in range(0, n, LANES):
            at = i * (f + n) + f + k
            by_norm = load(bar_x, at) / load(x, at)
            for c in range(3):
                at = (i * 6 + 2 * c) * n + k
                store(bar_mixed, at, by_norm * load(mixed, at))


class FirstBlock(torch.autograd.Function):
    """(s (a, F), v (a, 3, F), weights of a `GatedBlock`) -> s (a, n), v (a, 3, n)."""

    @staticmethod
    def forward(
        ctx: Any,
        s: Tensor,
        v: Tensor,
        mix: Tensor,
        into: Tensor,
        into_bias: Tensor,
        out: Tensor,
        out_bias: Tensor,
        epsilon: float,
    ) -> Any:
        a, n = len(s), len(mix) // 2
        mixed, x = v.new_empty(a, 3, 2 * n), s.new_empty(a, into.shape[1])
        torch.mm(v.flatten(0, 1), mix.T, out=mixed.flatten(0, 1))
        norms_beside(s.numpy(), mixed.numpy(), epsilon, x.numpy())
        hidden = torch.addmm(into_bias, x, into.T)
        active = torch.empty_like(hidden)
        silu(hidden.numpy(), active.numpy())
        y = torch.addmm(out_bias, active, out.T)
        s_out, v_out = s.new_empty(a, n), v.new_empty(a, 3, n)
        gated(y.numpy(), mixed.numpy(), s_out.numpy(), v_out.numpy())
        ctx.save_for_backward(v, mix, into, out, mixed, x, hidden, active, y)
        return s_out, v_out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, bar_s: Tensor, bar_v: Tensor) -> Any:
        v, mix, into, out, mixed, x, hidden, active, y = ctx.saved_tensors
        bar_y, bar_mixed, bar_hidden = torch.empty_like(y), torch.empty_like(mixed), torch.empty_like(hidden)
        gated_gradient(
            y.numpy(),
            mixed.numpy(),
            np.ascontiguousarray(bar_s.numpy()),
            np.ascontiguousarray(bar_v.numpy()),
            bar_y.numpy(),
            bar_mixed.numpy(),
        )
        silu_slope(hidden.numpy(), torch.mm(bar_y, out).numpy(), bar_hidden.numpy())
        bar_x = torch.mm(bar_hidden, into)
        by_s = v.new_empty(len(v), v.shape[2])
        norms_gradient(x.numpy(), mixed.numpy(), bar_x.numpy(), by_s.numpy(), bar_mixed.numpy())
        flat = bar_mixed.flatten(0, 1)
        return (
            by_s, torch.mm(flat, mix).view_as(v), flat.T @ v.flatten(0, 1),
            bar_hidden.T @ x, bar_hidden.sum(0), bar_y.T @ active, bar_y.sum(0), None,
        )  # fmt: skip


def first_block(block: GatedBlock, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """As block(s, v), (b, n, F) and (b, n, 3, F) without second derivatives."""
    into, _, out = block.net
    s_out, v_out = FirstBlock.apply(
        s.flatten(0, 1),
        v.flatten(0, 1),
        block.mix.weight,
        into.weight,
        into.bias,
        out.weight,
        out.bias,
        block.epsilon,
    )
    return s_out.view(*s.shape[:2], -1), v_out.view(*v.shape[:3], -1)
