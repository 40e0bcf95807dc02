"""Which geometries a model has seen: bounds from its training frames, kept in the model file.

Bounds are those of neighbours by rank: the nearest atom of an oxygen was 0.92 to 1.1 Å away, the second 1.3
to 1.5. They apply to molecules that the model was not trained on too, and they see what breaks a dynamics: a
bond that stretches, atoms that collide, an angle that closes. Torsions they do not see.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

if TYPE_CHECKING:
    from painn_spectra.dataset import Frames

Array = NDArray[np.float64]
N_NEIGHBOURS = 4
MARGIN = 0.1  # of a bound's width, beyond what was seen: a finite sample does not reach its own ends
MIN_MARGIN_A = 0.02


def trained_range(frames: "Frames") -> dict[str, Any]:
    """Bounds for `outside`, JSON-able.

    neighbours: {atomic number: [[shortest, longest] | Å, of the first, second, … neighbour]}
    """
    ordered = _neighbours(frames.numbers, frames.positions)
    bounds: dict[str, Any] = {}
    for z in frames.elements:
        seen = ordered[frames.numbers == z]  # (n, N_NEIGHBOURS) | Å
        columns = (seen[:, k][np.isfinite(seen[:, k])] for k in range(seen.shape[1]))
        bounds[str(z)] = [[float(r.min()), float(r.max())] for r in columns if len(r)]
    return {"neighbours": bounds}


def outside(seen: dict[str, Any], numbers: NDArray[np.int64], positions: Array) -> tuple[Array, list[str]]:
    """How far frames lie outside of the trained range, and what is the matter with each.

    seen: `potential.metadata["range"]`; numbers: (n_atoms,); positions: (n_frames, n_atoms, 3) | Å.
    Returns the largest distance beyond a bound with its margin, (n_frames,) | Å, 0 inside and infinite where
    positions are no numbers, and words such as "O–neighbour 1 at 1.42 Å, trained to 1.10", empty inside.
    """
    ordered = _neighbours(np.broadcast_to(numbers, positions.shape[:2]), positions)
    beyond, words = np.zeros(len(positions)), [""] * len(positions)
    for atom, z in enumerate(numbers.tolist()):
        for k, (low, high) in enumerate(seen["neighbours"].get(str(z), [])[: ordered.shape[2]]):
            margin = max(MARGIN * (high - low), MIN_MARGIN_A)
            r = ordered[:, atom, k]
            excess = np.where(np.isfinite(r), np.maximum(low - margin - r, r - high - margin), np.inf)
            for frame in np.flatnonzero(excess > beyond):
                limit = f"from {low:.2f}" if r[frame] < low else f"to {high:.2f}"
                words[frame] = (
                    f"{chemical_symbols[z]} (atom {atom}) has neighbour {k + 1} at {r[frame]:.2f} Å, "
                    f"trained {limit}"
                )
            beyond = np.maximum(beyond, excess)
    return beyond, words


def _neighbours(numbers: NDArray[np.int64], positions: Array) -> Array:
    """Distances to the nearest atoms, (n_frames, n_atoms, up to N_NEIGHBOURS) | Å; infinite where is none."""
    distances = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    real = numbers > 0
    nobody = ~(real[:, :, None] & real[:, None]) | np.eye(numbers.shape[1], dtype=bool)
    return np.sort(np.where(nobody, np.inf, distances), axis=2)[
        :, :, : min(N_NEIGHBOURS, numbers.shape[1] - 1)
    ]
