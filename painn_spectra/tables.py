"""Tables of the results folder: read from CSV or JSON, shown as text."""

import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from painn_spectra.errors import InputError
from painn_spectra.spectra.csv_files import read_table

Row = Mapping[str, Any]
WIDTH = 100  # letters of a line of words


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file with a heading. No file, no rows."""
    return read_table(path)[1] if path.is_file() else []


def read_notes(path: Path) -> dict[str, str]:
    """The `# key: value` lines of a CSV file. No file, no notes."""
    return read_table(path)[0] if path.is_file() else {}


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Validations that a training's metrics.jsonl holds; InputError where it is damaged or empty."""
    try:
        curve = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if not curve:
            raise ValueError("it is empty")
    except ValueError as error:
        raise InputError(f"{path}: is no training's metrics.jsonl ({error}); train again") from None
    return curve


def shown(value: Any) -> str:
    """A cell: numbers to four digits, a mean with its error on one line, the rest as it is."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        words = [_measured(value["mean"], value.get("standard_error"))] if "mean" in value else []
        rest = [f"{key} {shown(value[key])}" for key in value if key not in ("mean", "standard_error")]
        return ", ".join(words + rest)
    if isinstance(value, bool | list):
        return json.dumps(value)
    try:
        number = float(value)
    except ValueError:
        return str(value)
    if math.isnan(number):
        return "–"
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e6 else f"{number:.4g}"


def _measured(mean: float, error: float | None) -> str:
    """A mean with as many digits as two of its error allow."""
    if not error or not math.isfinite(error):
        return shown(mean)
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table without an end of line; nothing where there are no lines."""
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows]) if rows else ""


def text_table(rows: Sequence[Row]) -> str:
    """Aligned columns; the first column to the left, the others to the right."""
    if not rows:
        return ""
    heads = list(rows[0])
    cells = [heads, *([shown(row.get(head)) for head in heads] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    aligned = ([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in cells)
    return "\n".join("  ".join(line).rstrip() for line in aligned)


def paragraphs(values: Mapping[str, str]) -> str:
    """`key: sentence` with long sentences on several lines."""
    return "\n".join(
        textwrap.fill(f"{key}: {words}", WIDTH, subsequent_indent="  ") for key, words in values.items()
    )


def pairs(values: Row) -> list[dict[str, Any]]:
    """A mapping as rows of name and value; lists are left to tables of their own."""
    return [
        {"quantity": name, "value": value} for name, value in values.items() if not isinstance(value, list)
    ]


def columns(rows: Sequence[Row], heads: Sequence[str]) -> list[Row]:
    """Those of the columns `heads` that the rows have."""
    return [{head: row[head] for head in heads if head in row} for row in rows]
