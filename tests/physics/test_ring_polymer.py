"""Ring polymers against closed forms: oscillators, the free ring polymer, and classical dynamics."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.linalg import expm, solve_discrete_lyapunov
from toy_potentials import GEOMETRIES, Toy, Well

from painn_spectra.md.integrators import evaluate
from painn_spectra.md.mechanics import mechanics
from painn_spectra.md.ring_polymer import PILE_LAMBDA, RingPolymer, RingState
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.units import ACCELERATION_A_FS2, BOLTZMANN_EV_K, EV_CM, HBAR_EV_FS

TEMPERATURE_K = 300.0
MASS_AMU = 1.008
STIFFNESS_EV_A2 = 40.0  # 3300 cm⁻¹ for hydrogen
BEADS = [1, 2, 3, 8, 64]
SIGMA = 4.0
KT = BOLTZMANN_EV_K * TEMPERATURE_K


def polymers(n_beads: int, n_replicas: int, n_atoms: int, seed: int = 0) -> RingState:
    """Beads scattered by 0.1 Å with velocities of P·T."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n_replicas * n_beads, n_atoms, 3)
    r, v = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    masses = torch.full((n_atoms, 1), MASS_AMU, dtype=torch.float64)
    v *= math.sqrt(n_beads * KT / MASS_AMU * ACCELERATION_A_FS2)
    zero = torch.zeros(n_replicas * n_beads, dtype=torch.float64)
    numbers = torch.ones(shape[:2], dtype=torch.int64)
    return RingState(tuple(range(n_replicas)), numbers, masses, 0.1 * r, v, torch.zeros(shape).double(), zero)


def discrete_variance(
    ring: RingPolymer, omega: float, timestep_fs: float, friction_per_fs: float
) -> np.ndarray:
    """⟨a_k²⟩ of each normal mode in a well, as the sampling step of finite length has it; k_BT/m is 1.

    The step is linear: x ← M x + noise, so that the stationary covariance solves C = M C Mᵀ + N.
    """
    found = []
    for k, free in enumerate(ring.frequencies.tolist()):
        kick = np.array([[1, 0], [-(omega**2) * timestep_fs / 2, 1]])
        half = expm(np.array([[0, 1], [-(free**2), 0]]) * timestep_fs / 2)
        kept = math.exp(-timestep_fs * (2 * PILE_LAMBDA * free if k else friction_per_fs))
        matrix = kick @ half @ np.diag([1, kept]) @ half @ kick
        noise = kick @ half @ np.diag([0, ring.n_beads * (1 - kept**2)]) @ half.T @ kick.T
        found.append(solve_discrete_lyapunov(matrix, noise)[0, 0])
    return np.array(found)


@pytest.mark.parametrize("n_beads", BEADS)
def test_free_modes_are_those_of_the_springs(n_beads: int) -> None:
    ring = RingPolymer(n_beads, TEMPERATURE_K)
    chain = 2 * np.eye(n_beads) - np.roll(np.eye(n_beads), 1, 0) - np.roll(np.eye(n_beads), -1, 0)
    springs = ring.spring_frequency**2 * chain  # (P, P) | rad²/fs²
    c = ring.transform.numpy()
    assert c @ c.T == pytest.approx(np.eye(n_beads), abs=1e-12)
    assert c @ springs @ c.T == pytest.approx(np.diag(ring.frequencies.numpy() ** 2), abs=1e-9)


def test_spectrum_at_300_K() -> None:
    """The resonances of 64 beads lie where the literature of RPMD has them: 1310, 2616, 3916 cm⁻¹."""
    shown = RingPolymer(64, 300.0).frequencies * HBAR_EV_FS * EV_CM
    assert shown[1:4].numpy() == pytest.approx([1310, 2616, 3916], abs=1)


@pytest.mark.parametrize("n_beads", BEADS)
def test_free_motion_is_exact(n_beads: int) -> None:
    ring, state, time_fs = RingPolymer(n_beads, TEMPERATURE_K), polymers(n_beads, 2, 3), 1.7
    chain = 2 * np.eye(n_beads) - np.roll(np.eye(n_beads), 1, 0) - np.roll(np.eye(n_beads), -1, 0)
    zero, one = np.zeros((n_beads, n_beads)), np.eye(n_beads)
    flow = expm(time_fs * np.block([[zero, one], [-(ring.spring_frequency**2) * chain, zero]]))
    before = np.concatenate([ring.beads(state.positions), ring.beads(state.velocities)], axis=1)
    ring.move_freely(state, time_fs)
    after = np.concatenate([ring.beads(state.positions), ring.beads(state.velocities)], axis=1)
    assert after == pytest.approx(np.einsum("ij,rjax->riax", flow, before), abs=1e-10)


@pytest.mark.parametrize("n_beads", [1, 2, 4, 8, 16, 32, 64])
def test_oscillator_has_the_closed_forms(n_beads: int) -> None:
    """⟨r²⟩ and both kinetic energies of P beads, within errors over independent atoms."""
    ring, well = RingPolymer(n_beads, TEMPERATURE_K), Well(STIFFNESS_EV_A2)
    timestep_fs, friction_per_ps, n_samples = 0.5, 200.0, 60
    n_atoms = 150 if n_beads < 16 else 40
    state = polymers(n_beads, 4, n_atoms, seed=n_beads)
    evaluate(state, well)
    squares, primitive, virial = [], [], []
    for step in range(200 + 10 * n_samples):
        ring.step(state, well, timestep_fs, friction_per_ps, PILE_LAMBDA, seed=n_beads)
        if step >= 200 and step % 10 == 0:
            squares.append(ring.mean(state.positions.square()).reshape(-1))
            primitive.append(ring.primitive_kinetic_energy(state, 3 * n_atoms))
            virial.append(ring.virial_kinetic_energy(state, 3 * n_atoms))
    speed2 = KT / MASS_AMU * ACCELERATION_A_FS2  # Å²/fs²
    omega = math.sqrt(STIFFNESS_EV_A2 / MASS_AMU * ACCELERATION_A_FS2)
    exact = speed2 * (1 / (ring.frequencies.numpy() ** 2 + omega**2)).sum()
    discrete = speed2 * discrete_variance(ring, omega, timestep_fs, 1e-3 * friction_per_ps)
    found = torch.stack(squares).mean(0).numpy()  # of every coordinate
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert error < 0.03 * exact
    assert abs(found.mean() - discrete.sum() / n_beads) < SIGMA * error
    assert discrete.sum() / n_beads == pytest.approx(exact, rel=0.02)  # what is left is the step's

    # T = V by the virial theorem; both estimators from the moments that this step has, and without a step
    closed = 0.5 * STIFFNESS_EV_A2 * exact
    free2 = ring.frequencies.numpy() ** 2
    of_step = {
        "primitive": 0.5 * KT * (n_beads - free2 @ discrete / speed2 / n_beads),
        "virial": 0.5 * (KT + STIFFNESS_EV_A2 * discrete[1:].sum() / n_beads),
    }
    without = speed2 * discrete_variance(ring, omega, 0.01, 1e-3 * friction_per_ps)
    assert 0.5 * KT * (n_beads - free2 @ without / speed2 / n_beads) == pytest.approx(closed, rel=1e-3)
    assert 0.5 * (KT + STIFFNESS_EV_A2 * without[1:].sum() / n_beads) == pytest.approx(closed, rel=1e-3)
    for name, estimates in (("primitive", primitive), ("virial", virial)):
        values = torch.stack(estimates).reshape(-1).numpy() / (3 * n_atoms)
        blocks = values.reshape(15, -1).mean(1)  # blocks of 20 fs and 4 polymers
        error = blocks.std(ddof=1) / math.sqrt(15)
        assert abs(values.mean() - of_step[name]) < SIGMA * error + 1e-9
    quantum = HBAR_EV_FS * omega
    if n_beads == 64:  # the limit of many beads is ħω/4 coth(ħω/2kT)
        assert closed == pytest.approx(quantum / 4 / math.tanh(quantum / (2 * KT)), rel=0.02)


@pytest.mark.parametrize("n_beads", BEADS)
def test_centroid_of_an_oscillator_is_classical(n_beads: int) -> None:
    """RPMD's centroid in a well goes through the steps of velocity Verlet: its frequency is exact."""
    settings = DynamicsSettings(timestep_fs=0.4)
    state, well = polymers(n_beads, 2, 3), Well(STIFFNESS_EV_A2)
    evaluate(state, well)
    quantum, classical = (
        mechanics(kind, settings, TEMPERATURE_K) for kind in (f"rpmd{n_beads}", "classical")
    )
    alone = quantum.seen(state)
    for _ in range(300):
        quantum.step(state, well)
        classical.step(alone, well)
    assert quantum.seen(state).positions.numpy() == pytest.approx(alone.positions.numpy(), abs=1e-9)


def water(kind: str, settings: DynamicsSettings, n_replicas: int = 2) -> tuple:
    toy, motion = Toy("water"), mechanics(kind, settings, TEMPERATURE_K)
    r = torch.tensor([GEOMETRIES["water"][1]] * n_replicas, dtype=torch.float64)
    masses = torch.tensor([[15.999], [1.008], [1.008]], dtype=torch.float64)
    state = motion.initial_state(tuple(range(n_replicas)), torch.tensor([8, 1, 1]), masses, r)
    evaluate(state, toy)
    motion.set_thermal_velocities(state)
    return toy, motion, state


@pytest.mark.parametrize("rotation", ["kept", "removed"])
@pytest.mark.parametrize("kind", ["rpmd1", "trpmd1"])
def test_one_bead_is_classical_dynamics(kind: str, rotation: str) -> None:
    """Step for step, equilibration and production."""
    settings = DynamicsSettings(rotation=rotation)
    (toy, one, quantum), (_, plain, classical) = (water(name, settings) for name in (kind, "classical"))
    for phase in range(2):
        for _ in range(100):
            for motion, state in ((one, quantum), (plain, classical)):
                motion.step(state, toy) if phase else motion.equilibrate(state, toy)
            assert quantum.positions.numpy() == pytest.approx(classical.positions.numpy(), abs=1e-9)
            assert quantum.velocities.numpy() == pytest.approx(classical.velocities.numpy(), abs=1e-9)
        one.begin_production(quantum, linear=False)
        plain.begin_production(classical, linear=False)
    assert one.kinetic_energy(quantum).numpy() == pytest.approx(plain.kinetic_energy(classical).numpy())


def test_no_damping_is_rpmd() -> None:
    undamped = DynamicsSettings(trpmd_lambda=0.0)
    (toy, one, damped), (_, other, plain) = (water(kind, undamped) for kind in ("trpmd8", "rpmd8"))
    for _ in range(50):
        one.step(damped, toy)
        other.step(plain, toy)
    assert torch.equal(damped.positions, plain.positions)
    _, one, damped = water("trpmd8", DynamicsSettings(trpmd_lambda=0.5))
    for _ in range(50):
        one.step(damped, toy)
    assert not torch.allclose(damped.positions, plain.positions, atol=1e-3)


@pytest.mark.parametrize("kind", ["rpmd8", "trpmd8"])
def test_energy_fluctuates_with_the_square_of_the_step(kind: str) -> None:
    """What is conserved, heat of the thermostats counted, is so up to Δt², and does not drift."""
    spreads = []
    for timestep_fs in (0.4, 0.2, 0.1):
        settings = DynamicsSettings(timestep_fs=timestep_fs)
        toy, motion, state = water(kind, settings, n_replicas=4)
        for _ in range(round(20 / timestep_fs)):
            motion.equilibrate(state, toy)
        energies = []
        for _ in range(round(200 / timestep_fs)):
            motion.step(state, toy)
            energies.append((motion.seen(state).potential_energy + motion.kinetic_energy(state)).numpy())
        energy = np.array(energies)  # (n_steps, n_replicas) | eV
        spreads.append(float(energy.std(0).mean()))
        half = len(energy) // 2
        assert abs(energy[half:].mean() - energy[:half].mean()) < 2 * spreads[-1] / math.sqrt(4)
    for coarse, fine in pairwise(spreads):
        assert coarse / fine == pytest.approx(4, rel=0.3)


def test_centroid_stays_where_it_is() -> None:
    """Without a thermostat on the centroid, momentum is kept; rotation removed means none of all beads."""
    toy, motion, state = water("rpmd4", DynamicsSettings(rotation="removed"))
    for _ in range(50):
        motion.equilibrate(state, toy)
    motion.begin_production(state, linear=False)
    for _ in range(20):
        motion.step(state, toy)
    masses = state.masses_amu
    momentum = (masses * state.velocities).reshape(2, -1, 3).sum(1)
    turning = torch.linalg.cross(state.positions, masses * state.velocities).reshape(2, -1, 3).sum(1)
    assert momentum.numpy() == pytest.approx(np.zeros((2, 3)), abs=1e-12)
    assert turning.numpy() == pytest.approx(np.zeros((2, 3)), abs=1e-12)
