"""Bands of a mean spectrum, with the standard error of their areas over replicas."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.stats import t as student_t

from painn_spectra.spectra.correlation import Array
from painn_spectra.spectra.raman import depolarisation_ratio

RELATIVE_PROMINENCE = 0.01  # of the strongest point
SIGNIFICANT_PROMINENCE = 2.0  # standard errors
CONTOUR_SIGMA_CM = 8.0  # the P, Q and R branches of a rotating molecule are one band
BORDER_FRACTION = 0.001  # a band ends at this fraction of its peak: a finite run's lines have 1/ν̃² wings


@dataclass(frozen=True)
class Band:
    """One band: positions in cm⁻¹, area in the density's unit times cm⁻¹."""

    lower_cm: float
    upper_cm: float
    peak_cm: float
    centroid_cm: float
    centroid_standard_error_cm: float
    fwhm_cm: float
    area: float
    area_standard_error: float
    area_low: float  # 95 %
    area_high: float


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


def band_integral(
    wavenumber_cm: Array, per_replica_density: Array, lower_cm: float, upper_cm: float
) -> tuple[float, float]:
    """Area of a band and its standard error over replicas."""
    areas = band_areas(wavenumber_cm, per_replica_density, lower_cm, upper_cm)
    return float(np.mean(areas)), float(standard_error(areas))


def band_centroid(
    wavenumber_cm: Array, densities: Array, lower_cm: float, upper_cm: float
) -> tuple[float, float]:
    """∫ν̃S dν̃/∫S dν̃ of the mean spectrum and its jackknife standard error, cm⁻¹."""
    overlap = bin_overlap(wavenumber_cm, lower_cm, upper_cm)
    areas, moments = densities @ overlap, densities @ (overlap * wavenumber_cm)
    left_out = leave_one_out(moments) / leave_one_out(areas)
    return float(np.sum(moments) / np.sum(areas)), jackknife_standard_error(left_out)


def find_bands(wavenumber_cm: Array, densities: Array) -> list[Band]:
    """Peaks that stand out of the mean spectrum and of its noise, bordered by the minima between them.

    Sought on the rotational contour's scale, where the noise of single points has averaged out.

    A positive area spread over replicas is closer to log-normal than to normal, hence the interval
    area · exp(±t s/area), t from Student with n−1 degrees of freedom.
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
        area, error = band_integral(wavenumber_cm, densities, lower, upper)
        centroid, centroid_error = band_centroid(wavenumber_cm, densities, lower, upper)
        spread = np.exp(student_t.ppf(0.975, len(densities) - 1) * error / area)  # NaN for one replica
        bands.append(
            Band(lower, upper, float(wavenumber_cm[peak]), centroid, centroid_error,
                 _fwhm(wavenumber_cm, mean, peak, first, last),
                 area, error, float(area / spread), float(area * spread))
        )  # fmt: skip
    return bands


def depolarisation(
    wavenumber_cm: Array, isotropic: Array, anisotropic: Array, lower_cm: float, upper_cm: float
) -> tuple[float, float]:
    """ρ_p of a band from its integrals, and its jackknife standard error."""
    iso = band_areas(wavenumber_cm, isotropic, lower_cm, upper_cm)
    aniso = band_areas(wavenumber_cm, anisotropic, lower_cm, upper_cm)
    ratio = depolarisation_ratio(np.mean(iso, keepdims=True), np.mean(aniso, keepdims=True))
    return float(ratio[0]), jackknife_standard_error(
        depolarisation_ratio(leave_one_out(iso), leave_one_out(aniso))
    )


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
