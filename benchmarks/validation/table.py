"""One row per statement that was checked, and its printing."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from painn_spectra.files import write_json

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Row:
    """`found` against `limit`; a row without a limit documents a number and passes."""

    check: str
    quantity: str
    found: float
    unit: str = ""
    limit: float | None = None
    at_least: bool = False  # the limit is a lower one

    @property
    def passed(self) -> bool:
        """NaN never passes."""
        if self.limit is None:
            return not math.isnan(self.found)
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    @property
    def words(self) -> tuple[str, str, str, str, str]:
        sign = "≥" if self.at_least else "≤"
        limit = "" if self.limit is None else f"{sign} {self.limit:g}"
        verdict = "" if self.limit is None else "ok" if self.passed else "FAILED"
        return self.check, self.quantity, f"{self.found:.4g} {self.unit}".strip(), limit, verdict


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table that reads well in a terminal and in a document."""
    lines = [("check", "quantity", "found", "limit", ""), *(row.words for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(5)]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
            for line in lines]  # fmt: skip
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Rows as JSON."""
    write_json(path, [asdict(row) for row in rows])


def read_rows(path: Path) -> list[Row]:
    """What `write_rows` wrote; none without a file."""
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def save(name: str, rows: Sequence[Row]) -> None:
    """Print the rows of one check and keep them in data/; an empty check leaves what is there."""
    print(markdown(rows))
    if rows:
        write_rows(DATA / f"{name}.json", rows)
