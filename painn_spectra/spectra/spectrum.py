"""The spectra stage: trajectory.h5 to tables of spectra and bands, their twins, and replicas.npz."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra.files import atomic_path, write_json, write_text
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra.analysis import Spectra, analyse
from painn_spectra.spectra.band_table import HEADING, MODEL_HEADING, effort_note, table_rows
from painn_spectra.spectra.bands import standard_error
from painn_spectra.spectra.columns import (
    ERROR,
    INFRARED,
    SIGNAL_COLUMN,
    UNPOLARISED,
    WAVENUMBER,
    infrared_columns,
    raman_columns,
)
from painn_spectra.spectra.csv_files import Metadata, write_table
from painn_spectra.spectra.ensemble import ensemble
from painn_spectra.spectra.infrared import INFRARED_UNIT
from painn_spectra.spectra.jcamp import write_jcamp
from painn_spectra.spectra.motions import HEADING as MOTIONS
from painn_spectra.spectra.power import POWER_UNIT
from painn_spectra.spectra.raman import ACTIVITY_UNIT, CROSS_SECTION_UNIT
from painn_spectra.spectra.series import Array
from painn_spectra.spectra.trajectory_file import open_trajectory

REPLICAS = {"ir": "infrared", "isotropic": "isotropic", "anisotropic": "anisotropic"}  # in replicas.npz


def compute_spectra(
    trajectory: Path,
    ir: Path,
    raman: Path,
    bands: Path,
    replicas: Path,
    settings: SpectraSettings,
    members: Sequence[Path] = (),
) -> None:
    """Write mean spectra with standard errors over replicas, bands, and every replica's densities.

    members: trajectories of the ensemble's other models from the same starts; the spectra are then means over
    all models, with their standard deviation beside the standard error.
    """
    found = []
    for path in (trajectory, *members):
        with open_trajectory(path) as series:
            found.append(analyse(series, settings))
    write_spectra(ensemble(found), ir, raman, bands, replicas)


def write_spectra(spectra: Spectra, ir: Path, raman: Path, bands: Path, replicas: Path) -> None:
    """Write what the series had: tables with .jdx and .json beside them, bands, densities of replicas."""
    rows = band_rows(spectra)
    infrared, scattered = infrared_columns(spectra), raman_columns(spectra)
    nu = spectra.wavenumber_cm
    # all is computed: whatever fails, fails before the first file
    if infrared:
        metadata = {**spectra.metadata, "unit": INFRARED_UNIT}
        _write_columns(ir, metadata, infrared)
        write_jcamp(
            ir.with_suffix(".jdx"), "INFRARED SPECTRUM", INFRARED_UNIT, nu, infrared[INFRARED], metadata
        )
    if scattered:
        metadata = {
            **spectra.metadata,
            "unit": f"{ACTIVITY_UNIT}; cross-section {CROSS_SECTION_UNIT}",
            "geometry": "90 degrees; cross_section and photon_counting: linear polarisation perpendicular to "
            "the scattering plane, no analyser; parallel and perpendicular: the same behind an analyser; "
            "natural_light: unpolarised light, no analyser",
        }
        _write_columns(raman, metadata, scattered)
        signal = scattered[f"{UNPOLARISED}_{SIGNAL_COLUMN}"]
        seen = np.isfinite(signal)
        write_jcamp(
            raman.with_suffix(".jdx"), "RAMAN SPECTRUM", CROSS_SECTION_UNIT, nu[seen], signal[seen], metadata
        )
    if spectra.power is not None and spectra.power_wavenumber_cm is not None:
        _write_power(ir.with_name("power.csv"), spectra.metadata, spectra.power_wavenumber_cm, spectra.power)
    _write_bands(bands, spectra, rows)
    with atomic_path(replicas) as temporary:
        densities: dict[str, Array | None] = {n: getattr(spectra, k) for n, k in REPLICAS.items()}
        densities |= {f"{n}_models": spectra.models.get(k) for n, k in REPLICAS.items()}
        kept: dict[str, Any] = {n: d.astype(np.float32) for n, d in densities.items() if d is not None}
        np.savez_compressed(temporary, wavenumber_cm=nu, **kept)


def band_rows(spectra: Spectra) -> list[list[Any]]:
    """Rows of bands.csv."""
    rows: list[list[Any]] = []
    if spectra.infrared is not None:
        unit = INFRARED_UNIT.partition(" per ")[0]
        models = [spectra.models["infrared"]] if spectra.models else []
        rows += table_rows(
            "ir", unit, spectra.wavenumber_cm, spectra.infrared, spectra.eckart_infrared, models=models
        )
    if spectra.isotropic is not None and spectra.anisotropic is not None:
        parts, turned = (spectra.isotropic, spectra.anisotropic), spectra.eckart_anisotropic
        eckart = None if turned is None else parts[0] + turned
        unit = ACTIVITY_UNIT.partition(" per ")[0]
        models = [spectra.models[part] for part in ("isotropic", "anisotropic") if spectra.models]
        density = parts[0] + parts[1]
        rows += table_rows("raman", unit, spectra.wavenumber_cm, density, eckart, parts, models)
    told = [""] * len(MOTIONS)
    where = [(float(row[1]), float(row[2])) for row in rows]  # lower and upper border
    return [
        [*row, *(told if spectra.motions is None else spectra.motions.cells(*borders))]
        for row, borders in zip(rows, where, strict=True)
    ]


def _write_bands(path: Path, spectra: Spectra, rows: Sequence[Sequence[Any]]) -> None:
    """The table as CSV, and as JSON with all shares of what moves."""
    notes = {**spectra.metadata, **effort_note(spectra.metadata)}
    numbers = [*HEADING, *(MODEL_HEADING if spectra.models else [])]
    heading = [*numbers, *MOTIONS]
    write_table(path, notes, heading, rows)
    bands = []
    for row in rows:
        known = dict(zip(heading, row, strict=True))
        band = {name: _jsonable(known[name]) for name in [*numbers, MOTIONS[0]]}
        if spectra.motions is not None:
            band |= spectra.motions.listed(known["lower_cm-1"], known["upper_cm-1"])
        bands.append(band)
    write_json(path.with_suffix(".json"), {"metadata": notes, "bands": bands})


def _jsonable(value: Any) -> str | float | None:
    """A word as it is, a number to nine digits, None for what is missing."""
    if isinstance(value, str):
        return value
    return float(f"{value:.9g}") if np.isfinite(value) else None


def _write_power(path: Path, metadata: Metadata, nu: Array, power: Array) -> None:
    mean = power.mean(axis=0)
    counted = (mean.sum() - mean[0] / 2) * (nu[1] - nu[0])  # half of the first bin lies below 0
    metadata = {**metadata, "unit": POWER_UNIT, "integral_modes": f"{counted:.4g}"}
    columns = {WAVENUMBER: nu, "power_modes_per_cm-1": mean, ERROR: standard_error(power)}
    write_table(path, metadata, list(columns), np.column_stack(list(columns.values())))


def _write_columns(path: Path, metadata: Metadata, columns: Mapping[str, Array]) -> None:
    """The table as CSV, and the same numbers as JSON; a number missing is nan there, null here."""
    write_table(path, metadata, list(columns), np.column_stack(list(columns.values())))
    lists = {
        name: [_jsonable(value) for value in column] for name, column in columns.items()
    }  # fmt: skip
    text = ",\n".join(f"    {json.dumps(name)}: {json.dumps(values)}" for name, values in lists.items())
    head = json.dumps(metadata, indent=2, ensure_ascii=False)
    write_text(path.with_suffix(".json"), f'{{\n"metadata": {head},\n"columns": {{\n{text}\n}}\n}}\n')
