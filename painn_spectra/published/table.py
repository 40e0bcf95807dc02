"""Measured errors beside published ones: MD17, rMD17, QM9."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from painn_spectra import keys
from painn_spectra.errors import InputError, first_line
from painn_spectra.files import read_object, write_text
from painn_spectra.published.md17 import system_name
from painn_spectra.tables import markdown, read_csv, read_metrics
from painn_spectra.units import KCAL_MOL_EV

# test MAE of energy and forces | kcal/mol and kcal/mol/Å, 950 or 1000 training geometries
MD17 = {
    "PaiNN": {  # Schütt, Unke, Gastegger 2021, arXiv:2102.03150
        "aspirin": (0.159, 0.371), "ethanol": (0.063, 0.230), "malonaldehyde": (0.091, 0.319),
        "naphthalene": (0.117, 0.083), "salicylic acid": (0.114, 0.209), "toluene": (0.097, 0.102),
        "uracil": (0.104, 0.140),
    },
    "PaiNN again": {  # Schütt, Hessmann, Gebauer, Lederer, Gastegger 2023, doi:10.1063/5.0138367
        "aspirin": (0.154, 0.358), "ethanol": (0.056, 0.171), "naphthalene": (0.127, 0.236),
        "salicylic acid": (0.117, 0.193), "toluene": (0.092, 0.089), "uracil": (0.104, 0.130),
    },
    "ViSNet": {  # Wang et al. 2024, doi:10.1038/s41467-023-43720-2
        "aspirin": (0.116, 0.155), "ethanol": (0.051, 0.060), "malonaldehyde": (0.075, 0.100),
        "naphthalene": (0.085, 0.039), "salicylic acid": (0.092, 0.080), "toluene": (0.074, 0.039),
        "uracil": (0.095, 0.062),
    },
}  # fmt: skip
# the same | meV and meV/Å; no PaiNN row is published
RMD17 = {
    "MACE": {  # Batatia et al. 2022, arXiv:2206.07697
        "aspirin": (2.2, 6.6), "ethanol": (0.4, 2.1), "toluene": (0.5, 1.5),
    },
    "FCHL": {"aspirin": (6.2, 20.9), "ethanol": (0.9, 6.2)},  # Christensen et al. 2020, doi:10.1063/1.5126701
}  # fmt: skip
SETS: dict[str, tuple[dict[str, dict[str, tuple[float, float]]], str, float]] = {
    "md17": (MD17, "kcal/mol, kcal/mol/Å", 1e-3 / KCAL_MOL_EV),  # factor from meV
    "rmd17": (RMD17, "meV, meV/Å", 1.0),
}


def accuracy_table(folders: Sequence[Path], table: Path) -> None:
    """Write the Markdown tables of result folders, measured beside published, and print them."""
    rows, scalars = [], []
    for folder in folders:
        try:
            if (folder / "errors.json").is_file():
                scalars.append(measured_scalar(folder))
            else:
                rows.append(measured(folder))
        except (LookupError, TypeError, ValueError) as error:
            raise InputError(
                f"{folder}: no evaluated published set ({first_line(error)}); run snakemake evaluate with "
                "such entries first"
            ) from None
    text = ""
    for labels, (published, unit, factor) in SETS.items():
        of_set = [row for row in rows if row["labels"] == labels]
        if of_set:
            text += f"{labels.replace('md', 'MD')}, test MAE of energy / forces in {unit}\n\n"
            text += errors_table(of_set, published, factor) + "\n\n"
    if scalars:
        text += "QM9, test MAE\n\n" + qm9_table(scalars) + "\n"
    write_text(table, text)
    print(text, end="")


def measured(folder: Path) -> dict[str, Any]:
    """What one entry's results tell: system, errors in meV, training frames, hours."""
    split = read_object(folder / "split.json")
    errors = {row["property"]: row for row in read_csv(folder / "evaluation/errors.csv")}
    SETS[split["published"]["labels"]]
    ends = [read_metrics(path)[-1] for path in sorted(folder.glob("model/*/metrics.jsonl"))]
    if not ends:
        raise ValueError("no model/*/metrics.jsonl")
    return split["published"] | {
        "entry": folder.name,
        "energy": float(errors[keys.ENERGY]["mae"]),
        "forces": float(errors[keys.FORCES]["mae"]),
        "n_train": len(split["train"]),
        "n_test": len(split["test"]),
        "members": len(ends),
        "hours": sum(end["seconds"] for end in ends) / 3600,
        "epochs": max(end["epoch"] for end in ends),
    }


def measured_scalar(folder: Path) -> dict[str, Any]:
    """The same of one property of QM9."""
    row = read_object(folder / "errors.json")
    numbers = {key: float(row[key]) for key in ("mae", "painn", "baseline_mae", "hours")}
    return numbers | {key: row[key] for key in ("target", "unit", "n_train", "n_test")}


def errors_table(
    rows: Sequence[dict[str, Any]], published: dict[str, dict[str, tuple[float, float]]], factor: float
) -> str:
    """One line per entry."""
    heads = ["system", "this program", *published, "training frames", "members", "epochs"]
    lines = []
    for row in sorted(rows, key=lambda row: (row["system"], row["entry"])):
        others = [source.get(system_name(row["system"])) for source in published.values()]
        lines.append([
            f"{row['system']} ({row['entry']})",
            f"{row['energy'] * factor:.3g} / {row['forces'] * factor:.3g}",
            *("–" if pair is None else f"{pair[0]:.3g} / {pair[1]:.3g}" for pair in others),
            *(str(row[key]) for key in ("n_train", "members", "epochs")),
            f"{row['hours']:.2g}",
        ])  # fmt: skip
    return markdown([*heads, "hours of training"], lines)


def qm9_table(rows: Sequence[dict[str, Any]]) -> str:
    """One line per property."""
    heads = ["property", "this program", "PaiNN", "offsets alone", "unit", "training", "test", "hours"]
    lines = []
    for row in rows:
        numbers = [f"{row[key]:.3g}" for key in ("mae", "painn", "baseline_mae")]
        counts = [str(row["n_train"]), str(row["n_test"]), f"{row['hours']:.2g}"]
        lines.append([row["target"], *numbers, row["unit"], *counts])
    return markdown(heads, lines)
