"""Trajectories made of known normal modes of known amplitudes are assigned to them with the known shares."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule as ase_molecule
from scipy.spatial.transform import Rotation

from painn_spectra import keys
from painn_spectra.normal_modes import centred, eckart_frame, normal_modes
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.mode_shares import MAJORITY, cells, mode_densities, run_modes, shares
from painn_spectra.spectra.motions import HEADING, Motions
from painn_spectra.spectra.series import Minima, Sampling, Series, series_of_arrays
from painn_spectra.units import LIGHT_CM_FS

pytestmark = pytest.mark.physics

NUMBERS, MASSES = np.array([8, 8, 1, 1]), np.array([15.999, 15.999, 1.008, 1.008])
SWAPPED = [1, 0, 3, 2]  # like atoms
STEP, N = 1.0, 4000
ESTIMATOR = Estimator(STEP, 1e-6, 40.0, 0.0, 4500.0)
HARMONIC_CM = np.array([[400.0, 900, 1300, 1360, 3550, 3650], [420.0, 880, 1290, 1400, 3560, 3700]])


def peroxide(dihedral: float) -> np.ndarray:
    """HOOH about its centre of mass, O–O along x. (4, 3) | Å"""
    angle = np.radians(dihedral)
    other = [1.45 + 0.24, 0.94 * np.cos(angle), 0.94 * np.sin(angle)]
    return centred(np.array([[0.0, 0, 0], [1.45, 0, 0], [-0.24, 0.94, 0], other]), MASSES)


def any_modes(geometry: np.ndarray, seed: int) -> np.ndarray:
    """Orthonormal internal vectors of a random Hessian with the molecule's twofold axis, (6, 4, 3)."""
    matrix = np.random.default_rng(seed).normal(size=(12, 12))
    hessian = (matrix @ matrix.T).reshape(4, 3, 4, 3)
    turn = eckart_frame(geometry[SWAPPED][None], geometry, MASSES)[0]
    turned = np.einsum("xu,iujv,yv->ixjy", turn, hessian[SWAPPED][:, :, SWAPPED], turn)
    return normal_modes((hessian + turned).reshape(12, 12), geometry, MASSES)[1]


GAUCHE, TRANS = peroxide(110), peroxide(180)
MIRROR = np.array([1.0, 1.0, -1.0])
GEOMETRIES = np.array([GAUCHE, GAUCHE * MIRROR, TRANS])
MODES = np.array([any_modes(GAUCHE, 0), any_modes(GAUCHE, 0) * MIRROR, any_modes(TRANS, 1)])
MINIMA = Minima(GEOMETRIES, MODES, HARMONIC_CM[[0, 0, 1]], [0])


def moved(conformer: int, energies: dict[int, float], t: np.ndarray, order: list[int]) -> np.ndarray:
    """Positions (n, 4, 3) of modes vibrating at their harmonic wavenumbers with these energies."""
    r = np.broadcast_to(GEOMETRIES[conformer], (len(t), 4, 3))
    for k, energy in energies.items():
        omega = 2 * np.pi * LIGHT_CM_FS * MINIMA.wavenumbers_cm[conformer, k]
        q = 1e-3 * np.sqrt(energy) / omega * np.cos(omega * t + k)
        r = r + q[:, None, None] * MODES[conformer, k] / np.sqrt(MASSES)[:, None]
    return r[:, order]


def series_of(*visits: tuple[int, float, dict[int, float], list[int]]) -> Series:
    """A slowly turning replica: (conformer, share of the time, energies of its modes, order of its atoms)."""
    axis = 2 * np.pi * LIGHT_CM_FS * 3.0 * np.array([0.48, 0.6, 0.64])
    t, ends = np.arange(N) * STEP, np.cumsum([round(N * share) for _, share, _, _ in visits])
    r, v = np.empty((2, N, 4, 3))
    for (conformer, _, energies, order), end in zip(visits, ends, strict=True):
        here = slice(end - round(N * _), end)

        def at(s, conformer=conformer, energies=energies, order=order):
            turn = Rotation.from_rotvec(s[:, None] * axis).as_matrix()
            return np.einsum("nxy,niy->nix", turn, moved(conformer, energies, s, order))

        r[here] = at(t[here])
        v[here] = (at(t[here] + 1e-3) - at(t[here] - 1e-3)) / 2e-3
    arrays = {keys.DIPOLE: np.zeros((1, N, 3)), keys.SPARSE_POSITIONS: r[None],
              keys.HALF_STEP_VELOCITIES: v[None]}  # fmt: skip
    series = series_of_arrays(Path("x"), Sampling(STEP, 300.0), arrays, MASSES, NUMBERS)
    start = visits[0][0]
    return dataclasses.replace(
        series, minima=dataclasses.replace(MINIMA, replicas=[start]), references=GEOMETRIES[[start]]
    )


def found(series: Series, lower_cm: float, upper_cm: float) -> tuple[dict[tuple[int, int], float], str]:
    """{(conformer, mode from 1): share} and the word of a band."""
    of = run_modes(series)
    assert of is not None
    densities = mode_densities(series, 0, of, ESTIMATOR)
    told = shares(of, ESTIMATOR.wavenumber_cm, densities, lower_cm, upper_cm)
    assert sum(share.share for share in told) == pytest.approx(1)
    for share in told:
        assert share.wavenumber_cm == of.minima.wavenumbers_cm[2 * share.conformer, share.mode - 1]
    return {(share.conformer, share.mode): share.share for share in told}, cells(told)[0]


ALL = {k: 1.0 + k for k in range(6)}
# a line's wings, of 40 cm⁻¹ and a finite run, and rotation at 3 cm⁻¹ leave a hundredth to others
WINGS = 0.02


def test_each_band_is_its_mode() -> None:
    series = series_of((0, 1.0, ALL, [0, 1, 2, 3]))
    for k, wavenumber in enumerate(HARMONIC_CM[0]):
        if k not in (2, 3, 4, 5):  # those overlap
            told, word = found(series, wavenumber - 45, wavenumber + 45)
            assert told[0, k + 1] > 1 - WINGS
            assert word == f"conformer 0: {k + 1}"


@pytest.mark.parametrize("energies", [(1.0, 1.0), (3.0, 1.0), (1.0, 4.0)])
def test_a_mixed_band_is_split_as_the_energies_are(energies: tuple[float, float]) -> None:
    """Two modes 60 cm⁻¹ apart under one band; an even split has no majority."""
    told, word = found(series_of((0, 1.0, {2: energies[0], 3: energies[1]}, [0, 1, 2, 3])), 1200, 1460)
    part = energies[0] / sum(energies)
    assert told[0, 3] == pytest.approx(part, abs=WINGS)
    assert told[0, 4] == pytest.approx(1 - part, abs=WINGS)
    if part == MAJORITY:
        even = found(series_of((0, 1.0, {2: 1.0, 3: 1.0, 1: 1.0}, [0, 1, 2, 3])), 800, 1460)
        assert even[1] == "conformer 0: mixed"
    else:
        assert word == f"conformer 0: {3 if part > MAJORITY else 4}"


def test_conformers_are_told_apart_and_mirror_images_are_one() -> None:
    """The O–H modes of both gauche forms are one conformer's, those of trans another's."""
    stretch = {5: 2.0}
    visits = [(0, 0.3, stretch, SWAPPED), (1, 0.3, stretch, [0, 1, 2, 3]), (2, 0.4, stretch, [0, 1, 2, 3])]
    told, word = found(series_of(*visits), 3500, 3850)
    assert told[0, 6] == pytest.approx(0.6, abs=2 * WINGS)
    assert told[1, 6] == pytest.approx(0.4, abs=2 * WINGS)
    assert word == "conformer 0: 6; conformer 1: 6"


def test_like_atoms_may_have_changed_places() -> None:
    """Taken for the other atoms, the same motion would be that of other modes."""
    methanol = ase_molecule("CH3OH")
    masses, third = methanol.get_masses(), [0, 1, 4, 3, 5, 2]  # a third of a turn of the methyl group
    assert methanol.numbers[third].tolist() == methanol.numbers.tolist() == [6, 8, 1, 1, 1, 1]
    geometry = centred(methanol.positions, masses)
    matrix = np.random.default_rng(5).normal(size=(18, 18))
    modes = normal_modes(matrix @ matrix.T, geometry, masses)[1]  # of no symmetry: as different as can be
    omega, t = 2 * np.pi * LIGHT_CM_FS * 1500.0, np.arange(N) * STEP
    shape = modes[7] / np.sqrt(masses)[:, None]
    r = geometry + 1e-3 / omega * np.cos(omega * t)[:, None, None] * shape
    v = -1e-3 * np.sin(omega * t)[:, None, None] * shape
    for motion in (r, v):
        motion[N // 2 :] = motion[N // 2 :, third]
    arrays = {keys.DIPOLE: np.zeros((1, N, 3)), keys.SPARSE_POSITIONS: r[None],
              keys.HALF_STEP_VELOCITIES: v[None]}  # fmt: skip
    series = series_of_arrays(Path("x"), Sampling(STEP, 300.0), arrays, masses, methanol.numbers)
    minima = Minima(geometry[None], modes[None], np.full((1, 12), 1500.0), [0])
    told, _ = found(dataclasses.replace(series, minima=minima, references=geometry[None]), 1400, 1600)
    assert told[0, 8] > 1 - 2 * WINGS
    as_if_not = np.einsum("kax,ax->k", modes, modes[7][third]) ** 2
    assert (1 + as_if_not[7] / as_if_not.sum()) / 2 < 0.8


def test_modes_share_out_all_of_the_vibration_and_atoms_too() -> None:
    """Sums over modes and over atoms are the same power spectrum, of velocities in the Eckart frame."""
    series = series_of((0, 1.0, ALL, [0, 1, 2, 3]))
    motions = Motions(series, ESTIMATOR)
    motions.add(series, 0)
    whole = motions.of_modes.sum((0, 1))
    assert motions.of_atoms.sum(0) == pytest.approx(whole, rel=1e-6, abs=1e-9 * whole.max())
    expected = (MASSES[:, None] * MODES[0, 0] ** 2 / MASSES[:, None]).sum(1)  # of atoms, in mode 1
    band = motions.listed(355, 445)
    for atom, share in zip(("O0", "O1", "H2", "H3"), expected, strict=True):
        assert band["atom_shares"][atom] == pytest.approx(share, abs=WINGS)
    assert json.loads(json.dumps(band))["normal_mode_shares"][0]["mode"] == 1
    assert len(motions.cells(355, 445)) == len(HEADING)


def test_modes_are_named_by_what_moves_at_the_minimum() -> None:
    """Modes made of one bond's stretch alone carry its name; half and half is mixed."""
    stretches = []
    for i, j in ((0, 2), (1, 3)):
        along = GAUCHE[j] - GAUCHE[i]
        shape = np.zeros((4, 3))
        shape[i], shape[j] = -along / np.sqrt(MASSES[i]), along / np.sqrt(MASSES[j])
        stretches.append(shape / np.linalg.norm(shape))
    oxygens = np.zeros((4, 3))
    oxygens[0], oxygens[1] = [-1, 0, 0], [1, 0, 0]
    both = (stretches[0] + oxygens / np.sqrt(2)) / np.sqrt(2)
    modes = np.array([*stretches, oxygens / np.sqrt(2), both, *MODES[0, :2]])
    minima = dataclasses.replace(
        MINIMA, modes=modes[None], positions=GAUCHE[None], wavenumbers_cm=HARMONIC_CM[:1]
    )
    of = run_modes(dataclasses.replace(series_of((0, 1.0, ALL, [0, 1, 2, 3])), minima=minima))
    assert of is not None
    assert of.words[0][:4] == ["O–H stretch", "O–H stretch", "O–O stretch", "mixed"]


def test_without_known_modes_nothing_is_claimed() -> None:
    series = dataclasses.replace(series_of((0, 1.0, ALL, [0, 1, 2, 3])), minima=None)
    assert run_modes(series) is None
    motions = Motions(series, ESTIMATOR)
    motions.add(series, 0)
    assert motions.cells(355, 445)[-2:] == ["", ""] and motions.cells(355, 445)[0]
