"""What the engine keeps between calls: packed weights, and buffers for a block of atoms."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from painn_spectra.model.filter_table import filter_tables
from painn_spectra.model.potential import Potential
from painn_spectra.model.products import COLUMNS, packed


class Weights(NamedTuple):
    """One entry per layer along the first axis, but for the energy head; `_back`: packed for the gradient."""

    inverse_step: float  # of the tables, 1/Å
    tables: NDArray
    phi_in: NDArray  # F -> F
    phi_in_back: NDArray
    phi_in_bias: NDArray  # (n_layers, F)
    phi_out: NDArray  # F -> 3F
    phi_out_back: NDArray
    phi_out_bias: NDArray
    mix: NDArray  # F -> 2F
    mix_back: NDArray
    gate_s: NDArray  # F -> F, what the gate's first matrix does with s
    gate_s_back: NDArray
    gate_norm: NDArray  # F -> F, and with |Vv|
    gate_norm_back: NDArray
    gate_in_bias: NDArray
    gate_out: NDArray  # F -> 3F
    gate_out_back: NDArray
    narrow_back: NDArray  # of the last layer without a_vv
    gate_out_bias: NDArray
    energy_in: NDArray  # F -> F/2, filled up with zeros to a multiple of 16
    energy_in_back: NDArray
    energy_in_bias: NDArray
    energy_out: NDArray  # (F/2 filled up,)


def pack_weights(potential: Potential) -> Weights:
    """Copies: a potential that is trained on needs a new engine."""
    painn, n = potential.painn, potential.painn.n_features
    dtype = painn.embedding.weight.detach().numpy().dtype

    def forth(weights: list[Tensor]) -> NDArray:
        return np.stack([packed(w.detach().numpy().T) for w in weights])

    def back(weights: list[Tensor]) -> NDArray:
        return np.stack([packed(w.detach().numpy()) for w in weights])

    def biases(linears: list[Any]) -> NDArray:
        return np.stack([linear.bias.detach().numpy() for linear in linears])

    phi_in, phi_out = [m.phi[0] for m in painn.messages], [m.phi[2] for m in painn.messages]
    gate_in, gate_out = [u.a[0] for u in painn.updates], [u.a[2] for u in painn.updates]
    mix = [u.mix.weight for u in painn.updates]
    gate_s, gate_norm = [g.weight[:, :n] for g in gate_in], [g.weight[:, n:] for g in gate_in]
    tables = filter_tables(painn, dtype)
    energy_in, _, energy_out = potential.energy_head.net
    fill = -(n // 2) % COLUMNS
    energy_matrix = np.pad(energy_in.weight.detach().numpy(), ((0, fill), (0, 0)))
    return Weights(
        inverse_step=(tables.shape[1] - 2) / painn.cutoff_A,
        tables=tables,
        phi_in=forth([p.weight for p in phi_in]),
        phi_in_back=back([p.weight for p in phi_in]),
        phi_in_bias=biases(phi_in),
        phi_out=forth([p.weight for p in phi_out]),
        phi_out_back=back([p.weight for p in phi_out]),
        phi_out_bias=biases(phi_out),
        mix=forth(mix),
        mix_back=back(mix),
        gate_s=forth(gate_s),
        gate_s_back=back(gate_s),
        gate_norm=forth(gate_norm),
        gate_norm_back=back(gate_norm),
        gate_in_bias=biases(gate_in),
        gate_out=forth([g.weight for g in gate_out]),
        gate_out_back=back([g.weight for g in gate_out]),
        narrow_back=packed(gate_out[-1].weight[: 2 * n].detach().numpy()),
        gate_out_bias=biases(gate_out),
        energy_in=packed(energy_matrix.T),
        energy_in_back=packed(energy_matrix),
        energy_in_bias=np.pad(energy_in.bias.detach().numpy(), (0, fill)),
        energy_out=np.pad(energy_out.weight[0].detach().numpy(), (0, fill)),
    )


class Buffers(NamedTuple):
    """For n atoms and up to n_pairs pairs. Arrays of all layers are what the gradient needs of each."""

    pairs: NDArray  # (n_pairs, 2) | int64
    distances: NDArray  # (n_pairs,) | Å
    directions: NDArray  # (n_pairs, 3)
    phi_hidden: NDArray  # (n_layers, n, F)
    phi: NDArray  # (n_layers, n, 3F)
    v: NDArray  # (n_layers, n, 3, F), after the layer
    uv: NDArray  # (n_layers, n, 3, 2F)
    norm: NDArray  # (n_layers, n, F)
    gate_hidden: NDArray  # (n_layers, n, F)
    gate: NDArray  # (n_layers, n, 3F)
    narrow_gate: NDArray  # (n, 2F)
    s: NDArray  # (n, F)
    active: NDArray  # (n, F)
    energy_hidden: NDArray  # (n, F/2 filled up)
    grad_energy: NDArray
    grad_s: NDArray  # (n, F)
    grad_hidden: NDArray
    grad_norm: NDArray
    grad_wide: NDArray  # (n, 3F), of φ and of the gate
    grad_narrow: NDArray  # (n, 2F)
    grad_v: NDArray  # (n, 3, F)
    grad_v_in: NDArray
    grad_uv: NDArray  # (n, 3, 2F)
    net_energy: NDArray  # (n,), float64
    gradient: NDArray  # (n, 3) | 1/Å, float64


def make_buffers(weights: Weights, n: int, n_pairs: int, first_phi: Tensor) -> Buffers:
    """first_phi: (n, 3F), the first layer's φ, which depends on the elements alone."""
    dtype, (n_layers, f) = weights.tables.dtype, weights.phi_in_bias.shape
    half = len(weights.energy_out)
    shapes = {
        "distances": (n_pairs,), "directions": (n_pairs, 3),
        "phi_hidden": (n_layers, n, f), "phi": (n_layers, n, 3 * f), "v": (n_layers, n, 3, f),
        "uv": (n_layers, n, 3, 2 * f), "norm": (n_layers, n, f), "gate_hidden": (n_layers, n, f),
        "gate": (n_layers, n, 3 * f), "narrow_gate": (n, 2 * f), "s": (n, f), "active": (n, f),
        "energy_hidden": (n, half), "grad_energy": (n, half), "grad_s": (n, f), "grad_hidden": (n, f),
        "grad_norm": (n, f), "grad_wide": (n, 3 * f), "grad_narrow": (n, 2 * f), "grad_v": (n, 3, f),
        "grad_v_in": (n, 3, f), "grad_uv": (n, 3, 2 * f),
    }  # fmt: skip
    new = Buffers(
        pairs=np.zeros((n_pairs, 2), np.int64),
        net_energy=np.zeros(n),
        gradient=np.zeros((n, 3)),
        **{name: np.zeros(shape, dtype) for name, shape in shapes.items()},
    )
    new.phi[0] = torch.as_tensor(first_phi).numpy()
    return new
