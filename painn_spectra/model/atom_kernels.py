"""PaiNN's update and its gradient between the matrix products: one pass over the atoms each.

uv: (a, 3, 2F), Uv and Vv side by side; gate: (a, 3F), blocks a_ss, a_sv, a_vv, or (a, 2F) without a_vv.
"""

from painn_spectra.model.lanes import LANES, add, compiled, load, spread, square_root, store, vector


@compiled
def norms(uv, norm_epsilon, norm, overlap):
    """Write √(|Vv|² + ε) to norm (a, F), ⟨Uv, Vv⟩ to overlap (a, F)."""
    n = norm.shape[1]
    epsilon = spread(norm.dtype.type(norm_epsilon))
    for i in range(norm.shape[0]):
        for f in range(0, n, LANES):
            u0, u1, u2 = vector(uv, i * 6 * n + f, 2 * n)
            v0, v1, v2 = vector(uv, i * 6 * n + n + f, 2 * n)
            store(norm, i * n + f, square_root(v0 * v0 + v1 * v1 + v2 * v2 + epsilon))
            store(overlap, i * n + f, u0 * v0 + u1 * v1 + u2 * v2)


@compiled
def update(uv, overlap, gate, s, v):
    """Add a_ss + a_sv ⟨Uv, Vv⟩ to s (a, F), and a_vv Uv to v (a, 3, F) where there is a_vv."""
    n, width = s.shape[1], gate.shape[1]
    for i in range(s.shape[0]):
        for f in range(0, n, LANES):
            a_ss, a_sv = load(gate, i * width + f), load(gate, i * width + n + f)
            add(s, i * n + f, a_ss + a_sv * load(overlap, i * n + f))
            if width > 2 * n:
                u0, u1, u2 = vector(uv, i * 6 * n + f, 2 * n)
                a_vv = load(gate, i * width + 2 * n + f)
                add(v, i * 3 * n + f, a_vv * u0)
                add(v, (i * 3 + 1) * n + f, a_vv * u1)
                add(v, (i * 3 + 2) * n + f, a_vv * u2)


@compiled
def gate_gradient(uv, overlap, grad_s, grad_v, grad_gate):
    """Write the gradient with respect to the gate; without a_vv, grad_v is zero and not read."""
    n, width = grad_s.shape[1], grad_gate.shape[1]
    for i in range(grad_s.shape[0]):
        for f in range(0, n, LANES):
            gs = load(grad_s, i * n + f)
            store(grad_gate, i * width + f, gs)
            store(grad_gate, i * width + n + f, gs * load(overlap, i * n + f))
            if width > 2 * n:
                u0, u1, u2 = vector(uv, i * 6 * n + f, 2 * n)
                g0, g1, g2 = vector(grad_v, i * 3 * n + f, n)
                store(grad_gate, i * width + 2 * n + f, g0 * u0 + g1 * u1 + g2 * u2)


@compiled
def update_gradient(uv, gate, norm, grad_norm, grad_s, grad_v, grad_uv):
    """Write grad_uv (a, 3, 2F). norm, grad_norm: (a, F), |Vv| and the gradient with respect to it."""
    n, width = grad_s.shape[1], gate.shape[1]
    for i in range(grad_s.shape[0]):
        for f in range(0, n, LANES):
            shared = load(grad_s, i * n + f) * load(gate, i * width + n + f)
            stretch = load(grad_norm, i * n + f) / load(norm, i * n + f)
            for c in range(3):
                at = (i * 6 + 2 * c) * n + f
                u, v = load(uv, at), load(uv, at + n)
                by_u = shared * v
                if width > 2 * n:
                    by_u = by_u + load(grad_v, (i * 3 + c) * n + f) * load(gate, i * width + 2 * n + f)
                store(grad_uv, at, by_u)
                store(grad_uv, at + n, shared * u + stretch * v)
