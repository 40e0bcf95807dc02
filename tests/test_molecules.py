"""What the setting `structure` may be, and the one line that each mistake gets."""

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write

from painn_spectra.errors import InputError
from painn_spectra.molecules import also_an_ase_name, is_chiral, read_structure


def formula(source, **state):
    structure = read_structure(source, **state)
    return structure.kind, "".join(sorted(f"{z:02d}" for z in structure.numbers))


ETHANOL, METHANOL = "01" * 6 + "0606" + "08", "01" * 4 + "06" + "08"


def test_three_spellings_are_one_molecule(tmp_path):
    write(tmp_path / "ethanol.xyz", molecule("CH3CH2OH"))
    assert formula("CCO") == ("SMILES", ETHANOL)
    assert formula("CH3CH2OH") == ("ASE name", ETHANOL)
    assert formula(str(tmp_path / "ethanol.xyz")) == ("file", ETHANOL)
    assert formula("H2O") == ("ASE name", "010108")


def test_a_file_wins_over_a_smiles_and_a_smiles_over_a_name(tmp_path, monkeypatch):
    """'CO' is methanol in SMILES, carbon monoxide in ASE, and may be a file of water."""
    assert formula("CO") == ("SMILES", METHANOL)
    warning = also_an_ase_name(read_structure("CO"))
    assert "CH4O" in warning and "CO" in warning
    assert also_an_ase_name(read_structure("CCO")) is None
    monkeypatch.chdir(tmp_path)
    write("CO", molecule("H2O"), format="xyz")
    assert formula("CO") == ("file", "010108")


def test_a_file_keeps_its_order_and_geometry(tmp_path):
    atoms = molecule("CH3CH2OH")[[8, 2, 0, 5, 1, 3, 4, 6, 7]]
    write(tmp_path / "mixed.xyz", atoms)
    structure = read_structure(str(tmp_path / "mixed.xyz"))
    assert structure.numbers.tolist() == atoms.numbers.tolist()
    np.testing.assert_allclose(structure.positions, atoms.positions, atol=1e-6)
    assert [atom.GetAtomicNum() for atom in structure.graph.GetAtoms()] == atoms.numbers.tolist()


@pytest.mark.parametrize(
    ("smiles", "chiral"),
    [("CCO", False), ("C[C@H](O)CC", True), ("C[C@H](O)[C@@H](C)O", False), ("C[C@H](O)[C@H](C)O", True)],
)
def test_mirror_images_of_chiral_molecules_are_others(smiles, chiral):
    """2-butanol is chiral; of butane-2,3-diol the meso form is not."""
    assert is_chiral(read_structure(smiles).graph) == chiral


def test_a_lone_open_centre_is_decided_and_diastereomers_are_asked_for():
    assert is_chiral(read_structure("CC(O)CC").graph)  # both enantiomers have one spectrum
    with pytest.raises(InputError, match="2 molecules with different spectra fit"):
        read_structure("CC(O)C(C)O")
    with pytest.raises(InputError, match="leaves the stereo open"):
        read_structure("CC=CC")


def test_stereo_of_a_geometry_is_perceived(tmp_path):
    structure = read_structure("C[C@H](F)Cl")
    from rdkit.Chem import rdDistGeom

    rdDistGeom.EmbedMolecule(structure.graph, randomSeed=1)
    from ase import Atoms

    write(tmp_path / "x.xyz", Atoms(structure.numbers, structure.graph.GetConformer().GetPositions()))
    assert is_chiral(read_structure(str(tmp_path / "x.xyz")).graph)


BAD = {
    "": "structure: is missing",
    "   ": "structure: is missing",
    "C(C": "no SMILES that parses",
    "CC(C)(C)(C)C": "valence",
    "no/such.xyz": "no SMILES that parses",
    "Xx": "no name that ASE knows",
    "C[Xx]": "no SMILES that parses",
    "CCO.O": "has 2 molecules",
    "C*": "no element",
    "[U]": "beyond H to Rn",
    "[He]": "single atom",
    "[NH4+]": r"SMILES has charge \+1, but charge = 0",
}


@pytest.mark.parametrize("source", BAD)
def test_bad_structures_are_one_line(source):
    with pytest.raises(InputError, match=BAD[source]) as told:
        read_structure(source)
    assert "\n" not in str(told.value)


def test_a_missing_structure_is_told():
    with pytest.raises(InputError, match="SMILES such as 'CCO'"):
        read_structure(None)


@pytest.mark.parametrize(("source", "charge", "multiplicity"), [("CCO", 0, 2), ("H2O", 1, 1), ("CCO", 0, 29)])
def test_multiplicity_must_fit_the_electrons(source, charge, multiplicity):
    with pytest.raises(InputError, match=f"multiplicity = {multiplicity} wants .* unpaired electrons"):
        read_structure(source, charge, multiplicity)


def test_ions_and_radicals_that_fit_are_read():
    assert len(read_structure("[NH4+]", 1).numbers) == 5
    assert len(read_structure("[CH3]", 0, 2).numbers) == 4
    assert len(read_structure("H2O", 1, 2).numbers) == 3


XYZ = {
    "overlap": ("3\n\nO 0 0 0\nH 0.96 0 0\nH 0.96 0.1 0\n", r"atoms 1 and 2 overlap, 0.10 Å apart"),
    "nan": ("3\n\nO 0 0 0\nH 0.96 0 nan\nH -0.24 0.93 0\n", "NaN or infinity"),
    "element": ("2\n\nO 0 0 0\nQq 0.96 0 0\n", "Qq.* is no element"),
    "dummy": ("2\n\nO 0 0 0\nX 0.96 0 0\n", "element beyond"),
    "short": ("4\n\nO 0 0 0\nH 0.96 0 0\n", "cannot be read as xyz"),
    "text": ("hello\n", "cannot be read as xyz"),
    "empty": ("", "the file is empty"),
    "none": ("0\n\n", "holds no atoms|cannot be read"),
    "several": ("2\n\nO 0 0 0\nH 0.97 0 0\n" * 2, "holds several geometries"),
    "apart": ("3\n\nO 0 0 0\nH 0.96 0 0\nH 9 0 0\n", "2 parts that no bond joins"),
    "bohr": ("3\n\nO 0 0 0\nH 1.81 0 0\nH -0.45 1.76 0\n", "parts that no bond joins; .* in Å"),
    "periodic": ('1\npbc="T T T"\nO 0 0 0\n', "is periodic"),
}


@pytest.mark.parametrize("case", XYZ)
def test_bad_files_are_one_line(case, tmp_path):
    text, message = XYZ[case]
    path = tmp_path / f"{case}.xyz"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as told:
        read_structure(str(path))
    assert "\n" not in str(told.value) and str(path) in str(told.value)
