"""Undirected pairs of atoms inside the cutoff, over all pairs or, for large molecules, over cells.

Atoms of all replicas are numbered through. Nothing is kept between calls: the pairs depend on the positions
alone.
"""

import numpy as np

from painn_spectra.model.lanes import compiled

CELLS_FROM_ATOMS = 300  # below, looking at all pairs costs less
MAX_CELLS_PER_ATOM = 8  # a few atoms far apart do not ask for a box full of empty cells


@compiled
def find_pairs(positions, cutoff, n_intervals, pairs, places):
    """Fill in the pairs (i, j): pairs (n_max, 3), i, j, interval of the filters; places (n_max, 5): where in
    the interval (−½ to ½), the direction u = (r_j − r_i)/r, 1/r | 1/Å.

    positions: (b, n, 3) | Å, float64. Returns the number of pairs; what exceeds n_max is not written.
    """
    n_replicas, n_atoms = positions.shape[:2]
    n_pairs = 0
    for b in range(n_replicas):
        first, r = b * n_atoms, positions[b]
        if n_atoms >= CELLS_FROM_ATOMS:
            n_pairs = pairs_by_cells(r, cutoff, n_intervals, first, n_pairs, pairs, places)
        else:
            for i in range(n_atoms):
                for j in range(i + 1, n_atoms):
                    if near(r, i, j, cutoff):
                        n_pairs = keep(r, i, j, cutoff, n_intervals, first, n_pairs, pairs, places)
    return n_pairs


@compiled
def near(r, i, j, cutoff):
    """Whether two atoms are close enough."""
    x, y, z = r[j, 0] - r[i, 0], r[j, 1] - r[i, 1], r[j, 2] - r[i, 2]
    return x * x + y * y + z * z < cutoff * cutoff


@compiled
def keep(r, i, j, cutoff, n_intervals, first, n_pairs, pairs, places):
    """Append the pair where there is room. Returns the number of pairs."""
    if n_pairs < len(pairs):
        x, y, z = r[j, 0] - r[i, 0], r[j, 1] - r[i, 1], r[j, 2] - r[i, 2]
        distance = np.sqrt(x * x + y * y + z * z)
        place = distance * (n_intervals / cutoff)
        interval = min(int(place), n_intervals - 1)
        inverse = 1 / distance
        pairs[n_pairs, 0] = first + i
        pairs[n_pairs, 1] = first + j
        pairs[n_pairs, 2] = interval
        places[n_pairs, 0] = place - interval - 0.5
        places[n_pairs, 1] = x * inverse
        places[n_pairs, 2] = y * inverse
        places[n_pairs, 3] = z * inverse
        places[n_pairs, 4] = inverse
    return n_pairs + 1


@compiled
def pairs_by_cells(r, cutoff, n_intervals, first, n_pairs, pairs, places):
    """The same for one molecule (n, 3): each atom looks into its own cell and the 26 around it.

    Positions that are not finite leave no pair.
    """
    n = len(r)
    low, extent, shape = np.zeros(3), np.zeros(3), np.ones(3, np.int64)
    check = 0.0
    for c in range(3):
        low[c] = high = r[0, c]
        for i in range(n):
            low[c], high = min(low[c], r[i, c]), max(high, r[i, c])
            check += 0 * r[i, c]
        extent[c] = high - low[c]
    if check != 0:  # not a number: some position is not finite
        return n_pairs
    edge, n_cells = cutoff, MAX_CELLS_PER_ATOM * n + 1
    while n_cells > MAX_CELLS_PER_ATOM * n:
        n_cells = 1
        for c in range(3):
            shape[c] = 1 + int(min(extent[c] / edge, 1e5))
            n_cells *= shape[c]
        edge *= 1.3
    edge /= 1.3
    cell, last, before = np.zeros((n, 3), np.int64), np.empty(n_cells, np.int64), np.empty(n, np.int64)
    for k in range(n_cells):
        last[k] = -1
    for i in range(n):
        for c in range(3):
            cell[i, c] = min(int((r[i, c] - low[c]) / edge), shape[c] - 1)
        x, y, z = cell[i, 0], cell[i, 1], cell[i, 2]
        for cx in range(max(0, x - 1), min(x + 2, shape[0])):
            for cy in range(max(0, y - 1), min(y + 2, shape[1])):
                for cz in range(max(0, z - 1), min(z + 2, shape[2])):
                    j = last[(cx * shape[1] + cy) * shape[2] + cz]
                    while j >= 0:  # the chain of the atoms of a cell so far
                        if near(r, i, j, cutoff):
                            n_pairs = keep(r, i, j, cutoff, n_intervals, first, n_pairs, pairs, places)
                        j = before[j]
        own = (x * shape[1] + y) * shape[2] + z
        before[i], last[own] = last[own], i
    return n_pairs
