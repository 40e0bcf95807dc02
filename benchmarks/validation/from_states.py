"""The package's production from given positions and velocities, without an equilibration of its own."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from painn_spectra import keys
from painn_spectra.md.block import Block, lengths, run_block
from painn_spectra.md.segments import EQUILIBRATION, production_segments, write_segment
from painn_spectra.md.state import State
from painn_spectra.settings.dynamics import DynamicsSettings


def produce_from(
    folder: Path, potential: nn.Module, numbers: np.ndarray, masses_amu: np.ndarray,
    positions: np.ndarray, velocities: np.ndarray, bonded: np.ndarray,
    settings: DynamicsSettings, temperature_K: float,
) -> None:  # fmt: skip
    """Leave production segments of all replicas in `folder`; go on where an earlier call stopped.

    positions, velocities: (n_replicas, n_atoms, 3) | Å, Å/fs; bonded: the same shape, whose bonds must hold.
    """
    block = Block(
        folder=folder, replicas=tuple(range(len(positions))), numbers=numbers, masses_amu=masses_amu,
        standard_masses_amu=masses_amu, starts=bonded, linear=False,
        degrees_of_freedom=3 * len(numbers) - 3, settings=settings, temperature_K=temperature_K, device="cpu",
    )  # fmt: skip
    if not production_segments(folder):
        z = torch.as_tensor(numbers).expand(len(positions), -1)
        r = torch.as_tensor(positions)
        out = potential(z, r, (keys.ENERGY, keys.FORCES))
        state = State(
            block.replicas, z, torch.as_tensor(masses_amu)[:, None], r, torch.as_tensor(velocities),
            out[keys.FORCES].double(), out[keys.ENERGY].double(), lengths(settings).equilibration_steps,
        )  # fmt: skip
        write_segment(folder / EQUILIBRATION, state, {}, 0, 0.0)  # the block goes on where this left off
    run_block(block, potential, lambda step, note: None)
