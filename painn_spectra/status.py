"""`painn-spectra status results`: which jobs ran or run, how far they are, and the spectrum so far."""

import math
import re
import tempfile
import time
from pathlib import Path

from painn_spectra.errors import InputError
from painn_spectra.settings.dynamics import SpectraSettings, window_length_fs
from painn_spectra.summary import molecule_folders, seconds_of
from painn_spectra.tables import text_table

FINEST_CM = 10.0  # resolution of a quick plot, coarser while the run is short
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
NAMES = ("ir", "raman")
FAILED = "painn-spectra: error"  # as every stage ends that cannot go on


def status(results: Path, draw: bool = True) -> str:
    """Text on every molecule; with `draw`, figures of what the dynamics has so far, without disturbing it."""
    return "\n\n".join(_molecule(folder, draw) for folder in molecule_folders(results))


def _molecule(folder: Path, draw: bool) -> str:
    jobs = text_table(job_rows(folder)) or "no job has begun"
    parts = [f"{folder.name}\n{'=' * len(folder.name)}", jobs]
    for unfinished in sorted(folder.glob("*/trajectory.h5.parts/key.json")):
        trajectory = unfinished.parent.with_suffix("")
        if draw and not trajectory.exists():
            parts.append(draw_so_far(trajectory, folder))
    return "\n\n".join(parts)


def job_rows(folder: Path) -> list[dict[str, str]]:
    """Jobs in the order of their last word: seconds of finished ones, the last line of the others' logs."""
    rows = []
    for log in sorted(folder.glob("logs/*.log"), key=lambda path: path.stat().st_mtime):
        measured = folder / "benchmarks" / f"{log.stem}.tsv"
        spoken = log.stat().st_mtime
        if measured.is_file() and measured.stat().st_mtime >= spoken - 1:
            state, word = "finished", f"{seconds_of(measured):.0f} s"
        else:
            word = last_line(log)
            state = "failed" if word.startswith(FAILED) else f"last word {_ago(time.time() - spoken)} ago"
        rows.append({"job": log.stem, "state": state, "so far": word})
    return rows


def last_line(log: Path) -> str:
    """The last line with words; a bar that was redrawn on a terminal counts as lines."""
    lines = re.split(r"[\r\n]", ESCAPES.sub("", log.read_text(encoding="utf-8", errors="replace")))
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing said yet")


def draw_so_far(trajectory: Path, molecule: Path) -> str:
    """Draw both spectra of the closed segments; a line that says where, or why not yet."""
    from painn_spectra.md.partial import join_so_far
    from painn_spectra.spectra.analysis import analyse
    from painn_spectra.spectra.columns import infrared_columns, raman_columns
    from painn_spectra.spectra.figures import draw_infrared, draw_raman
    from painn_spectra.spectra.trajectory_file import open_trajectory

    dynamics = trajectory.parent.name
    with tempfile.TemporaryDirectory() as scratch:
        joined = Path(scratch) / "so-far.h5"
        if not join_so_far(Path(f"{trajectory}.parts"), joined, molecule.name):
            return f"Spectrum so far, {dynamics}: not yet, the run is being equilibrated"
        with open_trajectory(joined) as series:
            narrowest = math.ceil(window_length_fs(1.0) / series.length_fs)
            try:
                spectra = analyse(series, SpectraSettings(fwhm_cm=max(FINEST_CM, narrowest)))
            except InputError as error:
                return f"Spectrum so far, {dynamics}: not yet, {error}"
    folder = molecule / "figures" / dynamics
    folder.mkdir(parents=True, exist_ok=True)
    files = [[folder / f"so-far-{name}.{ending}" for ending in ("svg", "png")] for name in NAMES]
    draw_infrared(spectra.metadata, infrared_columns(spectra), files[0])
    draw_raman(spectra.metadata, raman_columns(spectra), files[1])
    told = spectra.metadata
    return (
        f"Spectrum so far, {dynamics}: {told['n_replicas']} replicas of {told['length_ps']} ps at "
        f"{told['fwhm_cm']} cm-1, {files[0][1]} and {files[1][1].name}"
    )


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
