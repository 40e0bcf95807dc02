"""What the control variates are worth: standard errors of band areas with and without them.

    python -m benchmarks.validation.variance_reduction [trajectory.h5 ...] [--nowhere]

Of a trained model's runs with 64 replicas or more together (default: ethanol's results). The same areas
between the same borders twice: as they are, and with the modes' kinetic energies as control variates. Their
errors' ratio squared is by how many times fewer replicas would do. Beside it what unbiasedness asks for: the
kinetic energies have the mean that is known, and no area moves by more than sampling lets it.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import chi2

from benchmarks.validation.runs import ROOT
from benchmarks.validation.table import Row, markdown, save
from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra.analysis import estimator_for
from painn_spectra.spectra.bands import band_areas, find_bands, standard_error
from painn_spectra.spectra.control_variates import FEWEST_REPLICAS, adjusted
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.raman import raman_density
from painn_spectra.spectra.trajectory_file import open_trajectory

NAME, CHECK = "variance_reduction", "control variates"
TRAJECTORY = ROOT / "results" / "ethanol" / "classical" / "trajectory.h5"
FWHM_CM = 30.0  # areas need no more
N_BOOTSTRAP, LEAST_P, MOST_SIGMAS = 2000, 0.01, 4.0


def densities_of(
    paths: Sequence[Path],
) -> tuple[np.ndarray, dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Wavenumbers, densities (n_replicas, n) of IR and Raman activity, and the controls of trajectories."""
    infrared, activity, excess = [], [], []
    for path in paths:
        with open_trajectory(path) as series:
            if series.controls is None:
                raise InputError(
                    f"{path}: the kinetic energies of its modes are absent; run with md.record_motion"
                )
            estimator = estimator_for(series, SpectraSettings(fwhm_cm=FWHM_CM))
            known = series.temperature_K, estimator, series.n_samples
            for i in range(series.n_replicas):
                infrared.append(infrared_density(series.chunks(keys.DIPOLE, i), *known))
                activity.append(sum(raman_density(series.chunks(keys.POLARIZABILITY, i), *known)))
            excess.append(series.controls[0])
            modes_cm = series.controls[1]
    if len(infrared) < FEWEST_REPLICAS:
        raise InputError(f"{paths[0]}: {len(infrared)} replicas; run {FEWEST_REPLICAS} or more")
    controls = np.concatenate(excess), modes_cm
    return estimator.wavenumber_cm, {"IR": np.array(infrared), "Raman": np.array(activity)}, controls


def gain(plain: np.ndarray, controlled: np.ndarray) -> tuple[float, float]:
    """Ratio of the variances of the means of two sets of areas (n_replicas,), and its bootstrap error."""
    drawn = np.random.default_rng(0).integers(len(plain), size=(N_BOOTSTRAP, len(plain)))
    ratios = plain[drawn].var(1) / controlled[drawn].var(1)
    return float(plain.var() / controlled.var()), float(ratios.std())


def compare(
    wavenumber_cm: np.ndarray, densities: Mapping[str, np.ndarray], controls: tuple[np.ndarray, np.ndarray]
) -> list[Row]:
    """Rows of every band of every spectrum, and of what unbiasedness asks for."""
    excess, _ = controls
    deviation = float(np.sum((excess.mean(0) / standard_error(excess)) ** 2))
    rows = [
        Row(CHECK, "replicas", len(excess)),
        Row(CHECK, f"p of the known mean of {excess.shape[1]} kinetic energies",
            float(chi2.sf(deviation, excess.shape[1])), "", LEAST_P, at_least=True),
    ]  # fmt: skip
    shifts = []
    for kind, density in densities.items():
        with_controls, gains = adjusted(density, *controls, wavenumber_cm), []
        for band in find_bands(wavenumber_cm, density):
            where = band.lower_cm, band.upper_cm
            plain, controlled = (band_areas(wavenumber_cm, d, *where) for d in (density, with_controls))
            relative = [100 * float(standard_error(a)) / plain.mean() for a in (plain, controlled)]
            ratio, error = gain(plain, controlled)
            shifts.append(abs(float((controlled - plain).mean() / standard_error(controlled - plain))))
            gains.append(ratio)
            told = f"area's error {relative[0]:.2g} % → {relative[1]:.2g} %, replicas saved (± {error:.2g})"
            rows.append(Row(CHECK, f"{kind} {band.lower_cm:.0f}–{band.upper_cm:.0f}: {told}", ratio, "times"))
        if gains:
            rows.append(
                Row(CHECK, f"{kind}: replicas saved, geometric mean", np.exp(np.mean(np.log(gains))), "times")
            )
    if shifts:
        rows.append(Row(CHECK, "largest shift of an area over its own error", max(shifts), "", MOST_SIGMAS))
    return rows


def rows(paths: Sequence[Path] = (TRAJECTORY,)) -> list[Row]:
    """Of runs of one model together; none where there is no trajectory."""
    return compare(*densities_of(paths)) if all(path.is_file() for path in paths) else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("trajectories", type=Path, nargs="*", default=[TRAJECTORY])
    parser.add_argument("--nowhere", action="store_true", help="print the rows, keep none in data/")
    a = parser.parse_args()
    try:
        found = rows(a.trajectories)
    except InputError as error:
        raise SystemExit(str(error)) from None
    if a.nowhere or not found:
        print(markdown(found) if found else "no trajectory there")
    else:
        save(NAME, found)


if __name__ == "__main__":
    main()
