"""SiLU and PaiNN's update with their first and second derivatives, for training; see training_pairs.py.

uv: (a, 3, 2F), Uv and Vv side by side; x: (a, 2F), s and |Vv|; gate: (a, 3F), blocks a_ss, a_sv, a_vv.
"""

from painn_spectra.model.lanes import (
    LANES,
    add,
    compiled,
    exponential,
    load,
    spread,
    square_root,
    store,
    vector,
)
from painn_spectra.model.training_pairs import add_vector, dot


@compiled
def silu(h, y):
    """y = h σ(h)."""
    one, zero = spread(h.dtype.type(1)), spread(h.dtype.type(0))
    for k in range(0, h.size, LANES):
        value = load(h, k)
        store(y, k, value / (one + exponential(zero - value)))


@compiled
def silu_slope(h, x, out):
    """out = silu'(h) x: a change that goes through, or a gradient that comes back."""
    one, zero = spread(h.dtype.type(1)), spread(h.dtype.type(0))
    for k in range(0, h.size, LANES):
        value = load(h, k)
        sigma = one / (one + exponential(zero - value))
        store(out, k, load(x, k) * sigma * (one + value * (one - sigma)))


@compiled
def silu_adjoint(h, h_dot, bar_y, hat_y, bar_h):
    """h̄ = silu'(h) ȳ + silu''(h) h· ŷ."""
    one, two, zero = spread(h.dtype.type(1)), spread(h.dtype.type(2)), spread(h.dtype.type(0))
    for k in range(0, h.size, LANES):
        value = load(h, k)
        sigma = one / (one + exponential(zero - value))
        slope = sigma * (one + value * (one - sigma))
        bend = sigma * (one - sigma) * (two + value * (one - two * sigma))
        store(bar_h, k, load(bar_y, k) * slope + load(h_dot, k) * load(hat_y, k) * bend)


@compiled
def gate_input(s, uv, norm_epsilon, x):
    """x = (s, |Vv|)."""
    n = s.shape[1]
    epsilon = spread(s.dtype.type(norm_epsilon))
    for i in range(len(s)):
        for f in range(0, n, LANES):
            v = vector(uv, i * 6 * n + n + f, 2 * n)
            store(x, i * 2 * n + f, load(s, i * n + f))
            store(x, (i * 2 + 1) * n + f, square_root(dot(v, v) + epsilon))


@compiled
def gate_input_tangent(s_dot, uv, uv_dot, x, x_dot):
    """x· = (s·, V·V·/|V|)."""
    n = s_dot.shape[1]
    for i in range(len(s_dot)):
        for f in range(0, n, LANES):
            at = i * 6 * n + n + f
            along = dot(vector(uv, at, 2 * n), vector(uv_dot, at, 2 * n))
            store(x_dot, i * 2 * n + f, load(s_dot, i * n + f))
            store(x_dot, (i * 2 + 1) * n + f, along / load(x, (i * 2 + 1) * n + f))


@compiled
def update(uv, gate, s, v):
    """Add a_ss + a_sv ⟨Uv, Vv⟩ to s (a, F), and a_vv Uv to v (a, 3, F)."""
    n = s.shape[1]
    zero = spread(s.dtype.type(0))
    for i in range(len(s)):
        for f in range(0, n, LANES):
            at, g = i * 6 * n + f, i * 3 * n + f
            uu, vv = vector(uv, at, 2 * n), vector(uv, at + n, 2 * n)
            add(s, i * n + f, load(gate, g) + load(gate, g + n) * dot(uu, vv))
            add_vector(v, g, n, load(gate, g + 2 * n), uu, zero, uu)


@compiled
def update_tangent(uv, uv_dot, gate, gate_dot, s_dot, v_dot):
    """Add the update's change to s_dot and v_dot."""
    n = s_dot.shape[1]
    for i in range(len(s_dot)):
        for f in range(0, n, LANES):
            at, g = i * 6 * n + f, i * 3 * n + f
            uu, vv = vector(uv, at, 2 * n), vector(uv, at + n, 2 * n)
            du, dv = vector(uv_dot, at, 2 * n), vector(uv_dot, at + n, 2 * n)
            change = load(gate_dot, g + n) * dot(uu, vv) + load(gate, g + n) * (dot(uu, dv) + dot(du, vv))
            add(s_dot, i * n + f, load(gate_dot, g) + change)
            add_vector(v_dot, g, n, load(gate_dot, g + 2 * n), uu, load(gate, g + 2 * n), du)


@compiled
def gate_gradient(uv, hat_s, hat_v, hat_gate):
    """Write ∂E/∂gate."""
    n = hat_s.shape[1]
    for i in range(len(hat_s)):
        for f in range(0, n, LANES):
            at, g = i * 6 * n + f, i * 3 * n + f
            uu, vv = vector(uv, at, 2 * n), vector(uv, at + n, 2 * n)
            hs = load(hat_s, i * n + f)
            store(hat_gate, g, hs)
            store(hat_gate, g + n, hs * dot(uu, vv))
            store(hat_gate, g + 2 * n, dot(vector(hat_v, g, n), uu))


@compiled
def update_gradient(uv, gate, x, hat_x, hat_s, hat_v, hat_uv, hat_s1):
    """Write ∂E/∂uv, and ∂E/∂s before the update to hat_s1."""
    n = hat_s.shape[1]
    for i in range(len(hat_s)):
        for f in range(0, n, LANES):
            at, g, k = i * 6 * n + f, i * 3 * n + f, i * 2 * n + f
            hs = load(hat_s, i * n + f)
            shared, a_vv = hs * load(gate, g + n), load(gate, g + 2 * n)
            stretch = load(hat_x, k + n) / load(x, k + n)
            store(hat_s1, i * n + f, hs + load(hat_x, k))
            for c in range(3):
                b = at + 2 * c * n
                uu, vv = load(uv, b), load(uv, b + n)
                store(hat_uv, b, shared * vv + a_vv * load(hat_v, g + c * n))
                store(hat_uv, b + n, shared * uu + stretch * vv)


@compiled
def gate_adjoint(uv, uv_dot, hat_s, hat_v, bar_s, bar_v, bar_gate):
    """Write the loss's gradient with respect to the gate."""
    n = bar_s.shape[1]
    for i in range(len(bar_s)):
        for f in range(0, n, LANES):
            at, g = i * 6 * n + f, i * 3 * n + f
            uu, vv = vector(uv, at, 2 * n), vector(uv, at + n, 2 * n)
            du, dv = vector(uv_dot, at, 2 * n), vector(uv_dot, at + n, 2 * n)
            hs, bs = load(hat_s, i * n + f), load(bar_s, i * n + f)
            store(bar_gate, g, bs)
            store(bar_gate, g + n, bs * dot(uu, vv) + hs * (dot(uu, dv) + dot(du, vv)))
            store(bar_gate, g + 2 * n, dot(vector(bar_v, g, n), uu) + dot(vector(hat_v, g, n), du))


@compiled
def update_adjoint(uv, uv_dot, gate, gate_dot, x, x_dot, bar_x, hat_x, hat_s, hat_v, bar_s, bar_v, bar_uv):
    """Write the loss's gradient with respect to uv, and add what comes back from x to bar_s."""
    n = bar_s.shape[1]
    for i in range(len(bar_s)):
        for f in range(0, n, LANES):
            at, g, k = i * 6 * n + f, i * 3 * n + f, i * 2 * n + f
            hs, bs = load(hat_s, i * n + f), load(bar_s, i * n + f)
            a_sv, a_vv, da_vv = load(gate, g + n), load(gate, g + 2 * n), load(gate_dot, g + 2 * n)
            product, change = bs * a_sv + hs * load(gate_dot, g + n), hs * a_sv
            norm, hat_norm = load(x, k + n), load(hat_x, k + n)
            # N = |V|: N̄ V/N, and what N̂ N· depends on V by: N̂ (V·/N − V N·/N²)
            by_change = hat_norm / norm
            by_value = load(bar_x, k + n) / norm - by_change * load(x_dot, k + n) / norm
            add(bar_s, i * n + f, load(bar_x, k))
            for c in range(3):
                b = at + 2 * c * n
                uu, vv, du, dv = load(uv, b), load(uv, b + n), load(uv_dot, b), load(uv_dot, b + n)
                by_u = product * vv + change * dv
                by_u = by_u + load(bar_v, g + c * n) * a_vv + load(hat_v, g + c * n) * da_vv
                store(bar_uv, b, by_u)
                store(bar_uv, b + n, product * uu + change * du + by_value * vv + by_change * dv)
