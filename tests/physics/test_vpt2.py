"""Perturbation theory against exact levels of models: Morse, coupled and turning oscillators."""

import functools
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from vpt2_models import field_of, overtones_of_bends

from painn_spectra.vpt2.couplings import Couplings
from painn_spectra.vpt2.force_field import ForceField
from painn_spectra.vpt2.perturbation import energy, find_resonances, levels
from painn_spectra.vpt2.transitions import moments


def exact_levels(field: ForceField, n_quanta: int = 14, dipole: bool = False):
    """Levels above the ground state by diagonalisation in products of oscillators, for up to three modes."""
    n, size = len(field.wavenumbers_cm), n_quanta + 5
    ladder = np.diag(np.sqrt(np.arange(1, size) / 2), 1)
    powers = [np.linalg.matrix_power(ladder + ladder.T, k)[:n_quanta, :n_quanta] for k in range(5)]
    states = [s for s in itertools.product(range(n_quanta), repeat=n) if sum(s) < n_quanta]
    index = np.array(states)

    def product(exponents):
        matrix = np.ones((len(states), len(states)))
        for mode, exponent in enumerate(exponents):
            matrix = matrix * powers[exponent][np.ix_(index[:, mode], index[:, mode])]
        return matrix

    def of(*modes):
        return product([modes.count(m) for m in range(n)])

    h = np.diag(index @ field.wavenumbers_cm)
    for i, j, k in itertools.product(range(n), repeat=3):
        if field.cubic[i, j, k]:
            h = h + field.cubic[i, j, k] / 6 * of(i, j, k)
    for modes in itertools.combinations_with_replacement(range(n), 4):
        orders = set(itertools.permutations(modes))
        known = [field.quartic[order[1:]] for order in orders if order[0] == order[1]]
        if known and known[0]:
            h = h + known[0] / 24 * len(orders) * of(*modes)
    values, vectors = np.linalg.eigh(h)
    if not dipole:
        return values - values[0]
    first, second = field.dipole
    mu = [
        sum(first[i, x] * of(i) for i in range(n))
        + sum(0.5 * second[i, j, x] * of(i, j) for i in range(n) for j in range(n))
        for x in range(3)
    ]
    return values - values[0], np.array([(vectors[:, 0] @ m @ vectors) ** 2 for m in mu]).sum(0)


def test_morse_levels_are_exact() -> None:
    """E_n − E_0 = ωn − ωx (n² + n), ωx = ω²/4D."""
    omega, depth = 3877.0, 41134.0
    a = math.sqrt(omega / (2 * depth))
    field = field_of([omega], {(0, 0, 0): -6 * depth * a**3}, {(0, 0): 14 * depth * a**4})
    x = omega**2 / (4 * depth)
    found = levels(field)
    assert found.wavenumber_cm == pytest.approx([omega - 2 * x, 2 * omega - 6 * x], abs=1e-6)


COUPLED = {
    "cubic": {(0, 0, 0): -300.0, (0, 0, 1): 120.0, (0, 1, 1): -150.0, (1, 1, 1): 90.0, (0, 1, 2): 110.0,
              (0, 0, 2): 60.0, (2, 2, 2): 200.0, (1, 2, 2): -80.0, (1, 1, 2): 50.0, (0, 2, 2): 70.0},
    "quartic": {(0, 0): 60.0, (1, 1): 30.0, (2, 2): 45.0, (0, 1): 20.0, (0, 2): -15.0, (1, 2): 25.0},
}  # fmt: skip


def weakened(omega, size, dipole=None):
    """Cubic constants times s, quartic times s²: second order is s², what it leaves out s⁴."""
    cubic = {key: size * value for key, value in COUPLED["cubic"].items()}
    return field_of(omega, cubic, {key: size**2 * v for key, v in COUPLED["quartic"].items()}, dipole)


def test_second_order_leaves_out_fourth() -> None:
    """The error against exact levels falls 16 times when constants are halved."""
    errors = []
    for size in (1.0, 0.5):
        field = weakened([2900.0, 1230.0, 1790.0], size)
        x = Couplings(field, []).x
        states = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 2, 0), (0, 1, 1)]
        found = np.array([energy(np.array(s), field.wavenumbers_cm, x) for s in states])
        exact = exact_levels(field, 16)
        error = np.array([np.abs(exact - level).min() for level in found])
        errors.append(error.max())
        harmonic = np.array(states) @ field.wavenumbers_cm
        assert np.abs(found - harmonic).max() > 5 * error.max()
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.35)


def test_fermi_resonance_is_that_of_the_matrix() -> None:
    """2ω_1 ≈ ω_0: perturbation theory alone would be off by hundreds of cm⁻¹."""
    field = weakened([2900.0, 1440.0, 1790.0], 0.7)
    assert ((1, 1), 0) in find_resonances(field)
    found, exact = levels(field), exact_levels(field, 16)
    for state in ((0,), (1,), (2,), (1, 1), (1, 2)):
        level = found.wavenumber_cm[found.states.index(state)]
        assert np.abs(exact - level).min() < 4
    alone = energy(np.array([1, 0, 0]), field.wavenumbers_cm, Couplings(field, []).x)
    assert np.abs(exact - alone).min() > 10
    pair = [found.wavenumber_cm[found.states.index(state)] for state in ((0,), (1, 1))]
    assert abs(pair[0] - pair[1]) > 2 * abs(field.cubic[0, 1, 1]) / 4 * 0.99


def test_every_element_of_second_order() -> None:
    """Two modes as near to each other as couplings are strong, which fall four times with half constants.

    What all of them leave falls sixteen times, the fourth order; perturbation theory alone is far off.
    """
    errors, alone = [], []
    more = {(0, 0, 1): -25.0, (0, 1, 2): 12.0, (1, 0, 2): -18.0, (2, 0, 1): 16.0, (1, 1, 0): 14.0,
            (2, 2, 1): -9.0, (0, 0, 2): 8.0, (2, 2, 0): 6.0}  # fmt: skip
    for size in (1.0, 0.5):
        cubic = {key: size * value for key, value in COUPLED["cubic"].items()}
        quartic = {key: size**2 * value for key, value in (COUPLED["quartic"] | more).items()}
        field = field_of([2900.0, 2900.0 - 20 * size**2, 1790.0], cubic, quartic)
        second = Couplings(field, [])
        basis = [(i,) for i in range(3)] + [(i, j) for i in range(3) for j in range(i, 3)]
        matrix = np.diag([energy(np.bincount(s, minlength=3), field.wavenumbers_cm, second.x) for s in basis])
        exact = exact_levels(field, 12)
        alone.append(max(np.abs(exact - level).min() for level in np.diag(matrix)))
        for a, b in itertools.combinations(range(len(basis)), 2):
            if len(basis[a]) == len(basis[b]):
                matrix[a, b] = matrix[b, a] = second.element(basis[a], basis[b])
        errors.append(max(np.abs(exact - level).min() for level in np.linalg.eigvalsh(matrix)))
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.35)
    assert alone[0] > 5 * errors[0] and alone[1] > 20 * errors[1]


def test_turning_couples_as_its_operator_does() -> None:
    """Σ B_a π_a², π_a = Σ ζ^a_ij √(ω_j/ω_i) q_i p_j, as matrices of three oscillators: all elements."""
    rng, omega, n = np.random.default_rng(5), np.array([1500.0, 1480.0, 900.0]), 6
    zeta = rng.normal(size=(3, 3, 3))
    field = replace(
        field_of(omega, {}, {}), coriolis=zeta - zeta.transpose(0, 2, 1), rotational_cm=rng.uniform(1, 9, 3)
    )
    lower = np.diag(np.sqrt(np.arange(1.0, n)), 1)
    q, p = (lower + lower.T) / math.sqrt(2), (lower - lower.T) / math.sqrt(2) / 1j

    def on(mode, matrix):
        return functools.reduce(np.kron, [matrix if k == mode else np.eye(n) for k in range(3)])

    h = np.zeros((n**3, n**3), complex)
    for axis, b in zip(field.coriolis, field.rotational_cm, strict=True):
        pi = sum(
            axis[i, j] * math.sqrt(omega[j] / omega[i]) * on(i, q) @ on(j, p)
            for i, j in itertools.permutations(range(3), 2)
        )
        h += b * pi @ pi
    second = Couplings(field, [])
    basis = [(i,) for i in range(3)] + [(i, j) for i in range(3) for j in range(i, 3)]
    place = {s: np.ravel_multi_index(np.bincount(s, minlength=3), (n, n, n)) for s in basis}
    for one, other in itertools.combinations_with_replacement(basis, 2):
        element = h[place[other], place[one]]
        if one == other:
            quanta = np.bincount(one, minlength=3)
            assert energy(quanta, omega, second.x) - omega @ quanta == pytest.approx(element - h[0, 0])
        elif len(one) == len(other):
            assert second.element(one, other) == pytest.approx(element, abs=1e-9)


def morse_pair(omega: np.ndarray, depth: float, coupling: float) -> ForceField:
    """Two Morse oscillators in dimensionless x of their own, coupled by `coupling` x₁x₂, as normal modes."""
    hessian = np.diag(omega**2)
    hessian[0, 1] = hessian[1, 0] = coupling * math.sqrt(omega.prod())
    squares, vectors = np.linalg.eigh(hessian)
    normal = np.sqrt(squares)
    into = np.sqrt(omega)[:, None] * vectors / np.sqrt(normal)  # x = into @ q
    a = np.sqrt(omega / (2 * depth))
    cubic = np.einsum("m,mi,mj,mk->ijk", -6 * depth * a**3, into, into, into)
    quartic = np.einsum("m,mi,mj,mk->ijk", 14 * depth * a**4, into**2, into, into)
    none = (np.zeros((2, 3)), np.zeros((2, 2, 3)))
    return ForceField(normal, cubic, quartic, np.zeros((3, 2, 2)), np.ones(3), none, none)


def exact_morse_pair(omega: np.ndarray, depth: float, coupling: float) -> np.ndarray:
    """Levels above the ground state: eigenstates of each Morse well on a grid, products of 22 of them."""
    energies, positions = [], []
    x, i = np.linspace(-5, 16, 150), np.arange(150)
    square = (i[:, None] - i) ** 2 + np.eye(150)
    second = np.where(np.eye(150) == 1, math.pi**2 / 3, 2 * (-1.0) ** (i[:, None] - i) / square)
    for w in omega:
        well = depth * (1 - np.exp(-math.sqrt(w / (2 * depth)) * x)) ** 2
        values, vectors = np.linalg.eigh(w / 2 * second / (x[1] - x[0]) ** 2 + np.diag(well))
        energies.append(values[:22])
        positions.append(vectors[:, :22].T * x @ vectors[:, :22])
    together = np.add.outer(*energies).ravel()
    found = np.linalg.eigvalsh(np.diag(together) + coupling * np.kron(*positions))
    return found - found[0]


@pytest.mark.parametrize("other", [3877.0, 3840.0], ids=["like", "unlike"])
def test_two_stretches_are_local_modes(other: float) -> None:
    """Overtones of two bonds pair up where anharmonicity beats coupling: Darling and Dennison's resonance.

    Like bonds: fundamentals 62 cm⁻¹ apart, overtones 20 and 195. What is left falls as ħ³, eight times where
    ħ is halved; perturbation theory alone is off by tens of cm⁻¹.
    """
    errors, alone = [], []
    for hbar in (1.0, 0.5):
        omega, depth, coupling = hbar * np.array([3877.0, other]), 41134.0, -60.0 * hbar
        found = levels(morse_pair(omega, depth, coupling))
        exact = exact_morse_pair(omega, depth, coupling)[1:6]
        errors.append(np.abs(found.wavenumber_cm - exact).max())
        alone.append(np.abs(np.sort(found.deperturbed_cm) - exact).max())
        assert ((0, 0), (1, 1)) in found.darling_dennison
        apart = np.diff(found.wavenumber_cm) - np.diff(exact)
        assert np.abs(apart[[0, 2]]).max() < 0.5
    assert errors[0] < 1.5 and alone[0] > 15 * errors[0]
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.35)


def test_degenerate_bend_has_angular_momentum() -> None:
    """Two like bends beside a stretch: overtones of l = 0, and twice l = 2, as exact levels have."""
    errors = []
    for size in (0.5, 0.25):
        cubic = {(0, 0, 0): -300.0, (0, 1, 1): 60.0, (0, 2, 2): 60.0}
        quartic = {(0, 0): 60.0, (1, 1): 90.0, (2, 2): 90.0, (1, 2): 30.0, (0, 1): -20.0, (0, 2): -20.0}
        field = field_of(
            [2100.0, 700.0, 700.0],
            {key: size * value for key, value in cubic.items()},
            {key: size**2 * value for key, value in quartic.items()},
        )
        found, exact = levels(field), exact_levels(field, 14)
        errors.append(max(np.abs(exact - level).min() for level in found.wavenumber_cm))
        low, high = overtones_of_bends(found, 1, 2)
        assert high[0] == pytest.approx(high[1], abs=1e-6)
        assert abs(low - high[0]) > 5 * errors[-1]
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.4)


def test_intensities_of_overtones_are_those_of_exact_states() -> None:
    """First order in the constants: what is left falls with their square."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(3, 3))
    errors = []
    for size in (0.4, 0.2):
        second = size * 0.3 * rng.normal(size=(3, 3, 3)) if not errors else second / 2  # noqa: F821
        dipole = (first, (second + second.transpose(1, 0, 2)) / 2)
        field = weakened([2900.0, 1230.0, 1790.0], size, dipole)
        found = levels(field)
        assert not found.resonances
        ours = (moments(field, found.basis, [], *dipole) ** 2).sum(1)
        exact, strengths = exact_levels(field, 14, dipole=True)
        error = []
        for state in ((1, 1), (1, 2), (0, 1), (2, 2), (0, 0)):
            level = found.wavenumber_cm[found.states.index(state)]
            same = strengths[np.abs(exact - level).argmin()]
            error.append(abs(ours[found.basis.index(state)] / same - 1))
        errors.append(max(error))
    assert errors[0] < 0.3
    assert errors[1] < 0.4 * errors[0]
