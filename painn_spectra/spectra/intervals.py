"""Estimates over replicas with 95 % intervals that hold the truth about as often as they say.

A band's area, centroid and depolarisation ratio are all ratios of means over replicas, so one interval serves
them. The energy of a mode is exponentially distributed over replicas: the mean of a few has a skewed
distribution, and intervals that ignore it miss too often (`benchmarks/coverage.py` prints how often).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

Array = NDArray[np.floating[Any]]
LEVEL = 0.95


class Estimate(NamedTuple):
    """A value with its standard error and the ends of its 95 % interval; arrays for several at once."""

    value: Any
    standard_error: Any
    low: Any
    high: Any


def ratio_of_means(numerator: Array, denominator: Array | float = 1.0) -> Estimate:
    """θ = ū/v̄ over replicas, with Hall's interval; NaN errors for a single replica.

    ψ_r = (u_r − θ v_r)/v̄ is what replica r adds to the error: s = √(Σψ²/(n(n−1))), skewness γ = m₃/m₂^{3/2}.
    Hall's monotone cubic g(T) = T + aT²/√n + a²T³/(3n) + γ/(6√n), a = γ/3, takes the skewness out of
    T = (θ − truth)/s up to terms of order 1/n; the interval is θ − s g⁻¹(±t). t is Student's with the degrees
    of freedom that s² has: its relative variance is (κ−1)/n, that of χ²_f/f is 2/f, hence f = 2n/(κ−1), at
    most n−1 and at least 2; κ = m₄/m₂² is 3 for Gaussian and 9 for exponential replicas.

    | symbol | variable                                     | unit |
    | u      | numerator, (..., n_replicas)                 | [any] |
    | v      | denominator, (..., n_replicas); 1: θ is a mean | [any] |

    Hall 1992, On the removal of skewness by transformation, J. R. Stat. Soc. B 54, 221.
    """
    u, v = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    n = u.shape[-1]
    with np.errstate(invalid="ignore", divide="ignore"):  # an empty band has no ratio
        scale = v.mean(-1)
        value = u.mean(-1) / scale
        influence = (u - value[..., None] * v) / scale[..., None]  # (..., n_replicas)
    if n < 2:
        missing = np.full_like(value, np.nan)
        return Estimate(value, missing, missing, missing)
    spread = influence.std(-1)
    error = spread / np.sqrt(n - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = np.nan_to_num((influence**3).mean(-1) / spread**3, posinf=0.0, neginf=0.0)
        kurtosis = np.nan_to_num((influence**4).mean(-1) / spread**4, nan=3.0, posinf=3.0)
    freedom = np.clip(2 * (n - 1) / np.maximum(kurtosis - 1, 1e-9), min(2, n - 1), n - 1)
    t = student_t.ppf(0.5 + LEVEL / 2, freedom)
    return Estimate(
        value, error, value - error * unskewed(t, skewness, n), value - error * unskewed(-t, skewness, n)
    )


def unskewed(quantile: Array, skewness: Array, n: int) -> Array:
    """g⁻¹(quantile) = (∛(1 + 3a (x − γ/6√n)/√n) − 1) √n/a."""
    a = skewness / 3
    a = np.where(np.abs(a) < 1e-6, 1e-6, a)  # the limit a → 0 is x itself
    root = np.sqrt(n)
    return (np.cbrt(1 + 3 * a / root * (quantile - skewness / (6 * root))) - 1) * root / a
