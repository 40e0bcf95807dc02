"""PaiNN's message with its first and second derivatives over undirected pairs, for training.

Atoms of all molecules are numbered through; a pair (i, j) has the direction u = (r_j − r_i)/r. `starts`
(molecules + 1,) tells where each molecule's pairs begin: a few features of one molecule at a time stay in the
nearest cache. `filters` are one layer's, (3, 2, pairs, F): s, vs and vv, each W and then its slope dW/dr.
x· (`_dot`) is the change of x along a displacement of the atoms; ŷ (`hat_`) is ∂E/∂y; ȳ (`bar_`) the loss's
gradient with respect to y.
"""

import numpy as np

from painn_spectra.model.lanes import LANES, add, compiled, load, spread, subtract, total, vector

BLOCK = 16  # features that are done together: a cache line of float32


@compiled
def find_pairs(positions, first_atoms, cutoff, starts, atoms, distances, directions):
    """Fill in the pairs inside the cutoff and where each molecule's begin: starts (molecules + 1,).

    positions: (a, 3) | Å, float64; first_atoms: (molecules + 1,), where each molecule's atoms begin;
    atoms: (room, 2); distances: (room,) | Å; directions: (room, 3), room for all pairs of each molecule.
    """
    n_pairs = 0
    for m in range(len(starts) - 1):
        starts[m] = n_pairs
        for i in range(first_atoms[m], first_atoms[m + 1]):
            for j in range(i + 1, first_atoms[m + 1]):
                x = positions[j, 0] - positions[i, 0]
                y = positions[j, 1] - positions[i, 1]
                z = positions[j, 2] - positions[i, 2]
                squared = x * x + y * y + z * z
                if squared < cutoff * cutoff:
                    r = np.sqrt(squared)
                    atoms[n_pairs, 0], atoms[n_pairs, 1] = i, j
                    distances[n_pairs] = r
                    directions[n_pairs, 0], directions[n_pairs, 1], directions[n_pairs, 2] = (
                        x / r,
                        y / r,
                        z / r,
                    )
                    n_pairs += 1
    starts[len(starts) - 1] = n_pairs


@compiled
def axis(directions, p):
    """The vector of pair p, each component spread."""
    return spread(directions[p, 0]), spread(directions[p, 1]), spread(directions[p, 2])


@compiled
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def add_vector(array, offset, n, a, x, b, y):
    """array[..., c, offset : offset + LANES] += a x_c + b y_c."""
    add(array, offset, a * x[0] + b * y[0])
    add(array, offset + n, a * x[1] + b * y[1])
    add(array, offset + 2 * n, a * x[2] + b * y[2])


@compiled
def add_scaled(array, offset, n, a, x):
    """array[..., c, offset : offset + LANES] += a x_c."""
    add(array, offset, a * x[0])
    add(array, offset + n, a * x[1])
    add(array, offset + 2 * n, a * x[2])


@compiled
def message(starts, atoms, directions, filters, phi, v, first, s, v_out):
    """Add Δs_i = Σ_j φ_s W_s to s (a, F) and Δv_i = Σ_j φ_vs W_vs u + φ_vv W_vv v_j to v_out (a, 3, F).

    phi: (a, 3F), blocks s, vs, vv of every atom. first: v (a, 3, F) is zero and not read.
    """
    n, n_pairs = s.shape[1], len(atoms)
    zero = spread(s.dtype.type(0))
    for m in range(len(starts) - 1):
        for block in range(0, n, BLOCK):
            for p in range(starts[m], starts[m + 1]):
                i, j = atoms[p, 0], atoms[p, 1]
                u = axis(directions, p)
                for f in range(block, block + BLOCK, LANES):
                    g_i, g_j, at = i * 3 * n + f, j * 3 * n + f, p * n + f
                    w_s, w_vs = load(filters, at), load(filters, 2 * n_pairs * n + at)
                    add(s, i * n + f, w_s * load(phi, g_j))
                    add(s, j * n + f, w_s * load(phi, g_i))
                    along_i, along_j = w_vs * load(phi, g_j + n), zero - w_vs * load(phi, g_i + n)
                    if first:
                        add_scaled(v_out, g_i, n, along_i, u)
                        add_scaled(v_out, g_j, n, along_j, u)
                    else:
                        w_vv = load(filters, 4 * n_pairs * n + at)
                        at_j, at_i = w_vv * load(phi, g_j + 2 * n), w_vv * load(phi, g_i + 2 * n)
                        v_j = vector(v, g_j, n)
                        v_i = vector(v, g_i, n)
                        add_vector(v_out, g_i, n, along_i, u, at_j, v_j)
                        add_vector(v_out, g_j, n, along_j, u, at_i, v_i)


@compiled
def message_gradient(
    starts,
    atoms,
    distances,
    directions,
    filters,
    phi,
    v,
    first,
    hat_s,
    hat_v,
    hat_phi,
    hat_v_in,
    by_pair,
    hat_r,
):
    """Add ∂E/∂φ to hat_phi (a, 3F), ∂E/∂v to hat_v_in (a, 3, F), ∂E/∂r to hat_r (a, 3) float64 | 1/Å.

    hat_s, hat_v: ∂E/∂ of the message's results; by_pair: (pairs, 4 LANES), overwritten. first: phi is
    constant and v zero, only hat_r gets something.
    """
    n, n_pairs = hat_s.shape[1], len(atoms)
    zero = spread(hat_s.dtype.type(0))
    by_pair[:] = 0.0  # sums over features, LANES partial ones each: ∂E/∂r, ∂E/∂u
    for m in range(len(starts) - 1):
        for block in range(0, n, BLOCK):
            for p in range(starts[m], starts[m + 1]):
                i, j = atoms[p, 0], atoms[p, 1]
                u = axis(directions, p)
                by_r, by_u0, by_u1, by_u2 = zero, zero, zero, zero
                for f in range(block, block + BLOCK, LANES):
                    g_i, g_j, at = i * 3 * n + f, j * 3 * n + f, p * n + f
                    s_i, s_j = load(hat_s, i * n + f), load(hat_s, j * n + f)
                    v_i, v_j = vector(hat_v, g_i, n), vector(hat_v, g_j, n)
                    along_i, along_j = dot(v_i, u), dot(v_j, u)
                    w, dw = load(filters, at), load(filters, n_pairs * n + at)
                    by_r = by_r + dw * (s_i * load(phi, g_j) + s_j * load(phi, g_i))
                    if not first:
                        add(hat_phi, g_j, w * s_i)
                        add(hat_phi, g_i, w * s_j)
                    w, dw = load(filters, 2 * n_pairs * n + at), load(filters, 3 * n_pairs * n + at)
                    phi_i, phi_j = load(phi, g_i + n), load(phi, g_j + n)
                    by_r = by_r + dw * (phi_j * along_i - phi_i * along_j)
                    if not first:
                        add(hat_phi, g_j + n, w * along_i)
                        subtract(hat_phi, g_i + n, w * along_j)
                    phi_i, phi_j = phi_i * w, phi_j * w
                    by_u0 = by_u0 + (phi_j * v_i[0] - phi_i * v_j[0])
                    by_u1 = by_u1 + (phi_j * v_i[1] - phi_i * v_j[1])
                    by_u2 = by_u2 + (phi_j * v_i[2] - phi_i * v_j[2])
                    if not first:
                        w, dw = load(filters, 4 * n_pairs * n + at), load(filters, 5 * n_pairs * n + at)
                        overlap_i, overlap_j = dot(v_i, vector(v, g_j, n)), dot(v_j, vector(v, g_i, n))
                        phi_i, phi_j = load(phi, g_i + 2 * n), load(phi, g_j + 2 * n)
                        by_r = by_r + dw * (phi_j * overlap_i + phi_i * overlap_j)
                        add(hat_phi, g_j + 2 * n, w * overlap_i)
                        add(hat_phi, g_i + 2 * n, w * overlap_j)
                        add_scaled(hat_v_in, g_j, n, phi_j * w, v_i)
                        add_scaled(hat_v_in, g_i, n, phi_i * w, v_j)
                add(by_pair, p * 4 * LANES, by_r)
                add(by_pair, (p * 4 + 1) * LANES, by_u0)
                add(by_pair, (p * 4 + 2) * LANES, by_u1)
                add(by_pair, (p * 4 + 3) * LANES, by_u2)
    # r_j − r_i moves r along u, and u across: ∂E/∂(r_j − r_i) = E_r u + (E_u − (E_u·u) u)/r
    for p in range(n_pairs):
        i, j = atoms[p, 0], atoms[p, 1]
        across, straight = 1.0 / np.float64(distances[p]), np.float64(total(load(by_pair, p * 4 * LANES)))
        for c in range(3):
            by_u = np.float64(total(load(by_pair, (p * 4 + c + 1) * LANES)))
            straight -= by_u * directions[p, c] * across
        for c in range(3):
            by_u = np.float64(total(load(by_pair, (p * 4 + c + 1) * LANES)))
            pull = straight * directions[p, c] + by_u * across
            hat_r[j, c] += pull
            hat_r[i, c] -= pull


@compiled
def pair_tangents(atoms, distances, directions, displacement, r_dot, u_dot):
    """Write r· (pairs,) and u· (pairs, 3) of atoms that move along displacement (a, 3)."""
    for p in range(len(atoms)):
        i, j = atoms[p, 0], atoms[p, 1]
        along = 0.0
        for c in range(3):
            along += directions[p, c] * (displacement[j, c] - displacement[i, c])
        r_dot[p] = along
        for c in range(3):
            apart = displacement[j, c] - displacement[i, c]
            u_dot[p, c] = (apart - directions[p, c] * along) / distances[p]
