"""The infrared and Raman figures: computed spectrum with its error, published bands, measured curve."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from painn_spectra.plotting import (
    BLACK,
    BLUE,
    COLUMN_IN,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILION,
    WIDTH_IN,
    save,
    style,
)
from painn_spectra.spectra.correlation import Array
from painn_spectra.spectra.measured import MeasuredCurve
from painn_spectra.spectra.similarity import Beside
from painn_spectra.spectra.sticks import FINGERPRINT_CM, PANEL_IN, StickTable, draw_sticks, magnification

Row = Mapping[str, str]
AXIS_LABEL = "wavenumber (cm⁻¹)"
MIN_LABEL_GAP_CM = 60.0  # of two band labels, for 7 pt digits standing upright
LEGEND_SHARE = 0.85  # of the figure's width: what the axes take
LABEL_CHARACTERS_PER_IN = 13  # of such a line


def draw_infrared(
    metadata: Mapping[str, str],
    columns: Mapping[str, Array],
    files: Sequence[Path],
    published: Sequence[Row] = (),
    measured: tuple[MeasuredCurve, Beside] | None = None,
    harmonic: Sequence[StickTable] = (),
    width_in: float = WIDTH_IN,
) -> None:
    """Absolute absorption; `columns` as in ir.csv. Harmonic sticks and a measured curve get panels below.

    files: the formats are those of their endings. width_in: of one or two columns of a journal.
    """
    with style(width_in):
        figure, axes = _panels([3.0] + [PANEL_IN] * bool(harmonic) + [1.7] * (measured is not None), width_in)
        nu = columns["wavenumber_cm-1"]
        _spectrum(axes[0], nu, columns["ir_km_mol-1_per_cm-1"], columns["standard_error"], BLUE, "computed")
        _model_band(axes[0], columns, "ir_km_mol-1_per_cm-1", "")
        axes[0].set_ylabel("absorption, km mol⁻¹ per cm⁻¹")
        _published(axes[0], published, nu)
        _legend(axes[0])
        if harmonic:
            draw_sticks(axes[1], harmonic, "ir", nu)
            _legend(axes[1])
        if measured is not None:
            _measured(axes[-1], *measured)
        _finish(figure, axes, nu, f"{metadata['molecule']}: infrared spectrum\n{_conditions(metadata)}")
        save(figure, *files)


def draw_raman(
    metadata: Mapping[str, str],
    columns: Mapping[str, Array],
    files: Sequence[Path],
    published: Sequence[Row] = (),
    measured: tuple[MeasuredCurve, Beside] | None = None,
    harmonic: Sequence[StickTable] = (),
    width_in: float = WIDTH_IN,
) -> None:
    """Activity with its two parts, then the Stokes signal at the laser line; `columns` as in raman.csv."""
    with style(width_in):
        figure, axes = _panels(
            [2.7, 2.2] + [PANEL_IN] * bool(harmonic) + [1.7] * (measured is not None), width_in
        )
        nu = columns["wavenumber_cm-1"]
        unit = "A4_amu-1_per_cm-1"
        for name, colour, label in (
            ("activity", BLACK, "activity 45β′² + 7γ′²"),
            ("isotropic", VERMILION, "isotropic 45β′²"),
            ("anisotropic", BLUE, "anisotropic 7γ′²"),
        ):
            error = columns[f"{name}_standard_error"] if name == "activity" else None
            _spectrum(axes[0], nu, columns[f"{name}_{unit}"], error, colour, label)
        _model_band(axes[0], columns, f"activity_{unit}", "activity_")
        _magnified(axes[0], nu, columns[f"activity_{unit}"])
        axes[0].set_ylabel("activity, Å⁴ amu⁻¹ per cm⁻¹")
        _legend(axes[0])
        cross_section = columns["cross_section_m2_sr-1_per_cm-1"]
        exponent = int(np.floor(np.log10(np.nanmax(cross_section))))
        error = columns["cross_section_standard_error"]
        label = f"computed Stokes signal, {metadata['laser_nm']} nm"
        _spectrum(axes[1], nu, cross_section / 10.0**exponent, error / 10.0**exponent, GREEN, label)
        _model_band(axes[1], columns, "cross_section_m2_sr-1_per_cm-1", "cross_section_", 10.0**exponent)
        _magnified(axes[1], nu, cross_section / 10.0**exponent)
        power = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        axes[1].set_ylabel(f"d²σ/dΩdν̃, 10{power} m² sr⁻¹\nper cm⁻¹")
        _published(axes[1], published, nu)
        _legend(axes[1])
        if harmonic:
            draw_sticks(axes[2], harmonic, "raman", nu)
            _legend(axes[2])
        if measured is not None:
            _measured(axes[-1], *measured)
        conditions = f"{_conditions(metadata)}, laser {metadata['laser_nm']} nm"
        _finish(figure, axes, nu, f"{metadata['molecule']}: Raman spectrum\n{conditions}")
        save(figure, *files)


def _panels(heights: Sequence[float], width_in: float) -> tuple[Figure, list[Axes]]:
    height_in = 1.0 + sum(heights)  # of the wide version
    figure, axes = plt.subplots(
        len(heights), 1, sharex=True, squeeze=False, height_ratios=heights,
        figsize=(width_in, height_in * (width_in / WIDTH_IN) ** 0.6), layout="constrained",
    )  # fmt: skip
    return figure, list(axes[:, 0])


def _narrow(axis: Axes) -> bool:
    return axis.get_figure(root=True).get_figwidth() <= COLUMN_IN  # type: ignore[union-attr]


def _spectrum(axis: Axes, nu: Array, density: Array, error: Array | None, colour: str, label: str) -> None:
    axis.plot(nu, density, color=colour, label=label)
    if error is not None and np.isfinite(error).any():
        axis.fill_between(
            nu,
            density - error,
            density + error,
            color=colour,
            alpha=0.3,
            linewidth=0,
            label="± 1 standard error",
        )


def _model_band(axis: Axes, columns: Mapping[str, Array], name: str, prefix: str, unit: float = 1.0) -> None:
    """Hatched between dotted lines: told from the shade of sampling without any colour."""
    spread = columns.get(f"{prefix}model_standard_deviation")
    if spread is None or not np.isfinite(spread).any():
        return
    density, spread = columns[name] / unit, spread / unit
    axis.fill_between(
        columns["wavenumber_cm-1"], density - spread, density + spread, facecolor="0.9", edgecolor="0.5",
        hatch="////////", linewidth=0.5, linestyle=":", zorder=0, label="± 1 s.d. of models",
    )  # fmt: skip


def _magnified(axis: Axes, nu: Array, density: Array) -> None:
    """The fingerprint region once more, enlarged, where the X–H stretches dwarf it."""
    low = (nu < FINGERPRINT_CM) & (nu >= nu[0] + 100.0)  # a rotor's lowest wavenumbers are not the point
    if low.all() or not low.any():
        return
    factor = magnification(float(np.nanmax(density)), float(np.nanmax(density[low])))
    if factor:
        enlarged = factor * density[low]
        axis.plot(nu[low], enlarged, color="0.5", linewidth=0.8)
        top = float(np.nanmax(enlarged))
        axis.text(FINGERPRINT_CM - 200, top, f"× {factor}", color="0.35", ha="right", va="top")


def _legend(axis: Axes) -> None:
    """Above the panel, where no band can be, in as many columns as the figure has room for."""
    handles, labels = axis.get_legend_handles_labels()
    figure = axis.get_figure(root=True)
    assert figure is not None
    room = LEGEND_SHARE * figure.bbox.width
    labels = [textwrap.fill(label, int(LABEL_CHARACTERS_PER_IN * figure.get_figwidth())) for label in labels]
    for ncols in range(min(4, len(labels)), 0, -1):
        legend = axis.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=ncols,
            borderaxespad=0.2,
            columnspacing=1.5,
        )
        if legend.get_window_extent().width <= room:
            break


def _published(axis: Axes, rows: Sequence[Row], nu: Array) -> None:
    """Sticks from the upper edge at published maxima, with the number where there is room for it."""
    shown = [row for row in rows if nu[0] <= float(row["position_cm-1"]) <= nu[-1]]
    axis.set_ylim(bottom=0, top=axis.get_ylim()[1] * (1.25 if shown else 1.0))
    phases = " and ".join(sorted({row["phase"] for row in shown}))
    clusters: list[list[float]] = []  # close neighbours share a label
    for i, position in enumerate(sorted(float(row["position_cm-1"]) for row in shown)):
        axis.axvline(
            position, ymin=0.92, ymax=1.0, color=ORANGE, linewidth=1.4,
            label=f"published maxima ({phases})" if i == 0 else None,
        )  # fmt: skip
        if clusters and position - clusters[-1][0] < MIN_LABEL_GAP_CM:
            clusters[-1].append(position)
        else:
            clusters.append([position])
    for cluster in clusters if not _narrow(axis) else ():
        numbers = "\n".join(f"{position:.0f}" for position in reversed(cluster))
        axis.text(float(np.mean(cluster)), 0.9, numbers, transform=axis.get_xaxis_transform(),
                  fontsize="small", rotation=90, ha="center", va="top", color="0.35")  # fmt: skip


def _measured(axis: Axes, curve: MeasuredCurve, beside: Beside) -> None:
    """The curve as it is in the file, and over it both at the resolution that they share."""
    axis.plot(curve.wavenumber_cm, curve.intensity - beside.offset, color=PURPLE, alpha=0.35, linewidth=0.7)
    axis.plot(beside.grid_cm, beside.measured, color=PURPLE, label=f"measured: {_typeset(curve.caption)}")
    scaled = "" if beside.is_absolute else ", same area"
    label = f"computed{scaled}; both at {beside.fwhm_cm:.3g} cm⁻¹"
    axis.plot(beside.grid_cm, beside.computed, color=BLUE, linewidth=0.9, label=label)
    if curve.n_saturated:
        axis.plot([], [], " ", label=f"saturated points left out: {curve.n_saturated}")
    axis.set_ylabel(f"measured,\n{_typeset(curve.unit)}")
    _legend(axis)


def _typeset(text: str) -> str:
    """Units of plain files as the other labels write them."""
    return text.replace("km/mol", "km mol⁻¹").replace("cm-1", "cm⁻¹")


def _finish(figure: Figure, axes: Sequence[Axes], nu: Array, title: str) -> None:
    axes[0].set_xlim(nu[-1], nu[0])  # falling wavenumbers, as spectrometers draw them
    axes[0].set_ylim(bottom=0)
    axes[-1].set_xlabel(AXIS_LABEL)
    axes[-1].xaxis.set_major_locator(plt.MultipleLocator(1000 if _narrow(axes[0]) else 500))
    axes[-1].xaxis.set_minor_locator(plt.MultipleLocator(100))
    if not _narrow(axes[0]):  # in a column the caption says it
        figure.suptitle(title, x=0.01, ha="left")
    figure.align_ylabels()


def _conditions(metadata: Mapping[str, str]) -> str:
    replicas = int(metadata["n_replicas"])
    return (
        f"{metadata['dynamics']} dynamics at {metadata['temperature_K']} K, "
        f"{replicas} × {metadata['length_ps']} ps, FWHM {metadata['fwhm_cm']} cm⁻¹, wavenumbers not scaled"
    )
