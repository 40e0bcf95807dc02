"""Laws every PaiNN potential obeys, whatever its weights (float64, random weights, all four properties)."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from painn_spectra import keys
from painn_spectra.model.painn import PUBLISHED_EPSILON
from painn_spectra.model.potential import Potential
from painn_spectra.settings.training import ModelSettings

ETHANOL = torch.tensor([[6, 6, 8, 1, 1, 1, 1, 1, 1]])
MASSES = np.r_[1.0, 1.008, np.ones(4), 12.011, 14.007, 15.999, np.ones(86)]
EXACT = {"rtol": 0.0, "atol": 1e-10}


def make(charge: int = 0, cutoff_A: float = 5.0, seed: int = 1) -> Potential:
    torch.manual_seed(seed)
    potential = Potential(16, 3, 20, cutoff_A, standard_masses_amu=MASSES, charge=charge).double().eval()
    potential.energy_offset_eV[1] = -13.0
    potential.polarizability_offset_A3[6] = 1.2
    return potential


@pytest.fixture
def positions() -> torch.Tensor:
    """An asymmetric, chiral cluster of ethanol's atoms, (1, 9, 3) | Å."""
    generator = torch.Generator().manual_seed(3)
    grid = torch.cartesian_prod(*3 * [torch.arange(3.0, dtype=torch.float64)])[
        torch.randperm(27, generator=generator)
    ]
    return (1.3 * grid[:9] + 0.3 * torch.rand(9, 3, generator=generator, dtype=torch.float64)).unsqueeze(0)


def random_rotation(reflect: bool) -> torch.Tensor:
    matrix = torch.as_tensor(Rotation.random(random_state=5).as_matrix())
    return -matrix if reflect else matrix


@pytest.mark.parametrize("reflect", [False, True])
def test_rotation_and_reflection(positions, reflect):
    potential, q = make(), random_rotation(reflect)
    one, two = potential(ETHANOL, positions), potential(ETHANOL, positions @ q.T)
    torch.testing.assert_close(two[keys.ENERGY], one[keys.ENERGY], **EXACT)
    torch.testing.assert_close(two[keys.FORCES], one[keys.FORCES] @ q.T, **EXACT)
    torch.testing.assert_close(two[keys.DIPOLE], one[keys.DIPOLE] @ q.T, **EXACT)
    torch.testing.assert_close(two[keys.POLARIZABILITY], q @ one[keys.POLARIZABILITY] @ q.T, **EXACT)
    assert one[keys.DIPOLE].abs().max() > 1e-4 and one[keys.FORCES].abs().max() > 1e-4  # not trivially equal


@pytest.mark.parametrize("charge", [0, 1, -2])
def test_translation_leaves_everything(positions, charge):
    potential = make(charge)
    one, two = potential(ETHANOL, positions), potential(ETHANOL, positions + torch.tensor([10.0, -7.0, 3.0]))
    for name in keys.PROPERTIES:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-9)


def test_charge_is_carried_by_the_atomic_charges(positions):
    """Far-away parts of an ion: the same weights with another total charge shift μ by Q/N Σ(r − r_com)."""
    neutral, ion = make(0)(ETHANOL, positions), make(1)(ETHANOL, positions)
    masses = torch.as_tensor(MASSES)[ETHANOL[0]]
    centre = (masses[:, None] * positions[0]).sum(0) / masses.sum()
    expected = (positions[0] - centre).mean(0)
    torch.testing.assert_close(ion[keys.DIPOLE][0] - neutral[keys.DIPOLE][0], expected, **EXACT)


def test_permutation_of_equal_atoms(positions):
    potential = make()
    order = torch.tensor([1, 0, 2, 5, 3, 4, 8, 7, 6])  # swaps carbons, moves hydrogens
    one, two = potential(ETHANOL, positions), potential(ETHANOL[:, order], positions[:, order])
    torch.testing.assert_close(two[keys.FORCES], one[keys.FORCES][:, order], **EXACT)
    for name in (keys.ENERGY, keys.DIPOLE, keys.POLARIZABILITY):
        torch.testing.assert_close(two[name], one[name], **EXACT)


def test_batching_and_padding_change_nothing(positions):
    """Water padded to nine atoms beside ethanol equals water alone; padding receives no force."""
    potential = make()
    water = torch.tensor([[8, 1, 1]])
    sites = torch.tensor([[[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]], dtype=torch.float64)
    padded, far = torch.zeros(1, 9, dtype=torch.long), torch.zeros(1, 9, 3, dtype=torch.float64)
    padded[0, :3], far[0, :3] = water, sites
    alone = potential(water, sites)
    both = potential(torch.cat([ETHANOL, padded]), torch.cat([positions, far]))
    for name in (keys.ENERGY, keys.DIPOLE, keys.POLARIZABILITY):
        torch.testing.assert_close(both[name][1:], alone[name], **EXACT)
        torch.testing.assert_close(both[name][:1], potential(ETHANOL, positions)[name], **EXACT)
    torch.testing.assert_close(both[keys.FORCES][1:, :3], alone[keys.FORCES], **EXACT)
    assert both[keys.FORCES][1, 3:].abs().max() == 0


def test_forces_are_the_numeric_gradient(positions):
    potential, step = make(), 1e-4
    forces = potential(ETHANOL, positions)[keys.FORCES][0]
    for atom in range(9):
        for axis in range(3):
            moved = positions.repeat(2, 1, 1)
            moved[0, atom, axis] += step
            moved[1, atom, axis] -= step
            plus, minus = potential(ETHANOL.repeat(2, 1), moved, (keys.ENERGY,))[keys.ENERGY]
            # error of the central difference is step²/6 times the third derivative
            assert abs(-(plus - minus) / (2 * step) - forces[atom, axis]) < 1e-6


def test_second_derivatives_reach_the_weights(positions):
    """Training on forces needs ∂F/∂w: compared with a numeric derivative along a random direction."""
    potential = make().train()
    weights = [w for name, w in potential.named_parameters() if "dipole" not in name and "polar" not in name]
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights]

    def force_loss() -> torch.Tensor:
        return potential(ETHANOL, positions, (keys.ENERGY, keys.FORCES))[keys.FORCES].square().sum()

    gradient = torch.autograd.grad(
        force_loss(), weights, materialize_grads=True
    )  # no force from the last bias
    analytic = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
    values, step = [], 1e-5
    for sign in (1, -2):
        with torch.no_grad():
            for w, d in zip(weights, direction, strict=True):
                w += sign * step * d
        values.append(force_loss().detach())
    torch.testing.assert_close(analytic.detach(), (values[0] - values[1]) / (2 * step), rtol=1e-5, atol=0)


def test_smooth_at_the_cutoff():
    """Energy and force vanish continuously as a pair leaves r_c; beyond, nothing is felt."""
    potential = make(cutoff_A=3.0)
    pair = torch.tensor([[8, 1]])

    def at(distance_A: float) -> dict[str, torch.Tensor]:
        return potential(pair, torch.tensor([[[0.0, 0, 0], [distance_A, 0, 0]]], dtype=torch.float64))

    apart = at(50.0)
    for gap in (1e-3, 1e-4):
        inside = at(3.0 - gap)
        assert abs(inside[keys.ENERGY] - apart[keys.ENERGY]) < 10 * gap**2  # cutoff is (π gap/2r_c)² there
        assert inside[keys.FORCES].abs().max() < 10 * gap
    torch.testing.assert_close(at(3.0 + 1e-9)[keys.ENERGY], apart[keys.ENERGY], rtol=0, atol=1e-15)
    assert apart[keys.FORCES].abs().max() == 0


def test_isolated_atom_has_no_dipole_and_isotropic_polarizability():
    out = make()(torch.tensor([[8]]), torch.zeros(1, 1, 3, dtype=torch.float64))
    assert out[keys.FORCES].abs().max() == 0
    assert out[keys.DIPOLE].abs().max() < PUBLISHED_EPSILON
    alpha = out[keys.POLARIZABILITY][0]
    torch.testing.assert_close(alpha, alpha[0, 0] * torch.eye(3, dtype=torch.float64), **EXACT)


def test_paper_size():
    """588.3 k parameters for F = 128, three layers, energy head only (arXiv:2102.03150, table 5)."""
    potential = Potential(128, 3, 20, 5.0)
    count = sum(w.numel() for part in (potential.painn, potential.energy_head) for w in part.parameters())
    assert round(count / 1e3, 1) == 588.3


def test_offset_survives_single_precision(positions):
    """A −4215 eV offset in float32 would round every energy to 0.2 meV."""
    potential = make()
    potential.energy_offset_eV[6] = -1000.0 / 3
    exact = potential(ETHANOL, positions)[keys.ENERGY]
    single = potential.float()(ETHANOL, positions.float())[keys.ENERGY]
    assert single.dtype == torch.float64
    assert abs(exact - single) < 1e-5


def test_single_precision_forces(positions):
    double = make()(ETHANOL, positions)[keys.FORCES]
    single = make().float()(ETHANOL, positions.float())[keys.FORCES]
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5 * float(double.abs().max()))


@pytest.mark.parametrize("norm_epsilon", [ModelSettings().norm_epsilon, 1.0])
def test_a_site_without_a_vector_has_no_kink(norm_epsilon):
    """Methane's carbon: second differences of the energy are those of any step, the same along all axes."""
    torch.manual_seed(2)
    potential = Potential(16, 3, 8, 5.0, MASSES, norm_epsilon=norm_epsilon).double().eval()
    corners = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.63
    numbers = torch.tensor([[6, 1, 1, 1, 1]])

    def stiffness(step, axis):
        ends = corners.double().repeat(2, 1, 1)
        ends[0, 0, axis], ends[1, 0, axis] = step, -step
        pull = potential(numbers.expand(2, -1), ends)[keys.FORCES][:, 0, axis]
        return float(pull[1] - pull[0]) / (2 * step)

    fine = [stiffness(1e-4, axis) for axis in range(3)]
    assert fine == pytest.approx(3 * [fine[0]], rel=1e-6)
    assert stiffness(0.005, 0) == pytest.approx(fine[0], rel=0.02)
