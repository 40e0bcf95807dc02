"""Which conformers a trajectory visits, and how often it goes from one to another."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.md.bonds import bonds

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

MAX_ORDERS = 2000  # of like atoms; beyond, the comparison would take longer than it is worth
VISIT_INTERVAL_FS = 20.0  # between the frames looked at; a torsion takes ten times as long
SHORTEST_VISIT_FS = 100.0  # a shorter one is a recrossing of the barrier


def conformer_visits(trajectory: h5py.File, starts: dict[str, Any]) -> tuple[Array, int] | None:
    """Share of its time that each replica is nearest to each conformer, (n_replicas, n_conformers), and the
    number of interconversions of all; None where like atoms exchange in too many ways to compare.
    """
    numbers, masses = trajectory.attrs["numbers"], trajectory.attrs["masses_amu"]
    _, kinds = np.unique(np.stack([numbers, masses], 1), axis=0, return_inverse=True)
    interval_fs = float(trajectory.attrs["sample_interval_fs"]) * int(trajectory.attrs["sparse_stride"])
    stride = max(1, round(VISIT_INTERVAL_FS / interval_fs))
    minima = np.array([conformer["positions"] for conformer in starts["conformers"]])
    shares, changes = [], 0
    reachable = {
        start: references(minima[start], minima, numbers, kinds) for start in set(starts["replicas"])
    }
    for replica, start in enumerate(starts["replicas"]):
        found = reachable[start]
        if found is None:
            return None
        frames = trajectory[keys.SPARSE_POSITIONS][replica, ::stride].astype(float)  # (n_frames, n_atoms, 3)
        visited = found[1][nearest(frames, found[0])]
        shares.append(np.bincount(visited, minlength=len(minima)) / len(visited))
        changes += interconversions(visited, stride * interval_fs)
    return np.array(shares), changes


def like_orders(neighbours: NDArray[np.bool_], kinds: Integers) -> Iterator[list[int]]:
    """Orders of the atoms that change neither kinds (n_atoms,) nor bonds (n_atoms, n_atoms)."""
    path = along_bonds(neighbours)

    def extended(chosen: list[int]) -> Iterator[list[int]]:
        if len(chosen) == len(path):
            yield [other for _, other in sorted(zip(path, chosen, strict=True))]
            return
        atom = path[len(chosen)]
        before = neighbours[atom, path[: len(chosen)]]
        for other in sorted(set(np.flatnonzero(kinds == kinds[atom]).tolist()) - set(chosen)):
            if (before == neighbours[other, chosen]).all():
                yield from extended([*chosen, other])

    return extended([])


def along_bonds(neighbours: NDArray[np.bool_]) -> list[int]:
    """All atoms, each bonded to an earlier one where any is: what cannot be is seen at once."""
    path: list[int] = []
    by_degree = np.argsort(-neighbours.sum(1), kind="stable").tolist()
    while len(path) < len(by_degree):
        left = [atom for atom in by_degree if atom not in path]
        path.append(next((atom for atom in left if neighbours[atom, path].any()), left[0]))
    return path


def handedness(positions: Array, neighbours: NDArray[np.bool_]) -> list[bool]:
    """Sense in which each four-bonded atom bears its neighbours; it changes only by breaking bonds."""
    corners = [np.flatnonzero(row) for row in neighbours if row.sum() == 4]
    return [bool(np.linalg.det(positions[c[1:]] - positions[c[0]]) > 0) for c in corners]


def references(
    start: Array, minima: Array, numbers: Integers, kinds: Integers
) -> tuple[Array, Integers, Integers] | None:
    """What a run from `start` can reach: minima with like atoms exchanged, (n_references, n_atoms, 3) | Å,
    which of the minima (n_conformers, n_atoms, 3) each is, and its order of their atoms,
    (n_references, n_atoms); None for too many.
    """
    neighbours = np.zeros((len(kinds), len(kinds)), bool)
    pairs = np.array(bonds(numbers, start), int).reshape(-1, 2)
    neighbours[pairs[:, 0], pairs[:, 1]] = neighbours[pairs[:, 1], pairs[:, 0]] = True
    orders = list(islice(like_orders(neighbours, kinds), MAX_ORDERS + 1))
    if len(orders) > MAX_ORDERS:
        return None
    sense = handedness(start, neighbours)
    found = [(i, order) for i in range(len(minima)) for order in orders]
    found = [(i, order) for i, order in found if handedness(minima[i][order], neighbours) == sense]
    conformers, atoms = np.array([i for i, _ in found]), np.array([order for _, order in found])
    return minima[conformers[:, None], atoms], conformers, atoms


def nearest(frames: Array, to: Array) -> Integers:
    """Index of the geometry in `to` at the least RMSD after rotation, (n_frames,); reflections do not count.

    n RMSD² = Σ|a|² + Σ|b|² − 2 (s₁ + s₂ ± s₃), s = singular values of aᵀb, ± = sign of its determinant.
    """
    frames, to = (r - r.mean(1, keepdims=True) for r in (frames, to))
    overlap = np.einsum("fax,ray->frxy", frames, to, optimize=True)  # (n_frames, n_references, 3, 3) | Å²
    singular = np.linalg.svd(overlap, compute_uv=False)
    singular[..., 2] *= np.sign(np.linalg.det(overlap))
    return np.argmin((to**2).sum((1, 2)) - 2 * singular.sum(-1), axis=1)


def interconversions(conformers: Integers, interval_fs: float) -> int:
    """Changes of conformer along a run (n_frames,), visits shorter than SHORTEST_VISIT_FS left out."""
    borders = np.flatnonzero(np.diff(conformers, prepend=-1, append=-1))
    long_enough = np.diff(borders) * interval_fs >= SHORTEST_VISIT_FS
    visits = conformers[borders[:-1][long_enough]]
    return int(np.count_nonzero(np.diff(visits)))
