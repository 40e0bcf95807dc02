"""A panel of harmonic sticks under a spectrum: the reference method's upwards, the model's downwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from painn_spectra.plotting import BLACK, BLUE, GREEN
from painn_spectra.spectra.correlation import Array
from painn_spectra.spectra.harmonic import read_sticks

COLUMNS = {"ir": "ir_km_mol-1", "raman": "activity_A4_amu-1"}
LABELS = {"ir": "harmonic,\nkm mol⁻¹", "raman": "harmonic,\nÅ⁴ amu⁻¹"}
MODEL_COLOURS = {"ir": BLUE, "raman": GREEN}  # those of the computed spectrum above
PANEL_IN = 1.3
FINGERPRINT_CM = 2000.0
MAGNIFICATIONS = (100, 50, 20, 10, 5)


@dataclass(frozen=True)
class StickTable:
    """A harmonic table as it is drawn: every conformer's sticks, times its population."""

    label: str
    is_model: bool
    wavenumber_cm: Array  # (n,)
    heights: Mapping[str, Array]  # ir | km/mol, raman | Å⁴/amu, (n,) each


def read_tables(paths: Sequence[Path]) -> list[StickTable]:
    """Tables that `harmonic-reference` and `harmonic-model` wrote, the reference method's first."""
    tables = []
    for path in paths:
        notes, rows = read_sticks(path)
        level = notes.get("level_of_theory", path.stem)
        if "polarizability" in notes:  # computed anew
            level = f"{level.split(', ')[0]}, polarizability {short_level(notes['polarizability'])}"
        weights = np.array([row["quantum_weight"] for row in rows])
        tables.append(
            StickTable(
                short_level(level),
                level.startswith("PaiNN"),
                np.array([row["wavenumber_cm-1"] for row in rows]),
                {kind: weights * [row[column] for row in rows] for kind, column in COLUMNS.items()},
            )
        )
    return sorted(tables, key=lambda table: table.is_model)


def short_level(level_of_theory: str) -> str:
    """Functional, basis and basis of the polarizability without grids and versions; or the first words."""
    first, *rest = level_of_theory.split(", ")
    words = [next((word for word in first.split() if "/" in word), first)]
    words += [word.replace("polarizability", "α:") for word in rest if word.startswith("polarizability")]
    return ", ".join(words)


def magnification(highest: float, highest_of_part: float) -> int | None:
    """Round factor by which a part of a panel may be enlarged; None where it is high enough."""
    room = 0.7 * highest / highest_of_part if highest_of_part > 0 else 0.0
    return next((factor for factor in MAGNIFICATIONS if factor <= room), None)


def draw_sticks(axis: Axes, tables: Sequence[StickTable], kind: str, nu: Array) -> None:
    """Fill the panel; kind: ir or raman; nu: the wavenumbers of the spectrum above."""
    mirrored = any(not table.is_model for table in tables)
    shown = [(t.wavenumber_cm >= nu[0]) & (t.wavenumber_cm <= nu[-1]) for t in tables]
    low = [inside & (t.wavenumber_cm < FINGERPRINT_CM) for t, inside in zip(tables, shown, strict=True)]
    tallest, tallest_low = (
        max(float(t.heights[kind][part].max(initial=0)) for t, part in zip(tables, parts, strict=True))
        for parts in (shown, low)
    )
    factor = magnification(tallest, tallest_low)
    for table, inside, part in zip(tables, shown, low, strict=True):
        sign = -1 if table.is_model and mirrored else 1
        colour = MODEL_COLOURS[kind] if table.is_model else BLACK
        x, heights = table.wavenumber_cm, sign * table.heights[kind]
        if factor:
            axis.vlines(x[part], 0, factor * heights[part], color=colour, linewidth=0.8, alpha=0.45)
        axis.vlines(x[inside], 0, heights[inside], color=colour, linewidth=1.2, label=table.label)
    if factor:
        axis.text(FINGERPRINT_CM - 200, tallest, f"× {factor}", color="0.35", ha="right", va="top")
    axis.axhline(0, color="0.5", linewidth=0.6)
    axis.set_ylim(-1.1 * tallest if mirrored and tables[-1].is_model else 0, 1.1 * tallest or 1.0)
    axis.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")  # downwards is no minus
    axis.set_ylabel(LABELS[kind])
