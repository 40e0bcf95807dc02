"""Core-hours and disk that a molecule will take, from a few steps of each stage timed here and now."""

import functools
import math
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray
from torch import nn

from painn_spectra import keys
from painn_spectra.config import Config
from painn_spectra.dataset import Frames
from painn_spectra.kinds import BLOCK_REPLICAS, beads_of
from painn_spectra.loss import Loss, faster, to_batch
from painn_spectra.md.block import lengths
from painn_spectra.md.integrators import evaluate, verlet_step
from painn_spectra.md.state import State
from painn_spectra.model.fastest import fastest
from painn_spectra.model.normalise import set_offsets
from painn_spectra.reference import xtb
from painn_spectra.sampling import first_set, model_batch, pretraining, trajectories
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.settings.training import SamplingSettings
from painn_spectra.train import new_potential

Array = NDArray[np.float64]

N_TIMED = 4  # of each kind of step, after one that is not counted
DERIVATIVES_COST = 2  # times a label: ethanol's ∂μ/∂r and ∂α/∂r at PBE0/def2-TZVP
JITTER_A = 0.03  # of the geometries that are timed: at a minimum the electrons converge too soon
BYTES_PER_NUMBER_OF_TEXT = 12


def core_hours(
    config: Config, numbers: NDArray[np.int64], minima: Array, labels: Mapping[str, Array], label_s: float
) -> dict[str, float]:
    """Expected core-hours of each stage of the first molecule of `config`.

    minima: (n_conformers, n_atoms, 3) | Å; labels: of the first of them; label_s: seconds of one label.
    """
    molecule, sampling, train, md = config.molecules[0], config.sampling, config.train, config.md
    positions = minima[0] + np.random.default_rng(0).normal(
        scale=JITTER_A, size=(BLOCK_REPLICAS, len(numbers), 3)
    )
    frames = Frames(
        np.tile(numbers, (BLOCK_REPLICAS, 1)),
        positions,
        {name: np.repeat(value[None], BLOCK_REPLICAS, axis=0) for name, value in labels.items()},
        np.full(BLOCK_REPLICAS, "trial"),
    )
    training_s = training_step_s(config, frames)
    potential = new_potential(config.model, molecule.charge, 0)
    set_offsets(potential, frames.numbers, frames.labels)
    potential.float().eval()
    sampling_s, dynamics_s = (dynamics_step_s(model, md, frames) for model in (potential, fastest(potential)))
    step_s = xtb_label_s = 0.0
    if xtb.available():
        state = (molecule.charge, molecule.multiplicity)
        step_s = xtb_step_s(numbers, positions[0], *state)
        xtb_label_s = timed(lambda: xtb.label(numbers, positions[0], *state))

    n_trajectories = max(sampling.n_trajectories, len(minima))
    steps = n_trajectories * trajectories.EQUILIBRATION_PS * 1e3 / trajectories.TIMESTEP_FS
    steps += first_set.SPARE * sampling.n_frames * sampling.interval_fs / trajectories.TIMESTEP_FS
    per_block = model_batch.SPARE * sampling.frames_per_round / len(sampling.model_temperatures_K)
    model_steps = model_batch.EQUILIBRATION_PS * 1e3 + per_block / BLOCK_REPLICAS * sampling.interval_fs
    model_steps *= len(sampling.model_temperatures_K) * sampling.rounds / model_batch.TIMESTEP_FS
    n_labels, derivatives = labels_by_round(sampling)[-1], sampling.derivatives_fraction
    burst_steps = pretraining.FRAME_INTERVAL_FS / pretraining.TIMESTEP_FS
    pretrain, share = train.pretrain, 1 - config.dataset.test_fraction
    displaced = 2 if derivatives else 1  # geometries beside a batch, fitting.py
    trainings = [(pretrain.epochs, float(pretrain.n_frames), train.members)]
    *before, last = labels_by_round(sampling)
    trainings += [(train.epochs, displaced * share * n_frames, sampling.members) for n_frames in before]
    trainings.append((train.epochs, displaced * share * last, train.members))
    beads = sum(beads_of(kind, md) for kind in config.dynamics)
    n_blocks = math.ceil(md.n_replicas * beads / BLOCK_REPLICAS)
    seconds = {
        "GFN2-xTB sampling": steps * step_s,
        f"{n_labels} labels": n_labels * label_s * (1 + DERIVATIVES_COST * derivatives),
        "GFN2-xTB labels to learn first": pretrain.n_frames * (burst_steps * step_s + xtb_label_s),
        "training": sum(
            members * epochs * int(n_frames / train.batch_size) * training_s
            for epochs, n_frames, members in trainings
        ),
        "sampling with the model": model_steps * sampling_s,
        "dynamics": train.members * n_blocks * lengths(md).total_steps * dynamics_s,
    }
    return {stage: value / 3600 for stage, value in seconds.items()}


def labels_by_round(sampling: SamplingSettings) -> list[int]:
    """Labels at hand after the first set and after each round, if none ends the rounds early."""
    most = sampling.max_labels or math.inf
    return [
        int(min(sampling.n_frames + number * sampling.frames_per_round, most))
        for number in range(sampling.rounds + 1)
    ]


def disk_bytes(config: Config, n_atoms: int) -> float:
    """Trajectory, which keeps its segments for a longer run, and labels."""
    sampling, md = config.sampling, config.md
    per_sample = 3 * 8 + 4 * (3 + 9) + 4 * 6 * n_atoms * md.record_motion
    n_labels = labels_by_round(sampling)[-1]
    copies = 3  # in the store, of the chunk, of the data set
    n_frames = copies * n_labels + config.train.pretrain.n_frames
    return (
        2 * md.n_replicas * lengths(md).samples * per_sample
        + n_frames * (6 * n_atoms + 25) * BYTES_PER_NUMBER_OF_TEXT
        + copies * n_labels * sampling.derivatives_fraction * 36 * n_atoms * BYTES_PER_NUMBER_OF_TEXT
    )


def timed(step: Callable[[], object]) -> float:
    """Processor seconds of one call, the fastest of a few: what else the machine does must not count."""
    step()
    seconds = []
    for _ in range(N_TIMED):
        began = time.process_time()
        step()
        seconds.append(time.process_time() - began)
    return min(seconds)


def xtb_step_s(numbers: NDArray[np.int64], positions: Array, charge: int, multiplicity: int) -> float:
    """Seconds of one step of GFN2-xTB dynamics."""
    from tblite.ase import TBLite

    atoms = Atoms(numbers, positions)
    atoms.calc = TBLite(method="GFN2-xTB", charge=charge, multiplicity=multiplicity, verbosity=0)
    dynamics = VelocityVerlet(atoms, trajectories.TIMESTEP_FS * units.fs)
    return timed(functools.partial(dynamics.run, 1))


def training_step_s(config: Config, frames: Frames) -> float:
    """Seconds of one step of training, scaled from BLOCK_REPLICAS frames to the batch."""
    potential = new_potential(config.model, config.molecules[0].charge, 0)
    set_offsets(potential, frames.numbers, frames.labels)
    potential.float().train()
    loss, batch = (
        Loss(config.train.loss.model_dump(), dict.fromkeys(keys.PROPERTIES, 1.0)),
        to_batch(frames, "cpu"),
    )
    loss_of = faster(loss, potential, batch, 0)

    def step() -> None:
        potential.zero_grad()
        loss_of(batch).backward()

    return timed(step) * config.train.batch_size / BLOCK_REPLICAS


def dynamics_step_s(potential: nn.Module, settings: DynamicsSettings, frames: Frames) -> float:
    """Seconds of one step of a block of replicas, dipole and polarizability as often as recorded."""
    numbers, positions = torch.as_tensor(frames.numbers), torch.as_tensor(frames.positions)
    zero = torch.zeros_like(positions)
    masses = torch.ones(numbers.shape[1], 1, dtype=torch.float64)
    state = State(tuple(range(len(numbers))), numbers, masses, positions, zero, zero, zero[:, 0, 0])
    evaluate(state, potential)

    def steps() -> None:
        for k in range(settings.record_interval_steps):
            last = k == settings.record_interval_steps - 1
            verlet_step(state, potential, 1e-3, *([keys.PROPERTIES] if last else []))

    return timed(steps) / settings.record_interval_steps
