"""A dipole and a polarizability series whose bands are known exactly, and where the bands of ethanol lie."""

import numpy as np

from painn_spectra.spectra.raman import stokes_cross_section
from painn_spectra.units import AMU_A2_FS2_IN_EV, AMU_E2_KM_MOL, BOLTZMANN_EV_K, LIGHT_CM_FS

TEMPERATURE_K, LASER_NM = 300.0, 532.0
GEOMETRIES = {"unpolarised": (45, 7), "parallel": (45, 4), "perpendicular": (0, 3)}
HALF_WIDTH_CM = 80.0  # around a known band
ETHANOL_BORDERS_CM = [200, 700, 960, 1180, 1330, 1560, 2500, 3200, 4000]


def known_bands(interval_fs: float = 1.0, n: int = 10000) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict]:
    """Wavenumbers, μ (n, 3) | e·Å, α (n, 3, 3) | Å³ of five modes of energy k_BT, and their exact areas."""
    period = LIGHT_CM_FS * n * interval_fs
    nu = np.round(np.array([300, 1000, 1500, 3000, 3700]) * period) / period  # whole periods: exact averages
    rng = np.random.default_rng(0)
    dmu = 0.2 * rng.standard_normal((5, 3))  # ∂μ/∂Q | e/√amu
    dalpha = rng.standard_normal((5, 3, 3))  # ∂α/∂Q | Å²/√amu
    dalpha += dalpha.transpose(0, 2, 1)
    kT = BOLTZMANN_EV_K * TEMPERATURE_K / AMU_A2_FS2_IN_EV  # amu Å²/fs²
    omega = 2 * np.pi * LIGHT_CM_FS * nu
    phase = omega * np.arange(n)[:, None] * interval_fs + np.arange(5)
    q = np.sqrt(2 * kT) / omega * np.cos(phase)  # (n, 5) | √amu Å
    beta2 = (np.trace(dalpha, axis1=1, axis2=2) / 3) ** 2
    gamma2 = 1.5 * ((dalpha**2).sum((1, 2)) - 3 * beta2)
    areas = {"IR": AMU_E2_KM_MOL * (dmu**2).sum(1)}
    for name, weights in GEOMETRIES.items():
        areas[f"Raman {name}"] = stokes_cross_section(
            nu, 45 * beta2, 7 * gamma2, TEMPERATURE_K, LASER_NM, *weights
        )
    return nu, q @ dmu, np.einsum("tk,kxy->txy", q, dalpha), areas
