"""How ethanol's spectra converge with the time step, the window and the amount of dynamics.

    python -m benchmarks.validation.convergence

Time step: each mode of the quadratic potential by itself through the package's dynamics, with and without the
correction of velocity Verlet's shift. Window and amount of dynamics: the runs of GFN2-xTB or of the model.
"""

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.validation.harmonic_limit import REACH_CM, TEMPERATURE_K, run, starts
from benchmarks.validation.quadratic import harmonic
from benchmarks.validation.runs import ROOT, ethanol_series
from benchmarks.validation.table import Row, save
from benchmarks.validation.xtb_potential import TightBinding
from painn_spectra import keys, plotting
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.spectra.bands import band_areas, band_centroid, bin_overlap, standard_error
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.infrared import infrared_density

TIMESTEPS_FS, FWHM_CM = (0.25, 0.5, 1.0), 25.0
WINDOWS_CM = (10.0, 25.0, 50.0)
N_REPLICAS, ENOUGH, LENGTHS = 96, 8, (0.25, 0.5, 1.0)  # parts of each replica
BANDS = [(960, 1180), (1180, 1330), (1330, 1560), (2700, 3300)]
CHECK = "convergence, ethanol"
FIGURES = ROOT / "docs" / "figures"


def time_step() -> list[Row]:
    """Shift of the O–H stretch and the largest of all modes for three time steps, corrected and not."""
    found, result = harmonic(TightBinding()), []
    modes = found.sticks.wavenumber_cm
    for timestep_fs in TIMESTEPS_FS:
        settings = DynamicsSettings(
            timestep_fs=timestep_fs, record_interval_steps=round(1 / timestep_fs), production_ps=4.0,
            record_motion=False, device="cpu",
        )  # fmt: skip
        q, speed, n_alone = starts(found, settings)
        dipoles = run(found, q[:n_alone], speed[:n_alone], settings)[keys.DIPOLE]
        for words, step in (("not corrected", 0.0), ("corrected", timestep_fs)):
            estimator = Estimator(1.0, step, FWHM_CM, 50.0, 4200.0)
            nu, shifts = estimator.wavenumber_cm, []
            for centre, dipole in zip(modes, dipoles, strict=True):
                density = infrared_density(dipole, TEMPERATURE_K, estimator)[None]
                window = (max(nu[0], centre - 2 * REACH_CM), centre + 2 * REACH_CM)
                shifts.append(band_centroid(nu, density, *window)[0] - centre)
            limit = 0.5 if step else None
            result.append(Row(CHECK, f"{timestep_fs:g} fs, {words}: O–H shift", shifts[-1], "cm⁻¹"))
            result.append(
                Row(CHECK, f"{timestep_fs:g} fs, {words}: largest of {len(modes)}",
                    float(np.abs(shifts).max()), "cm⁻¹", limit)
            )  # fmt: skip
    return result


def window(replicas: list[np.ndarray], interval_fs: float) -> list[Row]:
    """Areas between fixed borders at several resolutions against those at 25 cm⁻¹."""
    areas = {}
    for fwhm_cm in WINDOWS_CM:
        estimator = Estimator(interval_fs, 0.0, fwhm_cm, 100.0, 4000.0)
        mean = np.mean([infrared_density(x, TEMPERATURE_K, estimator) for x in replicas], axis=0)
        nu = estimator.wavenumber_cm
        areas[fwhm_cm] = np.array([mean @ bin_overlap(nu, *band) for band in BANDS])
    return [
        Row(CHECK, f"IR areas at {fwhm_cm:g} cm⁻¹ against 25 cm⁻¹: largest change",
            100 * float(np.abs(areas[fwhm_cm] / areas[25.0] - 1).max()), "%")
        for fwhm_cm in WINDOWS_CM if fwhm_cm != 25.0
    ]  # fmt: skip


def amount(replicas: list[np.ndarray], interval_fs: float) -> tuple[list[Row], dict[float, np.ndarray]]:
    """Relative spread of one replica's band area by its length in ps; n replicas reach this over √n."""
    spread = {}
    n = len(replicas[0])
    for part in LENGTHS:
        estimator = Estimator(interval_fs, 0.0, FWHM_CM, 100.0, 4000.0)
        densities = [infrared_density(x[: int(part * n)], TEMPERATURE_K, estimator) for x in replicas]
        nu = estimator.wavenumber_cm
        areas = np.array(
            [band_areas(nu, np.array(densities), *band) for band in BANDS]
        )  # (n_bands, n_replicas)
        spread[part * n * interval_fs / 1e3] = areas.std(axis=1, ddof=1) / areas.mean(axis=1)
    rows = [
        Row(CHECK, f"IR area {lower}–{upper}: spread of one replica of {length_ps:g} ps", 100 * value, "%")
        for length_ps, values in spread.items()
        for (lower, upper), value in zip(BANDS, values, strict=True)
    ]
    return rows, spread


def draw(replicas: list[np.ndarray], interval_fs: float, spread: dict[float, np.ndarray]) -> None:
    """The spectrum from ever more replicas; the error of band areas by number and length of replicas."""
    estimator = Estimator(interval_fs, 0.5, FWHM_CM, 100.0, 4000.0)
    densities = np.array([infrared_density(x, TEMPERATURE_K, estimator) for x in replicas])
    nu, most = estimator.wavenumber_cm, len(replicas)
    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(plotting.WIDTH_IN, 2.9), layout="constrained")
        numbers = [n for n in (4, 16, 64) if n < most] + [most]
        step = 0.6 * densities.mean(0).max()
        for k, n in enumerate(numbers):
            mean, error = densities[:n].mean(0), standard_error(densities[:n])
            left.fill_between(nu, k * step + mean - error, k * step + mean + error, color="0.8", linewidth=0)
            left.plot(nu, k * step + mean, color=plotting.BLUE, linewidth=0.9)
            left.text(2300, k * step + 0.12 * step, f"{n} replicas", ha="center", fontsize=8)
        left.set(xlabel="wavenumber (cm⁻¹)", ylabel="km mol⁻¹ per cm⁻¹, shifted", xlim=(4000, 100))
        counts = np.geomspace(4, 256, 20)
        colours = (plotting.BLUE, plotting.ORANGE, plotting.GREEN, plotting.VERMILION)
        lengths = (min(spread), max(spread))
        for length_ps, style in zip(lengths, (":", "-"), strict=True):
            for (lower, upper), value, colour in zip(BANDS, spread[length_ps], colours, strict=True):
                label = f"{lower}–{upper} cm⁻¹" if style == "-" else None
                right.loglog(counts, 100 * value / np.sqrt(counts), style, color=colour, label=label)
        right.set(
            xlabel="replicas", ylabel="standard error of the IR band area (%)", xlim=(4, 256),
            title=f"replicas of {lengths[0]:g} ps (dotted) and {lengths[1]:g} ps",
        )  # fmt: skip
        right.set_xticks([4, 16, 64, 256], ["4", "16", "64", "256"])
        right.set_yticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
        right.minorticks_off()
        right.legend(fontsize=7, loc="upper right")
        plotting.save(figure, FIGURES / "convergence.svg", FIGURES / "convergence.png")


def rows() -> list[Row]:
    """All of it, and the figure; none without enough dynamics."""
    series, interval_fs = ethanol_series(N_REPLICAS)
    if len(series) < ENOUGH:
        return []
    replicas = [dipole for dipole, _ in series]
    amounts, spread = amount(replicas, interval_fs)
    draw(replicas, interval_fs, spread)
    return [*time_step(), *window(replicas, interval_fs), *amounts]


if __name__ == "__main__":
    save("convergence", rows())
