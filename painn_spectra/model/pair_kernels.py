"""PaiNN's message and its gradient over undirected pairs, compiled by numba.

`neighbours.py` numbers the pairs (i, j), with the direction u = (r_j − r_i)/r; radial channels come from
`radial_table.py`. Filters are multiplied out of them pair by pair, with a matrix that stays in the first
level of the cache: tables of the filters themselves took longer to read.
"""

from painn_spectra.model.lanes import (
    LANES,
    add,
    clear,
    compiled,
    load,
    pick,
    spread,
    store,
    subtract,
    total,
    vector,
)

GROUP = 6 * LANES  # coefficients of one group of radial channels


@compiled
def polynomial_and_slope(table, at, t):
    """Values, and derivatives by t."""
    value = load(table, at + 5 * LANES)
    slope = value
    value = load(table, at + 4 * LANES) + t * value
    slope = value + t * slope
    value = load(table, at + 3 * LANES) + t * value
    slope = value + t * slope
    value = load(table, at + 2 * LANES) + t * value
    slope = value + t * slope
    value = load(table, at + LANES) + t * value
    slope = value + t * slope
    return load(table, at) + t * value, slope


@compiled
def place(places, p):
    """t and u of pair p, in every lane."""
    return (
        spread(places[p, 0]),
        (spread(places[p, 1]), spread(places[p, 2]), spread(places[p, 3])),
    )


@compiled
def filters(basis, p, matrix, f):
    """W_s, W_vs and W_vv of pair p for LANES features from f on."""
    n_channels = basis.shape[2]
    at, channel = f * n_channels * 3, p * n_channels
    w_s = spread(basis.dtype.type(0))
    w_vs, w_vv = w_s, w_s
    for c in range(n_channels):
        b = pick(basis, channel + c)
        w_s = w_s + b * load(matrix, at + 3 * LANES * c)
        w_vs = w_vs + b * load(matrix, at + 3 * LANES * c + LANES)
        w_vv = w_vv + b * load(matrix, at + 3 * LANES * c + 2 * LANES)
    return w_s, w_vs, w_vv


@compiled
def filters_and_slopes(basis, p, matrix, f):
    """And their derivatives by t."""
    n_channels = basis.shape[2]
    at, channel, slope = f * n_channels * 3, p * n_channels, (basis.shape[1] + p) * n_channels
    w_s = spread(basis.dtype.type(0))
    w_vs, w_vv, dw_s, dw_vs, dw_vv = w_s, w_s, w_s, w_s, w_s
    for c in range(n_channels):
        b, db = pick(basis, channel + c), pick(basis, slope + c)
        one = load(matrix, at + 3 * LANES * c)
        w_s, dw_s = w_s + b * one, dw_s + db * one
        one = load(matrix, at + 3 * LANES * c + LANES)
        w_vs, dw_vs = w_vs + b * one, dw_vs + db * one
        one = load(matrix, at + 3 * LANES * c + 2 * LANES)
        w_vv, dw_vv = w_vv + b * one, dw_vv + db * one
    return w_s, w_vs, w_vv, dw_s, dw_vs, dw_vv


@compiled
def message(n_pairs, pairs, places, basis, matrix, phi, v, s, v_out):
    """Add Δs_i = Σ_j φ_s W_s to s and Δv_i = Σ_j φ_vs W_vs u + φ_vv W_vv v_j to v_out.

    phi: (a, 3F), blocks s, vs, vv of every atom; s: (a, F); v, v_out: (a, 3, F); basis: as `surroundings`
    left it; matrix: one layer's, of `filter_matrices`.
    """
    n = s.shape[1]
    for p in range(n_pairs):
        i, j = pairs[p, 0], pairs[p, 1]
        u = spread(places[p, 1]), spread(places[p, 2]), spread(places[p, 3])
        for f in range(0, n, LANES):
            w_s, w_vs, w_vv = filters(basis, p, matrix, f)
            to_i, to_j = i * 3 * n + f, j * 3 * n + f
            phi_i, along_i, passed_i = vector(phi, to_i, n)  # all is read before anything is written: a load
            phi_j, along_j, passed_j = vector(phi, to_j, n)  # that may meet a store waits for it
            vi0, vi1, vi2 = vector(v, to_i, n)
            vj0, vj1, vj2 = vector(v, to_j, n)
            along_i, along_j = w_vs * along_i, w_vs * along_j
            passed_i, passed_j = w_vv * passed_i, w_vv * passed_j
            add(s, i * n + f, w_s * phi_j)
            add(s, j * n + f, w_s * phi_i)
            add(v_out, to_i, along_j * u[0] + passed_j * vj0)
            add(v_out, to_i + n, along_j * u[1] + passed_j * vj1)
            add(v_out, to_i + 2 * n, along_j * u[2] + passed_j * vj2)
            add(v_out, to_j, passed_i * vi0 - along_i * u[0])
            add(v_out, to_j + n, passed_i * vi1 - along_i * u[1])
            add(v_out, to_j + 2 * n, passed_i * vi2 - along_i * u[2])


@compiled
def message_gradient(
    n_pairs, pairs, places, basis, matrix, phi, v, grad_s, grad_v, grad_phi, grad_v_in, pull
):  # fmt: skip
    """Add what `message` passes back to grad_phi (a, 3F), grad_v_in (a, 3, F) and pull (n_pairs, 4, LANES).

    grad_s, grad_v: gradient with respect to the message's results. pull: by t and by the components of u;
    its lanes still to be summed.
    """
    n = grad_s.shape[1]
    for p in range(n_pairs):
        i, j = pairs[p, 0], pairs[p, 1]
        u = spread(places[p, 1]), spread(places[p, 2]), spread(places[p, 3])
        at_pull = 4 * LANES * p
        by_t, by_u0 = load(pull, at_pull), load(pull, at_pull + LANES)
        by_u1, by_u2 = load(pull, at_pull + 2 * LANES), load(pull, at_pull + 3 * LANES)
        for f in range(0, n, LANES):
            w_s, w_vs, w_vv, dw_s, dw_vs, dw_vv = filters_and_slopes(basis, p, matrix, f)
            one_i, one_j, three_i, three_j = i * n + f, j * n + f, i * 3 * n + f, j * 3 * n + f
            gs_i, gs_j = load(grad_s, one_i), load(grad_s, one_j)
            by_t = by_t + dw_s * (gs_i * load(phi, three_j) + gs_j * load(phi, three_i))
            add(grad_phi, three_j, w_s * gs_i)
            add(grad_phi, three_i, w_s * gs_j)
            gi0, gi1, gi2 = vector(grad_v, three_i, n)
            gj0, gj1, gj2 = vector(grad_v, three_j, n)
            along_i = gi0 * u[0] + gi1 * u[1] + gi2 * u[2]
            along_j = gj0 * u[0] + gj1 * u[1] + gj2 * u[2]
            phi_i, phi_j = load(phi, three_i + n), load(phi, three_j + n)
            by_t = by_t + dw_vs * (phi_j * along_i - phi_i * along_j)
            add(grad_phi, three_j + n, w_vs * along_i)
            subtract(grad_phi, three_i + n, w_vs * along_j)
            phi_i, phi_j = phi_i * w_vs, phi_j * w_vs
            by_u0 = by_u0 + (phi_j * gi0 - phi_i * gj0)
            by_u1 = by_u1 + (phi_j * gi1 - phi_i * gj1)
            by_u2 = by_u2 + (phi_j * gi2 - phi_i * gj2)
            vi0, vi1, vi2 = vector(v, three_i, n)
            vj0, vj1, vj2 = vector(v, three_j, n)
            overlap_i = gi0 * vj0 + gi1 * vj1 + gi2 * vj2
            overlap_j = gj0 * vi0 + gj1 * vi1 + gj2 * vi2
            phi_i, phi_j = load(phi, three_i + 2 * n), load(phi, three_j + 2 * n)
            by_t = by_t + dw_vv * (phi_j * overlap_i + phi_i * overlap_j)
            add(grad_phi, three_j + 2 * n, w_vv * overlap_i)
            add(grad_phi, three_i + 2 * n, w_vv * overlap_j)
            phi_i, phi_j = phi_i * w_vv, phi_j * w_vv
            add(grad_v_in, three_j, phi_j * gi0)
            add(grad_v_in, three_j + n, phi_j * gi1)
            add(grad_v_in, three_j + 2 * n, phi_j * gi2)
            add(grad_v_in, three_i, phi_i * gj0)
            add(grad_v_in, three_i + n, phi_i * gj1)
            add(grad_v_in, three_i + 2 * n, phi_i * gj2)
        store(pull, at_pull, by_t)
        store(pull, at_pull + LANES, by_u0)
        store(pull, at_pull + 2 * LANES, by_u1)
        store(pull, at_pull + 3 * LANES, by_u2)


@compiled
def surroundings(n_pairs, pairs, places, table, starts, slots, basis, scalars, vectors):
    """Sums over neighbours of the radial channels b: Σ_j b(r_ij) and Σ_j b(r_ij) u_ij of each element.

    basis: (2, more than n_pairs, channels), the pairs' channels and their derivatives by t, written too.

    scalars: (a, K), vectors: (a, 3, K), both overwritten; slots: (a,), where in K an atom's element has its
    channels; table, starts: of `radial_table`.
    """
    n = scalars.shape[1]
    clear(scalars, scalars.size)
    clear(vectors, vectors.size)
    for p in range(n_pairs):
        i, j, interval = pairs[p, 0], pairs[p, 1], pairs[p, 2]
        t, u = place(places, p)
        at_basis = p * basis.shape[2]
        for group in range(len(starts) - 1, -1, -1):  # a store may reach into what comes after
            b, slope = polynomial_and_slope(table, GROUP * (interval * len(starts) + group), t)
            store(basis, at_basis + starts[group], b)
            store(basis, basis.shape[1] * basis.shape[2] + at_basis + starts[group], slope)
            from_j, from_i = slots[j] + starts[group], slots[i] + starts[group]
            add(scalars, i * n + from_j, b)
            add(scalars, j * n + from_i, b)
            for c in range(3):
                along = b * u[c]
                add(vectors, (i * 3 + c) * n + from_j, along)
                subtract(vectors, (j * 3 + c) * n + from_i, along)


@compiled
def surroundings_gradient(n_pairs, pairs, places, table, starts, slots, grad_scalars, grad_vectors, pull):
    """Add what `surroundings` passes back to pull (n_pairs, 4, LANES)."""
    n = grad_scalars.shape[1]
    for p in range(n_pairs):
        i, j, interval = pairs[p, 0], pairs[p, 1], pairs[p, 2]
        t, u = place(places, p)
        for group in range(len(starts)):
            b, slope = polynomial_and_slope(table, GROUP * (interval * len(starts) + group), t)
            from_j, from_i = slots[j] + starts[group], slots[i] + starts[group]
            i0, i1, i2 = vector(grad_vectors, i * 3 * n + from_j, n)
            j0, j1, j2 = vector(grad_vectors, j * 3 * n + from_i, n)
            by_u0, by_u1, by_u2 = i0 - j0, i1 - j1, i2 - j2
            by_b = load(grad_scalars, i * n + from_j) + load(grad_scalars, j * n + from_i)
            by_b = by_b + by_u0 * u[0] + by_u1 * u[1] + by_u2 * u[2]
            add(pull, 4 * LANES * p, slope * by_b)
            add(pull, (4 * p + 1) * LANES, b * by_u0)
            add(pull, (4 * p + 2) * LANES, b * by_u1)
            add(pull, (4 * p + 3) * LANES, b * by_u2)


@compiled
def position_gradient(n_pairs, pairs, places, pull, inverse_step, gradient):
    """Add ∂E/∂r to gradient (a, 3) float64 | 1/Å; inverse_step: dt/dr | 1/Å.

    r_j − r_i moves r along u, and u across: ∂E/∂(r_j − r_i) = E_r u + (E_u − (E_u·u) u)/r.
    """
    for p in range(n_pairs):
        i, j, inverse = pairs[p, 0], pairs[p, 1], places[p, 4]
        by_r, along = total(load(pull, 4 * LANES * p)) * inverse_step, 0.0
        for c in range(3):
            along += total(load(pull, (4 * p + 1 + c) * LANES)) * places[p, 1 + c]
        for c in range(3):
            by_u = total(load(pull, (4 * p + 1 + c) * LANES))
            force = (by_r - along * inverse) * places[p, 1 + c] + by_u * inverse
            gradient[j, c] += force
            gradient[i, c] -= force
