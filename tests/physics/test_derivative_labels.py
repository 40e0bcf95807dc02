"""Labels of ∂μ/∂r and ∂α/∂r against differences of labels, and the gradient they rest on against PySCF's."""

import gc
import weakref

import numpy as np
import pytest
from ase.build import molecule

from painn_spectra import keys
from painn_spectra.derivative_labels import sum_rule_residual
from painn_spectra.errors import InputError
from painn_spectra.reference.label import compute_label
from painn_spectra.settings.molecule import Method

pyscf = pytest.importorskip("pyscf")
pytestmark = pytest.mark.physics

STEP_A = 4e-3
ELECTRIC = (keys.DIPOLE, keys.POLARIZABILITY)
# of the largest component, and of 1 e and 1 Å²: what the steps of both sides leave
TOLERANCE = {keys.DIPOLE: 1e-3, keys.POLARIZABILITY: 5e-3}


def bent_water():
    water = molecule("H2O")
    water.positions[1] += [0.05, 0.02, -0.03]
    return water


@pytest.mark.parametrize(
    ("name", "multiplicity", "charge", "method"),
    [
        ("H2O", 1, 0, Method(basis="6-31G")),
        ("H2O", 1, 0, Method(functional="HF", basis="6-31G", density_fitting=False)),
        ("H2O", 1, 0, Method(basis="STO-3G", polarizability_basis="6-31G")),
        ("H2O", 2, 1, Method(basis="6-31G", functional="PBE")),  # its dipole follows the centre of mass
        ("NH3", 2, 1, Method(program="gfn2-xtb")),
        ("CH3OH", 1, 0, Method(program="gfn2-xtb")),
    ],
)
def test_derivatives_equal_differences_of_labels(name, multiplicity, charge, method):
    method = method.model_copy(update={"grid_level": 2, "response_grid_level": 2})
    atoms = bent_water() if name == "H2O" else molecule(name)
    rng = np.random.default_rng(0)
    atoms.positions += 0.03 * rng.normal(size=atoms.positions.shape)  # off symmetry: no component is zero
    state = charge, multiplicity
    labels = compute_label(atoms.numbers, atoms.positions, method, *state, ELECTRIC, derivatives=True)
    along = rng.normal(size=atoms.positions.shape)
    plus, minus = (
        compute_label(atoms.numbers, atoms.positions + sign * STEP_A * along, method, *state, ELECTRIC)
        for sign in (1, -1)
    )
    for tensor, derivative in keys.DERIVATIVES.items():
        change = np.einsum("i...z,iz->...", labels[derivative], along)
        difference = (plus[tensor] - minus[tensor]) / (2 * STEP_A)
        scale = max(1.0, np.abs(difference).max())
        np.testing.assert_allclose(change, difference, atol=TOLERANCE[tensor] * scale)
        assert sum_rule_residual(labels[derivative], atoms.positions, labels[tensor]) < 0.01


@pytest.mark.parametrize(
    ("functional", "spin", "charge"),
    [("PBE0", 0, 0), ("PBE", 0, 0), ("LDA,VWN", 0, 0), ("B3LYP", 1, 1), ("LDA,VWN", 2, 0)],
)
def test_own_gradient_is_pyscfs(functional, spin, charge):
    """With and without basis functions kept on the grid; 1e-9 Eh/a0 is rounding."""
    from painn_spectra.reference.gradient import Gradient, fits
    from painn_spectra.reference.quadrature import DenseNumInt

    mol = pyscf.gto.M(
        atom="O 0 0 0; H 0.1 0.7 0.6; H 0 -0.8 0.55", basis="def2-SVP", spin=spin, charge=charge, verbose=0
    )
    mf = (pyscf.dft.UKS if spin else pyscf.dft.RKS)(mol, xc=functional).density_fit()
    mf._numint = DenseNumInt()
    mf.grids.level = 1
    mf.kernel()
    theirs = mf.nuc_grad_method()
    theirs.verbose = 0
    assert fits(mf)
    for often in (False, True):
        np.testing.assert_allclose(Gradient(mf, often)(mf), theirs.kernel(), atol=1e-9)


def test_core_potentials_count_in_energies_forces_and_fields():
    """HI: with 25 electrons of iodine, forces are the gradient and derivatives turn with the molecule."""
    iodide = molecule("HCl")
    iodide.numbers[iodide.numbers == 17] = 53
    positions = np.array([[0.0, 0.0, 0.0], [0.3, 0.2, 1.6]])
    method = Method(functional="PBE", basis="def2-SVP", grid_level=2, response_grid_level=2)
    labels = compute_label(iodide.numbers, positions, method, derivatives=True)
    assert -310 < labels[keys.ENERGY] / 27.2114 < -290  # 6,900 Eh with all electrons
    assert set(keys.DERIVATIVES.values()) <= set(labels)
    along, moved = np.array([[0.0, 0.0, 0.0], [0.1, 0.5, 0.8]]), []
    for sign in (1, -1):
        moved.append(compute_label(iodide.numbers, positions + sign * STEP_A * along, method))
    slope = (moved[0][keys.ENERGY] - moved[1][keys.ENERGY]) / (2 * STEP_A)
    assert slope == pytest.approx(-np.sum(labels[keys.FORCES] * along), abs=5e-3)
    change = np.einsum("ixz,iz->x", labels[keys.DIPOLE_DERIVATIVE], along)
    difference = (moved[0][keys.DIPOLE] - moved[1][keys.DIPOLE]) / (2 * STEP_A)
    np.testing.assert_allclose(change, difference, atol=2e-3)


def test_a_soft_molecule_gets_a_weaker_field():
    """LiH's second hyperpolarizability makes ∂α/∂r wrong by 8 % in the first field."""
    lithium = molecule("LiH")
    lithium.positions[1] += [0.1, -0.05, 0.1]
    method = Method(basis="6-31G", density_fitting=False, grid_level=2, response_grid_level=2)
    labels = compute_label(lithium.numbers, lithium.positions, method, 0, 1, ELECTRIC, derivatives=True)
    residual = sum_rule_residual(
        labels[keys.POLARIZABILITY_DERIVATIVE], lithium.positions, labels[keys.POLARIZABILITY]
    )
    assert residual < 0.015


def test_derivatives_that_fail_leave_the_label(monkeypatch, capsys):
    """A field without convergence, and derivatives that do not turn: told, and the rest is kept."""
    water = bent_water()
    method = Method(basis="STO-3G", grid_level=0, response_grid_level=0)

    def fails(*_):
        raise InputError("PBE0/STO-3G did not converge")

    with monkeypatch.context() as patch:
        patch.setattr("painn_spectra.reference.in_field.InField.gradient", fails)
        labels = compute_label(water.numbers, water.positions, method, derivatives=True)
    assert set(labels) == set(keys.PROPERTIES)
    assert "no derivatives: in a field PBE0/STO-3G did not converge" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr("painn_spectra.reference.field_derivatives.SUM_RULE", 1e-9)
        labels = compute_label(water.numbers, water.positions, method, derivatives=True)
    assert set(labels) == set(keys.PROPERTIES)
    assert capsys.readouterr().out.count("does not turn with the molecule") == 2


def test_fields_are_freed_without_a_collection():
    """A cycle would keep a gigabyte of integrals per label until Python looks for cycles."""
    from painn_spectra.reference import dft
    from painn_spectra.reference.in_field import InField

    water, method = bent_water(), Method(basis="STO-3G", grid_level=0, response_grid_level=0)
    mf = dft._self_consistent(water.numbers, water.positions, method, "STO-3G", 0, 1)
    gc.disable()
    try:
        in_field = InField(mf, method)
        in_field.gradient(np.array([0.005, 0.0, 0.0]))
        watched = weakref.ref(in_field), weakref.ref(in_field.own)
        del in_field
        assert [one() for one in watched] == [None, None]
    finally:
        gc.enable()


def test_a_dependent_auxiliary_basis_is_solved_without_what_is_dependent():
    from painn_spectra.reference.gradient import metric_solver

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 4))
    metric = vectors @ vectors.T  # rank 4 of 6
    right = metric @ rng.normal(size=6)
    np.testing.assert_allclose(metric @ metric_solver(metric)(right), right, atol=1e-9)


def test_what_the_own_gradient_does_not_know_is_pyscfs():
    from painn_spectra.reference.gradient import fits
    from painn_spectra.reference.quadrature import DenseNumInt

    def known(functional, fitted=True, numint=DenseNumInt):
        mf = pyscf.dft.RKS(pyscf.gto.M(atom="He", basis="def2-SVP", verbose=0), xc=functional)
        mf = mf.density_fit() if fitted else mf
        mf._numint = numint()
        return fits(mf)

    assert known("PBE0")
    assert not any(known(functional) for functional in ("r2SCAN", "CAM-B3LYP", "wB97X-V"))
    assert not any(known(functional) for functional in ("b3lyp-d3bj", "pbe0-d4"))
    assert not known("PBE0", fitted=False)
    assert not known("PBE0", numint=pyscf.dft.numint.NumInt)  # as on a GPU: not ours
