"""Control variates: no bias on the analytic model, honest smaller errors, coefficients out of fold."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from toy_trajectory import LINE_CM, OUTPUTS, write_trajectory

from painn_spectra import keys
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra.bands import band_areas
from painn_spectra.spectra.control_variates import FEWEST_REPLICAS, REACH_CM, RIDGE, adjusted
from painn_spectra.spectra.csv_files import read_table
from painn_spectra.spectra.intervals import ratio_of_means
from painn_spectra.spectra.spectrum import compute_spectra
from painn_spectra.units import AMU_E2_KM_MOL

pytestmark = pytest.mark.physics

MODES_CM = np.array([900.0, 1000.0, 1030.0, 1400.0, 2900.0, 2950.0, 3700.0])
INTENSITIES = np.array([1.0, 20.0, 5.0, 10.0, 30.0, 15.0, 8.0])
GRID = np.arange(800.0, 3900.0, 20.0)
LINES = np.exp(-0.5 * ((GRID - MODES_CM[:, None]) / 12) ** 2)  # (n_modes, n)
BANDS = [(820, 950), (950, 1100), (1300, 1500), (2800, 3050), (3600, 3800)]


def drawn(n_replicas: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Densities and excess kinetic energies of harmonic modes; a part of the energy has been exchanged."""
    energies = rng.exponential(size=(n_replicas, len(MODES_CM)))
    other = rng.exponential(size=energies.shape)
    bright = 0.8 * energies + 0.2 * other  # what the spectrum saw
    kinetic = 0.8 * energies + 0.1 * other + 0.1 * rng.exponential(size=energies.shape)
    return (INTENSITIES * bright) @ LINES, kinetic - 1


def areas(densities: np.ndarray) -> np.ndarray:
    return np.array([band_areas(GRID, densities, *band) for band in BANDS])  # (n_bands, n_replicas)


TRUTH = areas((INTENSITIES @ LINES)[None])[:, 0]


@pytest.mark.parametrize("n_replicas", [FEWEST_REPLICAS, 2 * FEWEST_REPLICAS])
def test_no_bias_and_less_spread(n_replicas: int) -> None:
    rng, repeats = np.random.default_rng(n_replicas), 100
    plain, controlled, stated = [], [], []
    for _ in range(repeats):
        densities, excess = drawn(n_replicas, rng)
        plain.append(areas(densities).mean(1))
        estimate = ratio_of_means(areas(adjusted(densities, excess, MODES_CM, GRID)))
        controlled.append(estimate.value)
        stated.append(estimate.standard_error)
    spread, before = np.std(controlled, axis=0), np.std(plain, axis=0)
    assert (np.abs(np.mean(controlled, axis=0) - TRUTH) < 4 * spread / np.sqrt(repeats)).all()
    assert (spread < 0.45 * before).all()
    # the error that is stated is the spread that is seen; the relative σ of either is about 0.1
    assert np.sqrt(np.mean(np.square(stated), axis=0)) == pytest.approx(spread, rel=0.35)


def test_interval_of_an_adjusted_area_covers() -> None:
    rng, repeats, hits = np.random.default_rng(2), 150, np.zeros(len(BANDS))
    for _ in range(repeats):
        densities, excess = drawn(64, rng)
        estimate = ratio_of_means(areas(adjusted(densities, excess, MODES_CM, GRID)))
        hits += (estimate.low < TRUTH) & (estimate.high > TRUTH)
    sigma = np.sqrt(0.95 * 0.05 / repeats)
    assert (np.abs(hits / repeats - 0.95) < 0.03 + 2 * sigma).all()


def test_coefficients_come_from_the_other_replicas() -> None:
    """Against the regression done anew without each replica."""
    densities, excess = drawn(FEWEST_REPLICAS, np.random.default_rng(3))
    found = adjusted(densities, excess, MODES_CM, GRID)
    for j in (10, 107):
        penalty = RIDGE * (1 + ((GRID[j] - MODES_CM) / REACH_CM) ** 2) ** 2
        for r in range(FEWEST_REPLICAS):
            rest = np.arange(FEWEST_REPLICAS) != r
            d = excess[rest] - excess[rest].mean(0)
            slope = np.linalg.solve(d.T @ d + np.diag(penalty), d.T @ densities[rest, j])
            assert found[r, j] == pytest.approx(densities[r, j] - excess[r] @ slope, rel=1e-9, abs=1e-9)


def test_useless_controls_cost_little() -> None:
    rng, ratios = np.random.default_rng(4), []
    for _ in range(20):
        densities, _ = drawn(64, rng)
        noise = rng.exponential(size=(64, len(MODES_CM))) - 1
        ratios.append(areas(adjusted(densities, noise, MODES_CM, GRID)).std(1) / areas(densities).std(1))
    assert (np.mean(ratios, axis=0) < 1.08).all()


def test_few_replicas_are_left_alone() -> None:
    densities, excess = drawn(FEWEST_REPLICAS - 1, np.random.default_rng(5))
    assert adjusted(densities, excess, MODES_CM, GRID) is densities


def test_stage_uses_what_the_dynamics_wrote(tmp_path: Path) -> None:
    """32 replicas of one mode, whose energies are known: the area is that of a thermal mode, 0.01 e²/amu."""
    path, energies = write_trajectory(tmp_path / "t.h5"), np.random.default_rng(6).exponential(size=32)
    with h5py.File(path, "a") as file:
        for name in (keys.DIPOLE, keys.POLARIZABILITY):
            one = file[name][1:2]  # of energy kT
            mean = one.mean(axis=1, keepdims=True)
            del file[name]
            scale = np.sqrt(energies).reshape(-1, *[1] * (one.ndim - 1))
            file[name] = (mean + scale * (one - mean)).astype(np.float32)
        file[keys.MODE_ENERGY_EXCESS] = energies[:, None] - 1
        file[keys.MODE_ENERGY_EXCESS].attrs["wavenumbers_cm"] = [LINE_CM]
    found = {}
    for use in (True, False):
        outputs = [tmp_path / str(use) / name for name in OUTPUTS]
        compute_spectra(path, *outputs, SpectraSettings(fwhm_cm=20.0, control_variates=use))
        notes, rows = read_table(outputs[2])
        assert (notes["control_variates"] == "none") is not use
        found[use] = float(rows[0]["area"]), float(rows[0]["area_standard_error"])
    assert found[True][0] == pytest.approx(AMU_E2_KM_MOL * 0.01, rel=0.03)
    assert found[False][0] == pytest.approx(AMU_E2_KM_MOL * 0.01 * energies.mean(), rel=0.02)
    assert found[True][1] < 0.2 * found[False][1]
