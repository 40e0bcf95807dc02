"""Normal modes of a molecule and the Eckart frame: vibration told apart from translation and rotation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra.units import ACCELERATION_A_FS2, LIGHT_CM_FS

Array = NDArray[np.floating[Any]]

# smallest over largest moment of inertia below which a relaxed molecule counts as linear: one that is relaxes
# to about 1e-8, a chain of eight carbon atoms whose OH group alone is bent still has 6e-4
LINEAR_MOMENT_RATIO = 1e-5


def centred(positions: Array, masses_amu: Array) -> Array:
    """Positions (..., n_atoms, 3) | Å from their centre of mass."""
    weights = masses_amu / masses_amu.sum()
    return positions - np.einsum("i,...ix->...x", weights, positions)[..., None, :]


def moments_of_inertia(positions: Array, masses_amu: Array) -> Array:
    """Principal moments about the centre of mass, (..., 3) | amu Å² ascending."""
    r = centred(positions, masses_amu)
    outer = np.einsum("i,...ix,...iy->...xy", masses_amu, r, r)
    trace = np.trace(outer, axis1=-2, axis2=-1)[..., None, None]
    return np.linalg.eigvalsh(trace * np.eye(3) - outer)


def is_linear(positions: Array, masses_amu: Array) -> bool:
    """Whether a geometry (n_atoms, 3) | Å has no moment of inertia about one axis."""
    moments = moments_of_inertia(positions, masses_amu)
    return bool(moments[0] < LINEAR_MOMENT_RATIO * moments[2])


def normal_modes(hessian: Array, positions: Array, masses_amu: Array) -> tuple[Array, Array]:
    """Harmonic wavenumbers (n_modes,) | cm⁻¹ and modes (n_modes, n_atoms, 3); 3N−6 of them, 3N−5 if linear.

    M^{−1/2} H M^{−1/2} L_k = λ_k L_k in the space without translations and rotations, ν̃_k = √λ_k/(2πc);
    q_k = Σ_i √m_i L_ki·Δr_i, Δr_i = Σ_k L_ki q_k/√m_i.

    | H | hessian | (3 n_atoms, 3 n_atoms), eV/Å² |
    | r, m | positions, masses_amu | (n_atoms, 3), Å, (n_atoms,), amu |
    | ν̃ | wavenumbers | cm⁻¹ ascending, negative where imaginary |
    | L | modes | orthonormal, largest component positive; q in Å·amu^½ |

    Wilson, Decius, Cross 1955, Molecular Vibrations, chapter 2.
    """
    n_atoms = len(masses_amu)
    root = np.sqrt(masses_amu)[:, None]  # (n_atoms, 1) | amu^½
    r = centred(positions, masses_amu)
    rigid = [root * np.eye(3)[k] for k in range(3)] + [root * np.cross(np.eye(3)[k], r) for k in range(3)]
    # singular values fall, so that a linear molecule's missing rotation is the sixth column
    basis, _, _ = np.linalg.svd(np.reshape(rigid, (6, -1)).T)
    internal = basis[:, 5 if is_linear(positions, masses_amu) else 6 :]  # (3 n_atoms, n_modes)
    scale = np.repeat(root, 3)
    weighted = internal.T @ (hessian / np.outer(scale, scale)) @ internal  # eV/(amu Å²)
    values, vectors = np.linalg.eigh(weighted)
    wavenumbers = np.sign(values) * np.sqrt(np.abs(values) * ACCELERATION_A_FS2) / (2 * np.pi * LIGHT_CM_FS)
    modes = (internal @ vectors).T  # (n_modes, 3 n_atoms)
    if len(modes):
        largest = np.take_along_axis(modes, np.abs(modes).argmax(1)[:, None], axis=1)
        modes = modes * np.sign(largest)
    return wavenumbers, modes.reshape(-1, n_atoms, 3)


def eckart_frame(positions: Array, reference: Array, masses_amu: Array) -> Array:
    """Rotations (n, 3, 3) into the Eckart frame of `reference`: R_k (r_ki − r_k,centre) is without rotation.

    R = argmin Σ_i m_i |R r_i − r⁰_i|², which fulfils Σ_i m_i r⁰_i × (R r_i) = 0; by singular values,
    Σ_i m_i r⁰_i r_iᵀ = U S Vᵀ, R = U diag(1, 1, det UVᵀ) Vᵀ.

    | r | positions | (n, n_atoms, 3), Å, any origin |
    | r⁰, m | reference, masses_amu | (n_atoms, 3), Å, (n_atoms,), amu |

    Eckart 1935, doi:10.1103/PhysRev.47.552; Kudin, Dymarsky 2005, doi:10.1063/1.1929739.
    """
    r, r0 = centred(positions, masses_amu), centred(reference, masses_amu)
    u, _, vt = np.linalg.svd(np.einsum("i,ix,kiy->kxy", masses_amu, r0, r))
    handedness = np.sign(np.linalg.det(u @ vt))
    return np.concatenate([u[:, :, :2], u[:, :, 2:] * handedness[:, None, None]], axis=2) @ vt
