"""Coupled-perturbed Kohn-Sham polarizabilities against finite fields, and labels against their definitions.

The finite-field side is PySCF alone: energies in a field, no response code.
"""

import numpy as np
import pytest
from ase.build import molecule

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.reference import dft
from painn_spectra.reference.label import check_method, compute_label, describe
from painn_spectra.settings.molecule import Method
from painn_spectra.units import BOHR3_A3, BOHR_A, HARTREE_EV

pyscf = pytest.importorskip("pyscf")
pytestmark = pytest.mark.physics

SMALL = Method(functional="PBE0", basis="def2-SVP", grid_level=1)
STEP_AU = 2e-3  # hyperpolarizabilities of water enter α at a tenth of the tolerance


def bent_water() -> tuple[np.ndarray, np.ndarray]:
    water = molecule("H2O")
    water.positions[1] += [0.05, 0.02, -0.03]
    return water.numbers, water.positions


def finite_field(numbers, positions, method: Method, multiplicity: int = 1) -> np.ndarray:
    """α = ∂μ/∂F by central differences, a0³, on the response's grid."""
    fine = method.model_copy(update={"grid_level": method.response_grid_level})
    masses = np.array([pyscf.data.elements.MASSES[z] for z in numbers])
    free = dft._self_consistent(numbers, positions - masses @ positions / masses.sum(), fine, fine.basis, 0,
                                multiplicity)  # fmt: skip
    core = free.get_hcore()
    dipole_integrals = free.mol.intor_symmetric("int1e_r")
    columns = []
    for axis in dipole_integrals:
        moments = []
        for sign in (1, -1):
            mf = free.copy()
            mf.get_hcore = lambda *_, sign=sign, axis=axis: core + sign * STEP_AU * axis
            mf.conv_tol = 1e-11
            mf.kernel(free.make_rdm1())
            moments.append(mf.dip_moment(unit="AU", verbose=0))
        columns.append((moments[0] - moments[1]) / (2 * STEP_AU))
    return np.array(columns)


@pytest.mark.parametrize(
    ("functional", "basis", "density_fitting"),
    [
        ("PBE0", "def2-SVP", True),
        ("HF", "def2-SVP", False),
        ("LDA,VWN", "def2-SVP", True),
        ("r2SCAN", "def2-SVP", True),
        ("CAM-B3LYP", "def2-SVP", True),
    ],
)
def test_response_equals_a_finite_field(functional, basis, density_fitting):
    method = Method(functional=functional, basis=basis, density_fitting=density_fitting, grid_level=1)
    numbers, positions = bent_water()
    alpha = compute_label(numbers, positions, method, properties=(keys.POLARIZABILITY,))[keys.POLARIZABILITY]
    np.testing.assert_allclose(alpha / BOHR3_A3, finite_field(numbers, positions, method), atol=1e-3)


def test_response_of_an_open_shell_equals_a_finite_field():
    radical = molecule("OH")
    alpha = compute_label(radical.numbers, radical.positions, SMALL, 0, 2)[keys.POLARIZABILITY]
    expected = finite_field(radical.numbers, radical.positions, SMALL, 2)
    # the two lowest states of a Π radical differ by the plane of the unpaired electron: compare invariants
    np.testing.assert_allclose(
        np.linalg.eigvalsh(alpha / BOHR3_A3), np.linalg.eigvalsh(0.5 * (expected + expected.T)), atol=1e-3
    )


def test_response_of_a_single_electron_equals_a_finite_field():
    """A hydrogen atom: one spin has no electrons."""
    numbers, positions = np.array([1]), np.zeros((1, 3))
    alpha = compute_label(numbers, positions, SMALL, 0, 2)[keys.POLARIZABILITY]
    np.testing.assert_allclose(alpha / BOHR3_A3, finite_field(numbers, positions, SMALL, 2), atol=1e-3)


def test_forces_are_the_gradient_of_the_energy():
    numbers, positions = bent_water()
    method = SMALL.model_copy(update={"grid_level": 3})  # a coarse grid's own response is not in the gradient
    forces, step = compute_label(numbers, positions, method, properties=(keys.FORCES,))[keys.FORCES], 2e-3
    energies = []
    for sign in (1, -1):
        moved = positions.copy()
        moved[1, 1] += sign * step
        energies.append(compute_label(numbers, moved, method, properties=(keys.ENERGY,))[keys.ENERGY])
    assert -(energies[0] - energies[1]) / (2 * step) == pytest.approx(forces[1, 1], abs=2e-3)


def test_own_integration_and_coarse_start_change_nothing():
    """PySCF's plain restricted Kohn-Sham, from its own guess and by its own quadrature."""
    numbers, positions = bent_water()
    labels = compute_label(
        numbers, positions, Method(basis="def2-SVP"), properties=(keys.ENERGY, keys.FORCES)
    )
    atoms = [(int(z), r / BOHR_A) for z, r in zip(numbers, positions, strict=True)]
    mol = pyscf.gto.M(atom=atoms, unit="Bohr", basis="def2-SVP", verbose=0)
    mf = pyscf.dft.RKS(mol, xc="PBE0").density_fit()
    mf.grids.level = 3
    assert labels[keys.ENERGY] == pytest.approx(mf.kernel() * HARTREE_EV, abs=1e-6)
    forces = -mf.nuc_grad_method().kernel() * HARTREE_EV / BOHR_A
    np.testing.assert_allclose(labels[keys.FORCES], forces, atol=2e-4)


@pytest.mark.parametrize(("name", "multiplicity"), [("H2O", 1), ("OH", 2)])
def test_the_second_order_solver_takes_over(monkeypatch, name, multiplicity):
    """Where DIIS gives up, the labels are those that it would have given."""
    atoms = molecule(name)
    expected = compute_label(atoms.numbers, atoms.positions, SMALL, 0, multiplicity)
    kernel, gave_up = pyscf.scf.hf.SCF.kernel, []

    def gives_up(self, *arguments, **more):
        energy = kernel(self, *arguments, **more)
        self.converged = False
        gave_up.append(self)
        return energy

    monkeypatch.setattr(pyscf.df.df_jk._DFHF, "kernel", gives_up, raising=False)
    labels = compute_label(atoms.numbers, atoms.positions, SMALL, 0, multiplicity)
    assert gave_up
    assert labels[keys.ENERGY] == pytest.approx(expected[keys.ENERGY], abs=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(labels[keys.FORCES]), np.linalg.norm(expected[keys.FORCES]), atol=1e-3
    )


def test_diffuse_functions_for_the_polarizability_alone():
    numbers, positions = bent_water()
    plain, diffuse = (
        compute_label(numbers, positions, SMALL.model_copy(update={"polarizability_basis": basis}))
        for basis in (None, "def2-SVPD")
    )
    np.testing.assert_allclose(plain[keys.DIPOLE], diffuse[keys.DIPOLE], atol=1e-7)
    own = compute_label(numbers, positions, SMALL.model_copy(update={"basis": "def2-SVPD"}))
    np.testing.assert_allclose(diffuse[keys.POLARIZABILITY], own[keys.POLARIZABILITY], atol=1e-4)
    assert np.trace(diffuse[keys.POLARIZABILITY]) > 1.3 * np.trace(plain[keys.POLARIZABILITY])


def test_an_ion_and_a_translation():
    """An ion's dipole is about the centre of mass, so that shifting the molecule changes no label."""
    ammonium = molecule("NH3")
    method = SMALL.model_copy(update={"functional": "HF"})
    one = compute_label(ammonium.numbers, ammonium.positions, method, 1, 2)
    two = compute_label(ammonium.numbers, ammonium.positions + np.array([3.0, -2.0, 1.0]), method, 1, 2)
    for name in keys.PROPERTIES:
        np.testing.assert_allclose(one[name], two[name], atol=2e-4)


def test_dispersion_lowers_the_energy_and_is_named():
    pytest.importorskip("pyscf.dispersion")
    numbers, positions = bent_water()
    energies = [
        compute_label(numbers, positions, SMALL.model_copy(update={"dispersion": kind}),
                      properties=(keys.ENERGY,))[keys.ENERGY]
        for kind in (None, "D3(BJ)", "D4")
    ]  # fmt: skip
    assert energies[1] < energies[0]
    assert energies[2] < energies[0]
    assert "PBE0-D4/def2-SVP" in describe(SMALL.model_copy(update={"dispersion": "D4"}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"functional": "PBE00"}, "method.functional = 'PBE00': not known to PySCF"),
        ({"functional": None}, "method.functional = None: not known"),
        ({"basis": "def2-TZVPX"}, "method.basis = 'def2-TZVPX': PySCF has no such basis for H"),
        ({"polarizability_basis": "aug"}, "method.polarizability_basis = 'aug': PySCF has no such basis"),
        ({"basis": None}, "method.basis = None"),
    ],
)
def test_unknown_functional_or_basis_is_one_line(change, words):
    with pytest.raises(InputError) as caught:
        check_method(SMALL.model_copy(update=change), np.array([8, 1, 1]))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_brought_labels_are_not_computed():
    with pytest.raises(InputError, match="brought along, not computed"):
        compute_label(*bent_water(), Method(program="other"))
