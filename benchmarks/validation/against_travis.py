"""The same dipole and polarizability series through TRAVIS and through this package.

    python -m benchmarks.validation.against_travis

Both sides: central differences with the sinc² correction, Hann window, one depth, no Verlet correction,
532 nm, 300 K. The series: five known bands, where the closed form is a third witness, and ethanol's dynamics.
TRAVIS divides its autocorrelation by the number of products at each lag; so does this side here, through its
window. TRAVIS's conventions turned out to be ours: 2N_A/(12 ε0 c k_B T) for IR; for Raman the absolute Stokes
cross-section of (45, 7), (45, 4) and (0, 3) in 10⁻⁴⁰ m² cm; IR still to be divided by the temperature.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from benchmarks.validation import travis_program as travis
from benchmarks.validation.known_bands import (
    ETHANOL_BORDERS_CM,
    GEOMETRIES,
    HALF_WIDTH_CM,
    LASER_NM,
    TEMPERATURE_K,
    known_bands,
)
from benchmarks.validation.runs import ethanol_series
from benchmarks.validation.table import Row, save
from painn_spectra.spectra.autocorrelation import autocorrelation
from painn_spectra.spectra.bands import bin_overlap
from painn_spectra.spectra.correlation import HANN, Estimator, cosine_transform
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.raman import raman_density, stokes_cross_section
from painn_spectra.units import LIGHT_CM_FS

HIGHEST_CM, DEPTH_FS = 4000.0, 2048.0  # the depth to the nearest power of two of samples
Windows = list[tuple[float, float]]  # cm⁻¹
SHARE = 0.01  # bands with less than this part of the strongest are not compared


class TravisWindow(Estimator):
    """The package's estimator with TRAVIS's window instead of its own; no Verlet correction."""

    def _observed(
        self, chunks: Iterable[np.ndarray], n: int, weights: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Transform of the unbiased correlation times cos²(πk/2(depth − 1))."""
        lags = np.arange(depth(self.sample_interval_fs))
        window = n / (n - lags) * np.cos(0.5 * np.pi * lags / lags[-1]) ** 2
        correlation = autocorrelation(chunks, weights, len(lags)) * window
        observed, density = cosine_transform(correlation, self.sample_interval_fs, spacing_cm=0.2)
        kept = observed < 1.1 * HIGHEST_CM
        return observed[kept], density[..., kept]


Curves = dict[str, np.ndarray]  # IR | km/mol per cm⁻¹, Raman by geometry | m²/sr per cm⁻¹


def by_travis(
    dipole: np.ndarray, polarizability: np.ndarray, interval_fs: float
) -> tuple[np.ndarray, Curves]:
    """Wavenumbers and TRAVIS's curves, the wavenumbers without the two digits that its file rounds to."""
    lags = depth(interval_fs)
    infrared = travis.infrared(dipole, interval_fs, lags, HIGHEST_CM)
    raman = travis.raman(polarizability, interval_fs, lags, HIGHEST_CM, 1e7 / LASER_NM, TEMPERATURE_K)
    n = len(infrared.density)
    curves = {
        f"Raman {name}": other.density[:n] * 1e-40 for name, other in zip(GEOMETRIES, raman, strict=True)
    }
    return np.arange(n) * spacing_cm(interval_fs), {"IR": infrared.density / TEMPERATURE_K} | curves


def depth(interval_fs: float) -> int:
    """Number of lags: a power of two, as TRAVIS pads any other to a grid that it does not tell."""
    return 2 ** round(np.log2(DEPTH_FS / interval_fs))


def spacing_cm(interval_fs: float) -> float:
    """TRAVIS's grid with three times as many zeros as lags, cm⁻¹."""
    return 1 / (2 * 4 * depth(interval_fs) * interval_fs * LIGHT_CM_FS)


def by_us(dipole: np.ndarray, polarizability: np.ndarray, estimator: Estimator) -> tuple[np.ndarray, Curves]:
    """The same by the package's functions."""
    nu, parts = estimator.wavenumber_cm, raman_density(polarizability, TEMPERATURE_K, estimator)
    curves = {
        f"Raman {name}": np.nan_to_num(stokes_cross_section(nu, *parts, TEMPERATURE_K, LASER_NM, *weights))
        for name, weights in GEOMETRIES.items()
    }
    return nu, {"IR": infrared_density(dipole, TEMPERATURE_K, estimator)} | curves


def moments(nu: np.ndarray, curve: np.ndarray, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Areas and centroids (n_windows,) of a curve."""
    inside = np.array([bin_overlap(nu, *window) for window in windows])
    areas = inside @ curve
    return areas, inside @ (curve * nu) / areas


def deviations(
    ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray], windows: Windows
) -> tuple[float, float]:
    """Largest relative difference of areas, and of centroids in cm⁻¹; a side is (wavenumbers, curve)."""
    (one, here), (other, there) = (moments(*side, windows) for side in (ours, theirs))
    strong = other > SHARE * other.max()
    return float(np.abs(one / other - 1)[strong].max()), float(np.abs(here - there)[strong].max())


def compare(
    check: str, dipole: np.ndarray, polarizability: np.ndarray, interval_fs: float, windows: Windows,
    exact: Curves | None = None,
) -> list[Row]:  # fmt: skip
    """Rows of one series; exact: areas (n_windows,) in closed form."""
    nu, theirs = by_travis(dipole, polarizability, interval_fs)
    twin = TravisWindow(interval_fs, 0.0, 10 * spacing_cm(interval_fs), 0.0, nu[-1])
    width_cm = 1 / (LIGHT_CM_FS * depth(interval_fs) * interval_fs)
    own = Estimator(interval_fs, 0.0, width_cm, 100.0, HIGHEST_CM, HANN)
    sides = {estimator: by_us(dipole, polarizability, estimator) for estimator in (twin, own)}
    result = []
    for name, curve in theirs.items():
        grid, ours = sides[twin]
        area, shift_cm = deviations((grid, ours[name]), (nu, curve), windows)
        result += [
            Row(check, f"{name}: largest area difference", 100 * area, "%", 1),
            Row(check, f"{name}: largest shift", shift_cm, "cm⁻¹", 1),
        ]
        if exact is not None:  # isolated bands: biased or unbiased, their areas are the same
            grid, ours = sides[own]
            area, _ = deviations((grid, ours[name]), (nu, curve), windows)
            off = np.abs(moments(nu, curve, windows)[0] / exact[name] - 1).max()
            result += [
                Row(check, f"{name}: areas with the package's Hann window", 100 * area, "%", 1),
                Row(check, f"{name}: TRAVIS against the closed form", 100 * float(off), "%", 1),
            ]
    return result


def rows() -> list[Row]:
    """Five known bands, then ethanol; none without TRAVIS."""
    if not travis.available():
        print("TRAVIS is not installed; on Debian or Ubuntu: apt install travis")
        return []
    centres, *series, exact = known_bands()
    windows = [(centre - HALF_WIDTH_CM, centre + HALF_WIDTH_CM) for centre in centres]
    [ethanol], interval_fs = ethanol_series()
    return [
        *compare("TRAVIS, five known bands", *series, 1.0, windows, exact),
        *compare("TRAVIS, ethanol", *ethanol, interval_fs, list(pairwise(ETHANOL_BORDERS_CM))),
    ]


if __name__ == "__main__":
    save("travis", rows())
