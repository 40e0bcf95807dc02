"""JCAMP-DX in: blocks, headers and ordinates in every compression of the standard.

The `jcamp` library reads DUP only behind DIF, takes a count of several digits for one, refuses '?' and only
prints failed checks; the tests compare with it where it is right.
McDonald, Wilks 1988, doi:10.1366/0003702884428734.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.spectra.correlation import Array


def _digits(positive: str, negative: str) -> dict[str, str]:
    """Leading digit, with its sign, that each letter stands for; the first of `positive` is 0."""
    signed = {letter: f"-{digit}" for digit, letter in enumerate(negative, 1)}
    return {letter: f"{digit}" for digit, letter in enumerate(positive)} | signed


SQUEEZED, DIFFERENCE = _digits("@ABCDEFGHI", "abcdefghi"), _digits("%JKLMNOPQR", "jklmnopqr")
DUPLICATE = {letter: f"{digit}" for digit, letter in enumerate("STUVWXYZs", 1)}
PACKED = re.compile(r"[@%A-DF-Za-df-s]")  # in a table, any but the E of an exponent
PLAIN_TOKEN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?|\?")
PACKED_TOKEN = re.compile(r"[@%A-Za-s+-]?(?:\d+\.?\d*|\.\d+)|[@%A-Za-s]|\?")
SEPARATORS = re.compile(r"[\s,;]*")
MOST_STEPS_OFF = 1.6  # x on a line is rounded, and files exist that count from the other end of a step
TABLES = ("XYDATA", "XYPOINTS")


@dataclass(frozen=True)
class Block:
    """One spectrum of a file; `headers` by label without spaces, dashes and underscores, in capitals."""

    headers: dict[str, str]
    x: Array  # (n_points,) | XUNITS
    y: Array  # (n_points,) | YUNITS, NaN where the file says '?'


def read_blocks(path: Path, text: str) -> list[Block]:
    """Spectra of a file, of a compound one too; peak tables and other blocks are passed over.

    Raises InputError for a table that is truncated, damaged or of an unknown form.
    """
    if "##" not in text:
        raise InputError(f"{path}: not JCAMP-DX, no ## line in it; give a file with ##XYDATA or a CSV")
    return [block for headers, rows in _sections(text) if (block := _block(path, headers, rows)) is not None]


def _sections(text: str) -> Iterator[tuple[dict[str, str], dict[str, list[str]]]]:
    """Headers, and the lines below each label, of every block; each begins with ##TITLE."""
    headers: dict[str, str] = {}
    rows: dict[str, list[str]] = {}
    label = ""
    for line in text.splitlines():
        line = line.partition("$$")[0].rstrip()
        if line.startswith("##"):
            name, _, value = line[2:].partition("=")
            label = re.sub(r"[\s\-/_]", "", name).upper()
            if label == "TITLE" and headers:
                yield headers, rows
                headers, rows = {}, {}
            headers[label], rows[label] = value.strip(), []
        elif label and line.strip():
            rows[label].append(line)
    if headers:
        yield headers, rows


def _block(path: Path, headers: dict[str, str], rows: dict[str, list[str]]) -> Block | None:
    table = next((label for label in TABLES if rows.get(label)), None)
    if table is None:
        return None
    form = headers[table].replace(" ", "").upper()
    x_factor, y_factor = (_number(path, headers, f"{axis}FACTOR", 1.0) for axis in "XY")
    if not x_factor:
        raise InputError(f"{path}: ##XFACTOR=0 leaves no axis; correct it")
    n_points = int(_number(path, headers, "NPOINTS", 0.0))
    if "END" not in headers:
        raise InputError(f"{path}: no ##END= behind the table, the file is truncated; download it again")
    if form.startswith("(X++(Y..Y))"):
        first, last = (_number(path, headers, f"{end}X", np.nan) for end in ("FIRST", "LAST"))
        if not np.isfinite([first, last]).all() or n_points < 1:
            raise InputError(f"{path}: needs ##FIRSTX, ##LASTX and ##NPOINTS for (X++(Y..Y)); add them")
        step = (last - first) / max(n_points - 1, 1)
        y = _ordinates(path, rows[table], x_factor, first, step, n_points)
        x = np.linspace(first, last, len(y))
    elif form.startswith("(XY..XY)"):
        numbers = [value for line in rows[table] for value in _plain(path, line)]
        if len(numbers) % 2:
            raise InputError(f"{path}: an x without its y, the file is truncated; download it again")
        x, y = x_factor * np.array(numbers[::2]), np.array(numbers[1::2])
    else:
        raise InputError(f"{path}: ##{table}={headers[table]} is no known form; convert it to (X++(Y..Y))")
    if len(y) != (n_points or len(y)):
        raise InputError(f"{path}: {len(y)} of {n_points} points, the file is truncated; download it again")
    return Block(headers, x, y_factor * y)


def _ordinates(
    path: Path, lines: Sequence[str], x_factor: float, first: float, step: float, n_points: int
) -> Array:
    """y of an (X++(Y..Y)) table. A line after differences begins with the last y again, to check it.

    A line that repeats a value more often than the table has points is not unpacked.
    """
    packed = any(PACKED.search(line) for line in lines)
    values: list[float] = []
    differences = False
    for line in lines:
        x, new, ends_in_difference = _unpacked(path, line, n_points) if packed else _affn(path, line)
        position = len(values)
        if differences:
            if not new or abs(new[0] - values[-1]) > 0.5:
                raise InputError(
                    f"{path}: the line {line[:30]!r} does not go on where the last one ended, the file is "
                    "damaged; download it again"
                )
            new, position = new[1:], position - 1
        off = abs(x * x_factor - (first + position * step))
        if off > MOST_STEPS_OFF * abs(step) + _rounding(line) * abs(x_factor):
            raise InputError(
                f"{path}: the line {line[:30]!r} should begin at {(first + position * step) / x_factor:g}, "
                "the file is truncated or damaged; download it again"
            )
        values += new
        differences = ends_in_difference
    return np.array(values)


def _rounding(line: str) -> float:
    """What the last digit of a line's x may hide."""
    x = PLAIN_TOKEN.match(line.strip())
    decimals = len(x[0].partition(".")[2]) if x and "e" not in x[0].lower() else 0
    return float(10.0**-decimals)


def _affn(path: Path, line: str) -> tuple[float, list[float], bool]:
    x, *values = _plain(path, line) or [math.nan]
    return _finite_x(path, line, x), values, False


def _plain(path: Path, line: str) -> list[float]:
    """Numbers with or without blanks between them, as signs part them too; '?' is NaN."""
    return [np.nan if token == "?" else float(token) for token in _tokens(path, line, PLAIN_TOKEN)]


def _finite_x(path: Path, line: str, x: float) -> float:
    if not math.isfinite(x):
        raise InputError(f"{path}: the line {line[:30]!r} does not begin with an x; mend it")
    return x


def _unpacked(path: Path, line: str, most: int) -> tuple[float, list[float], bool]:
    """x, at most `most` + 1 ordinates, and whether the last one came from a difference."""
    tokens = _tokens(path, line, PACKED_TOKEN)
    start = PLAIN_TOKEN.fullmatch(tokens[0]) if tokens else None
    x = _finite_x(path, line, float(tokens[0]) if start and tokens[0] != "?" else math.nan)
    values: list[float] = []
    difference: float | None = None
    for token in tokens[1:]:
        lead, rest = token[0], token[1:]
        if lead in DUPLICATE and values:
            repeats = int(min(float(DUPLICATE[lead] + rest), most + 2.0)) - 1
            values += [values[-1] + (difference or 0.0) * k for k in range(1, repeats + 1)]
        elif lead in DIFFERENCE and values:
            difference = float(DIFFERENCE[lead] + rest)
            values.append(values[-1] + difference)
        elif lead in DUPLICATE or lead in DIFFERENCE:
            raise InputError(f"{path}: the line {line[:30]!r} begins with a difference or a repeat; mend it")
        else:
            difference = None
            number = SQUEEZED[lead] + rest if lead in SQUEEZED else token
            values.append(np.nan if token == "?" else float(number))
        if len(values) > most + 1:
            raise InputError(f"{path}: the line {line[:30]!r} holds more than all {most} points; mend it")
    return x, values, difference is not None


def _tokens(path: Path, line: str, pattern: re.Pattern[str]) -> list[str]:
    """All tokens of a line; raises InputError where something else stands between them."""
    tokens, place = [], 0
    while place < len(line):
        place = SEPARATORS.match(line, place).end()  # type: ignore[union-attr]
        found = pattern.match(line, place)
        if found is None and place < len(line):
            raise InputError(
                f"{path}: {line[place : place + 10]!r} is no ordinate; mend the line {line[:30]!r}"
            )
        if found is not None:
            tokens.append(found[0])
            place = found.end()
    return tokens


def _number(path: Path, headers: dict[str, str], label: str, default: float) -> float:
    text = headers.get(label, "").replace(",", ".").split()
    try:
        number = float(text[0]) if text else default
    except ValueError:
        number = math.inf
    if label in headers and text and not math.isfinite(number):
        raise InputError(f"{path}: ##{label}={headers[label]:.40} is no number; correct it")
    return number
