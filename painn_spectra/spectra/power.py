"""The power spectrum of the motion: how many modes vibrate at each wavenumber."""

from collections.abc import Iterator

import numpy as np

from painn_spectra import keys
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.molecule_frame import internal_motion, reference_of
from painn_spectra.spectra.series import Array, Series
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K, LIGHT_CM_FS

POWER_UNIT = "modes per cm-1"


def mode_density(
    velocities: Array | Iterator[Array],
    weights_amu: Array,
    temperature_K: float,
    estimator: Estimator,
    n_samples: int | None = None,
) -> Array:
    """P(ν̃) = (2c/k_B T) ∫ Σ_i m_i⟨v_i(0)·v_i(t)⟩ e^{−2πicν̃t} dt for ν̃ > 0; its integral counts the modes.

    3N − 3 with rotation, 3N − 6 without, for Σ m⟨v²⟩ = k_B T per degree of freedom holds at half steps.

    | symbol | variable    | unit                          |
    | v      | velocities  | Å/fs, (n_samples, n_comp), at half steps, or chunks of n_samples |
    | m      | weights_amu | amu, (n_comp,), or (n_sums, n_comp) for parts of the sum |
    | P      | result      | modes per cm⁻¹, (n_wavenumbers,) or (n_sums, n_wavenumbers) |

    Thomas et al., doi:10.1039/C3CP44302G.
    """
    kT = BOLTZMANN_EV_K * temperature_K / AMU_A2_FS2_IN_EV  # amu Å²/fs²
    return 2 * LIGHT_CM_FS / kT * estimator.velocity_density(velocities, weights_amu, n_samples)


def velocity_chunks(series: Series, replica: int, internal: bool) -> Iterator[Array]:
    """Half-step velocities (n, 3 n_atoms) | Å/fs of a replica, as they are or of the vibration alone."""
    if not internal:
        for velocities in series.chunks(keys.HALF_STEP_VELOCITIES, replica):
            yield velocities.reshape(len(velocities), -1)
        return
    reference, masses = reference_of(series, replica), series.masses_amu
    assert masses is not None
    for positions, velocities in series.together((keys.SPARSE_POSITIONS, keys.HALF_STEP_VELOCITIES), replica):
        _, inner = internal_motion(positions, velocities, reference, masses, series.integrator_timestep_fs)
        yield inner.reshape(len(inner), -1)


def atom_weights(masses_amu: Array) -> Array:
    """Weights of `mode_density` that give each atom's part: (n_atoms, 3 n_atoms) | amu."""
    return np.repeat(np.diag(masses_amu), 3, axis=1)
