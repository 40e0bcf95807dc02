"""Errors on the validation frames along the training, and the training loss beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.ticker import LogFormatter

from painn_spectra import keys
from painn_spectra.loss import PLAIN_UNITS
from painn_spectra.plotting import BLACK, COLUMN_IN, PARITY_COLOURS, WIDTH_IN, save, style
from painn_spectra.tables import read_metrics

Curve = list[dict[str, Any]]


class PlainNumbers(LogFormatter):
    """Numbers where a logarithmic axis has room for them, written out."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def draw_losses(metrics: Sequence[Path], files: Sequence[Path], width_in: float = WIDTH_IN) -> None:
    """One panel per learnt property and one for the loss, one line per training, steps across."""
    curves = [read_metrics(path) for path in metrics]
    names = [name for name in keys.PROPERTIES if any(_key(name) in curve[-1] for curve in curves)]
    columns = min(3 if width_in > COLUMN_IN else 2, len(names) + 1)
    panel_in = width_in / columns
    n_rows = -(-(len(names) + 1) // columns)
    with style(width_in):
        figure, axes = plt.subplots(
            n_rows, columns, figsize=(width_in, 0.87 * panel_in * n_rows), squeeze=False, layout="constrained"
        )
        panels = list(axes.flat)
        for number, curve in enumerate(curves):
            look = {"linewidth": 0.9, "alpha": max(0.4, 1 - 0.2 * number)}
            steps = [line["step"] for line in curve]
            label = "training" if number == 0 else None
            panels[0].plot(
                steps, [line["train_loss"] for line in curve], ":", color=BLACK, label=label, **look
            )
            label = "validation" if number == 0 else None
            panels[0].plot(steps, [line["loss"] for line in curve], color=BLACK, label=label, **look)
            for panel, name in zip(panels[1:], names, strict=False):
                if _key(name) in curve[-1]:
                    values = [line[_key(name)] for line in curve]
                    panel.plot(steps, values, color=PARITY_COLOURS[name], **look)
        panels[0].set(ylabel="loss", yscale="log")
        panels[0].legend()
        for panel, name in zip(panels[1:], names, strict=False):
            panel.set(ylabel=f"{name} MAE ({keys.SHOWN_UNITS[name][0]})", yscale="log")
        for panel in panels[len(names) + 1 :]:
            panel.set_axis_off()
        for panel in panels[: len(names) + 1]:
            panel.set_xlabel("steps")
        for panel in panels[1 : len(names) + 1]:
            for ticks in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
                ticks(PlainNumbers(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
        save(figure, *files)


def _key(name: str) -> str:
    """The property's name in metrics.jsonl."""
    return f"{name}_mae_{PLAIN_UNITS[keys.SHOWN_UNITS[name][0]]}"
