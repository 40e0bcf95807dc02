"""Motions of known kind get their name: stretches, a bend, a torsion, methyl deformations, and mixtures."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule as ase_molecule
from scipy.spatial.transform import Rotation

from painn_spectra import keys
from painn_spectra.spectra.assignment import Coordinates, assignment, can_assign, class_densities
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.series import Sampling, series_of_arrays
from painn_spectra.units import LIGHT_CM_FS

STEP, N = 1.0, 2000
ESTIMATOR = Estimator(STEP, 1e-6, 40.0, 0.0, 4500.0)


def vibrating(atoms, motions, masses=None):
    """A turning molecule that vibrates a little: [(wavenumber_cm, shape (n_atoms, 3))] -> class densities."""
    masses = atoms.get_masses() if masses is None else np.asarray(masses, float)
    reference = atoms.positions - masses @ atoms.positions / masses.sum()
    axis = 2 * np.pi * LIGHT_CM_FS * 10.0 * np.array([0.48, 0.6, 0.64])

    def at(t):
        turn = Rotation.from_rotvec(t[:, None] * axis).as_matrix()
        inner = np.broadcast_to(reference, (len(t), *reference.shape))
        for wavenumber, shape in motions:
            omega = 2 * np.pi * LIGHT_CM_FS * wavenumber
            inner = inner + 1e-3 / omega * np.cos(omega * t)[:, None, None] * shape / np.abs(shape).max()
        return np.einsum("nxy,niy->nix", turn, inner)

    t = np.arange(N) * STEP
    velocities = (at(t + 1e-3) - at(t - 1e-3)) / 2e-3
    arrays = {
        keys.DIPOLE: np.zeros((1, N, 3)), keys.SPARSE_POSITIONS: at(t)[None],
        keys.HALF_STEP_VELOCITIES: velocities[None],
    }  # fmt: skip
    series = series_of_arrays(Path("x"), Sampling(STEP, 300.0), arrays, masses, atoms.numbers)
    return class_densities(series, 0, ESTIMATOR)


def named(densities, wavenumber):
    return assignment(ESTIMATOR.wavenumber_cm, densities, wavenumber - 60, wavenumber + 60)


def stretch(atoms, i, j, masses):
    """Along a bond, the heavier end the less."""
    along = atoms.positions[j] - atoms.positions[i]
    shape = np.zeros_like(atoms.positions)
    shape[i], shape[j] = -along / masses[i], along / masses[j]
    return shape


def test_isotopes_have_their_stretches_and_water_its_bend():
    water, masses = ase_molecule("H2O"), np.array([15.999, 2.014, 1.008])
    basis = Coordinates(water.numbers, water.positions, masses)
    assert basis.names[:2] == ["O–D stretch", "O–H stretch"]
    rest = np.random.default_rng(0).normal(size=(1, 3, 3))
    rest = basis.parts(water.positions[None], rest)[0, 2:].reshape(3, 3) / np.sqrt(masses)[:, None]
    motions = [(2700.0, stretch(water, 0, 1, masses)), (3700.0, stretch(water, 0, 2, masses)), (1400.0, rest)]
    densities = vibrating(water, motions, masses)
    assert named(densities, 2700.0)[0] == "O–D stretch"
    assert named(densities, 3700.0)[0] == "O–H stretch"
    word, shares = named(densities, 1400.0)
    assert word in ("mixed", "O–H bend", "O–D bend") and "stretch" not in shares


def test_ethanol_has_all_of_its_words():
    ethanol = ase_molecule("CH3CH2OH")
    masses, names = ethanol.get_masses(), None
    basis = Coordinates(ethanol.numbers, ethanol.positions, masses)
    names = set(basis.names)
    assert {"O–H stretch", "C–H stretch", "C–O stretch", "C–C stretch", "torsion"} <= names
    assert {"CH₃ deformation", "CH₂ deformation", "O–H bend", "skeletal deformation"} <= names
    oxygen = int(np.flatnonzero(ethanol.numbers == 8)[0])
    partner = {"O–H": None, "C–O": None}
    for i, j in basis.bonds:
        if oxygen in (i, j):
            other = j if i == oxygen else i
            partner["C–O" if ethanol.numbers[other] == 6 else "O–H"] = other
    (_, beyond, side) = next(t for t in basis.torsions if oxygen in t[:2])
    turn = np.zeros_like(ethanol.positions)
    axis = ethanol.positions[partner["C–O"]] - ethanol.positions[oxygen]
    atoms = side if beyond == oxygen else [partner["O–H"]]
    turn[atoms] = np.cross(axis, ethanol.positions[atoms] - ethanol.positions[oxygen])
    motions = [
        (3660.0, stretch(ethanol, oxygen, partner["O–H"], masses)),
        (1050.0, stretch(ethanol, partner["C–O"], oxygen, masses)),
        (250.0, turn),
    ]
    densities = vibrating(ethanol, motions)
    for wavenumber, word in ((3660.0, "O–H stretch"), (1050.0, "C–O stretch"), (250.0, "torsion")):
        assert named(densities, wavenumber)[0] == word, named(densities, wavenumber)


def test_linear_chains_do_not_turn_about_themselves():
    """Propyne's methyl group has nothing to turn against; ethanol's has, and so has its OH."""
    for name, n_torsions in (("C3H4_C3v", 0), ("CH3CH2OH", 2)):
        atoms = ase_molecule(name)
        assert len(Coordinates(atoms.numbers, atoms.positions, atoms.get_masses()).torsions) == n_torsions


def test_an_even_mixture_has_no_single_word():
    ethanol = ase_molecule("CH3CH2OH")
    masses = ethanol.get_masses()
    basis = Coordinates(ethanol.numbers, ethanol.positions, masses)
    index = {basis.names[k]: bond for k, bond in enumerate(basis.bonds)}
    shapes = [stretch(ethanol, *index[name], masses) for name in ("C–C stretch", "O–H stretch")]
    energy = [(masses[:, None] * shape**2).sum() for shape in shapes]
    both = shapes[0] / np.sqrt(energy[0]) + shapes[1] / np.sqrt(energy[1])
    word, shares = named(vibrating(ethanol, [(1500.0, both)]), 1500.0)
    assert word == "mixed"
    assert "C–C stretch 0.5" in shares or "C–C stretch 0.4" in shares


def test_classes_share_out_all_of_the_vibration():
    """The parts are orthonormal: their squares add up to the mass-weighted square without rigid motion."""
    ethanol = ase_molecule("CH3CH2OH")
    masses = ethanol.get_masses()
    rng = np.random.default_rng(1)
    positions = ethanol.positions + rng.normal(scale=0.05, size=(20, *ethanol.positions.shape))
    positions = positions - np.einsum("i,nix->nx", masses / masses.sum(), positions)[:, None]
    velocities = rng.normal(size=positions.shape)
    parts = Coordinates(ethanol.numbers, ethanol.positions, masses).parts(positions, velocities)
    rigid = np.stack(
        [np.broadcast_to(axis, positions.shape) for axis in np.eye(3)]
        + [np.cross(axis, positions) for axis in np.eye(3)], -1,
    )  # fmt: skip
    root = np.sqrt(masses)[:, None]
    basis = np.linalg.qr((root[..., None] * rigid).reshape(20, -1, 6))[0]
    weighted = (root * velocities).reshape(20, -1)
    whole = (weighted**2).sum(1) - (np.einsum("nxk,nx->nk", basis, weighted) ** 2).sum(1)
    np.testing.assert_allclose((parts**2).sum(1), whole, rtol=1e-10)


@pytest.mark.parametrize("numbers", [None, np.array([8, 92, 1])])
def test_unknown_elements_are_not_named(numbers):
    arrays = {name: np.zeros((1, 9, 3, 3)) for name in (keys.SPARSE_POSITIONS, keys.HALF_STEP_VELOCITIES)}
    series = series_of_arrays(Path("x"), Sampling(1.0, 300.0), {keys.DIPOLE: np.zeros((1, 9, 3)), **arrays})
    assert not can_assign(dataclasses.replace(series, numbers=numbers))
