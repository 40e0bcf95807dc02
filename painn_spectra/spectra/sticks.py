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
        words = notes.get("level_of_theory", path.stem).split(", ")
        weights = np.array([row["quantum_weight"] for row in rows])
        tables.append(
            StickTable(
                ", ".join(word for word in words if word is words[0] or word.startswith("polarizability")),
                words[0] == "PaiNN",
                np.array([row["wavenumber_cm-1"] for row in rows]),
                {kind: weights * [row[column] for row in rows] for kind, column in COLUMNS.items()},
            )
        )
    return sorted(tables, key=lambda table: table.is_model)


def draw_sticks(axis: Axes, tables: Sequence[StickTable], kind: str, nu: Array) -> None:
    """Fill the panel; kind: ir or raman; nu: the wavenumbers of the spectrum above."""
    mirrored = any(not table.is_model for table in tables)
    tallest = 0.0
    for table in tables:
        shown = (table.wavenumber_cm >= nu[0]) & (table.wavenumber_cm <= nu[-1])
        x, heights = table.wavenumber_cm[shown], table.heights[kind][shown]
        sign = -1 if table.is_model and mirrored else 1
        colour = MODEL_COLOURS[kind] if table.is_model else BLACK
        axis.vlines(x, 0, sign * heights, color=colour, linewidth=1.1, label=f"harmonic, {table.label}")
        tallest = max(tallest, float(heights.max(initial=0)))
    axis.axhline(0, color="0.5", linewidth=0.6)
    axis.set_ylim(-1.1 * tallest if mirrored and tables[-1].is_model else 0, 1.1 * tallest or 1.0)
    axis.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")  # downwards is no minus
    axis.set_ylabel(LABELS[kind])
