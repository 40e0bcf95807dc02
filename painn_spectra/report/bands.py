"""The band table of a report: rows of bands.csv in few columns, numbers beside their errors."""

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
SHARES = ("assignment_shares", "atom_shares", "normal_mode_shares")  # told of the band that is pointed at
FIRST_MODE = re.compile(r"conformer (\d+) mode \d+ \((-?\d+) cm-1")
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
            "told": "; ".join(band[head] for head in SHARES if band.get(head)),
            **_moved(band.get("normal_mode_shares", "")),
        }
        for band in bands
    ]
    return heads, rows


def _moved(shares: str) -> dict[str, str]:
    found = FIRST_MODE.search(shares)
    return {"conformer": found[1], "wavenumber": found[2]} if found else {"conformer": "", "wavenumber": ""}


def _cell(band: Mapping[str, str], head: str) -> Cell:
    """`1052.3 ± 1.2 km/mol` with as many digits as two of the error allow, or the words of the file."""
    if head not in MEASURED:
        return band[head], None
    value, error = (_number(band.get(name or "")) for name in MEASURED[head][:2])
    if not math.isfinite(value):
        return "–", None
    if math.isfinite(error) and error > 0:
        digits = max(0, 1 - math.floor(math.log10(error)))
        text = f"{value:.{digits}f} ± {error:.{digits}f}"
    else:
        text = f"{value:.4g}"
    return " ".join([text, band.get(MEASURED[head][2] or "", "")]).strip(), value


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
