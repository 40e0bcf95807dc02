"""The spectra stage: trajectory.h5 to ir.csv, raman.csv, bands.csv, their JCAMP-DX twins and replicas.npz."""

import math
from pathlib import Path

import numpy as np

from painn_spectra import __version__, keys
from painn_spectra.config import USABLE_NYQUIST_FRACTION, SpectraSettings, check_range, window_length_fs
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path
from painn_spectra.progress import Progress
from painn_spectra.spectra.band_table import HEADING, band_rows, effort_note
from painn_spectra.spectra.bands import standard_error
from painn_spectra.spectra.correlation import Array, Estimator
from painn_spectra.spectra.csv_files import write_table
from painn_spectra.spectra.infrared import INFRARED_UNIT, infrared_density
from painn_spectra.spectra.jcamp import write_jcamp
from painn_spectra.spectra.raman import ACTIVITY_UNIT, CROSS_SECTION_UNIT, raman_density, stokes_cross_section
from painn_spectra.spectra.series import TrajectorySeries, open_trajectory
from painn_spectra.units import LIGHT_CM_FS

WAVENUMBER = "wavenumber_cm-1"
INFRARED = "ir_km_mol-1_per_cm-1"
ISOTROPIC = "isotropic_A4_amu-1_per_cm-1"
ANISOTROPIC = "anisotropic_A4_amu-1_per_cm-1"
ACTIVITY = "activity_A4_amu-1_per_cm-1"
CROSS_SECTION = "cross_section_m2_sr-1_per_cm-1"
GEOMETRIES = {  # column -> (X, Y) of the signal Xβ'² + Yγ'²
    CROSS_SECTION: (45.0, 7.0),
    "parallel_m2_sr-1_per_cm-1": (45.0, 4.0),
    "perpendicular_m2_sr-1_per_cm-1": (0.0, 3.0),
}


def compute_spectra(
    trajectory: Path, ir: Path, raman: Path, bands: Path, replicas: Path, settings: SpectraSettings
) -> None:
    """Write mean spectra with standard errors over replicas, bands, and every replica's densities."""
    with open_trajectory(trajectory) as series:
        estimator = _estimator(series, settings)
        metadata = _metadata(series, settings)
        temperature_K, n_replicas = series.temperature_K, series.n_replicas
        shape = (n_replicas, len(estimator.wavenumber_cm))
        infrared = np.empty(shape)  # (n_replicas, n_wavenumbers) | km/mol per cm⁻¹
        isotropic, anisotropic = np.empty(shape), np.empty(shape)  # the same | Å⁴/amu per cm⁻¹
        progress = Progress("spectra", n_replicas)
        for i in range(n_replicas):
            infrared[i] = infrared_density(series.replica(keys.DIPOLE, i), temperature_K, estimator)
            isotropic[i], anisotropic[i] = raman_density(
                series.replica(keys.POLARIZABILITY, i), temperature_K, estimator
            )
            progress.advance()
    nu = estimator.wavenumber_cm
    rows = [
        *band_rows("ir", _area_unit(INFRARED_UNIT), nu, infrared),
        *band_rows("raman", _area_unit(ACTIVITY_UNIT), nu, isotropic + anisotropic, (isotropic, anisotropic)),
    ]
    signals = {
        name: stokes_cross_section(nu, isotropic, anisotropic, temperature_K, settings.laser_nm, *weights)
        for name, weights in GEOMETRIES.items()
    }
    # all is computed: whatever fails, fails before the first file
    _write_infrared(ir, metadata, nu, infrared)
    _write_raman(raman, metadata, nu, isotropic, anisotropic, signals)
    effort = effort_note(n_replicas, series.length_fs / 1e3)
    write_table(bands, {**metadata, **effort}, HEADING, rows)
    with atomic_path(replicas) as temporary:
        np.savez_compressed(
            temporary,
            wavenumber_cm=nu,
            ir=infrared.astype(np.float32),
            isotropic=isotropic.astype(np.float32),
            anisotropic=anisotropic.astype(np.float32),
        )


def _estimator(series: TrajectorySeries, settings: SpectraSettings) -> Estimator:
    """Refuse an empty range, and what the sampling cannot carry: too short a run, a range beyond Nyquist."""
    try:
        check_range(settings)
    except ValueError as error:
        raise InputError(str(error)) from None
    needed_fs = window_length_fs(settings.fwhm_cm)
    if series.length_fs < needed_fs:
        widest = math.ceil(10 * settings.fwhm_cm * needed_fs / series.length_fs) / 10
        raise InputError(
            f"{series.path}: {series.length_fs / 1e3:.2f} ps are too short for spectra.fwhm_cm = "
            f"{settings.fwhm_cm:g}, which needs {needed_fs / 1e3:.2f} ps; run longer or set {widest:g}"
        )
    highest = USABLE_NYQUIST_FRACTION / (2 * LIGHT_CM_FS * series.sample_interval_fs)
    if settings.max_wavenumber_cm > highest:
        raise InputError(
            f"spectra.max_wavenumber_cm = {settings.max_wavenumber_cm:g}: samples every "
            f"{series.sample_interval_fs:g} fs carry {highest:.0f} cm-1; lower it or record more often"
        )
    if series.sample_interval_fs < series.integrator_timestep_fs * (1 - 1e-9):
        raise InputError(
            f"{series.path}: sample_interval_fs = {series.sample_interval_fs:g} is shorter than "
            f"integrator_timestep_fs = {series.integrator_timestep_fs:g}; run the dynamics stage again"
        )
    return Estimator(
        series.sample_interval_fs, series.integrator_timestep_fs,
        settings.fwhm_cm, settings.min_wavenumber_cm, settings.max_wavenumber_cm,
    )  # fmt: skip


def _metadata(series: TrajectorySeries, settings: SpectraSettings) -> dict[str, str]:
    return {
        "molecule": series.molecule,
        "dynamics": series.dynamics,
        "temperature_K": f"{series.temperature_K:g}",
        "fwhm_cm": f"{settings.fwhm_cm:g}",
        "laser_nm": f"{settings.laser_nm:g}",
        "n_replicas": str(series.n_replicas),
        "length_ps": f"{series.length_fs / 1e3:g}",
        "sample_interval_fs": f"{series.sample_interval_fs:g}",
        "integrator_timestep_fs": f"{series.integrator_timestep_fs:g}",
        "corrections": "central differences divided by (sin x/x)^2; velocity Verlet shift of axis and "
        "density removed; classical correlation with harmonic quantum correction; wavenumbers not scaled",
        "error": "standard error over replicas (sampling only)",
        "program": f"painn-spectra {__version__}",
    }


def _write_infrared(path: Path, metadata: dict[str, str], nu: Array, infrared: Array) -> None:
    metadata = {**metadata, "unit": INFRARED_UNIT}
    mean = infrared.mean(axis=0)
    write_table(path, metadata, [WAVENUMBER, INFRARED, "standard_error"],
                np.column_stack([nu, mean, standard_error(infrared)]))  # fmt: skip
    write_jcamp(path.with_suffix(".jdx"), "INFRARED SPECTRUM", INFRARED_UNIT, nu, mean, metadata)


def _write_raman(
    path: Path, metadata: dict[str, str], nu: Array, isotropic: Array, anisotropic: Array,
    signals: dict[str, Array],
) -> None:  # fmt: skip
    metadata = {
        **metadata,
        "unit": f"{ACTIVITY_UNIT}; cross-section {CROSS_SECTION_UNIT}",
        "geometry": "linear polarisation perpendicular to the scattering plane; cross_section: no analyser, "
        "parallel and perpendicular: behind an analyser",
    }
    densities = {ISOTROPIC: isotropic, ANISOTROPIC: anisotropic, ACTIVITY: isotropic + anisotropic} | signals
    heading, columns = [WAVENUMBER], [nu]
    for name, density in densities.items():
        heading += [name, error_column(name)]
        columns += [density.mean(axis=0), standard_error(density)]
    write_table(path, metadata, heading, np.column_stack(columns))
    mean = signals[CROSS_SECTION].mean(axis=0)
    seen = np.isfinite(mean)
    write_jcamp(
        path.with_suffix(".jdx"), "RAMAN SPECTRUM", CROSS_SECTION_UNIT, nu[seen], mean[seen], metadata
    )


def error_column(name: str) -> str:
    """Heading of the standard error beside a column: `activity_A4...` -> `activity_standard_error`."""
    return next(name.removesuffix(unit) for unit in ("_A4_amu-1_per_cm-1", "_m2_sr-1_per_cm-1")
                if name.endswith(unit)) + "_standard_error"  # fmt: skip


def _area_unit(density_unit: str) -> str:
    return density_unit.partition(" per ")[0]
