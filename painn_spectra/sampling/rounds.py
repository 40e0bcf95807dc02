"""When rounds of labelling end, and what each has brought: errors and changes of the spectrum, drawn."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from painn_spectra.files import read_object
from painn_spectra.plotting import BLUE, COLUMN_IN, GREEN, VERMILION, save, style, versions
from painn_spectra.spectra.csv_files import write_table
from painn_spectra.spectra.similarity import from_sticks
from painn_spectra.spectra.sticks import StickTable, read_tables
from painn_spectra.tables import read_csv

Array = NDArray[np.floating[Any]]

FWHM_CM = 30.0  # of a gas's bands with their rotation: bands that all move by 2.5 cm-1 change it by 0.01
GRID_CM: Array = np.arange(100.0, 4500.0, 2.0)
KINDS = {"ir": "IR", "raman": "Raman"}
HEADING = [
    "round", "labels", "energy_mae_meV", "forces_mae_meV_A", "dipole_mae_eA", "polarizability_mae_A3",
    "ir_change", "raman_change", "frames_added", "note",
]  # fmt: skip
PROPERTIES = ("energy", "forces", "dipole", "polarizability")


def spectrum_changes(before: Path, after: Path) -> dict[str, float]:
    """1 − cosine of the harmonic IR and Raman spectra of two models, conformers by their quantum weights.

    Harmonic ones have no noise of sampling, which short dynamics would bury the change under.
    """
    return {kind: _change(*(_curve(path, kind) for path in (before, after))) for kind in KINDS}


def reason_to_stop(
    n_labels: int, max_labels: int | None, changes: dict[str, float] | None, until: float | None
) -> str | None:
    """Why no more frames are labelled; None: the rounds go on."""
    if max_labels is not None and n_labels >= max_labels:
        return f"the budget of {max_labels} labels is used"
    if until is not None and changes is not None and max(changes.values()) < until:
        shown = ", ".join(f"{KINDS[kind]} {change:.2g}" for kind, change in changes.items())
        return f"the harmonic spectra changed less than {until:g} ({shown})"
    return None


def summarise_rounds(
    records: Sequence[Path], spectra: Sequence[Path], errors: Path, n_labels: int, table: Path, figures: Path
) -> None:
    """Write the table of rounds and its figure.

    records: what sampling wrote, round by round, on the models before; spectra: harmonic tables of these
    models, then of the final one; errors: of the final model on the held-out frames.
    """
    rounds = [read_object(path, "labels", "errors", "frames_added", "note") for path in records]
    final = {row["property"]: float(row["mae"]) for row in read_csv(errors)}
    last = {"labels": n_labels, "errors": final, "frames_added": 0, "note": "final model"}
    changes = [{}, *(spectrum_changes(*pair) for pair in pairwise(spectra))]
    rows: list[list[Any]] = []
    for number, (record, change) in enumerate(zip([*rounds, last], changes, strict=True)):
        shown = [record["errors"].get(name, np.nan) for name in PROPERTIES]
        rows.append([number, record["labels"], *shown, *(change.get(kind, np.nan) for kind in KINDS),
                     record["frames_added"], record["note"]])  # fmt: skip
    notes = {
        "errors": "of the model of that round on the frames held out by then",
        "changes": "1 - cosine of harmonic spectra, from the round before",
    }
    write_table(table, notes, HEADING, rows)
    for width_in, files in versions(figures / "rounds"):
        _draw(rows, files, width_in)


def _draw(rows: Sequence[Sequence[Any]], files: Sequence[Path], width_in: float) -> None:
    labels = [row[1] for row in rows]
    wide = width_in > COLUMN_IN
    with style(width_in):
        figure, (left, right) = plt.subplots(
            *((1, 2) if wide else (2, 1)), figsize=(width_in, 2.8 if wide else 3.6), layout="constrained"
        )
        errors = [row[3] for row in rows]
        left.plot(labels, errors, "o-", color=VERMILION)
        left.set(xlabel="labels", ylabel="force MAE, meV/Å", ylim=(0, 1.1 * np.nanmax(errors)))
        for kind, colour, column in (("ir", BLUE, 6), ("raman", GREEN, 7)):
            changed = [(n, row[column]) for n, row in zip(labels, rows, strict=True) if row[column] > 0]
            if changed:
                right.plot(*zip(*changed, strict=True), "o-", color=colour, label=KINDS[kind])
                right.set_yscale("log")
        right.set(xlabel="labels", ylabel="change of the spectrum, 1 − cosine")
        if right.lines:
            right.legend()
        save(figure, *files)


def _curve(path: Path, kind: str) -> Array:
    table: StickTable = read_tables([path])[0]
    real = table.wavenumber_cm > 0
    curve: Array = from_sticks(GRID_CM, table.wavenumber_cm[real], table.heights[kind][real], FWHM_CM)
    return curve


def _change(one: Array, two: Array) -> float:
    return max(0.0, float(1 - one @ two / np.sqrt((one @ one) * (two @ two))))
