"""Groups of sampled frames, screened and written in an order whose beginning holds all groups."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.io import write
from numpy.typing import NDArray

from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path
from painn_spectra.sampling.screening import check_losses, distinct, fingerprints, intact, interleaved

Array = NDArray[np.float64]


Pick = Callable[[int, Array, Array], list[int]]  # number, positions, fingerprints -> indices


class Group(NamedTuple):
    """Frames of one origin."""

    seed: str  # names the trajectory: frames that belong together are held out together
    temperature_K: float
    conformer: Array  # (n_atoms, 3) | Å, whose bonds the frames must have
    positions: Array  # (n, n_atoms, 3) | Å


def write_selection(
    path: Path,
    numbers: NDArray[np.int64],
    groups: list[Group],
    n_wanted: int,
    setting: str,
    cure: str,
    known: Array | None = None,
    pick: Pick | None = None,
) -> int:
    """Write up to n_wanted intact and different frames as extxyz; print how many were dropped, return theirs.

    setting, cure: of `check_losses`. known: geometries (n, n_atoms, 3) | Å not to repeat. pick: chooses among
    the different ones; without it the first are taken, of all groups in turn.
    """
    whole = [intact(numbers, group.conformer, group.positions) for group in groups]
    for T in sorted({group.temperature_K for group in groups}):
        mask = np.concatenate([m for m, group in zip(whole, groups, strict=True) if group.temperature_K == T])
        check_losses(int((~mask).sum()), len(mask), T, setting, cure)
    kept = [group.positions[mask] for group, mask in zip(groups, whole, strict=True)]
    order = interleaved([len(positions) for positions in kept])
    if not order:
        raise InputError(f"{path}: no geometry was made; raise sampling.n_frames")
    positions = np.array([kept[group][k] for group, k in order])  # (n, n_atoms, 3) | Å
    old = fingerprints(numbers, known) if known is not None and len(known) else None
    prints = fingerprints(numbers, positions)
    different = distinct(prints, known=old)
    chosen = different[:n_wanted]
    if pick is not None:
        chosen = [different[k] for k in pick(n_wanted, positions[different], prints[different])]
    frames = []
    for k in chosen:
        group = groups[order[k][0]]
        info = {"seed": group.seed, "temperature_K": group.temperature_K}
        frames.append(Atoms(numbers, positions[k], info=info))
    with atomic_path(path) as temporary:
        write(temporary, frames, format="extxyz")
    n_made = sum(len(mask) for mask in whole)
    print(
        f"{path}: {len(frames)} frames of {len(groups)} groups; of {n_made} made, {n_made - len(order)} had "
        f"reacted or flown apart, {len(order) - len(different)} resembled others, "
        f"{len(different) - len(frames)} were to spare"
    )
    if len(frames) < n_wanted:
        print(f"{path}: {n_wanted} were asked for; a longer sampling.interval_fs gives more different ones")
    return len(frames)
