"""Are two geometries the same up to rotation and exchange of like atoms? Mirror images are different."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

N_ROTATIONS = 200  # random starting orientations, about 30° apart
MAX_MATCHINGS = 20  # per orientation; three are usual
SAME_RMSD_A = 0.1  # looser than the scatter of relaxed geometries, tighter than any two conformers


def kabsch(fixed: Array, moving: Array) -> Array:
    """`moving` after the proper rotation that brings it closest to `fixed`; both (n_atoms, 3) | Å, centred.

    R = U diag(1, 1, det) Vᵀ from movingᵀ·fixed = U S Vᵀ. Kabsch 1976, doi:10.1107/S0567739476001873.
    """
    u, _, vt = np.linalg.svd(moving.T @ fixed)
    handedness = np.sign(np.linalg.det(u @ vt))
    return moving @ (u * [1.0, 1.0, handedness]) @ vt


def match_atoms(fixed: Array, moving: Array, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order of `moving`'s atoms closest to `fixed`, exchanging atoms of one kind only (Hungarian method)."""
    order = np.arange(len(kinds))
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        if len(members) > 1:
            separations = fixed[members, None] - moving[None, members]
            order[members] = members[linear_sum_assignment((separations**2).sum(-1))[1]]
    return order


def matching_orders(
    first: Array, second: Array, kinds: NDArray[np.int64], only_one: bool = False
) -> set[tuple[int, ...]]:
    """All orders of `second`'s atoms that lay it upon `first` within SAME_RMSD_A; empty: different molecules.

    From many random orientations, match and rotate in turns until the matching stays. The orders that lay a
    molecule upon itself count its symmetry number. kinds: (n_atoms,), equal for exchangeable atoms.
    """
    first, second = first - first.mean(0), second - second.mean(0)
    found: set[tuple[int, ...]] = set()
    if np.abs(np.sort(pdist(first)) - np.sort(pdist(second))).max(initial=0) > 5 * SAME_RMSD_A:
        return found
    for rotation in Rotation.random(N_ROTATIONS, rng=np.random.default_rng(0)).as_matrix():
        moved, previous = second @ rotation, None
        for _ in range(MAX_MATCHINGS):
            order = match_atoms(first, moved, kinds)
            if previous is not None and (order == previous).all():
                break
            moved, previous = kabsch(first, second[order])[np.argsort(order)], order
        if np.sqrt(((moved[order] - first) ** 2).sum(1).mean()) < SAME_RMSD_A:
            found.add(tuple(int(i) for i in order))
            if only_one:
                break
    return found


def unique_geometries(geometries: Array, energies_eV: Array, kinds: NDArray[np.int64]) -> list[int]:
    """Indices of distinct geometries, lowest energy first. geometries: (n, n_atoms, 3) | Å."""
    kept: list[int] = []
    for i in np.argsort(energies_eV, kind="stable"):
        if not any(matching_orders(geometries[j], geometries[i], kinds, only_one=True) for j in kept):
            kept.append(int(i))
    return kept


def unique_up_to_mirror_images(
    geometries: Array, energies_eV: Array, kinds: NDArray[np.int64]
) -> tuple[list[int], list[int], list[int]]:
    """Indices of distinct geometries, lowest energy first; their symmetry numbers; 2 where chiral, else 1."""
    kept: list[int] = []
    for i in np.argsort(energies_eV, kind="stable"):
        images = (geometries[i], -geometries[i])
        if not any(
            matching_orders(geometries[j], image, kinds, only_one=True) for j in kept for image in images
        ):
            kept.append(int(i))
    symmetry = [len(matching_orders(geometries[i], geometries[i], kinds)) for i in kept]
    achiral = [matching_orders(geometries[i], -geometries[i], kinds, only_one=True) for i in kept]
    return kept, symmetry, [1 if same else 2 for same in achiral]
