"""A trajectory.h5 of one vibration whose spectra are known."""

import h5py
import numpy as np

from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K, LIGHT_CM_FS

OUTPUTS = ("ir.csv", "raman.csv", "bands.csv", "replicas.npz")
N_SAMPLES, LINE_CM = 2500, 1500.0
DIPOLE_DERIVATIVE = 0.1  # e/√amu
POLARIZABILITY_DERIVATIVE = (1.0, 2.0, -1.0)  # Å²/√amu, diagonal
ATTRIBUTES = {
    "format_version": 1,
    "molecule": "toy",
    "dynamics": "classical",
    "temperature_K": 300.0,
    "integrator_timestep_fs": 0.5,
    "sample_interval_fs": 1.0,
}


def write_trajectory(path):
    """Three replicas of one mode with energies 0.5, 1 and 1.5 kT, as velocity Verlet of 0.5 fs shows it."""
    kT = BOLTZMANN_EV_K * 300.0 / AMU_A2_FS2_IN_EV
    omega = 2 * np.pi * LIGHT_CM_FS * LINE_CM
    observed = 2 / 0.5 * np.arcsin(omega * 0.5 / 2)
    scale = np.sqrt([0.5, 1.0, 1.5])[:, None]
    q = scale * np.sqrt(2 * kT) / omega * np.cos(observed * np.arange(N_SAMPLES))  # (3, n_samples) | √amu Å
    alpha = 5 * np.eye(3) + q[..., None, None] * np.diag(POLARIZABILITY_DERIVATIVE)
    with h5py.File(path, "w") as file:
        file["dipole"] = (q[..., None] * [0.0, DIPOLE_DERIVATIVE, 0.0]).astype(np.float32)
        file["polarizability"] = alpha.astype(np.float32)
        file.attrs.update(ATTRIBUTES)
    return path
