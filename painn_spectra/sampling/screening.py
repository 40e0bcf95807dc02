"""Which geometries are worth a label: no near-duplicates, no reacted or dissociated ones. numpy only."""

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from painn_spectra.errors import InputError
from painn_spectra.md.bonds import bonds

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SAME_FRAME_A = 0.005  # frames 100 fs apart differ by about 0.1 Å; a coarser mesh would thin water out
SAME_MINIMUM_A = 0.02  # relaxed geometries scatter by up to 0.01 Å
BROKEN_FACTOR = 1.5  # a bond is broken beyond this many of its lengths in the conformer ...
FORMED_FACTOR = 1.15  # ... and formed within this many sums of covalent radii: between lie vibrations
MOST_LOST = 0.5  # more reacted frames than this share: the dynamics leave the molecule


def fingerprints(numbers: Integers, positions: Array) -> Array:
    """Distances sorted within each pair of elements, (n, n_pairs) | Å.

    They do not change when the molecule is turned, mirrored or like atoms are exchanged: a model that obeys
    these symmetries learns nothing from such copies. numbers: (n_atoms,); positions: (n, n_atoms, 3) | Å.
    """
    i, j = np.triu_indices(len(numbers), 1)
    lengths = np.linalg.norm(positions[:, i] - positions[:, j], axis=2)  # (n, n_pairs) | Å
    kinds = np.sort(np.stack([numbers[i], numbers[j]]), axis=0)
    _, kind = np.unique(kinds, axis=1, return_inverse=True)
    kind = kind.ravel()
    sorted_lengths = [np.sort(lengths[:, kind == k], axis=1) for k in range(kind.max() + 1)]
    return np.concatenate(sorted_lengths, axis=1)


def distinct(prints: Array, same_A: float = SAME_FRAME_A, known: Array | None = None) -> list[int]:
    """Indices, in order, of geometries whose fingerprint is more than `same_A` (root mean square over the
    pairs) from all kept ones and all `known` ones. prints: (n, n_pairs) | Å.
    """
    kept = np.empty((0, prints.shape[1])) if known is None else known
    chosen = []
    for k, new in enumerate(prints):
        if not len(kept) or np.square(kept - new).mean(1).min() > same_A**2:
            kept = np.concatenate([kept, new[None]])
            chosen.append(k)
    return chosen


def intact(numbers: Integers, conformer: Array, frames: Array) -> NDArray[np.bool_]:
    """Whether each frame (n, n_atoms, 3) | Å still has the bonds of its conformer (n_atoms, 3), (n,)."""
    i, j = np.triu_indices(len(numbers), 1)
    pairs = set(bonds(numbers, conformer))
    bonded = np.array([pair in pairs for pair in zip(i.tolist(), j.tolist(), strict=True)])  # (n_pairs,)
    rest = np.linalg.norm(conformer[i] - conformer[j], axis=1)  # (n_pairs,) | Å
    lengths = np.linalg.norm(frames[:, i] - frames[:, j], axis=2)  # (n, n_pairs) | Å
    near = FORMED_FACTOR * (covalent_radii[numbers[i]] + covalent_radii[numbers[j]])
    allowed = np.where(bonded, lengths < BROKEN_FACTOR * rest, lengths > np.minimum(near, 0.9 * rest))
    return allowed.all(1)  # NaN compares false: a frame that is none is not intact


def check_losses(n_lost: int, n_all: int, temperature_K: float, setting: str, cure: str) -> None:
    """Raise InputError when more than MOST_LOST of all frames have reacted or flown apart.

    setting: that of the temperature; cure: what helps besides lowering it.
    """
    if n_lost > MOST_LOST * n_all:
        raise InputError(
            f"sampling.{setting}: {n_lost} of {n_all} frames at {temperature_K:g} K reacted or flew apart; "
            f"lower the temperature, or {cure}"
        )


def interleaved(sizes: list[int]) -> list[tuple[int, int]]:
    """(group, member) in an order whose beginning already holds every group in its share."""
    places = [(k / size, group, k) for group, size in enumerate(sizes) for k in range(size)]
    return [(group, k) for _, group, k in sorted(places)]
