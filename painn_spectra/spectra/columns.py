"""Columns of ir.csv and raman.csv: mean densities, each with its standard error and the models' spread."""

from painn_spectra.spectra.analysis import Spectra
from painn_spectra.spectra.bands import standard_error
from painn_spectra.spectra.model_spread import model_standard_deviation
from painn_spectra.spectra.raman import GEOMETRIES, stokes_cross_section
from painn_spectra.spectra.series import Array

WAVENUMBER = "wavenumber_cm-1"
INFRARED = "ir_km_mol-1_per_cm-1"
ERROR = "standard_error"
MODEL_ERROR = "model_standard_deviation"
ACTIVITY_COLUMN = "A4_amu-1_per_cm-1"  # behind isotropic_, anisotropic_, activity_
SIGNAL_COLUMN = "m2_sr-1_per_cm-1"  # behind the names of GEOMETRIES and photon_counting_
UNPOLARISED, PHOTONS = "cross_section", "photon_counting"


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
