"""Reading .npz archives, never a pickle: whole small ones, or a series by streaming its members."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from painn_spectra.errors import InputError, first_line
from painn_spectra.files import DAMAGE
from painn_spectra.spectra.series import (
    MOTION_SHAPES,
    SERIES_SHAPES,
    Array,
    Read,
    Sampling,
    Series,
    series_of,
)

FIX = "save plain arrays of numbers with np.savez"
MASSES, NUMBERS = "masses_amu", "numbers"
MOST_ATOMS = 100_000


class Member:
    """One array of an open archive, read by rows; going forward costs nothing, going back reopens."""

    def __init__(self, archive: zipfile.ZipFile, name: str, path: Path, stack: ExitStack) -> None:
        self.name, self.path = name, path
        entry = f"{name}.npy"
        try:
            self.stream = stack.enter_context(archive.open(entry))
            version = npy.read_magic(self.stream)
            header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            self.shape, fortran, self.dtype = header(self.stream)
        except (*DAMAGE, KeyError) as error:
            raise InputError(f"{path}: {name!r} cannot be read ({first_line(error)}); {FIX}") from None
        if self.dtype.hasobject:
            raise InputError(f"{path}: {name!r} is pickled, which is never loaded; {FIX}")
        if self.dtype.kind not in "fiu":
            raise InputError(f"{path}: {name!r} is {self.dtype}, not real numbers; {FIX}")
        if fortran and len(self.shape) > 1:
            raise InputError(f"{path}: {name!r} is in Fortran order; save np.ascontiguousarray of it")
        self.start = self.stream.tell()
        if archive.getinfo(entry).file_size != self.start + math.prod(self.shape) * self.dtype.itemsize:
            raise InputError(f"{path}: {name!r} is not as long as its header says; {FIX}")

    def rows(self, first: int, n: int, row_shape: tuple[int, ...]) -> Array:
        """Rows [first, first + n) of the array seen as (n_rows, *row_shape)."""
        row_bytes = math.prod(row_shape) * self.dtype.itemsize
        try:
            self.stream.seek(self.start + first * row_bytes)
            data = self.stream.read(n * row_bytes)
        except DAMAGE as error:
            raise InputError(f"{self.path}: {self.name!r} is damaged ({first_line(error)}); {FIX}") from None
        if len(data) != n * row_bytes:
            raise InputError(f"{self.path}: {self.name!r} ends too early; {FIX}")
        return np.frombuffer(data, self.dtype).reshape(n, *row_shape).astype(np.float64)

    def per_atom(self) -> Array:
        """The array of one number per atom."""
        if math.prod(self.shape) > MOST_ATOMS:
            raise InputError(f"{self.path}: {self.name!r} has the shape {self.shape}, not (n_atoms,); {FIX}")
        return self.rows(0, 1, self.shape)[0].ravel()


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of one of our own archives by name, of numbers or text.

    A header may claim any size: an array is made only where the archive holds its bytes.
    Raises InputError for a file that is missing, damaged, pickled or none of this kind.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as stream:
                    npy.read_magic(stream)
                    shape, _, dtype = npy.read_array_header_1_0(stream)
                    if dtype.hasobject:
                        raise ValueError(f"{entry.filename} is pickled, which is never loaded")
                    if entry.file_size != stream.tell() + math.prod(shape) * dtype.itemsize:
                        raise ValueError(f"{entry.filename} is not as long as its header says")
                with archive.open(entry) as stream:
                    arrays[entry.filename.removesuffix(".npy")] = npy.read_array(stream, allow_pickle=False)
    except DAMAGE as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)}); compute it again") from None
    return arrays


@contextmanager
def open_npz(
    path: Path, sampling: Sampling, numbers: Array | None = None, masses_amu: Array | None = None
) -> Iterator[Series]:
    """Open an archive with `dipole` (n_replicas, n_steps, 3) | e·Å and/or `polarizability` (…, 3, 3) | Å³.

    Without the first axis it is one replica. Optional: `positions` (n_replicas, n_steps, n_atoms, 3) | Å,
    `half_step_velocities` | Å/fs, `masses_amu` (n_atoms,), which wins over the argument; other arrays are
    left alone.
    Raises InputError naming what is wrong.
    """
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; correct the path") from None
        except DAMAGE as error:
            reason = "the file is empty" if _is_empty(path) else f"damaged or not .npz ({first_line(error)})"
            raise InputError(f"{path}: {reason}; {FIX}") from None
        names = {Path(entry).stem for entry in archive.namelist() if entry.endswith(".npy")}
        members = {
            name: Member(archive, name, path, stack)
            for name in (*SERIES_SHAPES, *MOTION_SHAPES, MASSES) if name in names
        }  # fmt: skip
        masses = members.pop(MASSES).per_atom() if MASSES in members else masses_amu
        shapes = {}
        for name, member in members.items():
            tail = (SERIES_SHAPES | MOTION_SHAPES)[name]
            one_replica = len(member.shape) == 1 + len(tail) and member.shape[-1] == tail[-1]
            shapes[name] = (1, *member.shape) if one_replica else member.shape
        if not set(shapes) & set(SERIES_SHAPES):
            listed = ", ".join(sorted(names)[:8]) or "nothing"
            raise InputError(
                f"{path}: neither 'dipole' nor 'polarizability' in it but {listed}; name the arrays so"
            )
        readers = {name: _reader(member, shapes[name]) for name, member in members.items()}
        yield series_of(path, sampling, shapes, readers, masses, numbers)


def npz_numbers(path: Path) -> Array | None:
    """Atomic numbers (n_atoms,) of an archive; None where it has none."""
    try:
        with zipfile.ZipFile(path) as archive, ExitStack() as stack:
            names = archive.namelist()
            if f"{NUMBERS}.npy" not in names:
                return None
            return Member(archive, NUMBERS, path, stack).per_atom()
    except InputError:
        raise
    except DAMAGE:
        return None  # opening it for the series tells what is wrong


def _reader(member: Member, shape: tuple[int, ...]) -> Read:
    def read(replica: int, start: int, stop: int) -> Array:
        return member.rows(replica * shape[1] + start, stop - start, shape[2:])

    return read


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0
