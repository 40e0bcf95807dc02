"""What a training step keeps of the forward pass for the ways back: one set of arrays per batch of molecules.

Arrays of two: [0] the value and [1] its change along the displacement; of gradients, `_adj`, [0] that of the
loss and [1] that of the energy. So a weight's gradient is one product over both.
"""

from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor

from painn_spectra.model.lanes import LANES


class One:
    """An array (..., n) in the shapes in which it is used."""

    def __init__(self, *shape: int, dtype: torch.dtype) -> None:
        self.t = torch.empty(shape, dtype=dtype)
        self.rows = self.t.flatten(0, -2)
        self.n = self.t.numpy()


class Both:
    """An array (2, ..., n) and its halves, in the shapes in which they are used."""

    def __init__(self, *shape: int, dtype: torch.dtype) -> None:
        whole = torch.empty((2, *shape), dtype=dtype)
        self.all = whole.flatten(0, -2)  # both halves' rows
        self.t = whole.unbind(0)
        self.rows = tuple(half.flatten(0, -2) for half in self.t)
        self.n = tuple(half.numpy() for half in self.t)


@dataclass(frozen=True)
class Layer:
    s_in: Both  # (2, a, F), before the message
    hidden: Both  # (2, a, F), of φ before SiLU
    active: Both  # (2, a, F), after it
    phi: Both  # (2, a, 3F)
    phi_adj: Both
    active_adj: Both
    hidden_adj: Both
    v_in: Both  # (2, a, 3, F)
    v: Both  # (2, a, 3, F), after the message
    uv: Both  # (2, a, 3, 2F)
    uv_adj: Both
    x: Both  # (2, a, 2F), s and |Vv|
    x_adj: Both
    gate_hidden: Both  # (2, a, F)
    gate_active: Both
    gate: Both  # (2, a, 3F)
    gate_adj: Both
    gate_active_adj: Both
    gate_hidden_adj: Both
    hat_s_out: One  # (a, F), ∂E/∂s after the update
    hat_v_out: One  # (a, 3, F)
    hat_s: One  # and after the message
    hat_v: One
    filters: NDArray  # (3, 2, pairs, F): s, vs, vv; W and dW/dr
    filters_adj: NDArray


@dataclass(frozen=True)
class Tape:
    """For `a` atoms and a number of pairs."""

    layers: list[Layer]
    filters: Tensor  # (3 of every layer, 2 pairs, F)
    filters_adj: Tensor
    basis: Both  # (2, pairs, n_radial + 1) and its slope
    by_pair: NDArray  # (pairs, 4 LANES), partial sums
    r_dot: NDArray  # (pairs,)
    u_dot: NDArray  # (pairs, 3)
    s: Both  # (2, a, F), running, then the last
    v: Both  # (2, a, 3, F)
    s_bar: One  # (a, F), running
    v_bar: One  # (a, 3, F)
    v_below: One
    energy_hidden: Both  # (2, a, F/2)
    energy_active: Both
    energy_hidden_adj: Both
    energy_active_adj: Both


def new_tape(
    n_layers: int, n_features: int, n_radial: int, n_atoms: int, n_pairs: int, dtype: torch.dtype
) -> Tape:
    a, f = n_atoms, n_features

    def both(*shape: int) -> Both:
        return Both(*shape, dtype=dtype)

    def one(*shape: int) -> One:
        return One(*shape, dtype=dtype)

    filters, filters_adj = (torch.empty((3 * n_layers, 2 * n_pairs, f), dtype=dtype) for _ in range(2))
    layers = [
        Layer(
            s_in=both(a, f), hidden=both(a, f), active=both(a, f), phi=both(a, 3 * f), phi_adj=both(a, 3 * f),
            active_adj=both(a, f), hidden_adj=both(a, f), v_in=both(a, 3, f), v=both(a, 3, f),
            uv=both(a, 3, 2 * f), uv_adj=both(a, 3, 2 * f), x=both(a, 2 * f), x_adj=both(a, 2 * f),
            gate_hidden=both(a, f), gate_active=both(a, f), gate=both(a, 3 * f), gate_adj=both(a, 3 * f),
            gate_active_adj=both(a, f), gate_hidden_adj=both(a, f),
            hat_s_out=one(a, f), hat_v_out=one(a, 3, f), hat_s=one(a, f), hat_v=one(a, 3, f),
            filters=filters[3 * k : 3 * k + 3].view(3, 2, n_pairs, f).numpy(),
            filters_adj=filters_adj[3 * k : 3 * k + 3].view(3, 2, n_pairs, f).numpy(),
        )
        for k in range(n_layers)
    ]  # fmt: skip
    return Tape(
        layers=layers, filters=filters, filters_adj=filters_adj, basis=both(n_pairs, n_radial + 1),
        by_pair=one(n_pairs, 4 * LANES).n, r_dot=one(1, n_pairs).n[0], u_dot=one(n_pairs, 3).n,
        s=both(a, f), v=both(a, 3, f), s_bar=one(a, f), v_bar=one(a, 3, f), v_below=one(a, 3, f),
        energy_hidden=both(a, f // 2), energy_active=both(a, f // 2),
        energy_hidden_adj=both(a, f // 2), energy_active_adj=both(a, f // 2),
    )  # fmt: skip
