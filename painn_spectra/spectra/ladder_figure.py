"""The ladder as a figure: spectra of all rungs one above the other, and where their bands lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from painn_spectra.plotting import BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILION, WIDTH_IN, save, style
from painn_spectra.spectra.measured import MeasuredCurve

if TYPE_CHECKING:
    from painn_spectra.spectra.ladder import Rung

Row = Mapping[str, str]
COLOURS = {
    "reference": BLACK, "model": BLUE, "vpt2": GREEN, "classical": VERMILION, "rpmd": ORANGE,
    "trpmd": PURPLE, "tepigs": "#56B4E9",
}  # fmt: skip
MARKS = {"reference": "s", "model": "s", "vpt2": "D"}  # sticks; densities are round
EMPTY_CM = 2200.0  # few molecules absorb there: room for words
ROW_IN = 0.62
COLUMNS = 3


def draw_ladder(
    notes: Mapping[str, str],
    rungs: Sequence["Rung"],
    rows: Sequence[Row],
    curve: MeasuredCurve | None,
    svg: Path,
    png: Path,
) -> None:
    """Spectra above, each by its own maximum; below a panel for each window with centroids and steps."""
    bands = list(dict.fromkeys((row["band"], row["lower_cm-1"], row["upper_cm-1"]) for row in rows))
    n_rows = -(-len(bands) // COLUMNS)
    tall = ROW_IN * (len(rungs) + (curve is not None)) + 0.5
    with style():
        figure = plt.figure(figsize=(WIDTH_IN, tall + 2.1 * n_rows + 0.6), layout="constrained")
        grid = figure.add_gridspec(1 + n_rows, COLUMNS, height_ratios=[tall, *[2.1] * n_rows])
        _spectra(figure.add_subplot(grid[0, :]), rungs, curve)
        for number, band in enumerate(bands):
            axis = figure.add_subplot(grid[1 + number // COLUMNS, number % COLUMNS])
            of_band = [row for row in rows if (row["band"], row["lower_cm-1"], row["upper_cm-1"]) == band]
            _positions(axis, rungs, of_band, left=number % COLUMNS == 0)
        dashed = "; dashed: experiment" if any(row["rung"] == "experiment" for row in rows) else ""
        figure.suptitle(
            f"{notes['molecule']}: infrared ladder at {notes['temperature_K']} K, not scaled{dashed}",
            x=0.01, ha="left", fontsize=9,
        )  # fmt: skip
        save(figure, svg, png)


def _spectra(axis: Axes, rungs: Sequence["Rung"], curve: MeasuredCurve | None) -> None:
    shown = list(rungs)
    for height, rung in enumerate(reversed(shown)):
        level = height + (curve is not None)
        nu, top = rung.wavenumber_cm, float(rung.mean.max())
        axis.plot(nu, level + 0.85 * rung.mean / top, color=COLOURS.get(rung.kind, BLACK), linewidth=0.9)
        axis.text(EMPTY_CM, level + 0.3, rung.label, ha="center", va="bottom", fontsize=8)
        if rung.sticks is not None:
            inside = (rung.sticks[0] > nu[0]) & (rung.sticks[0] < nu[-1])
            axis.plot(
                rung.sticks[0][inside], np.full(inside.sum(), level - 0.04), "|", color="0.6", markersize=3
            )
    if curve is not None:
        highest = np.nanmax(curve.intensity)
        axis.plot(curve.wavenumber_cm, 0.85 * curve.intensity / highest, color="0.3", linewidth=0.9)
        axis.text(EMPTY_CM, 0.3, "experiment", ha="center", va="bottom", fontsize=8)
    axis.set_xlim(shown[0].wavenumber_cm[-1], shown[0].wavenumber_cm[0])
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_xlabel("wavenumber (cm⁻¹)")
    axis.set_ylabel("infrared, each by its maximum")


def _positions(axis: Axes, rungs: Sequence["Rung"], rows: Sequence[Row], left: bool) -> None:
    """Centroids from the top of the ladder down, joined where one stands on another."""
    place = {rung.label: -k for k, rung in enumerate(rungs)}
    at = {row["rung"]: float(row["centroid_cm-1"]) for row in rows}
    for rung in rungs:
        row = next(row for row in rows if row["rung"] == rung.label)
        below = next((other for other in rungs if other.name == rung.below), None)
        if below is not None:
            axis.plot([at[below.label], at[rung.label]], [place[below.label], place[rung.label]],
                      color="0.75", linewidth=0.8, zorder=0)  # fmt: skip
        axis.errorbar(
            at[rung.label], place[rung.label], xerr=float(row["standard_error_cm-1"]) or None,
            marker=MARKS.get(rung.kind, "o"), color=COLOURS.get(rung.kind, BLACK), markersize=4, capsize=2,
            linestyle="none",
        )  # fmt: skip
    if "experiment" in at:
        axis.axvline(at["experiment"], color="0.3", linestyle="--", linewidth=0.9)
    axis.set_ylim(-len(rungs) + 0.5, 0.5)
    axis.set_yticks(list(place.values()), list(place) if left else [""] * len(place), fontsize=7)
    axis.set_title(rows[0]["band"], fontsize=8)
    axis.xaxis.set_major_locator(plt.MaxNLocator(3))
    axis.tick_params(axis="x", labelsize=7)
    axis.set_xlabel("centroid (cm⁻¹)", fontsize=7)
    axis.margins(x=0.12)
