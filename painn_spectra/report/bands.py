"""The band table of a report: rows of bands.csv in few columns, numbers beside their errors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

# heading: value, its error; a heading is shown where the file has the value
MEASURED = {
    "position, cm⁻¹": ("centroid_cm-1", "centroid_standard_error_cm-1"),
    "band origin, cm⁻¹": ("eckart_origin_cm-1", "eckart_origin_standard_error_cm-1"),
    "width, cm⁻¹": ("fwhm_cm-1", None),
    "area": ("area", "area_standard_error"),
    "± of models": ("area_model_standard_deviation", None),
    "depolarisation": ("depolarisation_ratio", "depolarisation_standard_error"),
    "replicas for 5 %": ("replicas_for_5_percent", None),
}


def band_heads(bands: Sequence[Mapping[str, str]]) -> list[str]:
    """Headings of the columns that the table has; assignments of every kind come last."""
    found = set(bands[0]) if bands else set()
    middle = [head for head, (value, _) in MEASURED.items() if value in found]
    return ["spectrum", *middle, "unit of area", *_assignments(bands)]


def band_rows(bands: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Rows: cells (text, number to sort by or None), spectrum and borders of the band."""
    heads = band_heads(bands)
    rows = []
    for band in bands:
        cells: list[tuple[str, float | None]] = [(band["spectrum"], None)]
        for head in heads:
            if head in MEASURED:
                value, error = MEASURED[head]
                cells.append(_measured(_number(band.get(value)), _number(band.get(error or ""))))
        cells.append((band.get("area_unit", ""), None))
        cells += [(band.get(head, ""), None) for head in _assignments(bands)]
        rows.append(
            {
                "cells": cells,
                "spectrum": band["spectrum"],
                "lower": _number(band.get("lower_cm-1")),
                "upper": _number(band.get("upper_cm-1")),
            }
        )
    return rows


def _assignments(bands: Sequence[Mapping[str, str]]) -> list[str]:
    """Columns on what moves: words, not numbers."""
    return [head for head in (bands[0] if bands else ()) if head.startswith(("assignment", "mode"))]


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _measured(value: float, error: float) -> tuple[str, float | None]:
    """`1052.3 ± 1.2`, with as many digits as two of the error allow."""
    if not math.isfinite(value):
        return "–", None
    if not math.isfinite(error) or error <= 0:
        return f"{value:.4g}", value
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}", value
