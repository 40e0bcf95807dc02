"""PaiNN forward and backward for a block of replicas, as one compiled call."""

from painn_spectra.model.atom_kernels import gate_gradient, norms, update, update_gradient
from painn_spectra.model.head_kernels import atomic_tensors, one_dipole, one_polarizability
from painn_spectra.model.lanes import LANES, clear, compiled, copy
from painn_spectra.model.neighbours import find_pairs
from painn_spectra.model.pair_kernels import (
    message,
    message_gradient,
    position_gradient,
    surroundings,
    surroundings_gradient,
)
from painn_spectra.model.products import ADD, COLUMNS, FROM_BIAS, ZERO, multiply, product, silu


@compiled
def evaluate(w, m, b, positions, with_forces, electric, energy, forces, dipole, polarizability):
    """Fill in energy (r,), forces (r, n, 3), dipole (r, 3) and polarizability (r, 3, 3), all float64.

    positions: (r, n, 3) | Å, float64, of as many blocks as there are; the buffers fit one. Returns the number
    of pairs of a block; where the buffers hold fewer, this block and those after it are left out.
    """
    n_pairs, size = 0, len(b.s) // positions.shape[1]
    for k in range(0, len(positions), size):
        n_pairs = evaluate_block(
            w, m, b, positions[k : k + size], with_forces, electric, energy[k : k + size],
            forces[k : k + size], dipole[k : k + size], polarizability[k : k + size],
        )  # fmt: skip
        if n_pairs > len(b.pairs):
            break
    return n_pairs


@compiled
def evaluate_block(w, m, b, positions, with_forces, electric, energy, forces, dipole, polarizability):
    n_pairs = find_pairs(positions, w.cutoff_A, w.n_intervals, b.pairs, b.places)
    if n_pairs > len(b.pairs):
        return n_pairs
    forward_pass(w, m, b, n_pairs, electric)
    r, n = positions.shape[:2]
    for k in range(r):
        energy[k] = m.energy_offset_eV
        for i in range(n):
            net = 0.0
            for f in range(len(w.energy_out)):
                net += b.grad_energy[k * n + i, f] * w.energy_out[f]
            energy[k] += w.energy_scale_eV * net
            for c in range(3):  # an atom at not-a-number has no pair: without this it would pass unseen
                energy[k] += 0 * positions[k, i, c]
    if with_forces:
        backward_pass(w, m, b, n_pairs, electric)
        for k in range(r):
            for i in range(n):
                for c in range(3):
                    forces[k, i, c] = 0 * positions[k, i, c] - w.energy_scale_eV * b.gradient[k * n + i, c]
    if electric:
        atomic_tensors(w.dipole, b, b.atomic_scalars, b.atomic_vectors)
        for k in range(r):
            one_dipole(b, positions[k], m.mass_fractions, k * n, w.charge, w.dipole_scale_eA, dipole[k])
        atomic_tensors(w.polarizability, b, b.atomic_scalars, b.atomic_vectors)
        for k in range(r):
            one_polarizability(
                b, positions[k], m.mass_fractions, k * n, m.polarizability_offset_A3,
                w.polarizability_scale_A3, polarizability[k],
            )  # fmt: skip
    return n_pairs


@compiled
def forward_pass(w, m, b, n_pairs, all_vectors):
    """s, v and grad_energy, the energy head's hidden features.

    all_vectors: with the last layer's v, which the energy does not need.
    """
    n, n_layers, s = b.s.shape[0], b.v.shape[0], b.s
    for k in range(n_layers):
        hidden = b.gate_hidden[k]
        if k == 0:
            surroundings(
                n_pairs, b.pairs, b.places, w.radial, w.starts, b.slots, b.basis, b.scalars, b.vectors
            )
            n_atoms = len(m.slots)
            for i in range(0, n, n_atoms):
                copy(m.first_s, 0, m.first_s.size, s, i * s.shape[1])
                copy(m.first_gate, 0, m.first_gate.size, hidden, i * s.shape[1])
            product(n, b.scalars, m.to_s, w.gate_in_bias[k], ADD, s)
            product(n, b.scalars, m.to_gate, w.gate_in_bias[k], ADD, hidden)
            product(3 * n, b.vectors, m.to_v, w.gate_in_bias[k], ZERO, b.v[k])
            product(3 * n, b.vectors, m.to_uv, w.gate_in_bias[k], ZERO, b.uv[k])
        else:
            product(n, s, w.phi_in[k], w.phi_in_bias[k], FROM_BIAS, b.phi_hidden[k])
            silu(b.phi_hidden[k], b.active)
            product(n, b.active, w.phi_out[k], w.phi_out_bias[k], FROM_BIAS, b.phi[k])
            copy(b.v[k - 1], 0, b.v[k].size, b.v[k], 0)
            message(n_pairs, b.pairs, b.places, b.basis, w.filters[k], b.phi[k], b.v[k - 1], s, b.v[k])
            product(3 * n, b.v[k], w.mix[k], w.gate_in_bias[k], ZERO, b.uv[k])
            product(n, s, w.gate_s[k], w.gate_in_bias[k], FROM_BIAS, hidden)
        norms(b.uv[k], w.norm_epsilon, b.norm[k], b.overlap[k])
        product(n, b.norm[k], w.gate_norm[k], w.gate_in_bias[k], ADD, hidden)
        silu(hidden, b.active)
        narrow = k == n_layers - 1 and not all_vectors
        gate = b.narrow_gate if narrow else b.gate[k]
        matrix = w.gate_out[k][: gate.shape[1] // COLUMNS]
        product(n, b.active, matrix, w.gate_out_bias[k], FROM_BIAS, gate)
        update(b.uv[k], b.overlap[k], gate, s, b.v[k])
    product(n, s, w.energy_in, w.energy_in_bias, FROM_BIAS, b.energy_hidden)
    silu(b.energy_hidden, b.grad_energy)


@compiled
def backward_pass(w, m, b, n_pairs, all_vectors):
    """gradient of the sum of the net energies, after a forward pass with the same all_vectors."""
    n, n_layers, grad_s = b.s.shape[0], b.v.shape[0], b.grad_s
    grad_v, grad_v_in = b.grad_v, b.grad_v_in
    for i in range(n):
        copy(w.energy_out, 0, w.energy_out.size, b.grad_energy, i * w.energy_out.size)
    multiply(b.energy_hidden, b.grad_energy)
    product(n, b.grad_energy, w.energy_in_back, w.gate_in_bias[0], ZERO, grad_s)
    clear(grad_v, grad_v.size)
    clear(b.pull, n_pairs * 4 * LANES)
    for k in range(n_layers - 1, -1, -1):
        narrow = k == n_layers - 1 and not all_vectors
        gate, grad_gate = (b.narrow_gate, b.grad_narrow) if narrow else (b.gate[k], b.grad_wide)
        gate_gradient(b.uv[k], b.overlap[k], grad_s, grad_v, grad_gate)
        matrix = w.narrow_back if narrow else w.gate_out_back[k]
        product(n, grad_gate, matrix, w.gate_in_bias[k], ZERO, b.grad_hidden)
        multiply(b.gate_hidden[k], b.grad_hidden)
        product(n, b.grad_hidden, w.gate_norm_back[k], w.gate_in_bias[k], ZERO, b.grad_norm)
        update_gradient(b.uv[k], gate, b.norm[k], b.grad_norm, grad_s, grad_v, b.grad_uv)
        if k == 0:
            product(n, grad_s, m.to_s_back, w.gate_in_bias[k], ZERO, b.scalars)
            product(n, b.grad_hidden, m.to_gate_back, w.gate_in_bias[k], ADD, b.scalars)
            product(3 * n, grad_v, m.to_v_back, w.gate_in_bias[k], ZERO, b.vectors)
            product(3 * n, b.grad_uv, m.to_uv_back, w.gate_in_bias[k], ADD, b.vectors)
            surroundings_gradient(
                n_pairs, b.pairs, b.places, w.radial, w.starts, b.slots, b.scalars, b.vectors, b.pull
            )
            break
        product(n, b.grad_hidden, w.gate_s_back[k], w.gate_in_bias[k], ADD, grad_s)
        product(3 * n, b.grad_uv, w.mix_back[k], w.gate_in_bias[k], ADD, grad_v)
        clear(b.grad_wide, b.grad_wide.size)
        copy(grad_v, 0, grad_v.size, grad_v_in, 0)
        message_gradient(
            n_pairs, b.pairs, b.places, b.basis, w.filters[k], b.phi[k], b.v[k - 1], grad_s, grad_v,
            b.grad_wide, grad_v_in, b.pull,
        )  # fmt: skip
        product(n, b.grad_wide, w.phi_out_back[k], w.gate_in_bias[k], ZERO, b.grad_hidden)
        multiply(b.phi_hidden[k], b.grad_hidden)
        product(n, b.grad_hidden, w.phi_in_back[k], w.gate_in_bias[k], ADD, grad_s)
        grad_v, grad_v_in = grad_v_in, grad_v
    for i in range(n):
        for c in range(3):
            b.gradient[i, c] = 0.0
    position_gradient(n_pairs, b.pairs, b.places, b.pull, w.n_intervals / w.cutoff_A, b.gradient)
