"""How far the members of a trained ensemble disagree: a band of its own beside the one of sampling."""

from collections.abc import Sequence

import numpy as np

from painn_spectra.spectra.bands import bin_overlap
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


def spread_of_ratio(numerator: Array, denominator: Array) -> float:
    """σ_a of θ_m = ū_m/v̄_m, from θ_m + (u_mr − θ_m v_mr)/v̄_m, whose mean over replicas θ_m is.

    | u, v | numerator, denominator | (n_models, n_replicas), [any] |
    """
    scale = denominator.mean(1, keepdims=True)
    ratio = numerator.mean(1, keepdims=True) / scale
    return float(model_standard_deviation(ratio + (numerator - ratio * denominator) / scale))


def band_spread(
    wavenumber_cm: Array, parts: Sequence[Array], lower_cm: float, upper_cm: float
) -> tuple[float, float, float]:
    """σ_a of a band's centroid (cm⁻¹), area and depolarisation ratio; the last is NaN for one part.

    parts: absorption alone, or isotropic and anisotropic; (n_models, n_replicas, n_wavenumbers).
    """
    overlap = bin_overlap(wavenumber_cm, lower_cm, upper_cm)
    areas = [part @ overlap for part in parts]  # (n_models, n_replicas)
    area = np.sum(areas, axis=0)
    from_middle = overlap * (wavenumber_cm - (lower_cm + upper_cm) / 2)
    moment = np.sum([part @ from_middle for part in parts], axis=0)
    ratio = np.nan
    if len(parts) == 2:
        isotropic, anisotropic = areas
        ratio = spread_of_ratio(3 * anisotropic, 7 * isotropic + 4 * anisotropic)
    return spread_of_ratio(moment, area), float(model_standard_deviation(area)), ratio
