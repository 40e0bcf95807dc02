"""Scores in closed form for Gaussian bands, errors from their known spread."""

import numpy as np
import pytest

from painn_spectra.errors import InputError
from painn_spectra.spectra.conditions import Conditions
from painn_spectra.spectra.measured import MeasuredCurve
from painn_spectra.spectra.ordinates import ABSOLUTE
from painn_spectra.spectra.similarity import Rung, fitted_scale, from_sticks, score, target

NU = np.arange(500.0, 2500.0, 2.0)


def gaussian(centre, sigma=15.0, nu=NU):
    return np.exp(-0.5 * ((nu - centre) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def curve(density, unit="absorbance", **conditions):
    return MeasuredCurve(NU, density, unit, "toy", int(np.isnan(density).sum()), Conditions(**conditions))


def scores(densities, measured, fwhm_cm=10.0, scale=1.0):
    return score(Rung("toy", NU, np.atleast_2d(densities)), target(measured, NU, fwhm_cm), fwhm_cm, scale)


def test_a_curve_and_itself_at_any_scale():
    values, errors = scores(gaussian(1000) + 1e-4, curve(37 * (gaussian(1000) + 1e-4)), fwhm_cm=1e-9)
    assert values.cosine == pytest.approx(1, abs=1e-12) and values.information_similarity == pytest.approx(
        1, abs=1e-12
    )
    assert values.pearson == pytest.approx(1, abs=1e-12)
    assert values.earth_mover_cm == pytest.approx(0, abs=1e-9) and values.position_error_cm == 0
    assert np.isnan(values.area_ratio) and np.isnan(errors).all()


def test_shifted_gaussians():
    """Symmetric Kullback–Leibler divergence d²/σ², cosine exp(−d²/4σ²), σ² = 15² + 10² after smoothing."""
    values, _ = scores(gaussian(1500), curve(gaussian(1520)), fwhm_cm=1e-9)
    assert values.information_similarity == pytest.approx(1 / (1 + 400 / 325), abs=2e-3)
    assert values.cosine == pytest.approx(np.exp(-400 / 4 / 325), abs=2e-3)
    assert values.earth_mover_cm == pytest.approx(20, abs=0.01)
    assert values.position_error_cm == 20 and values.matched_bands == 1


def test_the_mean_does_not_count_for_pearson():
    """On a flat background b of unit-area curves the cosine nears 1, Pearson stays that of the bands."""
    plain, _ = scores(gaussian(1300), curve(gaussian(1340)))
    lifted, _ = scores(gaussian(1300) + 0.01, curve(gaussian(1340) + 0.01))
    assert lifted.pearson == pytest.approx(plain.pearson, abs=1e-3)
    assert lifted.cosine > 0.95 > plain.cosine


@pytest.mark.parametrize(("own", "instrument"), [(10.0, 40.0), (40.0, 10.0)])
def test_both_at_the_coarser_resolution(own, instrument):
    """One line seen at two resolutions is the same line."""
    lines = [gaussian(1500, fwhm / np.sqrt(8 * np.log(2))) for fwhm in (own, instrument)]
    values, _ = scores(lines[0], curve(lines[1], resolution_cm=instrument), fwhm_cm=own)
    assert values.cosine == pytest.approx(1, abs=1e-4)
    if instrument > own:
        raw, _ = scores(lines[0], curve(lines[1]), fwhm_cm=own)
        assert raw.cosine < 0.99


def test_areas_of_bands():
    """Two bands of 10 and 5 km/mol, computed with 12 and 4: ratio 16/15, error 3/15."""
    measured = curve(10 * gaussian(1000) + 5 * gaussian(2000), ABSOLUTE)
    values, _ = scores(12 * gaussian(1010) + 4 * gaussian(1990), measured)
    assert values.area_ratio == pytest.approx(16 / 15, rel=1e-4)
    assert values.area_error == pytest.approx(3 / 15, rel=1e-4)
    assert values.matched_bands == 2 and values.position_error_cm == pytest.approx(10, abs=1)


def test_bands_too_far_apart_are_no_match():
    values, _ = scores(gaussian(1000) + gaussian(1500), curve(gaussian(1020) + gaussian(1700)))
    assert values.matched_bands == 1 and values.position_error_cm == 20


def test_saturated_points_do_not_count():
    spoiled = gaussian(1000) + gaussian(1800)
    holes = np.where((NU > 1700) & (NU < 1900), np.nan, spoiled)
    assert scores(gaussian(1000), curve(holes))[0].cosine > 0.99
    assert scores(gaussian(1000), curve(spoiled))[0].cosine < 0.75


@pytest.mark.physics
def test_bootstrap_errors_are_those_of_the_mean():
    """Areas of 64 replicas drawn with spread s: the error of their mean is s/√64, within its own 9 %."""
    areas = np.random.default_rng(3).normal(10, 2, size=64)
    measured = curve(10 * gaussian(1500), ABSOLUTE)
    _, errors = scores(areas[:, None] * gaussian(1500), measured)
    assert errors.area_ratio == pytest.approx(areas.std(ddof=1) / 10 / 8, rel=4 * (2 * 200) ** -0.5)
    assert errors.cosine == pytest.approx(0, abs=1e-12)


def test_a_fitted_factor_undoes_a_scaling():
    computed = gaussian(1000) + 2 * gaussian(1800) + gaussian(2200)
    measured = np.interp(NU, NU * 0.96, computed)
    rung, to = Rung("toy", NU, computed[None]), target(curve(measured), NU, 10.0)
    scale = fitted_scale(rung, to, 10.0)
    assert scale == pytest.approx(0.96, abs=5e-4)
    values, _ = score(rung, to, 10.0, scale)
    assert values.cosine > 0.999 > score(rung, to, 10.0)[0].cosine
    plain, _ = scores(7 * gaussian(1500), curve(7 * gaussian(1500), ABSOLUTE), scale=0.97)
    assert plain.area_ratio == pytest.approx(1, abs=1e-3)  # scaling keeps areas


def test_an_offset_of_counts_is_no_signal():
    counts = curve(gaussian(1000) + 3.0, "arbitrary units", laser_nm=785.0, resolution_cm=10.0)
    assert scores(gaussian(1000), counts)[0].cosine == pytest.approx(1, abs=1e-6)


def test_sticks_keep_their_areas():
    density = from_sticks(NU, np.array([1000.0, 1500.0]), np.array([30.0, 5.0]), 20.0)
    assert density[NU < 1200].sum() * 2 == pytest.approx(30, rel=1e-6)
    assert density[NU > 1200].sum() * 2 == pytest.approx(5, rel=1e-6)


def test_curves_that_do_not_meet():
    far = MeasuredCurve(NU + 1990, gaussian(1000), "absorbance", "far")
    with pytest.raises(InputError, match="far: measured from 2490 to 4488 cm-1, computed from 500 to 2498"):
        target(far, NU, 10.0)


def scored(nu, density, measured_nu, measured, **conditions):
    """Scores of absolute curves on axes of their own."""
    of = MeasuredCurve(measured_nu, measured, ABSOLUTE, "toy", 0, Conditions(**conditions))
    return score(Rung("toy", nu, density[None]), target(of, nu, 10.0), 10.0)[0]


@pytest.mark.parametrize(("fwhm_cm", "step_cm"), [(0.5, 0.25), (0.1, 0.07), (0.25, 0.13)])
def test_lines_finer_than_the_grid_keep_their_areas(fwhm_cm, step_cm):
    fine, sigma = np.arange(500, 2500, step_cm), fwhm_cm / np.sqrt(8 * np.log(2))
    centres = (700.3, 900.5, 1200.9, 1700.1)
    values = scored(NU, sum(gaussian(c, 10 / 2.3548) for c in centres), fine,
                    sum(gaussian(c, sigma, fine) for c in centres), resolution_cm=fwhm_cm)  # fmt: skip
    assert values.area_ratio == pytest.approx(1, abs=0.01)
    assert values.position_error_cm < 1.5


def test_what_a_file_leaves_out_is_not_compared():
    """A hole in the axis, or one of saturated points, between two bands; both curves hold a third in it."""
    nu = np.arange(500.0, 3500.0, 2.0)
    ours = sum(gaussian(c, nu=nu) for c in (800, 2000, 3000))
    kept = (nu < 1500) | (nu > 2500)
    missing = scored(nu, ours, nu[kept], ours[kept])
    assert missing.area_ratio == pytest.approx(1, abs=1e-3) and missing.cosine == pytest.approx(1, abs=1e-3)
    assert missing.earth_mover_cm < 1 and missing.matched_bands == 2
    coarse = scored(nu, ours, nu[::12], ours[::12])  # a coarse axis is no hole
    assert coarse.matched_bands == 3


def test_earth_is_moved_across_holes():
    """Half of the area goes from 1630 to 1770, with and without 1650 to 1750 saturated."""
    ours, theirs = gaussian(700) + gaussian(1770), gaussian(700) + gaussian(1630)
    whole, _ = scores(ours, curve(theirs))
    spoilt, _ = scores(ours, curve(np.where((NU > 1685) & (NU < 1715), np.nan, theirs)))
    assert whole.earth_mover_cm == pytest.approx(70, abs=0.5)
    assert spoilt.earth_mover_cm == pytest.approx(70, abs=2)


@pytest.mark.parametrize("values", [np.zeros(len(NU)), np.full(len(NU), 0.3), -gaussian(1000)])
def test_a_curve_without_bands(values):
    with pytest.raises(InputError, match="equal or none is positive; give another"):
        target(curve(values), NU, 10.0)


@pytest.mark.parametrize("resolution", [1e6, 1e300, -4.0])
def test_a_resolution_that_is_none(resolution):
    with pytest.raises(InputError, match=r"a resolution of .* leaves nothing"):
        target(curve(gaussian(1000), resolution_cm=resolution), NU, 10.0)
