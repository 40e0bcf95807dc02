"""Raman activity of one replica from its polarizability, and the Stokes signal a spectrometer sees."""

from collections.abc import Iterable, Iterator

import numpy as np

from painn_spectra.spectra.correlation import Array, Estimator
from painn_spectra.units import (
    AMU_A2_FS2_IN_EV,
    BOLTZMANN_EV_K,
    LIGHT_CM_FS,
    RAMAN_CROSS_SECTION,
    SECOND_RADIATION_CM_K,
)

ACTIVITY_UNIT = "A^4/amu per cm-1"
CROSS_SECTION_UNIT = "m^2/sr per cm-1"
GEOMETRIES = {  # 90° scattering: name -> (X, Y) of the signal (Xβ'² + Yγ'²)/45
    "cross_section": (45.0, 7.0),  # linearly polarised light perpendicular to the plane, no analyser
    "parallel": (45.0, 4.0),  # the same behind an analyser along the light's polarisation
    "perpendicular": (0.0, 3.0),  # and across it
    "natural_light": (22.5, 6.5),  # no polariser, no analyser: (45β'² + 13γ'²)/90, mean of (45, 7), (0, 6)
}
FIRST_STOKES_CM = 100.0  # below, the cross-section of a freely rotating molecule diverges


def raman_density(
    polarizability: Array | Iterable[Array],
    temperature_K: float,
    estimator: Estimator,
    n_samples: int | None = None,
) -> tuple[Array, Array]:
    """S(ν̃) = 2c/(k_B T) ∫[45⟨ββ⟩ + 7⟨γγ⟩] e^{−2πicν̃t} dt for ν̃ > 0, the two parts apart.

    β = Tr α̇/3, ⟨γγ⟩ = (3/2)⟨Tr[a(0) a(t)]⟩, a = α̇ − β·1: each tensor component is correlated with itself
    (the scalar √γ² would oscillate at twice the frequency). The integral over a band is the Placzek
    activity 45β'² + 7γ'².

    | symbol | variable       | unit                    |
    | α      | polarizability | Å³, (n_samples, 3, 3), or chunks of n_samples |
    | T      | temperature_K  | K                       |
    | S      | (isotropic, anisotropic) | Å⁴/amu per cm⁻¹ |

    Thomas et al., doi:10.1039/C3CP44302G; Long, The Raman Effect, doi:10.1002/0470845767.
    """
    if isinstance(polarizability, np.ndarray):
        polarizability, n_samples = [polarizability], len(polarizability)
    kT = BOLTZMANN_EV_K * temperature_K / AMU_A2_FS2_IN_EV  # amu Å²/fs²
    invariants = estimator.power_density(_components(polarizability), COMPONENT_WEIGHTS, n_samples)
    isotropic, anisotropic = 2 * LIGHT_CM_FS / kT * invariants  # (n_wavenumbers,) each | Å⁴/amu per cm⁻¹
    return 45 * isotropic, 7 * anisotropic


# β, then xx−β, yy−β, zz−β, xy, yz, zx: which weigh in ββ, which in γγ
COMPONENT_WEIGHTS = np.array([[1.0, 0, 0, 0, 0, 0, 0], [0, 1.5, 1.5, 1.5, 3.0, 3.0, 3.0]])


def _components(chunks: Iterable[Array]) -> Iterator[Array]:
    """Trace/3 and the traceless part's six components, (n_samples, 3, 3) -> (n_samples, 7) | Å³."""
    for chunk in chunks:
        alpha = np.asarray(chunk, dtype=np.float64)
        alpha = (alpha + alpha.transpose(0, 2, 1)) / 2
        beta = np.trace(alpha, axis1=1, axis2=2)[:, None] / 3  # (n_samples, 1) | Å³
        diagonal = np.diagonal(alpha, axis1=1, axis2=2) - beta  # (n_samples, 3) | Å³, traceless
        mixed = alpha[:, [0, 1, 2], [1, 2, 0]]  # (n_samples, 3) | Å³, xy yz zx
        yield np.hstack([beta, diagonal, mixed])


def stokes_cross_section(
    wavenumber_cm: Array,
    isotropic: Array,
    anisotropic: Array,
    temperature_K: float,
    laser_nm: float,
    x_isotropic: float = 45.0,
    y_anisotropic: float = 7.0,
    photons: bool = False,
) -> Array:
    """d²σ/dΩdν̃ = K (ν̃0−ν̃)⁴/ν̃ · S_XY/(1 − e^{−hcν̃/k_BT}), S_XY = Xβ'² + Yγ'² per cm⁻¹.

    (X, Y): see GEOMETRIES. photons: a detector that counts them sees ν̃0(ν̃0−ν̃)³ instead, for a scattered
    photon carries the energy hc(ν̃0−ν̃) out of hcν̃0. NaN below 100 cm⁻¹.

    | symbol | variable            | unit            |
    | K      | RAMAN_CROSS_SECTION | m² sr⁻¹ cm³ amu/Å⁴ |
    | ν̃0     | 1e7/laser_nm        | cm⁻¹            |
    | 45β'², 7γ'² | isotropic, anisotropic | Å⁴/amu per cm⁻¹, (..., n_wavenumbers) |

    Long, The Raman Effect, doi:10.1002/0470845767.
    """
    activity = isotropic * (x_isotropic / 45) + anisotropic * (y_anisotropic / 7)
    nu = np.where(wavenumber_cm >= FIRST_STOKES_CM, wavenumber_cm, np.nan)
    bose = 1 / -np.expm1(-SECOND_RADIATION_CM_K * nu / temperature_K)
    laser_cm = 1e7 / laser_nm
    scattered = (laser_cm if photons else laser_cm - nu) * (laser_cm - nu) ** 3
    return RAMAN_CROSS_SECTION * scattered / nu * bose * activity


def depolarisation_ratio(isotropic_area: Array, anisotropic_area: Array) -> Array:
    """ρ_p = 3γ'²/(45β'² + 4γ'²) of band integrals 45β'² and 7γ'², between 0 and 3/4."""
    return 3 * anisotropic_area / (7 * isotropic_area + 4 * anisotropic_area)
