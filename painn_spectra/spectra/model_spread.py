"""How far the members of a trained ensemble disagree: a band of its own beside the one of sampling."""

import numpy as np

from painn_spectra.spectra.intervals import Array


def model_standard_deviation(values: Array) -> Array:
    """σ_a of y_mr = mean + a_m + b_r + e_mr: the spread of models, the variance of sampling subtracted.

    All members start from the same initial conditions, so that b_r is common to them; what is left of the
    replicas' noise, e, is in the members' means too: σ_a² = (n s²(ȳ_m) − s_e²)/n, at least 0.

    | y | values | (n_members, n_replicas, ...), areas or densities |
    | n | number of replicas | 1 |

    Never added to the standard error over replicas in silence: one is the training's, one the sampling's.
    """
    n_members, n_replicas = values.shape[:2]
    if n_members < 2 or n_replicas < 2:
        return np.full(values.shape[2:], np.nan)
    members = values.mean(1, keepdims=True)
    rest = values - members - values.mean(0, keepdims=True) + values.mean((0, 1), keepdims=True)
    residual = (rest**2).sum((0, 1)) / ((n_members - 1) * (n_replicas - 1))
    between = n_replicas * members[:, 0].var(0, ddof=1)
    return np.sqrt(np.maximum(between - residual, 0.0) / n_replicas)
