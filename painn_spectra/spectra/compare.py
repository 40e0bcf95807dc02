"""The comparison stage: computed bands beside published ones, scores against measured curves, figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from scipy.signal import find_peaks

from painn_spectra.download import CACHE
from painn_spectra.errors import InputError
from painn_spectra.plotting import versions
from painn_spectra.settings.molecule import Experiment
from painn_spectra.spectra.bands import band_centroid, band_integral, bin_overlap
from painn_spectra.spectra.correlation import Array
from painn_spectra.spectra.csv_files import read_spectrum, read_table, write_table
from painn_spectra.spectra.experiment import experiment_curve
from painn_spectra.spectra.figures import draw_infrared, draw_raman
from painn_spectra.spectra.measured import Kind, MeasuredCurve
from painn_spectra.spectra.model_spread import band_spread
from painn_spectra.spectra.npz_file import read_arrays
from painn_spectra.spectra.raman import stokes_cross_section
from painn_spectra.spectra.similarity import (
    Beside,
    Rung,
    Scores,
    fitted_scale,
    from_sticks,
    score,
    side_by_side,
    target,
)
from painn_spectra.spectra.sticks import StickTable, read_tables

BAND_COLUMNS = {
    "spectrum", "phase", "position_cm-1", "lower_cm-1", "upper_cm-1", "area_km_mol-1", "assignment", "source",
}  # fmt: skip
HEADING = [
    "spectrum", "phase", "assignment", "lower_cm-1", "upper_cm-1", "published_cm-1", "computed_cm-1",
    "difference_cm-1", "centroid_cm-1", "centroid_standard_error_cm-1", "published_area", "computed_area",
    "computed_area_standard_error", "area_unit", "note", "source",
]  # fmt: skip
SCORE_HEADING = [
    "spectrum", "computed", "scale_factor", "measured_bands",
    *(name + suffix for name in Scores._fields for suffix in ("", "_standard_error")),
]  # fmt: skip
PROTOCOL = (
    "grid 1 cm-1 over the shared range, the coarser of both resolutions, then sigma 10 cm-1; shapes at unit "
    "area; saturated points left out; errors: bootstrap over replicas"
)
DRAW: dict[Kind, Callable[..., None]] = {"ir": draw_infrared, "raman": draw_raman}
MODEL_HEADING = ["computed_area_model_standard_deviation"]  # of an ensemble
PARTS = {"ir": ("ir",), "raman": ("isotropic", "anisotropic")}  # of each spectrum in replicas.npz
AREA_UNITS = {"ir": "km/mol", "raman": "A^4/amu"}


def compare_stage(
    spectra_dir: Path,
    figures: Path,
    comparison: Path,
    similarity: Path,
    experiment: Experiment,
    harmonic: Sequence[Path] = (),
    cache: Path = CACHE,
) -> None:
    """Write tables of bands and of scores, and ir and raman figures.

    experiment: any part may be absent. harmonic: tables of harmonic modes to draw as sticks and to score.
    cache: folder of downloads.
    """
    published = read_bands(Path(experiment.bands)) if experiment.bands else []
    measured = {kind: curve for kind in DRAW if (curve := experiment_curve(experiment, kind, cache))}
    metadata, infrared = read_spectrum(spectra_dir / "ir.csv")
    _, raman = read_spectrum(spectra_dir / "raman.csv")
    wavenumber, densities, models = read_replicas(spectra_dir / "replicas.npz")
    sticks = read_tables(harmonic)
    rows = compare_bands(wavenumber, densities, published, models)
    notes = {key: metadata[key] for key in ("molecule", "dynamics", "temperature_K", "fwhm_cm", "program")}
    about = {f"{kind}_measured": curve.caption for kind, curve in measured.items()}
    about |= {f"{kind}_saturated_points": str(curve.n_saturated) for kind, curve in measured.items()}
    scores: list[list[object]] = []
    beside: dict[Kind, Beside] = {}
    for kind, curve in measured.items():
        check_formula(curve, metadata, experiment.sources[kind], kind)
        found, beside[kind] = score_rows(
            kind, curve, metadata, wavenumber, densities[kind], sticks, experiment.fit_scale
        )
        scores += found
    write_table(similarity, notes | about | {"protocol": PROTOCOL}, SCORE_HEADING, scores)
    notes["computed"] = (
        "maximum, centroid and area inside the window, wavenumbers not scaled; standard errors: sampling"
    )
    notes |= {"model_error": metadata["model_error"]} if models else {}
    write_table(comparison, notes | about, HEADING + (MODEL_HEADING if models else []), rows)
    columns: dict[Kind, dict[str, Array]] = {"ir": infrared, "raman": raman}
    for kind, draw in DRAW.items():
        of_kind = [row for row in published if row["spectrum"] == kind]
        pair = (measured[kind], beside[kind]) if kind in measured else None
        for width_in, files in versions(figures / kind):
            draw(metadata, columns[kind], files, of_kind, pair, sticks, width_in)


def check_formula(curve: MeasuredCurve, metadata: Mapping[str, str], source: str, kind: Kind) -> None:
    """Raise InputError where the file says that it is of another molecule."""
    ours = metadata.get("formula")
    if ours and curve.formula and curve.formula != ours:
        raise InputError(
            f"experiment.{kind} = {source}: {curve.title} is {curve.formula}, {metadata['molecule']} is "
            f"{ours}; give the file of this molecule"
        )


def score_rows(
    kind: Kind,
    curve: MeasuredCurve,
    metadata: Mapping[str, str],
    wavenumber_cm: Array,
    densities: Array,
    sticks: Sequence[StickTable],
    fit_scale: bool,
) -> tuple[list[list[object]], Beside]:
    """Scores of the harmonic spectra and of the dynamics, each again with a fitted factor where asked for;
    and the dynamics' spectrum to draw over the measured one.

    Raman activities become photons at the laser line of the measurement, or at that of the spectra.
    """
    fwhm_cm = float(metadata["fwhm_cm"])
    rungs = [
        Rung(f"harmonic, {table.label}", wavenumber_cm,
             from_sticks(wavenumber_cm, table.wavenumber_cm, table.heights[kind], fwhm_cm)[None])
        for table in sticks
    ]  # fmt: skip
    rungs.append(Rung(f"{metadata['dynamics']} dynamics", wavenumber_cm, densities))
    if kind == "raman":
        laser_nm = curve.conditions.laser_nm or float(metadata["laser_nm"])
        rungs = [_signal(rung, float(metadata["temperature_K"]), laser_nm) for rung in rungs]
    to = target(curve, rungs[0].wavenumber_cm, fwhm_cm)
    rows: list[list[object]] = []
    for rung in rungs:
        for scale in (1.0, fitted_scale(rung, to, fwhm_cm)) if fit_scale else (1.0,):
            values, errors = score(rung, to, fwhm_cm, scale)
            pairs = [number for pair in zip(values, errors, strict=True) for number in pair]
            rows.append([kind, rung.label, scale, len(to.maxima), *pairs])
    return rows, side_by_side(rungs[-1], to, fwhm_cm)


def _signal(rung: Rung, temperature_K: float, laser_nm: float) -> Rung:
    """Photon counts from activities, where there is a cross-section."""
    zero = np.zeros_like(rung.densities)
    signal = stokes_cross_section(
        rung.wavenumber_cm, rung.densities, zero, temperature_K, laser_nm, photons=True
    )
    defined = np.isfinite(signal[0])
    return Rung(rung.label, rung.wavenumber_cm[defined], signal[:, defined])


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


def read_replicas(path: Path) -> tuple[Array, dict[str, Array], dict[str, list[Array]]]:
    """Wavenumbers, the densities (n_replicas, n) of ir and raman (activity), and of an ensemble the parts of
    both, each (n_models, n_replicas, n)."""
    data = read_arrays(path)
    try:
        found = {name: values.astype(float) for name, values in data.items()}
        models = {
            kind: [found[f"{part}_models"] for part in parts] for kind, parts in PARTS.items()
            if f"{parts[0]}_models" in found
        }  # fmt: skip
        densities = {kind: np.sum([found[part] for part in parts], axis=0) for kind, parts in PARTS.items()}
        return found["wavenumber_cm"], densities, models
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be read ({error}); compute the spectra again") from None


def compare_bands(
    wavenumber_cm: Array,
    densities: dict[str, Array],
    published: list[dict[str, str]],
    models: Mapping[str, Sequence[Array]] = MappingProxyType({}),
) -> list[list[object]]:
    """One row per published band; rows that share a window carry its area once. The last column, of the
    models' spread, is there with `models` only."""
    rows: list[list[object]] = []
    seen: set[tuple[str, float, float]] = set()
    for row in published:
        kind, lower, upper = row["spectrum"], float(row["lower_cm-1"]), float(row["upper_cm-1"])
        position, density = float(row["position_cm-1"]), densities[kind]
        overlap = bin_overlap(wavenumber_cm, lower, upper)
        words = [kind, row["phase"], row["assignment"], lower, upper, position]
        if overlap.sum() < (upper - lower) * 0.999:
            note = "outside the computed range"
            rows.append(
                [*words, *[np.nan] * 7, AREA_UNITS[kind], note, row["source"]] + [np.nan] * bool(models)
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
        spread = [band_spread(wavenumber_cm, models[kind], lower, upper)[1]] if models else []
        published_area = float(row["area_km_mol-1"] or "nan")
        if (kind, lower, upper) in seen:
            centroid, centroid_error, area, error = [np.nan] * 4
            spread = [np.nan] * len(spread)
            note = note or "window as above"
        seen.add((kind, lower, upper))
        found = float(wavenumber_cm[peak])
        rows.append([*words, found, found - position, centroid, centroid_error, published_area, area, error,
                     AREA_UNITS[kind], note, row["source"], *spread])  # fmt: skip
    return rows
