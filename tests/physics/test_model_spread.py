"""The spread of models is found beneath the noise of sampling, whatever the replicas have in common."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import t as student_t

from painn_spectra.spectra.model_spread import band_spread, model_standard_deviation

pytestmark = pytest.mark.physics

GRID, BAND = np.arange(900.0, 1100.0, 4.0), (930.0, 1070.0)


def line(centre: np.ndarray) -> np.ndarray:
    """Unit area, 10 cm⁻¹ wide (σ). (...) -> (..., n)"""
    return np.exp(-0.5 * ((GRID - centre[..., None]) / 10) ** 2) / (10 * np.sqrt(2 * np.pi))


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.5])
def test_sampling_variance_is_subtracted(sigma: float) -> None:
    rng, repeats, members, replicas = np.random.default_rng(0), 4000, 5, 16
    model = sigma * rng.normal(size=(members, 1, repeats))
    common = rng.exponential(size=(1, replicas, repeats))
    own = 0.4 * rng.normal(size=(members, replicas, repeats))
    found = model_standard_deviation(model + common + own) ** 2
    plain = (model + common + own).mean(1).var(0, ddof=1)
    noise = 0.4**2 / replicas
    assert plain.mean() == pytest.approx(sigma**2 + noise, rel=0.1)
    if sigma == 0.5:  # nothing is cut at zero: unbiased within 4 σ of 4000 variances of 5
        assert abs(found.mean() - sigma**2) < 4 * (sigma**2 + noise) * np.sqrt(2 / 4 / repeats)
    else:
        assert found.mean() < sigma**2 + 0.6 * noise


def ensembles(
    members: int, replicas: int, sigmas: tuple[float, float, float], seed: int
) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Draws of one band of `members` models and one more, from common starts.

    Model m: area 1 + a_m, centre 1000 + c_m, depolarised share 0.3 + d_m; sigmas are those of a, c and d.
    Replica r is as bright as its thermal energy, common to the models but for a tenth of its own.
    Returns isotropic and anisotropic densities, (members + 1, replicas, n).
    """
    rng = np.random.default_rng(seed)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        drawn = np.array(sigmas)[:, None] * rng.normal(size=(3, members + 1))
        energy = 0.9 * rng.exponential(size=replicas) + 0.1 * rng.exponential(size=(members + 1, replicas))
        area, centre, share = (1 + drawn[0], 1000 + drawn[1], 0.3 + drawn[2])
        whole = (area[:, None] * energy)[..., None] * line(centre)[:, None]
        return (1 - share)[:, None, None] * whole, share[:, None, None] * whole

    return draw


def test_known_spread_of_area_centroid_and_depolarisation_is_recovered() -> None:
    """Means of σ̂_a² over repeats within 4 σ of the variance of a variance of `members` normal numbers."""
    repeats, members, sigmas = 300, 6, (0.15, 5.0, 0.03)
    draw = ensembles(members, 64, sigmas, seed=1)
    found = []
    for _ in range(repeats):
        iso, aniso = draw()
        centroid, area, ratio = band_spread(GRID, (iso[:-1], aniso[:-1]), *BAND)
        found.append([area, centroid, ratio])
    # ρ = 3 s/(7 (1 − s) + 4 s) of the share s: dρ/ds = 21/(7 − 3 s)²
    expected = np.array([sigmas[0], sigmas[1], sigmas[2] * 21 / (7 - 0.9) ** 2]) ** 2
    scatter = expected * np.sqrt(2 / (members - 1) / repeats)
    # the draws' energies average to 1 ± 1/√64 and multiply the areas' spread: σ² (1 + 1/64)
    expected[0] *= 1 + 0.82 / 64
    assert (np.abs(np.mean(np.square(found), axis=0) - expected) < 4 * scatter).all()


def test_the_band_of_models_holds_another_model_as_often_as_it_should() -> None:
    """|y − ȳ| < σ̂_a for one more model: Student's t of n − 1, |t| < 1/√(1 + 1/n); an area and a column."""
    repeats, members, replicas = 600, 5, 128
    draw = ensembles(members, replicas, (0.2, 6.0, 0.03), seed=2)
    overlap, hits = np.full(len(GRID), 4.0) * (np.abs(GRID - 1000) < 70), np.zeros(2)
    at_1000 = np.argmin(np.abs(GRID - 1000))
    for _ in range(repeats):
        iso, aniso = draw()
        density = iso + aniso
        _, area, _ = band_spread(GRID, (iso[:-1], aniso[:-1]), *BAND)
        means = (density @ overlap).mean(1)
        hits[0] += abs(means[-1] - means[:-1].mean()) < area
        # the column of a spectrum: where it is steep in no parameter but the area
        column = model_standard_deviation(density[:-1, :, at_1000 - 3])
        means = density[:, :, at_1000 - 3].mean(1)
        hits[1] += abs(means[-1] - means[:-1].mean()) < column
    expected = 1 - 2 * student_t.sf(1 / np.sqrt(1 + 1 / members), members - 1)
    assert (np.abs(hits / repeats - expected) < 4 * np.sqrt(expected * (1 - expected) / repeats)).all()


def test_one_model_has_no_spread() -> None:
    assert np.isnan(model_standard_deviation(np.ones((1, 8, 3)))).all()
