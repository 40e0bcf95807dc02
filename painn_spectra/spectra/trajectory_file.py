"""Reading trajectory.h5 as a series: checked before use, a few megabytes in memory at a time."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.spectra.hdf5_apart import RERUN, Dataset, Hdf5, open_apart
from painn_spectra.spectra.series import (
    MOTION_SHAPES,
    SERIES_SHAPES,
    Minima,
    Sampling,
    Series,
    shape_of,
)

BROKE = "the dynamics broke there, shorten md.timestep_fs or train the model better"
MOST_COMPRESSION = 100  # claimed bytes per stored one: measured numbers do not shrink so far


@contextmanager
def open_trajectory(path: Path, sampling: Sampling | None = None) -> Iterator[Series]:
    """Open and check a trajectory; what `sampling` says overrides the file.

    Raises InputError naming what is missing or wrong.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: no such file; {RERUN}")
    with open_apart(Path(path)) as file:
        yield _series(file, sampling)


def _series(file: Hdf5, sampling: Sampling | None) -> Series:
    path, version = file.path, file.attribute("format_version")
    if np.ndim(version) or version not in keys.READABLE_TRAJECTORIES:
        known = " or ".join(map(str, keys.READABLE_TRAJECTORIES))
        raise InputError(f"{path}: format_version {version} is not {known}; {RERUN}")
    datasets = {name: _floats(file, name) for name in SERIES_SHAPES}
    if np.array_equal(file.attribute("sparse_stride"), 1):  # the motion at every sample
        datasets |= {name: _floats(file, name) for name in MOTION_SHAPES}
    there = {name: data for name, data in datasets.items() if data is not None}
    for name in SERIES_SHAPES.keys() - there.keys():
        raise InputError(f"{path}: dataset {name!r} is missing; {RERUN}")
    n_replicas, n_samples, tails = shape_of(path, {name: d.shape for name, d in there.items()}, RERUN)
    told = sampling or Sampling()
    numbers: dict[str, Any] = {
        name: getattr(told, name) or _positive(file, name)
        for name in ("temperature_K", "integrator_timestep_fs", "sample_interval_fs")
    }
    return Series(
        path, _text(file, "molecule"), _text(file, "dynamics"), **numbers,
        n_replicas=n_replicas, n_samples=n_samples,
        quantities={name: (tails[name], partial(file.read, name, d.dtype)) for name, d in there.items()},
        advice=BROKE, masses_amu=_per_atom(file, "masses_amu"), numbers=_per_atom(file, "numbers"),
        stopped=_stopped(file), **_starts(file, n_replicas),
        controls=_controls(file, n_replicas, numbers["temperature_K"]),
    )  # fmt: skip


def _starts(file: Hdf5, n_replicas: int) -> dict[str, Any]:
    """Conformer that each replica started from, and all of them with their modes, where the file tells."""
    if (text := file.attribute("starts")) is None:
        return {}
    try:
        starts = json.loads(text)
        conformers, replicas = starts["conformers"], np.array(starts["replicas"], dtype=int)
        positions = np.array([conformer["positions"] for conformer in conformers], dtype=float)
        modes, wavenumbers = (
            np.array([conformer[name] for conformer in conformers if name in conformer], dtype=float)
            for name in ("modes", "wavenumbers_cm")
        )
        if replicas.shape != (n_replicas,) or not set(replicas.tolist()) <= set(range(len(positions))):
            raise ValueError("a replica's conformer is missing")
        if positions.shape[2:] != (3,) or (len(modes) and modes.shape[2:] != positions.shape[1:]):
            raise ValueError("shapes disagree")
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{file.path}: attribute 'starts' cannot be read ({error}); {RERUN}") from None
    whole = len(modes) == len(wavenumbers) == len(positions)
    minima = Minima(positions, modes, wavenumbers, replicas.tolist()) if whole else None
    return {"references": positions[replicas], "minima": minima}


def _controls(file: Hdf5, n_replicas: int, temperature_K: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Excess kinetic energies of the modes and their wavenumbers, where the dynamics wrote them; they count
    from k_BT of the file's temperature."""
    name = keys.MODE_ENERGY_EXCESS
    data = _floats(file, name)
    if data is None or len(data.shape) != 2 or data.shape[0] != n_replicas:
        return None
    if temperature_K != file.attribute("temperature_K"):
        return None
    excess = np.array([file.read(name, data.dtype, k, 0, data.shape[1]) for k in range(n_replicas)])
    wavenumbers = np.asarray(file.attribute("wavenumbers_cm", of=name))
    if wavenumbers.shape != excess.shape[1:]:
        raise InputError(f"{file.path}: {name!r} and its wavenumbers differ in number; {RERUN}")
    return (excess, wavenumbers) if np.isfinite(excess).all() else None


def _stopped(file: Hdf5) -> list[int]:
    """Numbers of the replicas that broke and are left out."""
    stopped = np.asarray(file.attribute("stopped") or np.empty(0, int))
    if stopped.ndim != 1 or stopped.dtype.kind not in "iu" or (stopped < 0).any():
        raise InputError(f"{file.path}: attribute 'stopped' does not list replicas; {RERUN}")
    return [int(number) for number in stopped]


def _per_atom(file: Hdf5, name: str) -> np.ndarray | None:
    """An attribute of positive numbers (n_atoms,), None where the file has none."""
    if (told := file.attribute(name)) is None:
        return None
    values = np.asarray(told)
    if values.ndim != 1 or values.dtype.kind not in "fiu" or not ((values > 0) & (values < math.inf)).all():
        raise InputError(f"{file.path}: attribute {name!r} is not a list of positive numbers; {RERUN}")
    return values


def _floats(file: Hdf5, name: str) -> Dataset | None:
    data = file.dataset(name)
    if data is None:
        return None
    if data.dtype.kind != "f":
        raise InputError(f"{file.path}: {name!r} is {data.dtype}, not floats; {RERUN}")
    claimed = math.prod(data.shape) * data.dtype.itemsize
    if claimed > data.stored_bytes * (MOST_COMPRESSION if data.chunked else 1):
        raise InputError(
            f"{file.path}: {name!r} claims the shape {data.shape}, but {data.stored_bytes} bytes are there; "
            f"{RERUN}"
        )
    return data


def _attribute(file: Hdf5, name: str) -> Any:
    if (value := file.attribute(name)) is None:
        raise InputError(f"{file.path}: attribute {name!r} is missing; {RERUN}")
    return value


def _positive(file: Hdf5, name: str) -> float:
    value = _attribute(file, name)
    if np.ndim(value) or not np.issubdtype(np.asarray(value).dtype, np.number) or not 0 < value < math.inf:
        raise InputError(f"{file.path}: attribute {name} = {value!r} is not positive; {RERUN}")
    return float(value)


def _text(file: Hdf5, name: str) -> str:
    return " ".join(str(_attribute(file, name)).split())
