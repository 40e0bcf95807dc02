"""Tables of a report, numbers beside their errors: bands, published ones, starting structures."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

# heading: value, its error, its unit; shown where the file has the value
MEASURED = {
    "position, cm⁻¹": ("centroid_cm-1", "centroid_standard_error_cm-1", None),
    "area": ("area", "area_standard_error", "area_unit"),
    "± of models": ("area_model_standard_deviation", None, "area_unit"),
    "depolarisation": ("depolarisation_ratio", "depolarisation_standard_error", None),
    "width, cm⁻¹": ("fwhm_cm-1", None, None),
    "band origin, cm⁻¹": ("eckart_origin_cm-1", "eckart_origin_standard_error_cm-1", None),
    "replicas for 5 %": ("replicas_for_5_percent", None, None),
}
WORDS = ("assignment", "normal_modes")  # after the position, and at the end
SHARES = {  # told of the band that is pointed at
    "assignment_shares": "what moves",
    "atom_shares": "atoms",
    "normal_mode_shares": "modes",
}
FIRST_MODE = re.compile(r"conformer (\d+) mode \d+ \((-?\d+) cm-1")
SPECTRA = {"ir": "IR", "raman": "Raman"}
UNITS = {"A^4/amu": "Å⁴/amu"}
Cell = tuple[str, float | None]  # text, and what to sort by where it is a number


def band_table(bands: Sequence[Mapping[str, str]]) -> tuple[list[str], list[dict[str, Any]]]:
    """Headings, and rows of `cells` with the spectrum and borders of the band; none of no bands.

    A row also has what moves: `told` in words, and where the run told it `conformer` (from 0) and
    `wavenumber` of the normal mode with the largest share.
    """
    if not bands:
        return [], []
    found = [head for head, (value, *_) in MEASURED.items() if value in bands[0]]
    words = [[head] if head in bands[0] else [] for head in WORDS]
    heads = ["spectrum", *found[:1], *words[0], *found[1:], *words[1]]
    rows = [
        {
            "cells": [_cell(band, head) for head in heads],
            "spectrum": band["spectrum"],
            "lower": band.get("lower_cm-1"),
            "upper": band.get("upper_cm-1"),
            "told": "\n".join(
                f"{words}: {_from_one(band[head])}" for head, words in SHARES.items() if band.get(head)
            ),
            **_moved(band.get("normal_mode_shares", "")),
        }
        for band in bands
    ]
    return heads, rows


def _from_one(text: str) -> str:
    """Conformers as the page counts them, from 1; the files count from 0."""
    return re.sub(r"(?<=conformer )\d+", lambda found: str(int(found[0]) + 1), text)


def _moved(shares: str) -> dict[str, str]:
    found = FIRST_MODE.search(shares)
    return {"conformer": found[1], "wavenumber": found[2]} if found else {"conformer": "", "wavenumber": ""}


def published_table(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Rows of comparison.csv: published and computed position and area, without the windows."""
    return [
        {
            "spectrum": SPECTRA.get(row["spectrum"], row["spectrum"]),
            "phase": row["phase"],
            "assignment": row["assignment"],
            "published, cm⁻¹": f"{_number(row['published_cm-1']):.0f}",
            "computed, cm⁻¹": measured(row.get("computed_cm-1"), None),
            "difference, cm⁻¹": measured(row.get("difference_cm-1"), None),
            "published area": measured(row.get("published_area"), None, row.get("area_unit")),
            "computed area": measured(
                row.get("computed_area"), row.get("computed_area_standard_error"), row.get("area_unit")
            ),
            "note": row.get("note", ""),
        }
        for row in rows
    ]


def start_table(starts: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """`starts` of dynamics.json: energies from the lowest on, the share of time beside the weight."""
    lowest = min((start["energy_eV"] for start in starts), default=0.0)
    return [
        {
            "structure": number,
            "energy, meV": f"{1e3 * (start['energy_eV'] - lowest):.1f}",
            "weight": f"{start['weight']:.3f}",
            "share of time": measured(start.get("population"), start.get("population_standard_error")),
            "replicas begun there": start.get("n_replicas", ""),
        }
        for number, start in enumerate(starts, 1)
    ]


def measured(value: Any, error: Any, unit: str | None = "") -> str:
    """`1052.3 ± 1.2 km/mol` with as many digits as two of the error allow; `–` for no number."""
    value, error = _number(value), _number(error)
    if not math.isfinite(value):
        return "–"
    if math.isfinite(error) and error > 0:
        digits = max(0, 1 - math.floor(math.log10(error)))
        text = f"{value:.{digits}f} ± {error:.{digits}f}"
    else:
        text = f"{value:.4g}"
    return f"{text} {UNITS.get(unit or '', unit or '')}".strip()


def _cell(band: Mapping[str, str], head: str) -> Cell:
    """A number with its error and unit, or the words of the file."""
    if head not in MEASURED:
        return SPECTRA.get(band[head], _from_one(band[head])), None
    name, error, unit = MEASURED[head]
    value = _number(band.get(name))
    text = measured(value, band.get(error or ""), band.get(unit or ""))
    return text, value if math.isfinite(value) else None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
