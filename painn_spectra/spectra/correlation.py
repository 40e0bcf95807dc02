"""From a time series to a spectral density that cannot go negative, on the true wavenumber axis.

A series of positions' functions (dipole, polarizability), recorded every `sample_interval_fs` from velocity
Verlet dynamics of `integrator_timestep_fs`, is differentiated, correlated, windowed and transformed. Its mean
and its scale are never touched: components carry their own weight into the sum.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq

from painn_spectra.units import LIGHT_CM_FS

Array = NDArray[np.floating[Any]]
OUTPUT_POINTS_PER_FWHM = 10
INTERNAL_POINTS_PER_FWHM = 40  # fine enough that rebinning to the output grid does not change a line's width
LAST_NYQUIST_FRACTION = 0.85  # internal grid only: the derivative correction diverges at 1


def autocorrelation(series: Array, weights: Array | None = None) -> Array:
    """C(k) = 1/N Σ_c w_c Σ_t x_c(t) x_c(t+k), the biased estimate: its transform is non-negative.

    Zero padding to 2N keeps the end of the series from meeting its start.

    | symbol | variable | unit  |             | symbol | variable  | unit        |
    | x_c(t) | series   | [any] | (n, n_comp) | w_c    | weights   | 1, (n_comp,) |
    """
    n, n_components = series.shape
    weights = np.ones(n_components) if weights is None else weights
    length = fft.next_fast_len(2 * n, real=True)
    power = np.zeros(length // 2 + 1)  # (n_frequencies,) | [any]²
    for component, weight in zip(series.T, weights, strict=True):
        transformed = fft.rfft(component, length)
        power += weight * (transformed.real**2 + transformed.imag**2)
    return fft.irfft(power, length)[:n] / n  # (n,) | [any]²


@lru_cache(maxsize=8)
def lag_window(n: int, interval_fs: float, fwhm_cm: float) -> Array:
    """w(t) = exp(−t²/2τ²) over all lags; a line of the whole estimator has the full width `fwhm_cm`.

    The biased autocorrelation brings the triangle 1 − t/T, which broadens a line by 8 % for 10 ps and
    10 cm⁻¹. τ is therefore solved for: the transform of triangle times Gaussian is half its maximum at
    fwhm/2. Both factors have non-negative transforms, hence so has every estimate.
    Harris, doi:10.1109/PROC.1978.10837.
    """
    lag_fs = np.arange(n) * interval_fs  # (n,) | fs
    triangle = (1 - np.arange(n) / n) * np.where(np.arange(n) == 0, 1.0, 2.0)
    at_half_width = np.cos(np.pi * LIGHT_CM_FS * fwhm_cm * lag_fs)
    untapered_fs = np.sqrt(8 * np.log(2)) / (2 * np.pi * LIGHT_CM_FS * fwhm_cm)  # τ without the triangle

    def excess(tau_fs: float) -> float:
        return float(np.sum(triangle * np.exp(-0.5 * (lag_fs / tau_fs) ** 2) * (at_half_width - 0.5)))

    tau_fs = brentq(excess, 0.9 * untapered_fs, 1e3 * untapered_fs)
    return np.exp(-0.5 * (lag_fs / tau_fs) ** 2)  # (n,) | 1


def cosine_transform(correlation: Array, interval_fs: float, spacing_cm: float) -> tuple[Array, Array]:
    """S(ν̃) = ∫ C(t) e^{−2πicν̃t} dt over all times, C even, on a grid from 0 finer than `spacing_cm`.

    | symbol | variable    | unit     |
    | C(t)   | correlation | [any]²   |
    | ν̃      | wavenumber  | cm⁻¹     |
    | S      | density     | [any]² fs |
    """
    wanted = int(np.ceil(1 / (LIGHT_CM_FS * interval_fs * spacing_cm)))
    length = fft.next_fast_len(max(2 * len(correlation), wanted), real=True)
    even = np.zeros(length)
    even[: len(correlation)] = correlation
    even[length - len(correlation) + 1 :] = correlation[:0:-1]
    wavenumber = fft.rfftfreq(length, interval_fs * LIGHT_CM_FS)  # (n_internal,) | cm⁻¹
    density = fft.rfft(even).real * interval_fs  # (n_internal,) | [any]² fs
    return wavenumber, density


def central_difference(series: Array, interval_fs: float) -> Array:
    """ẋ(t) = [x(t+Δt) − x(t−Δt)]/2Δt, two samples shorter. (n, n_comp) | [any] -> [any]/fs"""
    return (series[2:] - series[:-2]) / (2 * interval_fs)


def difference_attenuation(wavenumber_cm: Array, interval_fs: float) -> Array:
    """(sin x/x)², x = 2πcν̃Δt: what central differences leave of a line's area; Δt the sample interval."""
    return np.sinc(2 * LIGHT_CM_FS * wavenumber_cm * interval_fs) ** 2


def true_wavenumber(observed_cm: Array, timestep_fs: float) -> Array:
    """ν̃ = sin(πcν̃_obs Δt)/(πcΔt): velocity Verlet of step Δt shows the oscillation ν̃ at ν̃_obs.

    Toxvaerd, doi:10.1103/PhysRevE.50.2271.
    """
    return observed_cm * np.sinc(LIGHT_CM_FS * observed_cm * timestep_fs)


@dataclass(frozen=True)
class Estimator:
    """Sampling of the run and resolution and range of the spectrum; `power_density` is its one use."""

    sample_interval_fs: float
    integrator_timestep_fs: float
    fwhm_cm: float
    min_wavenumber_cm: float
    max_wavenumber_cm: float

    @cached_property
    def wavenumber_cm(self) -> Array:
        spacing_cm = self.fwhm_cm / OUTPUT_POINTS_PER_FWHM
        n = int((self.max_wavenumber_cm - self.min_wavenumber_cm) / spacing_cm + 1e-6) + 1
        return self.min_wavenumber_cm + spacing_cm * np.arange(n)  # (n_wavenumbers,) | cm⁻¹

    def power_density(self, series: Array, weights: Array | None = None) -> Array:
        """∫⟨ẋ(0)ẋ(t)⟩e^{−2πicν̃t}dt of one replica, (n_wavenumbers,) | [any]²/fs.

        Divided by the attenuation of the differences (Δt the sample interval), then moved to the true axis
        (Δt the integrator's step). Derivatives from positions are too fast by ν̃_obs/ν̃, hence the factor
        F = (ν̃/ν̃_obs)²; the Jacobian 1/cos(πcν̃_obs Δt) comes with rebinning the area, which conserves it.
        """
        derivative = central_difference(np.asarray(series, dtype=np.float64), self.sample_interval_fs)
        correlation = autocorrelation(derivative, weights)
        window = lag_window(len(correlation), self.sample_interval_fs, self.fwhm_cm)
        observed, density = cosine_transform(
            correlation * window, self.sample_interval_fs, self.fwhm_cm / INTERNAL_POINTS_PER_FWHM
        )
        kept = observed < LAST_NYQUIST_FRACTION / (2 * LIGHT_CM_FS * self.sample_interval_fs)
        observed, density = observed[kept], density[kept]
        density = density / difference_attenuation(observed, self.sample_interval_fs)
        true = true_wavenumber(observed, self.integrator_timestep_fs)
        ratio = np.divide(true, observed, out=np.ones_like(true), where=observed > 0)
        return rebin(observed, density * ratio**2, true, self.wavenumber_cm)


def rebin(observed_cm: Array, density: Array, true_cm: Array, grid_cm: Array) -> Array:
    """Mean density in each bin of a uniform grid after the axis moved; every area is conserved."""
    area = cumulative_trapezoid(density, observed_cm, initial=0.0)
    spacing_cm = grid_cm[1] - grid_cm[0]
    edges = np.append(grid_cm, grid_cm[-1] + spacing_cm) - spacing_cm / 2
    at_edges = np.sign(edges) * np.interp(np.abs(edges), true_cm, area)  # the density is even in ν̃
    return np.diff(at_edges) / spacing_cm
