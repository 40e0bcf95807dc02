"""Infrared spectrum of arrays: eight replicas of one vibration, whose area is known in closed form.

python examples/spectrum_from_arrays.py
"""

import numpy as np

from painn_spectra import infrared_columns, spectra_from_arrays
from painn_spectra.units import AMU_A2_FS2_IN_EV, AMU_E2_KM_MOL, BOLTZMANN_EV_K, LIGHT_CM_FS

LINE_CM, TEMPERATURE_K, INTERVAL_FS = 1500.0, 300.0, 1.0
CHARGE = 0.2  # e/√amu, dμ/dq


def main() -> tuple[float, float]:
    """Area found and expected, km/mol."""
    rng = np.random.default_rng(0)
    omega = 2 * np.pi * LIGHT_CM_FS * LINE_CM  # 1/fs
    width = np.sqrt(BOLTZMANN_EV_K * TEMPERATURE_K / AMU_A2_FS2_IN_EV) / omega  # Å √amu, thermal
    a, b = width * rng.standard_normal((2, 8, 1))
    phase = omega * INTERVAL_FS * np.arange(5000)
    dipole = np.zeros((8, 5000, 3))  # (n_replicas, n_samples, 3) | e·Å
    dipole[..., 2] = CHARGE * (a * np.cos(phase) + b * np.sin(phase))

    spectra = spectra_from_arrays(
        dipole, sample_interval_fs=INTERVAL_FS, temperature_K=TEMPERATURE_K, fwhm_cm=20
    )

    columns = infrared_columns(spectra)  # wavenumber, mean, standard error
    step = np.diff(columns["wavenumber_cm-1"])[0]
    found, error = (columns[name].sum() * step for name in ("ir_km_mol-1_per_cm-1", "standard_error"))
    expected = AMU_E2_KM_MOL * CHARGE**2
    print(f"area {found:.1f} ± {error:.1f} km/mol, expected {expected:.1f}")
    return found, expected


if __name__ == "__main__":
    main()
