"""Dynamics of classical and quantum nuclei, spectra, and the physics that binds the two."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from painn_spectra.settings.base import DYNAMICS, Count, NonNegative, Positive, Seed, Settings
from painn_spectra.units import LIGHT_CM_FS

Dynamics = Annotated[str, Field(pattern=DYNAMICS)]
USABLE_NYQUIST_FRACTION = 0.6  # beyond it the derivative correction (x/sin x)² diverges
HIGHEST_BAND_CM = 4300.0  # X–H stretches move whatever range is drawn: undersampled, they fold into it
MIN_RANGE_FWHM = 10  # a spectrum narrower than this shows the window, not the molecule
MIN_HIGHEST_CM = 200.0  # below it are rotations
NM_PER_CM = 1e7
FEWEST_TO_STOP_BY = 8  # replicas; the error of fewer is little more than a guess


class DynamicsSettings(Settings):
    """Langevin equilibration at the entry's temperature, then NVE production of all replicas in one batch.

    Ring polymers: `n_beads` where the kind of dynamics names no number of its own; `trpmd_lambda` damps the
    internal modes of TRPMD by 2 λ ω_k.
    """

    n_replicas: Count = 16
    timestep_fs: Positive = 0.5
    equilibration_ps: Positive = 2.0
    friction_per_ps: Positive = 5.0
    production_ps: Positive = 10.0
    until_relative_error: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_replicas: Count = 256
    replicas_per_job: Annotated[int, Field(ge=8, multiple_of=8)] | None = None
    record_interval_steps: Count = 2
    record_motion: bool = True
    checkpoint_interval_ps: Positive = 0.5
    rotation: Literal["kept", "removed"] = "kept"
    n_beads: Count = 32
    trpmd_lambda: NonNegative = 0.5
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _error_can_be_told(self) -> Self:
        if self.until_relative_error is not None and self.n_replicas < FEWEST_TO_STOP_BY:
            raise ValueError(
                f"md.n_replicas = {self.n_replicas} cannot tell an error to stop by, as until_relative_error "
                f"asks; use at least {FEWEST_TO_STOP_BY}"
            )
        return self


class TePigsSettings(Settings):
    """Te PIGS: path integrals at an elevated temperature, and the small model of what they add to forces."""

    temperature_K: Positive = 500.0
    n_beads: Annotated[int, Field(ge=2)] = 32
    n_replicas: Annotated[int, Field(ge=2)] = 16
    n_frames: Count = 4000
    interval_fs: Positive = 5.0
    equilibration_ps: Positive = 0.5
    n_features: Annotated[int, Field(ge=2, multiple_of=2)] = 32
    n_layers: Count = 2
    n_radial: Count = 8
    epochs: Count = 30
    batch_size: Count = 16
    learning_rate: Positive = 2e-3
    seed: Seed = 0


class SpectraSettings(Settings):
    """Spectra from the autocorrelations; `fwhm_cm` is the width of the lag window's transform."""

    fwhm_cm: Positive = 10.0
    window: Literal["gaussian", "hann"] = "gaussian"
    rotation: Literal["kept", "removed"] = "kept"
    control_variates: bool = True
    laser_nm: Positive = 532.0
    min_wavenumber_cm: NonNegative = 100.0
    max_wavenumber_cm: Positive = 4000.0


def check_range(spectra: SpectraSettings) -> None:
    """Raise ValueError when the range drawn is empty, holds no bands or lies beyond the laser."""
    lowest, highest = spectra.min_wavenumber_cm, spectra.max_wavenumber_cm
    if lowest >= highest:
        raise ValueError(
            f"spectra.min_wavenumber_cm = {lowest:g} is not below "
            f"max_wavenumber_cm = {highest:g}; swap or widen them"
        )
    if highest < MIN_HIGHEST_CM:
        raise ValueError(
            f"spectra.max_wavenumber_cm = {highest:g} is below all vibrations; "
            f"use at least {MIN_HIGHEST_CM:g}"
        )
    if highest - lowest < MIN_RANGE_FWHM * spectra.fwhm_cm:
        raise ValueError(
            f"spectra.fwhm_cm = {spectra.fwhm_cm:g} leaves no bands apart between {lowest:g} and "
            f"{highest:g} cm-1; use at most {(highest - lowest) / MIN_RANGE_FWHM:g} or widen the range"
        )
    if highest >= NM_PER_CM / spectra.laser_nm:
        raise ValueError(
            f"spectra.laser_nm = {spectra.laser_nm:g} is a line at {NM_PER_CM / spectra.laser_nm:g} cm-1, "
            f"which cannot excite max_wavenumber_cm = {highest:g}; "
            f"use less than {NM_PER_CM / highest:.0f} nm"
        )


def check_sampling(md: DynamicsSettings, spectra: SpectraSettings) -> None:
    """Raise ValueError when the run cannot carry the spectrum asked for."""
    highest = max(spectra.max_wavenumber_cm, HIGHEST_BAND_CM)
    period_fs = 1 / (LIGHT_CM_FS * highest)
    if md.timestep_fs > period_fs / 8:
        raise ValueError(
            f"md.timestep_fs = {md.timestep_fs:g} gives fewer than 8 steps per period at "
            f"{highest:g} cm-1, where X-H bonds vibrate; use at most {math.floor(12.5 * period_fs) / 100:.2f}"
        )
    interval_fs = md.timestep_fs * md.record_interval_steps
    longest_fs = USABLE_NYQUIST_FRACTION / (2 * LIGHT_CM_FS * highest)
    if interval_fs > longest_fs:
        raise ValueError(
            f"md.record_interval_steps = {md.record_interval_steps} records every {interval_fs:g} fs, beyond "
            f"{USABLE_NYQUIST_FRACTION:g} of Nyquist at {highest:g} cm-1, so that X-H bands fold into the "
            f"spectrum; use at most {int(longest_fs / md.timestep_fs)} steps"
        )
    window_ps = window_length_fs(spectra.fwhm_cm) / 1e3
    if window_ps > md.production_ps:
        raise ValueError(
            f"spectra.fwhm_cm = {spectra.fwhm_cm:g} needs correlations over {window_ps:.1f} ps, but "
            f"md.production_ps = {md.production_ps:g}; lengthen the run or widen fwhm_cm to "
            f"{spectra.fwhm_cm * window_ps / md.production_ps:.1f}"
        )


def window_length_fs(fwhm_cm: float) -> float:
    """Lag at which a Gaussian window of spectral width `fwhm_cm` has fallen to exp(-4.5), three sigma."""
    return 3.0 * math.sqrt(8 * math.log(2)) / (2 * math.pi * LIGHT_CM_FS * fwhm_cm)
