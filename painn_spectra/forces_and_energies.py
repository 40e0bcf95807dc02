"""Whether forces belong to the energies: finite differences between neighbouring frames.

Frames of a set lie a few tenths of an Å apart, too far for a trapezoid of their forces. A pair force field
fitted to the same forces carries most of the work; the trapezoid adds the smooth rest.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.label_evidence import Slope, fitted_pairs, l1_slope, molecules, spread

if TYPE_CHECKING:
    from painn_spectra.dataset import Frames

Array = NDArray[np.float64]
MAX_FRAMES = 200
MIN_FRAMES = 12


def gradient_slope(frames: "Frames") -> Slope | None:
    """Energy differences of neighbouring frames over the work of their forces; 1 where F = −∂E/∂r.

    ΔE = ΔV − ½ (f_i + f_j)·Δr, f = F + ∂V/∂r, with V the pair force field of `label_evidence` fitted to F and
    Δr between frames laid on each other, forces turned with them.
    ΔE → differences | unit of the energies, f → rest | unit of the forces. Of all molecules the one with most
    frames is taken; None where there are too few.
    """
    candidates = [(len(index), index, len(z)) for z, index in molecules(frames) if len(z) > 1]
    count, index, n = max(candidates, key=lambda found: found[0], default=(0, np.array([]), 0))
    if count < MIN_FRAMES:
        return None
    index = index[spread(count, min(count, MAX_FRAMES))]
    positions, forces = frames.positions[index, :n], frames.labels[keys.FORCES][index, :n]
    energies = frames.labels[keys.ENERGY][index]
    potential, pair_forces = fitted_pairs(positions, forces)
    rest = forces - pair_forces
    first, second = _neighbours(positions)
    step, turned = _laid_on(positions[first], positions[second], rest[second])
    work = potential[second] - potential[first] - 0.5 * np.einsum("kix,kix->k", rest[first] + turned, step)
    return l1_slope(work, energies[second] - energies[first])


def _neighbours(positions: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of frames nearest to each other by their distances between atoms, each once."""
    i, j = np.triu_indices(positions.shape[1], 1)
    prints = np.linalg.norm(positions[:, i] - positions[:, j], axis=2)  # (n_frames, n_pairs) | Å
    apart = np.square(prints[:, None] - prints[None]).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    pairs = np.unique(
        np.sort(np.stack([np.arange(len(prints)), apart.argmin(axis=1)], axis=1), axis=1), axis=0
    )
    return pairs[:, 0], pairs[:, 1]


def _laid_on(still: Array, moved: Array, vectors: Array) -> tuple[Array, Array]:
    """Displacements from `still` to `moved`, which is turned and shifted first, and `vectors` turned with it.

    All (n, n_atoms, 3). Kabsch 1976, doi:10.1107/S0567739476001873.
    """
    a, b = still - still.mean(axis=1, keepdims=True), moved - moved.mean(axis=1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("kix,kiy->kxy", b, a))
    handed = np.sign(np.linalg.det(u @ vt))
    u[:, :, -1] *= handed[:, None]
    rotation = u @ vt  # row vectors of b times this lie on a
    return b @ rotation - a, vectors @ rotation
