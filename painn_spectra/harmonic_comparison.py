"""The stage `harmonic-compare`: modes of the model beside those of the reference, conformer by conformer."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from painn_spectra.errors import InputError
from painn_spectra.md.alignment import matching_orders
from painn_spectra.normal_modes import Array, eckart_frame
from painn_spectra.spectra.csv_files import write_table
from painn_spectra.spectra.harmonic import (
    Sticks,
    all_sticks,
    derivatives_file,
    masses_of,
    read_conformers,
    read_sticks,
)

FAINT = 1e-3  # km/mol, Å⁴/amu: a spectrum whose strongest band is weaker has none to compare with
HEADING = [
    "conformer", "mode", "reference_cm-1", "model_cm-1", "difference_cm-1", "overlap",
    "reference_ir_km_mol-1", "model_ir_km_mol-1", "ir_difference_percent",
    "reference_activity_A4_amu-1", "model_activity_A4_amu-1",
    "activity_difference_percent",
]  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A reference conformer, that of the model which has its shape, and the model's modes in its order."""

    conformer: int
    reference: Sticks
    model: Sticks
    order: list[int]  # mode of the model for every mode of the reference
    overlap: list[float]  # squared scalar product of the two modes, 0 to 1


def compare_harmonic(reference: Path, model: Path, comparison: Path) -> None:
    """Write a row per mode of every reference conformer that the model has too, and print a summary."""
    notes, _ = read_sticks(reference)
    masses = masses_of(notes, reference)
    model_notes, _ = read_sticks(model)
    if not np.allclose(masses, masses_of(model_notes, model)):
        raise InputError(f"{reference}, {model}: made with other masses; give both the same isotopes")
    pairs, missing = match_conformers(reference, model, masses)
    rows = [row for pair in pairs for row in pair_rows(pair)]
    summary = {
        "reference": notes.get("level_of_theory", "unknown"),
        "model": model_notes.get("level_of_theory", "unknown"),
        "conformers_without_counterpart": " ".join(map(str, missing)) or "none",
        **summary_of(rows),
        "percent": "of the conformer's strongest reference stick",
    }
    write_table(comparison, summary, HEADING, rows)
    for key, value in summary.items():
        print(f"{key}: {value}")


def summary_of(rows: list[list[object]]) -> dict[str, str]:
    """Mean absolute and largest difference of wavenumbers, largest of the sticks."""
    if not rows:
        return {"wavenumber_MAE_cm-1": "nan"}
    differences, ir, raman = (
        np.array([abs(float(str(row[HEADING.index(name)]))) for row in rows])
        for name in ("difference_cm-1", "ir_difference_percent", "activity_difference_percent")
    )
    return {
        "wavenumber_MAE_cm-1": f"{differences.mean():.2f}",
        "wavenumber_largest_difference_cm-1": f"{differences.max():.2f}",
        "ir_largest_difference_percent": largest(ir),
        "raman_largest_difference_percent": largest(raman),
    }


def largest(percents: Array) -> str:
    """The largest of differences; words where there is no band to compare with."""
    known = percents[np.isfinite(percents)]
    return f"{known.max():.1f}" if len(known) else "none: no band"


def match_conformers(reference: Path, model: Path, masses_amu: Array) -> tuple[list[Pair], list[int]]:
    """Pairs of conformers with the same shape or its mirror image, and the reference's without a partner.

    Where several ways to lay one upon the other fit, that with the likest modes counts.
    """
    ours, _ = read_conformers(derivatives_file(reference))
    theirs, _ = read_conformers(derivatives_file(model))
    if not np.array_equal(ours.numbers, theirs.numbers):
        raise InputError(f"{reference}, {model}: other atoms, or in another order; compare one molecule")
    _, kinds = np.unique(np.stack([ours.numbers, masses_amu], 1), axis=0, return_inverse=True)
    our_sticks, their_sticks = all_sticks(ours, masses_amu), all_sticks(theirs, masses_amu)
    pairs, missing = [], []
    for i, fixed in enumerate(ours.positions):
        candidates = []
        for j, sign in ((j, sign) for j in range(len(theirs.positions)) for sign in (1.0, -1.0)):
            moving = sign * theirs.positions[j]
            for order in matching_orders(fixed, moving, kinds):
                atoms = list(order)
                rotation = eckart_frame(moving[atoms][None], fixed, masses_amu)[0]
                modes = sign * their_sticks[j].modes[:, atoms] @ rotation.T
                matched = match_modes(our_sticks[i].modes, modes)
                candidates.append(Pair(i, our_sticks[i], their_sticks[j], *matched))
        if candidates:
            pairs.append(max(candidates, key=lambda pair: sum(pair.overlap)))
        else:
            missing.append(i)
    return pairs, missing


def match_modes(ours: Array, theirs: Array) -> tuple[list[int], list[float]]:
    """The assignment of modes (n_modes, n_atoms, 3) with the largest sum of squared scalar products."""
    overlaps = np.einsum("kix,lix->kl", ours, theirs) ** 2
    rows, columns = linear_sum_assignment(-overlaps)
    return columns.tolist(), overlaps[rows, columns].tolist()


def pair_rows(pair: Pair) -> list[list[object]]:
    """Rows of the table for one conformer."""
    ours, theirs, order = pair.reference, pair.model, pair.order
    ir, raman = (of.max() if of.max() > FAINT else np.nan for of in (ours.infrared, ours.activity))
    return [
        [
            pair.conformer, k + 1, ours.wavenumber_cm[k], theirs.wavenumber_cm[m],
            theirs.wavenumber_cm[m] - ours.wavenumber_cm[k], pair.overlap[k],
            ours.infrared[k], theirs.infrared[m], 100 * (theirs.infrared[m] - ours.infrared[k]) / ir,
            ours.activity[k], theirs.activity[m], 100 * (theirs.activity[m] - ours.activity[k]) / raman,
        ]
        for k, m in enumerate(order)
    ]  # fmt: skip
