"""The spectra stage: trajectory.h5 to tables of spectra and bands, their twins, and replicas.npz."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra.config import SpectraSettings
from painn_spectra.files import atomic_path, write_text
from painn_spectra.spectra.analysis import Spectra, analyse
from painn_spectra.spectra.assignment import HEADING as ASSIGNMENT
from painn_spectra.spectra.assignment import assignment
from painn_spectra.spectra.band_table import HEADING, MODEL_HEADING, effort_note, table_rows
from painn_spectra.spectra.bands import standard_error
from painn_spectra.spectra.csv_files import Metadata, write_table
from painn_spectra.spectra.ensemble import ensemble
from painn_spectra.spectra.infrared import INFRARED_UNIT
from painn_spectra.spectra.jcamp import write_jcamp
from painn_spectra.spectra.model_spread import model_standard_deviation
from painn_spectra.spectra.power import POWER_UNIT
from painn_spectra.spectra.raman import ACTIVITY_UNIT, CROSS_SECTION_UNIT, GEOMETRIES, stokes_cross_section
from painn_spectra.spectra.series import Array
from painn_spectra.spectra.trajectory_file import open_trajectory

WAVENUMBER = "wavenumber_cm-1"
INFRARED = "ir_km_mol-1_per_cm-1"
ERROR = "standard_error"
MODEL_ERROR = "model_standard_deviation"
ACTIVITY_COLUMN = "A4_amu-1_per_cm-1"  # behind isotropic_, anisotropic_, activity_
SIGNAL_COLUMN = "m2_sr-1_per_cm-1"  # behind the names of GEOMETRIES and photon_counting_
UNPOLARISED, PHOTONS = "cross_section", "photon_counting"
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
    heading = [*HEADING, *(MODEL_HEADING if spectra.models else []), *ASSIGNMENT]
    write_table(bands, {**spectra.metadata, **effort_note(spectra.metadata)}, heading, rows)
    with atomic_path(replicas) as temporary:
        densities: dict[str, Array | None] = {n: getattr(spectra, k) for n, k in REPLICAS.items()}
        densities |= {f"{n}_models": spectra.models.get(k) for n, k in REPLICAS.items()}
        kept: dict[str, Any] = {n: d.astype(np.float32) for n, d in densities.items() if d is not None}
        np.savez_compressed(temporary, wavenumber_cm=nu, **kept)


def infrared_columns(spectra: Spectra) -> dict[str, Array]:
    """Columns of ir.csv; none without a dipole."""
    if spectra.infrared is None:
        return {}
    columns = {
        WAVENUMBER: spectra.wavenumber_cm,
        INFRARED: spectra.infrared.mean(axis=0),
        ERROR: standard_error(spectra.infrared),
    }
    if spectra.models:
        columns[MODEL_ERROR] = model_standard_deviation(spectra.models["infrared"])
    return columns


def raman_columns(spectra: Spectra) -> dict[str, Array]:
    """Columns of raman.csv, each with its error: parts of the activity, then signals; none without α."""
    if spectra.isotropic is None or spectra.anisotropic is None:
        return {}
    models = spectra.models
    columns = {WAVENUMBER: spectra.wavenumber_cm}
    of_models = _raman_densities(spectra, models["isotropic"], models["anisotropic"]) if models else {}
    for name, density in _raman_densities(spectra, spectra.isotropic, spectra.anisotropic).items():
        columns |= {name: density.mean(axis=0), error_column(name): standard_error(density)}
        if models:
            columns[error_column(name, MODEL_ERROR)] = model_standard_deviation(of_models[name])
    return columns


def _raman_densities(spectra: Spectra, isotropic: Array, anisotropic: Array) -> dict[str, Array]:
    """Parts of the activity, then signals, of densities (..., n_wavenumbers)."""
    nu, parts = spectra.wavenumber_cm, (isotropic, anisotropic)
    light = spectra.temperature_K, spectra.settings.laser_nm
    densities = {
        f"isotropic_{ACTIVITY_COLUMN}": isotropic,
        f"anisotropic_{ACTIVITY_COLUMN}": anisotropic,
        f"activity_{ACTIVITY_COLUMN}": isotropic + anisotropic,
    }
    for name, weights in GEOMETRIES.items():
        densities[f"{name}_{SIGNAL_COLUMN}"] = stokes_cross_section(nu, *parts, *light, *weights)
    densities[f"{PHOTONS}_{SIGNAL_COLUMN}"] = stokes_cross_section(
        nu, *parts, *light, *GEOMETRIES[UNPOLARISED], photons=True
    )
    return densities


def error_column(name: str, error: str = ERROR) -> str:
    """Heading of an error beside a column: `activity_A4...` -> `activity_standard_error`."""
    return next(name.removesuffix(unit) for unit in (ACTIVITY_COLUMN, SIGNAL_COLUMN)
                if name.endswith(unit)) + error  # fmt: skip


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
    grid = spectra.power_wavenumber_cm
    if grid is None or not spectra.motions:
        return [[*row, "", ""] for row in rows]
    where = [(float(row[1]), float(row[2])) for row in rows]  # lower and upper border
    return [
        [*row, *assignment(grid, spectra.motions, *borders)] for row, borders in zip(rows, where, strict=True)
    ]


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
        name: [float(f"{value:.9g}") if np.isfinite(value) else None for value in column]
        for name, column in columns.items()
    }
    text = ",\n".join(f"    {json.dumps(name)}: {json.dumps(values)}" for name, values in lists.items())
    head = json.dumps(metadata, indent=2, ensure_ascii=False)
    write_text(path.with_suffix(".json"), f'{{\n"metadata": {head},\n"columns": {{\n{text}\n}}\n}}\n')
