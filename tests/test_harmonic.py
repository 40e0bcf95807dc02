"""Harmonic intensities against closed forms and laws."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from painn_spectra.errors import InputError
from painn_spectra.spectra.harmonic import (
    Conformers,
    derivatives_file,
    masses_of,
    read_conformers,
    read_sticks,
    sticks,
    write_harmonic,
)
from painn_spectra.units import DEBYE_EA

pytestmark = pytest.mark.physics

Z = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.1]])  # Å


def diatomic(dmu_e=0.0, parallel_A2=0.0, perpendicular_A2=0.0, positions=Z, masses=(1.0, 1.0), k=40.0):
    """Sticks of a bond with spring k, dμ/dr along it and dα/dr of axial symmetry."""
    n = (positions[1] - positions[0]) / np.linalg.norm(positions[1] - positions[0])
    pull = np.stack([-n, n])  # (n_atoms, 3), ∂r/∂r_i
    alpha = perpendicular_A2 * np.eye(3) + (parallel_A2 - perpendicular_A2) * np.outer(n, n)
    hessian = k * np.outer(pull, pull)
    dipole = dmu_e * np.einsum("x,iy->xiy", n, pull)
    polarizability = np.einsum("xy,iz->xyiz", alpha, pull)
    return sticks(hessian, dipole, polarizability, positions, np.array(masses))


def test_the_golden_number_of_infrared_intensity():
    """1 D/Å against a reduced mass of 1 amu: 42.2561 km/mol."""
    assert diatomic(dmu_e=DEBYE_EA, masses=(2.0, 2.0)).infrared == pytest.approx([42.2561], rel=1e-6)
    assert diatomic(dmu_e=DEBYE_EA, masses=(1.0, 1e9)).infrared == pytest.approx([42.2561], rel=1e-6)


def test_raman_parts_of_an_axial_bond():
    """β' = (a∥ + 2a⊥)/3√μ, γ' = (a∥ − a⊥)/√μ; ρ = 3γ'²/(45β'² + 4γ'²)."""
    s = diatomic(parallel_A2=1.3, perpendicular_A2=0.4, masses=(1.008, 35.0))
    reduced = 1.008 * 35.0 / 36.008
    beta, gamma = 2.1 / 3, 0.9
    assert s.isotropic == pytest.approx([45 * beta**2 / reduced])
    assert s.anisotropic == pytest.approx([7 * gamma**2 / reduced])
    assert s.depolarisation_ratio == pytest.approx([3 * gamma**2 / (45 * beta**2 + 4 * gamma**2)])
    traceless = diatomic(parallel_A2=0.8, perpendicular_A2=-0.4)
    assert traceless.isotropic == pytest.approx([0], abs=1e-20)
    assert traceless.depolarisation_ratio == pytest.approx([0.75])
    assert np.isnan(diatomic().depolarisation_ratio).all()


def test_turning_the_molecule_leaves_all_intensities():
    turned = Z @ Rotation.random(rng=np.random.default_rng(1)).as_matrix().T + 5.0
    values = {"dmu_e": 0.3, "parallel_A2": 1.3, "perpendicular_A2": 0.4}
    one, other = diatomic(**values), diatomic(**values, positions=turned)
    for name in ("wavenumber_cm", "infrared", "isotropic", "anisotropic"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-10)


def conformers(energies=(0.0, 0.02), mirror_images=(1, 2)):
    rng = np.random.default_rng(2)
    n = len(energies)
    hessians = rng.normal(size=(n, 9, 9))
    hessians = np.einsum("nij,nkj->nik", hessians, hessians)
    return Conformers(
        np.array([8, 1, 1]), rng.normal(size=(n, 3, 3)), np.array(energies), hessians,
        rng.normal(size=(n, 3, 3, 3)), rng.normal(size=(n, 3, 3, 3, 3)), np.ones(n, dtype=int),
        np.array(mirror_images),
    )  # fmt: skip


def test_files_come_back(tmp_path):
    path, masses = tmp_path / "reference.csv", np.array([15.999, 1.008, 2.014])
    spectra = write_harmonic(path, conformers(), masses, 300.0, {"level_of_theory": "PBE0/def2-TZVP, quick"})
    notes, rows = read_sticks(path)
    assert notes["level_of_theory"] == "PBE0/def2-TZVP, quick"
    assert masses_of(notes, path) == pytest.approx(masses)
    assert [row["mode"] for row in rows] == [1, 2, 3, 1, 2, 3]
    assert [row["wavenumber_cm-1"] for row in rows[3:]] == pytest.approx(spectra[1].wavenumber_cm)
    assert [row["ir_km_mol-1"] for row in rows[:3]] == pytest.approx(spectra[0].infrared)
    back, kept = read_conformers(derivatives_file(path))
    assert kept == {"level_of_theory": "PBE0/def2-TZVP, quick"}
    for name, value in vars(conformers()).items():
        assert np.array_equal(getattr(back, name), value)
    # another isotope needs no new derivatives
    heavier = write_harmonic(tmp_path / "heavy.csv", back, masses * [1, 2, 1], 300.0, kept)
    assert (heavier[0].wavenumber_cm < spectra[0].wavenumber_cm).all()


def test_a_mirror_image_doubles_the_weight(tmp_path):
    """Two conformers with the same derivatives: the chiral one is twice as frequent, quantum or not."""
    one = conformers()
    same = Conformers(**{
        name: value if name in ("numbers", "mirror_images") else np.stack([value[0], value[0]])
        for name, value in vars(one).items()
    })  # fmt: skip
    write_harmonic(tmp_path / "a.csv", same, np.array([16.0, 1.0, 1.0]), 300.0, {})
    _, rows = read_sticks(tmp_path / "a.csv")
    for kind in ("classical_weight", "quantum_weight"):
        assert [rows[0][kind], rows[3][kind]] == pytest.approx([1 / 3, 2 / 3])


def test_other_files_are_one_line(tmp_path):
    path = tmp_path / "ir.csv"
    path.write_text("# a: b\nwavenumber_cm-1\n1\n")
    with pytest.raises(InputError, match="not a table of harmonic modes"):
        read_sticks(path)
    (tmp_path / "a.npz").write_bytes(b"PK broken")
    with pytest.raises(InputError, match=r"a\.npz: cannot be read"):
        read_conformers(tmp_path / "a.npz")
