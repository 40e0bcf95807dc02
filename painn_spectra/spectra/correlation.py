"""From a time series to a spectral density that cannot go negative, on the true wavenumber axis.

A series of positions' functions (dipole, polarizability), recorded every `sample_interval_fs` from velocity
Verlet dynamics of `integrator_timestep_fs`, is differentiated, correlated, windowed and transformed. Its mean
and its scale are never touched: components carry their own weight into the sum.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import fft
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq

from painn_spectra.spectra.autocorrelation import Array, autocorrelation
from painn_spectra.units import LIGHT_CM_FS

GAUSSIAN, HANN = "gaussian", "hann"
LONG_RUN = 4  # beyond this many windows the triangle hardly changes the width: no need to look at more lags
OUTPUT_POINTS_PER_FWHM = 10
INTERNAL_POINTS_PER_FWHM = 40  # fine enough that rebinning to the output grid does not change a line's width
LAST_NYQUIST_FRACTION = 0.85  # internal grid only: the derivative correction diverges at 1


@lru_cache(maxsize=8)
def lag_window(n: int, interval_fs: float, fwhm_cm: float, shape: str = GAUSSIAN) -> Array:
    """The window over the lags where it counts; a line of the whole estimator has the full width `fwhm_cm`.

    gaussian: w(t) = exp(−t²/2τ²); hann: w(t) = ½(1 + cos(πt/T)) up to T, with w(0) = 1 both.
    The biased autocorrelation brings the triangle 1 − t/T_run, which broadens a line by 8 % for 10 ps and
    10 cm⁻¹. The width is therefore solved for: the transform of triangle times window is half its maximum
    at fwhm/2. The transforms of triangle and Gaussian are non-negative, hence so is every estimate; that of
    Hann is not. A Gaussian is cut at 9τ, where it is 3e-18.
    Harris, doi:10.1109/PROC.1978.10837.
    """
    if shape == HANN:
        untapered_fs, support = 1 / (LIGHT_CM_FS * fwhm_cm), 1.0  # T without the triangle
    else:
        untapered_fs, support = np.sqrt(8 * np.log(2)) / (2 * np.pi * LIGHT_CM_FS * fwhm_cm), 9.0  # τ
    n_solved = min(n, int(LONG_RUN * support * untapered_fs / interval_fs))  # bounded for an endless run
    lag_fs = np.arange(n_solved) * interval_fs  # (n_solved,) | fs
    triangle = (1 - np.arange(n_solved) / n) * np.where(np.arange(n_solved) == 0, 1.0, 2.0)
    at_half_width = np.cos(np.pi * LIGHT_CM_FS * fwhm_cm * lag_fs)

    def window(width_fs: float) -> Array:
        if shape == HANN:
            return np.where(lag_fs < width_fs, 0.5 + 0.5 * np.cos(np.pi * lag_fs / width_fs), 0.0)
        return np.exp(-0.5 * (lag_fs / width_fs) ** 2)

    def excess(width_fs: float) -> float:
        return float(np.sum(triangle * window(width_fs) * (at_half_width - 0.5)))

    width_fs = brentq(excess, 0.9 * untapered_fs, 1e3 * untapered_fs)
    return window(width_fs)[: int(np.ceil(support * width_fs / interval_fs)) + 1]  # (n_lags,) | 1


def cosine_transform(correlation: Array, interval_fs: float, spacing_cm: float) -> tuple[Array, Array]:
    """S(ν̃) = ∫ C(t) e^{−2πicν̃t} dt over all times, C even, on a grid from 0 finer than `spacing_cm`.

    | symbol | variable    | unit     |
    | C(t)   | correlation | [any]², (..., n_lags) |
    | ν̃      | wavenumber  | cm⁻¹     |
    | S      | density     | [any]² fs |
    """
    n_lags = correlation.shape[-1]
    wanted = int(np.ceil(1 / (LIGHT_CM_FS * interval_fs * spacing_cm)))
    length = fft.next_fast_len(max(2 * n_lags, wanted), real=True)
    even = np.zeros((*correlation.shape[:-1], length))
    even[..., :n_lags] = correlation
    even[..., length - n_lags + 1 :] = correlation[..., :0:-1]
    wavenumber = fft.rfftfreq(length, interval_fs * LIGHT_CM_FS)  # (n_internal,) | cm⁻¹
    density = fft.rfft(even, axis=-1).real * interval_fs  # (..., n_internal) | [any]² fs
    return wavenumber, density


def central_differences(chunks: Iterable[Array], interval_fs: float) -> Iterator[Array]:
    """ẋ(t) = [x(t+Δt) − x(t−Δt)]/2Δt, two samples shorter in all. (n, n_comp) | [any] -> [any]/fs"""
    last: Array | None = None
    for chunk in chunks:
        joined = np.asarray(chunk, dtype=np.float64)
        if last is not None:
            joined = np.concatenate([last, joined])
        if len(joined) > 2:
            yield (joined[2:] - joined[:-2]) / (2 * interval_fs)
        last = joined[-2:]


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
    """Sampling of the run and resolution and range of the spectrum.

    A series is an array or an iterable of chunks, then with its number of samples. Weights (n_comp,) give one
    density (n_wavenumbers,), weights (n_sums, n_comp) several at once.
    """

    sample_interval_fs: float
    integrator_timestep_fs: float  # 0: not known, the axis stays as observed
    fwhm_cm: float
    min_wavenumber_cm: float
    max_wavenumber_cm: float
    window: str = GAUSSIAN

    @cached_property
    def wavenumber_cm(self) -> Array:
        spacing_cm = self.fwhm_cm / OUTPUT_POINTS_PER_FWHM
        n = int((self.max_wavenumber_cm - self.min_wavenumber_cm) / spacing_cm + 1e-6) + 1
        return self.min_wavenumber_cm + spacing_cm * np.arange(n)  # (n_wavenumbers,) | cm⁻¹

    def power_density(
        self, series: Array | Iterable[Array], weights: Array | None = None, n_samples: int | None = None
    ) -> Array:
        """∫⟨ẋ(0)ẋ(t)⟩e^{−2πicν̃t}dt of one replica, x a function of positions, [any]²/fs.

        Divided by the attenuation of the differences (Δt the sample interval), then moved to the true axis
        (Δt the integrator's step). Derivatives from positions are too fast by ν̃_obs/ν̃, hence the factor
        F = (ν̃/ν̃_obs)²; the Jacobian 1/cos(πcν̃_obs Δt) comes with rebinning the area, which conserves it.
        """
        chunks, n = _chunks(series, n_samples)
        derivative = central_differences(chunks, self.sample_interval_fs)
        observed, density = self._observed(derivative, n - 2, weights)
        density = density / difference_attenuation(observed, self.sample_interval_fs)
        true = true_wavenumber(observed, self.integrator_timestep_fs)
        ratio = np.divide(true, observed, out=np.ones_like(true), where=observed > 0)
        return self._rebinned(observed, density * ratio**2, true)

    def velocity_density(
        self, series: Array | Iterable[Array], weights: Array | None = None, n_samples: int | None = None
    ) -> Array:
        """∫⟨v(0)v(t)⟩e^{−2πicν̃t}dt of velocities at half steps, [any]²: no difference to undo, and F = 1.

        On-step velocities would be short by cos(πcν̃_obs Δt): 3 % of the energy of an O–H stretch at 0.5 fs.
        """
        chunks, n = _chunks(series, n_samples)
        observed, density = self._observed(chunks, n, weights)
        return self._rebinned(observed, density, true_wavenumber(observed, self.integrator_timestep_fs))

    def _observed(self, chunks: Iterable[Array], n: int, weights: Array | None) -> tuple[Array, Array]:
        """Windowed transform on the axis as observed: wavenumbers and density (..., n_internal)."""
        window = lag_window(n, self.sample_interval_fs, self.fwhm_cm, self.window)
        correlation = autocorrelation(chunks, weights, len(window)) * window
        observed, density = cosine_transform(
            correlation, self.sample_interval_fs, self.fwhm_cm / INTERNAL_POINTS_PER_FWHM
        )
        kept = observed < LAST_NYQUIST_FRACTION / (2 * LIGHT_CM_FS * self.sample_interval_fs)
        return observed[kept], density[..., kept]

    def _rebinned(self, observed_cm: Array, density: Array, true_cm: Array) -> Array:
        if density.ndim == 1:
            return rebin(observed_cm, density, true_cm, self.wavenumber_cm)
        return np.array([rebin(observed_cm, row, true_cm, self.wavenumber_cm) for row in density])


def _chunks(series: Array | Iterable[Array], n_samples: int | None) -> tuple[Iterable[Array], int]:
    if isinstance(series, np.ndarray):
        return [series], len(series)
    if n_samples is None:
        raise ValueError("n_samples is not known for a series in chunks; pass it")
    return series, n_samples


def rebin(observed_cm: Array, density: Array, true_cm: Array, grid_cm: Array) -> Array:
    """Mean density in each bin of a uniform grid after the axis moved; every area is conserved."""
    area = cumulative_trapezoid(density, observed_cm, initial=0.0)
    spacing_cm = grid_cm[1] - grid_cm[0]
    edges = np.append(grid_cm, grid_cm[-1] + spacing_cm) - spacing_cm / 2
    at_edges = np.sign(edges) * np.interp(np.abs(edges), true_cm, area)  # the density is even in ν̃
    return np.diff(at_edges) / spacing_cm
