"""Do time step and recording interval carry the fastest vibration that the model has?"""

from typing import Any

from painn_spectra.errors import InputError
from painn_spectra.md.ring_polymer import RingPolymer
from painn_spectra.settings.dynamics import USABLE_NYQUIST_FRACTION, DynamicsSettings
from painn_spectra.units import LIGHT_CM_FS

HEADROOM = 1.1  # rotation, temperature and velocity Verlet take bands above their harmonic wavenumber
STEPS_PER_PERIOD = 8
LARGEST_TURN = 3.0  # rad per step of a ring polymer's fastest mode: at π it resonates with the forces' kicks


def check_fastest_vibration(settings: DynamicsSettings, conformers: list[dict[str, Any]]) -> None:
    """Raise InputError when the fastest harmonic mode of `conformers` would be unstable or fold down.

    A band beyond half the sampling rate appears at a lower wavenumber, where nothing tells it from others.
    """
    fastest_cm = max(max(conformer["wavenumbers_cm"]) for conformer in conformers)
    cycles_per_fs = LIGHT_CM_FS * HEADROOM * fastest_cm
    if STEPS_PER_PERIOD * settings.timestep_fs * cycles_per_fs > 1:
        raise InputError(
            f"md.timestep_fs = {settings.timestep_fs:g} gives fewer than {STEPS_PER_PERIOD} steps per period "
            f"of the model's fastest vibration, {fastest_cm:.0f} cm-1, with 10 % to spare; "
            f"use at most {int(100 / (STEPS_PER_PERIOD * cycles_per_fs)) / 100:g}"
        )
    longest_fs = USABLE_NYQUIST_FRACTION / (2 * cycles_per_fs)
    interval_fs = settings.timestep_fs * settings.record_interval_steps
    if interval_fs > longest_fs:
        raise InputError(
            f"md.record_interval_steps = {settings.record_interval_steps} records every {interval_fs:g} fs, "
            f"too rarely for the model's fastest vibration, {fastest_cm:.0f} cm-1, which would appear "
            f"elsewhere in the spectrum; use at most {int(longest_fs / settings.timestep_fs)}"
        )


def fastest_turn(timestep_fs: float, n_beads: int, temperature_K: float) -> float:
    """By how much a step turns the fastest mode of the free ring polymer, rad."""
    return float(RingPolymer(n_beads, temperature_K).frequencies.max()) * timestep_fs


def check_ring_polymer(settings: DynamicsSettings, n_beads: int, temperature_K: float) -> None:
    """Raise InputError when steps are too long for the fastest mode of the free ring polymer."""
    turn = fastest_turn(settings.timestep_fs, n_beads, temperature_K)
    if turn > LARGEST_TURN:
        raise InputError(
            f"md.timestep_fs = {settings.timestep_fs:g} turns the fastest mode of {n_beads} beads at "
            f"{temperature_K:g} K by {turn:.1f} rad, where it resonates; "
            f"use at most {int(100 * LARGEST_TURN / turn * settings.timestep_fs) / 100:g}, or fewer beads"
        )
