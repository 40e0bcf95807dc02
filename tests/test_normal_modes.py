"""Normal modes and the Eckart frame against closed forms and their own laws."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from painn_spectra.normal_modes import centred, eckart_frame, is_linear, normal_modes

pytestmark = pytest.mark.physics

WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])  # Å
WATER_MASSES = np.array([15.999, 1.008, 1.008])  # amu


def springs(positions, stiffness_eV_A2):
    """∂²/∂r∂r of Σ ½k(|r_ij| − r⁰_ij)² at rest: k n nᵀ between every pair, invariant to rigid motion."""
    n_atoms = len(positions)
    hessian = np.zeros((n_atoms, 3, n_atoms, 3))
    for (i, j), k in stiffness_eV_A2.items():
        along = (positions[i] - positions[j]) / np.linalg.norm(positions[i] - positions[j])
        block = k * np.outer(along, along)
        for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            hessian[a, :, b] += sign * block
    return hessian.reshape(3 * n_atoms, -1)


def water():
    return springs(WATER, {(0, 1): 50.0, (0, 2): 50.0, (1, 2): 5.0})


def test_a_diatomic_follows_the_closed_form():
    """ν̃ = 1302.79 √(k/μ) cm⁻¹ for k in mdyn/Å, μ in amu (Herzberg); HCl: 5.163 mdyn/Å gives 2991 cm⁻¹."""
    masses = np.array([1.00783, 34.96885])
    k = 5.163 * 6.241509  # mdyn/Å -> eV/Å²
    tilted = np.array([[0.1, 0.2, 0.3], [0.1 + 0.9, 0.2 - 0.7, 0.9]])
    wavenumbers, modes = normal_modes(springs(tilted, {(0, 1): k}), tilted, masses)
    reduced = masses.prod() / masses.sum()
    assert wavenumbers == pytest.approx([1302.79 * np.sqrt(5.163 / reduced)], rel=1e-5)
    assert wavenumbers[0] == pytest.approx(2991, abs=1)
    bond = (tilted[1] - tilted[0]) / np.linalg.norm(tilted[1] - tilted[0])
    stretch = np.sqrt(reduced / masses)[:, None] * np.array([-bond, bond])
    assert abs((modes[0] * stretch).sum()) == pytest.approx(1)


def test_a_linear_molecule_has_one_mode_more():
    line = np.array([[0.0, 0, 0], [1.16, 0, 0], [-1.16, 0, 0]])
    masses = np.array([12.011, 15.999, 15.999])
    wavenumbers, modes = normal_modes(springs(line, {(0, 1): 99.0, (0, 2): 99.0}), line, masses)
    assert wavenumbers.shape == (4,) and modes.shape == (4, 3, 3) and is_linear(line, masses)
    assert wavenumbers[3] / wavenumbers[2] == pytest.approx(np.sqrt(1 + 2 * 15.999 / 12.011))
    assert len(normal_modes(water(), WATER, WATER_MASSES)[0]) == 3


def test_modes_are_orthonormal_and_rebuild_the_hessian():
    wavenumbers, modes = normal_modes(water(), WATER, WATER_MASSES)
    flat = modes.reshape(3, -1)
    assert flat @ flat.T == pytest.approx(np.eye(3), abs=1e-12)
    assert (np.diff(wavenumbers) > 0).all()
    scale = np.sqrt(np.repeat(WATER_MASSES, 3))
    along = flat @ (water() / np.outer(scale, scale)) @ flat.T  # λ, eV/(amu Å²)
    assert np.diag(along) / along[2, 2] == pytest.approx((wavenumbers / wavenumbers[2]) ** 2)


def test_modes_carry_no_momentum():
    """Eckart: Σ √m L = 0 and Σ √m r × L = 0, although the hessian here has external parts."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(9, 9))
    _, modes = normal_modes(water() + noise + noise.T, WATER + 7.0, WATER_MASSES)
    impulse = np.sqrt(WATER_MASSES)[:, None] * modes
    assert impulse.sum(1) == pytest.approx(0, abs=1e-12)
    assert np.cross(centred(WATER, WATER_MASSES), impulse).sum(1) == pytest.approx(0, abs=1e-12)


def test_turning_the_molecule_changes_nothing_but_the_modes_direction():
    turn = Rotation.random(rng=np.random.default_rng(2)).as_matrix()
    big = np.kron(np.eye(3), turn)
    wavenumbers, modes = normal_modes(water(), WATER, WATER_MASSES)
    turned, turned_modes = normal_modes(big @ water() @ big.T, WATER @ turn.T + 3.0, WATER_MASSES)
    assert turned == pytest.approx(wavenumbers, rel=1e-10)
    assert np.abs(np.einsum("kix,kix->k", modes @ turn.T, turned_modes)) == pytest.approx(1)


def test_an_imaginary_mode_is_negative_and_first():
    hill = springs(WATER, {(0, 1): 50.0, (0, 2): 50.0, (1, 2): -5.0})
    wavenumbers, _ = normal_modes(hill, WATER, WATER_MASSES)
    assert wavenumbers[0] < -100 and (wavenumbers[1:] > 0).all()


@pytest.mark.parametrize("shape", ["bent", "planar", "linear"])
def test_the_eckart_frame_holds_its_conditions(shape):
    """Σ m r⁰ × (R r) = 0 for every geometry, R is a rotation, and a turned reference comes back."""
    rng = np.random.default_rng(3)
    reference = rng.normal(size=(5, 3)) * {"bent": [1, 1, 1], "planar": [1, 1, 0], "linear": [1, 0, 0]}[shape]
    masses = rng.uniform(1, 20, size=5)
    turns = Rotation.random(4, rng=rng).as_matrix()
    turned = np.einsum("nxy,iy->nix", turns, reference) + rng.normal(size=(4, 1, 3))
    shaken = turned + 0.05 * rng.normal(size=turned.shape)
    rotations = eckart_frame(shaken, reference, masses)
    assert rotations @ rotations.transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (4, 1, 1)), abs=1e-12)
    assert np.linalg.det(rotations) == pytest.approx(1)
    inside = np.einsum("nxy,niy->nix", rotations, centred(shaken, masses))
    spin = np.einsum("i,nix->nx", masses, np.cross(centred(reference, masses), inside))
    assert spin == pytest.approx(0, abs=1e-9)
    back = np.einsum("nxy,niy->nix", eckart_frame(turned, reference, masses), centred(turned, masses))
    assert back == pytest.approx(np.tile(centred(reference, masses), (4, 1, 1)), abs=1e-9)
