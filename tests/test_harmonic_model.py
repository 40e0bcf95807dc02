"""The model's harmonic stage on toy molecules that are known in closed form."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import atomic_masses
from ase.io import read, write
from toy_potentials import GEOMETRIES, Toy, load_toy

from painn_spectra.errors import InputError
from painn_spectra.harmonic_model import harmonic_model
from painn_spectra.normal_modes import normal_modes
from painn_spectra.spectra.csv_files import read_table
from painn_spectra.spectra.harmonic import read_conformers, read_sticks
from painn_spectra.spectra.sticks import draw_sticks, read_tables, short_level
from painn_spectra.units import AMU_E2_KM_MOL
from painn_spectra.vpt2 import stage

pytestmark = pytest.mark.physics


def run(folder, name, isotopes=None, charge=0.0):
    """The stage on three shaken geometries of a toy."""
    symbols, geometry = GEOMETRIES[name]
    rng = np.random.default_rng(1)
    shaken = [Atoms(symbols, geometry + 0.03 * rng.normal(size=(len(geometry), 3))) for _ in range(3)]
    write(folder / "dataset.extxyz", shaken)
    (folder / "model.pt").write_text(json.dumps({"name": name, "charge": charge}), encoding="utf-8")
    paths = [folder / file for file in ("model.pt", "dataset.extxyz", "model.csv", "conformers.extxyz")]
    harmonic_model(*paths, isotopes=isotopes, load=load_toy)
    return read_conformers(folder / "model.npz")[0], read_sticks(folder / "model.csv")[1]


@pytest.fixture(scope="module")
def peroxide(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peroxide")
    return folder, *run(folder, "peroxide")


def test_the_hessian_is_that_of_automatic_differentiation(peroxide):
    """Wavenumbers within 0.5 cm⁻¹ of those of ∂²E/∂r∂r by autograd."""
    _, found, rows = peroxide
    toy, r = Toy("peroxide"), torch.as_tensor(found.positions[0])
    exact = torch.autograd.functional.hessian(lambda x: toy.energy(x.reshape(1, 4, 3)).sum(), r.flatten())
    expected, _ = normal_modes(exact.numpy(), found.positions[0], atomic_masses[found.numbers])
    assert [row["wavenumber_cm-1"] for row in rows] == pytest.approx(expected, abs=0.5)


def test_mirror_images_are_one_conformer_of_the_model(peroxide):
    """Both twists of peroxide are minima; the table has one, counted twice."""
    folder, found, _ = peroxide
    assert len(found.positions) == 1 and found.mirror_images[0] == 2 and found.symmetry_numbers[0] == 2
    starts = read(folder / "conformers.extxyz", index=":")
    assert len(starts) == 1 and starts[0].positions == pytest.approx(found.positions[0], abs=1e-7)


def test_the_dipole_derivative_of_fixed_charges_is_the_charges(peroxide):
    """∂μ_x/∂r_iy = q_i δ_xy; the toy's charges are −0.3 e and 0.3 e."""
    _, found, _ = peroxide
    expected = np.einsum("i,xy->xiy", [-0.3, -0.3, 0.3, 0.3], np.eye(3))
    assert found.dipole_derivatives[0] == pytest.approx(expected, abs=1e-6)


def test_heavier_atoms_vibrate_more_slowly(peroxide, tmp_path):
    _, _, light = peroxide
    _, heavy = run(tmp_path, "peroxide", isotopes={2: 2.014})
    assert all(h["wavenumber_cm-1"] < x["wavenumber_cm-1"] for h, x in zip(heavy, light, strict=True))


def test_an_isotope_makes_an_ion_visible(tmp_path):
    """HD+ with half its charge on each nucleus: μ about its centre of mass is q (m_D − m_H)/2M · r."""
    heavy, light = 2.014102, float(atomic_masses[1])
    _, (row,) = run(tmp_path, "hydrogen", isotopes={0: heavy}, charge=1.0)
    by_length, reduced = (heavy - light) / (2 * (heavy + light)), heavy * light / (heavy + light)
    assert row["ir_km_mol-1"] == pytest.approx(AMU_E2_KM_MOL * by_length**2 / reduced, rel=1e-4)
    paths = tmp_path / "model.pt", tmp_path / "model.csv", tmp_path / "vpt2.csv"
    stage.run_vpt2(*paths, load=load_toy)
    (first, *_) = read_table(paths[2])[1]
    assert float(first["ir_km_mol-1"]) == pytest.approx(row["ir_km_mol-1"], rel=0.2)
    _, (symmetric,) = run(tmp_path, "hydrogen", charge=1.0)
    assert symmetric["ir_km_mol-1"] < 1e-6


def test_a_linear_molecule_has_its_fourth_mode(tmp_path):
    _, rows = run(tmp_path, "carbon dioxide")
    assert [row["mode"] for row in rows] == [1, 2, 3, 4]
    assert rows[0]["wavenumber_cm-1"] == pytest.approx(rows[1]["wavenumber_cm-1"], rel=1e-4)


def test_levels_of_a_linear_molecule(tmp_path, monkeypatch):
    """CO2's bend stays degenerate, its overtone has l = 0 and twice l = 2; longer molecules are refused."""
    conformers, _ = run(tmp_path, "carbon dioxide")
    paths = tmp_path / "model.pt", tmp_path / "model.csv", tmp_path / "vpt2.csv"
    stage.run_vpt2(*paths, load=load_toy)
    rows = [dict(row) for row in read_table(paths[2])[1]]
    level = {row["state"]: float(row["wavenumber_cm-1"]) for row in rows}
    assert len(level) == 14
    assert level["ν1"] == pytest.approx(level["ν2"], abs=0.1)
    overtones = sorted(level[state] for state in ("2ν1", "2ν2", "ν1+ν2"))
    assert min(np.diff(overtones)) < 0.1 < max(np.diff(overtones))
    bright = {row["state"] for row in rows if float(row["ir_km_mol-1"]) > 1}
    assert {"ν1", "ν2", "ν4"} <= bright and "ν3" not in bright

    row = np.arange(4)[:, None] * [[1.2, 0.0, 0.0]]
    longer = replace(conformers, numbers=np.array([1, 6, 6, 1]), positions=row[None])
    monkeypatch.setattr(stage, "read_conformers", lambda path: (longer, {}))
    monkeypatch.setattr(stage, "masses_of", lambda notes, path: np.array([1.0, 12.0, 12.0, 1.0]))
    with pytest.raises(InputError, match=r"linear with 4 atoms; its bends couple through.*leave it out"):
        stage.run_vpt2(*paths, load=load_toy)


def test_sticks_are_weighted_and_the_models_point_down(peroxide, tmp_path):
    import matplotlib.pyplot as plt

    folder, _, rows = peroxide
    text = (folder / "model.csv").read_text(encoding="utf-8")
    reference = tmp_path / "reference.csv"
    reference.write_text(
        text.replace("PaiNN, model", "RKS PBE0/def2-TZVP RI grid3, polarizability def2-TZVPD,")
    )
    tables = read_tables([folder / "model.csv", reference])
    assert [table.label for table in tables] == ["PBE0/def2-TZVP, α: def2-TZVPD", "PaiNN"]
    assert tables[0].heights["ir"] == pytest.approx([row["ir_km_mol-1"] for row in rows])  # one conformer
    figure, axis = plt.subplots()
    draw_sticks(axis, tables, "ir", np.array([100.0, 9000.0]))
    low, high = axis.get_ylim()
    assert low == pytest.approx(-high)
    plt.close(figure)


def test_a_polarizability_computed_anew_is_named(peroxide, tmp_path):
    text = (peroxide[0] / "model.csv").read_text(encoding="utf-8")
    text = text.replace("PaiNN, model", "RKS PBE0/def2-TZVP RI grid3, PySCF")
    (tmp_path / "reference.csv").write_text("# polarizability: RKS PBE0/def2-TZVPD RI, PySCF 2\n" + text)
    assert read_tables([tmp_path / "reference.csv"])[0].label == "PBE0/def2-TZVP, α: PBE0/def2-TZVPD"


def test_levels_of_theory_in_few_words():
    assert short_level("GFN2-xTB, tblite 0.4.0") == "GFN2-xTB"
    assert short_level("UKS B3LYP-D4/def2-SVP RI grid3 (response grid1), PySCF 2.9") == "B3LYP-D4/def2-SVP"
