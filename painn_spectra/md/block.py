"""One block of replicas from its starts to the end of production, in checkpointed segments."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from painn_spectra import keys
from painn_spectra.md.guards import astray, broken, keep_stopped, kept_rows, no_number, stopped_in, unsteady
from painn_spectra.md.integrators import evaluate
from painn_spectra.md.mechanics import Mechanics, mechanics
from painn_spectra.md.segments import (
    EQUILIBRATION,
    Arrays,
    first_total_energies,
    readable_segments,
    restore,
    write_segment,
)
from painn_spectra.md.state import (
    State,
    half_step_kinetic_energy,
    half_step_velocities,
    kinetic_temperature,
)
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.trained_range import Bounds

SPARSE_INTERVAL_FS = 20.0  # positions without record_motion: enough for torsions, a small part of the file
PROGRESS_SAMPLES = 20

Report = Callable[[int, str], None]  # steps of this block done so far, note


@dataclass(frozen=True)
class Block:
    """What a worker needs to know."""

    folder: Path
    replicas: tuple[int, ...]  # numbers of these replicas in the whole run
    numbers: NDArray[np.int64]  # (n_atoms,)
    masses_amu: NDArray[np.float64]  # (n_atoms,) | amu
    standard_masses_amu: NDArray[np.float64]  # (n_atoms,) | amu, of the origin of an ion's labelled dipole
    starts: NDArray[np.float64]  # (n_replicas, n_atoms, 3) | Å, minima
    linear: bool
    degrees_of_freedom: int
    settings: DynamicsSettings
    temperature_K: float
    device: str
    dynamics: str = "classical"
    bounds: Bounds | None = None  # of the model's trained range
    n_in_run: int | None = None  # replicas of the whole run so far; None: as the settings say

    @property
    def mechanics(self) -> Mechanics:
        return mechanics(self.dynamics, self.settings, self.temperature_K)


@dataclass(frozen=True)
class Lengths:
    """The settings in steps and samples, rounded once."""

    equilibration_steps: int
    samples: int
    total_steps: int
    checkpoint_samples: int
    sparse_stride: int
    sample_interval_fs: float


def lengths(settings: DynamicsSettings) -> Lengths:
    """Settings in ps as whole numbers of steps and samples."""
    interval_fs = settings.timestep_fs * settings.record_interval_steps
    equilibration_steps = round(settings.equilibration_ps * 1e3 / settings.timestep_fs)
    samples = max(2, round(settings.production_ps * 1e3 / interval_fs))
    return Lengths(
        equilibration_steps=equilibration_steps,
        samples=samples,
        total_steps=equilibration_steps + samples * settings.record_interval_steps,
        checkpoint_samples=max(1, round(settings.checkpoint_interval_ps * 1e3 / interval_fs)),
        sparse_stride=1 if settings.record_motion else max(1, round(SPARSE_INTERVAL_FS / interval_fs)),
        sample_interval_fs=interval_fs,
    )


def run_block(block: Block, potential: nn.Module, report: Report) -> None:
    """Equilibrate by Langevin dynamics and produce without, going on from what `block.folder` holds.

    Ends early when every replica of it has stopped.
    """
    settings, plan, motion = block.settings, lengths(block.settings), block.mechanics
    if not kept_rows(block.folder):
        report(plan.total_steps, "stopped")
        return
    segments, n_done = readable_segments(block.folder)
    equilibration = block.folder / EQUILIBRATION
    state, spent_s = initial_state(block, potential), 0.0
    if segments:
        restore(segments[-1], state)
    elif equilibration.exists():
        try:
            spent_s = restore(equilibration, state)
        except (OSError, KeyError):
            equilibration.unlink()

    while state.step < plan.equilibration_steps:
        started = time.perf_counter()
        until = state.step + plan.checkpoint_samples * settings.record_interval_steps
        while state.step < min(until, plan.equilibration_steps):
            motion.equilibrate(state, potential)
            if state.step % (PROGRESS_SAMPLES * settings.record_interval_steps) == 0:
                report(state.step, "equilibration")
        if not check(block, state, {}, np.empty(0)):
            report(plan.total_steps, "stopped")
            return
        spent_s += time.perf_counter() - started
        write_segment(equilibration, state, {}, 0, spent_s)

    if segments:
        first_energies_eV = start_energies_eV = first_total_energies(segments[0])
    else:
        first_energies_eV = np.empty(0)  # known with the first sample
        motion.begin_production(state, block.linear)
        at_start = motion.seen(state).potential_energy + motion.kinetic_energy(state)
        start_energies_eV = at_start.cpu().numpy()
    while n_done < plan.samples:
        started = time.perf_counter()
        n_samples = min(plan.checkpoint_samples, plan.samples - n_done)
        samples = produce(block, state, potential, n_done, n_samples, start_energies_eV, report)
        if not segments:
            first_energies_eV = samples[keys.POTENTIAL_ENERGY][:, 0] + samples[keys.KINETIC_ENERGY][:, 0]
        if not check(block, state, samples, first_energies_eV):
            report(plan.total_steps, "stopped")
            return
        segments.append(block.folder / f"{len(segments) + 1:06d}.h5")
        write_segment(segments[-1], state, samples, n_done, time.perf_counter() - started)
        n_done += samples[keys.POTENTIAL_ENERGY].shape[1]
        if n_done >= plan.samples:
            report(plan.total_steps, "done")


def initial_state(block: Block, potential: nn.Module) -> State:
    """The minima with thermal velocities: T/2 in all, the thermostat will supply the potential energy."""
    motion = block.mechanics
    positions = torch.as_tensor(block.starts, dtype=torch.float64, device=block.device)
    masses = torch.as_tensor(block.masses_amu, dtype=torch.float64, device=block.device)[:, None]
    numbers = torch.as_tensor(block.numbers, device=block.device)
    state = motion.initial_state(block.replicas, numbers, masses, positions)
    evaluate(state, potential)
    motion.set_thermal_velocities(state)
    return state


def produce(
    block: Block,
    state: State,
    potential: nn.Module,
    first_sample: int,
    n_samples: int,
    start_energies_eV: NDArray[np.float64],
    report: Report,
) -> Arrays:
    """One segment of production, as arrays {name: (n_replicas, n_samples, ...)}.

    start_energies_eV: total energies at the start of the production, (n_replicas,); the notes tell how far
    those of the replicas that go on have drifted.
    """
    settings, plan, motion = block.settings, lengths(block.settings), block.mechanics
    stride = plan.sparse_stride
    n, n_atoms, _ = block.starts.shape
    kept = kept_rows(block.folder)
    sparse = [k for k in range(first_sample, first_sample + n_samples) if k % stride == 0]
    samples: Arrays = {
        keys.POTENTIAL_ENERGY: np.empty((n, n_samples)),  # eV
        keys.KINETIC_ENERGY: np.empty((n, n_samples)),  # eV
        keys.HALF_STEP_KINETIC_ENERGY: np.empty((n, n_samples)),  # eV
        keys.DIPOLE: np.empty((n, n_samples, 3), np.float32),  # e·Å
        keys.POLARIZABILITY: np.empty((n, n_samples, 3, 3), np.float32),  # Å³
        keys.SPARSE_POSITIONS: np.empty((n, len(sparse), n_atoms, 3), np.float32),  # Å
    }
    if settings.record_motion:
        samples[keys.HALF_STEP_VELOCITIES] = np.empty((n, n_samples, n_atoms, 3), np.float32)  # Å/fs
    # an ion's labels have their origin in the centre of the standard masses; the isotopologue's counts here
    charge = float(getattr(potential, "charge", 0))
    fractions = block.masses_amu / block.masses_amu.sum()
    fractions = fractions - block.standard_masses_amu / block.standard_masses_amu.sum()  # (n_atoms,)
    origin_weights = charge * torch.as_tensor(fractions, device=state.positions.device)

    if block.bounds:
        samples[keys.RANGE_EXCESS] = np.empty((n, n_samples), np.float32)  # 1
        samples[keys.RANGE_PLACE] = np.empty((n, n_samples), np.int32)
    waiting = []  # positions whose place in the trained range is looked up together

    for k in range(n_samples):
        for _ in range(settings.record_interval_steps - 1):
            motion.step(state, potential)
        out, seen = motion.step(state, potential, keys.PROPERTIES), motion.seen(state)
        half_step = half_step_kinetic_energy(seen, settings.timestep_fs)
        on_step = motion.kinetic_energy(state)
        dipole = out[keys.DIPOLE].double() - torch.einsum("a,rax->rx", origin_weights, seen.positions)
        samples[keys.POTENTIAL_ENERGY][:, k] = seen.potential_energy.cpu()
        samples[keys.KINETIC_ENERGY][:, k] = on_step.cpu()
        samples[keys.HALF_STEP_KINETIC_ENERGY][:, k] = half_step.cpu()
        samples[keys.DIPOLE][:, k] = dipole.cpu()
        samples[keys.POLARIZABILITY][:, k] = out[keys.POLARIZABILITY].cpu()
        if settings.record_motion:
            samples[keys.HALF_STEP_VELOCITIES][:, k] = half_step_velocities(seen, settings.timestep_fs).cpu()
        for name, values in motion.estimators(state, block.degrees_of_freedom).items():
            samples.setdefault(name, np.empty((n, n_samples)))[:, k] = values.cpu()
        if block.bounds:
            waiting.append(state.positions)
            if len(waiting) == PROGRESS_SAMPLES or k + 1 == n_samples:
                last = slice(k + 1 - len(waiting), k + 1)
                excess, place = outermost(block.bounds, n, waiting)
                samples[keys.RANGE_EXCESS][:, last], samples[keys.RANGE_PLACE][:, last] = excess, place
                waiting = []
        if (first_sample + k) % stride == 0:
            samples[keys.SPARSE_POSITIONS][:, sparse.index(first_sample + k)] = seen.positions.cpu()
        if (first_sample + k + 1) % PROGRESS_SAMPLES == 0:
            temperature = float(kinetic_temperature(half_step, block.degrees_of_freedom)[kept].mean())
            time_ps = (first_sample + k + 1) * plan.sample_interval_fs * 1e-3
            gained_eV = (seen.potential_energy + on_step).cpu().numpy() - start_energies_eV
            drift = 1e3 * float(gained_eV[kept].mean()) / n_atoms / time_ps
            report(state.step, f"{temperature:.0f} K, drift {drift:+.2f} meV/atom/ps")
    return samples


def outermost(
    bounds: Bounds, n_replicas: int, positions: Sequence[torch.Tensor]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """`Bounds.excess` of each replica's bead most outside, (n_replicas, n_frames).

    positions: of the state, at each frame.
    """
    beads = torch.stack(list(positions), 1).cpu().numpy()  # (n_replicas · P, n_frames, n_atoms, 3) | Å
    beads = beads.reshape(n_replicas, -1, *beads.shape[1:])
    excess, place = bounds.excess(beads)  # (n_replicas, P, n_frames)
    worst = excess.argmax(1)[:, None]
    return np.take_along_axis(excess, worst, 1)[:, 0], np.take_along_axis(place, worst, 1)[:, 0]


def check(block: Block, state: State, samples: Arrays, first_energies_eV: NDArray[np.float64]) -> bool:
    """Stop replicas that have left the molecule, the model's range or the energy that they started with.

    They rest from here on, and `guards.FILE` names them. samples: since the last check, empty in the
    equilibration.

    Returns whether any replica goes on. Raises InputError when most of the block or of the run has stopped.
    """
    settings, known, found = block.settings, stopped_in(block.folder), {}
    seen = block.mechanics.seen(state)
    energies, positions = seen.potential_energy.cpu().numpy(), seen.positions.cpu().numpy()
    n_samples = samples[keys.POTENTIAL_ENERGY].shape[1] if samples else 1
    steps = state.step - settings.record_interval_steps * np.arange(n_samples)[::-1]
    if samples and block.bounds:
        excess, place = samples[keys.RANGE_EXCESS], samples[keys.RANGE_PLACE]
    elif block.bounds:
        excess, place = outermost(block.bounds, len(block.replicas), [state.positions])
    for row, replica in enumerate(block.replicas):
        if replica in known:
            continue
        told = [
            broken(
                block.numbers, block.starts[row], positions[row], energies[row], state.step,
                settings.timestep_fs,
            )
        ]  # fmt: skip
        if samples:
            told.append(no_number(samples, row, steps, settings.timestep_fs))
        if samples and not block.dynamics.startswith("trpmd"):  # whose thermostat stays, and takes up errors
            told.append(
                unsteady(
                    samples, row, first_energies_eV[row], block.degrees_of_freedom, block.temperature_K,
                    steps, settings.timestep_fs,
                )
            )  # fmt: skip
        if block.bounds:
            told.append(astray(block.bounds, excess[row], place[row], steps, settings.timestep_fs))
        wrong = [one for one in told if one]
        if wrong:
            found[replica] = min(wrong, key=lambda one: one["step"])  # what came first, not what it led to
    known = keep_stopped(
        block.folder, known, found, len(block.replicas), block.n_in_run or settings.n_replicas
    )
    for row, replica in enumerate(block.replicas):
        if replica in known:
            beads = slice(row * block.mechanics.n_beads, (row + 1) * block.mechanics.n_beads)
            state.positions[beads] = torch.as_tensor(block.starts[row], device=state.positions.device)
            state.velocities[beads] = 0.0
            state.forces[beads] = 0.0
    return len(known) < len(block.replicas)
