"""Ring polymers: P copies of a molecule joined by springs, whose classical statistics is the quantum one.

H_P = Σ_j [p_j²/2m + ½ m ω_P² (r_j − r_{j+1})² + V(r_j)], ω_P = P k_BT/ħ, sampled at the temperature P·T.
Beads lie in one batch, replica after replica: (n_replicas · P, n_atoms, 3).
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from painn_spectra.md.integrators import ENERGY_AND_FORCES, evaluate
from painn_spectra.md.state import State, kinetic_energy, thermal_velocities
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K, HBAR_EV_FS

PILE_LAMBDA = 1.0  # γ_k = 2ω_k damps a free ring polymer critically: for sampling


@dataclass
class RingState(State):
    """State of all beads; `replicas` names the ring polymers."""

    heat: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.float64))
    # (n_replicas,) or (1,) | eV, taken up from thermostats

    SAVED = (*State.SAVED, "heat")


@dataclass(frozen=True)
class RingPolymer:
    """Normal modes of the free ring polymer and steps of its dynamics.

    a_k = Σ_j C_kj r_j; a_0/√P is the centroid. ω_k = 2 ω_P sin(kπ/P), k = 0 … P−1.
    """

    n_beads: int
    temperature_K: float  # the physical one

    @cached_property
    def transform(self) -> Tensor:
        """C, real and orthogonal: the centroid, then cosines, the alternating mode, sines. (P, P)"""
        n, j = self.n_beads, np.arange(self.n_beads)
        rows = [np.full(n, 1 / math.sqrt(n))]
        for k in range(1, n):
            wave = np.cos if 2 * k <= n else np.sin
            size = math.sqrt(1 / n) if 2 * k == n else math.sqrt(2 / n)
            rows.append(size * wave(2 * np.pi * k * j / n))
        return torch.as_tensor(np.array(rows))

    @cached_property
    def frequencies(self) -> Tensor:
        """ω_k, (P,) | rad/fs."""
        k = torch.arange(self.n_beads, dtype=torch.float64)
        return 2 * self.spring_frequency * torch.sin(math.pi * k / self.n_beads)

    @property
    def spring_frequency(self) -> float:
        """ω_P | rad/fs."""
        return self.n_beads * BOLTZMANN_EV_K * self.temperature_K / HBAR_EV_FS

    def beads(self, batch: Tensor) -> Tensor:
        """(n_replicas · P, ...) -> (n_replicas, P, ...)."""
        return batch.reshape(-1, self.n_beads, *batch.shape[1:])

    def mean(self, batch: Tensor) -> Tensor:
        """Mean over the beads of each replica, (n_replicas, ...)."""
        return self.beads(batch).mean(1)

    def to_modes(self, batch: Tensor) -> Tensor:
        """(n_replicas · P, n_atoms, 3) -> (n_replicas, P, n_atoms, 3)."""
        return torch.einsum("kj,rjax->rkax", self.transform.to(batch.device), self.beads(batch))

    def from_modes(self, modes: Tensor) -> Tensor:
        """The inverse of `to_modes`."""
        return torch.einsum("kj,rkax->rjax", self.transform.to(modes.device), modes).flatten(0, 1)

    def move_freely(self, state: State, time_fs: float) -> None:
        """Exact motion of the free ring polymer: its modes are oscillators, the centroid goes straight on.

        a_k ← a_k cos ω_k t + ȧ_k (sin ω_k t)/ω_k;  ȧ_k ← ȧ_k cos ω_k t − a_k ω_k sin ω_k t
        """
        angle = self.frequencies.to(state.positions.device)[:, None, None] * time_fs
        cosine, sine = torch.cos(angle), torch.sin(angle)
        a, rate = self.to_modes(state.positions), self.to_modes(state.velocities)
        moved = a * cosine + rate * time_fs * torch.sinc(angle / math.pi)
        rate = rate * cosine - a * sine * angle / time_fs
        state.positions, state.velocities = self.from_modes(moved), self.from_modes(rate)

    def thermostat(
        self, state: State, timestep_fs: float, friction_per_ps: float, damping: float, seed: int
    ) -> None:
        """PILE-L: ȧ_k ← e^{−γ_kΔt} ȧ_k + √(1 − e^{−2γ_kΔt}) √(P k_BT/m) ξ, Langevin in each normal mode.

        γ_0 -> friction_per_ps of the centroid, 0 leaves it alone; γ_k = 2 λ ω_k, λ -> damping.
        Ceriotti, Parrinello, Markland, Manolopoulos 2010, doi:10.1063/1.3489925; with γ_0 = 0 and λ = ½
        thermostatted ring polymer molecular dynamics, Rossi, Ceriotti, Manolopoulos 2014,
        doi:10.1063/1.4883861.
        """
        rates = 2 * damping * self.frequencies
        rates[0] = friction_per_ps * 1e-3
        kept = torch.exp(-rates * timestep_fs).to(state.positions.device)[:, None, None]
        noise = self.beads(thermal_velocities(state, self.n_beads * self.temperature_K, seed))
        modes = kept * self.to_modes(state.velocities) + torch.sqrt(1 - kept**2) * noise
        state.velocities = self.from_modes(modes)

    def step(
        self,
        state: RingState,
        potential: nn.Module,
        timestep_fs: float,
        friction_per_ps: float,
        damping: float,
        seed: int,
        properties: tuple[str, ...] = ENERGY_AND_FORCES,
    ) -> dict[str, Tensor]:
        """Kick by half a step, free motion with the `thermostat` in its middle, kick.

        friction_per_ps, damping: 0, 0 is RPMD; 0, ½ TRPMD; else path-integral molecular dynamics (PIMD), to
        sample. The thermostat in the middle keeps ⟨r²⟩ of an oscillator within (ωΔt)⁴; without one on it the
        centroid of an oscillator moves as in velocity Verlet, whatever the beads do.
        """
        state.step += 1
        state.velocities = state.velocities + 0.5 * timestep_fs * state.accelerations
        if friction_per_ps or damping:
            self.move_freely(state, 0.5 * timestep_fs)
            before = self.kinetic(state)
            self.thermostat(state, timestep_fs, friction_per_ps, damping, seed)
            state.heat = state.heat + self.kinetic(state) - before
            self.move_freely(state, 0.5 * timestep_fs)
        else:
            self.move_freely(state, timestep_fs)
        out = evaluate(state, potential, properties)
        state.velocities = state.velocities + 0.5 * timestep_fs * state.accelerations
        return out

    def kinetic(self, state: State) -> Tensor:
        """Kinetic energy of the P beads together, (n_replicas,) | eV."""
        return self.beads(kinetic_energy(state.velocities, state.masses_amu)).sum(1)

    def springs(self, state: State) -> Tensor:
        """½ ω_P² Σ_j m |r_j − r_{j+1}|², (n_replicas,) | eV."""
        r = self.beads(state.positions)
        stretch = (state.masses_amu * (r - r.roll(-1, 1)).square()).sum((1, 2, 3))
        return 0.5 * self.spring_frequency**2 * AMU_A2_FS2_IN_EV * stretch

    def beside_potential(self, state: RingState) -> Tensor:
        """(kinetic + springs − heat taken up)/P, (n_replicas,) | eV: conserved with the mean of V."""
        return (self.kinetic(state) + self.springs(state) - state.heat) / self.n_beads

    def primitive_kinetic_energy(self, state: State, degrees_of_freedom: int) -> Tensor:
        """Quantum kinetic energy (f_c + f (P − 1)) k_BT/2 − springs/P, (n_replicas,) | eV.

        f = 3 n_atoms of the internal modes, f_c -> degrees_of_freedom, those of the centroid that move.
        Barker 1979, doi:10.1063/1.437829.
        """
        thermal = degrees_of_freedom + state.positions[0].numel() * (self.n_beads - 1)
        return 0.5 * thermal * BOLTZMANN_EV_K * self.temperature_K - self.springs(state) / self.n_beads

    def virial_kinetic_energy(self, state: State, degrees_of_freedom: int) -> Tensor:
        """Quantum kinetic energy f_c k_BT/2 − (1/2P) Σ_j (r_j − r̄)·F_j, (n_replicas,) | eV.

        Herman, Bruskin, Berne 1982, doi:10.1063/1.442815: its spread does not grow with P.
        """
        r, forces = self.beads(state.positions), self.beads(state.forces)
        virial = ((r - r.mean(1, keepdim=True)) * forces).sum((1, 2, 3)) / self.n_beads
        return 0.5 * (degrees_of_freedom * BOLTZMANN_EV_K * self.temperature_K - virial)
