"""The one way from a series to spectra: what its sampling carries, every replica's densities, what to say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from painn_spectra import __version__, keys
from painn_spectra.errors import InputError
from painn_spectra.formula import hill_formula
from painn_spectra.kinds import kind_of
from painn_spectra.progress import Progress
from painn_spectra.settings.dynamics import (
    USABLE_NYQUIST_FRACTION,
    SpectraSettings,
    check_range,
    window_length_fs,
)
from painn_spectra.spectra.assignment import can_assign
from painn_spectra.spectra.control_variates import FEWEST_REPLICAS, adjusted
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.csv_files import Metadata
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.molecule_frame import check_frame, has_motion, turned
from painn_spectra.spectra.motions import Motions
from painn_spectra.spectra.power import mode_density, velocity_chunks
from painn_spectra.spectra.raman import raman_density
from painn_spectra.spectra.series import EXTERNAL, Array, Series
from painn_spectra.units import LIGHT_CM_FS

CORRELATIONS = {  # what stands for the quantum correlation, by kind of dynamics
    "classical": "classical correlation with harmonic quantum correction",
    "rpmd": "Kubo-transformed correlation of means over beads",
    "trpmd": "Kubo-transformed correlation of means over beads, internal modes thermostatted",
    "tepigs": "classical correlation of centroids in a learnt potential, for the Kubo-transformed one",
}
CONTROLLED = ("infrared", "isotropic", "anisotropic", "eckart_infrared", "eckart_anisotropic")
DENSITIES = (*CONTROLLED, "power")


@dataclass(frozen=True)
class Spectra:
    """Densities of every replica on one grid; None where the series has not what they are made of."""

    metadata: Metadata
    settings: SpectraSettings
    temperature_K: float
    wavenumber_cm: Array  # (n_wavenumbers,) | cm⁻¹
    infrared: Array | None  # (n_replicas, n_wavenumbers) | km/mol per cm⁻¹
    isotropic: Array | None  # the same | Å⁴/amu per cm⁻¹
    anisotropic: Array | None  # the same | Å⁴/amu per cm⁻¹
    eckart_infrared: Array | None  # densities in the molecule's frame, where positions tell it
    eckart_anisotropic: Array | None
    power_wavenumber_cm: Array | None  # (n_power,) | cm⁻¹, from 0
    power: Array | None  # (n_replicas, n_power) | modes per cm⁻¹
    motions: Motions | None  # None where velocities, positions or elements are not known
    # of an ensemble: {name of DENSITIES: (n_models, n_replicas, n_wavenumbers)}; what is above are then means
    models: Mapping[str, Array] = field(default_factory=dict)


def analyse(series: Series, settings: SpectraSettings) -> Spectra:
    """Correlate every replica by itself; means are taken over densities, never over series."""
    estimator = estimator_for(series, settings)
    if settings.rotation == "removed":
        check_frame(series)
    from_zero = replace(estimator, min_wavenumber_cm=0.0)  # rotation is part of the motion
    found: dict[str, list[Array]] = {}

    def keep(**densities: Array) -> None:
        for name, density in densities.items():
            found.setdefault(name, []).append(density)

    framed, sampled = has_motion(series), (series.temperature_K, estimator, series.n_samples)
    motions = Motions(series, from_zero) if framed and can_assign(series) else None
    progress = Progress("spectra", series.n_replicas)
    for i in range(series.n_replicas):
        if keys.DIPOLE in series:
            keep(infrared=infrared_density(series.chunks(keys.DIPOLE, i), *sampled))
            if framed:
                keep(eckart_infrared=infrared_density(turned(series, keys.DIPOLE, i), *sampled))
        if keys.POLARIZABILITY in series:
            isotropic, anisotropic = raman_density(series.chunks(keys.POLARIZABILITY, i), *sampled)
            keep(isotropic=isotropic, anisotropic=anisotropic)
            if framed:  # the trace does not turn
                _, eckart = raman_density(turned(series, keys.POLARIZABILITY, i), *sampled)
                keep(eckart_anisotropic=eckart)
        if keys.HALF_STEP_VELOCITIES in series and series.masses_amu is not None:
            velocities = velocity_chunks(series, i, settings.rotation == "removed")
            weights = np.repeat(series.masses_amu, 3)
            keep(power=mode_density(velocities, weights, series.temperature_K, from_zero, series.n_samples))
        if motions is not None:
            motions.add(series, i)
        progress.advance()
    densities = {name: np.array(rows) for name, rows in found.items()}
    if settings.rotation == "removed":
        densities |= {n: densities[f"eckart_{n}"] for n in ("infrared", "anisotropic") if n in densities}
    if uses_controls(series, settings) and series.controls is not None:
        densities |= {
            name: adjusted(densities[name], *series.controls, estimator.wavenumber_cm)
            for name in CONTROLLED if name in densities
        }  # fmt: skip
    power = densities.get("power")
    known: dict[str, Any] = {name: densities.get(name) for name in DENSITIES}
    return Spectra(
        _metadata(series, settings), settings, series.temperature_K, estimator.wavenumber_cm,
        motions=motions, power_wavenumber_cm=None if power is None else from_zero.wavenumber_cm,
        **known,
    )  # fmt: skip


def uses_controls(series: Series, settings: SpectraSettings) -> bool:
    """Whether the modes' kinetic energies are known and told to be used, of enough replicas."""
    known = series.controls is not None and series.n_replicas >= FEWEST_REPLICAS
    return settings.control_variates and known


def estimator_for(series: Series, settings: SpectraSettings) -> Estimator:
    """Refuse an empty range, and what the sampling cannot carry: too short a run, a range beyond Nyquist."""
    try:
        check_range(settings)
    except ValueError as error:
        raise InputError(str(error)) from None
    needed_fs = window_length_fs(settings.fwhm_cm)
    if series.length_fs < needed_fs:
        narrowest = math.ceil(10 * settings.fwhm_cm * needed_fs / series.length_fs) / 10
        raise InputError(
            f"{series.path}: {series.length_fs / 1e3:.2f} ps are too short for spectra.fwhm_cm = "
            f"{settings.fwhm_cm:g}, which needs {needed_fs / 1e3:.2f} ps; run longer or set {narrowest:g}"
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
            f"integrator_timestep_fs = {series.integrator_timestep_fs:g}; correct one of them"
        )
    return Estimator(
        series.sample_interval_fs, series.integrator_timestep_fs,
        settings.fwhm_cm, settings.min_wavenumber_cm, settings.max_wavenumber_cm, settings.window,
    )  # fmt: skip


def _metadata(series: Series, settings: SpectraSettings) -> Metadata:
    verlet = (
        "velocity Verlet shift of axis and density removed"
        if series.integrator_timestep_fs
        else "velocity Verlet shift NOT removed, the integrator's step is not known"
    )
    return {
        "molecule": series.molecule,
        **({"formula": hill_formula(series.numbers)} if series.numbers is not None else {}),
        "dynamics": series.dynamics,
        "state": "as simulated, by another program" if series.dynamics == EXTERNAL
        else "gas, isolated molecule, computed",
        "temperature_K": f"{series.temperature_K:g}",
        "fwhm_cm": f"{settings.fwhm_cm:g}",
        "window": settings.window,
        "rotation": settings.rotation,
        "laser_nm": f"{settings.laser_nm:g}",
        "n_replicas": str(series.n_replicas),
        **({"stopped_replicas": " ".join(map(str, series.stopped))} if series.stopped else {}),
        "length_ps": f"{series.length_fs / 1e3:g}",
        "sample_interval_fs": f"{series.sample_interval_fs:g}",
        "integrator_timestep_fs": f"{series.integrator_timestep_fs:g}" if series.integrator_timestep_fs
        else "not known",
        "method": f"{series.dynamics} molecular dynamics, Fourier transform of autocorrelations",
        "corrections": f"central differences divided by (sin x/x)^2; {verlet}; "
        f"{CORRELATIONS.get(kind_of(series.dynamics), CORRELATIONS['classical'])}; wavenumbers not scaled",
        "control_variates": "kinetic energies of the normal modes" if uses_controls(series, settings)
        else "none",
        "error": "standard error over replicas (sampling only)" if series.n_replicas > 1
        else "none: parts of one series share its mode energies, only independent replicas tell the error",
        "program": f"painn-spectra {__version__}",
    }  # fmt: skip
