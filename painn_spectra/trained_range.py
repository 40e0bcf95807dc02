"""Which geometries a model has seen: bounds from its training frames, kept in the model file.

Bounds are those of neighbours by rank: the nearest atom of an oxygen was 0.92 to 1.1 Å away, the second 1.3
to 1.5. They apply to molecules that the model was not trained on too, and they see what breaks a dynamics: a
bond that stretches, atoms that collide, an angle that closes. Torsions they do not see.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

if TYPE_CHECKING:
    from painn_spectra.dataset import Frames

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

N_NEIGHBOURS = 4
MARGIN = 0.1  # of a bound's width, beyond what was seen: a finite sample does not reach its own ends
MIN_MARGIN_A = 0.02
PAIRS_AT_ONCE = 1_000_000  # distances in memory together


def trained_range(frames: "Frames") -> dict[str, Any]:
    """What `Bounds` are made of, JSON-able.

    neighbours: {atomic number: [[shortest, longest] | Å, of the first, second, … neighbour]}
    """
    ordered = _neighbours(frames.numbers, frames.positions)
    bounds: dict[str, Any] = {}
    for z in frames.elements:
        seen = ordered[frames.numbers == z]  # (n, N_NEIGHBOURS) | Å
        columns = (seen[:, k][np.isfinite(seen[:, k])] for k in range(seen.shape[1]))
        bounds[str(z)] = [[float(r.min()), float(r.max())] for r in columns if len(r)]
    return {"neighbours": bounds}


def seen_by_both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The range of a sum of two models: where both know what they say."""
    first, second = one["neighbours"], other["neighbours"]
    return {
        "neighbours": {
            z: [[max(a[0], b[0]), min(a[1], b[1])] for a, b in zip(first[z], second[z], strict=False)]
            for z in first.keys() & second.keys()
        }
    }


class Bounds:
    """The trained range of one molecule's atoms.

    How far outside a geometry is counts in parts of the bound that it passes: 0.1 Å are much for an O–H bond
    of 1 Å and little for the fourth neighbour at 3 Å.
    """

    def __init__(self, seen: dict[str, Any], numbers: Integers) -> None:
        """seen: `potential.metadata["range"]`; numbers: (n_atoms,)."""
        self.numbers = np.asarray(numbers)
        n_ranks = min(N_NEIGHBOURS, len(numbers) - 1)
        self.limits = np.full((len(numbers), n_ranks, 2), np.nan)  # shortest, longest | Å; NaN: none is known
        for atom, z in enumerate(self.numbers.tolist()):
            for rank, limits in enumerate(seen["neighbours"].get(str(z), [])[:n_ranks]):
                self.limits[atom, rank] = limits
        margin = np.maximum(MARGIN * np.diff(self.limits, axis=2), MIN_MARGIN_A)
        self.edges = self.limits + margin * [-1, 1]  # (n_atoms, n_ranks, 2) | Å

    def excess(self, positions: Array) -> tuple[Array, Integers]:
        """How far geometries (..., n_atoms, 3) | Å lie outside, and where they do most.

        Returns the largest distance beyond an edge in parts of its bound, (...): 0 or less inside, infinite
        where positions are no numbers; and its place among `limits`, flattened, (...).
        """
        *lead, n_atoms, _ = positions.shape
        frames = positions.reshape(-1, n_atoms, 3)
        numbers = np.broadcast_to(self.numbers, frames.shape[:2])
        size = max(1, PAIRS_AT_ONCE // n_atoms**2)
        depths, places = [np.empty(0)], [np.empty(0, int)]
        for first in range(0, len(frames), size):
            r = _neighbours(numbers[first : first + size], frames[first : first + size])[..., None]
            beyond = (r - self.edges) * [-1, 1] / self.limits  # (n_frames, n_atoms, n_ranks, 2)
            beyond = np.where(np.isfinite(r), np.where(np.isnan(beyond), -np.inf, beyond), np.inf)
            flat = beyond.reshape(len(beyond), -1)
            places.append(flat.argmax(1))
            depths.append(np.take_along_axis(flat, places[-1][:, None], 1)[:, 0])
        return np.concatenate(depths).reshape(lead), np.concatenate(places).reshape(lead)

    def beyond_A(self, excess: float, place: int) -> float:
        """The distance beyond the edge at `place`, Å; 0 inside."""
        return max(0.0, float(excess * self.limits.flat[int(place)]))

    def words(self, excess: float, place: int) -> str:
        """What is the matter, such as "O (atom 2) has neighbour 1 at 1.42 Å, trained to 1.10"."""
        if not np.isfinite(excess):
            return "positions are no numbers"
        atom, rank, side = np.unravel_index(int(place), self.limits.shape)
        bound, edge = self.limits[atom, rank, side], self.edges[atom, rank, side]
        r = edge + (1 if side else -1) * excess * bound
        return (
            f"{chemical_symbols[self.numbers[atom]]} (atom {atom}) has neighbour {rank + 1} at {r:.2f} Å, "
            f"trained {'to' if side else 'from'} {bound:.2f}"
        )


def bounds_of(models: Sequence[Any], numbers: Integers) -> Bounds | None:
    """The range in which all models whose sum is run were trained; None where one does not know its own."""
    metadata = [getattr(model, "metadata", {}) for model in models]
    if not all("range" in of_model for of_model in metadata):
        return None
    return Bounds(functools.reduce(seen_by_both, [of_model["range"] for of_model in metadata]), numbers)


def _neighbours(numbers: Integers, positions: Array) -> Array:
    """Distances to the nearest atoms, (n_frames, n_atoms, up to N_NEIGHBOURS) | Å; infinite where is none."""
    distances = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    real = numbers > 0
    nobody = ~(real[:, :, None] & real[:, None]) | np.eye(numbers.shape[1], dtype=bool)
    return np.sort(np.where(nobody, np.inf, distances), axis=2)[
        :, :, : min(N_NEIGHBOURS, numbers.shape[1] - 1)
    ]
