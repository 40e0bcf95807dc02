"""PaiNN's message and its gradient over undirected pairs, compiled by numba.

Atoms of all replicas are numbered through. Filters come from `filter_table.py`; a pair (i, j) has the
direction u = (r_j − r_i)/r.
"""

import numpy as np

from painn_spectra.model.lanes import LANES, add, compiled, load, spread, subtract, total, vector


@compiled
def find_pairs(positions, cutoff, atoms, distances, directions):
    """Fill in the pairs inside the cutoff: atoms (n_max, 2), distances (n_max,) | Å, directions (n_max, 3).

    positions: (b, n, 3) | Å, float64. Returns the number of pairs; what exceeds n_max is not written.
    """
    n_replicas, n_atoms = positions.shape[:2]
    n_pairs = 0
    for b in range(n_replicas):
        for i in range(n_atoms):
            for j in range(i + 1, n_atoms):
                x = positions[b, j, 0] - positions[b, i, 0]
                y = positions[b, j, 1] - positions[b, i, 1]
                z = positions[b, j, 2] - positions[b, i, 2]
                squared = x * x + y * y + z * z
                if squared < cutoff * cutoff:
                    if n_pairs < len(distances):
                        r = np.sqrt(squared)
                        atoms[n_pairs, 0] = b * n_atoms + i
                        atoms[n_pairs, 1] = b * n_atoms + j
                        distances[n_pairs] = r
                        directions[n_pairs, 0] = x / r
                        directions[n_pairs, 1] = y / r
                        directions[n_pairs, 2] = z / r
                    n_pairs += 1
    return n_pairs


@compiled
def hermite(t, table):
    """Weights of W, h W', h² W'' at both nodes, each spread: six for W and six for h W', 0 ≤ t < 1."""
    kind = table.dtype.type
    t2, t3, t4 = t * t, t**3, t**4
    t5 = t4 * t
    later, slope_later = 10 * t3 - 15 * t4 + 6 * t5, 30 * t2 - 60 * t3 + 30 * t4
    value = (
        spread(kind(1 - later)),
        spread(kind(t - 6 * t3 + 8 * t4 - 3 * t5)),
        spread(kind(0.5 * t2 - 1.5 * t3 + 1.5 * t4 - 0.5 * t5)),
        spread(kind(later)),
        spread(kind(-4 * t3 + 7 * t4 - 3 * t5)),
        spread(kind(0.5 * t3 - t4 + 0.5 * t5)),
    )
    slope = (
        spread(kind(-slope_later)),
        spread(kind(1 - 18 * t2 + 32 * t3 - 15 * t4)),
        spread(kind(t - 4.5 * t2 + 6 * t3 - 2.5 * t4)),
        spread(kind(slope_later)),
        spread(kind(-12 * t2 + 28 * t3 - 15 * t4)),
        spread(kind(1.5 * t2 - 4 * t3 + 2.5 * t4)),
    )
    return value, slope


@compiled
def interpolate(table, at, next_node, weights):
    """One filter of eight features; at: where its W begins, next_node: distance to the next node's."""
    then = at + next_node
    return (
        weights[0] * load(table, at)
        + weights[1] * load(table, at + 8)
        + weights[2] * load(table, at + 16)
        + weights[3] * load(table, then)
        + weights[4] * load(table, then + 8)
        + weights[5] * load(table, then + 16)
    )


@compiled
def direction(directions, p):
    """u of pair p, each component spread."""
    return spread(directions[p, 0]), spread(directions[p, 1]), spread(directions[p, 2])


@compiled
def message(n_pairs, atoms, distances, directions, inverse_step, table, phi, v, first, s, v_out):
    """Add Δs_i = Σ_j φ_s W_s to s and Δv_i = Σ_j φ_vs W_vs u + φ_vv W_vv v_j to v_out.

    phi: (a, 3F), blocks s, vs, vv of every atom; s: (a, F); v, v_out: (a, 3, F); table: one layer's.
    first: v is zero and not read.
    """
    n = s.shape[1]
    next_node = 9 * n
    for p in range(n_pairs):
        i, j = atoms[p, 0], atoms[p, 1]
        x = np.float64(distances[p]) * inverse_step
        node = int(x)
        value, _ = hermite(x - node, table)
        u0, u1, u2 = direction(directions, p)
        for f in range(0, n, LANES):
            at = node * next_node + 9 * f
            w = interpolate(table, at, next_node, value)
            add(s, i * n + f, w * load(phi, j * 3 * n + f))
            add(s, j * n + f, w * load(phi, i * 3 * n + f))
            w = interpolate(table, at + 24, next_node, value)
            along_i, along_j = w * load(phi, (j * 3 + 1) * n + f), w * load(phi, (i * 3 + 1) * n + f)
            if first:
                add(v_out, i * 3 * n + f, along_i * u0)
                add(v_out, (i * 3 + 1) * n + f, along_i * u1)
                add(v_out, (i * 3 + 2) * n + f, along_i * u2)
                subtract(v_out, j * 3 * n + f, along_j * u0)
                subtract(v_out, (j * 3 + 1) * n + f, along_j * u1)
                subtract(v_out, (j * 3 + 2) * n + f, along_j * u2)
            else:
                w = interpolate(table, at + 48, next_node, value)
                passed_i, passed_j = w * load(phi, (j * 3 + 2) * n + f), w * load(phi, (i * 3 + 2) * n + f)
                add(v_out, i * 3 * n + f, along_i * u0 + passed_i * load(v, j * 3 * n + f))
                add(v_out, (i * 3 + 1) * n + f, along_i * u1 + passed_i * load(v, (j * 3 + 1) * n + f))
                add(v_out, (i * 3 + 2) * n + f, along_i * u2 + passed_i * load(v, (j * 3 + 2) * n + f))
                add(v_out, j * 3 * n + f, passed_j * load(v, i * 3 * n + f) - along_j * u0)
                add(v_out, (j * 3 + 1) * n + f, passed_j * load(v, (i * 3 + 1) * n + f) - along_j * u1)
                add(v_out, (j * 3 + 2) * n + f, passed_j * load(v, (i * 3 + 2) * n + f) - along_j * u2)


@compiled
def message_gradient(
    n_pairs, atoms, distances, directions, inverse_step, table, phi, v, first, grad_s, grad_v, grad_phi,
    grad_v_in, grad_r,
):  # fmt: skip
    """Add what `message` passes back to grad_phi (a, 3F), grad_v_in (a, 3, F), grad_r (a, 3) float64 | 1/Å.

    grad_s, grad_v: gradient with respect to the message's results. first: phi is constant and v zero, so
    that only grad_r gets something.
    """
    n = grad_s.shape[1]
    next_node = 9 * n
    zero = spread(table.dtype.type(0))
    for p in range(n_pairs):
        i, j = atoms[p, 0], atoms[p, 1]
        x = np.float64(distances[p]) * inverse_step
        node = int(x)
        value, slope = hermite(x - node, table)
        u0, u1, u2 = direction(directions, p)
        by_r, by_u0, by_u1, by_u2 = zero, zero, zero, zero  # h ∂E/∂r, ∂E/∂u
        for f in range(0, n, LANES):
            at = node * next_node + 9 * f
            w, dw = interpolate(table, at, next_node, value), interpolate(table, at, next_node, slope)
            gs_i, gs_j = load(grad_s, i * n + f), load(grad_s, j * n + f)
            by_r = by_r + dw * (gs_i * load(phi, j * 3 * n + f) + gs_j * load(phi, i * 3 * n + f))
            if not first:
                add(grad_phi, j * 3 * n + f, w * gs_i)
                add(grad_phi, i * 3 * n + f, w * gs_j)
            gi0, gi1, gi2 = vector(grad_v, i * 3 * n + f, n)
            gj0, gj1, gj2 = vector(grad_v, j * 3 * n + f, n)
            along_i, along_j = gi0 * u0 + gi1 * u1 + gi2 * u2, gj0 * u0 + gj1 * u1 + gj2 * u2
            at += 24
            w, dw = interpolate(table, at, next_node, value), interpolate(table, at, next_node, slope)
            phi_i, phi_j = load(phi, (i * 3 + 1) * n + f), load(phi, (j * 3 + 1) * n + f)
            by_r = by_r + dw * (phi_j * along_i - phi_i * along_j)
            if not first:
                add(grad_phi, (j * 3 + 1) * n + f, w * along_i)
                subtract(grad_phi, (i * 3 + 1) * n + f, w * along_j)
            phi_i, phi_j = phi_i * w, phi_j * w
            by_u0 = by_u0 + (phi_j * gi0 - phi_i * gj0)
            by_u1 = by_u1 + (phi_j * gi1 - phi_i * gj1)
            by_u2 = by_u2 + (phi_j * gi2 - phi_i * gj2)
            if not first:
                vi0, vi1, vi2 = vector(v, i * 3 * n + f, n)
                vj0, vj1, vj2 = vector(v, j * 3 * n + f, n)
                overlap_i, overlap_j = gi0 * vj0 + gi1 * vj1 + gi2 * vj2, gj0 * vi0 + gj1 * vi1 + gj2 * vi2
                at += 24
                w, dw = interpolate(table, at, next_node, value), interpolate(table, at, next_node, slope)
                phi_i, phi_j = load(phi, (i * 3 + 2) * n + f), load(phi, (j * 3 + 2) * n + f)
                by_r = by_r + dw * (phi_j * overlap_i + phi_i * overlap_j)
                add(grad_phi, (j * 3 + 2) * n + f, w * overlap_i)
                add(grad_phi, (i * 3 + 2) * n + f, w * overlap_j)
                phi_i, phi_j = phi_i * w, phi_j * w
                add(grad_v_in, j * 3 * n + f, phi_j * gi0)
                add(grad_v_in, (j * 3 + 1) * n + f, phi_j * gi1)
                add(grad_v_in, (j * 3 + 2) * n + f, phi_j * gi2)
                add(grad_v_in, i * 3 * n + f, phi_i * gj0)
                add(grad_v_in, (i * 3 + 1) * n + f, phi_i * gj1)
                add(grad_v_in, (i * 3 + 2) * n + f, phi_i * gj2)
        # r_j − r_i moves r along u, and u across: ∂E/∂(r_j − r_i) = E_r u + (E_u − (E_u·u) u)/r
        by_u = (total(by_u0), total(by_u1), total(by_u2))
        across = 1.0 / np.float64(distances[p])
        straight = total(by_r) * inverse_step
        for c in range(3):
            straight -= by_u[c] * directions[p, c] * across
        for c in range(3):
            pull = straight * directions[p, c] + by_u[c] * across
            grad_r[j, c] += pull
            grad_r[i, c] -= pull
