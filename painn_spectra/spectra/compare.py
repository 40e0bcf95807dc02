"""The comparison stage: computed bands beside published ones, similarity to a measured curve, figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from painn_spectra.errors import InputError
from painn_spectra.spectra.bands import (
    band_centroid,
    band_integral,
    bin_overlap,
    jackknife_standard_error,
    leave_one_out,
)
from painn_spectra.spectra.correlation import Array
from painn_spectra.spectra.csv_files import read_spectrum, read_table, write_table
from painn_spectra.spectra.figures import draw_infrared, draw_raman
from painn_spectra.spectra.measured import MeasuredCurve, read_measured
from painn_spectra.spectra.sticks import read_tables

SMOOTHING_SIGMA_CM = 10.0
FLOOR = 1e-10  # of the normalised density: Kullback–Leibler needs positive numbers
BAND_COLUMNS = {
    "spectrum", "phase", "position_cm-1", "lower_cm-1", "upper_cm-1", "area_km_mol-1", "assignment", "source",
}  # fmt: skip
HEADING = [
    "spectrum", "phase", "assignment", "lower_cm-1", "upper_cm-1", "published_cm-1", "computed_cm-1",
    "difference_cm-1", "centroid_cm-1", "centroid_standard_error_cm-1", "published_area", "computed_area",
    "computed_area_standard_error", "area_unit", "note", "source",
]  # fmt: skip
AREA_UNITS = {"ir": "km/mol", "raman": "A^4/amu"}


def compare_stage(
    spectra_dir: Path,
    figures: Path,
    comparison: Path,
    bands_table: Path | None,
    ir_curve: Path | None,
    raman_curve: Path | None,
    harmonic: Sequence[Path] = (),
) -> None:
    """Write comparison.csv and ir and raman figures (.svg, .png); each experimental input may be absent.

    harmonic: tables of harmonic modes to draw as sticks.
    """
    published = read_bands(bands_table) if bands_table else []
    measured = {kind: read_measured(path) if path else None for kind, path in
                (("ir", ir_curve), ("raman", raman_curve))}  # fmt: skip
    metadata, infrared = read_spectrum(spectra_dir / "ir.csv")
    _, raman = read_spectrum(spectra_dir / "raman.csv")
    wavenumber, densities = read_replicas(spectra_dir / "replicas.npz")
    rows = compare_bands(wavenumber, densities, published)
    notes = {key: metadata[key] for key in ("molecule", "dynamics", "temperature_K", "fwhm_cm", "program")}
    notes["computed"] = (
        "maximum, centroid and area inside the window, wavenumbers not scaled; errors: sampling"
    )
    if measured["ir"] is not None:
        notes |= similarity(wavenumber, densities["ir"], measured["ir"])
    write_table(comparison, notes, HEADING, rows)
    sticks = read_tables(harmonic)
    draw_infrared(metadata, infrared, figures / "ir.svg", figures / "ir.png",
                  [row for row in published if row["spectrum"] == "ir"], measured["ir"], sticks)  # fmt: skip
    raman_bands = [row for row in published if row["spectrum"] == "raman"]
    draw_raman(metadata, raman, figures / "raman.svg", figures / "raman.png", raman_bands,
               measured["raman"], sticks)  # fmt: skip


def read_bands(path: Path) -> list[dict[str, str]]:
    """Rows of a published-bands table, checked: known spectrum, position inside a rising window."""
    _, rows = read_table(path)
    for number, row in enumerate(rows, 1):
        if missing := BAND_COLUMNS - set(row):
            raise InputError(f"{path}: column {', '.join(sorted(missing))} is missing; add it")
        try:
            lower, position, upper = (float(row[f"{key}_cm-1"]) for key in ("lower", "position", "upper"))
            float(row["area_km_mol-1"] or 0)
        except ValueError as error:
            raise InputError(f"{path}: row {number}: {error}; give plain numbers") from None
        if not lower <= position <= upper or lower == upper or row["spectrum"] not in AREA_UNITS:
            raise InputError(
                f"{path}: row {number}: {row['spectrum']} {lower:g} <= {position:g} <= {upper:g} is false; "
                "give ir or raman and a window around the position"
            )
    return rows


def read_replicas(path: Path) -> tuple[Array, dict[str, Array]]:
    """Wavenumbers and the densities (n_replicas, n) of ir and raman (activity)."""
    try:
        with np.load(path) as data:
            nu = data["wavenumber_cm"]
            return nu, {
                "ir": data["ir"].astype(float),
                "raman": data["isotropic"].astype(float) + data["anisotropic"],
            }
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); compute the spectra again") from None


def compare_bands(
    wavenumber_cm: Array, densities: dict[str, Array], published: list[dict[str, str]]
) -> list[list[object]]:
    """One row per published band; rows that share a window carry its area once."""
    rows: list[list[object]] = []
    seen: set[tuple[str, float, float]] = set()
    for row in published:
        kind, lower, upper = row["spectrum"], float(row["lower_cm-1"]), float(row["upper_cm-1"])
        position, density = float(row["position_cm-1"]), densities[kind]
        overlap = bin_overlap(wavenumber_cm, lower, upper)
        words = [kind, row["phase"], row["assignment"], lower, upper, position]
        if overlap.sum() < (upper - lower) * 0.999:
            rows.append(
                [*words, *[np.nan] * 6, np.nan, AREA_UNITS[kind], "outside the computed range", row["source"]]
            )
            continue
        inside = np.flatnonzero(overlap)
        mean = density.mean(axis=0)[inside]
        maxima, _ = find_peaks(mean)
        at_edge = not len(maxima) or max(mean[0], mean[-1]) > mean[maxima].max()
        note = "the window's edge is higher: a band outside reaches in" if at_edge else ""
        peak = inside[maxima[np.argmax(mean[maxima])]] if len(maxima) else inside[np.argmax(mean)]
        area, error, *_ = band_integral(wavenumber_cm, density, lower, upper)
        centroid, centroid_error, *_ = band_centroid(wavenumber_cm, density, lower, upper)
        published_area = float(row["area_km_mol-1"] or "nan")
        if (kind, lower, upper) in seen:
            centroid, centroid_error, area, error = [np.nan] * 4
            note = note or "window as above"
        seen.add((kind, lower, upper))
        found = float(wavenumber_cm[peak])
        rows.append([*words, found, found - position, centroid, centroid_error, published_area, area, error,
                     AREA_UNITS[kind], note, row["source"]])  # fmt: skip
    return rows


def similarity(wavenumber_cm: Array, densities: Array, curve: MeasuredCurve) -> dict[str, str]:
    """Cosine and SIS of computed and measured curves on their overlap, both smoothed by σ = 10 cm⁻¹.

    SIS = 1/(1 + Σ[p ln(p/q) + q ln(q/p)]), p and q of unit area. Wavenumbers are not scaled; points where
    the measurement is saturated do not count. Errors: jackknife over replicas.
    """
    lower = max(wavenumber_cm[0], curve.wavenumber_cm[0])
    upper = min(wavenumber_cm[-1], curve.wavenumber_cm[-1])
    if upper - lower < 10 * SMOOTHING_SIGMA_CM:
        return {"ir_similarity": f"none, curves overlap over {max(upper - lower, 0):.0f} cm-1 only"}
    grid = np.arange(np.ceil(lower), upper, 1.0)  # (n_grid,) | cm⁻¹
    valid = np.isfinite(curve.intensity)
    experiment = _smooth(np.interp(grid, curve.wavenumber_cm[valid], curve.intensity[valid]))
    counted = np.interp(grid, curve.wavenumber_cm, valid.astype(float)) > 0.5

    def scores(density: Array) -> Array:
        computed = _smooth(np.interp(grid, wavenumber_cm, density))
        p, q = (_unit_area(y[counted]) for y in (computed, experiment))
        cosine = p @ q / np.sqrt((p @ p) * (q @ q))
        return np.array([cosine, 1 / (1 + np.sum((p - q) * np.log(p / q)))])

    best = scores(densities.mean(axis=0))
    spread = np.array([scores(density) for density in leave_one_out(densities)])  # (n_replicas, 2)
    errors = [jackknife_standard_error(column) for column in spread.T]
    return {
        "ir_measured": curve.title,
        "ir_overlap_cm-1": f"{grid[0]:g} to {grid[-1]:g}",
        "ir_cosine": f"{best[0]:.3f} +- {errors[0]:.3f}",
        "ir_SIS": f"{best[1]:.3f} +- {errors[1]:.3f}",
        "ir_saturated_points": str(curve.n_saturated),
    }


def _smooth(density: Array) -> Array:
    return gaussian_filter1d(density, SMOOTHING_SIGMA_CM, mode="nearest")  # 1 cm⁻¹ grid


def _unit_area(density: Array) -> Array:
    positive = np.maximum(density, 0)
    return np.maximum(positive / positive.sum(), FLOOR)
