"""How far the members of an ensemble disagree where a dynamics goes, beside the frames that test them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from torch import nn

from painn_spectra import keys
from painn_spectra.md.block import Lengths
from painn_spectra.md.guards import kept_rows
from painn_spectra.md.integrators import ENERGY_AND_FORCES
from painn_spectra.md.minima import predict
from painn_spectra.md.segments import production_segments
from painn_spectra.sampling.picking import disagreements

Array = NDArray[np.float64]

FRAMES = 48
NAMED = 5
LARGE = 2.0  # times the spread on test frames: the factors that calibrate it no longer hold


def ensemble_spread(
    blocks: Sequence[Path],
    members: Sequence[nn.Module],
    numbers: NDArray[np.int64],
    test: Array,
    plan: Lengths,
    timestep_fs: float,
) -> dict[str, Any]:
    """Root mean square spread of energies and forces at FRAMES frames of the run and of the `test` frames
    (n_frames, n_atoms, 3) | Å, and the frames of the run with the largest of forces.

    Frames are those that segments of `blocks` (folders) end with; of a ring polymer one bead each, so that
    stretched ones are among them. Prints a warning where the forces' spread is LARGE times that in the test.
    """
    replicas, steps, positions = segment_ends(blocks, plan.samples)
    chosen = np.unique(np.linspace(0, len(positions) - 1, FRAMES).astype(int))
    tested = np.unique(np.linspace(0, len(test) - 1, FRAMES).astype(int))
    here, there = (
        disagreements([predict(one, numbers, r, ENERGY_AND_FORCES) for one in members])
        for r in (positions[chosen], test[tested])
    )
    told: dict[str, Any] = {}
    for name in ENERGY_AND_FORCES:
        unit, shown = keys.SHOWN_UNITS[name]
        rms = [float(np.sqrt(np.square(spread[name]).mean())) * shown for spread in (here, there)]
        told[f"{name}_spread_{unit.replace('/Å', '_A')}"] = {"dynamics": rms[0], "test": rms[1]}
    farthest = np.argsort(-here[keys.FORCES])[:NAMED]
    told["frames_of_largest_spread"] = [
        {
            "replica": int(replicas[chosen[k]]),
            "time_ps": round((steps[chosen[k]] - plan.equilibration_steps) * timestep_fs * 1e-3, 4),
            "forces_spread_meV_A": float(here[keys.FORCES][k] * 1e3),
        }
        for k in farthest
    ]
    told["spread_is_large"] = rms[0] > LARGE * rms[1]  # of forces, the last
    if told["spread_is_large"]:
        worst = told["frames_of_largest_spread"][0]
        print(
            f"warning: the members' forces differ by {rms[0]:.3g} meV/Å along the dynamics and by "
            f"{rms[1]:.3g} on the test frames, most in replica {worst['replica']} after "
            f"{worst['time_ps']:g} ps; label geometries like these, as another round of sampling does"
        )
    return told


def segment_ends(blocks: Sequence[Path], n_samples: int) -> tuple[list[int], list[int], Array]:
    """Replica, step and positions (n, n_atoms, 3) | Å that each replica's segments end with.

    Of the beads of a ring polymer each time another one; of segments that begin within the first `n_samples`.
    """
    replicas, steps, positions = [], [], []
    for folder in blocks:
        first, rows = int(folder.name.partition("-")[0]), kept_rows(folder)
        for k, segment in enumerate(production_segments(folder)):
            with h5py.File(segment) as file:
                if int(file.attrs["first_sample"]) >= n_samples:  # an earlier, longer run
                    break
                step, beads = int(file.attrs["step"]), file["state/positions"][:]
                n = file[f"samples/{keys.POTENTIAL_ENERGY}"].shape[0]
            beads = beads.reshape(n, -1, *beads.shape[1:])  # (n_replicas, P, n_atoms, 3)
            for row in rows:
                replicas.append(first + row)
                steps.append(step)
                positions.append(beads[row, k % beads.shape[1]].copy())
    return replicas, steps, np.array(positions)
