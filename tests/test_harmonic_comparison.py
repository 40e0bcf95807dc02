"""Modes of two methods side by side: turned, mirrored and renumbered molecules are the same one."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from painn_spectra.errors import InputError
from painn_spectra.harmonic_comparison import compare_harmonic, match_modes
from painn_spectra.spectra.csv_files import read_table
from painn_spectra.spectra.harmonic import Conformers, write_harmonic

MASSES = np.array([15.999, 15.999, 1.008, 1.008])
PEROXIDE = np.array([[0.0, 0.0, 0.0], [1.45, 0.0, 0.0], [-0.17, 0.95, 0.0], [1.62, -0.36, 0.88]])  # Å


def peroxide():
    """A chiral molecule with springs between all atoms and random charges and bond polarizabilities."""
    n_atoms, rng = 4, np.random.default_rng(1)
    hessian = np.zeros((n_atoms, 3, n_atoms, 3))
    alpha = np.zeros((3, 3, n_atoms, 3))
    for i, j in zip(*np.triu_indices(n_atoms, 1), strict=True):
        n = (PEROXIDE[i] - PEROXIDE[j]) / np.linalg.norm(PEROXIDE[i] - PEROXIDE[j])
        block = rng.uniform(5, 50) * np.outer(n, n)
        for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            hessian[a, :, b] += sign * block
        pull = rng.uniform(0.2, 1) * np.einsum("x,y,z->xyz", n, n, n)
        alpha[:, :, i] += pull
        alpha[:, :, j] -= pull
    charges = rng.normal(size=n_atoms)
    dipole = np.einsum("i,xy->xiy", charges - charges.mean(), np.eye(3))
    return Conformers(
        np.array([8, 8, 1, 1]), PEROXIDE[None], np.zeros(1), hessian.reshape(1, 12, 12), dipole[None],
        alpha[None], np.array([1]), np.array([2]),
    )  # fmt: skip


def transformed(c, turn, order):
    """The same molecule turned (or mirrored) by `turn`, its atoms renumbered."""
    big = np.kron(np.eye(4), turn)
    hessian = (big @ c.hessians[0] @ big.T).reshape(4, 3, 4, 3)[np.ix_(order, range(3), order, range(3))]
    return dataclasses.replace(
        c,
        positions=(c.positions @ turn.T)[:, order],
        hessians=hessian.reshape(1, 12, 12),
        dipole_derivatives=np.einsum("ax,nxiy,by->naib", turn, c.dipole_derivatives, turn)[:, :, order],
        polarizability_derivatives=np.einsum(
            "ax,by,nxyiz,cz->nabic", turn, turn, c.polarizability_derivatives, turn
        )[:, :, :, order],
    )


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_a_turned_mirrored_renumbered_molecule_is_the_same(tmp_path, capsys, mirror):
    turn = mirror * Rotation.random(rng=np.random.default_rng(3)).as_matrix()
    other = transformed(peroxide(), turn, [1, 0, 3, 2])
    write_harmonic(tmp_path / "reference.csv", peroxide(), MASSES, 300.0, {"level_of_theory": "springs"})
    write_harmonic(tmp_path / "model.csv", other, MASSES, 300.0, {"level_of_theory": "springs too"})
    compare_harmonic(tmp_path / "reference.csv", tmp_path / "model.csv", tmp_path / "comparison.csv")
    notes, rows = read_table(tmp_path / "comparison.csv")
    assert len(rows) == 6 and notes["conformers_without_counterpart"] == "none"
    for row in rows:
        assert float(row["difference_cm-1"]) == pytest.approx(0, abs=1e-6)
        assert float(row["overlap"]) == pytest.approx(1, abs=1e-6)
        assert float(row["ir_difference_percent"]) == pytest.approx(0, abs=1e-6)
        assert float(row["activity_difference_percent"]) == pytest.approx(0, abs=1e-6)
    assert "wavenumber_MAE_cm-1: 0.00" in capsys.readouterr().out


def test_differences_are_those_put_in(tmp_path):
    """A hessian 2 % too stiff: every wavenumber 1 % too high; half the charges: a quarter of the sticks."""
    c = peroxide()
    off = dataclasses.replace(c, hessians=1.0201 * c.hessians, dipole_derivatives=c.dipole_derivatives / 2)
    write_harmonic(tmp_path / "reference.csv", peroxide(), MASSES, 300.0, {})
    write_harmonic(tmp_path / "model.csv", off, MASSES, 300.0, {})
    compare_harmonic(tmp_path / "reference.csv", tmp_path / "model.csv", tmp_path / "comparison.csv")
    notes, rows = read_table(tmp_path / "comparison.csv")
    nu = np.array([float(row["reference_cm-1"]) for row in rows])
    assert [float(row["difference_cm-1"]) for row in rows] == pytest.approx(0.01 * nu, rel=1e-6)
    assert float(notes["wavenumber_MAE_cm-1"]) == pytest.approx(0.01 * nu.mean(), abs=0.01)
    assert float(notes["ir_largest_difference_percent"]) == pytest.approx(75.0)
    assert float(notes["raman_largest_difference_percent"]) == 0


def test_a_dark_molecule_has_no_sticks_to_differ(tmp_path, capsys):
    dark = dataclasses.replace(peroxide(), dipole_derivatives=1e-7 * peroxide().dipole_derivatives)
    write_harmonic(tmp_path / "reference.csv", dark, MASSES, 300.0, {})
    write_harmonic(tmp_path / "model.csv", peroxide(), MASSES, 300.0, {})
    compare_harmonic(tmp_path / "reference.csv", tmp_path / "model.csv", tmp_path / "comparison.csv")
    assert "ir_largest_difference_percent: none: no band" in capsys.readouterr().out


def test_another_shape_has_no_counterpart(tmp_path):
    flat = dataclasses.replace(peroxide(), positions=peroxide().positions * [1.0, 1.0, 0.0])
    write_harmonic(tmp_path / "reference.csv", peroxide(), MASSES, 300.0, {})
    write_harmonic(tmp_path / "model.csv", flat, MASSES, 300.0, {})
    compare_harmonic(tmp_path / "reference.csv", tmp_path / "model.csv", tmp_path / "comparison.csv")
    notes, rows = read_table(tmp_path / "comparison.csv")
    assert not rows and notes["conformers_without_counterpart"] == "0"


def test_other_isotopes_are_one_line(tmp_path):
    write_harmonic(tmp_path / "reference.csv", peroxide(), MASSES, 300.0, {})
    write_harmonic(tmp_path / "model.csv", peroxide(), MASSES * 2, 300.0, {})
    with pytest.raises(InputError, match="other masses"):
        compare_harmonic(tmp_path / "reference.csv", tmp_path / "model.csv", tmp_path / "comparison.csv")


def test_modes_that_changed_places_are_found():
    modes = np.linalg.qr(np.random.default_rng(5).normal(size=(9, 9)))[0].reshape(9, 3, 3)
    order, overlap = match_modes(modes, -modes[[2, 0, 1, *range(3, 9)]])
    assert order[:3] == [1, 2, 0] and overlap == pytest.approx(np.ones(9))
