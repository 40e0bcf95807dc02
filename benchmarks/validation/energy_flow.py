"""How long ethanol's modes keep their energy: why replicas count for more than their length.

    python -m benchmarks.validation.energy_flow

Half-step velocities in the Eckart frame of the conformer that a replica starts in, projected on its normal
modes; twice the kinetic energy, averaged over a moving 100 fs, is a mode's energy. Autocorrelation of its
deviation from k_BT, in groups of modes. Internal rotation away from the conformer mixes the slow ones.
"""

import json

import h5py
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import uniform_filter1d

from benchmarks.validation.quadratic import harmonic
from benchmarks.validation.runs import ROOT, trajectories
from benchmarks.validation.table import Row, save
from benchmarks.validation.xtb_potential import TightBinding
from painn_spectra import keys, plotting
from painn_spectra.spectra.power import velocity_chunks
from painn_spectra.spectra.series import Series
from painn_spectra.spectra.trajectory_file import open_trajectory
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K

SMOOTHING_FS, LONGEST_FS = 100.0, 2500.0
GROUPS = {  # cm⁻¹
    "torsions, skeletal bend": (0, 600),
    "C–C, C–O, rocking": (600, 1180),
    "C–H and O–H bends": (1180, 1700),
    "C–H stretches": (2500, 3250),
    "O–H stretch": (3250, 4000),
}
TOLD_PS = (0.5, 1.0, 2.5)
FIGURES = ROOT / "docs" / "figures"


def mode_energies(series: Series, replica: int, modes: np.ndarray) -> np.ndarray:
    """E_k/k_BT over time, (n_samples, n_modes). modes: (n_modes, n_atoms, 3), orthonormal."""
    velocities = np.concatenate(list(velocity_chunks(series, replica, internal=True)))
    assert series.masses_amu is not None
    to_q = (modes * np.sqrt(series.masses_amu)[:, None]).reshape(len(modes), -1)
    speed = velocities @ to_q.T  # (n_samples, n_modes) | √amu Å/fs
    twice_kinetic = speed**2 * AMU_A2_FS2_IN_EV / (BOLTZMANN_EV_K * series.temperature_K)
    width = round(SMOOTHING_FS / series.sample_interval_fs)
    return uniform_filter1d(twice_kinetic, width, axis=0, mode="nearest")


def collect() -> tuple[np.ndarray, np.ndarray, float]:
    """Wavenumbers (n_modes,), energies (n_replicas, n_samples, n_modes) | k_BT, interval in fs."""
    potential, known = TightBinding(), {}
    energies, wavenumbers = [], np.empty(0)
    for file in trajectories("reference"):
        with open_trajectory(file) as series, h5py.File(file) as attributes:
            if keys.HALF_STEP_VELOCITIES not in series:
                continue
            starts = json.loads(attributes.attrs["starts"])
            for replica, conformer in enumerate(starts["replicas"]):
                geometry = starts["conformers"][conformer]["positions"]
                name = json.dumps(np.round(geometry, 2).tolist())
                if name not in known:
                    known[name] = harmonic(potential, np.array(geometry)).sticks
                wavenumbers = known[name].wavenumber_cm
                energies.append(mode_energies(series, replica, known[name].modes))
            interval_fs = series.sample_interval_fs
    return wavenumbers, np.array(energies), interval_fs if energies else 0.0


def correlation(energies: np.ndarray, n_lags: int) -> np.ndarray:
    """⟨δE(0)δE(t)⟩/⟨δE²⟩, δE from k_BT, over replicas, origins and modes. (n_replicas, n_samples, n_modes)"""
    deviation = energies - 1
    n = deviation.shape[1]
    products = [np.mean(deviation[:, : n - lag] * deviation[:, lag:]) for lag in range(n_lags)]
    return np.array(products) / products[0]


def rows() -> list[Row]:
    """What is left of a deviation after some time, by group, and the figure."""
    wavenumbers, energies, interval_fs = collect()
    if not len(energies):
        return []
    stride = round(20 / interval_fs)  # smoother than that anyway
    energies, interval_fs = energies[:, ::stride], interval_fs * stride
    n_lags = min(round(LONGEST_FS / interval_fs), energies.shape[1] // 2) + 1
    times_ps = np.arange(n_lags) * interval_fs / 1e3
    result = []
    with plotting.style():
        figure, axis = plt.subplots(figsize=(0.6 * plotting.WIDTH_IN, 2.7), layout="constrained")
        colours = (plotting.BLUE, plotting.ORANGE, plotting.GREEN, plotting.VERMILION, plotting.BLACK)
        for (name, (lower, upper)), colour in zip(GROUPS.items(), colours, strict=True):
            inside = (wavenumbers >= lower) & (wavenumbers < upper)
            curve = correlation(energies[:, :, inside], n_lags)
            axis.plot(times_ps, curve, color=colour, label=name)
            result += [
                Row(
                    "energy flow, ethanol",
                    f"{name}: left after {t:g} ps",
                    float(np.interp(t, times_ps, curve)),
                )
                for t in TOLD_PS
            ]
        axis.axhline(0, color="0.6", linewidth=0.6)
        axis.set(xlabel="time (ps)", ylabel="⟨δE(0) δE(t)⟩ / ⟨δE²⟩", xlim=(0, times_ps[-1]))
        axis.legend(fontsize=7)
        plotting.save(figure, FIGURES / "energy_flow.svg", FIGURES / "energy_flow.png")
    return result


if __name__ == "__main__":
    save("energy_flow", rows())
