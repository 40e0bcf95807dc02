"""How many replicas are enough: the error of the main infrared bands, and what would bring it down."""

import math
from pathlib import Path

import numpy as np

from painn_spectra import keys
from painn_spectra.kinds import BLOCK_REPLICAS
from painn_spectra.settings.dynamics import USABLE_NYQUIST_FRACTION, SpectraSettings, window_length_fs
from painn_spectra.spectra.analysis import estimator_for
from painn_spectra.spectra.bands import find_bands
from painn_spectra.spectra.control_variates import adjusted
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.trajectory_file import open_trajectory
from painn_spectra.units import LIGHT_CM_FS

MAIN_SHARE = 0.05  # of the whole infrared area: a band with more is a main band
COARSE_FWHM_CM = 30.0  # areas need no resolution, and bands found at one that is fixed need no settings
HIGHEST_CM = 4000.0
MARGIN = 1.1  # on the number of replicas, whose error is itself uncertain
GOLDEN = (math.sqrt(5) - 1) / 2


def largest_area_error(trajectory: Path) -> float:
    """Largest relative standard error among the areas of the main infrared bands; inf if there is no band.

    With control variates where the trajectory has them, as the spectra by default.
    """
    with open_trajectory(trajectory) as series:
        fwhm_cm = max(COARSE_FWHM_CM, 1.001 * window_length_fs(1.0) / series.length_fs)
        highest_cm = USABLE_NYQUIST_FRACTION / (2 * LIGHT_CM_FS * series.sample_interval_fs)
        settings = SpectraSettings(fwhm_cm=fwhm_cm, max_wavenumber_cm=min(HIGHEST_CM, 0.999 * highest_cm))
        estimator = estimator_for(series, settings)
        densities = np.array(
            [
                infrared_density(
                    series.chunks(keys.DIPOLE, i), series.temperature_K, estimator, series.n_samples
                )
                for i in range(series.n_replicas)
            ]
        )  # (n_replicas, n_wavenumbers) | km/mol per cm⁻¹
        if series.controls is not None:
            densities = adjusted(densities, *series.controls, estimator.wavenumber_cm)
    bands = find_bands(estimator.wavenumber_cm, densities)
    whole = sum(band.area.value for band in bands)
    main = [band.area for band in bands if band.area.value > MAIN_SHARE * whole]
    return max((float(area.standard_error / area.value) for area in main), default=math.inf)


def next_count(n_replicas: int, error: float, target: float, most: int) -> int:
    """Replicas to go on with: n (error/target)² and a margin, in whole blocks, at most twice as many, at most
    `most`; the same number if these are enough, or without a band to tell an error by."""
    if not math.isfinite(error) or error <= target or n_replicas >= most:
        return n_replicas
    wanted = min(MARGIN * n_replicas * (error / target) ** 2, 2 * n_replicas)
    added = BLOCK_REPLICAS * math.ceil(max(1.0, wanted - n_replicas) / BLOCK_REPLICAS)
    return min(n_replicas + added, most)


def further_conformers(weights: np.ndarray, first: int, n_replicas: int, seed: int) -> list[int]:
    """Conformers of replicas `first` to `n_replicas` − 1: points u + k·(golden ratio) mod 1 of the cumulated
    weights, evenly spread however many follow, so that a replica's start never depends on their number."""
    points = (np.random.default_rng((seed, first)).uniform() + GOLDEN * np.arange(n_replicas - first)) % 1
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1).tolist()
