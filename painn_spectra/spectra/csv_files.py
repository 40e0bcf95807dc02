"""Spectra as CSV: `# key: value` lines, a heading with units, plain numbers."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.files import write_text
from painn_spectra.spectra.correlation import Array

Metadata = dict[str, str]


def write_table(
    path: Path, metadata: Mapping[str, object], heading: Sequence[str], rows: Iterable[Iterable[object]]
) -> None:
    """Write rows of numbers and words, each on one line; a number missing is `nan`."""
    lines = [f"# {_line(key)}: {_line(value)}" for key, value in metadata.items()]
    lines += [",".join(_cell(word) for word in row) for row in [heading, *rows]]
    write_text(path, "\n".join(lines) + "\n")


def read_table(path: Path) -> tuple[Metadata, list[dict[str, str]]]:
    """Metadata and rows of words by heading; `#` lines without a colon are comments."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InputError(f"{path}: cannot be read ({reason}); give the path of a CSV file") from None
    comments = [line[1:].partition(":") for line in lines if line.startswith("#")]
    metadata = {key.strip(): value.strip() for key, colon, value in comments if colon}
    body = list(csv.reader(line for line in lines if line.strip() and not line.startswith("#")))
    if not body:
        raise InputError(f"{path}: no table in it; write the file again")
    heading, *rows = body
    for row in rows:
        if len(row) != len(heading):
            raise InputError(
                f"{path}: row {','.join(row)!r} has {len(row)} of {len(heading)} columns; complete it"
            )
    return metadata, [dict(zip(heading, row, strict=True)) for row in rows]


def read_spectrum(path: Path) -> tuple[Metadata, dict[str, Array]]:
    """Metadata and numeric columns by heading of an ir.csv or raman.csv."""
    metadata, rows = read_table(path)
    if not rows:
        raise InputError(f"{path}: a heading without numbers; compute the spectra again")
    try:
        return metadata, {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    except ValueError as error:
        raise InputError(f"{path}: {error}; a spectrum holds numbers only, compute it again") from None


def _line(value: object) -> str:
    """On one line for every reader: U+2028, U+0085 and others end lines too."""
    return " ".join(str(value).split())


def _cell(value: object) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.9g}"
    text = _line(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"') else text
