"""Perturbation theory in all dimensions of a molecule: levels on a grid, constants from the energy."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from torch import Tensor, nn
from vpt2_models import overtones_of_bends

from painn_spectra import keys
from painn_spectra.md.minima import surface
from painn_spectra.normal_modes import normal_modes
from painn_spectra.relaxation import relax
from painn_spectra.units import AMU_A2_FS2_IN_EV, EV_CM, HBAR_EV_FS
from painn_spectra.vpt2.force_field import force_field
from painn_spectra.vpt2.large_amplitude import large_amplitude
from painn_spectra.vpt2.perturbation import levels
from painn_spectra.vpt2.stage import derive

HBAR2 = HBAR_EV_FS**2 / AMU_A2_FS2_IN_EV  # eV amu Å²


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
