"""The reference method's harmonic stage, against ASE's own vibrations and across interruptions."""

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from ase.vibrations import Infrared

from painn_spectra.derivatives import derivatives, displaced
from painn_spectra.harmonic_reference import CONVERGED_EV_A, harmonic_reference, minimum
from painn_spectra.md.alignment import unique_up_to_mirror_images
from painn_spectra.reference import xtb
from painn_spectra.reference.label import compute_label
from painn_spectra.settings.molecule import Method
from painn_spectra.spectra.harmonic import all_sticks, derivatives_file, read_conformers, read_sticks
from painn_spectra.units import AMU_E2_KM_MOL, DEBYE_EA

pytestmark = pytest.mark.physics

XTB = Method(program="gfn2-xtb")
needs_tblite = pytest.mark.skipif(not xtb.available(), reason="tblite has no wheel here")


@pytest.fixture(scope="module")
def water(tmp_path_factory):
    """Results of two starts that lead to one minimum."""
    folder = tmp_path_factory.mktemp("water")
    one, other = molecule("H2O"), molecule("H2O")
    other.positions += 0.03 * np.random.default_rng(1).normal(size=(3, 3))
    write(folder / "starts.extxyz", [one, other])
    harmonic_reference(folder / "starts.extxyz", folder / "reference.csv", XTB)
    return folder


@needs_tblite
def test_it_agrees_with_ase_on_water(water, tmp_path):
    """Frequencies within 1 cm⁻¹, infrared intensities within 1 %."""
    from tblite.ase import TBLite

    found, _ = read_conformers(water / "reference.npz")
    atoms = molecule("H2O")
    atoms.positions = found.positions[0]
    atoms.calc = TBLite(method="GFN2-xTB", accuracy=0.05, verbosity=0)
    vibrations = Infrared(atoms, name=str(tmp_path / "ase"), delta=0.005)
    vibrations.run()
    _, rows = read_sticks(water / "reference.csv")
    assert len(found.positions) == 1 and len(rows) == 3
    assert [row["wavenumber_cm-1"] for row in rows] == pytest.approx(
        vibrations.get_frequencies()[6:].real, abs=1
    )
    theirs = vibrations.intensities[6:] * AMU_E2_KM_MOL * DEBYE_EA**2  # (D/Å)²/amu -> km/mol
    assert [row["ir_km_mol-1"] for row in rows] == pytest.approx(theirs, rel=0.01)


@needs_tblite
def test_symmetry_rules_the_raman_lines_of_water(water):
    """C2v: the bend and the symmetric stretch are polarised, the antisymmetric stretch has ρ = 3/4."""
    _, rows = read_sticks(water / "reference.csv")
    ratios = [row["depolarisation_ratio"] for row in rows]
    assert ratios[0] < 0.75 and ratios[1] < 0.75 and ratios[2] == pytest.approx(0.75, abs=1e-4)
    found, _ = read_conformers(water / "reference.npz")
    assert list(found.symmetry_numbers) == [2] and list(found.mirror_images) == [1]


@needs_tblite
def test_activity_is_the_curvature_along_the_mode(water):
    """One displacement along each whole mode instead of 9 Cartesian ones.

    Within 2 %: these polarizabilities come from dipoles in finite fields, rounded to 1e-5 e·Å.
    """
    found, _ = read_conformers(water / "reference.npz")
    masses = np.array([15.999, 1.008, 1.008])
    (sticks,) = all_sticks(found, masses)
    for k, mode in enumerate(sticks.modes):
        move = 0.005 * mode / np.sqrt(masses)[:, None]
        plus, minus = (xtb.label(found.numbers, found.positions[0] + sign * move) for sign in (1, -1))
        alpha = (plus["polarizability"] - minus["polarizability"]) / 0.01
        trace, square = np.trace(alpha) / 3, (alpha**2).sum()
        activity = 45 * trace**2 + 7 * 1.5 * (square - 3 * trace**2)
        assert sticks.activity[k] == pytest.approx(activity, rel=0.02)
        dipole = (plus["dipole"] - minus["dipole"]) / 0.01
        assert sticks.infrared[k] == pytest.approx(AMU_E2_KM_MOL * (dipole @ dipole), rel=0.01)


@needs_tblite
def test_other_masses_need_no_labels(water, tmp_path):
    """From the derivatives alone: HDO's O–D stretch lies at 0.727 of the O–H one, √(μ_OH/μ_OD)."""
    output = tmp_path / "reference.csv"
    harmonic_reference(derivatives_file(water / "reference.csv"), output, XTB, isotopes={1: 2.014102})
    notes, rows = read_sticks(output)
    assert rows[1]["wavenumber_cm-1"] / rows[2]["wavenumber_cm-1"] == pytest.approx(0.727, abs=0.01)
    assert notes["level_of_theory"].startswith("GFN2-xTB") and "2.014102" in notes["masses_amu"]


@needs_tblite
def test_polarizabilities_can_be_computed_anew(water, tmp_path):
    """With the same method the same derivatives come back, on top of all else in the file."""
    output = tmp_path / "again.csv"
    harmonic_reference(water / "reference.npz", output, XTB, polarizability_anew=True)
    first, _ = read_conformers(water / "reference.npz")
    again, notes = read_conformers(derivatives_file(output))
    for name, value in vars(first).items():
        assert getattr(again, name) == pytest.approx(value, abs=1e-6), name
    assert notes["polarizability"].startswith("GFN2-xTB")


@needs_tblite
def test_a_killed_relaxation_goes_on(tmp_path, monkeypatch):
    """Labels of the steps before are read back: only the missing ones are computed."""
    start = molecule("H2O").positions
    first = minimum(molecule("H2O").numbers, start, (XTB, 0, 1), tmp_path / "path", 0)
    files = sorted((tmp_path / "path").iterdir())
    files[-1].unlink()
    computed = []
    label = compute_label

    def counting(*arguments, **more):
        computed.append(1)
        return label(*arguments, **more)

    monkeypatch.setattr("painn_spectra.harmonic_reference.compute_label", counting)
    again = minimum(molecule("H2O").numbers, start, (XTB, 0, 1), tmp_path / "path", 0)
    assert len(computed) == 1 and np.array_equal(again, first)
    forces = np.load(files[-1])[9:18].reshape(3, 3)
    assert np.linalg.norm(forces, axis=1).max() < CONVERGED_EV_A


def test_derivatives_of_a_quadratic_form_are_exact():
    """E = ½ xᵀHx, μ = Dx, α = A x: any step gives H, D and A back, in the places they belong to."""
    rng = np.random.default_rng(4)
    h, d, a = rng.normal(size=(6, 6)), rng.normal(size=(3, 2, 3)), rng.normal(size=(3, 3, 2, 3))
    h = h + h.T
    positions = rng.normal(size=(2, 3))
    moved = displaced(positions, 0.05)
    labels = {
        "forces": -(moved.reshape(-1, 6) @ h).reshape(-1, 2, 3),
        "dipole": np.einsum("xiz,niz->nx", d, moved),
        "polarizability": np.einsum("xyiz,niz->nxy", a, moved),
    }
    found = derivatives(labels, 0.05)
    assert found.hessian == pytest.approx(h)
    assert found.dipole == pytest.approx(d)
    assert found.polarizability == pytest.approx(a)


def test_mirror_images_are_one_conformer():
    ethanol = molecule("CH3CH2OH")
    gauche = ethanol.copy()
    gauche.set_dihedral(0, 1, 2, 3, 62.0)  # C–C–O–H
    geometries = np.array([ethanol.positions, gauche.positions, -gauche.positions])
    kept, symmetry, images = unique_up_to_mirror_images(
        geometries, np.array([0.0, 0.1, 0.1]), ethanol.numbers
    )
    assert (kept, symmetry, images) == ([0, 1], [1, 1], [1, 2])
