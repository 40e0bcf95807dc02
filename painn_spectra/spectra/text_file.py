"""Reading a series from columns of text, of any length: parsed once into a temporary binary file."""

import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.spectra.series import Array, Sampling, Series, series_of_arrays

ROWS = 1 << 16  # parsed at a time
AXES = "xyz"
TIME = "time_fs"
TIME_TOLERANCE, MOST_STEP = 0.01, 2.5  # of the interval, on average and of single steps
DIPOLE_COLUMNS = [f"mu_{a}" for a in AXES]  # e·Å
POLARIZABILITY_COLUMNS = [f"alpha_{a}{b}" for a in AXES for b in AXES]  # Å³
FORMAT = "the first line names them: mu_x mu_y mu_z (e·Å) and/or alpha_xx alpha_xy ... (Å³)"


@contextmanager
def open_text(path: Path, sampling: Sampling) -> Iterator[Series]:
    """Open columns of numbers, one sample a line, separated by blanks, commas or semicolons; one replica.

    The first line, with or without #, names every column: mu_x mu_y mu_z in e·Å; alpha_xx … alpha_zz in Å³,
    nine, or six of a symmetric tensor (alpha_xy or alpha_yx). time_fs must rise by the sampling's interval;
    other columns are left alone, and so are empty lines and further lines with #. Raises InputError naming
    what is wrong.
    """
    try:
        stream = path.open(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; correct the path") from None
    with stream, tempfile.TemporaryFile() as binary:
        try:
            header = next((line for line in stream if line.strip()), "")
            names, delimiter = _names(path, header)
            used = {**_columns(path, names, "mu", DIPOLE_COLUMNS),
                    **_columns(path, names, "alpha", POLARIZABILITY_COLUMNS)}  # fmt: skip
            if not used:
                raise InputError(f"{path}: no dipole or polarizability among the columns; {FORMAT}")
            n_samples = 0
            before: Array = np.empty(0)
            for rows in _rows(path, stream, len(names), delimiter):
                if TIME in names and sampling.sample_interval_fs:
                    times = np.append(before, rows[:, names.index(TIME)])
                    _check_times(path, times, sampling.sample_interval_fs, n_samples)
                    before = times[-1:]
                binary.write(np.ascontiguousarray(rows[:, list(used.values())]).tobytes())
                n_samples += len(rows)
        except UnicodeDecodeError:
            raise InputError(f"{path}: not a text file; {FORMAT}") from None
        if not n_samples:
            raise InputError(f"{path}: a heading without numbers; add one line per sample")
        binary.flush()
        table = np.memmap(binary, np.float64, "r", shape=(n_samples, len(used)))
        arrays: dict[str, Array] = {}
        order = list(used)
        if DIPOLE_COLUMNS[0] in used:
            first = order.index(DIPOLE_COLUMNS[0])
            arrays[keys.DIPOLE] = table[None, :, first : first + 3]
        if POLARIZABILITY_COLUMNS[0] in used:
            first = order.index(POLARIZABILITY_COLUMNS[0])
            arrays[keys.POLARIZABILITY] = table[:, first : first + 9].reshape(1, n_samples, 3, 3)
        yield series_of_arrays(path, sampling, arrays)


def _names(path: Path, header: str) -> tuple[list[str], str | None]:
    if not header:
        raise InputError(f"{path}: the file is empty; give columns of numbers, {FORMAT}")
    delimiter = next((mark for mark in ",;" if mark in header), None)
    names = [name for name in re.split(r"[\s,;]+", header.strip().lstrip("#").strip().lower()) if name]
    if not names:
        raise InputError(f"{path}: its first line names no columns; {FORMAT}")
    if _is_number(names[0]):
        raise InputError(f"{path}: its first line holds numbers, no names; {FORMAT}")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: columns {', '.join(repeated)} occur twice; {FORMAT}")
    return names, delimiter


def _columns(path: Path, names: list[str], prefix: str, wanted: list[str]) -> dict[str, int]:
    """Place of each wanted column, in order; alpha_yx stands in for alpha_xy and the reverse."""
    if not any(name.startswith(f"{prefix}_") for name in names):
        return {}
    places = {}
    for name in wanted:
        mirrored = f"{prefix}_{name.removeprefix(f'{prefix}_')[::-1]}"
        found = next((n for n in (name, mirrored) if n in names), None)
        if found is None:
            raise InputError(f"{path}: column {name} is missing; {FORMAT}")
        places[name] = names.index(found)
    return places


def _rows(path: Path, stream: TextIO, n_columns: int, delimiter: str | None) -> Iterator[Array]:
    """Tables (n_rows, n_columns) until the end."""
    n_before = 0
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "input contained no data" is the end
                rows = np.loadtxt(stream, delimiter=delimiter, max_rows=ROWS, ndmin=2)
        except (ValueError, MemoryError) as error:
            where = f" after {n_before} samples" if n_before else ""
            reason = str(error).splitlines()[0].partition("; use")[0].rstrip(".")
            raise InputError(f"{path}: not a table of numbers{where} ({reason}); {FORMAT}") from None
        if not rows.size:
            return
        if rows.shape[1] != n_columns:
            raise InputError(
                f"{path}: {rows.shape[1]} columns after {n_before} samples, but {n_columns} names; {FORMAT}"
            )
        yield rows
        n_before += len(rows)


def _check_times(path: Path, times: Array, interval_fs: float, n_before: int) -> None:
    """Raise InputError where times do not rise by one interval per sample; single ones may be rounded."""
    steps: Array = np.diff(times)
    off = np.flatnonzero(~((steps >= 0) & (steps < MOST_STEP * interval_fs)))
    if len(steps) and not len(off) and abs(steps.mean() / interval_fs - 1) > TIME_TOLERANCE:
        off = np.zeros(1, int)
    if len(off):
        k = int(off[0])
        raise InputError(
            f"{path}: {TIME} goes from {times[k]:g} to {times[k + 1]:g} near sample {n_before + k}, but "
            f"samples are {interval_fs:g} fs apart; correct --timestep-fs or the column"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
