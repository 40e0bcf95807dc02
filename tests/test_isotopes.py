"""Isotopes by index, site and SMILES: the same atoms in any order, and no new labels."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.data import atomic_masses
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from painn_spectra.config import load_config
from painn_spectra.dataset import labelled_geometries
from painn_spectra.errors import InputError
from painn_spectra.harmonic_reference import harmonic_reference
from painn_spectra.isotopes import isotopic_masses
from painn_spectra.settings.molecule import Method
from painn_spectra.spectra.harmonic import read_conformers, read_sticks

D, C13, O18 = 2.0141017781, 13.0033548351, 17.9991596129  # amu, atomic mass evaluation
ETHANOL = molecule("CH3CH2OH")  # C C O, H on O, two on the second C, three on the first: see below
SHIPPED = Path(__file__).parents[1] / "config/molecules/ethanol"


def heavy(atoms, isotopes):
    """Which atoms of `atoms` are not of standard mass, and their masses."""
    masses = isotopic_masses(atoms.numbers, atoms.positions, isotopes)
    changed = np.flatnonzero(masses != atomic_masses[atoms.numbers])
    return {int(k): float(masses[k]) for k in changed}


def neighbours(atoms, element):
    """Hydrogens within 1.2 Å of an atom of `element`."""
    d = atoms.get_all_distances()
    near = [k for k in np.flatnonzero(atoms.numbers == element)]
    return {int(h) for h in np.flatnonzero(atoms.numbers == 1) if (d[h, near] < 1.2).any()}


@pytest.mark.parametrize("seed", range(4))
def test_a_site_and_a_smiles_mean_the_same_atoms_in_any_order(seed):
    atoms = ETHANOL[np.random.default_rng(seed).permutation(9)]
    (hydroxyl,) = neighbours(atoms, 8)
    assert set(heavy(atoms, {"H-O": D})) == {hydroxyl}
    assert heavy(atoms, "CCO[2H]") == pytest.approx({hydroxyl: D}, abs=1e-6)
    assert heavy(atoms, {hydroxyl: D}) == heavy(atoms, {"H-O": D})
    assert set(heavy(atoms, {"H-C": D})) == neighbours(atoms, 6)
    assert set(heavy(atoms, {"H": D})) == set(np.flatnonzero(atoms.numbers == 1))
    everything = heavy(atoms, "[2H]C([2H])([2H])C([2H])([2H])O[2H]")
    assert set(everything) == set(np.flatnonzero(atoms.numbers == 1))
    methyl = set(heavy(atoms, "[2H]C([2H])([2H])CO"))
    methylene = set(heavy(atoms, "CC([2H])([2H])O"))
    assert len(methyl) == 3 and len(methylene) == 2 and methyl | methylene == neighbours(atoms, 6)
    (oxygen,) = np.flatnonzero(atoms.numbers == 8)
    assert heavy(atoms, "[13CH3]C[18OH]")[int(oxygen)] == pytest.approx(O18, abs=1e-5)
    assert C13 in [pytest.approx(mass, abs=1e-5) for mass in heavy(atoms, "[13CH3]C[18OH]").values()]


def test_the_hydrogens_of_a_double_bond_are_told_apart_by_the_geometry():
    """Propene: the terminal hydrogen on the methyl group's side is (Z), the other (E)."""
    graph = Chem.AddHs(Chem.MolFromSmiles("C=CC"))
    rdDistGeom.EmbedMolecule(graph, randomSeed=1)
    numbers = np.array([atom.GetAtomicNum() for atom in graph.GetAtoms()])
    r = graph.GetConformer().GetPositions()
    found = {}
    for name in ("[2H]/C=C/C", "[2H]/C=C\\C"):
        masses = isotopic_masses(numbers, r, name)
        (found[name],) = np.flatnonzero(np.abs(masses - D) < 1e-6)
    near, far = (np.linalg.norm(r[found[name]] - r[2]) for name in ("[2H]/C=C\\C", "[2H]/C=C/C"))
    assert near < far - 0.3  # cis to the methyl carbon, and trans
    with pytest.raises(InputError, match="leaves open which place the isotope takes, 2 molecules fit"):
        isotopic_masses(numbers, r, "[2H]C=CC")


@pytest.mark.parametrize(
    ("isotopes", "message"),
    [
        ({9: D}, "atom 9 does not exist; indices run from 0 to 8"),
        ({"H-N": D}, "no site 'H-N'"),
        ({"Cl": 37.0}, "no site 'Cl'"),
        ("CCC[2H]", "is not the molecule of the labels"),
        ("COC[2H]", "is not the molecule of the labels"),
        ("CCO[9H]", "no isotope 9H is known"),
    ],
)
def test_what_is_not_in_the_molecule(isotopes, message):
    with pytest.raises(InputError, match=message):
        heavy(ETHANOL, isotopes)


def test_the_setting():
    entry = {"name": "a", "structure": "CCO[2H]"}
    assert load_config({"molecules": [entry]}).molecules[0].isotopologue == "CCO[2H]"
    plain = load_config({"molecules": [{"name": "a", "structure": "CCO", "isotopes": {"3": D, "H-O": D}}]})
    assert plain.molecules[0].isotopologue == {3: D, "H-O": D}
    with pytest.raises(InputError, match="both name isotopes"):
        load_config({"molecules": [entry | {"isotopes": {3: D}}]})
    for wrong in ({"h-O": D}, {-1: D}, {"H": 0.0}):
        with pytest.raises(InputError, match="isotopes"):
            load_config({"molecules": [{"name": "a", "isotopes": wrong}]})


@pytest.mark.parametrize(
    ("smiles", "ratio", "n_heavy"), [("CCO[2H]", 1.374, 1), ("[2H]C([2H])([2H])C([2H])([2H])O[2H]", 1.374, 6)]
)
def test_ethanol_needs_no_new_labels(smiles, ratio, n_heavy, tmp_path):
    """O–H/O–D 1.374; ∂μ/∂r and ∂α/∂r are the shipped ones to the last bit."""
    highest = []
    for isotopes in ({}, smiles):
        harmonic_reference(SHIPPED / "harmonic.npz", tmp_path / "a.csv", Method(), isotopes=isotopes)
        notes, rows = read_sticks(tmp_path / "a.csv")
        nu = np.array([row["wavenumber_cm-1"] for row in rows if row["conformer"] == 0])
        highest.append(nu.max() if not isotopes else nu[(nu > 2600) & (nu < 2900)].max())
        before, after = (read_conformers(path)[0] for path in (SHIPPED / "harmonic.npz", tmp_path / "a.npz"))
        np.testing.assert_array_equal(before.dipole_derivatives, after.dipole_derivatives)
        np.testing.assert_array_equal(before.polarizability_derivatives, after.polarizability_derivatives)
    assert highest[0] / highest[1] == pytest.approx(ratio, abs=0.003)
    assert sum(abs(float(mass) - D) < 1e-6 for mass in notes["masses_amu"].split()) == n_heavy
    numbers, frames = labelled_geometries(SHIPPED / "labels.extxyz")
    masses = isotopic_masses(numbers, frames[0], smiles)
    np.testing.assert_allclose(masses, [float(m) for m in notes["masses_amu"].split()])  # one order of atoms
