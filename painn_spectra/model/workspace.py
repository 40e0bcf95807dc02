"""What the engine keeps between calls: packed weights, and buffers for a block of atoms."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from painn_spectra.model.head_kernels import Head, pack_head
from painn_spectra.model.lanes import LANES, in_one_piece
from painn_spectra.model.potential import Potential
from painn_spectra.model.products import COLUMNS, filled_up, packed
from painn_spectra.model.radial_table import (
    filter_matrices,
    filter_weights,
    radial_table,
    starts_of_groups,
)


class Weights(NamedTuple):
    """One entry per layer along the first axis, but for the heads; `_back`: packed for the gradient.

    The first layer reads `Molecule`'s matrices instead, those of its message are not used.
    """

    cutoff_A: float
    norm_epsilon: float
    n_intervals: int  # of the tables
    radial: NDArray  # table of the radial channels
    starts: NDArray  # of its groups
    filters: NDArray  # radial channels -> filters; the first layer's not used
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
    energy_scale_eV: float
    dipole: Head
    dipole_scale_eA: float
    charge: float  # in the unit of the head's output
    polarizability: Head
    polarizability_scale_A3: float


def pack_weights(potential: Potential) -> Weights:
    """Copies: a potential that is trained on needs a new engine."""
    painn: Any = potential.painn
    n = painn.n_features
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
    radial = radial_table(painn, dtype)
    net: Any = potential.energy_head.net
    energy_in, _, energy_out = net
    fill = filled_up(n // 2) - n // 2
    energy_matrix = np.pad(energy_in.weight.detach().numpy(), ((0, fill), (0, 0)))
    dipole_scale = float(potential.dipole_scale_eA)
    return in_one_piece(
        Weights(
            cutoff_A=float(painn.cutoff_A),
            norm_epsilon=float(painn.norm_epsilon),
            n_intervals=len(radial),
            radial=radial,
            starts=starts_of_groups(painn.n_radial + 1),
            filters=filter_matrices(painn, dtype),
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
            energy_scale_eV=float(potential.energy_scale_eV),
            dipole=pack_head(potential.dipole_head.atomic),
            dipole_scale_eA=dipole_scale,
            charge=potential.charge / dipole_scale,
            polarizability=pack_head(potential.polarizability_head.atomic),
            polarizability_scale_A3=float(potential.polarizability_scale_A3),
        )
    )


class Molecule(NamedTuple):
    """What is constant for a molecule of n atoms.

    In the first layer φ depends on the element alone and v is zero. Its message is therefore linear in sums
    over the neighbours of each element, `surroundings` (K channels, elements side by side, filled up); so
    are what the update's matrices make of it.
    """

    slots: NDArray  # (n,), where in K an atom's element begins
    first_s: NDArray  # (n, F)
    first_gate: NDArray  # (n, F), what the gate's first matrix makes of it, with the bias
    to_s: NDArray  # K -> F
    to_s_back: NDArray
    to_gate: NDArray  # K -> F
    to_gate_back: NDArray
    to_v: NDArray  # K -> F
    to_v_back: NDArray
    to_uv: NDArray  # K -> 2F
    to_uv_back: NDArray
    mass_fractions: NDArray  # (n,), float64
    energy_offset_eV: float
    polarizability_offset_A3: float


def pack_molecule(potential: Potential, numbers: Tensor) -> Molecule:
    """numbers: (n,) atomic numbers."""
    painn: Any = potential.painn
    elements, kinds = torch.unique(numbers, return_inverse=True)
    gate, mix = painn.updates[0].a[0], painn.updates[0].mix.weight.detach().double().numpy()
    w_s, w_vs, _ = filter_weights(painn)[0]  # (F, n_channels) each
    n_channels = w_s.shape[1]
    with torch.no_grad():
        s = painn.embedding(elements - 1)  # (n_elements, F)
        first_gate = gate(torch.cat([s, torch.zeros_like(s)], dim=-1))
        phi_s, phi_vs, _ = painn.messages[0].phi(s).double().numpy().reshape(len(s), 3, -1).swapaxes(0, 1)
    dtype = s.numpy().dtype
    # room for LANES channels of the last element, also where there are fewer
    fill = filled_up(n_channels * (len(s) - 1) + max(n_channels, LANES)) - n_channels * len(s)

    def matrix(phi: NDArray, w: NDArray) -> NDArray:
        """(K, F), float64."""
        return np.pad((phi[:, :, None] * w).transpose(0, 2, 1).reshape(-1, w.shape[0]), ((0, fill), (0, 0)))

    to_s, to_v = matrix(phi_s, w_s), matrix(phi_vs, w_vs)
    gate_s = gate.weight[:, : painn.n_features].detach().double().numpy()
    made = {"to_s": to_s, "to_gate": to_s @ gate_s.T, "to_v": to_v, "to_uv": to_v @ mix.T}
    last: Any = potential.energy_head.net[2]
    masses = potential.masses_amu[numbers].numpy()
    constant = float(potential.energy_scale_eV) * last.bias.detach().double()
    return in_one_piece(
        Molecule(
            slots=n_channels * kinds.numpy(),
            first_s=s[kinds].numpy(),
            first_gate=first_gate[kinds].numpy(),
            **{name: packed(m.astype(dtype)) for name, m in made.items()},
            **{f"{name}_back": packed(m.T.astype(dtype)) for name, m in made.items()},
            mass_fractions=masses / masses.sum(),
            energy_offset_eV=float((potential.energy_offset_eV[numbers] + constant).sum()),
            polarizability_offset_A3=float(potential.polarizability_offset_A3[numbers].sum()),
        )
    )


class Buffers(NamedTuple):
    """For a atoms and up to n_pairs pairs. Arrays of all layers are what the gradient needs of each."""

    slots: NDArray  # (a,) | int64
    pairs: NDArray  # (n_pairs, 3) | int64
    places: NDArray  # (n_pairs, 5)
    basis: NDArray  # (2, more than n_pairs, n_radial + 1), radial channels and their derivatives
    pull: NDArray  # (n_pairs, 4, LANES)
    scalars: NDArray  # (a, K), surroundings; then the gradient with respect to them
    vectors: NDArray  # (a, 3, K)
    phi_hidden: NDArray  # (n_layers, a, F)
    phi: NDArray  # (n_layers, a, 3F)
    v: NDArray  # (n_layers, a, 3, F), after the layer
    uv: NDArray  # (n_layers, a, 3, 2F)
    norm: NDArray  # (n_layers, a, F)
    overlap: NDArray  # (n_layers, a, F)
    gate_hidden: NDArray  # (n_layers, a, F)
    gate: NDArray  # (n_layers, a, 3F)
    narrow_gate: NDArray  # (a, 2F)
    s: NDArray  # (a, F)
    active: NDArray  # (a, F)
    energy_hidden: NDArray  # (a, F/2 filled up)
    grad_energy: NDArray
    grad_s: NDArray  # (a, F)
    grad_hidden: NDArray
    grad_norm: NDArray
    grad_wide: NDArray  # (a, 3F), of φ and of the gate
    grad_narrow: NDArray  # (a, 2F)
    grad_v: NDArray  # (a, 3, F)
    grad_v_in: NDArray
    grad_uv: NDArray  # (a, 3, 2F)
    gradient: NDArray  # (a, 3) | 1/Å, float64
    atomic_scalars: NDArray  # (a,), of a head
    atomic_vectors: NDArray  # (a, 3)


def make_buffers(weights: Weights, molecule: Molecule, n_replicas: int, n_pairs: int) -> Buffers:
    """Room for some replicas of the molecule."""
    dtype, (n_layers, f) = weights.radial.dtype, weights.phi_in_bias.shape
    n, half, k = n_replicas * len(molecule.slots), len(weights.energy_out), COLUMNS * len(molecule.to_s_back)
    shapes: dict[str, tuple[int, ...]] = {
        "places": (n_pairs, 5), "basis": (2, n_pairs + LANES, weights.filters.shape[2]),
        "pull": (n_pairs, 4, LANES), "scalars": (n, k), "vectors": (n, 3, k),
        "phi_hidden": (n_layers, n, f), "phi": (n_layers, n, 3 * f), "v": (n_layers, n, 3, f),
        "uv": (n_layers, n, 3, 2 * f), "norm": (n_layers, n, f), "overlap": (n_layers, n, f),
        "gate_hidden": (n_layers, n, f), "gate": (n_layers, n, 3 * f), "narrow_gate": (n, 2 * f),
        "s": (n, f), "active": (n, f),
        "energy_hidden": (n, half), "grad_energy": (n, half), "grad_s": (n, f), "grad_hidden": (n, f),
        "grad_norm": (n, f), "grad_wide": (n, 3 * f), "grad_narrow": (n, 2 * f), "grad_v": (n, 3, f),
        "grad_v_in": (n, 3, f), "grad_uv": (n, 3, 2 * f),
        "atomic_scalars": (n,), "atomic_vectors": (n, 3),
    }  # fmt: skip
    arrays: dict[str, Any] = {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
    return in_one_piece(
        Buffers(
            slots=np.tile(molecule.slots, n_replicas),
            pairs=np.zeros((n_pairs, 3), np.int64),
            gradient=np.zeros((n, 3)),
            **arrays,
        )
    )
