"""Levels by second-order perturbation theory, resonances taken out and put in by a matrix (GVPT2)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra.vpt2.force_field import ForceField

Array = NDArray[np.float64]
State = tuple[
    int, ...
]  # modes of the quanta: (3,) is a fundamental, (3, 3) its overtone, (3, 5) a combination

NEAR_CM = 200.0  # states further apart are no resonance
MARTIN_CM = 1.0  # deviation of perturbation theory from the 2 × 2 matrix that makes a resonance


@dataclass(frozen=True)
class Levels:
    """Transitions from the ground state to all states of one and two quanta, ascending."""

    states: list[State]  # that each level has most of
    wavenumber_cm: Array  # (n_states,)
    deperturbed_cm: Array  # (n_states,), before resonances are put in
    vectors: Array  # (n_states, n_states): column of each level, rows in the order of `basis`
    basis: list[State]
    resonances: list[tuple[State, int]]  # two quanta and the fundamental beside them


def find_resonances(field: ForceField) -> list[tuple[State, int]]:
    """Fermi resonances 2ω_i ≈ ω_k and ω_i + ω_j ≈ ω_k by Martin's test.

    φ_iik⁴/(256 |Δ|³) > 1 cm⁻¹ or φ_ijk⁴/(64 |Δ|³) > 1 cm⁻¹: what second order differs by from the matrix.
    Martin, Lee, Taylor, François 1995, doi:10.1063/1.469992.
    """
    omega, n = field.wavenumbers_cm, len(field.wavenumbers_cm)
    found: list[tuple[State, int]] = []
    for i in range(n):
        for j in range(i, n):
            for k in range(n):
                if k in (i, j):
                    continue
                apart = max(abs(omega[i] + omega[j] - omega[k]), 1e-9)
                strength = field.cubic[i, j, k] ** 4 / (256 if i == j else 64) / apart**3
                if apart < NEAR_CM and strength > MARTIN_CM:
                    found.append(((i, j), k))
    return found


def settled(quartic: Array) -> Array:
    """φ_iijj (n, n) from moving i, without what an error of the curvature H_jj at the minimum adds.

    Such an error e_j adds −2e_j/δ² to the whole column j, whereas φ_iijj = φ_jjii: the columns' shifts c_j
    with Σ c_j = 0 that leave least asymmetry are c_j = Σ_i (φ_ij − φ_ji)/n. On a smooth surface they vanish.
    """
    return quartic - (quartic - quartic.T).mean(0)


def anharmonic_constants(field: ForceField, resonances: list[tuple[State, int]]) -> Array:
    """x_ij (n, n) | cm⁻¹, terms of resonances left out. With f_ijk = 1/(ω_i + ω_j − ω_k), 0 for a resonance:

    x_ii = φ_iiii/16 − Σ_k φ_iik²/32 [4/ω_k + 1/(2ω_i + ω_k) − f_iik]
    x_ij = φ_iijj/4 − Σ_k φ_iik φ_jjk/4ω_k − Σ_k φ_ijk²/8 [1/(ω_i + ω_j + ω_k) − f_ijk + f_jki + f_ikj]
           + Σ_a B_a (ζ^a_ij)² (ω_i/ω_j + ω_j/ω_i)

    Mills 1972, in Molecular Spectroscopy: Modern Research; Barone 2005, doi:10.1063/1.1824881.
    """
    omega, cubic = field.wavenumbers_cm, field.cubic
    i, j, k = (omega.reshape(shape) for shape in ((-1, 1, 1), (1, -1, 1), (1, 1, -1)))
    gap = i + j - k
    f = 1 / np.where(np.abs(gap) > 1e-6, gap, np.inf)  # exact degeneracy: a resonance, or no coupling at all
    for (a, b), c in resonances:
        f[a, b, c] = f[b, a, c] = 0.0
    diagonal = np.einsum("iij->ij", cubic)  # φ_iij
    bracket = 1 / (i + j + k) - f + f.transpose(2, 0, 1) + f.transpose(0, 2, 1)
    quartic = settled(field.quartic)
    quartic = (quartic + quartic.T) / 2
    x = quartic / 4 - (diagonal / omega) @ diagonal.T / 4 - (cubic**2 * bracket).sum(2) / 8
    x += np.einsum("a,aij->ij", field.rotational_cm, field.coriolis**2) * (
        omega[:, None] / omega + omega / omega[:, None]
    )
    itself = 4 / omega + 1 / (2 * omega[:, None] + omega) - np.einsum("iik->ik", f)
    np.fill_diagonal(x, np.diag(quartic) / 16 - (diagonal**2 * itself).sum(1) / 32)
    return x


def energy(quanta: NDArray[Any], omega: Array, x: Array) -> float:
    """Above the ground state: Σ ω_i n_i + Σ_{i≤j} x_ij [(n_i + ½)(n_j + ½) − ¼], cm⁻¹."""
    half = quanta + 0.5
    both = np.triu(x) * (np.outer(half, half) - 0.25)
    return float(omega @ quanta + both.sum())


def levels(field: ForceField) -> Levels:
    """All fundamentals, first overtones and combinations of two.

    The matrix of a resonance holds φ_iik/4 or φ_ijk/2√2 beside deperturbed energies. Couplings of two quanta
    with each other (Darling–Dennison) are left to second order.
    """
    omega, n = field.wavenumbers_cm, len(field.wavenumbers_cm)
    resonances = find_resonances(field)
    x = anharmonic_constants(field, resonances)
    basis: list[State] = [(i,) for i in range(n)] + [(i, j) for i in range(n) for j in range(i, n)]
    deperturbed = np.array([energy(np.bincount(state, minlength=n), omega, x) for state in basis])
    matrix, row = np.diag(deperturbed), {state: r for r, state in enumerate(basis)}
    for (i, j), k in resonances:
        coupling = field.cubic[i, j, k] / (4 if i == j else np.sqrt(8))
        matrix[row[i, j], row[k,]] = matrix[row[k,], row[i, j]] = coupling
    wavenumber_cm, vectors = np.linalg.eigh(matrix)
    shares, states, free = vectors**2, [], set(range(len(basis)))
    for level in np.argsort(-shares.max(0)):  # the purest levels choose their name first
        best = max(free, key=lambda r: shares[r, level])
        free.remove(best)
        states.append((level, best))
    named = [basis[best] for _, best in sorted(states)]
    return Levels(
        named, wavenumber_cm, deperturbed[[row[state] for state in named]], vectors, basis, resonances
    )


def numerical_error(field: ForceField, state: State) -> float:
    """Half of what a level moves by when φ_iijj comes from moving j, not i, cm⁻¹; 0 on a smooth surface."""
    n = len(field.wavenumbers_cm)
    quartic = settled(field.quartic)
    odd = (quartic - quartic.T) / 8  # of x_ij
    quanta = np.bincount(state, minlength=n) + 0.5
    both = np.outer(quanta, quanta) - 0.25
    return float(np.sqrt((np.triu(odd * both, 1) ** 2).sum()))
