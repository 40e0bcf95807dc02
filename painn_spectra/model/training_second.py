"""The second derivatives of PaiNN's message: along a displacement, and back; see training_pairs.py."""

from painn_spectra.model.lanes import LANES, add, compiled, load, spread, store, vector
from painn_spectra.model.training_pairs import BLOCK, add_vector, axis, dot


@compiled
def message_tangent(
    starts, atoms, directions, r_dot, u_dot, filters, phi, phi_dot, v, v_dot, first, s_dot, v_out_dot
):
    """Add the message's change to s_dot (a, F) and v_out_dot (a, 3, F). first: phi_dot, v, v_dot are zero."""
    n, n_pairs = s_dot.shape[1], len(atoms)
    zero = spread(s_dot.dtype.type(0))
    for m in range(len(starts) - 1):
        for block in range(0, n, BLOCK):
            for p in range(starts[m], starts[m + 1]):
                i, j = atoms[p, 0], atoms[p, 1]
                u, turn, stretch = axis(directions, p), axis(u_dot, p), spread(r_dot[p])
                for f in range(block, block + BLOCK, LANES):
                    g_i, g_j, at = i * 3 * n + f, j * 3 * n + f, p * n + f
                    w, dw = load(filters, at), load(filters, n_pairs * n + at) * stretch
                    by_i, by_j = dw * load(phi, g_i), dw * load(phi, g_j)
                    if not first:
                        by_i, by_j = by_i + w * load(phi_dot, g_i), by_j + w * load(phi_dot, g_j)
                    add(s_dot, i * n + f, by_j)
                    add(s_dot, j * n + f, by_i)
                    w, dw = load(filters, 2 * n_pairs * n + at), load(filters, 3 * n_pairs * n + at) * stretch
                    phi_i, phi_j = load(phi, g_i + n), load(phi, g_j + n)
                    along_i, along_j = zero - dw * phi_i, dw * phi_j
                    if not first:
                        along_i = along_i - w * load(phi_dot, g_i + n)
                        along_j = along_j + w * load(phi_dot, g_j + n)
                    add_vector(v_out_dot, g_i, n, along_j, u, w * phi_j, turn)
                    add_vector(v_out_dot, g_j, n, along_i, u, zero - w * phi_i, turn)
                    if not first:
                        w, dw = (
                            load(filters, 4 * n_pairs * n + at),
                            load(filters, 5 * n_pairs * n + at) * stretch,
                        )
                        phi_i, phi_j = load(phi, g_i + 2 * n), load(phi, g_j + 2 * n)
                        at_i = dw * phi_i + w * load(phi_dot, g_i + 2 * n)
                        at_j = dw * phi_j + w * load(phi_dot, g_j + 2 * n)
                        add_vector(
                            v_out_dot, g_i, n, at_j, vector(v, g_j, n), w * phi_j, vector(v_dot, g_j, n)
                        )
                        add_vector(
                            v_out_dot, g_j, n, at_i, vector(v, g_i, n), w * phi_i, vector(v_dot, g_i, n)
                        )


@compiled
def message_adjoint(
    starts, atoms, directions, r_dot, u_dot, filters, phi, phi_dot, v, v_dot, first,
    hat_s, hat_v, bar_s, bar_v, bar_phi, bar_v_in, bar_filters,
):  # fmt: skip
    """Add to bar_phi (a, 3F) and bar_v_in (a, 3, F), write bar_filters, in the order of filters.

    hat_s, hat_v: ∂E/∂ of the message's results; bar_s, bar_v: the loss's gradient. first: phi_dot, v, v_dot
    are zero, and the filters vv get nothing.
    """
    n, n_pairs = bar_s.shape[1], len(atoms)
    zero = spread(bar_s.dtype.type(0))
    if first:
        bar_filters[2] = 0.0
    for m in range(len(starts) - 1):
        for block in range(0, n, BLOCK):
            for p in range(starts[m], starts[m + 1]):
                i, j = atoms[p, 0], atoms[p, 1]
                u, turn, stretch = axis(directions, p), axis(u_dot, p), spread(r_dot[p])
                for f in range(block, block + BLOCK, LANES):
                    g_i, g_j, at = i * 3 * n + f, j * 3 * n + f, p * n + f
                    hat_i, hat_j = load(hat_s, i * n + f), load(hat_s, j * n + f)
                    bar_i, bar_j = load(bar_s, i * n + f), load(bar_s, j * n + f)
                    w, dw = load(filters, at), load(filters, n_pairs * n + at) * stretch
                    phi_i, phi_j = load(phi, g_i), load(phi, g_j)
                    add(bar_phi, g_j, w * bar_i + dw * hat_i)
                    add(bar_phi, g_i, w * bar_j + dw * hat_j)
                    by_w = bar_i * phi_j + bar_j * phi_i
                    if not first:
                        by_w = by_w + hat_i * load(phi_dot, g_j) + hat_j * load(phi_dot, g_i)
                    store(bar_filters, at, by_w)
                    store(bar_filters, n_pairs * n + at, (hat_i * phi_j + hat_j * phi_i) * stretch)

                    at += 2 * n_pairs * n
                    hv_i, hv_j = vector(hat_v, g_i, n), vector(hat_v, g_j, n)
                    bv_i, bv_j = vector(bar_v, g_i, n), vector(bar_v, g_j, n)
                    hat_i, hat_j = dot(hv_i, u), zero - dot(hv_j, u)
                    bar_i, bar_j = dot(bv_i, u) + dot(hv_i, turn), zero - dot(bv_j, u) - dot(hv_j, turn)
                    w, dw = load(filters, at), load(filters, n_pairs * n + at) * stretch
                    phi_i, phi_j = load(phi, g_i + n), load(phi, g_j + n)
                    add(bar_phi, g_j + n, w * bar_i + dw * hat_i)
                    add(bar_phi, g_i + n, w * bar_j + dw * hat_j)
                    by_w = phi_j * bar_i + phi_i * bar_j
                    if not first:
                        by_w = by_w + hat_i * load(phi_dot, g_j + n) + hat_j * load(phi_dot, g_i + n)
                    store(bar_filters, at, by_w)
                    store(bar_filters, n_pairs * n + at, (hat_i * phi_j + hat_j * phi_i) * stretch)

                    if not first:
                        at += 2 * n_pairs * n
                        v_i, v_j = vector(v, g_i, n), vector(v, g_j, n)
                        hat_i, hat_j = dot(hv_i, v_j), dot(hv_j, v_i)
                        bar_i = dot(bv_i, v_j) + dot(hv_i, vector(v_dot, g_j, n))
                        bar_j = dot(bv_j, v_i) + dot(hv_j, vector(v_dot, g_i, n))
                        w, dw = load(filters, at), load(filters, n_pairs * n + at) * stretch
                        phi_i, phi_j = load(phi, g_i + 2 * n), load(phi, g_j + 2 * n)
                        dphi_i, dphi_j = load(phi_dot, g_i + 2 * n), load(phi_dot, g_j + 2 * n)
                        add(bar_phi, g_j + 2 * n, w * bar_i + dw * hat_i)
                        add(bar_phi, g_i + 2 * n, w * bar_j + dw * hat_j)
                        by_w = phi_j * bar_i + phi_i * bar_j + dphi_j * hat_i + dphi_i * hat_j
                        store(bar_filters, at, by_w)
                        store(bar_filters, n_pairs * n + at, (hat_i * phi_j + hat_j * phi_i) * stretch)
                        add_vector(bar_v_in, g_j, n, w * phi_j, bv_i, w * dphi_j + dw * phi_j, hv_i)
                        add_vector(bar_v_in, g_i, n, w * phi_i, bv_j, w * dphi_i + dw * phi_i, hv_j)
