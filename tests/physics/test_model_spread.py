"""The spread of models is found beneath the noise of sampling, whatever the replicas have in common."""

import numpy as np
import pytest

from painn_spectra.spectra.model_spread import model_standard_deviation

pytestmark = pytest.mark.physics


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


def test_one_model_has_no_spread() -> None:
    assert np.isnan(model_standard_deviation(np.ones((1, 8, 3)))).all()
