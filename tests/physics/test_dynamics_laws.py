"""Laws that any correct dynamics obeys; thresholds are multiples of the standard error over replicas."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.md.verlet import VelocityVerlet
from toy_potentials import GEOMETRIES, Toy, Well

from painn_spectra.ase import PaiNNCalculator
from painn_spectra.md.integrators import baoab_step, evaluate, verlet_step
from painn_spectra.md.minima import surface
from painn_spectra.md.state import (
    State,
    centred,
    degrees_of_freedom,
    half_step_kinetic_energy,
    inertia_tensor,
    kinetic_energy,
    kinetic_temperature,
    thermal_velocities,
    without_rotation,
)
from painn_spectra.normal_modes import is_linear
from painn_spectra.relaxation import relax
from painn_spectra.units import ACCELERATION_A_FS2, BOLTZMANN_EV_K

SIGMAS = 4.0
TEMPERATURE_K = 300.0


def toy_state(name: str, n_replicas: int, potential: torch.nn.Module | None = None) -> tuple[State, Toy]:
    """Replicas of a toy molecule at its minimum with thermal velocities and no net momentum."""
    symbols, geometry = GEOMETRIES[name]
    atoms = Atoms(symbols, geometry)
    potential = potential or Toy(name)
    positions = torch.tensor(np.array([geometry] * n_replicas))
    zero = torch.zeros_like(positions)
    masses = torch.tensor(atoms.get_masses())[:, None]
    numbers = torch.tensor(atoms.numbers).expand(n_replicas, -1)
    state = State(
        tuple(range(n_replicas)), numbers, masses, centred(positions, masses), zero, zero, zero[:, 0, 0]
    )
    evaluate(state, potential)
    state.velocities = centred(thermal_velocities(state, TEMPERATURE_K, seed=1), masses)
    return state, potential


def well_state(n_replicas: int, stiffness_eV_A2: float, mass_amu: float) -> tuple[State, Well]:
    """Single atoms in isotropic harmonic wells, at rest in the middle."""
    zero = torch.zeros(n_replicas, 1, 3, dtype=torch.float64)
    masses = torch.full((1, 1), mass_amu, dtype=torch.float64)
    numbers = torch.ones(n_replicas, 1, dtype=torch.long)
    state = State(tuple(range(n_replicas)), numbers, masses, zero, zero, zero, zero[:, 0, 0])
    return state, Well(stiffness_eV_A2)


def total_energy(state: State) -> torch.Tensor:
    return state.potential_energy + kinetic_energy(state.velocities, state.masses_amu)


def within(per_replica: np.ndarray, expected: float) -> bool:
    """Whether the mean over independent replicas agrees with `expected`."""
    error = per_replica.std(ddof=1) / math.sqrt(len(per_replica))
    return bool(abs(per_replica.mean() - expected) < SIGMAS * error)


def test_verlet_follows_its_closed_form() -> None:
    """x_n = x_0 cos(nθ), θ = 2 asin(ωΔt/2): the shift of the spectral axis rests on this."""
    state, well = well_state(1, 30.0, 1.0)
    state.positions = torch.full((1, 1, 3), 0.1, dtype=torch.float64)
    evaluate(state, well)
    timestep_fs = 1.0
    theta = 2 * math.asin(math.sqrt(30.0 * ACCELERATION_A_FS2) * timestep_fs / 2)
    for n in range(1, 501):
        verlet_step(state, well, timestep_fs)
        assert float(state.positions[0, 0, 0]) == pytest.approx(0.1 * math.cos(n * theta), abs=1e-11)


def test_verlet_agrees_with_ase_step_by_step() -> None:
    state, toy = toy_state("peroxide", 1)
    atoms = Atoms(GEOMETRIES["peroxide"][0], state.positions[0].numpy(), calculator=PaiNNCalculator(toy))
    unit = math.sqrt(ACCELERATION_A_FS2)  # fs -> Å √(amu/eV), without ASE's older constants
    atoms.set_velocities(state.velocities[0].numpy() / unit)
    reference = VelocityVerlet(atoms, timestep=0.5 * unit)
    for _ in range(50):
        verlet_step(state, toy, 0.5)
        reference.run(1)
        assert np.abs(state.positions[0].numpy() - atoms.positions).max() < 1e-10
        assert np.abs(state.velocities[0].numpy() / unit - atoms.get_velocities()).max() < 1e-10


def test_energy_fluctuation_is_second_order() -> None:
    fluctuation = []
    for timestep_fs, n_steps in ((0.4, 250), (0.2, 500), (0.1, 1000)):
        state, toy = toy_state("water", 4)
        energies = []
        for _ in range(n_steps):
            verlet_step(state, toy, timestep_fs)
            energies.append(total_energy(state))
        fluctuation.append(float(torch.stack(energies).std(0).mean()))
    assert fluctuation[0] / fluctuation[1] == pytest.approx(4.0, rel=0.05)
    assert fluctuation[1] / fluctuation[2] == pytest.approx(4.0, rel=0.02)


@pytest.mark.physics
def test_energy_does_not_drift() -> None:
    state, toy = toy_state("water", 24)
    times_ps, energies = [], []
    for step in range(2000):
        verlet_step(state, toy, 0.5)
        times_ps.append(step * 0.5e-3)
        energies.append(total_energy(state).numpy())
    slopes = np.polyfit(times_ps, np.array(energies), 1)[0]  # (n_replicas,) | eV/ps
    assert within(slopes, 0.0)
    assert np.abs(slopes).max() < 1e-4


def test_time_reversal() -> None:
    state, toy = toy_state("peroxide", 3)
    positions, velocities = state.positions.clone(), state.velocities.clone()
    for _ in range(300):
        verlet_step(state, toy, 0.5)
    assert (state.positions - positions).abs().max() > 0.1
    state.velocities = -state.velocities
    for _ in range(300):
        verlet_step(state, toy, 0.5)
    assert torch.allclose(state.positions, positions, atol=1e-9)
    assert torch.allclose(state.velocities, -velocities, atol=1e-10)


def test_momenta_are_conserved() -> None:
    state, toy = toy_state("peroxide", 3)

    def momenta() -> torch.Tensor:
        linear = state.masses_amu * state.velocities
        return torch.cat([linear.sum(1), torch.linalg.cross(state.positions, linear).sum(1)], 1)

    before = momenta()
    for _ in range(300):
        verlet_step(state, toy, 0.5)
    assert torch.allclose(momenta(), before, atol=1e-11)
    assert before[:, :3].abs().max() < 1e-12 < before[:, 3:].abs().max()


@pytest.mark.physics
@pytest.mark.parametrize("omega_dt", [0.3, 1.0])
def test_langevin_samples_a_harmonic_well_exactly(omega_dt: float) -> None:
    """k⟨x²⟩ = k_B T at any time step, and so is the half-step kinetic energy: 3/2 k_B T."""
    mass_amu, timestep_fs = 1.0, 1.0
    stiffness = (omega_dt / timestep_fs) ** 2 * mass_amu / ACCELERATION_A_FS2
    state, well = well_state(64, stiffness, mass_amu)
    squares, kinetic = [], []
    for step in range(1500):
        baoab_step(state, well, timestep_fs, TEMPERATURE_K, 400.0, seed=3)
        if step >= 100:
            squares.append(state.positions.square().mean((1, 2)).numpy())
            kinetic.append(half_step_kinetic_energy(state, timestep_fs).numpy())
    thermal = BOLTZMANN_EV_K * TEMPERATURE_K
    potential = stiffness * np.mean(squares, 0) / thermal  # (n_replicas,)
    motion = np.mean(kinetic, 0) / (1.5 * thermal)
    assert potential.std(ddof=1) / 8 < 0.01  # the test can see 4 %; a first-order scheme is off by (ωΔt)²/4
    assert within(potential, 1.0)
    assert within(motion, 1.0)


@pytest.mark.physics
def test_langevin_equipartition_per_atom() -> None:
    state, toy = toy_state("peroxide", 48)
    kinetic = []
    for step in range(1200):
        baoab_step(state, toy, 0.5, TEMPERATURE_K, 100.0, seed=5)
        if step >= 200:
            kick = 0.5 * 0.5 * state.accelerations  # half-step velocities are v ± aΔt/2
            kinetic.append((state.masses_amu * (state.velocities.square() + kick.square())).sum(2).numpy())
    thermal = 3 * BOLTZMANN_EV_K * TEMPERATURE_K * ACCELERATION_A_FS2
    per_atom = np.mean(kinetic, 0) / thermal  # (n_replicas, n_atoms)
    for atom in range(4):
        assert within(per_atom[:, atom], 1.0), atom
        assert per_atom[:, atom].std(ddof=1) / math.sqrt(48) < 0.02


def test_noise_belongs_to_replica_and_step_alone() -> None:
    state, _ = toy_state("water", 6)
    everyone = thermal_velocities(state, TEMPERATURE_K, seed=2)
    state.replicas, state.positions = state.replicas[4:], state.positions[4:]
    assert torch.equal(thermal_velocities(state, TEMPERATURE_K, seed=2), everyone[4:])
    assert not torch.equal(thermal_velocities(state, TEMPERATURE_K, seed=3), everyone[4:])
    state.step += 1
    assert not torch.equal(thermal_velocities(state, TEMPERATURE_K, seed=2), everyone[4:])


@pytest.mark.parametrize(("name", "n_internal"), [("water", 3), ("carbon dioxide", 4), ("hydrogen", 1)])
def test_rotation_is_removed_without_rescaling(name: str, n_internal: int) -> None:
    """The projection takes ½ k_B T per rotation, leaves the other degrees of freedom thermal, and L = 0."""
    state, _ = toy_state(name, 4000)
    linear = is_linear(state.positions[0].numpy(), state.masses_amu[:, 0].numpy())
    assert linear == (name != "water")
    velocities = without_rotation(state.positions, state.velocities, state.masses_amu, linear)
    momentum = torch.linalg.cross(state.positions, state.masses_amu * velocities).sum(1)
    assert momentum.abs().max() < 1e-12
    assert (state.masses_amu * velocities).sum(1).abs().max() < 1e-12
    dof = degrees_of_freedom(len(state.masses_amu), linear, rotation_removed=True)
    assert dof == n_internal
    temperatures = kinetic_temperature(kinetic_energy(velocities, state.masses_amu), dof)
    assert within(temperatures.numpy(), TEMPERATURE_K)
    kept = kinetic_temperature(
        kinetic_energy(state.velocities, state.masses_amu),
        degrees_of_freedom(len(state.masses_amu), linear, False),
    )
    assert within(kept.numpy(), TEMPERATURE_K)


def test_moments_of_inertia_are_those_of_ase() -> None:
    state, _ = toy_state("peroxide", 1)
    atoms = Atoms(GEOMETRIES["peroxide"][0], state.positions[0].numpy())
    ours = torch.linalg.eigvalsh(inertia_tensor(state.positions, state.masses_amu))[0].numpy()
    assert ours == pytest.approx(np.sort(atoms.get_moments_of_inertia()), rel=1e-12)
    assert not is_linear(atoms.positions, atoms.get_masses())


def test_a_long_bent_chain_is_not_linear() -> None:
    """HC8OH: its O–H alone leaves the axis, and I_a/I_c = 6e-4 is still a moment to turn about."""
    x = np.cumsum([0.0, 1.06, *[1.21, 1.37] * 3, 1.21, 1.32])  # H C₈ O | Å
    chain = np.zeros((11, 3))
    chain[:10, 0], chain[10] = x, [x[-1] + 0.32, 0.91, 0.0]
    atoms = Atoms("HC8OH", chain)
    moments = np.sort(atoms.get_moments_of_inertia())
    assert 4e-4 < moments[0] / moments[2] < 8e-4
    assert not is_linear(atoms.positions, atoms.get_masses())


@pytest.mark.parametrize("symbols", ["COO", "HCCCCCCCCH"])
def test_a_relaxed_linear_molecule_is_linear(symbols: str) -> None:
    """Relaxation stops at forces of 1e-3 eV/Å: against 0.5 eV/Å² of a soft bend, 2 mÅ off the axis."""
    if symbols == "COO":
        on = surface(Toy("carbon dioxide"), np.array([6, 8, 8]))
        shaken = GEOMETRIES["carbon dioxide"][1] + np.random.default_rng(3).normal(scale=0.05, size=(6, 3, 3))
        geometries, _, _ = relax(on, shaken)
    else:
        x = np.cumsum([0.0, 1.06, *[1.21, 1.37] * 3, 1.21, 1.06])
        off = np.random.default_rng(4).normal(scale=2e-3, size=(6, 10, 3))
        geometries = off + x[:, None] * [1.0, 0.0, 0.0]
    for geometry in geometries:
        assert is_linear(geometry, Atoms(symbols).get_masses())
