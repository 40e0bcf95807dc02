"""Numerical errors of a force field: taken out where they can be, told where they cannot."""

import itertools
import math

import numpy as np
import pytest
from vpt2_models import field_of

from painn_spectra.vpt2.couplings import Couplings, settled
from painn_spectra.vpt2.force_field import at_minimum
from painn_spectra.vpt2.perturbation import levels, numerical_error


def test_errors_of_a_curvature_are_taken_out() -> None:
    """A wrong H_jj at the minimum shifts a column of φ_iijj; its differences come back, levels with them."""
    rng = np.random.default_rng(1)
    true = rng.normal(size=(5, 5)) + 40
    true = true + true.T
    shifts = np.array([30.0, -10.0, -25.0, 5.0, 0.0])
    assert settled(true) == pytest.approx(true)
    assert settled(true + shifts) == pytest.approx(true)
    field = field_of(np.arange(1, 6) * 700.0, {}, {(i, i): 20.0 for i in range(5)})
    assert numerical_error(field, (2,)) == 0
    field.quartic[0, 2, 2] += 80
    assert 1 < numerical_error(field, (2,)) < 10


def test_errors_of_a_coupling_are_taken_out() -> None:
    """Random constants to fourth order: H_jk is found from ±q_j, whatever is told of the minimum."""
    rng, n, step = np.random.default_rng(3), 3, 0.7
    symmetric = [sum(c.transpose(p) for p in itertools.permutations(range(k)))
                 for k, c in ((k, rng.normal(size=(n,) * k)) for k in (2, 3, 4))]  # fmt: skip
    h, cubic, quartic = symmetric

    def slope(q):
        return (
            h @ q
            + np.einsum("ijk,j,k->i", cubic, q, q) / 2
            + np.einsum("ijkl,j,k,l->i", quartic, q, q, q) / 6
        )

    def curvature(q):
        return h + np.einsum("ijk,k->ij", cubic, q) + np.einsum("ijkl,k,l->ij", quartic, q, q) / 2

    ends = step * np.eye(n)
    displaced = np.array([(curvature(q) + curvature(-q)) / 2 for q in ends])
    slopes = np.array([(slope(q) - slope(-q)) / (2 * step) for q in ends])
    error = rng.normal(size=(n, n))
    found = at_minimum(h + error, displaced, slopes)
    assert found == pytest.approx(h + np.diag(np.diag(error)))


def test_a_rough_surface_tells_the_errors_of_its_couplings() -> None:
    """No couplings but noise, of every φ_iijk and of each H_jk at the minimum: i → j spreads as it says.

    660 elements and 10 estimates of the noise from 55 degrees of freedom: the mean square is 1 ± 0.08.
    """
    rng, n, sigma, ratios = np.random.default_rng(4), 12, 20.0, []
    for _ in range(10):
        field = field_of(np.linspace(900, 1600, n), {}, {})
        noise = sigma * rng.normal(size=(n, n, n)) + sigma / math.sqrt(8) * rng.normal(size=(n, n))
        for j, k in itertools.combinations_with_replacement(range(n), 2):
            field.quartic[:, j, k] = field.quartic[:, k, j] = noise[:, j, k]
        second = Couplings(field, [])
        assert second.roughness == pytest.approx(sigma, rel=4 / math.sqrt(2 * 55))
        states = [((i,), (j,)) for i, j in itertools.combinations(range(n), 2)]
        ratios += [second.element(*pair) / second.error(*pair) for pair in states]
    assert np.mean(np.square(ratios)) == pytest.approx(1, abs=4 * 0.08)
    # 30 pairs within 200 cm⁻¹ would push each other by some cm⁻¹; beyond three errors are three in a thousand
    assert sum(len(one) == 1 for one, _ in levels(field).darling_dennison) <= 2
