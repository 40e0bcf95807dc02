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
        version = file.attrs.get("format_version")
        if version not in keys.READABLE_TRAJECTORIES:
            known = " or ".join(map(str, keys.READABLE_TRAJECTORIES))
            raise InputError(f"{path}: format_version {version} is not {known}; {RERUN}")
        datasets = {name: _dataset(file, name, path) for name in SERIES_SHAPES}
        if int(file.attrs.get("sparse_stride", 0)) == 1:  # the motion at every sample
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
        yield Series(
            Path(path), _text(file, "molecule", path), _text(file, "dynamics", path), **numbers,
            n_replicas=n_replicas, n_samples=n_samples,
            quantities={name: (tails[name], _reader(data)) for name, data in datasets.items()},
            advice=BROKE, masses_amu=file.attrs.get("masses_amu"),
            numbers=file.attrs.get("numbers"), **_starts(file, n_replicas),
            controls=_controls(file, n_replicas, numbers["temperature_K"]),
        )  # fmt: skip


def _reader(data: h5py.Dataset) -> Read:
    return lambda replica, start, stop: data[replica, start:stop]


def _starts(file: h5py.File, n_replicas: int) -> dict[str, Any]:
    """Conformer that each replica started from, and all of them with their modes, where the file tells."""
    starts = json.loads(file.attrs.get("starts", "{}"))
    conformers, replicas = starts.get("conformers"), starts.get("replicas")
    if not conformers or len(replicas or ()) != n_replicas:
        return {}
    positions = np.array([conformer["positions"] for conformer in conformers])
    minima = None
    if all("modes" in conformer for conformer in conformers):
        modes, wavenumbers = (np.array([c[name] for c in conformers]) for name in ("modes", "wavenumbers_cm"))
        minima = Minima(positions, modes, wavenumbers, replicas)
    return {"references": positions[replicas], "minima": minima}


def _controls(file: h5py.File, n_replicas: int, temperature_K: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Excess kinetic energies of the modes and their wavenumbers, where the dynamics wrote them; they count
    from k_BT of the file's temperature."""
    data = file.get(keys.MODE_ENERGY_EXCESS)
    if data is None or data.shape[0] != n_replicas or temperature_K != file.attrs["temperature_K"]:
        return None
    excess = data[:]
    return (excess, np.asarray(data.attrs["wavenumbers_cm"])) if np.isfinite(excess).all() else None


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    link = file.get(name, getlink=True)
    if link is None:
        raise InputError(f"{path}: dataset {name!r} is missing; {RERUN}")
    data = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise InputError(f"{path}: {name!r} points to other data; copy its numbers into this file")
    if data.dtype.kind != "f":
        raise InputError(f"{path}: {name!r} is {data.dtype}, not floats; {RERUN}")
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
    return value.decode() if isinstance(value, bytes) else str(value)
