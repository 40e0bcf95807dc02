"""Series of dipoles and polarizabilities, whatever their file, read a piece at a time and checked."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.spectra.autocorrelation import Array

Read = Callable[[int, int, int], Array]  # replica, first sample, last sample + 1 -> (n_samples, ...)

EXTERNAL = "external"  # dynamics of another program
CHUNK_BYTES = 1 << 23  # read and kept at a time
SERIES_SHAPES = {keys.DIPOLE: (3,), keys.POLARIZABILITY: (3, 3)}
MOTION_SHAPES = {keys.HALF_STEP_VELOCITIES: (None, 3), keys.SPARSE_POSITIONS: (None, 3)}  # None: n_atoms


@dataclass(frozen=True)
class Sampling:
    """How a series was sampled, as its owner says; None: take what the file says."""

    sample_interval_fs: float | None = None
    temperature_K: float | None = None
    integrator_timestep_fs: float | None = None  # without it the velocity Verlet shift stays


@dataclass(frozen=True)
class Minima:
    """The model's conformers with their normal modes, as the dynamics found them, and each replica's."""

    positions: Array  # (n_conformers, n_atoms, 3) | Å
    modes: Array  # (n_conformers, n_modes, n_atoms, 3), orthonormal, mass-weighted
    wavenumbers_cm: Array  # (n_conformers, n_modes) | cm⁻¹
    replicas: Sequence[int]  # conformer that each replica started from


@dataclass(frozen=True)
class Series:
    """Replicas of equal length: what they are, how they were sampled, and how to read each quantity.

    The quantities are those of `keys` that the file holds, in its units, one value per sample.
    """

    path: Path
    molecule: str
    dynamics: str
    temperature_K: float
    integrator_timestep_fs: float  # 0: not known
    sample_interval_fs: float
    n_replicas: int
    n_samples: int
    quantities: Mapping[str, tuple[tuple[int, ...], Read]]  # name -> shape of one sample, reader
    advice: str = "mend the file"  # where a number is not finite
    masses_amu: Array | None = None  # (n_atoms,) | amu
    numbers: Array | None = None  # (n_atoms,) | atomic numbers
    references: Array | None = None  # (n_replicas, n_atoms, 3) | Å, the conformer each replica started from
    minima: Minima | None = None
    stopped: Sequence[int] = ()  # numbers in the run of replicas that broke and are left out
    controls: tuple[Array, Array] | None = None  # MODE_ENERGY_EXCESS of `keys`, and its modes' cm⁻¹

    @property
    def length_fs(self) -> float:
        return self.n_samples * self.sample_interval_fs

    def __contains__(self, name: str) -> bool:
        return name in self.quantities

    def chunks(self, name: str, replica: int) -> Iterator[Array]:
        """One replica's series in pieces (n, ...) of a few megabytes, float64; NaN is refused."""
        return (piece for (piece,) in self.together((name,), replica))

    def together(self, names: Sequence[str], replica: int) -> Iterator[tuple[Array, ...]]:
        """Pieces of several quantities over the same samples."""
        step = max(1, CHUNK_BYTES // (8 * sum(math.prod(self.quantities[name][0]) for name in names)))
        yield from zip(*(self._pieces(name, replica, step) for name in names), strict=True)

    def _pieces(self, name: str, replica: int, step: int) -> Iterator[Array]:
        _, read = self.quantities[name]
        for start in range(0, self.n_samples, step):
            piece = np.asarray(read(replica, start, min(start + step, self.n_samples)), dtype=np.float64)
            finite = (np.abs(piece) < keys.HUGE).reshape(len(piece), -1).all(axis=1)
            if not finite.all():
                raise InputError(
                    f"{self.path}: {name} of replica {replica} is not finite from sample "
                    f"{start + int(np.argmin(finite))} on, or beyond {keys.HUGE:g}; {self.advice}"
                )
            yield piece


def shape_of(
    path: Path, shapes: Mapping[str, tuple[int, ...]], fix: str = "save them anew"
) -> tuple[int, int, dict[str, tuple[int, ...]]]:
    """Check shapes (n_replicas, n_samples, ...), by name, against `keys` and one another.

    Returns n_replicas, n_samples and the shape of one sample by name.
    """
    tails = {}
    for name, shape in shapes.items():
        tail = (SERIES_SHAPES | MOTION_SHAPES)[name]
        fits = len(shape) == 2 + len(tail) and 0 not in shape
        if not fits or any(want not in (None, n) for want, n in zip(tail, shape[2:], strict=True)):
            expected = ", ".join(["n_replicas", "n_samples", *(str(n or "n_atoms") for n in tail)])
            raise InputError(f"{path}: {name!r} has the shape {shape}, not ({expected}); {fix}")
        tails[name] = shape[2:]
    lengths = {name: shape[:2] for name, shape in shapes.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: replicas and samples differ, {lengths}; {fix}")
    if not set(shapes) & set(SERIES_SHAPES):
        raise InputError(f"{path}: neither {' nor '.join(SERIES_SHAPES)} in it; {fix}")
    n_replicas, n_samples = next(iter(lengths.values()))
    return n_replicas, n_samples, tails


def series_of(
    path: Path,
    sampling: Sampling,
    shapes: Mapping[str, tuple[int, ...]],
    readers: Mapping[str, Read],
    masses_amu: Array | None = None,
    numbers: Array | None = None,
) -> Series:
    """A series from a file that says nothing about its sampling. shapes: (n_replicas, n_samples, ...)."""
    if sampling.sample_interval_fs is None or sampling.temperature_K is None:
        raise InputError(f"{path}: says nothing about its sampling; give --timestep-fs and --temperature-K")
    n_replicas, n_samples, tails = shape_of(path, shapes)
    n_atoms = {tail[0] for name, tail in tails.items() if name in MOTION_SHAPES}
    if masses_amu is not None:
        n_atoms.add(len(masses_amu))
        if not (np.isfinite(masses_amu).all() and (masses_amu > 0).all()):
            raise InputError(f"{path}: masses {masses_amu} are not all positive; mend the file")
    if len(n_atoms) > 1:
        raise InputError(f"{path}: numbers of atoms differ, {sorted(n_atoms)}; save them anew")
    return Series(
        path, path.stem, EXTERNAL, sampling.temperature_K, sampling.integrator_timestep_fs or 0.0,
        sampling.sample_interval_fs, n_replicas, n_samples,
        {name: (tails[name], readers[name]) for name in tails}, masses_amu=masses_amu, numbers=numbers,
    )  # fmt: skip


def series_of_arrays(
    path: Path,
    sampling: Sampling,
    arrays: Mapping[str, Array],
    masses_amu: Array | None = None,
    numbers: Array | None = None,
) -> Series:
    """A series of arrays in memory or mapped, (n_replicas, n_samples, ...)."""
    readers = {name: _array_reader(array) for name, array in arrays.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    return series_of(path, sampling, shapes, readers, masses_amu, numbers)


def _array_reader(array: Array) -> Read:
    return lambda replica, start, stop: array[replica, start:stop]


def joined(parts: Sequence[Series]) -> Series:
    """Several files' replicas as one series; they must agree in everything but their number of replicas."""
    first = parts[0]
    for other in parts[1:]:
        for what in ("n_samples", "sample_interval_fs", "temperature_K", "integrator_timestep_fs"):
            if getattr(first, what) != getattr(other, what):
                raise InputError(
                    f"{other.path}: {what} = {getattr(other, what):g}, but {getattr(first, what):g} in "
                    f"{first.path}; analyse them apart, or make them alike"
                )
        if {n: q[0] for n, q in first.quantities.items()} != {n: q[0] for n, q in other.quantities.items()}:
            raise InputError(
                f"{other.path}: holds {', '.join(sorted(other.quantities))}, but {first.path} "
                f"{', '.join(sorted(first.quantities))}, or other atoms; analyse them apart"
            )
        for own, others in ((first.numbers, other.numbers), (first.masses_amu, other.masses_amu)):
            if own is not None and others is not None and not np.array_equal(own, others):
                raise InputError(
                    f"{other.path}: atoms or masses differ from {first.path}; analyse them apart"
                )
    owners = [(part, i) for part in parts for i in range(part.n_replicas)]

    def reader(name: str) -> Read:
        def read(replica: int, start: int, stop: int) -> Array:
            part, own = owners[replica]
            return part.quantities[name][1](own, start, stop)

        return read

    quantities = {name: (shape, reader(name)) for name, (shape, _) in first.quantities.items()}
    known = [part.references for part in parts if part.references is not None]
    references = np.concatenate(known) if len(known) == len(parts) else None
    return dataclasses.replace(
        first, n_replicas=len(owners), quantities=quantities, references=references,
        minima=first.minima if len(parts) == 1 else None,
        stopped=first.stopped if len(parts) == 1 else (),
        controls=_joined_controls([part.controls for part in parts]),
    )  # fmt: skip


def _joined_controls(found: Sequence[tuple[Array, Array] | None]) -> tuple[Array, Array] | None:
    """Those of all replicas, where all files count the same modes."""
    known = [controls for controls in found if controls is not None]
    if len(known) < len(found) or any(not np.array_equal(known[0][1], other[1]) for other in known):
        return None
    return np.concatenate([excess for excess, _ in known]), known[0][1]
