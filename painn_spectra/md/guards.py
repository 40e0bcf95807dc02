"""Replicas that can no longer be trusted: stopped, named and left out of the trajectory; the others go on.

A replica stops when its energy is no number, a bond breaks, or its total energy changes as heat would.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.files import write_json
from painn_spectra.md.bonds import bonds
from painn_spectra.units import BOLTZMANN_EV_K

Array = NDArray[np.float64]

BROKEN_BOND_FACTOR = 2.0
GAINED_KT = 0.5  # per degree of freedom: a replica whose energy changes so much is at another temperature
MOST_STOPPED = 0.5  # of a block: beyond, the model and not a rare geometry is the reason
ADVICE = "label geometries like these, train longer, or lower md.timestep_fs or the temperature"
FILE = "stopped.json"  # in a block's folder

Stopped = dict[int, dict[str, Any]]  # replica -> time_ps, step, reason


def stopped_in(folder: Path) -> Stopped:
    """Replicas of a block that have stopped."""
    file = folder / FILE
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {int(replica): told for replica, told in known.items()}


def kept_rows(folder: Path, n_replicas: int) -> list[int]:
    """Rows of a block's arrays whose replicas have not stopped; a block's folder is named by its replicas."""
    first = int(folder.name.partition("-")[0])
    return [row for row in range(n_replicas) if first + row not in stopped_in(folder)]


def keep_stopped(
    folder: Path, known: Stopped, found: Mapping[int, dict[str, Any]], n_replicas: int
) -> Stopped:
    """Join `found` to those `known` and write them down; InputError when too few replicas are left."""
    everyone = {**found, **known}
    if len(everyone) > MOST_STOPPED * n_replicas:
        replica, told = next(iter(everyone.items()))
        others = f" ({len(everyone)} of {n_replicas} replicas beside it too)" if len(everyone) > 1 else ""
        raise InputError(f"replica {replica}: {told['reason']}{others}; {ADVICE}")
    if found:
        write_json(folder / FILE, everyone)
        for replica, told in found.items():
            print(f"replica {replica} stops: {told['reason']}; {ADVICE}")
    return everyone


def broken(
    numbers: NDArray[np.int64], start: Array, end: Array, energy_eV: float, step: int, time_ps: float
) -> dict[str, Any] | None:
    """What is wrong with a replica that began at `start` and is at `end`, (n_atoms, 3) | Å; None: nothing."""
    told = {"step": step, "time_ps": round(time_ps, 6)}
    if not (np.isfinite(energy_eV) and np.isfinite(end).all()):
        return told | {"reason": f"energy is not a number after {time_ps:g} ps, step {step}"}
    for i, j in bonds(numbers, start):
        before, after = (float(np.linalg.norm(r[i] - r[j])) for r in (start, end))
        if after > BROKEN_BOND_FACTOR * before:
            return told | {
                "reason": f"bond {i}-{j} is {after:.2f} Å long after {time_ps:g} ps, {before:.2f} Å at the "
                "start; the model leaves the molecule"
            }
    return None


def unsteady(
    samples: Mapping[str, NDArray[Any]], row: int, start_energy_eV: float, degrees_of_freedom: int,
    temperature_K: float, steps: NDArray[np.int64], timestep_fs: float,
) -> dict[str, Any] | None:  # fmt: skip
    """What is wrong with a replica's conserved energy in one segment of NVE; None: nothing.

    start_energy_eV: of its first sample. steps: of the samples, (n_samples,).
    """
    total = samples[keys.POTENTIAL_ENERGY][row] + samples[keys.KINETIC_ENERGY][row]  # (n_samples,) | eV
    gained = (total - start_energy_eV) / (degrees_of_freedom * BOLTZMANN_EV_K * temperature_K)
    wrong = ~(np.abs(gained) < GAINED_KT)  # true for NaN
    if not wrong.any():
        return None
    first = int(wrong.argmax())
    step = int(steps[first])
    time_ps = step * timestep_fs * 1e-3
    told = {"step": step, "time_ps": round(time_ps, 6)}
    if not np.isfinite(gained[first]):
        return told | {"reason": f"energy is not a number after {time_ps:g} ps, step {step}"}
    kelvin = float(gained[first] * temperature_K)
    return told | {
        "reason": f"its total energy has changed by {kelvin:+.0f} K per degree of freedom after "
        f"{time_ps:g} ps, step {step}, which the dynamics should conserve"
    }
