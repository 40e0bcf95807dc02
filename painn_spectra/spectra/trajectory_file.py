"""Reading trajectory.h5 as a series: checked before use, a few megabytes in memory at a time."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.spectra.hdf5_heaps import endless_heap
from painn_spectra.spectra.series import (
    MOTION_SHAPES,
    SERIES_SHAPES,
    Minima,
    Read,
    Sampling,
    Series,
    shape_of,
)

RERUN = "run the dynamics stage again"
BROKE = "the dynamics broke there, shorten md.timestep_fs or train the model better"
DAMAGE = (OSError, RuntimeError, KeyError, TypeError)  # as h5py tells it
MOST_COMPRESSION = 100  # claimed bytes per stored one: measured numbers do not shrink so far


@contextmanager
def open_trajectory(path: Path, sampling: Sampling | None = None) -> Iterator[Series]:
    """Open and check a trajectory; what `sampling` says overrides the file.

    Raises InputError naming what is missing or wrong.
    """
    try:
        file = h5py.File(path, "r")
    except OSError:
        reason = "no such file" if not Path(path).exists() else "damaged or not HDF5"
        raise InputError(f"{path}: {reason}; {RERUN}") from None
    with file:
        with _damage_told(path, (*DAMAGE, ValueError)):  # floats of a layout that numpy has not
            series = _series(file, path, sampling)
        with _damage_told(path):
            yield series


def _series(file: h5py.File, path: Path, sampling: Sampling | None) -> Series:
    if (heap := endless_heap(Path(path))) is not None:
        raise InputError(f"{path}: is damaged (its texts, from byte {heap} on, have no end); {RERUN}")
    version = file.attrs.get("format_version")
    if np.ndim(version) or version not in keys.READABLE_TRAJECTORIES:
        known = " or ".join(map(str, keys.READABLE_TRAJECTORIES))
        raise InputError(f"{path}: format_version {version} is not {known}; {RERUN}")
    datasets = {name: _dataset(file, name, path) for name in SERIES_SHAPES}
    if np.array_equal(file.attrs.get("sparse_stride", 0), 1):  # the motion at every sample
        datasets |= {
            name: _dataset(file, name, path)
            for name in MOTION_SHAPES if name in file
        }  # fmt: skip
    n_replicas, n_samples, tails = shape_of(path, {name: d.shape for name, d in datasets.items()}, RERUN)
    told = sampling or Sampling()
    numbers: dict[str, Any] = {
        name: getattr(told, name) or _positive(file, name, path)
        for name in ("temperature_K", "integrator_timestep_fs", "sample_interval_fs")
    }
    return Series(
        Path(path), _text(file, "molecule", path), _text(file, "dynamics", path), **numbers,
        n_replicas=n_replicas, n_samples=n_samples,
        quantities={name: (tails[name], _reader(data)) for name, data in datasets.items()},
        advice=BROKE, masses_amu=_per_atom(file, "masses_amu", path),
        numbers=_per_atom(file, "numbers", path), stopped=_stopped(file, path),
        **_starts(file, n_replicas, path),
        controls=_controls(file, n_replicas, numbers["temperature_K"], path),
    )  # fmt: skip


@contextmanager
def _damage_told(path: Path, damage: tuple[type[Exception], ...] = DAMAGE) -> Iterator[None]:
    """What HDF5 finds in a damaged file, when it comes to read that part, as our one line."""
    try:
        yield
    except InputError:
        raise
    except damage as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: is damaged ({reason}); {RERUN}") from None


def _reader(data: h5py.Dataset) -> Read:
    return lambda replica, start, stop: data[replica, start:stop]


def _starts(file: h5py.File, n_replicas: int, path: Path) -> dict[str, Any]:
    """Conformer that each replica started from, and all of them with their modes, where the file tells."""
    if "starts" not in file.attrs:
        return {}
    try:
        starts = json.loads(file.attrs["starts"])
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
        raise InputError(f"{path}: attribute 'starts' cannot be read ({error}); {RERUN}") from None
    whole = len(modes) == len(wavenumbers) == len(positions)
    minima = Minima(positions, modes, wavenumbers, replicas.tolist()) if whole else None
    return {"references": positions[replicas], "minima": minima}


def _controls(
    file: h5py.File, n_replicas: int, temperature_K: float, path: Path
) -> tuple[np.ndarray, np.ndarray] | None:
    """Excess kinetic energies of the modes and their wavenumbers, where the dynamics wrote them; they count
    from k_BT of the file's temperature."""
    if keys.MODE_ENERGY_EXCESS not in file:
        return None
    data = _dataset(file, keys.MODE_ENERGY_EXCESS, path)
    if data.ndim != 2 or data.shape[0] != n_replicas or temperature_K != file.attrs["temperature_K"]:
        return None
    excess, wavenumbers = data[:], np.asarray(data.attrs["wavenumbers_cm"])
    if wavenumbers.shape != excess.shape[1:]:
        raise InputError(f"{path}: {keys.MODE_ENERGY_EXCESS!r} and its wavenumbers differ in number; {RERUN}")
    return (excess, wavenumbers) if np.isfinite(excess).all() else None


def _stopped(file: h5py.File, path: Path) -> list[int]:
    """Numbers of the replicas that broke and are left out."""
    stopped = np.asarray(file.attrs.get("stopped", np.empty(0, int)))
    if stopped.ndim != 1 or stopped.dtype.kind not in "iu" or (stopped < 0).any():
        raise InputError(f"{path}: attribute 'stopped' does not list replicas; {RERUN}")
    return [int(number) for number in stopped]


def _per_atom(file: h5py.File, name: str, path: Path) -> np.ndarray | None:
    """An attribute of positive numbers (n_atoms,), None where the file has none."""
    if name not in file.attrs:
        return None
    values = np.asarray(file.attrs[name])
    if values.ndim != 1 or values.dtype.kind not in "fiu" or not ((values > 0) & (values < math.inf)).all():
        raise InputError(f"{path}: attribute {name!r} is not a list of positive numbers; {RERUN}")
    return values


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    link = file.get(name, getlink=True)
    if link is None:
        raise InputError(f"{path}: dataset {name!r} is missing; {RERUN}")
    data = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise InputError(f"{path}: {name!r} points to other data; copy its numbers into this file")
    if data.dtype.kind != "f":
        raise InputError(f"{path}: {name!r} is {data.dtype}, not floats; {RERUN}")
    stored = data.id.get_storage_size()
    if data.size * data.dtype.itemsize > stored * (1 if data.chunks is None else MOST_COMPRESSION):
        raise InputError(
            f"{path}: {name!r} claims the shape {data.shape}, but {stored} bytes are there; {RERUN}"
        )
    return data


def _attribute(file: h5py.File, name: str, path: Path) -> Any:
    if name not in file.attrs:
        raise InputError(f"{path}: attribute {name!r} is missing; {RERUN}")
    return file.attrs[name]


def _positive(file: h5py.File, name: str, path: Path) -> float:
    value = _attribute(file, name, path)
    if np.ndim(value) or not np.issubdtype(np.asarray(value).dtype, np.number) or not 0 < value < math.inf:
        raise InputError(f"{path}: attribute {name} = {value!r} is not positive; {RERUN}")
    return float(value)


def _text(file: h5py.File, name: str, path: Path) -> str:
    value = _attribute(file, name, path)
    return " ".join((value.decode(errors="replace") if isinstance(value, bytes) else str(value)).split())
