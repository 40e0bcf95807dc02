"""PaiNN's message and its gradient over undirected pairs, compiled by numba.

`neighbours.py` numbers the pairs (i, j), with the direction u = (r_j − r_i)/r; filters come from
`filter_table.py`.
"""

from painn_spectra.model.lanes import (
    LANES,
    add,
    clear,
    compiled,
    load,
    spread,
    store,
    subtract,
    total,
    vector,
)

FILTER = 6 * LANES  # coefficients of one filter of LANES features
FEATURE = 3 * 6  # coefficients of one feature's filters


@compiled
def polynomial(table, at, t):
    """LANES values at t of the polynomials whose coefficients begin at `at`."""
    low = load(table, at) + t * load(table, at + LANES)
    value = load(table, at + 4 * LANES) + t * load(table, at + 5 * LANES)
    value = load(table, at + 3 * LANES) + t * value
    value = load(table, at + 2 * LANES) + t * value
    return low + t * t * value


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
def message(n_pairs, pairs, places, table, phi, v, s, v_out):
    """Add Δs_i = Σ_j φ_s W_s to s and Δv_i = Σ_j φ_vs W_vs u + φ_vv W_vv v_j to v_out.

    phi: (a, 3F), blocks s, vs, vv of every atom; s: (a, F); v, v_out: (a, 3, F); table: one layer's.
    """
    n = s.shape[1]
    for p in range(n_pairs):
        i, j, interval = pairs[p, 0], pairs[p, 1], pairs[p, 2]
        t, u = place(places, p)
        for f in range(0, n, LANES):
            at = FEATURE * (interval * n + f)
            w = polynomial(table, at, t)
            add(s, i * n + f, w * load(phi, j * 3 * n + f))
            add(s, j * n + f, w * load(phi, i * 3 * n + f))
            w = polynomial(table, at + FILTER, t)
            along_i, along_j = w * load(phi, (j * 3 + 1) * n + f), w * load(phi, (i * 3 + 1) * n + f)
            w = polynomial(table, at + 2 * FILTER, t)
            passed_i, passed_j = w * load(phi, (j * 3 + 2) * n + f), w * load(phi, (i * 3 + 2) * n + f)
            to_i, to_j = i * 3 * n + f, j * 3 * n + f
            add(v_out, to_i, along_i * u[0] + passed_i * load(v, to_j))
            add(v_out, to_i + n, along_i * u[1] + passed_i * load(v, to_j + n))
            add(v_out, to_i + 2 * n, along_i * u[2] + passed_i * load(v, to_j + 2 * n))
            add(v_out, to_j, passed_j * load(v, to_i) - along_j * u[0])
            add(v_out, to_j + n, passed_j * load(v, to_i + n) - along_j * u[1])
            add(v_out, to_j + 2 * n, passed_j * load(v, to_i + 2 * n) - along_j * u[2])


@compiled
def message_gradient(
    n_pairs, pairs, places, table, phi, v, grad_s, grad_v, grad_phi, grad_v_in, pull
):  # fmt: skip
    """Add what `message` passes back to grad_phi (a, 3F), grad_v_in (a, 3, F) and pull (n_pairs, 4, LANES).

    grad_s, grad_v: gradient with respect to the message's results. pull: by t and by the components of u;
    its lanes still to be summed.
    """
    n = grad_s.shape[1]
    for p in range(n_pairs):
        i, j, interval = pairs[p, 0], pairs[p, 1], pairs[p, 2]
        t, u = place(places, p)
        at_pull = 4 * LANES * p
        by_t, by_u0 = load(pull, at_pull), load(pull, at_pull + LANES)
        by_u1, by_u2 = load(pull, at_pull + 2 * LANES), load(pull, at_pull + 3 * LANES)
        for f in range(0, n, LANES):
            at = FEATURE * (interval * n + f)
            one_i, one_j, three_i, three_j = i * n + f, j * n + f, i * 3 * n + f, j * 3 * n + f
            w, dw = polynomial_and_slope(table, at, t)
            gs_i, gs_j = load(grad_s, one_i), load(grad_s, one_j)
            by_t = by_t + dw * (gs_i * load(phi, three_j) + gs_j * load(phi, three_i))
            add(grad_phi, three_j, w * gs_i)
            add(grad_phi, three_i, w * gs_j)
            gi0, gi1, gi2 = vector(grad_v, three_i, n)
            gj0, gj1, gj2 = vector(grad_v, three_j, n)
            along_i = gi0 * u[0] + gi1 * u[1] + gi2 * u[2]
            along_j = gj0 * u[0] + gj1 * u[1] + gj2 * u[2]
            w, dw = polynomial_and_slope(table, at + FILTER, t)
            phi_i, phi_j = load(phi, three_i + n), load(phi, three_j + n)
            by_t = by_t + dw * (phi_j * along_i - phi_i * along_j)
            add(grad_phi, three_j + n, w * along_i)
            subtract(grad_phi, three_i + n, w * along_j)
            phi_i, phi_j = phi_i * w, phi_j * w
            by_u0 = by_u0 + (phi_j * gi0 - phi_i * gj0)
            by_u1 = by_u1 + (phi_j * gi1 - phi_i * gj1)
            by_u2 = by_u2 + (phi_j * gi2 - phi_i * gj2)
            vi0, vi1, vi2 = vector(v, three_i, n)
            vj0, vj1, vj2 = vector(v, three_j, n)
            overlap_i = gi0 * vj0 + gi1 * vj1 + gi2 * vj2
            overlap_j = gj0 * vi0 + gj1 * vi1 + gj2 * vi2
            w, dw = polynomial_and_slope(table, at + 2 * FILTER, t)
            phi_i, phi_j = load(phi, three_i + 2 * n), load(phi, three_j + 2 * n)
            by_t = by_t + dw * (phi_j * overlap_i + phi_i * overlap_j)
            add(grad_phi, three_j + 2 * n, w * overlap_i)
            add(grad_phi, three_i + 2 * n, w * overlap_j)
            phi_i, phi_j = phi_i * w, phi_j * w
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
def surroundings(n_pairs, pairs, places, table, starts, slots, scalars, vectors):
    """Sums over neighbours of the radial channels b: Σ_j b(r_ij) and Σ_j b(r_ij) u_ij of each element.

    scalars: (a, K), vectors: (a, 3, K), both overwritten; slots: (a,), where in K an atom's element has its
    channels; table, starts: of `radial_table`.
    """
    n = scalars.shape[1]
    clear(scalars, scalars.size)
    clear(vectors, vectors.size)
    for p in range(n_pairs):
        i, j, interval = pairs[p, 0], pairs[p, 1], pairs[p, 2]
        t, u = place(places, p)
        for group in range(len(starts)):
            b = polynomial(table, FILTER * (interval * len(starts) + group), t)
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
            b, slope = polynomial_and_slope(table, FILTER * (interval * len(starts) + group), t)
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
