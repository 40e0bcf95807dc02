"""JCAMP-DX out, measured curves in: JCAMP-DX through the `jcamp` library, or CSV."""

import contextlib
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jcamp
import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.files import write_text
from painn_spectra.spectra.correlation import Array

SATURATED_TRANSMITTANCE = 0.02  # below, a spectrometer of that time shows its stray light
JCAMP_SUFFIXES = (".jdx", ".dx", ".jcm", ".jcamp")
MIN_POINTS = 10
LARGEST_INTEGER = 2**31 - 1  # of the standard
POINTS_PER_LINE = 5  # lines of at most 80 characters


@dataclass(frozen=True)
class MeasuredCurve:
    """A measured spectrum on a rising wavenumber axis; saturated points are NaN."""

    wavenumber_cm: Array  # (n_points,) | cm⁻¹
    intensity: Array  # (n_points,) | `unit`
    unit: str  # as drawn on the axis
    title: str
    n_saturated: int = 0


def write_jcamp(
    path: Path, data_type: str, unit: str, wavenumber_cm: Array, density: Array, metadata: Mapping[str, str]
) -> None:
    """Write a uniform spectrum as JCAMP-DX 5.01, whole numbers of 32 bits in (X++(Y..Y)) times YFACTOR.

    So do instruments: readers that know the packed forms take the E of 1.5E-07 for a digit.
    McDonald, Wilks, doi:10.1366/0003702884428734.
    """
    n = len(wavenumber_cm)
    spacing = (wavenumber_cm[-1] - wavenumber_cm[0]) / (n - 1)
    largest = float(np.abs(density).max())
    factor = f"{largest / LARGEST_INTEGER:.12E}" if largest else "1.0"
    whole = np.rint(density / float(factor)).astype(int)
    shown = whole * float(factor)
    headings = {
        "TITLE": f"{metadata['molecule']} {data_type.lower()}, {metadata['dynamics']} dynamics",
        "JCAMP-DX": "5.01",
        "DATA TYPE": data_type,
        "DATA CLASS": "XYDATA",
        "ORIGIN": metadata["program"],
        "OWNER": "computed, no restrictions by the program",
        "SPECTROMETER/DATA SYSTEM": f"none, computed: {metadata['method']}",
        **({"INSTRUMENT PARAMETERS": f"laser {metadata['laser_nm']} nm"} if "RAMAN" in data_type else {}),
        "DATA PROCESSING": metadata["corrections"],
        "STATE": metadata["state"],
        "TEMPERATURE": f"{float(metadata['temperature_K']) - 273.15:.2f}",  # °C by the standard
        "RESOLUTION": metadata["fwhm_cm"],
        **{f"$PAINN-SPECTRA {key.upper()}": value for key, value in metadata.items()},
        "XUNITS": "1/CM",
        "YUNITS": unit.upper(),
        "XFACTOR": "1.0",
        "YFACTOR": factor,
        "FIRSTX": f"{wavenumber_cm[0]:.6f}",
        "LASTX": f"{wavenumber_cm[-1]:.6f}",
        "DELTAX": f"{spacing:.9f}",
        "MINX": f"{wavenumber_cm[0]:.6f}",
        "MAXX": f"{wavenumber_cm[-1]:.6f}",
        "FIRSTY": f"{shown[0]:.12E}",
        "MINY": f"{shown.min():.12E}",
        "MAXY": f"{shown.max():.12E}",
        "NPOINTS": str(n),
        "XYDATA": "(X++(Y..Y))",
    }
    lines = [f"##{key}={value}" for key, value in headings.items()]
    for start in range(0, n, POINTS_PER_LINE):
        values = " ".join(str(value) for value in whole[start : start + POINTS_PER_LINE])
        lines.append(f"{wavenumber_cm[start]:.6f} {values}")
    write_text(path, "\n".join([*lines, "##END="]) + "\n")


def read_measured(path: Path) -> MeasuredCurve:
    """Read a measured IR or Raman curve. Raises InputError naming the file, the reason and the fix."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the path of a JCAMP-DX or CSV file") from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; download it again")
    if path.suffix.lower() in JCAMP_SUFFIXES or text.lstrip().startswith("##"):
        return _read_jcamp(path, text)
    return _read_csv(path, text)


def _read_jcamp(path: Path, text: str) -> MeasuredCurve:
    if "##" not in text:
        raise InputError(f"{path}: not JCAMP-DX, no ## line in it; give a file with ##XYDATA or a CSV")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the library prints its check failures
            block = jcamp.read(text.splitlines(keepends=True))
    except Exception as error:  # the library raises whatever it stumbles over
        raise InputError(f"{path}: JCAMP-DX not understood ({error}); convert it to CSV") from None
    blocks = [b for b in block.get("children") or [block] if len(b.get("x", [])) >= MIN_POINTS]
    if not blocks:
        raise InputError(f"{path}: no ##XYDATA with {MIN_POINTS} points; give a spectrum, not a peak list")
    block = blocks[0]  # of a compound file, the first spectrum
    x, y = np.asarray(block["x"], dtype=float), np.asarray(block["y"], dtype=float)
    promised = block.get("npoints", len(y))
    if len(x) != len(y) or len(y) != promised:
        raise InputError(f"{path}: {len(y)} of {promised} points, the file is truncated; download it again")
    wavenumber = _to_wavenumber(path, x, str(block.get("xunits", "")))
    intensity, unit, n_saturated = _to_absorbance(y, str(block.get("yunits", "")))
    title = str(block.get("title", "")).partition("$$")[0]  # a comment follows
    return _sorted_curve(path, wavenumber, intensity, unit, title, n_saturated)


def _to_wavenumber(path: Path, x: Array, unit: str) -> Array:
    name = unit.upper().replace(" ", "").strip("()")
    if name in ("1/CM", "CM-1", "CM^-1", "WAVENUMBERS(CM-1", "WAVENUMBER"):
        return x
    with np.errstate(divide="ignore"):
        if name.startswith(("NANOM", "NM")):
            return 1e7 / x
        if name.startswith(("MICROM", "UM", "µM", "MICRON")):
            return 1e4 / x
    raise InputError(f"{path}: ##XUNITS={unit!r} is not 1/CM, NANOMETERS or MICROMETERS; convert the axis")


def _to_absorbance(y: Array, unit: str) -> tuple[Array, str, int]:
    """Transmittance to decadic absorbance; other ordinates pass with their own unit."""
    if "TRANSMI" not in unit.upper():
        known = unit.strip() and "ARBITRARY" not in unit.upper()
        return y, (unit.strip().lower() if known else "arbitrary units"), 0
    fraction = y / 100 if np.nanmax(y) > 2 else y  # percent
    saturated = fraction < SATURATED_TRANSMITTANCE
    absorbance = np.full(len(y), np.nan)
    absorbance[~saturated] = -np.log10(fraction[~saturated])
    return absorbance, "absorbance", int(saturated.sum())


def _read_csv(path: Path, text: str) -> MeasuredCurve:
    """Two columns of numbers, or a headed table with `Wavenumber` and `Processed` (or a second column)."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    separator = next((c for c in ",;\t" if any(c in line for line in lines)), None)
    table = list(csv.reader(lines, delimiter=separator)) if separator else [line.split() for line in lines]
    head = next((i for i, row in enumerate(table[:-1]) if any(map(_is_wavenumber, row))
                 and _numbers(table[i + 1])), None)  # fmt: skip
    names = [cell.strip().lower() for cell in table[head]] if head is not None else []
    x_column = next((i for i, cell in enumerate(names) if _is_wavenumber(cell)), 0)
    y_column = names.index("processed") if "processed" in names else x_column + 1
    rows = [numbers for row in table[0 if head is None else head + 1 :] if (numbers := _numbers(row))]
    if len(rows) < MIN_POINTS or min(map(len, rows)) <= y_column:
        raise InputError(
            f"{path}: no table with {MIN_POINTS} rows of numbers; give two columns, wavenumber in cm-1 first"
        )
    if len({len(row) for row in rows}) > 1:
        raise InputError(f"{path}: rows of different length, the file is truncated; download it again")
    data = np.array(rows)  # (n_points, n_columns)
    return _sorted_curve(path, data[:, x_column], data[:, y_column], "arbitrary units", path.stem, 0)


def _is_wavenumber(cell: str) -> bool:
    return cell.strip().lower().startswith(("wavenumber", "raman shift"))


def _numbers(row: list[str]) -> list[float]:
    try:
        return [float(cell) for cell in row]
    except ValueError:
        return []


def _sorted_curve(path: Path, x: Array, y: Array, unit: str, title: str, n_saturated: int) -> MeasuredCurve:
    if not np.isfinite(x).all() or x.min() < 0 or len(np.unique(x)) < MIN_POINTS:
        raise InputError(f"{path}: fewer than {MIN_POINTS} different positive wavenumbers; mend the file")
    if np.isfinite(y).sum() < MIN_POINTS:
        raise InputError(f"{path}: under {MIN_POINTS} points are unsaturated; give another measurement")
    order = np.argsort(x, kind="stable")
    return MeasuredCurve(x[order], y[order], unit, title.strip() or path.stem, n_saturated)
