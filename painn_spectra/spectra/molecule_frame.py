"""The molecule-fixed frame: dipole, polarizability and velocities without the rotation of the whole."""

from collections.abc import Iterator

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.normal_modes import centred, eckart_frame, is_linear
from painn_spectra.spectra.bands import band_centroid
from painn_spectra.spectra.intervals import Estimate
from painn_spectra.spectra.series import Array, Series

CORE_FRACTION = 0.05  # of a band's maximum


def has_motion(series: Series) -> bool:
    """Whether positions and masses tell vibration from rotation; a linear molecule has no frame."""
    return keys.SPARSE_POSITIONS in series and series.masses_amu is not None and not _linear(series)


def check_frame(series: Series) -> None:
    """Raise InputError where `spectra.rotation: removed` cannot be."""
    if keys.SPARSE_POSITIONS not in series or series.masses_amu is None:
        absent = "positions at every sample" if keys.SPARSE_POSITIONS not in series else "masses"
        raise InputError(
            f"{series.path}: spectra.rotation = removed needs {absent}; record them (md.record_motion, or "
            "arrays 'positions' and 'masses_amu') or keep the rotation"
        )
    if _linear(series):
        raise InputError(
            f"{series.path}: spectra.rotation = removed: a linear molecule has no Eckart frame; "
            "keep the rotation, or remove it in the dynamics (md.rotation)"
        )


def turned(series: Series, name: str, replica: int) -> Iterator[Array]:
    """Chunks of `dipole` or `polarizability` in the Eckart frame, R μ and R α Rᵀ; R from the positions."""
    reference, masses = reference_of(series, replica), series.masses_amu
    assert masses is not None
    for positions, values in series.together((keys.SPARSE_POSITIONS, name), replica):
        rotation = eckart_frame(positions, reference, masses)  # (n, 3, 3)
        if name == keys.DIPOLE:
            yield np.einsum("nxy,ny->nx", rotation, values)
        else:
            yield rotation @ values @ rotation.transpose(0, 2, 1)


def reference_of(series: Series, replica: int) -> Array:
    """Geometry that defines a replica's frame: its conformer, or else its first sample. (n_atoms, 3) | Å"""
    if series.references is not None:
        return series.references[replica]
    _, read = series.quantities[keys.SPARSE_POSITIONS]
    return np.asarray(read(replica, 0, 1)[0], dtype=float)


def internal_motion(
    positions: Array, velocities: Array, reference: Array, masses_amu: Array, timestep_fs: float
) -> tuple[Array, Array]:
    """R r and d(R r)/dt = R v + Ω × R r in the Eckart frame of `reference`, (n, n_atoms, 3) | Å, Å/fs.

    Ω makes it fulfil the frame's condition, Σ m r⁰ × d(R r)/dt = 0; r is moved to the half step of v first.

    | r, v | positions, velocities | Å at the step, Å/fs half a step Δt later; (n, n_atoms, 3) |
    | r⁰, m | reference, masses_amu | (n_atoms, 3), Å; (n_atoms,), amu |

    Eckart 1935, doi:10.1103/PhysRev.47.552.
    """
    midway = centred(positions + 0.5 * timestep_fs * velocities, masses_amu)
    rotation = eckart_frame(midway, reference, masses_amu)
    r = np.einsum("nxy,niy->nix", rotation, midway)
    v = np.einsum("nxy,niy->nix", rotation, centred(velocities, masses_amu))
    r0 = centred(reference, masses_amu)
    wrong = np.cross(r0, masses_amu[:, None] * v).sum(axis=1)  # (n, 3) | amu Å²/fs
    # Σ m r⁰ × (Ω × r) = Σ m [(r⁰·r) 1 − r r⁰ᵀ] Ω
    outer = np.einsum("i,nix,iy->nxy", masses_amu, r, r0)
    tensor = np.trace(outer, axis1=1, axis2=2)[:, None, None] * np.eye(3) - outer
    spin = np.linalg.solve(tensor, -wrong[..., None])[..., 0]  # (n, 3) | 1/fs
    return r, v + np.cross(spin[:, None], r)


def band_origin(wavenumber_cm: Array, densities: Array, lower_cm: float, upper_cm: float) -> Estimate:
    """Centroid of a band in the Eckart frame, cm⁻¹.

    Of what rises above a twentieth of the maximum: a finite run's wings would pull it to the farther border.
    densities: (n_replicas, n_wavenumbers).
    """
    inside = (wavenumber_cm >= lower_cm) & (wavenumber_cm <= upper_cm)
    mean = np.where(inside, densities.mean(axis=0), 0.0)
    band = np.where(mean > CORE_FRACTION * mean.max(), densities, 0.0)
    return band_centroid(wavenumber_cm, band, lower_cm, upper_cm)


def _linear(series: Series) -> bool:
    assert series.masses_amu is not None
    return len(series.masses_amu) < 3 or is_linear(reference_of(series, 0), series.masses_amu)
