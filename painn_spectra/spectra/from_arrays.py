"""Spectra of arrays in memory: the same estimator, without files."""

from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra import keys
from painn_spectra.settings.base import validate
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra.analysis import Spectra, analyse
from painn_spectra.spectra.series import Array, Sampling, series_of_arrays

NAME = Path("arrays")  # in messages


def spectra_from_arrays(
    dipole: Array | None = None,
    polarizability: Array | None = None,
    *,
    sample_interval_fs: float,
    temperature_K: float,
    integrator_timestep_fs: float | None = None,
    positions: Array | None = None,
    half_step_velocities: Array | None = None,
    masses_amu: Array | None = None,
    numbers: Array | None = None,
    **settings: Any,
) -> Spectra:
    """Infrared and Raman densities of every replica, from equally long independent trajectories.

    | dipole, polarizability | (n_replicas, n_samples, 3) e·Å, (n_replicas, n_samples, 3, 3) Å³ |
    | positions, half_step_velocities | (n_replicas, n_samples, n_atoms, 3), Å and Å/fs |
    | integrator_timestep_fs | of velocity Verlet, whose shift is undone; None: stays |
    | settings | those of SpectraSettings: fwhm_cm, laser_nm, min_wavenumber_cm, … |

    The first axis may be absent: one replica, without error bars. `infrared_columns` and `raman_columns` give
    means with standard errors, `write_spectra` the files.
    Raises InputError for shapes that disagree, values that are not finite, runs too short for `fwhm_cm`.
    """
    given = {
        keys.DIPOLE: (dipole, 2), keys.POLARIZABILITY: (polarizability, 3),
        keys.SPARSE_POSITIONS: (positions, 3), keys.HALF_STEP_VELOCITIES: (half_step_velocities, 3),
    }  # fmt: skip
    arrays = {
        name: array[None] if array.ndim == one_replica else array
        for name, (values, one_replica) in given.items()
        if (array := None if values is None else np.asarray(values)) is not None
    }
    sampling = Sampling(sample_interval_fs, temperature_K, integrator_timestep_fs)
    masses, atoms = (None if values is None else np.asarray(values) for values in (masses_amu, numbers))
    series = series_of_arrays(NAME, sampling, arrays, masses, atoms)
    return analyse(series, validate(SpectraSettings, settings))
