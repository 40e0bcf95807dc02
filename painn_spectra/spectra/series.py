"""Reading trajectory.h5: checked before use, one replica in memory at a time."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.spectra.correlation import Array

RERUN = "run the dynamics stage again"
SERIES_SHAPES = {keys.DIPOLE: (3,), keys.POLARIZABILITY: (3, 3)}


@dataclass(frozen=True)
class TrajectorySeries:
    """An open trajectory: what it is, how it was sampled, and its replicas by name and index."""

    path: Path
    molecule: str
    dynamics: str
    temperature_K: float
    integrator_timestep_fs: float
    sample_interval_fs: float
    n_replicas: int
    n_samples: int
    datasets: dict[str, Any]

    @property
    def length_fs(self) -> float:
        return self.n_samples * self.sample_interval_fs

    def replica(self, name: str, index: int) -> Array:
        """One replica's series, (n_samples, ...) in the unit of `keys`; NaN is refused."""
        series = np.asarray(self.datasets[name][index], dtype=np.float64)
        finite = np.isfinite(series).reshape(len(series), -1).all(axis=1)
        if not finite.all():
            raise InputError(
                f"{self.path}: {name} of replica {index} is not finite from sample {int(np.argmin(finite))}; "
                "the dynamics broke there, shorten md.timestep_fs or train the model better"
            )
        return series


@contextmanager
def open_trajectory(path: Path) -> Iterator[TrajectorySeries]:
    """Open and check a trajectory. Raises InputError naming what is missing or wrong."""
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
        datasets = {name: _dataset(file, name, tail, path) for name, tail in SERIES_SHAPES.items()}
        shapes = {name: data.shape[:2] for name, data in datasets.items()}
        if len(set(shapes.values())) > 1:
            raise InputError(f"{path}: replicas and samples differ, {shapes}; {RERUN}")
        n_replicas, n_samples = shapes[keys.DIPOLE]
        numbers = {
            name: _positive(file, name, path)
            for name in ("temperature_K", "integrator_timestep_fs", "sample_interval_fs")
        }
        yield TrajectorySeries(
            Path(path), _text(file, "molecule", path), _text(file, "dynamics", path), **numbers,
            n_replicas=n_replicas, n_samples=n_samples, datasets=datasets,
        )  # fmt: skip


def _dataset(file: h5py.File, name: str, tail: tuple[int, ...], path: Path) -> h5py.Dataset:
    link = file.get(name, getlink=True)
    if link is None:
        raise InputError(f"{path}: dataset {name!r} is missing; {RERUN}")
    data = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise InputError(f"{path}: {name!r} points to other data; copy its numbers into this file")
    if data.ndim != 2 + len(tail) or data.shape[2:] != tail or 0 in data.shape or data.dtype.kind != "f":
        expected = ", ".join(["n_replicas", "n_samples", *map(str, tail)])
        raise InputError(f"{path}: {name!r} is {data.dtype} {data.shape}, not floats ({expected}); {RERUN}")
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
