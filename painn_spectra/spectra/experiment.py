"""The measured curves that a molecule's settings name: fetched, read, and on the zero line asked for."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from painn_spectra.download import CACHE, local_copy
from painn_spectra.settings.molecule import Experiment
from painn_spectra.spectra.measured import Kind, MeasuredCurve, read_measured
from painn_spectra.spectra.similarity import smoothed

MOST_BYTES = 20_000_000  # of a measured curve that an address gives
SUSPICIOUS_SHARE = 0.2  # of the area, below the lowest value


def experiment_curve(experiment: Experiment, kind: Kind, cache: Path = CACHE) -> MeasuredCurve | None:
    """The curve of `kind`, None where there is none. Tells on stderr where its zero line looks shifted."""
    source = experiment.sources.get(kind)
    if not source:
        return None
    curve = read_measured(local_copy(source, cache, MOST_BYTES), kind)
    if kind == "raman":  # counts on a detector's offset, which the protocol takes off
        return curve
    lowest, share = lowest_value(curve)
    if experiment.zero_line == "lowest":
        return replace(curve, intensity=curve.intensity - lowest, lowered_by=lowest)
    if abs(share) > SUSPICIOUS_SHARE:
        print(
            f"experiment.ir = {source}: its lowest value, {lowest:.3g} {curve.unit}, makes {100 * share:.0f}"
            " % of the area; if that is a shifted zero line, set experiment.zero_line: lowest",
            file=sys.stderr,
        )
    return curve


def lowest_value(curve: MeasuredCurve) -> tuple[float, float]:
    """Of the curve smoothed as for the scores, so that noise does not decide; and its share of the area."""
    valid = np.isfinite(curve.intensity)
    grid = np.arange(curve.wavenumber_cm[0], curve.wavenumber_cm[-1], 1.0)
    values = np.interp(grid, curve.wavenumber_cm[valid], curve.intensity[valid])
    lowest = float(smoothed(values).min())
    return lowest, lowest * len(grid) / float(values.sum())
