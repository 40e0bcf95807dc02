"""Bands of a mean spectrum: where they are, and their areas, positions and polarisation over replicas."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from painn_spectra.spectra.intervals import Array, Estimate, ratio_of_means

RELATIVE_PROMINENCE = 0.01  # of the strongest point
SIGNIFICANT_PROMINENCE = 2.0  # standard errors
CONTOUR_SIGMA_CM = 8.0  # the P, Q and R branches of a rotating molecule are one band
BORDER_FRACTION = 0.001  # a band ends at this fraction of its peak: a finite run's lines have 1/ν̃² wings
MOST_DEPOLARISED = 0.75
MISSING = Estimate(np.nan, np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Band:
    """One band: positions in cm⁻¹, area in the density's unit times cm⁻¹."""

    lower_cm: float
    upper_cm: float
    peak_cm: float
    centroid: Estimate
    fwhm_cm: float
    area: Estimate


def standard_error(samples: Array) -> Array:
    """Standard error of the mean over the first axis; NaN for a single replica."""
    n = len(samples)
    if n < 2:
        return np.full(samples.shape[1:], np.nan)
    return np.std(samples, axis=0, ddof=1) / np.sqrt(n)


def jackknife_standard_error(estimates: Array) -> float:
    """Standard error of a statistic from its leave-one-replica-out values. (n_replicas,)"""
    n = len(estimates)
    return float(np.sqrt((n - 1) * np.var(estimates))) if n > 1 else float("nan")


def leave_one_out(samples: Array) -> Array:
    """Means over all replicas but one, (n_replicas, ...); the mean itself for a single replica."""
    n = len(samples)
    return (np.sum(samples, axis=0) - samples) / (n - 1) if n > 1 else samples


def bin_overlap(wavenumber_cm: Array, lower_cm: float, upper_cm: float) -> Array:
    """Length of each bin inside the interval, so that neighbouring intervals add up. (n,) | cm⁻¹"""
    half = (wavenumber_cm[1] - wavenumber_cm[0]) / 2
    left = np.maximum(wavenumber_cm - half, lower_cm)
    return np.clip(np.minimum(wavenumber_cm + half, upper_cm) - left, 0, None)


def band_areas(wavenumber_cm: Array, densities: Array, lower_cm: float, upper_cm: float) -> Array:
    """∫S dν̃ of every replica. (n_replicas, n) -> (n_replicas,)"""
    return densities @ bin_overlap(wavenumber_cm, lower_cm, upper_cm)


def band_integral(wavenumber_cm: Array, densities: Array, lower_cm: float, upper_cm: float) -> Estimate:
    """Area of a band over replicas. densities: (n_replicas, n)"""
    area = ratio_of_means(band_areas(wavenumber_cm, densities, lower_cm, upper_cm))
    return Estimate(area.value, area.standard_error, np.maximum(area.low, 0.0), area.high)


def band_centroid(wavenumber_cm: Array, densities: Array, lower_cm: float, upper_cm: float) -> Estimate:
    """∫ν̃S dν̃/∫S dν̃ of the mean spectrum, cm⁻¹. densities: (n_replicas, n)"""
    overlap = bin_overlap(wavenumber_cm, lower_cm, upper_cm)
    middle = (lower_cm + upper_cm) / 2  # counted from here, an area's error is not taken for a position's
    centroid = ratio_of_means(densities @ (overlap * (wavenumber_cm - middle)), densities @ overlap)
    value, error, low, high = centroid
    return Estimate(middle + value, error, middle + low, middle + high)


def find_bands(wavenumber_cm: Array, densities: Array) -> list[Band]:
    """Peaks that stand out of the mean spectrum and of its noise, bordered by the minima between them.

    Sought on the rotational contour's scale, where the noise of single points has averaged out.
    """
    mean = np.mean(densities, axis=0)  # (n_wavenumbers,)
    spacing_cm = wavenumber_cm[1] - wavenumber_cm[0]
    smooth = gaussian_filter1d(densities, CONTOUR_SIGMA_CM / spacing_cm, axis=1, mode="nearest")
    contour, noise = np.mean(smooth, axis=0), np.nan_to_num(standard_error(smooth))
    prominence = np.maximum(RELATIVE_PROMINENCE * contour.max(), SIGNIFICANT_PROMINENCE * noise)
    maxima, _ = find_peaks(contour, prominence=prominence)
    if not len(maxima):
        return []
    edges = [0, *(a + int(np.argmin(contour[a : b + 1])) for a, b in pairwise(maxima)), len(mean) - 1]
    nearby = round(2 * CONTOUR_SIGMA_CM / spacing_cm)
    bands = []
    for maximum, (first, last) in zip(maxima, pairwise(edges), strict=True):
        reach = np.arange(max(first, maximum - nearby), min(last, maximum + nearby) + 1)
        peak = int(reach[np.argmax(mean[reach])])
        first, last = _extent(mean, peak, first, last, BORDER_FRACTION * mean[peak])
        lower, upper = float(wavenumber_cm[first]), float(wavenumber_cm[last])
        bands.append(
            Band(
                lower_cm=lower,
                upper_cm=upper,
                peak_cm=float(wavenumber_cm[peak]),
                centroid=band_centroid(wavenumber_cm, densities, lower, upper),
                fwhm_cm=_fwhm(wavenumber_cm, mean, peak, first, last),
                area=band_integral(wavenumber_cm, densities, lower, upper),
            )
        )
    return bands


def depolarisation(
    wavenumber_cm: Array, isotropic: Array, anisotropic: Array, lower_cm: float, upper_cm: float
) -> Estimate:
    """ρ_p = 3γ'²/(45β'² + 4γ'²) of band integrals 45β'² and 7γ'², between 0 and 3/4."""
    iso = band_areas(wavenumber_cm, isotropic, lower_cm, upper_cm)
    aniso = band_areas(wavenumber_cm, anisotropic, lower_cm, upper_cm)
    ratio = ratio_of_means(3 * aniso, 7 * iso + 4 * aniso)
    low, high = np.clip([ratio.low, ratio.high], 0.0, MOST_DEPOLARISED)
    return Estimate(ratio.value, ratio.standard_error, low, high)


def _extent(mean: Array, peak: int, first: int, last: int, level: float) -> tuple[int, int]:
    """Narrow [first, last] to the stretch around `peak` where the density stays above `level`."""
    below = np.flatnonzero(mean[first : last + 1] < level) + first
    return int(max([first, *below[below < peak]])), int(min([last, *below[below > peak]]))


def _fwhm(wavenumber_cm: Array, mean: Array, peak: int, first: int, last: int) -> float:
    """Full width at half of the peak's height; NaN when a neighbour hides one of the flanks."""
    left, right = _extent(mean, peak, first, last, mean[peak] / 2)
    if max(mean[left], mean[right]) >= mean[peak] / 2:
        return float("nan")
    half = mean[peak] / 2
    low = np.interp(half, mean[left : left + 2], wavenumber_cm[left : left + 2])
    high = np.interp(half, mean[right - 1 : right + 1][::-1], wavenumber_cm[right - 1 : right + 1][::-1])
    return float(high - low)
