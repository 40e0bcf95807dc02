"""Measured curves: JCAMP-DX or CSV to a rising wavenumber axis, with the conditions of the measurement."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.formula import stated_formula
from painn_spectra.spectra.conditions import Conditions, conditions
from painn_spectra.spectra.correlation import Array
from painn_spectra.spectra.jcamp_blocks import Block, read_blocks
from painn_spectra.spectra.ordinates import ABSOLUTE, kind_of, to_absorption

Kind = Literal["ir", "raman"]

JCAMP_SUFFIXES = (".jdx", ".dx", ".jcm", ".jcamp")
MIN_POINTS = 10
HIGHEST_FUNDAMENTAL_CM = 4500.0
OTHER = re.compile("NMR|EPR|ESR|UV|VIS|MASS|CHROMATOGRA|INTERFEROGRAM|FLUORESCENCE|MOBILITY")  # of DATA TYPE
HIGHEST_CM = 1e5
MOST_REPEATS = 0.1  # of the wavenumbers: where pieces of a spectrum join
NAMES = {"ir": "an infrared", "raman": "a Raman"}


@dataclass(frozen=True)
class MeasuredCurve:
    """A measured spectrum on a rising wavenumber axis; saturated points are NaN."""

    wavenumber_cm: Array  # (n_points,) | cm⁻¹
    intensity: Array  # (n_points,) | `unit`
    unit: str  # as drawn on the axis
    title: str
    n_saturated: int = 0
    conditions: Conditions = field(default_factory=Conditions)
    formula: str | None = None  # in Hill's order, where the file tells it
    lowered_by: float = 0.0  # `unit`, where the lowest value is taken for zero

    @property
    def is_absolute(self) -> bool:
        return self.unit == ABSOLUTE

    @property
    def caption(self) -> str:
        """Title, conditions and what was done to the zero line."""
        lowered = f"lowered by {self.lowered_by:.3g} {self.unit}" if self.lowered_by else ""
        words = ", ".join(part for part in (self.conditions.words, lowered) if part)
        return f"{self.title} ({words})" if words else self.title


def read_measured(path: Path, kind: Kind | None = None) -> MeasuredCurve:
    """Read a measured curve; `kind`, where it is known, must be that of the file.

    Infrared ordinates become absorption (ordinates.py), Raman ones keep their unit.
    Raises InputError naming the file, the reason and the fix.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the path of a JCAMP-DX or CSV file") from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; download it again")
    if text.lstrip().startswith("<"):
        raise InputError(f"{path}: is a web page, not a spectrum; give the address of the file itself")
    if path.suffix.lower() in JCAMP_SUFFIXES or text.lstrip().startswith("##"):
        return _read_jcamp(path, text, kind)
    return _read_csv(path, text, kind)


def _read_jcamp(path: Path, text: str, kind: Kind | None) -> MeasuredCurve:
    blocks = [block for block in read_blocks(path, text) if len(block.x) >= MIN_POINTS]
    if not blocks:
        raise InputError(f"{path}: no ##XYDATA with {MIN_POINTS} points; give a spectrum, not a peak list")
    fitting = [b for b in blocks if _kind(b.headers) in ((kind,) if kind else NAMES)]
    if not fitting:
        _refuse_kind(path, blocks[0].headers.get("DATATYPE", ""), kind)
    block = max(fitting, key=lambda block: _vibrational(path, block))  # of equals the first
    headers = block.headers
    wavenumber = _to_wavenumber(path, block.x, headers.get("XUNITS", ""))
    state, unit, n_saturated, y = conditions(headers, str(path)), headers.get("YUNITS", ""), 0, block.y
    if _kind(headers) == "ir":
        y, unit, n_saturated, state = to_absorption(y, unit, state, f"{path}: ##YUNITS")
    else:
        unit = unit.strip().lower() or "arbitrary units"
    curve = _sorted_curve(path, wavenumber, y, unit, headers.get("TITLE", ""), n_saturated, state)
    return replace(curve, formula=stated_formula(headers.get("MOLFORM", "")))


def _kind(headers: Mapping[str, str]) -> str:
    """ir, raman, or other; a file that says nothing is of infrared."""
    told = headers.get("DATATYPE", "").upper()
    return "raman" if "RAMAN" in told else "other" if OTHER.search(told) else "ir"


def _refuse_kind(path: Path, found: str, kind: Kind | None) -> None:
    wanted = NAMES[kind or "ir"]
    other = "raman" if kind == "ir" else "ir"
    raise InputError(
        f"{path}: is {found.strip().lower() or 'another kind of spectrum'}, but {wanted} spectrum is "
        f"expected; name it as experiment.{other}, or give {wanted} one"
    )


def _vibrational(path: Path, block: Block) -> float:
    """How much of a block lies where fundamentals are, cm⁻¹."""
    x = _to_wavenumber(path, block.x, block.headers.get("XUNITS", ""))
    return float(min(x.max(), HIGHEST_FUNDAMENTAL_CM) - x.min())


def _to_wavenumber(path: Path, x: Array, unit: str) -> Array:
    name = unit.upper().replace(" ", "").strip("()")
    if name in ("1/CM", "CM-1", "CM^-1", "WAVENUMBERS(CM-1", "WAVENUMBER", "RAMANSHIFT", "RAMANSHIFT(CM-1"):
        return x
    with np.errstate(divide="ignore"):
        if name.startswith(("NANOM", "NM")):
            return 1e7 / x
        if name.startswith(("MICROM", "UM", "µM", "MICRON")):
            return 1e4 / x
    raise InputError(f"{path}: ##XUNITS={unit!r} is not 1/CM, NANOMETERS or MICROMETERS; convert the axis")


def _read_csv(path: Path, text: str, kind: Kind | None) -> MeasuredCurve:
    """Two columns of numbers, or a headed table with `Wavenumber` and `Processed` (or a second column).

    The second column's heading, or a line `# unit: ...`, says what an infrared ordinate is. Lines
    `# key: value` carry the conditions, as JCAMP-DX headers do; those of an instrument only its laser.
    """
    comments = [line[1:].partition(":") for line in text.splitlines() if line.startswith("#")]
    headers = {_label(key): value.strip() for key, colon, value in comments if colon}
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    table = _cells(path, lines)
    head = next((i for i, row in enumerate(table[:-1]) if any(map(_is_wavenumber, row))
                 and _numbers(table[i + 1])), None)  # fmt: skip
    names = [cell.strip().lower() for cell in table[head]] if head is not None else []
    x_column = next((i for i, cell in enumerate(names) if _is_wavenumber(cell)), 0)
    y_column = names.index("processed") if "processed" in names else x_column + 1
    rows = _rows(path, table[0 if head is None else head + 1 :])
    if len(rows) < MIN_POINTS or min(map(len, rows)) <= y_column:
        raise InputError(
            f"{path}: no table with {MIN_POINTS} rows of numbers; give two columns, wavenumber in cm-1 first"
        )
    if len({len(row) for row in rows}) > 1:
        raise InputError(f"{path}: rows of different length, the file is truncated; download it again")
    instrument = {_label(row[0]): row[1] for row in table[: head or 0] if len(row) == 2}
    laser = instrument.get("LASERWAVELENGTH")
    is_raman = laser is not None or (bool(names) and names[x_column].startswith("raman"))
    if is_raman and kind == "ir":
        _refuse_kind(path, "a Raman spectrum, by its laser or its Raman shift", kind)
    named = headers.get("UNIT") or (names[y_column] if len(names) > y_column else "")
    if kind == "raman" and kind_of(named)[0]:
        _refuse_kind(path, f"an infrared spectrum, by its {named}", kind)
    headers |= {"LASERWAVELENGTH": laser} if laser else {}
    data = np.array(rows)  # (n_points, n_columns)
    y, state, n_saturated = data[:, y_column], conditions(headers, str(path)), 0
    if kind == "ir":
        unit = named
        y, unit, n_saturated, state = to_absorption(y, unit, state, f"{path}: column {y_column + 1}")
    else:
        unit = headers.get("UNIT") or "arbitrary units"
    return _sorted_curve(
        path, data[:, x_column], y, unit, headers.get("TITLE", path.stem), n_saturated, state
    )


def _label(text: str) -> str:
    return re.sub(r"[\s\-/_]", "", text).upper()


def _is_wavenumber(cell: str) -> bool:
    return cell.strip().lower().startswith(("wavenumber", "raman shift"))


def _cells(path: Path, lines: list[str]) -> list[list[str]]:
    """By the separator of most lines; empty cells at the end of a line do not count."""
    counts = {c: sum(c in line for line in lines) for c in ";\t,"}
    separator = max(counts, key=lambda c: counts[c])
    try:
        table = list(csv.reader(lines, delimiter=separator)) if counts[separator] else map(str.split, lines)
    except csv.Error as error:
        raise InputError(f"{path}: is no CSV file ({error}); download it again") from None
    commas = separator != "," or not counts[separator]  # are decimal ones
    kept = []
    for row in table:
        while row and not row[-1].strip():
            row.pop()
        kept.append([cell.replace(",", ".") if commas and _numbers([cell.replace(",", ".")]) else cell
                     for cell in row])  # fmt: skip
    return [row for row in kept if row]


def _rows(path: Path, table: list[list[str]]) -> list[list[float]]:
    """Rows of numbers from the first one on; words may only follow them. A hole is not bridged."""
    parsed = [_numbers(row) for row in table]
    known = [k for k, numbers in enumerate(parsed) if numbers]
    for k in range(known[0], len(table)) if known else ():
        if not parsed[k] and (k < known[-1] or _numbers(table[k][:1])):
            raise InputError(
                f"{path}: {', '.join(table[k])!r:.60} is no row of numbers; complete or remove it"
            )
    return [parsed[k] for k in known]


def _numbers(row: list[str]) -> list[float]:
    try:
        return [float(cell) for cell in row]
    except ValueError:
        return []


def _sorted_curve(
    path: Path, x: Array, y: Array, unit: str, title: str, n_saturated: int, state: Conditions
) -> MeasuredCurve:
    if not np.isfinite(x).all() or x.min() < 0 or len(np.unique(x)) < MIN_POINTS:
        raise InputError(f"{path}: fewer than {MIN_POINTS} different positive wavenumbers; mend the file")
    if x.max() > HIGHEST_CM:
        raise InputError(f"{path}: goes up to {x.max():g} cm-1; give the axis in cm-1")
    if len(np.unique(x)) < (1 - MOST_REPEATS) * len(x):
        raise InputError(
            f"{path}: {len(x)} points have only {len(np.unique(x))} different wavenumbers: decimal commas, "
            "or two curves in one table; mend the file"
        )
    if np.isfinite(y).sum() < MIN_POINTS:
        raise InputError(f"{path}: under {MIN_POINTS} points are unsaturated; give another measurement")
    order = np.argsort(x, kind="stable")
    return MeasuredCurve(x[order], y[order], unit, title.strip() or path.stem, n_saturated, state)
