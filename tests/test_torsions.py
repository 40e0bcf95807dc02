"""Torsional profiles of a toy molecule that are known in closed form."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import write
from toy_potentials import GEOMETRIES, load_toy

from painn_spectra.errors import InputError
from painn_spectra.rotatable import check_dihedral, rotatable
from painn_spectra.settings.molecule import Method
from painn_spectra.spectra.csv_files import read_table
from painn_spectra.torsions import torsions

pytestmark = pytest.mark.physics


def test_the_profile_of_peroxide_is_its_formula(tmp_path):
    """Springs are at rest at any angle, so that E = a cos φ + b cos 2φ, a = 45 meV, b = 30 meV.

    Minima cos φ = −a/4b, E = −a²/8b − b; maxima a + b at 0°, −a + b at 180°.
    """
    model, starts = tmp_path / "model.pt", tmp_path / "conformers.extxyz"
    model.write_text(json.dumps({"name": "peroxide"}), encoding="utf-8")
    symbols, geometry = GEOMETRIES["peroxide"]
    write(starts, Atoms(symbols, geometry))
    profiles, barriers = tmp_path / "profiles.csv", tmp_path / "barriers.csv"
    torsions(model, starts, profiles, barriers, tmp_path, (Method(program="other"), 0, 1), load=load_toy)

    a, b = 45.0, 30.0
    lowest = -(a**2) / (8 * b) - b
    _, rows = read_table(profiles)
    phi = np.radians([float(row["angle_deg"]) for row in rows])
    expected = a * np.cos(phi) + b * np.cos(2 * phi) - lowest
    assert len(rows) == 24
    assert np.diff([float(row["model_meV"]) for row in rows] - expected) == pytest.approx(0, abs=0.05)
    notes, found = read_table(barriers)
    assert notes["reference"] == "not computed" and all(row["reference_meV"] == "nan" for row in found)
    points = {
        (row["kind"], round(abs(float(row["model_angle_deg"])))): float(row["model_meV"]) for row in found
    }
    angle = round(np.degrees(np.arccos(-a / (4 * b))))
    assert set(points) == {("minimum", angle), ("maximum", 0), ("maximum", 180)}
    assert points["minimum", angle] == pytest.approx(0, abs=0.2)
    assert points["maximum", 0] == pytest.approx(a + b - lowest, abs=0.3)
    assert points["maximum", 180] == pytest.approx(-a + b - lowest, abs=0.3)
    assert (tmp_path / "torsions.svg").is_file() and (tmp_path / "torsions.png").is_file()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CH3CH2OH", [(6, 0, 1, 2), (0, 1, 2, 3)]),
        ("C2H4", []),  # a double bond
        ("C6H6", []),  # rings
        ("CH3CN", []),  # straight
        ("H2O2", [(2, 0, 1, 3)]),
    ],
)
def test_rotatable_bonds(name, expected):
    atoms = molecule(name) if name != "H2O2" else Atoms(*GEOMETRIES["peroxide"])
    found = rotatable(atoms.numbers, atoms.positions)
    assert [d[1:3] for d in found] == [d[1:3] for d in expected]
    elements = [[atoms.numbers[list(d)].tolist() for d in dihedrals] for dihedrals in (found, expected)]
    assert elements[0] == elements[1]


def test_dihedrals_are_checked():
    with pytest.raises(InputError, match="--bond 0 1 2 9: not four different atoms; indices run from 0 to 3"):
        check_dihedral([0, 1, 2, 9], np.array([8, 8, 1, 1]))
