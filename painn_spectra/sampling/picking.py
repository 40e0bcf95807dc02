"""Which geometries of a pool teach most: where ensemble members disagree, and where no label is near."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys

Array = NDArray[np.float64]


def disagreements(predictions: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Spread over ensemble members of every property, (n,) each, in the units of keys.py.

    Root mean square over components of the standard deviation (n − 1). Energies count without each member's
    mean over the pool: its zero is no error.
    """
    spreads = {}
    for name in predictions[0]:
        values = np.array([prediction[name] for prediction in predictions], dtype=np.float64)
        values = values.reshape(*values.shape[:2], -1)  # (n_members, n, n_components)
        if name == keys.ENERGY:
            values -= values.mean(axis=1, keepdims=True)
        spreads[name] = np.sqrt(values.var(axis=0, ddof=1).mean(axis=1))
    return spreads


def pick(n_wanted: int, prints: Array, known: Array, spreads: Mapping[str, Array]) -> list[int]:
    """Indices of up to `n_wanted` frames, the most telling first.

    Score: the sum of each property's spread over its median in the pool, times the distance to the nearest
    labelled or chosen frame over its median; so twins of a frame that is chosen fall behind.
    prints: (n, n_pairs) | Å, fingerprints of the pool; known: of the labelled frames.
    """
    weight = np.ones(len(prints))
    if spreads:
        weight = np.sum([_by_median(spread) for spread in spreads.values()], axis=0)
    nearest = np.full(len(prints), np.inf)
    for other in known:
        nearest = np.minimum(nearest, np.sqrt(np.square(prints - other).mean(axis=1)))
    if not len(known):
        nearest[:] = 1.0
    scale = np.median(nearest) or 1.0
    chosen: list[int] = []
    for _ in range(min(n_wanted, len(prints))):
        score = weight * nearest / scale
        score[chosen] = -1.0
        best = int(score.argmax())
        chosen.append(best)
        nearest = np.minimum(nearest, np.sqrt(np.square(prints - prints[best]).mean(axis=1)))
    return chosen


def _by_median(values: Array) -> Array:
    return np.asarray(values / (np.median(values) or 1.0))
