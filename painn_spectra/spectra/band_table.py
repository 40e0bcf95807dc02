"""bands.csv: every band with its intervals, and how much more dynamics a smaller error would take."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from painn_spectra.spectra.bands import MISSING, depolarisation, find_bands
from painn_spectra.spectra.intervals import Array
from painn_spectra.spectra.model_spread import band_spread
from painn_spectra.spectra.molecule_frame import band_origin

TARGET = 0.05  # relative standard error of an area that the table counts replicas for
HEADING = [
    "spectrum", "lower_cm-1", "upper_cm-1", "peak_cm-1",
    "centroid_cm-1", "centroid_standard_error_cm-1", "centroid_95_low_cm-1", "centroid_95_high_cm-1",
    "eckart_origin_cm-1", "eckart_origin_standard_error_cm-1",
    "fwhm_cm-1", "area", "area_standard_error", "area_95_low", "area_95_high", "area_unit",
    "area_relative_error", f"replicas_for_{100 * TARGET:g}_percent",
    "depolarisation_ratio", "depolarisation_standard_error",
    "depolarisation_95_low", "depolarisation_95_high",
]  # fmt: skip
MODEL_HEADING = [
    "centroid_model_standard_deviation_cm-1", "area_model_standard_deviation",
    "depolarisation_model_standard_deviation",
]  # fmt: skip


def table_rows(
    spectrum: str,
    unit: str,
    wavenumber_cm: Array,
    densities: Array,
    eckart: Array | None = None,
    parts: tuple[Array, Array] | None = None,
    models: Sequence[Array] = (),
) -> list[list[object]]:
    """Rows under HEADING, and under MODEL_HEADING with `models`.

    densities, the same in the molecule's frame (eckart), and parts (isotropic, anisotropic) of Raman:
    (n_replicas, n_wavenumbers). models: the members' parts, each (n_models, n_replicas, n_wavenumbers).
    """
    rows: list[list[object]] = []
    for band in find_bands(wavenumber_cm, densities):
        where = band.lower_cm, band.upper_cm
        ratio = depolarisation(wavenumber_cm, *parts, *where) if parts is not None else MISSING
        origin = MISSING if eckart is None else band_origin(wavenumber_cm, eckart, *where)
        relative = float(band.area.standard_error / band.area.value)
        rows.append([
            spectrum, *where, band.peak_cm, *band.centroid, *origin[:2], band.fwhm_cm, *band.area, unit,
            relative, replicas_for(TARGET, relative, len(densities)), *ratio,
            *(band_spread(wavenumber_cm, models, *where) if models else ()),
        ])  # fmt: skip
    return rows


def replicas_for(target: float, relative_error: float, n_replicas: int) -> float:
    """Replicas of the same length that would bring a relative standard error to `target`; NaN if unknown."""
    if not math.isfinite(relative_error):
        return float("nan")
    return float(np.ceil(n_replicas * (relative_error / target) ** 2 - 1e-9))


def effort_note(notes: Mapping[str, str]) -> Mapping[str, str]:
    """What has been run, and what halves every error: NVE replicas keep their modes' energies for long, so
    that more replicas help and longer ones help less. notes: `n_replicas` and `length_ps` of the series."""
    n_replicas, length_ps = int(notes["n_replicas"]), float(notes["length_ps"])
    now = n_replicas * length_ps
    each = f", by each of {notes['n_models']} models" if "n_models" in notes else ""
    return {
        "dynamics_so_far": f"{n_replicas} replicas of {length_ps:g} ps, {now:g} ps in all{each}",
        "to_halve_the_errors": f"{4 * n_replicas} replicas of {length_ps:g} ps, {3 * now:g} ps more{each}",
    }
