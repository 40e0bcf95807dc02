"""Replicas that can no longer be trusted: stopped, named and left out of the trajectory; the others go on.

A replica stops when anything about it is no number, a bond breaks, its total energy changes as heat would, or
a geometry lies far outside of the range that the model was trained in.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.files import read_object, write_json
from painn_spectra.md.bonds import bonds
from painn_spectra.trained_range import Bounds
from painn_spectra.units import BOLTZMANN_EV_K

Array = NDArray[np.float64]

BROKEN_BOND_FACTOR = 2.0
GAINED_KT = 0.5  # per degree of freedom: a replica whose energy changes so much is at another temperature
# of a distance, beyond its bound. Zero-point motion spreads X–H, the widest of all bonds, by 7 % of its
# length: heat and zero-point energy do not carry a bond 3.5 such spreads past the last frame of the training.
# Beads of intact ethanol come to 0.07 (trained on 60 classical frames: 0.2), of one that collapses to 0.3
FAR = 0.25
MOST_STOPPED = 0.5  # of a block or of the run: beyond, the model and not a rare geometry is the reason
ADVICE = "label geometries like these, train longer, or lower md.timestep_fs or the temperature"
FILE = "stopped.json"  # in a block's folder

Stopped = dict[int, dict[str, Any]]  # replica -> time_ps, step, reason


def stopped_in(folder: Path) -> Stopped:
    """Replicas of a block that have stopped."""
    return {int(replica): told for replica, told in read_object(folder / FILE).items()}


def kept_rows(folder: Path) -> list[int]:
    """Rows of a block's arrays whose replicas have not stopped; a block's folder is named by its replicas."""
    first, last = map(int, folder.name.split("-"))
    stopped = stopped_in(folder)
    return [replica - first for replica in range(first, last + 1) if replica not in stopped]


def keep_stopped(
    folder: Path, known: Stopped, found: Mapping[int, dict[str, Any]], n_replicas: int, n_in_run: int
) -> Stopped:
    """Join `found` to those `known` of a block of `n_replicas` and write them down.

    Raises InputError when most of the block or of the `n_in_run` replicas of the run have stopped; a block of
    one, such as a ring polymer of many beads, is no sample of its own.
    """
    everyone = {**found, **known}
    beside = [path for path in folder.parent.glob("*-*") if path != folder]  # some of an earlier, larger run
    elsewhere = sum(replica < n_in_run for path in beside for replica in stopped_in(path))
    for n_stopped, n in ((len(everyone), n_replicas), (len(everyone) + elsewhere, n_in_run)):
        if found and n_stopped > MOST_STOPPED * n and (n > 1 or n == n_in_run):
            replica, told = next(iter(everyone.items()))
            others = f" ({n_stopped} of {n} replicas beside it too)" if n_stopped > 1 else ""
            raise InputError(f"replica {replica}: {told['reason']}{others}; {ADVICE}")
    if found:
        write_json(folder / FILE, everyone)
        for replica, told in found.items():
            print(f"replica {replica} stops: {told['reason']}; {ADVICE}")
    return everyone


def broken(
    numbers: NDArray[np.int64], start: Array, end: Array, energy_eV: float, step: int, timestep_fs: float
) -> dict[str, Any] | None:
    """What is wrong with a replica that began at `start` and is at `end`, (n_atoms, 3) | Å; None: nothing."""
    if not (np.isfinite(energy_eV) and np.isfinite(end).all()):
        return _told(step, timestep_fs, "energy is not a number after {}")
    for i, j in bonds(numbers, start):
        before, after = (float(np.linalg.norm(r[i] - r[j])) for r in (start, end))
        if after > BROKEN_BOND_FACTOR * before:
            reason = f"bond {i}-{j} is {after:.2f} Å long after {{}}, {before:.2f} Å at the start"
            return _told(step, timestep_fs, f"{reason}; the model leaves the molecule")
    return None


def no_number(
    samples: Mapping[str, NDArray[Any]], row: int, steps: NDArray[np.int64], timestep_fs: float
) -> dict[str, Any] | None:
    """The first sample of a segment that holds something that is no number; None: all are.

    samples: {name: (n_replicas, n_samples, ...)}; others, recorded more rarely, are left alone. steps: of the
    samples, (n_samples,).
    """
    firsts = {}
    for name, values in samples.items():
        wrong = ~np.isfinite(values[row].reshape(len(values[row]), -1)).all(1)
        if len(wrong) == len(steps) and wrong.any() and name not in (keys.RANGE_EXCESS, keys.RANGE_PLACE):
            firsts[name] = int(steps[wrong.argmax()])
    if not firsts:
        return None
    name = min(firsts, key=firsts.__getitem__)
    words = name.removeprefix("potential_").replace("_", " ")
    return _told(firsts[name], timestep_fs, f"{words} is not a number after {{}}")


def unsteady(
    samples: Mapping[str, NDArray[Any]], row: int, start_energy_eV: float, degrees_of_freedom: int,
    temperature_K: float, steps: NDArray[np.int64], timestep_fs: float,
) -> dict[str, Any] | None:  # fmt: skip
    """What is wrong with a replica's conserved energy in one segment without thermostat; None: nothing.

    start_energy_eV: of its first sample. steps: of the samples, (n_samples,).
    """
    total = samples[keys.POTENTIAL_ENERGY][row] + samples[keys.KINETIC_ENERGY][row]  # (n_samples,) | eV
    gained = (total - start_energy_eV) / (degrees_of_freedom * BOLTZMANN_EV_K * temperature_K)
    wrong = np.abs(gained) >= GAINED_KT
    if not wrong.any():
        return None
    first = int(wrong.argmax())
    kelvin = float(gained[first] * temperature_K)
    reason = f"its total energy has changed by {kelvin:+.0f} K per degree of freedom after {{}}"
    return _told(steps[first], timestep_fs, f"{reason}, which the dynamics should conserve")


def astray(
    bounds: Bounds, excess: Array, place: NDArray[np.int64], steps: NDArray[np.int64], timestep_fs: float
) -> dict[str, Any] | None:
    """The first of a replica's frames far outside of the trained range; None: there is none.

    excess, place: `Bounds.excess` of the frames, (n_frames,); steps: theirs.
    """
    far = excess > FAR
    if not far.any():
        return None
    first = int(far.argmax())
    reason = bounds.words(excess[first], place[first])
    return _told(steps[first], timestep_fs, f"{reason}: far outside of the trained range after {{}}")


def _told(step: int, timestep_fs: float, reason: str) -> dict[str, Any]:
    """What FILE says of a replica; {} in the reason becomes time and step."""
    time_ps = step * timestep_fs * 1e-3
    when = f"{time_ps:g} ps, step {step}"
    return {"step": int(step), "time_ps": round(time_ps, 6), "reason": reason.format(when)}
