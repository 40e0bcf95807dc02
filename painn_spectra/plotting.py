"""The look of every figure, files that come out the same twice, and the parity plot."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from painn_spectra import keys
from painn_spectra.files import atomic_path

# Okabe and Ito's palette, told apart with any colour vision
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, BLACK = "#D55E00", "#CC79A7", "#000000"
WIDTH_IN = 7.2  # two columns of a journal
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.1,
    "axes.linewidth": 0.8,
    "mathtext.default": "regular",
    "svg.fonttype": "path",
    "svg.hashsalt": "painn-spectra",
    "savefig.dpi": 200,
}
PARITY_COLOURS = {keys.ENERGY: BLUE, keys.FORCES: VERMILION, keys.DIPOLE: GREEN, keys.POLARIZABILITY: PURPLE}
MAX_PARITY_POINTS = 20_000  # drawn; errors use all


def style() -> AbstractContextManager[None]:
    """Context in which all figures are drawn."""
    return plt.rc_context(STYLE)


def save(figure: Figure, svg: Path, png: Path) -> None:
    """Write both files, without a date, and close the figure."""
    for path, metadata in ((svg, {"Date": None}), (png, {"Software": None})):
        with atomic_path(path) as temporary:
            figure.savefig(temporary, metadata=metadata)
    plt.close(figure)


def draw_parity(
    predictions: Mapping[str, tuple[np.ndarray, np.ndarray]], svg: Path, png: Path, title: str = ""
) -> None:
    """Predicted against reference for every property, (reference, predicted) 1-D in the shown units."""
    names = [name for name in keys.PROPERTIES if name in predictions]
    columns = min(2, len(names))
    n_rows = -(-len(names) // columns)
    with style():
        figure, axes = plt.subplots(
            n_rows, columns, figsize=(3.3 * columns, 3.2 * n_rows), squeeze=False, layout="constrained"
        )
        for axis, name in zip(axes.flat, names, strict=False):
            reference, predicted = (np.ravel(values) for values in predictions[name])
            unit, label = keys.SHOWN_UNITS[name][0], name
            if name == keys.ENERGY:  # absolute energies would hide their differences
                predicted, reference = predicted - reference.mean(), reference - reference.mean()
                label = "energy − mean"
            every = max(1, len(reference) // MAX_PARITY_POINTS)
            axis.axline((float(reference.mean()),) * 2, slope=1, color="0.6", linewidth=0.8, zorder=1)
            axis.plot(
                reference[::every], predicted[::every], ".", color=PARITY_COLOURS[name],
                markersize=3, alpha=0.5, markeredgewidth=0, rasterized=True,
            )  # fmt: skip
            error = np.abs(predicted - reference).mean()
            summary = f"MAE {error:.3g} {unit}\nn = {len(reference)}"
            axis.text(0.04, 0.96, summary, transform=axis.transAxes, va="top")
            low = min(reference.min(), predicted.min())
            high = max(reference.max(), predicted.max())
            margin = 0.05 * (high - low) or 1.0
            axis.set(
                xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal",
                xlabel=f"reference {label} ({unit})", ylabel=f"predicted {label} ({unit})",
            )  # fmt: skip
            axis.locator_params(nbins=5)
        for axis in list(axes.flat)[len(names) :]:
            axis.set_axis_off()
        if title:
            figure.suptitle(title, fontsize=9)
        save(figure, svg, png)
