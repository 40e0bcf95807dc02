"""What the page's script draws: spectra, sticks, measured curves, normal modes, as JSON of few digits."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra.download import is_address
from painn_spectra.settings.molecule import Experiment
from painn_spectra.spectra.csv_files import read_spectrum
from painn_spectra.spectra.experiment import experiment_curve
from painn_spectra.spectra.measured import Kind
from painn_spectra.spectra.raman import FIRST_STOKES_CM
from painn_spectra.spectra.sticks import read_tables
from painn_spectra.tables import read_csv, read_metrics
from painn_spectra.units import RAMAN_CROSS_SECTION, SECOND_RADIATION_CM_K

DIGITS = 5
IR, RAMAN = "ir_km_mol-1_per_cm-1", "activity_A4_amu-1_per_cm-1"
PARTS = {"isotropic": "isotropic_A4_amu-1_per_cm-1", "anisotropic": "anisotropic_A4_amu-1_per_cm-1"}
MODEL_ERROR = "model_standard_deviation"  # a column of an ensemble's spectra
CURVES: tuple[Kind, ...] = ("ir", "raman")


def spectra_of(folder: Path) -> dict[str, Any]:
    """One kind of dynamics: both spectra with their errors, and the conditions in their notes."""
    notes, ir = read_spectrum(folder / "ir.csv")
    raman_notes, raman = read_spectrum(folder / "raman.csv")
    return {
        "name": folder.name,
        "notes": notes | raman_notes,
        "ir": _curve(ir, IR, "standard_error", MODEL_ERROR),
        "raman": _curve(raman, RAMAN, "activity_standard_error", f"activity_{MODEL_ERROR}")
        | {name: compact(raman[column]) for name, column in PARTS.items()},
    }


def _curve(columns: dict[str, Any], density: str, error: str, models: str) -> dict[str, Any]:
    found = {"nu": columns["wavenumber_cm-1"], "density": columns[density], "error": columns[error]}
    if models in columns:
        found["models"] = columns[models]
    return {name: compact(values) for name, values in found.items()}


def sticks_of(tables: Sequence[Path]) -> list[dict[str, Any]]:
    """Harmonic sticks of the reference method and of the model, each times its conformer's population."""
    return [
        {
            "label": table.label,
            "nu": compact(table.wavenumber_cm),
            **{kind: compact(heights) for kind, heights in table.heights.items()},
        }
        for table in read_tables(tables)
    ]


def measured_of(named: dict[str, Any]) -> dict[str, Any]:
    """Measured curves that the settings name and that are still there; saturated points are null.

    One from an address was fetched when it was compared.
    """
    experiment = Experiment.model_validate(named)
    found: dict[str, Any] = {}
    for kind in CURVES:
        source = experiment.sources.get(kind, "")
        curve = experiment_curve(experiment, kind) if is_address(source) or Path(source).is_file() else None
        if curve:
            found[kind] = {
                "title": curve.title,
                "nu": compact(curve.wavenumber_cm),
                "y": compact(curve.intensity),
            }
    return found


def published_of(comparison: Path) -> list[dict[str, Any]]:
    """Published band maxima, as comparison.csv has them."""
    return [
        {"spectrum": row["spectrum"], "nu": float(row["published_cm-1"]),
         "text": f"{row['assignment']} ({row['phase']})"}
        for row in read_csv(comparison)
    ]  # fmt: skip


def learning_of(models: Iterable[Path]) -> list[dict[str, Any]]:
    """Force error on the validation frames against the epoch, of every ensemble member."""
    curves = []
    for folder in models:
        metrics = folder / "metrics.jsonl"
        rows = read_metrics(metrics) if metrics.is_file() else []
        seen = [row for row in rows if row.get("forces_mae_meV_A") is not None]
        if seen:
            curves.append(
                {
                    "label": f"member {folder.name}",
                    "epoch": [row["epoch"] for row in seen],
                    "forces": compact(row["forces_mae_meV_A"] for row in seen),
                }
            )
    return curves


def constants() -> dict[str, float]:
    """What the script needs for the Stokes signal at another laser line or temperature."""
    return {
        "raman": RAMAN_CROSS_SECTION,
        "second_radiation": SECOND_RADIATION_CM_K,
        "first_stokes": FIRST_STOKES_CM,
    }


def compact(values: Iterable[float]) -> list[float | None]:
    """Numbers of five digits; what is not finite becomes null, which draws a gap."""
    return [float(f"{x:.{DIGITS}g}") if math.isfinite(x) else None for x in np.asarray(list(values), float)]


def as_script(value: Any) -> str:
    """JSON that no browser can take for markup, wherever it stands: `</script>` in it ends nothing."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
