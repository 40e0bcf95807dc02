"""`painn-spectra summary results`: figures, errors, quality of the dynamics, bands and seconds, as text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from painn_spectra.errors import InputError
from painn_spectra.files import read_object
from painn_spectra.tables import columns, pairs, paragraphs, read_csv, read_notes, text_table

ERROR_COLUMNS = ("property", "unit", "mae", "baseline_mae", "rmse", "n")
BAND_COLUMNS = (
    "spectrum", "lower_cm-1", "upper_cm-1", "peak_cm-1", "centroid_cm-1", "area", "area_standard_error",
    "area_model_standard_deviation", "area_unit", "area_relative_error", "replicas_for_5_percent",
    "depolarisation_ratio",
)  # fmt: skip
EFFORT = ("error", "model_error", "dynamics_so_far", "to_halve_the_errors")  # notes of bands.csv
COMPARISON_COLUMNS = (
    "spectrum", "assignment", "published_cm-1", "computed_cm-1", "published_area", "computed_area",
    "computed_area_standard_error", "computed_area_model_standard_deviation", "area_unit",
)  # fmt: skip
SCORE_COLUMNS = (
    "spectrum", "computed", "scale_factor", "cosine", "cosine_standard_error", "information_similarity",
    "position_error_cm", "matched_bands", "measured_bands", "area_ratio", "area_error",
)  # fmt: skip


def summarise(results: Path) -> str:
    """Text on every molecule of a results folder, complete or not.

    Raises InputError when there is nothing to tell.
    """
    return "\n\n".join(_molecule(folder) for folder in molecule_folders(results))


def molecule_folders(results: Path) -> list[Path]:
    """Folders of molecules in a results folder; InputError where there are none."""
    folders = [folder for folder in sorted(results.glob("*")) if _is_molecule(folder)]
    if not folders:
        state = "holds no results" if results.is_dir() else "no such folder"
        raise InputError(f"{results}: {state}; run the workflow first: snakemake --cores 2")
    return folders


def error_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Errors per property beside those of predicting a mean.

    The mean is that of the training labels for the workflow's errors.csv, and the file's own for
    `painn-spectra evaluate`, which is told of no training set.
    """
    return text_table(columns(rows, ERROR_COLUMNS))


def dynamics_folders(molecule: Path) -> list[Path]:
    """Folders of one molecule's results that belong to a kind of dynamics."""
    return sorted(path.parent for path in molecule.glob("*/dynamics.json"))


def similarity(comparison: Path) -> str:
    """Measured curves and the scores against them; a line that says so where nothing was compared."""
    notes = {key: value for key, value in read_notes(comparison).items() if key.startswith(("ir_", "raman_"))}
    if not notes and comparison.is_file() and not read_csv(comparison):
        return "no experiment given"
    scores = columns(read_csv(comparison.with_name("similarity.csv")), SCORE_COLUMNS)
    return "\n".join(filter(None, [text_table(pairs(notes)), text_table(scores)]))


def effort(bands: Path) -> dict[str, str]:
    """What the errors of bands.csv are, how much dynamics stands behind them, how much would halve them."""
    return {key: word for key, word in read_notes(bands).items() if key in EFFORT}


def frames_of(quality: Mapping[str, Any]) -> dict[str, str]:
    """Replicas that were stopped and frames far outside of the trained range, with reasons.

    quality: dynamics.json.
    """
    stopped = {f"replica {told['replica']} stopped": told["reason"] for told in quality.get("stopped", [])}
    return stopped | {
        f"replica {told['replica']} outside at {told['time_ps']:g} ps": told["reason"]
        for told in quality.get("farthest_frames", [])
    }


def _is_molecule(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("dataset.extxyz", "logs", "evaluation", "model"))


def _molecule(folder: Path) -> str:
    parts = [f"{folder.name}\n{'=' * len(folder.name)}"]
    absent = []

    def add(title: str, path: Path, text: str) -> None:
        if text:
            parts.append(f"{title} ({path})\n{text}")
        else:
            absent.append(str(path))

    figures = sorted(folder.glob("figures/**/*.svg"))
    add("Figures", folder / "figures", "\n".join(map(str, figures)))
    errors = folder / "evaluation" / "errors.csv"
    add("Test errors, beside those of predicting the mean", errors, error_table(read_csv(errors)))
    kinds = dynamics_folders(folder)
    if not kinds:
        absent.append(str(folder / "*" / "dynamics.json"))
    for kind in kinds:
        quality, bands, comparison = (
            kind / name for name in ("dynamics.json", "bands.csv", "comparison.csv")
        )
        told = read_object(quality)
        tables = [text_table(pairs(told)), paragraphs(frames_of(told))]
        add(f"Dynamics, {kind.name}", quality, "\n".join(filter(None, tables)))
        tables = [text_table(columns(read_csv(bands), BAND_COLUMNS)), paragraphs(effort(bands))]
        add(f"Bands, {kind.name}", bands, "\n".join(filter(None, tables)))
        rows = columns(read_csv(comparison), COMPARISON_COLUMNS)
        add(
            "Beside experiment",
            comparison,
            "\n".join(filter(None, [text_table(rows), similarity(comparison)])),
        )
    harmonic = folder / "harmonic" / "comparison.csv"
    if harmonic.is_file():
        add("Harmonic modes, model beside reference", harmonic, text_table(pairs(read_notes(harmonic))))
    add("Seconds", folder / "benchmarks", text_table(job_seconds(folder / "benchmarks")))
    report = folder / "report.html"
    parts.append(f"Report: {report}") if report.is_file() else absent.append(str(report))
    if absent:
        parts.append(f"Not there yet: {', '.join(absent)}")
    return "\n\n".join(parts)


def job_seconds(folder: Path) -> list[dict[str, Any]]:
    """Wall time of each job's last run, from Snakemake's benchmark files, and their sum."""
    files = sorted(folder.glob("*.tsv"), key=lambda path: path.stat().st_mtime)
    found = [(path.stem, seconds_of(path)) for path in files]
    rows = [{"job": job, "seconds": seconds} for job, seconds in found if seconds == seconds]
    return [*rows, {"job": "total", "seconds": sum(row["seconds"] for row in rows)}] if rows else []


def seconds_of(measured: Path) -> float:
    """Wall time in a benchmark file of Snakemake; NaN of an unfinished one."""
    heads, values, *_ = [line.split("\t") for line in measured.read_text().splitlines()] + [[], []]
    return float(dict(zip(heads, values, strict=False)).get("s", "nan"))
