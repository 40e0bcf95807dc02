"""By how much the usual recipe is off: SchNetPack's spectra beside this package's, of the same series.

    python -m benchmarks.validation.schnetpack_recipe

The recipe as its documentation and source (`schnetpack/md/data/spectra.py`, version 2) give it, written anew:
every component is divided by its own standard deviation before it is correlated; central differences without
the sinc² correction; cos² window; the modulus of the transform; for Raman (ν̃0−ν̃)⁴/ν̃/(1−e^{−x}) with
x = ħν̃·100c·t_au/k_BT, which lacks 2π and takes ħ in kJ/mol·ps beside the atomic unit of time. No absolute
unit comes out, so what is compared is the ratio of each band to the strongest one.
"""

from itertools import pairwise

import numpy as np

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
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.raman import raman_density, stokes_cross_section
from painn_spectra.units import LIGHT_CM_FS, SECOND_RADIATION_CM_K

DEPTH_FS, FWHM_CM, HIGHEST_CM = 2048.0, 16.3, 4000.0
EMPTY_CM = (1560, 2500)  # no band
N_REPLICAS, SHARE = 32, 0.03  # bands with less than this part of the strongest are left out
# x = hcν̃/k_BT comes out 2π · (ħ in atomic units)/(ħ in kJ/mol·ps) times too small: 2.6e5
THERMAL_SLIP = 2 * np.pi * 2625.4996 * 2.4188843e-5 / 0.0635078


def standardised_spectrum(
    components: np.ndarray, weights: list[float], interval_fs: float
) -> tuple[np.ndarray, np.ndarray]:
    """Wavenumbers and |FT| of the windowed sum of standardised components' correlations. (n, n_comp)"""
    depth = min(round(DEPTH_FS / interval_fs), len(components) - 2)
    rates = (components[2:] - components[:-2]) / (2 * interval_fs)
    rates = (rates - rates.mean(axis=0)) / rates.std(axis=0)
    power = np.abs(np.fft.rfft(rates, 2 * len(rates), axis=0)) ** 2 @ np.array(weights)
    correlation = np.fft.irfft(power)[:depth] / len(rates)
    correlation = correlation * np.cos(0.5 * np.pi * np.arange(depth) / (depth - 1)) ** 2
    padded = np.pad(correlation, (0, 3 * depth))
    # mirrored with lag 0 twice, as published; the modulus hides what that and the window leave below zero
    spectrum = np.abs(np.fft.rfft(np.concatenate([padded[::-1], padded])))
    return np.fft.rfftfreq(8 * depth, interval_fs * LIGHT_CM_FS), spectrum


def recipe(
    dipole: np.ndarray, polarizability: np.ndarray, interval_fs: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Wavenumbers, and IR and Raman (parallel, perpendicular) in the recipe's arbitrary units."""
    nu, infrared = standardised_spectrum(dipole, [1, 1, 1], interval_fs)
    a = polarizability
    isotropic = np.trace(a, axis1=1, axis2=2)[:, None] / 3
    differences = [a[:, i, i] - a[:, j, j] for i, j in ((0, 1), (1, 2), (2, 0))]
    mixed = [a[:, i, j] for i, j in ((0, 1), (0, 2), (1, 2))]
    _, iso = standardised_spectrum(isotropic, [1], interval_fs)
    _, aniso = standardised_spectrum(np.stack(differences + mixed, axis=1), [0.5] * 3 + [3] * 3, interval_fs)
    x = SECOND_RADIATION_CM_K * nu[1:] / TEMPERATURE_K / THERMAL_SLIP
    factor = np.concatenate([[0], (1e7 / LASER_NM - nu[1:]) ** 4 / nu[1:] / -np.expm1(-x)])
    return nu, {
        "IR": infrared,
        "parallel": factor * (iso + 4 / 45 * aniso),
        "perpendicular": factor * aniso / 15,
    }


def ours(
    dipole: np.ndarray, polarizability: np.ndarray, interval_fs: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The same by this package, without the Verlet correction: positions are not what is compared."""
    estimator = Estimator(interval_fs, 0.0, FWHM_CM, 100.0, HIGHEST_CM)
    parts = raman_density(polarizability, TEMPERATURE_K, estimator)
    nu = estimator.wavenumber_cm
    out = {"IR": infrared_density(dipole, TEMPERATURE_K, estimator)}
    for name in ("parallel", "perpendicular"):
        out[name] = stokes_cross_section(nu, *parts, TEMPERATURE_K, LASER_NM, *GEOMETRIES[name])
    return nu, out


def areas(nu: np.ndarray, densities: dict[str, np.ndarray], windows: list) -> dict[str, np.ndarray]:
    """∫ over each window, {name: (n_bands,)}."""
    inside = np.array([(nu > lower) & (nu < upper) for lower, upper in windows])
    return {name: inside @ density * (nu[1] - nu[0]) for name, density in densities.items()}


def factors(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(recipe's ratio to the strongest band)/(true ratio), (n_bands,)."""
    strongest = truth.argmax()
    return found / found[strongest] / (truth / truth[strongest])


def rows() -> list[Row]:
    """Five known bands in one line each, ethanol band by band."""
    nu, dipole, polarizability, exact = known_bands()
    windows = [(centre - HALF_WIDTH_CM, centre + HALF_WIDTH_CM) for centre in nu]
    found = areas(*recipe(dipole, polarizability, 1.0), windows)
    check, result = "SchNetPack's recipe, known bands", []
    for name, truth in (("IR", "IR"), ("parallel", "Raman parallel")):
        off = factors(exact[truth], found[name])
        result.append(
            Row(check, f"{truth}: band ratios off by up to", np.exp(np.abs(np.log(off)).max()), "×")
        )
    off = found["perpendicular"] / found["parallel"] - exact["Raman perpendicular"] / exact["Raman parallel"]
    result.append(Row(check, "depolarisation ratio off by up to", np.abs(off).max()))

    replicas, interval_fs = ethanol_series(N_REPLICAS)
    windows = list(pairwise(ETHANOL_BORDERS_CM))
    sides = []
    for spectra in (ours, recipe):
        found = [areas(*spectra(*series, interval_fs), windows) for series in replicas]
        sides.append({name: np.mean([one[name] for one in found], axis=0) for name in found[0]})
    check = f"SchNetPack's recipe, ethanol every {interval_fs:g} fs"
    for name, words in (("IR", "IR"), ("parallel", "Raman parallel")):
        truth, found = (side[name] for side in sides)
        strongest = windows[truth.argmax()]
        for (lower, upper), share, factor in zip(
            windows, truth / truth.max(), factors(truth, found), strict=True
        ):
            if SHARE < share < 1 and (lower, upper) != EMPTY_CM:
                against = f"against {strongest[0]}–{strongest[1]}"
                result.append(Row(check, f"{words} {lower}–{upper} {against}: times", factor))
    return result


if __name__ == "__main__":
    save("schnetpack", rows())
