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
from painn_spectra.spectra.correlation import Estimator, cosine_transform
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.raman import raman_density, stokes_cross_section
from painn_spectra.units import LIGHT_CM_FS

HIGHEST_CM, DEPTH_FS = 4000.0, 2048.0
SHARE = 0.01  # bands with less than this part of the strongest are not compared


class TravisWindow(Estimator):
    """The package's estimator with TRAVIS's window instead of its own; no Verlet correction."""

    def _observed(
        self, chunks: Iterable[np.ndarray], n: int, weights: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Transform of the unbiased correlation times cos²(πk/2(depth − 1))."""
        lags = np.arange(round(DEPTH_FS / self.sample_interval_fs))
        window = n / (n - lags) * np.cos(0.5 * np.pi * lags / lags[-1]) ** 2
        correlation = autocorrelation(chunks, weights, len(lags)) * window
        observed, density = cosine_transform(correlation, self.sample_interval_fs, spacing_cm=0.2)
        kept = observed < 1.1 * HIGHEST_CM
        return observed[kept], density[..., kept]


def spectra(
    dipole: np.ndarray, polarizability: np.ndarray, interval_fs: float
) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Wavenumbers, and {name: (ours, TRAVIS's)} of IR | km/mol per cm⁻¹ and Raman | m²/sr per cm⁻¹."""
    depth = round(DEPTH_FS / interval_fs)
    theirs = [travis.infrared(dipole, interval_fs, depth, HIGHEST_CM)]
    theirs += travis.raman(polarizability, interval_fs, depth, HIGHEST_CM, 1e7 / LASER_NM, TEMPERATURE_K)
    # TRAVIS's grid, without the two digits that its file rounds to
    spacing_cm = 1 / (2 * 4 * depth * interval_fs * LIGHT_CM_FS)
    estimator = TravisWindow(
        interval_fs, 0.0, 10 * spacing_cm, 0.0, (len(theirs[0].density) - 1) * spacing_cm
    )
    infrared = infrared_density(dipole, TEMPERATURE_K, estimator)
    parts = raman_density(polarizability, TEMPERATURE_K, estimator)
    nu = estimator.wavenumber_cm
    pairs = {"IR": (infrared, theirs[0].density / TEMPERATURE_K)}
    for (name, weights), other in zip(GEOMETRIES.items(), theirs[1:], strict=True):
        ours = stokes_cross_section(nu, *parts, TEMPERATURE_K, LASER_NM, *weights)
        pairs[f"Raman {name}"] = (np.nan_to_num(ours), other.density[: len(nu)] * 1e-40)
    return nu, pairs


def deviations(
    wavenumber_cm: np.ndarray, ours: np.ndarray, theirs: np.ndarray, windows: list[tuple[float, float]]
) -> tuple[float, float]:
    """Largest relative difference of areas, and of centroids in cm⁻¹, over the windows."""
    spacing = wavenumber_cm[1] - wavenumber_cm[0]
    areas, centroids = [], []
    for lower, upper in windows:
        inside = (wavenumber_cm > lower) & (wavenumber_cm < upper)
        pair = [np.sum(side[inside]) * spacing for side in (ours, theirs)]
        moments = [np.sum((side * wavenumber_cm)[inside]) * spacing for side in (ours, theirs)]
        areas.append(pair)
        centroids.append(abs(moments[0] / pair[0] - moments[1] / pair[1]))
    one, other = np.array(areas).T
    strong = other > SHARE * other.max()
    return float(np.abs(one / other - 1)[strong].max()), float(np.array(centroids)[strong].max())


def closed_form(wavenumber_cm: np.ndarray, side: np.ndarray, nu: np.ndarray, expected: np.ndarray) -> float:
    """Largest relative difference between a side's band areas and the closed form."""
    spacing = wavenumber_cm[1] - wavenumber_cm[0]
    found = [side[np.abs(wavenumber_cm - centre) < HALF_WIDTH_CM].sum() * spacing for centre in nu]
    return float(np.abs(np.array(found) / expected - 1).max())


def rows() -> list[Row]:
    """All comparisons."""
    if not travis.available():
        print("TRAVIS is not installed; on Debian or Ubuntu: apt install travis")
        return []
    result = []
    nu, dipole, polarizability, areas = known_bands()
    grid, pairs = spectra(dipole, polarizability, 1.0)
    windows = [(centre - HALF_WIDTH_CM, centre + HALF_WIDTH_CM) for centre in nu]
    for name, (ours, theirs) in pairs.items():
        area, position_cm = deviations(grid, ours, theirs, windows)
        result += [
            Row("TRAVIS, five known bands", f"{name}: largest area difference", 100 * area, "%", 1),
            Row("TRAVIS, five known bands", f"{name}: largest shift", position_cm, "cm⁻¹", 1),
            Row("TRAVIS, five known bands", f"{name}: TRAVIS against the closed form",
                100 * closed_form(grid, theirs, nu, areas[name]), "%", 1),
        ]  # fmt: skip
    [(dipole, polarizability)], interval_fs = ethanol_series()
    grid, pairs = spectra(dipole, polarizability, interval_fs)
    for name, (ours, theirs) in pairs.items():
        area, position_cm = deviations(grid, ours, theirs, list(pairwise(ETHANOL_BORDERS_CM)))
        result += [
            Row("TRAVIS, ethanol", f"{name}: largest area difference", 100 * area, "%", 1),
            Row("TRAVIS, ethanol", f"{name}: largest shift", position_cm, "cm⁻¹", 1),
        ]  # fmt: skip
    return result


if __name__ == "__main__":
    save("travis", rows())
