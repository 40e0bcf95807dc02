"""Absolute infrared absorption of one replica from its dipole moment."""

from collections.abc import Iterable

from painn_spectra.spectra.correlation import Array, Estimator
from painn_spectra.units import IR_PREFACTOR_K

INFRARED_UNIT = "km/mol per cm-1"


def infrared_density(
    dipole: Array | Iterable[Array], temperature_K: float, estimator: Estimator, n_samples: int | None = None
) -> Array:
    """A(ν̃) = 2N_A/(12 ε0 c k_B T) ∫⟨μ̇(0)·μ̇(t)⟩ e^{−2πicν̃t} dt for ν̃ > 0; a band's integral is in km/mol.

    The classical correlation with the harmonic quantum correction in it: for a harmonic mode the integral is
    N_A/(12 ε0 c²)(∂μ/∂Q)² at any temperature. The vector is correlated, not its length.

    | symbol            | variable      | unit                     |
    | μ                 | dipole        | e·Å, (n_samples, 3), or chunks of n_samples |
    | T                 | temperature_K | K                        |
    | 2N_A/(12 ε0 c k_B) | IR_PREFACTOR_K | K km/mol per cm⁻¹ / (e²Å²/fs) |

    Thomas et al., doi:10.1039/C3CP44302G; Ramírez et al., doi:10.1063/1.1774986.
    """
    power = estimator.power_density(dipole, n_samples=n_samples)  # (n_wavenumbers,) | e²Å²/fs
    return IR_PREFACTOR_K / temperature_K * power  # (n_wavenumbers,) | km/mol per cm⁻¹
