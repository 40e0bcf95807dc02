"""Anharmonic force field in dimensionless normal coordinates, by differences of Hessians and slopes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from painn_spectra.derivatives import Derivatives
from painn_spectra.normal_modes import centred, is_linear, normal_modes
from painn_spectra.units import AMU_A2_FS2_IN_EV, EV_CM, HBAR_EV_FS, LIGHT_CM_FS

Array = NDArray[np.float64]
Derive = Callable[[Array], tuple[Derivatives, Array]]
# geometry (n_atoms, 3) | Å -> its derivatives, and its forces (n_atoms, 3) | eV/Å

# of a dimensionless coordinate, beyond the zero-point √½: a learnt surface has conical points, where
# a norm inside the network vanishes, that small steps would take for curvature (docs/quantum.md). A Morse O–H
# has 2 % of its quartic constant left as error.
STEP = 1.0
HBAR_AMU = HBAR_EV_FS / AMU_A2_FS2_IN_EV  # amu Å²/fs


@dataclass(frozen=True)
class ForceField:
    """V = ½ Σ ω q² + (1/6) Σ φ_ijk q_i q_j q_k + (1/24) Σ φ_ijkl q_i q_j q_k q_l, Q_i = q_i √(ħ/ω_i)."""

    wavenumbers_cm: Array  # (n,) | ω
    cubic: Array  # (n, n, n) | cm⁻¹, φ_ijk
    quartic: Array  # (n, n, n) | cm⁻¹, φ_iijk from moving i
    coriolis: Array  # (3, n, n), ζ about the principal axes
    rotational_cm: Array  # (3,) | B of the same axes, 0 for the axis of a linear molecule
    dipole: tuple[Array, Array]  # ∂μ/∂q (n, 3) and ∂²μ/∂q∂q (n, n, 3) | e·Å
    polarizability: tuple[Array, Array]  # (n, 9) and (n, n, 9) | Å³

    def without(self, left_out: NDArray[np.bool_]) -> "ForceField":
        """The same without some modes (n,), which then stay at rest."""
        kept = np.flatnonzero(~left_out)
        pairs = np.ix_(kept, kept)
        return ForceField(
            self.wavenumbers_cm[kept], self.cubic[np.ix_(kept, kept, kept)],
            self.quartic[np.ix_(kept, kept, kept)],
            self.coriolis[:, kept][:, :, kept], self.rotational_cm,
            (self.dipole[0][kept], self.dipole[1][pairs]),
            (self.polarizability[0][kept], self.polarizability[1][pairs]),
        )  # fmt: skip


def force_field(
    derive: Derive, positions: Array, masses_amu: Array, step: float = STEP
) -> tuple[ForceField, Array]:
    """Constants at a minimum (n_atoms, 3) | Å, and its modes (n, n_atoms, 3); 2n + 1 sets of derivatives.

    φ_ijk = [H_jk(+q_i) − H_jk(−q_i)]/2δ, averaged over its three ways; φ_iijk = [H_jk(+q_i) + H_jk(−q_i) −
    2H_jk]/δ², H_jk from `at_minimum`; second derivatives of μ and α from their slopes like φ_ijk. δ -> step.
    """
    here, _ = derive(positions)
    wavenumbers_cm, modes = normal_modes(here.hessian, positions, masses_amu)
    if (wavenumbers_cm <= 0).any():
        raise ValueError("not a minimum")
    n = len(modes)
    omega = 2 * np.pi * LIGHT_CM_FS * wavenumbers_cm  # rad/fs
    moves = modes * np.sqrt(HBAR_AMU / omega)[:, None, None] / np.sqrt(masses_amu)[:, None]  # Å, ∂r/∂q

    def in_modes(found: Derivatives, forces: Array) -> tuple[Array, Array, Array, Array]:
        flat = moves.reshape(n, -1)
        slope = -EV_CM * flat @ forces.ravel()
        alpha = np.einsum("xyiz,kiz->kxy", found.polarizability, moves).reshape(n, 9)
        dipole = np.einsum("xiy,kiy->kx", found.dipole, moves)
        return EV_CM * flat @ found.hessian @ flat.T, dipole, alpha, slope

    centre = in_modes(here, np.zeros_like(positions))
    up, down = ([in_modes(*derive(positions + sign * step * move)) for move in moves] for sign in (1, -1))
    cubic = np.array([(u[0] - d[0]) / (2 * step) for u, d in zip(up, down, strict=True)])
    curvatures = np.array([(u[0] + d[0]) / 2 for u, d in zip(up, down, strict=True)])  # (n, n, n)
    slopes = np.array([(u[3] - d[3]) / (2 * step) for u, d in zip(up, down, strict=True)])  # (n, n)
    quartic = 2 * (curvatures - at_minimum(centre[0], curvatures, slopes)) / step**2
    second = [np.array([(u[k] - d[k]) / (2 * step) for u, d in zip(up, down, strict=True)]) for k in (1, 2)]
    coriolis, rotational_cm = rotation(modes, positions, masses_amu)
    field = ForceField(
        wavenumbers_cm,
        (cubic + cubic.transpose(1, 0, 2) + cubic.transpose(2, 1, 0)) / 3,  # H_jk is symmetric already
        quartic,
        coriolis,
        rotational_cm,
        (centre[1], (second[0] + second[0].transpose(1, 0, 2)) / 2),
        (centre[2], (second[1] + second[1].transpose(1, 0, 2)) / 2),
    )
    return field, modes


def at_minimum(curvature: Array, displaced: Array, slopes: Array) -> Array:
    """H_jj as found there, H_jk from ±q_j and ±q_k: (3G_jk − S^j_jk)/2, mean of both; (n, n) | cm⁻¹.

    curvature: H at the minimum; displaced: S^i_jk = [H_jk(+q_i) + H_jk(−q_i)]/2 (n, n, n); slopes: G_jk =
    [∂_kV(+q_j) − ∂_kV(−q_j)]/2δ (n, n). Exact to fifth order. A learnt surface has smoother slopes than
    curvatures, and an error of H_jk would add up over all φ_iijk in ⟨j|H|k⟩; `settled` is for H_jj's.
    """
    own = np.einsum("jjk->jk", displaced)
    found = (3 * slopes - own) / 2
    found = (found + found.T) / 2
    np.fill_diagonal(found, np.diag(curvature))
    return found


def rotation(modes: Array, positions: Array, masses_amu: Array) -> tuple[Array, Array]:
    """ζ^a_jk = Σ_i (L_ji × L_ki)_a (3, n, n) and B_a = ħ²/2I_a (3,) | cm⁻¹ in principal axes.

    No energy belongs to turning about the axis of a linear molecule: bends carry that angular momentum.
    Wilson, Decius, Cross 1955, Molecular Vibrations, chapter 11.
    """
    r = centred(positions, masses_amu)
    outer = np.einsum("i,ix,iy->xy", masses_amu, r, r)
    moments, axes = np.linalg.eigh(np.trace(outer) * np.eye(3) - outer)  # amu Å²
    turned = modes @ axes
    zeta = np.cross(turned[:, None], turned[None, :]).sum(2)  # (n, n, 3)
    if is_linear(positions, masses_amu):
        moments[0] = np.inf
    return np.moveaxis(zeta, 2, 0), EV_CM * HBAR_EV_FS * HBAR_AMU / (2 * moments)
