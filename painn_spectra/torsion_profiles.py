"""Torsional profiles: their extrema and zeros, and the figure."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from painn_spectra.plotting import BLACK, BLUE, COLUMN_IN, WIDTH_IN, save, style

Array = NDArray[np.float64]
Scan = tuple[str, Array, Array, Array]  # name, rising angles (n,) | deg, energies of model, reference | eV
Point = tuple[str, float, float]  # kind, angle | deg, energy | eV

NEAREST_DEG = 30.0  # extrema of two profiles that are further apart are not the same


def stationary_points(
    angles_deg: Array, model_eV: Array, reference_eV: Array
) -> tuple[list[list[object]], tuple[float, float]]:
    """Rows of minima and maxima, those of the reference beside the model's nearest; and both zeros, eV.

    Extrema of periodic cubic splines. Without a reference the model's rows stand alone.
    """
    ours = _extrema(angles_deg, model_eV)
    theirs = _extrema(angles_deg, reference_eV) if np.isfinite(reference_eV).all() else []
    leading = theirs or ours
    lowest = min(leading, key=lambda point: point[2])
    partner = _nearest(ours, lowest)
    zeros = (partner[2] if partner else lowest[2], lowest[2])
    rows: list[list[object]] = []
    for point in leading:
        partner = _nearest(ours, point)
        energy = 1e3 * (partner[2] - zeros[0]) if partner else float("nan")
        angle = partner[1] if partner else float("nan")
        other = 1e3 * (point[2] - zeros[1]) if theirs else float("nan")
        rows.append([point[0], angle, energy, point[1] if theirs else float("nan"), other, energy - other])
    return rows, zeros


def draw_profiles(
    scans: Sequence[Scan],
    stationary: Sequence[tuple[list[list[object]], tuple[float, float]]],
    reference: str,
    files: Sequence[Path],
    width_in: float = WIDTH_IN,
) -> None:
    """A panel per dihedral: the model's line, the reference method's points."""
    wide = width_in > COLUMN_IN
    with style(width_in):
        columns = min(2 if wide else 1, len(scans))
        n_rows = -(-len(scans) // columns)
        figure, axes = plt.subplots(
            n_rows, columns, figsize=(width_in / (2 if wide else 1) * columns, 0.4 + 2.4 * n_rows),
            squeeze=False, sharex=True, layout="constrained",
        )  # fmt: skip
        fine = np.linspace(-180, 180, 361)
        for axis, (name, angles, model, other), (_, zeros) in zip(axes.flat, scans, stationary, strict=False):
            axis.plot(fine, 1e3 * (_spline(angles, model)(fine) - zeros[0]), color=BLUE, label="model")
            if np.isfinite(other).all():
                axis.plot(
                    angles, 1e3 * (other - zeros[1]), "o", color=BLACK, markersize=3.5,
                    markerfacecolor="none", label=reference.split(",")[0],
                )  # fmt: skip
            axis.set_title(name, loc="left")
            axis.set_xlim(-180, 180)
            axis.xaxis.set_major_locator(plt.MultipleLocator(60))
        for axis in axes[:, 0]:
            axis.set_ylabel("energy (meV)")
        for axis in axes[-1]:
            axis.set_xlabel("dihedral angle (°)")
        for axis in list(axes.flat)[len(scans) :]:
            axis.set_axis_off()
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2)
        save(figure, *files)


def _extrema(angles_deg: Array, energies_eV: Array) -> list[Point]:
    spline = _spline(angles_deg, energies_eV)
    roots = spline.derivative().roots(extrapolate=False)
    kinds = ["minimum" if curvature > 0 else "maximum" for curvature in spline(roots, 2)]
    points = zip(kinds, wrapped(roots).tolist(), spline(roots).tolist(), strict=True)
    return sorted(points, key=lambda point: point[1])


def _nearest(points: Sequence[Point], point: Point) -> Point | None:
    """The extremum of the same kind at the nearest angle, if one is near."""
    same = [p for p in points if p[0] == point[0] and abs(wrapped(np.array(p[1] - point[1]))) < NEAREST_DEG]
    return min(same, key=lambda p: abs(wrapped(np.array(p[1] - point[1]))), default=None)


def _spline(angles_deg: Array, energies_eV: Array) -> CubicSpline:
    x, y = np.append(angles_deg, angles_deg[0] + 360), np.append(energies_eV, energies_eV[0])
    return CubicSpline(x, y, bc_type="periodic")


def wrapped(angles_deg: Array) -> Array:
    """Into −180 to 180."""
    return (angles_deg + 180.0) % 360.0 - 180.0
