"""Perturbation theory against exact levels: Morse, coupled models, water in all its dimensions."""

import functools
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.md.minima import surface
from painn_spectra.normal_modes import normal_modes
from painn_spectra.relaxation import relax
from painn_spectra.units import AMU_A2_FS2_IN_EV, EV_CM, HBAR_EV_FS
from painn_spectra.vpt2.couplings import Couplings, settled
from painn_spectra.vpt2.force_field import ForceField, at_minimum, force_field
from painn_spectra.vpt2.large_amplitude import large_amplitude
from painn_spectra.vpt2.perturbation import energy, find_resonances, levels, numerical_error
from painn_spectra.vpt2.stage import derive
from painn_spectra.vpt2.transitions import moments

HBAR2 = HBAR_EV_FS**2 / AMU_A2_FS2_IN_EV  # eV amu Å²


def field_of(omega, cubic, quartic, dipole=None) -> ForceField:
    """A force field without rotation; constants given for sorted indices, the rest by symmetry."""
    n = len(omega)
    third, fourth = np.zeros((n, n, n)), np.zeros((n, n, n))
    for indices, value in cubic.items():
        for order in itertools.permutations(indices):
            third[order] = value
    for indices, value in quartic.items():  # (i, j) of φ_iijj, (i, j, k) of φ_iijk
        i, j, k = indices if len(indices) == 3 else (indices[0], indices[1], indices[1])
        for order in itertools.permutations((i, i, j, k)):
            if order[0] == order[1]:
                fourth[order[1:]] = value
    slopes = dipole or (np.zeros((n, 3)), np.zeros((n, n, 3)))
    return ForceField(np.array(omega, float), third, fourth, np.zeros((3, n, n)), np.ones(3), slopes, slopes)


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


def overtones_of_bends(found, one: int, two: int) -> tuple[float, np.ndarray]:
    """2ν of a pair of degenerate modes: the level of l = 0 and the two of l = 2."""
    rows = [found.basis.index(state) for state in ((one, one), (two, two), (one, two))]
    scalar = (found.vectors[rows[0]] + found.vectors[rows[1]]) ** 2 / 2  # share of the round state
    within = np.flatnonzero((found.vectors[rows] ** 2).sum(0) > 0.5)
    assert len(within) == 3
    low = within[scalar[within].argmax()]
    return found.wavenumber_cm[low], found.wavenumber_cm[within[within != low]]


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


class Water(nn.Module):
    """Morse bonds, a harmonic angle and a coupling of the two bonds; dipoles and α play no part."""

    depth_eV, width_A, length_A, angle, bend_eV, coupling_eV_A2 = 5.1, 2.2, 0.96, 1.82, 4.0, -1.0

    def energy_of(self, r1: Tensor, r2: Tensor, cosine: Tensor) -> Tensor:
        s1, s2 = r1 - self.length_A, r2 - self.length_A
        wells = [self.depth_eV * (1 - torch.exp(-self.width_A * s)) ** 2 for s in (s1, s2)]
        return wells[0] + wells[1] + self.bend(cosine) + self.coupling_eV_A2 * s1 * s2

    def bend(self, cosine: Tensor) -> Tensor:
        return 0.5 * self.bend_eV * (torch.arccos(cosine) - self.angle) ** 2

    def forward(self, numbers: Tensor, positions: Tensor, properties=keys.PROPERTIES) -> dict[str, Tensor]:
        with torch.enable_grad():
            r = positions.detach().requires_grad_()
            arms = r[:, 1:] - r[:, :1]
            lengths = arms.norm(dim=2)
            cosine = (arms[:, 0] * arms[:, 1]).sum(1) / lengths.prod(1)
            energy = self.energy_of(lengths[:, 0], lengths[:, 1], cosine)
            (gradient,) = torch.autograd.grad(energy.sum(), r)
        n = len(positions)
        out = {
            keys.ENERGY: energy.detach(), keys.FORCES: -gradient, keys.DIPOLE: torch.zeros(n, 3).double(),
            keys.POLARIZABILITY: torch.zeros(n, 3, 3).double(),
        }  # fmt: skip
        return {name: out[name] for name in properties}


class Linear(Water):
    """The same, stretched out: its bend is degenerate."""

    def bend(self, cosine: Tensor) -> Tensor:
        return self.bend_eV * (1 + cosine)


def exact_water(toy: Water, oxygen_amu: float, hydrogen_amu: float) -> np.ndarray:
    """Levels of J = 0 above the ground state, cm⁻¹, on a discrete grid of Radau coordinates.

    H = −ħ²/2m (∂²/∂R₁² + ∂²/∂R₂²) − (ħ²/2m)(1/R₁² + 1/R₂²) ∂/∂x (1 − x²) ∂/∂x + V, x = cos of their angle.
    Johnson, Reinhardt 1986, doi:10.1063/1.451664. Grids contracted in the field of the rest at its minimum.
    """
    # oxygen at x (R₁ + R₂)/2, hydrogens at R₁ and R₂: M x² = (M x + 2m)²/(M + 2m), no mixed kinetic term
    x_oxygen = 1 - math.sqrt(1 + 2 * hydrogen_amu / oxygen_amu)

    def potential(r1, r2, x):
        """V at radii and cosine, any shapes that fit together."""
        r1, r2, x = np.broadcast_arrays(r1, r2, x)
        sine = np.sqrt(1 - x**2)
        one = np.stack([r1, 0 * r1], -1)
        two = np.stack([r2 * x, r2 * sine], -1)
        oxygen = x_oxygen * (one + two) / 2
        a, b = one - oxygen, two - oxygen
        la, lb = np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1)
        cosine = (a * b).sum(-1) / la / lb
        return toy.energy_of(*(torch.as_tensor(v) for v in (la, lb, cosine))).numpy()

    k = HBAR2 / (2 * hydrogen_amu)
    grid = np.linspace(0.55, 1.75, 70)
    h, i = grid[1] - grid[0], np.arange(70)
    square = (i[:, None] - i) ** 2 + np.eye(70)
    kinetic = k / h**2 * np.where(np.eye(70) == 1, math.pi**2 / 3, 2 * (-1.0) ** (i[:, None] - i) / square)
    x, w = np.polynomial.legendre.leggauss(60)
    legendre = np.array([np.polynomial.legendre.Legendre.basis(n)(x) * math.sqrt(n + 0.5) for n in range(60)])
    legendre = legendre * np.sqrt(w)
    turning = legendre.T @ np.diag([n * (n + 1.0) for n in range(60)]) @ legendre

    everywhere = potential(grid[:, None, None], grid[None, ::4, None], x[None, None, ::3])
    r_min = grid[np.unravel_index(everywhere.argmin(), everywhere.shape)[0]]
    of_bond = kinetic + np.diag(potential(grid, r_min, x[potential(r_min, r_min, x).argmin()]))
    _, bond = np.linalg.eigh(of_bond)
    radii, rotate = np.linalg.eigh(bond[:, :N_RADIAL].T @ np.diag(grid) @ bond[:, :N_RADIAL])
    t_r = rotate.T @ (bond[:, :N_RADIAL].T @ kinetic @ bond[:, :N_RADIAL]) @ rotate
    _, angular = np.linalg.eigh(2 * k / r_min**2 * turning + np.diag(potential(r_min, r_min, x)))
    cosines, rotate = np.linalg.eigh(angular[:, :N_ANGULAR].T @ np.diag(x) @ angular[:, :N_ANGULAR])
    t_x = rotate.T @ (angular[:, :N_ANGULAR].T @ turning @ angular[:, :N_ANGULAR]) @ rotate

    n, m = N_RADIAL, N_ANGULAR
    v = potential(radii[:, None, None], radii[None, :, None], cosines[None, None, :])
    inverse = k * (1 / radii[:, None] ** 2 + 1 / radii[None, :] ** 2)
    full = np.diag(v.ravel()).reshape(n, n, m, n, n, m)
    eye_r, eye_x = np.eye(n), np.eye(m)
    full = full + np.einsum("ad,be,cf->abcdef", t_r, eye_r, eye_x, optimize=True)
    full += np.einsum("ad,be,cf->abcdef", eye_r, t_r, eye_x, optimize=True)
    full += np.einsum("ab,ad,be,cf->abcdef", inverse, eye_r, eye_r, t_x, optimize=True)
    values = eigh(full.reshape(n * n * m, -1), eigvals_only=True, subset_by_index=[0, 19])
    return EV_CM * (values - values[0])


N_RADIAL, N_ANGULAR = 11, 14


def test_water_in_all_dimensions() -> None:
    """Heavy atoms make ħ small: what second order leaves out falls with its cube, here to 0.1 cm⁻¹.

    Cubic, quartic and Coriolis terms all are larger: a wrong one is seen.
    """
    heavy = 30.0
    masses = heavy * np.array([15.9949, 1.007825, 1.007825])
    on = surface(Water(), np.array([8, 1, 1]))
    bent = np.array([[[0, 0, 0], [0.96, 0, 0], [0.96 * math.cos(1.82), 0.96 * math.sin(1.82), 0]]])
    positions, _, converged = relax(on, bent, converged_eV_A=1e-7)
    assert converged.all()
    field, _ = force_field(derive(Water(), np.array([8, 1, 1])), positions[0], masses, step=0.1)
    found = levels(field)
    exact = exact_water(Water(), *masses[:2])
    for state, level in zip(found.states, found.wavenumber_cm, strict=True):
        assert np.abs(exact - level).min() < 0.1 * len(state), state
    fundamentals = [found.wavenumber_cm[found.states.index((k,))] for k in range(3)]
    assert np.abs(fundamentals - field.wavenumbers_cm).min() > 0.5
    turning = np.einsum("a,aij->ij", field.rotational_cm, field.coriolis**2).max()
    assert turning > 0.2  # cm⁻¹: the Coriolis terms count


def test_linear_molecule_in_all_dimensions() -> None:
    """Levels of l = 0 of a heavy H–O–H stretched out: both bends, and what they turn with, count in each."""
    masses, numbers = 30.0 * np.array([15.9949, 1.007825, 1.007825]), np.array([8, 1, 1])
    straight = np.array([[0, 0, 0], [0.96, 0, 0], [-0.96, 0, 0]])
    field, _ = force_field(derive(Linear(), numbers), straight, masses, step=0.1)
    assert field.wavenumbers_cm[0] == pytest.approx(field.wavenumbers_cm[1], abs=1e-3)
    assert field.rotational_cm == pytest.approx([0, *2 * [field.rotational_cm[1]]])
    found = levels(field)
    exact = exact_water(Linear(), *masses[:2])
    low, high = overtones_of_bends(found, 0, 1)
    assert high[0] == pytest.approx(high[1], abs=0.01) and high[0] - low > 1
    assert np.abs(exact - low).min() < 0.2
    for state in ((2,), (3,), (2, 2), (2, 3), (3, 3)):
        level = found.wavenumber_cm[found.states.index(state)]
        assert np.abs(exact - level).min() < 0.1 * len(state), state
    assert np.einsum("a,aij->ij", field.rotational_cm, field.coriolis**2).max() > 0.2  # Coriolis terms count


def test_constants_are_those_of_the_energy() -> None:
    """Cubic and quartic constants by differences of Hessians, against differences of the energy alone."""
    toy, masses = Water(), np.array([15.9949, 1.007825, 2.014102])
    on = surface(toy, np.array([8, 1, 1]))
    bent = np.array([[[0, 0, 0], [0.96, 0, 0], [0.96 * math.cos(1.82), 0.96 * math.sin(1.82), 0]]])
    positions = relax(on, bent, converged_eV_A=1e-8)[0][0]
    field, modes = force_field(derive(toy, np.array([8, 1, 1])), positions, masses, step=0.1)
    omega = field.wavenumbers_cm / EV_CM / HBAR_EV_FS  # rad/fs
    hbar_amu = HBAR_EV_FS / AMU_A2_FS2_IN_EV
    moves = modes * np.sqrt(hbar_amu / omega)[:, None, None] / np.sqrt(masses)[:, None]

    def v(*q):
        return EV_CM * on(positions[None] + np.einsum("k,kax->ax", np.array(q), moves)[None])[0][0]

    d = 0.08
    for i, j in itertools.combinations(range(3), 2):
        e_i, e_j = d * np.eye(3)[i], d * np.eye(3)[j]
        corner = sum(v(*(a * e_i + b * e_j)) for a in (1, -1) for b in (1, -1))
        sides = sum(v(*(a * e)) for a in (1, -1) for e in (e_i, e_j))
        assert (corner - 2 * sides + 4 * v(0, 0, 0)) / d**4 == pytest.approx(field.quartic[i, j, j], abs=0.5)
    corner = sum(a * b * c * v(a * d, b * d, c * d) for a, b, c in itertools.product((1, -1), repeat=3))
    assert corner / (8 * d**3) == pytest.approx(field.cubic[0, 1, 2], abs=0.5)
    for k in range(3):
        e = d * np.eye(3)[k]
        third = (v(*(2 * e)) - 2 * v(*e) + 2 * v(*-e) - v(*(-2 * e))) / (2 * d**3)
        assert third == pytest.approx(field.cubic[k, k, k], rel=0.01, abs=0.5)


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


def test_torsions_are_told(ethanol_labels) -> None:
    """Of ethanol's 21 modes two turn about bonds: those of methyl and hydroxyl."""
    from painn_spectra.spectra.harmonic import read_conformers

    conformers, _ = read_conformers(ethanol_labels.parent / "harmonic.npz")
    masses = np.array([{1: 1.008, 6: 12.011, 8: 15.999}[z] for z in conformers.numbers.tolist()])
    for positions, hessian in zip(conformers.positions, conformers.hessians, strict=True):
        wavenumbers, modes = normal_modes(hessian, positions, masses)
        loose = large_amplitude(modes, positions, conformers.numbers, masses)
        assert loose.sum() == 2
        assert wavenumbers[loose].max() < 320
