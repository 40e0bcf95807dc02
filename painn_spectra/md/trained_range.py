"""Has a run left the geometries that its model was trained on? Bonds and angles, kind by kind."""

from dataclasses import dataclass

import h5py
import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.md.bonds import bonds
from painn_spectra.md.visits import VISIT_INTERVAL_FS

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SLACK_A = 0.02  # a model reaches this far beyond its frames without harm
NAMED = 5  # worst frames that are named


@dataclass(frozen=True)
class TrainedRange:
    """Shortest and longest distance of every pair of atoms one or two bonds apart, in the training frames.

    Pairs of the same elements and number of bonds share a range: like atoms exchange.
    """

    pairs: Integers  # (n_pairs, 2)
    shortest: Array  # (n_pairs,) | Å
    longest: Array  # (n_pairs,) | Å

    def excess(self, positions: Array) -> Array:
        """How far the pair most out of its range is so, (...,) | Å, negative inside; of (..., n_atoms, 3)."""
        return self._by_pair(positions).max(-1)

    def worst_pair(self, positions: Array, numbers: Integers) -> str:
        """Name of that pair in one geometry, such as O2-H8."""
        i, j = self.pairs[int(self._by_pair(positions).argmax())]
        return f"{chemical_symbols[numbers[i]]}{i}-{chemical_symbols[numbers[j]]}{j}"

    def _by_pair(self, positions: Array) -> Array:
        i, j = self.pairs.T
        d = np.linalg.norm(positions[..., i, :] - positions[..., j, :], axis=-1)
        return np.maximum(self.shortest - d, d - self.longest)


def trained_range(numbers: Integers, frames: Array) -> TrainedRange:
    """Ranges of the frames (n_frames, n_atoms, 3) | Å of one molecule."""
    near = np.eye(len(numbers), dtype=int)
    for one, other in bonds(numbers, frames[0]):
        near[one, other] = near[other, one] = 1
    i, j = np.nonzero(np.triu(near @ near, 1))
    d = np.linalg.norm(frames[:, i] - frames[:, j], axis=2)  # (n_frames, n_pairs) | Å
    elements = np.sort(numbers[np.stack([i, j], 1)], axis=1)
    kinds = np.column_stack([elements, near[i, j]])
    _, kind = np.unique(kinds, axis=0, return_inverse=True)
    kind = kind.ravel()
    shortest, longest = (
        np.array([pick(d[:, kind == k]) for k in range(kind.max() + 1)])[kind] for pick in (np.min, np.max)
    )
    return TrainedRange(np.stack([i, j], 1), shortest - SLACK_A, longest + SLACK_A)


def outside(trajectory: h5py.File, trained: TrainedRange) -> dict:
    """Share of the frames looked at that lie outside, and the worst of them by replica and time.

    Of ring polymers all beads of every recorded frame are known; of others one frame each VISIT_INTERVAL_FS
    is looked at.
    """
    numbers = np.asarray(trajectory.attrs["numbers"])
    interval_fs = float(trajectory.attrs["sample_interval_fs"])
    pair = {}
    if keys.RANGE_EXCESS in trajectory:
        excess = trajectory[keys.RANGE_EXCESS][:]
    else:
        interval_fs *= int(trajectory.attrs["sparse_stride"])
        stride = max(1, round(VISIT_INTERVAL_FS / interval_fs))
        positions = trajectory[keys.SPARSE_POSITIONS][:, ::stride].astype(float)
        excess, interval_fs = trained.excess(positions), stride * interval_fs
    found = np.argsort(-excess, axis=None)[:NAMED]
    worst = []
    for replica, frame in zip(*np.unravel_index(found, excess.shape), strict=True):
        if excess[replica, frame] > 0:
            if keys.RANGE_EXCESS not in trajectory:
                pair = {"pair": trained.worst_pair(positions[replica, frame], numbers)}
            time_ps = round(float((frame + 1) * interval_fs * 1e-3), 4)
            beyond = round(float(excess[replica, frame]), 3)
            worst.append({"replica": int(replica), "time_ps": time_ps, "beyond_A": beyond, **pair})
    return {"share": float((excess > 0).mean()), "frames": int(excess.size), "worst": worst}
