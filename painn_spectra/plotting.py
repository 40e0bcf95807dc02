"""The look of every figure, files that come out the same twice, and the parity plot."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from painn_spectra import keys
from painn_spectra.files import atomic_path

# Okabe and Ito's palette, as in figures.mplstyle
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, BLACK = "#D55E00", "#CC79A7", "#000000"
WIDTH_IN, COLUMN_IN = 7.2, 3.4  # two columns of a journal, and one
SMALL_PT = 7.0  # of a figure one column wide
METADATA: dict[str, dict[str, None]] = {  # without a date: files that come out the same twice
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
}
PARITY_COLOURS = {keys.ENERGY: BLUE, keys.FORCES: VERMILION, keys.DIPOLE: GREEN, keys.POLARIZABILITY: PURPLE}
MAX_PARITY_POINTS = 20_000  # drawn; errors use all


def style(width_in: float = WIDTH_IN) -> AbstractContextManager[None]:
    """Context in which all figures are drawn: figures.mplstyle, smaller letters in one column."""
    size = {} if width_in > COLUMN_IN else {"font.size": SMALL_PT}
    return plt.style.context(["painn_spectra.figures", size])


def versions(stem: Path) -> list[tuple[float, list[Path]]]:
    """As `figure_files`, whose folder is made."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    return figure_files(stem)


def figure_files(stem: Path) -> list[tuple[float, list[Path]]]:
    """Width in inches and files (.svg, .pdf, .png) of a figure `stem` and its narrow twin `stem-column`."""
    return [
        (width_in, [stem.with_name(f"{stem.name}{suffix}{ending}") for ending in METADATA])
        for width_in, suffix in ((WIDTH_IN, ""), (COLUMN_IN, "-column"))
    ]


def save(figure: Figure, *files: Path) -> None:
    """Write every file in the format of its ending and close the figure."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not for every format
    for path in files:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, metadata=METADATA[path.suffix])
    plt.close(figure)


def draw_parity(
    predictions: Mapping[str, tuple[np.ndarray, np.ndarray]],
    files: Sequence[Path],
    width_in: float = WIDTH_IN,
) -> None:
    """Predicted against reference for every property, (reference, predicted) 1-D in the shown units."""
    names = [name for name in keys.PROPERTIES if name in predictions]
    columns = min(2, len(names))
    n_rows = -(-len(names) // columns)
    panel_in = 0.92 * width_in / 2
    with style(width_in):
        figure, axes = plt.subplots(
            n_rows, columns, figsize=(panel_in * columns, 0.97 * panel_in * n_rows), squeeze=False,
            layout="constrained",
        )  # fmt: skip
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
                xlabel=f"reference ({unit})", ylabel=f"predicted ({unit})",
            )  # fmt: skip
            axis.set_title(label, loc="left")
            axis.locator_params(nbins=5 if width_in > COLUMN_IN else 3)
        for axis in list(axes.flat)[len(names) :]:
            axis.set_axis_off()
        save(figure, *files)
