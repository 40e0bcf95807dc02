"""95 % intervals over replicas hold the truth in 92 to 98 % of repeats, where others do not."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student_t

from painn_spectra.spectra.band_table import effort_note, replicas_for
from painn_spectra.spectra.bands import band_centroid, depolarisation, find_bands
from painn_spectra.spectra.intervals import ratio_of_means

FILE = Path(__file__).parents[2] / "benchmarks/coverage.py"
spec = importlib.util.spec_from_file_location("coverage_benchmark", FILE)
assert spec and spec.loader
bench = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = bench
spec.loader.exec_module(bench)

pytestmark = pytest.mark.physics


@pytest.mark.parametrize("case", bench.CASES)
def test_interval_holds_the_truth(case: str) -> None:
    """64 replicas: areas, centroids and depolarisation ratios of strong, weak and overlapping bands."""
    samples, truth = bench.draw(case, 64, 500, seed=4), bench.truths(case)
    for quantity, pair in samples.items():
        assert 0.92 <= bench.coverage("package", pair, truth[quantity]) <= 0.98, quantity


def test_others_miss() -> None:
    """The percentile bootstrap of 16 exponential areas: 0.889 (an independent calculation's number)."""
    samples, truth = bench.draw("single", 16, 2000, seed=5), bench.truths("single")
    sigma = np.sqrt(0.889 * 0.111 / 2000)
    assert abs(bench.coverage("percentile", samples["area"], truth["area"]) - 0.889) < 4 * sigma
    assert bench.coverage("package", samples["area"], truth["area"]) > 0.93


def test_truth_is_the_mean_of_many() -> None:
    for case in bench.CASES:
        samples, truth = bench.draw(case, 50_000, 1, seed=6), bench.truths(case)
        for quantity, pair in samples.items():
            estimate = ratio_of_means(*pair)
            assert abs(estimate.value[0] - truth[quantity]) < 4 * estimate.standard_error[0], (case, quantity)


def test_found_bands_hold_the_truth() -> None:
    """With borders taken from the data: what those borders cut from the truth."""
    rng, nu, trials = np.random.default_rng(11), np.arange(900.0, 1100.0, 2.0), 200
    lines = [np.exp(-0.5 * ((nu - centre) / 8) ** 2) for centre in (970, 1030)]
    hits = np.zeros(2)
    for _ in range(trials):
        energies = rng.exponential(size=(64, 2))
        bands = find_bands(nu, energies @ np.array([3 * lines[0], lines[1]]))
        assert len(bands) == 2
        for k, band in enumerate(bands):
            inside = (nu >= band.lower_cm) & (nu <= band.upper_cm)
            weights = np.where(inside, 2.0, 0.0)
            weights[[np.argmax(inside), len(nu) - 1 - np.argmax(inside[::-1])]] /= 2
            hits[k] += band.area.low < weights @ (3 * lines[0] + lines[1]) < band.area.high
    assert ((hits / trials > 0.91) & (hits / trials < 0.985)).all()


def test_without_skewness_it_is_students_interval() -> None:
    samples = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    estimate = ratio_of_means(samples)
    half = student_t.ppf(0.975, 4) * np.std(samples, ddof=1) / np.sqrt(5)
    assert estimate.value == 3 and estimate.standard_error == pytest.approx(np.sqrt(2.5 / 5))
    assert (estimate.high - 3, 3 - estimate.low) == pytest.approx((half, half), rel=1e-5)


def test_skewed_samples_stretch_it_upwards() -> None:
    estimate = ratio_of_means(np.array([0.0, 1.0, 1.0, 2.0, 6.0]))
    assert estimate.high - estimate.value > 2 * (estimate.value - estimate.low) > 0


def test_what_has_no_spread_has_no_width() -> None:
    nu, line = np.arange(900.0, 1100.0), np.exp(-0.5 * ((np.arange(900.0, 1100.0) - 1000) / 8) ** 2)
    densities = line * np.array([1.0, 2.0, 5.0])[:, None]
    assert band_centroid(nu, densities, 950, 1050) == pytest.approx((1000, 0, 1000, 1000), abs=1e-9)
    ratio = depolarisation(nu, 0.2 * densities, densities, 950, 1050)
    assert ratio == pytest.approx((3 / 5.4, 0, 3 / 5.4, 3 / 5.4), abs=1e-9)
    assert np.isnan(ratio_of_means(np.array([1.0])).low)


def test_more_replicas_are_counted_right() -> None:
    assert replicas_for(0.05, 0.1, 64) == 256
    assert replicas_for(0.1, 0.1, 64) == 64
    assert np.isnan(replicas_for(0.05, np.nan, 1))
    note = effort_note({"n_replicas": "64", "length_ps": "10"})
    assert "640 ps" in note["dynamics_so_far"] and "1920 ps more" in note["to_halve_the_errors"]
