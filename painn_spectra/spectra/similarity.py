"""How much computed spectra are like a measured one: scores with bootstrap errors, by one written protocol.

Both curves lie on a grid of 1 cm⁻¹ over the range they share, at the coarser of both resolutions, and are
then smoothed by σ = 10 cm⁻¹. Saturated points do not count, shapes are compared at unit area, wavenumbers are
not scaled unless asked: docs/comparison.md.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linear_sum_assignment, minimize_scalar
from scipy.signal import find_peaks

from painn_spectra.errors import InputError
from painn_spectra.spectra.correlation import Array
from painn_spectra.spectra.measured import MeasuredCurve

SMOOTHING_SIGMA_CM = 10.0
SIGMA_TO_FWHM = math.sqrt(8 * math.log(2))
FLOOR = 1e-10  # of the normalised density: Kullback–Leibler needs positive numbers
LEAST_OVERLAP_CM = 100.0
PROMINENCE = 0.03  # of the highest point: a band
FARTHEST_MATCH_CM = 60.0
HOLE_STEPS = 10.0  # usual ones, and twice the smoothing: nothing was measured there
N_BOOTSTRAP = 200
SCALES = (0.9, 1.1)


class Scores(NamedTuple):
    """The first three are 1 for equal shapes, the others 0, the ratio of areas 1."""

    cosine: float
    pearson: float
    information_similarity: float  # SIS = 1/(1 + Σ[p ln(p/q) + q ln(q/p)])
    earth_mover_cm: float
    position_error_cm: float  # mean absolute, of matched bands
    matched_bands: float
    area_ratio: float  # NaN where the experiment is not absolute, as is the next
    area_error: float  # Σ|A_computed − A_measured|/Σ A_measured over the measured bands


@dataclass(frozen=True)
class Rung:
    """A computed spectrum to score: replicas carry its statistical error, a single row has none."""

    label: str
    wavenumber_cm: Array  # (n,) | cm⁻¹, even
    densities: Array  # (n_replicas, n)


@dataclass(frozen=True)
class Target:
    """A measured curve as the protocol sees it."""

    grid_cm: Array  # (n_grid,) | cm⁻¹
    measured: Array  # (n_grid,) | at `fwhm_cm`
    counted: NDArray[np.bool_]  # (n_grid,) | False where the measurement is saturated
    fwhm_cm: float  # of both curves before the smoothing
    is_absolute: bool
    maxima: NDArray[np.int64]  # (n_bands,) | indices of the grid
    borders: NDArray[np.int64]  # (n_bands + 1,) | minima between them, and the ends
    offset: float  # that was taken off


def target(curve: MeasuredCurve, wavenumber_cm: Array, fwhm_cm: float) -> Target:
    """The measured curve on the range of `wavenumber_cm`; fwhm_cm: resolution of the computed spectra.

    Raises InputError where the two hardly overlap.
    """
    valid = np.isfinite(curve.intensity)
    lower = max(wavenumber_cm[0], curve.wavenumber_cm[0])
    upper = min(wavenumber_cm[-1], curve.wavenumber_cm[-1])
    if upper - lower < LEAST_OVERLAP_CM:
        raise InputError(
            f"{curve.title}: measured from {curve.wavenumber_cm[0]:.0f} to {curve.wavenumber_cm[-1]:.0f} "
            f"cm-1, computed from {wavenumber_cm[0]:.0f} to {wavenumber_cm[-1]:.0f}: too little in common; "
            "give another measurement, or widen the range of spectra"
        )
    grid = np.arange(np.ceil(lower), upper, 1.0)
    resolution = curve.conditions.resolution_cm or 0.0
    common = max(fwhm_cm, resolution)
    if not 0 <= resolution < (upper - lower) / 2:
        raise InputError(
            f"{curve.title}: a resolution of {resolution:g} cm-1 leaves nothing of {upper - lower:.0f} cm-1; "
            "correct it in the file"
        )
    measured = _broadened(
        _bin_means(curve.wavenumber_cm[valid], curve.intensity[valid], grid), resolution, common
    )
    offset = 0.0 if curve.conditions.laser_nm is None else float(measured.min())  # of a detector's counts
    measured = measured - offset
    counted = np.interp(grid, curve.wavenumber_cm, valid.astype(float)) > 0.5
    counted &= ~_in_hole(curve.wavenumber_cm, grid)
    highest = float(measured[counted].max(initial=0))
    if highest <= 0 or np.ptp(measured[counted]) < 1e-9 * highest:
        raise InputError(
            f"{curve.title}: all values from {lower:.0f} to {upper:.0f} cm-1 are equal or none is positive; "
            "give another measurement"
        )
    smooth = np.where(counted, smoothed(measured), 0.0)
    maxima, _ = find_peaks(smooth, prominence=PROMINENCE * smooth.max())
    between = [a + int(np.argmin(smooth[a:b])) for a, b in pairwise(maxima)]
    borders = np.array([0, *between, len(grid)])
    return Target(grid, measured, counted, common, curve.is_absolute, maxima, borders, offset)


def score(rung: Rung, to: Target, fwhm_cm: float, scale: float = 1.0) -> tuple[Scores, Scores]:
    """Scores of a computed spectrum of resolution `fwhm_cm`, and their standard errors.

    Errors: bootstrap over replicas, NaN for a single one. scale: what its wavenumbers are multiplied by.
    """

    gridded = np.array([on_grid(rung, density, to, fwhm_cm, scale) for density in rung.densities])
    best, n = _scores(gridded.mean(axis=0), to), len(gridded)
    if n < 2:
        return best, Scores(*[math.nan] * len(best))
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=N_BOOTSTRAP)  # (n_bootstrap, n)
    drawn = np.array([_scores(row @ gridded / n, to) for row in counts])
    return best, Scores(*drawn.std(axis=0, ddof=1).tolist())


@dataclass(frozen=True)
class Beside:
    """A measured curve and a computed one to draw over it, at one resolution; NaN where saturated."""

    grid_cm: Array
    measured: Array
    computed: Array  # in the measured unit, or scaled to the same area
    fwhm_cm: float
    is_absolute: bool
    offset: float  # that was taken off the measured counts


def side_by_side(rung: Rung, to: Target, fwhm_cm: float) -> Beside:
    """What the scores compare, before the smoothing."""
    computed = on_grid(rung, rung.densities.mean(axis=0), to, fwhm_cm, 1.0)
    ours, theirs = computed[to.counted].sum(), to.measured[to.counted].sum()
    factor = 1.0 if to.is_absolute or ours <= 0 else theirs / ours
    shown = np.where(to.counted, 1.0, np.nan)
    return Beside(
        to.grid_cm, shown * to.measured, shown * factor * computed, to.fwhm_cm, to.is_absolute, to.offset
    )


def fitted_scale(rung: Rung, to: Target, fwhm_cm: float) -> float:
    """The factor on the wavenumbers that makes the cosine largest."""
    mean = rung.densities.mean(axis=0)

    def loss(scale: float) -> float:
        return -_scores(on_grid(rung, mean, to, fwhm_cm, scale), to).cosine

    trials = np.linspace(*SCALES, 81)  # the cosine has many maxima
    best = float(trials[np.argmin([loss(s) for s in trials])])
    step = float(trials[1] - trials[0])
    return float(minimize_scalar(loss, bounds=(best - step, best + step), method="bounded").x)


def on_grid(rung: Rung, density: Array, to: Target, fwhm_cm: float, scale: float) -> Array:
    """A computed density at the target's wavenumbers and resolution; scaling keeps areas."""
    values = _bin_means(scale * rung.wavenumber_cm, density / scale, to.grid_cm)
    return _broadened(values, fwhm_cm, to.fwhm_cm)


def from_sticks(wavenumber_cm: Array, positions_cm: Array, heights: Array, fwhm_cm: float) -> Array:
    """Gaussian lines of area `heights`, (n,)."""
    sigma = fwhm_cm / SIGMA_TO_FWHM
    lines = np.exp(-0.5 * ((wavenumber_cm[:, None] - positions_cm) / sigma) ** 2)
    return lines @ heights / (sigma * math.sqrt(2 * math.pi))


def _scores(computed: Array, to: Target) -> Scores:
    counted = to.counted
    theirs, ours = smoothed(to.measured), smoothed(computed)
    p, q = _unit_area(ours[counted]), _unit_area(theirs[counted])
    maxima, _ = find_peaks(ours, prominence=PROMINENCE * ours.max())
    differences = np.abs(to.grid_cm[maxima][:, None] - to.grid_cm[to.maxima])
    pairs = linear_sum_assignment(np.minimum(differences, 10 * FARTHEST_MATCH_CM))
    matched = differences[pairs]
    matched = matched[matched <= FARTHEST_MATCH_CM]
    ratio = error = math.nan
    if to.is_absolute:
        a, b = (np.where(counted, y, 0.0) for y in (computed, to.measured))
        ratio = a.sum() / b.sum()
        ours_of, theirs_of = (np.add.reduceat(y, to.borders[:-1]) for y in (a, b))
        error = float(np.abs(ours_of - theirs_of).sum() / theirs_of.sum())
    return Scores(
        float(p @ q / np.sqrt((p @ p) * (q @ q))),
        float(np.corrcoef(p, q)[0, 1]),
        float(1 / (1 + np.sum((p - q) * np.log(p / q)))),
        float(np.abs(np.cumsum(p - q))[:-1] @ np.diff(to.grid_cm[counted])),  # ways across holes count
        float(matched.mean()) if len(matched) else math.nan,
        float(len(matched)),
        float(ratio),
        error,
    )


def _bin_means(x: Array, y: Array, grid_cm: Array) -> Array:
    """Means of the broken line through the points over bins of 1 cm⁻¹: lines finer than that keep areas."""
    edges = np.append(grid_cm, grid_cm[-1] + 1) - 0.5
    every = np.union1d(x, edges)
    area = cumulative_trapezoid(np.interp(every, x, y), every, initial=0.0)
    return np.diff(np.interp(edges, every, area))


def _in_hole(x: Array, grid_cm: Array) -> NDArray[np.bool_]:
    """Points of the grid where the file has none: between two far farther apart than others."""
    steps: Array = np.diff(x)
    wide: NDArray[np.bool_] = steps > max(HOLE_STEPS * float(np.median(steps)), 2 * SMOOTHING_SIGMA_CM)
    step = np.clip(np.searchsorted(x, grid_cm), 1, len(steps)) - 1  # that a point of the grid lies in
    within: NDArray[np.bool_] = (grid_cm > x[step]) & (grid_cm < x[step + 1])
    return wide[step] & within


def _broadened(density: Array, from_fwhm_cm: float, to_fwhm_cm: float) -> Array:
    """Convolution with the Gaussian that is missing from one resolution to another; grid of 1 cm⁻¹."""
    missing = math.sqrt(max(to_fwhm_cm**2 - from_fwhm_cm**2, 0.0)) / SIGMA_TO_FWHM
    return gaussian_filter1d(density, missing, mode="nearest") if missing > 0 else density


def smoothed(density: Array) -> Array:
    """As both curves are before they are scored; (n,) on a grid of 1 cm⁻¹."""
    return gaussian_filter1d(density, SMOOTHING_SIGMA_CM, mode="nearest")


def _unit_area(density: Array) -> Array:
    positive = np.maximum(density, 0)
    return np.maximum(positive / positive.sum(), FLOOR)
