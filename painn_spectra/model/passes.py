"""PaiNN forward and backward for a block of atoms, as one compiled call each."""

from painn_spectra.model.atom_kernels import gate_gradient, norms, update, update_gradient
from painn_spectra.model.lanes import compiled
from painn_spectra.model.pair_kernels import message, message_gradient
from painn_spectra.model.products import ADD, COLUMNS, FROM_BIAS, ZERO, product, silu, silu_gradient


@compiled
def forward_pass(w, b, n_pairs, all_vectors):
    """s, v and net_energy. all_vectors: with the last layer's v, which the energy does not need."""
    n, n_layers, s = b.s.shape[0], b.v.shape[0], b.s
    for k in range(n_layers):
        before = b.v[max(0, k - 1)]
        if k == 0:
            b.v[0] = 0.0
        else:
            product(n, s, w.phi_in[k], w.phi_in_bias[k], FROM_BIAS, b.phi_hidden[k])
            silu(b.phi_hidden[k], b.active)
            product(n, b.active, w.phi_out[k], w.phi_out_bias[k], FROM_BIAS, b.phi[k])
            b.v[k] = before
        message(
            n_pairs, b.pairs, b.distances, b.directions, w.inverse_step, w.tables[k], b.phi[k], before,
            k == 0, s, b.v[k],
        )  # fmt: skip
        product(3 * n, b.v[k], w.mix[k], w.gate_in_bias[k], ZERO, b.uv[k])
        norms(b.uv[k], b.norm[k])
        product(n, s, w.gate_s[k], w.gate_in_bias[k], FROM_BIAS, b.gate_hidden[k])
        product(n, b.norm[k], w.gate_norm[k], w.gate_in_bias[k], ADD, b.gate_hidden[k])
        silu(b.gate_hidden[k], b.active)
        narrow = k == n_layers - 1 and not all_vectors
        gate = b.narrow_gate if narrow else b.gate[k]
        matrix = w.gate_out[k][: gate.shape[1] // COLUMNS]
        product(n, b.active, matrix, w.gate_out_bias[k], FROM_BIAS, gate)
        update(b.uv[k], gate, s, b.v[k])
    product(n, s, w.energy_in, w.energy_in_bias, FROM_BIAS, b.energy_hidden)
    silu(b.energy_hidden, b.grad_energy)
    for i in range(n):
        total = 0.0
        for f in range(len(w.energy_out)):
            total += b.grad_energy[i, f] * w.energy_out[f]
        b.net_energy[i] = total


@compiled
def backward_pass(w, b, n_pairs, all_vectors):
    """gradient of Σ net_energy, after a forward pass with the same all_vectors."""
    n, n_layers, grad_s = b.s.shape[0], b.v.shape[0], b.grad_s
    grad_v, grad_v_in = b.grad_v, b.grad_v_in
    for i in range(n):
        b.grad_energy[i] = w.energy_out
    silu_gradient(b.energy_hidden, b.grad_energy)
    product(n, b.grad_energy, w.energy_in_back, w.gate_in_bias[0], ZERO, grad_s)
    grad_v[:] = 0.0
    b.gradient[:] = 0.0
    for k in range(n_layers - 1, -1, -1):
        narrow = k == n_layers - 1 and not all_vectors
        gate, grad_gate = (b.narrow_gate, b.grad_narrow) if narrow else (b.gate[k], b.grad_wide)
        gate_gradient(b.uv[k], grad_s, grad_v, grad_gate)
        matrix = w.narrow_back if narrow else w.gate_out_back[k]
        product(n, grad_gate, matrix, w.gate_in_bias[k], ZERO, b.grad_hidden)
        silu_gradient(b.gate_hidden[k], b.grad_hidden)
        product(n, b.grad_hidden, w.gate_norm_back[k], w.gate_in_bias[k], ZERO, b.grad_norm)
        update_gradient(b.uv[k], gate, b.norm[k], b.grad_norm, grad_s, grad_v, b.grad_uv)
        product(n, b.grad_hidden, w.gate_s_back[k], w.gate_in_bias[k], ADD, grad_s)
        product(3 * n, b.grad_uv, w.mix_back[k], w.gate_in_bias[k], ADD, grad_v)
        if k > 0:
            b.grad_wide[:] = 0.0
            grad_v_in[:] = grad_v
        message_gradient(
            n_pairs, b.pairs, b.distances, b.directions, w.inverse_step, w.tables[k], b.phi[k],
            b.v[max(0, k - 1)], k == 0, grad_s, grad_v, b.grad_wide, grad_v_in, b.gradient,
        )  # fmt: skip
        if k > 0:
            product(n, b.grad_wide, w.phi_out_back[k], w.gate_in_bias[k], ZERO, b.grad_hidden)
            silu_gradient(b.phi_hidden[k], b.grad_hidden)
            product(n, b.grad_hidden, w.phi_in_back[k], w.gate_in_bias[k], ADD, grad_s)
            grad_v, grad_v_in = grad_v_in, grad_v
