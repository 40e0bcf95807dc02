"""Closed pieces of a run, each with its samples and the state at its end; joined into one trajectory.

A run may be killed at any moment: a segment is whole or absent, and the last whole one is where it goes on.
"""

import contextlib
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.files import atomic_path, check_space, write_bytes
from painn_spectra.md.guards import kept_rows
from painn_spectra.md.state import State

Arrays = dict[str, NDArray[Any]]

EQUILIBRATION = "000000.h5"  # state only, replaced at each checkpoint; production counts from 000001.h5
STATE = State.SAVED
PER_SAMPLE = (
    keys.POTENTIAL_ENERGY,
    keys.KINETIC_ENERGY,
    keys.HALF_STEP_KINETIC_ENERGY,
    keys.DIPOLE,
    keys.POLARIZABILITY,
)


def write_segment(path: Path, state: State, samples: Arrays, first_sample: int, seconds: float) -> None:
    """Write `samples` {name: (n_replicas, n_samples, ...)} and the state after them; seconds: time spent."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["first_sample"] = first_sample
        file.attrs["step"] = state.step
        file.attrs["seconds"] = seconds
        for name, values in samples.items():
            file.create_dataset(f"samples/{name}", data=values, fletcher32=values.size > 0)
        for name in state.SAVED:
            values = getattr(state, name).cpu().numpy()
            file.create_dataset(f"state/{name}", data=values, fletcher32=True)
    write_bytes(path, buffer.getbuffer())


def read_samples(path: Path) -> tuple[int, Arrays]:
    """First sample's number and all samples of a segment. Raises OSError or KeyError for a damaged one."""
    with h5py.File(path) as file:
        names = {*PER_SAMPLE, keys.SPARSE_POSITIONS, *file["samples"]}  # velocities: if recorded
        return int(file.attrs["first_sample"]), {name: file[f"samples/{name}"][:] for name in names}


def restore(path: Path, state: State) -> float:
    """Put the state of a segment into `state`; return the seconds that it took.

    Raises OSError or KeyError for a damaged one.
    """
    with h5py.File(path) as file:
        values = {name: file[f"state/{name}"][:] for name in state.SAVED}
        step, seconds = int(file.attrs["step"]), float(file.attrs["seconds"])
    for name in state.SAVED:
        setattr(state, name, torch.as_tensor(values[name], device=state.positions.device))
    state.step = step
    return seconds


def production_segments(folder: Path) -> list[Path]:
    """Files 000001.h5, 000002.h5, … in order."""
    return sorted(path for path in folder.glob("[0-9]*.h5") if path.name != EQUILIBRATION)


def readable_segments(folder: Path) -> tuple[list[Path], int]:
    """The unbroken chain of whole production segments and its number of samples; the rest is deleted."""
    chain: list[Path] = []
    n_samples = 0
    for abandoned in folder.glob(".*.h5"):  # temporary files of a killed worker
        abandoned.unlink()
    for path in production_segments(folder):
        try:
            first, samples = read_samples(path)  # reading tests the checksums
            with h5py.File(path) as file:
                whole = first == n_samples and all(file[f"state/{name}"][:] is not None for name in STATE)
        except (OSError, KeyError):
            whole = False
        if not whole:
            path.unlink()
            continue
        chain.append(path)
        n_samples += samples[keys.POTENTIAL_ENERGY].shape[1]
    return chain, n_samples


def first_total_energies(path: Path) -> NDArray[np.float64]:
    """Total energies in a segment's first sample, (n_replicas,) | eV."""
    with h5py.File(path) as file:
        potential, kinetic = (
            file[f"samples/{name}"][:, 0] for name in (keys.POTENTIAL_ENERGY, keys.KINETIC_ENERGY)
        )
        return potential + kinetic


def segment_attributes(folder: Path) -> list[tuple[int, float]]:
    """(step at the end, seconds spent) of every readable file, equilibration first."""
    found = []
    for path in sorted(folder.glob("[0-9]*.h5")):
        with contextlib.suppress(OSError, KeyError), h5py.File(path) as file:
            found.append((int(file.attrs["step"]), float(file.attrs["seconds"])))
    return found


def join(
    path: Path,
    blocks: Sequence[Path],
    n_samples: int,
    sparse_stride: int,
    attributes: dict[str, Any],
    finish: Callable[[h5py.File], None] | None = None,
) -> None:
    """Stream the first `n_samples` samples of all blocks, replica after replica, into trajectory.h5.

    Replicas that have stopped (guards.py) are left out.

    finish: adds what is computed from the whole.
    """
    kept = {folder: rows for folder in blocks if (rows := kept_rows(folder))}
    n_kept = sum(map(len, kept.values()))
    _, samples = read_samples(next(iter(kept)) / "000001.h5")
    kinds = {name: (values.shape[2:], values.dtype) for name, values in samples.items()}
    n_values = n_kept * n_samples * sum(math.prod(shape) for shape, _ in kinds.values())
    check_space(path, 8 * n_values)
    # HDF5 1.8's format: the starts of a molecule with many conformers pass older ones' 64 KiB per attribute
    with atomic_path(path) as temporary, h5py.File(temporary, "w", libver="v108") as file:
        file.attrs.update(attributes)
        for name, (shape, dtype) in kinds.items():
            length = -(-n_samples // sparse_stride) if name == keys.SPARSE_POSITIONS else n_samples
            file.create_dataset(name, (n_kept, length, *shape), dtype)
        row = 0
        for folder, rows in kept.items():
            for segment in production_segments(folder):
                first, samples = read_samples(segment)
                if first >= n_samples:  # an earlier, longer run
                    break
                for name, values in samples.items():
                    start = -(-first // sparse_stride) if name == keys.SPARSE_POSITIONS else first
                    used = values[rows, : max(0, file[name].shape[1] - start)]
                    file[name][row : row + len(rows), start : start + used.shape[1]] = used
            row += len(rows)
        if finish is not None:
            finish(file)
