"""Kinetic energy per normal mode: the mean is known exactly, far from the minimum and in any orientation."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from painn_spectra.md.mode_energies import energy_excess, matched_modes
from painn_spectra.normal_modes import centred, normal_modes

pytestmark = pytest.mark.physics

MASSES = np.array([15.999, 15.999, 1.008, 2.014])
REFERENCE = np.array([[0.0, 0, 0], [1.45, 0, 0], [-0.17, 0.95, 0], [1.62, -0.36, 0.88]])
THERMAL = 2.5e-4  # k_BT in amu Å²/fs², about 300 K
N_FRAMES = 20_000


def modes() -> np.ndarray:
    """Orthonormal internal vectors, from any Hessian: here a random one."""
    matrix = np.random.default_rng(0).normal(size=(12, 12))
    return normal_modes(matrix @ matrix.T, REFERENCE, MASSES)[1]


def thermal_frames(without_rotation: bool) -> tuple[np.ndarray, np.ndarray]:
    """Geometries far from the minimum, turned anyhow, with thermal velocities."""
    rng = np.random.default_rng(1)
    r = REFERENCE + rng.normal(scale=0.25, size=(N_FRAMES, 4, 3))
    r = centred(np.einsum("nxy,nay->nax", Rotation.random(N_FRAMES, rng=rng).as_matrix(), r), MASSES)
    v = centred(rng.normal(size=r.shape) * np.sqrt(THERMAL / MASSES)[:, None], MASSES)
    if without_rotation:
        momentum = np.cross(r, MASSES[:, None] * v).sum(1)
        outer = np.einsum("a,nax,nay->nxy", MASSES, r, r)
        inertia = np.trace(outer, axis1=1, axis2=2)[:, None, None] * np.eye(3) - outer
        v = v - np.cross(np.linalg.solve(inertia, momentum[..., None])[:, None, :, 0], r)
    return r, v


@pytest.mark.parametrize("without_rotation", [False, True])
def test_mean_is_zero_at_any_geometry(without_rotation: bool) -> None:
    r, v = thermal_frames(without_rotation)
    excess = energy_excess(r, v, REFERENCE, modes(), MASSES, THERMAL, without_rotation)
    assert excess.shape == (N_FRAMES, 6)
    sigma = excess.std(0) / np.sqrt(N_FRAMES)
    assert (np.abs(excess.mean(0)) < 4.5 * sigma).all()
    assert (np.abs(excess.std(0) - np.sqrt(2)) < 0.15).all()  # of a squared Gaussian
    if without_rotation:  # what a rotation-free run would be taken for otherwise
        wrong = energy_excess(r, v, REFERENCE, modes(), MASSES, THERMAL, False)
        assert (np.abs(wrong.mean(0)) > 4.5 * sigma).any()


def test_a_linear_molecule_keeps_the_turn_about_its_axis() -> None:
    """Carbon dioxide, bent in every frame: vibrational angular momentum stays, as dynamics leaves it."""
    masses = np.array([12.011, 15.999, 15.999])
    reference = np.array([[0.0, 0, 0], [0, 0, 1.16], [0, 0, -1.16]])
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(9, 9))
    shapes = normal_modes(matrix @ matrix.T, reference, masses)[1]
    assert len(shapes) == 4
    r = reference + rng.normal(scale=0.06, size=(N_FRAMES, 3, 3))
    r = centred(np.einsum("nxy,nay->nax", Rotation.random(N_FRAMES, rng=rng).as_matrix(), r), masses)
    v = centred(rng.normal(size=r.shape) * np.sqrt(THERMAL / masses)[:, None], masses)
    outer = np.einsum("a,nax,nay->nxy", masses, r, r)
    moments, axes = np.linalg.eigh(np.trace(outer, axis1=1, axis2=2)[:, None, None] * np.eye(3) - outer)
    along = np.einsum("nxk,nx->nk", axes, np.cross(r, masses[:, None] * v).sum(1)) / moments
    along[:, 0] = 0.0
    v = v - np.cross(np.einsum("nxk,nk->nx", axes, along)[:, None], r)
    excess = energy_excess(r, v, reference, shapes, masses, THERMAL, True, linear=True)
    assert (np.abs(excess.mean(0)) < 4.5 * excess.std(0) / np.sqrt(N_FRAMES)).all()
    wrong = energy_excess(r, v, reference, shapes, masses, THERMAL, True)
    assert (np.abs(wrong.mean(0)) > 0.1).any()


def test_one_mode_moves_one_number() -> None:
    turn = Rotation.random(rng=np.random.default_rng(2)).as_matrix()
    shapes = modes()
    rate = 0.03  # amu^½ Å/fs
    v = rate * shapes[2] / np.sqrt(MASSES)[:, None]
    excess = energy_excess(
        (REFERENCE @ turn.T)[None] + 5.0, (v @ turn.T)[None], REFERENCE, shapes, MASSES, THERMAL, False
    )[0]
    expected = np.full(6, -1.0)
    expected[2] += rate**2 / THERMAL
    assert excess == pytest.approx(expected, abs=1e-9)


def test_modes_of_a_turned_copy_are_matched() -> None:
    """The same modes in another order and orientation get the first one's numbers."""
    shapes = modes()
    turn = Rotation.random(rng=np.random.default_rng(3)).as_matrix()
    order = [3, 0, 5, 1, 4, 2]
    nu = np.array([300.0, 310, 320, 330, 340, 350])
    conformers = [
        {"modes": shapes.tolist(), "wavenumbers_cm": nu.tolist()},
        {"modes": (shapes[order] @ turn.T).tolist(), "wavenumbers_cm": nu[order].tolist()},
    ]
    minima = np.array([REFERENCE, REFERENCE @ turn.T])
    found, wavenumbers = matched_modes(conformers, minima, MASSES, None)
    assert found[1] == pytest.approx(shapes @ turn.T, abs=1e-12)
    assert wavenumbers == pytest.approx(nu)
