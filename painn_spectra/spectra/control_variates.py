"""Smaller error bars from numbers of known mean: each mode's kinetic energy tells how bright a replica is."""

import numpy as np

from painn_spectra.spectra.intervals import Array

FEWEST_REPLICAS = 32  # from fewer, coefficients may add more noise to a weak band than they take away
RIDGE = 2.0  # replicas that it is worth, for a mode at the wavenumber itself
REACH_CM = 100.0  # modes farther off than this are held down more and more: they belong to other bands


def adjusted(densities: Array, excess: Array, mode_cm: Array, wavenumber_cm: Array) -> Array:
    """S'_r(ν̃) = S_r(ν̃) − Σ_k β_k^{(−r)}(ν̃) C_rk: the same mean over all thermal starts, less spread.

    β^{(−r)} is the ridge regression of S on C over all replicas but r,
    (Σ_s d_s d_sᵀ + Λ)⁻¹ Σ_s d_s S_s, d = C − C̄, Λ_k(ν̃) = λ (1 + (ν̃ − ν̃_k)²/w²)². As replica r takes no
    part in it and ⟨C_r⟩ = 0, ⟨S'_r⟩ = ⟨S_r⟩ whatever β is. Areas and moments are adjusted likewise.

    | symbol | variable | unit |
    | S | densities | (n_replicas, n_wavenumbers), [any] |
    | C | excess | (n_replicas, n_modes), 1, mean zero |
    | ν̃_k, ν̃ | mode_cm, wavenumber_cm | cm⁻¹ |
    | λ, w | RIDGE, REACH_CM | 1, cm⁻¹ |
    """
    n = len(densities)
    if n < FEWEST_REPLICAS or excess.shape[1] == 0:
        return densities
    deviation = excess - excess.mean(0)  # (n_replicas, n_modes)
    product = deviation.T @ deviation
    weight = n / (n - 1)  # of one replica's part in sums about the mean of the others
    result = np.empty_like(densities, dtype=float)
    for j, nu in enumerate(wavenumber_cm):
        penalty = RIDGE * (1 + ((nu - mode_cm) / REACH_CM) ** 2) ** 2
        inverse = np.linalg.inv(product + np.diag(penalty))
        density = densities[:, j] - densities[:, j].mean()
        moment = deviation.T @ density  # (n_modes,)
        # without replica r (Sherman–Morrison): A_r = A − w d dᵀ, b_r = b − w d S
        solved = deviation @ inverse  # (n_replicas, n_modes), A⁻¹ d_r
        leverage = weight * (solved * deviation).sum(1)
        along = solved @ moment - leverage * density  # d_rᵀ A⁻¹ b_r
        left_out = (excess @ inverse) @ moment - weight * (solved * excess).sum(1) * density  # C_rᵀ A⁻¹ b_r
        gain = weight * (solved * excess).sum(1) / (1 - leverage)
        result[:, j] = densities[:, j] - (left_out + gain * along)
    return result
