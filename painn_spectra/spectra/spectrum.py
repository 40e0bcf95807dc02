"""The spectra stage: trajectory.h5 to tables of spectra and bands, their twins, and replicas.npz."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra.config import SpectraSettings
from painn_spectra.files import atomic_path, write_text
from painn_spectra.spectra.analysis import Spectra, analyse
from painn_spectra.spectra.assignment import HEADING as ASSIGNMENT
from painn_spectra.spectra.assignment import assignment
from painn_spectra.spectra.band_table import HEADING, effort_note, table_rows
from painn_spectra.spectra.bands import standard_error
from painn_spectra.spectra.csv_files import Metadata, write_table
from painn_spectra.spectra.infrared import INFRARED_UNIT
from painn_spectra.spectra.jcamp import write_jcamp
from painn_spectra.spectra.power import POWER_UNIT
from painn_spectra.spectra.raman import ACTIVITY_UNIT, CROSS_SECTION_UNIT, GEOMETRIES, stokes_cross_section
from painn_spectra.spectra.series import Array
from painn_spectra.spectra.trajectory_file import open_trajectory

WAVENUMBER = "wavenumber_cm-1"
INFRARED = "ir_km_mol-1_per_cm-1"
ERROR = "standard_error"
ACTIVITY_COLUMN = "A4_amu-1_per_cm-1"  # behind isotropic_, anisotropic_, activity_
SIGNAL_COLUMN = "m2_sr-1_per_cm-1"  # behind the names of GEOMETRIES and photon_counting_
UNPOLARISED, PHOTONS = "cross_section", "photon_counting"


def compute_spectra(
    trajectory: Path, ir: Path, raman: Path, bands: Path, replicas: Path, settings: SpectraSettings
) -> None:
    """Write mean spectra with standard errors over replicas, bands, and every replica's densities."""
    with open_trajectory(trajectory) as series:
        spectra = analyse(series, settings)
    write_spectra(spectra, ir, raman, bands, replicas)


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
    write_table(bands, {**spectra.metadata, **effort_note(spectra.metadata)}, [*HEADING, *ASSIGNMENT], rows)
    with atomic_path(replicas) as temporary:
        densities = {
            "ir": spectra.infrared, "isotropic": spectra.isotropic, "anisotropic": spectra.anisotropic
        }  # fmt: skip
        kept: dict[str, Any] = {n: d.astype(np.float32) for n, d in densities.items() if d is not None}
        np.savez_compressed(temporary, wavenumber_cm=nu, **kept)


def infrared_columns(spectra: Spectra) -> dict[str, Array]:
    """Columns of ir.csv; none without a dipole."""
    if spectra.infrared is None:
        return {}
    return {
        WAVENUMBER: spectra.wavenumber_cm,
        INFRARED: spectra.infrared.mean(axis=0),
        ERROR: standard_error(spectra.infrared),
    }


def raman_columns(spectra: Spectra) -> dict[str, Array]:
    """Columns of raman.csv, each with its error: parts of the activity, then signals; none without α."""
    if spectra.isotropic is None or spectra.anisotropic is None:
        return {}
    parts = spectra.isotropic, spectra.anisotropic
    light = spectra.temperature_K, spectra.settings.laser_nm
    densities = {
        f"isotropic_{ACTIVITY_COLUMN}": parts[0],
        f"anisotropic_{ACTIVITY_COLUMN}": parts[1],
        f"activity_{ACTIVITY_COLUMN}": parts[0] + parts[1],
    }
    for name, weights in GEOMETRIES.items():
        signal = stokes_cross_section(spectra.wavenumber_cm, *parts, *light, *weights)
        densities[f"{name}_{SIGNAL_COLUMN}"] = signal
    densities[f"{PHOTONS}_{SIGNAL_COLUMN}"] = stokes_cross_section(
        spectra.wavenumber_cm, *parts, *light, *GEOMETRIES[UNPOLARISED], photons=True
    )
    columns = {WAVENUMBER: spectra.wavenumber_cm}
    for name, density in densities.items():
        columns |= {name: density.mean(axis=0), error_column(name): standard_error(density)}
    return columns


def error_column(name: str) -> str:
    """Heading of the standard error beside a column: `activity_A4...` -> `activity_standard_error`."""
    return next(name.removesuffix(unit) for unit in (ACTIVITY_COLUMN, SIGNAL_COLUMN)
                if name.endswith(unit)) + ERROR  # fmt: skip


def band_rows(spectra: Spectra) -> list[list[Any]]:
    """Rows of bands.csv."""
    rows: list[list[Any]] = []
    if spectra.infrared is not None:
        unit = INFRARED_UNIT.partition(" per ")[0]
        rows += table_rows("ir", unit, spectra.wavenumber_cm, spectra.infrared, spectra.eckart_infrared)
    if spectra.isotropic is not None and spectra.anisotropic is not None:
        parts, turned = (spectra.isotropic, spectra.anisotropic), spectra.eckart_anisotropic
        eckart = None if turned is None else parts[0] + turned
        unit = ACTIVITY_UNIT.partition(" per ")[0]
        rows += table_rows("raman", unit, spectra.wavenumber_cm, parts[0] + parts[1], eckart, parts)
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
