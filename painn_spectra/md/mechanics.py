"""What moves: classical atoms, or ring polymers. The one place where a block of replicas asks."""

from typing import Protocol

import torch
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.kinds import beads_of
from painn_spectra.md.integrators import ENERGY_AND_FORCES, baoab_step, verlet_step
from painn_spectra.md.ring_polymer import PILE_LAMBDA, RingPolymer, RingState
from painn_spectra.md.state import (
    State,
    centred,
    kinetic_energy,
    thermal_velocities,
    without_rotation,
)
from painn_spectra.settings.dynamics import DynamicsSettings


class Mechanics(Protocol):
    """Steps of a block's state, and what is recorded of it."""

    n_beads: int

    def initial_state(self, replicas: tuple[int, ...], numbers: Tensor, masses: Tensor, r: Tensor) -> State:
        """Replicas at the geometries r (n_replicas, n_atoms, 3) | Å, at rest."""

    def set_thermal_velocities(self, state: State) -> None:
        """Velocities of the temperature."""

    def equilibrate(self, state: State, potential: nn.Module) -> None:
        """One thermostatted step."""

    def begin_production(self, state: State, linear: bool) -> None:
        """Take out the centre-of-mass motion, and the rotation if asked for."""

    def step(
        self, state: State, potential: nn.Module, properties: tuple[str, ...] = ENERGY_AND_FORCES
    ) -> dict[str, Tensor]:
        """One step of production; `properties` at its end, means over beads."""

    def seen(self, state: State) -> State:
        """The replicas as classical ones: of ring polymers the centroids, their forces means over beads."""

    def kinetic_energy(self, state: State) -> Tensor:
        """What the integrator conserves beside the (mean) potential energy, (n_replicas,) | eV."""

    def estimators(self, state: State, degrees_of_freedom: int) -> dict[str, Tensor]:
        """Further quantities to record, (n_replicas,) each."""


class Classical:
    """Velocity Verlet after Langevin dynamics."""

    n_beads = 1

    def __init__(self, settings: DynamicsSettings, temperature_K: float) -> None:
        self.settings, self.temperature_K = settings, temperature_K

    def initial_state(self, replicas: tuple[int, ...], numbers: Tensor, masses: Tensor, r: Tensor) -> State:
        zero = torch.zeros_like(r)
        return State(
            replicas, numbers.expand(len(r), -1), masses, centred(r, masses), zero, zero, zero[:, 0, 0]
        )

    def set_thermal_velocities(self, state: State) -> None:
        state.velocities = thermal_velocities(state, self.temperature_K, self.settings.seed)

    def equilibrate(self, state: State, potential: nn.Module) -> None:
        s = self.settings
        baoab_step(state, potential, s.timestep_fs, self.temperature_K, s.friction_per_ps, s.seed)

    def begin_production(self, state: State, linear: bool) -> None:
        state.positions = centred(state.positions, state.masses_amu)
        state.velocities = centred(state.velocities, state.masses_amu)
        if self.settings.rotation == "removed":
            state.velocities = without_rotation(state.positions, state.velocities, state.masses_amu, linear)

    def step(
        self, state: State, potential: nn.Module, properties: tuple[str, ...] = ENERGY_AND_FORCES
    ) -> dict[str, Tensor]:
        return verlet_step(state, potential, self.settings.timestep_fs, properties)

    def seen(self, state: State) -> State:
        return state

    def kinetic_energy(self, state: State) -> Tensor:
        return kinetic_energy(state.velocities, state.masses_amu)

    def estimators(self, state: State, degrees_of_freedom: int) -> dict[str, Tensor]:
        return {}


class RingPolymers:
    """RPMD or TRPMD after path-integral molecular dynamics."""

    def __init__(
        self, settings: DynamicsSettings, temperature_K: float, n_beads: int, damping: float
    ) -> None:
        self.settings, self.n_beads, self.damping = settings, n_beads, damping
        self.ring = RingPolymer(n_beads, temperature_K)

    def initial_state(
        self, replicas: tuple[int, ...], numbers: Tensor, masses: Tensor, r: Tensor
    ) -> RingState:
        beads = centred(r, masses).repeat_interleave(self.n_beads, dim=0)
        zero = torch.zeros_like(beads)
        return RingState(replicas, numbers.expand(len(beads), -1), masses, beads, zero, zero, zero[:, 0, 0])

    def set_thermal_velocities(self, state: State) -> None:
        temperature_K = self.n_beads * self.ring.temperature_K
        state.velocities = thermal_velocities(state, temperature_K, self.settings.seed)

    def equilibrate(self, state: State, potential: nn.Module) -> None:
        assert isinstance(state, RingState)
        s = self.settings
        self.ring.step(state, potential, s.timestep_fs, s.friction_per_ps, PILE_LAMBDA, s.seed)

    def begin_production(self, state: State, linear: bool) -> None:
        atoms = (len(state.replicas), -1, 3)  # all beads of a replica as one body
        masses = state.masses_amu.repeat(self.n_beads, 1)
        r, v = (centred(x.reshape(atoms), masses) for x in (state.positions, state.velocities))
        if self.settings.rotation == "removed":
            v = without_rotation(r, v, masses, linear and self.n_beads == 1)
        shape = state.positions.shape
        state.positions, state.velocities = r.reshape(shape), v.reshape(shape)
        assert isinstance(state, RingState)
        state.heat = torch.zeros_like(state.heat)

    def step(
        self, state: State, potential: nn.Module, properties: tuple[str, ...] = ENERGY_AND_FORCES
    ) -> dict[str, Tensor]:
        assert isinstance(state, RingState)
        s = self.settings
        out = self.ring.step(state, potential, s.timestep_fs, 0.0, self.damping, s.seed, properties)
        return {name: self.ring.mean(out[name].double()) for name in properties}

    def seen(self, state: State) -> State:
        r, v, f, energy = (self.ring.mean(getattr(state, name)) for name in State.SAVED)
        return State(state.replicas, state.numbers, state.masses_amu, r, v, f, energy, state.step)

    def kinetic_energy(self, state: State) -> Tensor:
        assert isinstance(state, RingState)
        return self.ring.beside_potential(state)

    def estimators(self, state: State, degrees_of_freedom: int) -> dict[str, Tensor]:
        return {
            keys.PRIMITIVE_KINETIC_ENERGY: self.ring.primitive_kinetic_energy(state, degrees_of_freedom),
            keys.VIRIAL_KINETIC_ENERGY: self.ring.virial_kinetic_energy(state, degrees_of_freedom),
        }


def mechanics(dynamics: str, settings: DynamicsSettings, temperature_K: float) -> Mechanics:
    """What a kind of dynamics moves."""
    if "rpmd" not in dynamics:
        return Classical(settings, temperature_K)
    damping = settings.trpmd_lambda if dynamics.startswith("trpmd") else 0.0
    return RingPolymers(settings, temperature_K, beads_of(dynamics, settings), damping)
