"""The harmonic limit through the package's own dynamics and spectra: ethanol's sticks must come back.

    python -m benchmarks.validation.harmonic_limit [--model MODEL]

Dynamics in the quadratic potential of ethanol's minimum, every mode with the energy k_BT. Each band must have
its closed-form area at its place, and the whole curve must be the sticks convolved with the window.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy.linalg import hadamard

from benchmarks.validation.from_states import produce_from
from benchmarks.validation.quadratic import Harmonic, Quadratic, harmonic
from benchmarks.validation.table import Row, save
from benchmarks.validation.xtb_potential import TightBinding
from painn_spectra import keys
from painn_spectra.md.block import lengths
from painn_spectra.md.segments import production_segments, read_samples
from painn_spectra.model.checkpoint import load_model
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.spectra.bands import band_centroid, band_integral
from painn_spectra.spectra.correlation import Estimator, lag_window
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.raman import raman_density
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K, LIGHT_CM_FS

TEMPERATURE_K, FWHM_CM, REACH_CM = 300.0, 10.0, 60.0
SETTINGS = DynamicsSettings(production_ps=8.0, record_motion=False, device="cpu")
N_TOGETHER = 32  # a power of 2 above the number of modes


def starts(found: Harmonic, settings: DynamicsSettings) -> tuple[np.ndarray, np.ndarray, int]:
    """q and q̇ (n_replicas, n_modes): each mode alone, then all together; and how many are alone.

    E = k_BT each: q = A cos φ, A = √(2k_BT)/ω. The velocity carries √(1 − ω²Δt²/4), so that the discrete
    oscillation of velocity Verlet has the amplitude A. Together, the signs of the modes are orthogonal over
    the replicas: interference of bands that overlap cancels in the mean, and the curve's test is sharp.
    """
    omega, n = found.omega, len(found.omega)
    signs = np.concatenate([np.eye(n), hadamard(N_TOGETHER)[:, 1 : n + 1]])
    phase = np.random.default_rng(1).uniform(0, 2 * np.pi, n)
    amplitude = np.sqrt(2 * BOLTZMANN_EV_K * TEMPERATURE_K / AMU_A2_FS2_IN_EV) / omega  # √amu Å
    discrete = np.sqrt(1 - (omega * settings.timestep_fs / 2) ** 2)
    return signs * amplitude * np.cos(phase), -signs * amplitude * omega * discrete * np.sin(phase), n


def run(
    found: Harmonic, q: np.ndarray, speed: np.ndarray, settings: DynamicsSettings
) -> dict[str, np.ndarray]:
    """Samples {name: (n_replicas, n_samples, ...)} of dynamics from q, q̇ (n_replicas, n_modes)."""
    to_r = found.sticks.modes / np.sqrt(found.masses_amu)[:, None]  # (n_modes, n_atoms, 3) | amu^-½
    moved, velocities = (np.einsum("rk,kax->rax", x, to_r) for x in (q, speed))
    with tempfile.TemporaryDirectory() as name:
        produce_from(
            Path(name), Quadratic(found), found.numbers, found.masses_amu, found.minimum + moved, velocities,
            np.tile(found.minimum, (len(q), 1, 1)), settings, TEMPERATURE_K,
        )  # fmt: skip
        parts = [read_samples(path)[1] for path in production_segments(Path(name))]
    names = (keys.DIPOLE, keys.POLARIZABILITY)
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in names}


def line(estimator: Estimator, n_samples: int, offset_cm: np.ndarray) -> np.ndarray:
    """Shape of unit area that the estimator gives a line, at offset_cm from it: triangle times window."""
    n = n_samples - 2  # central differences
    window = lag_window(n, estimator.sample_interval_fs, estimator.fwhm_cm)
    lags = np.arange(len(window))
    weights = window * (1 - lags / n) * np.where(lags == 0, 1.0, 2.0)
    dt = estimator.sample_interval_fs * LIGHT_CM_FS  # cm
    return np.cos(2 * np.pi * offset_cm[..., None] * lags * dt) @ weights * dt


def rows(model: Path | None = None) -> list[Row]:
    """Modes one by one, then the curve."""
    potential = load_model(model).double().eval() if model else TightBinding()
    found = harmonic(potential)
    wavenumbers = found.sticks.wavenumber_cm
    q, speed, n_alone = starts(found, SETTINGS)
    samples = run(found, q, speed, SETTINGS)
    interval_fs = lengths(SETTINGS).sample_interval_fs
    estimator = Estimator(interval_fs, SETTINGS.timestep_fs, FWHM_CM, 50.0, 4200.0)
    nu, sets = estimator.wavenumber_cm, {"IR": [], "Raman": []}
    for dipole, alpha in zip(samples[keys.DIPOLE], samples[keys.POLARIZABILITY], strict=True):
        sets["IR"].append(infrared_density(dipole, TEMPERATURE_K, estimator))
        sets["Raman"].append(np.add(*raman_density(alpha, TEMPERATURE_K, estimator)))
    shape = line(estimator, samples[keys.DIPOLE].shape[1], nu - wavenumbers[:, None])
    result = []
    for name, intensities in (("IR", found.sticks.infrared), ("Raman", found.sticks.activity)):
        densities = np.array(sets[name])
        alone, together = densities[:n_alone], densities[n_alone:].mean(axis=0)
        areas, places = [], []
        for centre, density in zip(wavenumbers, alone, strict=True):
            window = (max(nu[0], centre - REACH_CM), centre + REACH_CM)
            areas.append(band_integral(nu, density[None], *window)[0])
            places.append(band_centroid(nu, density[None], *window)[0])
        expected = intensities @ shape
        result += [
            Row("harmonic limit", f"{name}: largest error of {n_alone} areas",
                100 * float(np.abs(np.array(areas) / intensities - 1).max()), "%", 1),
            Row("harmonic limit", f"{name}: largest error of {n_alone} positions",
                float(np.abs(np.array(places) - wavenumbers).max()), "cm⁻¹", 0.5),
            Row("harmonic limit", f"{name}: largest deviation of the curve, of its maximum",
                100 * float(np.abs(together - expected).max() / expected.max()), "%", 1),
        ]  # fmt: skip
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a trained model; default: GFN2-xTB")
    save("harmonic_limit", rows(parser.parse_args().model))


if __name__ == "__main__":
    main()
