"""An index means the same atom in every frame, whatever order its source had."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write

from painn_spectra.atom_order import in_one_order, matching_order
from painn_spectra.dataset import labelled_geometries
from painn_spectra.harmonic_reference import harmonic_reference
from painn_spectra.md.bonds import bonds
from painn_spectra.sampling.screening import fingerprints
from painn_spectra.settings.molecule import Method
from painn_spectra.spectra.harmonic import read_conformers, read_sticks

SHIPPED = Path(__file__).parents[1] / "config/molecules/ethanol"


def shuffled(numbers, positions, rng):
    """The same geometry, like atoms exchanged at random."""
    order = np.arange(len(numbers))
    for z in np.unique(numbers):
        members = np.flatnonzero(numbers == z)
        order[members] = rng.permutation(members)
    return positions[order]


@pytest.mark.parametrize("name", ["CH3CH2OH", "C3H7Cl", "CH3CONH2", "C6H6"])
def test_like_atoms_come_back_to_their_places(name, tmp_path):
    atoms, rng = molecule(name), np.random.default_rng(0)
    frames = [atoms.copy() for _ in range(20)]
    for k, frame in enumerate(frames):
        moved = atoms.positions + rng.normal(scale=0.03, size=(len(atoms), 3))
        frame.positions = shuffled(atoms.numbers, moved, rng) if k else moved
    write(tmp_path / "set.extxyz", frames)
    numbers, ordered = labelled_geometries(tmp_path / "set.extxyz")
    assert len({bonds(numbers, frame.positions) for frame in frames}) > 1
    assert {bonds(numbers, geometry) for geometry in ordered} == {bonds(numbers, ordered[0])}
    np.testing.assert_allclose(ordered[0], frames[0].positions, atol=1e-7)
    given = np.array([frame.positions for frame in frames])
    np.testing.assert_allclose(fingerprints(numbers, ordered), fingerprints(numbers, given), atol=1e-7)


def test_what_flew_apart_stays_as_it_is():
    water = molecule("H2O")
    torn = water.positions.copy()
    torn[2] += 3.0
    np.testing.assert_array_equal(in_one_order(water.numbers, np.array([water.positions, torn]))[1], torn)
    assert matching_order(water.numbers, ((0, 1), (0, 2)), ((0, 1),)) == []
    assert matching_order(water.numbers, ((0, 1), (0, 2)), ((0, 1), (1, 2))) == []


def test_the_shipped_frames_and_derivatives_share_one_order():
    numbers, frames = labelled_geometries(SHIPPED / "labels.extxyz")
    graphs = [bonds(numbers, geometry) for geometry in frames]
    assert graphs.count(graphs[0]) >= len(frames) - 5  # a few frames of 600 K have torn a bond
    for path in SHIPPED.glob("harmonic*.npz"):
        found, _ = read_conformers(path)
        assert {bonds(found.numbers, geometry) for geometry in found.positions} == {graphs[0]}, path


def test_the_hydroxyl_of_ethanol_is_deuterated_by_its_index(tmp_path):
    """O–H/O–D 1.374, of the reduced masses; C–H stretches stay. Index 3 is the labels'."""
    highest = []
    for isotopes in ({}, {3: 2.014102}):
        harmonic_reference(
            SHIPPED / "harmonic.npz", tmp_path / "a.csv", Method(), isotopes=isotopes, temperature_K=300
        )
        _, rows = read_sticks(tmp_path / "a.csv")
        highest.append(np.sort([row["wavenumber_cm-1"] for row in rows if row["conformer"] == 0]))
    plain, heavy = highest
    hydroxyl = heavy[(heavy > 2000) & (heavy < 2900)]
    assert len(hydroxyl) == 1
    assert plain[-1] / hydroxyl[0] == pytest.approx(1.374, abs=0.003)
    np.testing.assert_allclose(heavy[-5:], plain[-6:-1], atol=1.0)
