"""The cross-checks of benchmarks/validation check something: each fails when one side is wrong."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from benchmarks.validation import direct, schnetpack_recipe, variance_reduction
from benchmarks.validation.against_travis import TravisWindow, deviations
from benchmarks.validation.known_bands import HALF_WIDTH_CM, TEMPERATURE_K, known_bands
from benchmarks.validation.table import Row, markdown, read_rows, write_rows
from painn_spectra import keys
from painn_spectra.reference import xtb
from painn_spectra.spectra.infrared import infrared_density


def test_a_row_knows_its_verdict(tmp_path):
    rows = [
        Row("a", "small", 0.5, "%", 1),
        Row("a", "large", 0.5, "", 0.98, at_least=True),
        Row("a", "told only", 3.0),
        Row("a", "lost", float("nan")),
    ]
    assert [row.passed for row in rows] == [True, False, True, False]
    assert "FAILED" in markdown(rows).splitlines()[3]
    write_rows(tmp_path / "rows.json", rows[:3])
    assert read_rows(tmp_path / "rows.json") == rows[:3]
    assert read_rows(tmp_path / "absent.json") == []


@pytest.mark.skipif(not xtb.available(), reason="tblite is not installed")
def test_the_reference_goes_on_from_its_last_wavefunction_to_the_same_labels():
    from benchmarks.validation.xtb_potential import TightBinding

    water, potential, rng = molecule("H2O"), TightBinding(), np.random.default_rng(0)
    numbers = torch.as_tensor(water.numbers)[None]
    for _ in range(3):
        positions = water.positions + 0.1 * rng.standard_normal((3, 3)) + 4.0  # far from the origin
        found = potential(numbers, torch.as_tensor(positions)[None])
        for name, limit in zip(keys.PROPERTIES, (1e-8, 1e-4, 1e-5, 2e-3), strict=True):
            expected = xtb.label(water.numbers, positions)[name]
            assert np.abs(found[name][0].numpy() - expected).max() < limit, name


def test_known_bands_have_their_closed_form_areas():
    """Without TRAVIS: the window of that comparison on our side alone."""
    nu, dipole, _, areas = known_bands()
    estimator = TravisWindow(1.0, 0.0, 20.0, 0.0, 4000.0)
    grid = estimator.wavenumber_cm
    density = infrared_density(dipole, TEMPERATURE_K, estimator)
    for centre, area in zip(nu, areas["IR"], strict=True):
        found = density[np.abs(grid - centre) < HALF_WIDTH_CM].sum() * (grid[1] - grid[0])
        assert found == pytest.approx(area, rel=0.01)


def test_a_shifted_or_weaker_band_is_seen():
    grid = np.arange(0.0, 1000.0)
    line = np.exp(-0.5 * ((grid - 500) / 10) ** 2)
    area, position_cm = deviations((grid, 0.98 * line), (grid, np.roll(line, 2)), [(400, 600)])
    assert area == pytest.approx(0.02, abs=1e-6)
    assert position_cm == pytest.approx(2.0, abs=1e-6)


def replicas(rng, n, shift_cm=0.0, strength=1.0):
    """Spectra of three bands whose mode energies are exponential, as those of replicas are."""
    grid = np.arange(100.0, 2000.0, 2.5)
    lines = [np.exp(-0.5 * ((grid - centre - shift_cm) / 11) ** 2) for centre in (500, 1000, 1500)]
    energies = rng.exponential(size=(n, 3)) * np.array([1, strength, 2])
    return grid, energies @ np.array(lines)


@pytest.mark.physics
def test_two_runs_of_one_truth_reach_what_sampling_allows():
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(60):
        (_, one), (_, other) = replicas(rng, 24), replicas(rng, 40)
        ratios.append(direct.likeness("IR", one, other)[-1].found)
    assert np.mean(ratios) == pytest.approx(1, abs=4 * 0.02 / np.sqrt(60))


def failed(rows):
    return [row.quantity for row in rows if not row.passed]


@pytest.mark.physics
def test_bands_of_a_wrong_model_are_told_from_sampling():
    rng = np.random.default_rng(3)
    grid, one = replicas(rng, 64)

    def verdict(**change):
        """Of two members that share their noise, each band's strength off by 2 %."""
        spectra = replicas(rng, 64, **change)[1]
        members = spectra * np.array([0.98, 1.02])[:, None, None]
        return "".join(failed(direct.bands("IR", grid, one, members)))

    assert not verdict()
    assert "equal areas" in verdict(strength=3)
    assert "shift" in verdict(shift_cm=8)


def test_a_displacement_is_found_on_a_slope_and_at_another_height():
    grid = np.arange(0.0, 400.0, 2.5)
    line = np.exp(-0.5 * ((grid - 200) / 11) ** 2) + 1e-3 * grid
    moved = 1.7 * np.interp(grid - 4, grid, line)
    inside = slice(20, -20)  # a band's window, wings cut off
    assert direct.displacement_cm(grid[inside], line[inside], moved[inside]) == pytest.approx(4, abs=0.1)


@pytest.mark.physics
def test_the_spread_of_models_forgives_what_it_explains():
    """Both sides share their noise, so that only the training's error is left: 20 % between two members."""
    rng = np.random.default_rng(4)
    runs = [replicas(rng, 48) for _ in range(8)]
    grid, one = runs[0][0], np.mean([spectra for _, spectra in runs], axis=0)
    for members in (one[None] * 1.3, one * np.array([1.15, 1.45])[:, None, None]):
        [p_value] = [row.found for row in direct.bands("IR", grid, one, members) if "equal" in row.quantity]
        assert (p_value < 0.05) == (len(members) == 1)


@pytest.mark.physics
@pytest.mark.parametrize("seen", [0.8, 0.5])
def test_replicas_saved_are_those_of_the_known_correlation(seen):
    """Brightness s E + (1 − s) E' of known E and unknown E': 1/(1 − R²), R² = s²/(s² + (1 − s)²)."""
    grid, rng, found = np.arange(900.0, 1100.0, 10.0), np.random.default_rng(6), []
    line = np.exp(-0.5 * ((grid - 1000) / 20) ** 2)
    for _ in range(20):
        known, unknown = rng.exponential(size=(2, 400))
        density = np.outer(seen * known + (1 - seen) * unknown, line)
        rows = variance_reduction.compare(grid, {"IR": density}, (known[:, None] - 1, np.array([1000.0])))
        assert not failed(rows)
        found += [row.found for row in rows if "saved (" in row.quantity]
    expected = 1 / (1 - seen**2 / (seen**2 + (1 - seen) ** 2))
    # a variance of n exponential numbers is known to √(8/n), their ratio to √2 of that at most
    assert np.mean(found) == pytest.approx(expected, rel=4 * np.sqrt(16 / 400 / 20))
    moved = variance_reduction.compare(grid, {"IR": density}, (known[:, None] - 0.8, np.array([1000.0])))
    assert {"p of the known", "largest shift"} <= {name[:14].rstrip() for name in failed(moved)}


def test_the_usual_recipe_makes_components_equal():
    """A true ratio of 16 between two bands in two directions becomes 1."""
    t = np.arange(8000) * 0.5
    series = np.stack([np.sin(0.1 * t), 0.25 * np.sin(0.2 * t)], axis=1) / [
        0.1,
        0.2,
    ]  # equal speeds but for ¼
    nu, spectrum = schnetpack_recipe.standardised_spectrum(series, [1, 1], 0.5)
    peaks = [spectrum[np.argmin(abs(nu - omega / (2 * np.pi * 2.99792458e-5)))] for omega in (0.1, 0.2)]
    assert peaks[1] / peaks[0] == pytest.approx(1, rel=0.05)
