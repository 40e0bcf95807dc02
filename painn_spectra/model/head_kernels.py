"""The read-outs of dipole and polarizability in compiled loops: `heads.py` without torch."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from painn_spectra.model.atom_kernels import norms
from painn_spectra.model.heads import AtomicTensors
from painn_spectra.model.lanes import LANES, compiled, in_one_piece, load, spread, total
from painn_spectra.model.products import ADD, FROM_BIAS, ZERO, filled_up, packed, product, silu


class Head(NamedTuple):
    """Both gated blocks of one head; F/2 filled up with zeros to a multiple of 16: H."""

    mix: NDArray  # F -> 2H, for the output and for the norm
    net_s: NDArray  # F -> F, what the first block's net does with s
    net_norm: NDArray  # H -> F, and with the norm
    net_bias: NDArray
    out_s: NDArray  # F -> H
    out_s_bias: NDArray
    out_gate: NDArray  # F -> H
    out_gate_bias: NDArray
    second_mix: NDArray  # (2, H), for the output and for the norm
    second_s: NDArray  # H -> H
    second_norm: NDArray  # (H,)
    second_bias: NDArray
    last: NDArray  # (2, H), scalar and gate
    last_bias: NDArray  # (2,)
    norm_epsilon: float


def pack_head(atomic: AtomicTensors) -> Head:
    """Weights in the order of the loops."""
    one: Any = atomic.first
    two: Any = atomic.second
    half = one.n_out
    fill = filled_up(half) - half

    def array(tensor: Any, *widths: int) -> NDArray:
        """With `widths` zeros behind each axis."""
        return np.pad(tensor.detach().numpy(), [(0, width) for width in widths])

    for_norm, for_output = (array(part, fill, 0) for part in one.mix.weight.chunk(2))
    net_in, _, net_out = one.net
    n_features = net_in.weight.shape[0]
    out_s, out_gate = (array(part, fill, 0) for part in net_out.weight.chunk(2))
    out_s_bias, out_gate_bias = (array(part, fill) for part in net_out.bias.chunk(2))
    second_in, _, second_out = two.net
    return in_one_piece(
        Head(
            mix=packed(np.concatenate([for_output, for_norm]).T),
            net_s=packed(array(net_in.weight[:, :n_features], 0, 0).T),
            net_norm=packed(array(net_in.weight[:, n_features:], 0, fill).T),
            net_bias=array(net_in.bias, 0),
            out_s=packed(out_s.T),
            out_s_bias=out_s_bias,
            out_gate=packed(out_gate.T),
            out_gate_bias=out_gate_bias,
            second_mix=array(two.mix.weight.flip(0), 0, fill),
            second_s=packed(array(second_in.weight[:, :half], fill, fill).T),
            second_norm=array(second_in.weight[:, half], fill),
            second_bias=array(second_in.bias, fill),
            last=array(second_out.weight, 0, fill),
            last_bias=array(second_out.bias, 0),
            norm_epsilon=float(one.epsilon),
        )
    )


@compiled
def part_of(buffer, n_rows, n_columns):
    """The beginning of a buffer as a matrix."""
    return buffer.reshape(-1)[: n_rows * n_columns].reshape((n_rows, n_columns))


@compiled
def dot(a, row, b, at):
    """Sum of the products of row `row` of a (n, m) with the m numbers of b from `at`."""
    m = a.shape[1]
    result = spread(a.dtype.type(0))
    for k in range(0, m, LANES):
        result = result + load(a, row * m + k) * load(b, at + k)
    return total(result)


@compiled
def atomic_tensors(head, b, scalars, vectors):
    """Write one scalar and one vector per atom, (n,) and (n, 3), from s and the last v.

    Overwrites what only the gradient needs: call it last.
    """
    n, h = b.s.shape[0], head.second_bias.size
    kind = b.s.dtype.type
    uv = b.grad_uv.reshape(-1)[: n * 6 * h].reshape((n, 3, 2 * h))
    norm, overlap = part_of(b.grad_norm, n, h), part_of(b.grad_v, n, h)
    before, inner, gate = (
        part_of(b.grad_energy, n, h),
        part_of(b.energy_hidden, n, h),
        part_of(b.grad_wide, n, h),
    )
    product(3 * n, b.v[-1], head.mix, head.net_bias, ZERO, uv)
    norms(uv, head.norm_epsilon, norm, overlap)
    product(n, b.s, head.net_s, head.net_bias, FROM_BIAS, b.grad_hidden)
    product(n, norm, head.net_norm, head.net_bias, ADD, b.grad_hidden)
    silu(b.grad_hidden, b.active)
    product(n, b.active, head.out_s, head.out_s_bias, FROM_BIAS, before)
    product(n, b.active, head.out_gate, head.out_gate_bias, FROM_BIAS, gate)
    silu(before, inner)
    product(n, inner, head.second_s, head.second_bias, FROM_BIAS, before)
    for i in range(n):
        squared = kind(head.norm_epsilon)
        for c in range(3):
            for f in range(h):
                uv[i, c, f] *= gate[i, f]
            squared += dot(head.second_mix, 1, uv, (3 * i + c) * 2 * h) ** 2
            vectors[i, c] = dot(head.second_mix, 0, uv, (3 * i + c) * 2 * h)
        length = np.sqrt(squared)
        for f in range(h):
            before[i, f] += length * head.second_norm[f]
    silu(before, inner)
    for i in range(n):
        scalars[i] = dot(inner, i, head.last, 0) + head.last_bias[0]
        for c in range(3):
            vectors[i, c] *= dot(inner, i, head.last, h) + head.last_bias[1]


@compiled
def centre(positions, fractions, c):
    """Component c of the centre of mass."""
    result = 0.0
    for i in range(len(fractions)):
        result += fractions[i] * positions[i, c]
    return result


@compiled
def one_dipole(b, positions, fractions, first, charge, scale, out):
    """μ = Σ_i μ_i + q_i r_i of the atoms from `first`, out (3,), Σ q_i = charge; positions: (n, 3) | Å."""
    n, excess = len(positions), -charge
    for i in range(n):
        excess += b.atomic_scalars[first + i]
    for c in range(3):
        origin, result = centre(positions, fractions, c), 0.0
        for i in range(n):
            q = b.atomic_scalars[first + i] - excess / n
            result += b.atomic_vectors[first + i, c] + q * (positions[i, c] - origin)
        out[c] = scale * result


@compiled
def one_polarizability(b, positions, fractions, first, offset, scale, out):
    """α = offset 1 + Σ_i α_i 1 + ν_i⊗r_i + r_i⊗ν_i of the atoms from `first`, out (3, 3)."""
    for x in range(3):
        for y in range(3):
            centre_x, centre_y, result = centre(positions, fractions, x), centre(positions, fractions, y), 0.0
            for i in range(len(positions)):
                if x == y:
                    result += b.atomic_scalars[first + i]
                result += b.atomic_vectors[first + i, x] * (positions[i, y] - centre_y)
                result += b.atomic_vectors[first + i, y] * (positions[i, x] - centre_x)
            out[x, y] = scale * result + (offset if x == y else 0.0)
