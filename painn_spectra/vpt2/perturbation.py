"""Levels by second-order perturbation theory, resonances taken out and put in by a matrix (GVPT2)."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra.vpt2.couplings import Couplings, Fermi, State, settled
from painn_spectra.vpt2.force_field import ForceField

Array = NDArray[np.float64]

NEAR_CM = 200.0  # states further apart are no resonance
MARTIN_CM = 1.0  # deviation of perturbation theory from the 2 × 2 matrix that makes a Fermi resonance
SIGNIFICANT = 3.0  # standard errors that a coupling of second order needs: there are thousands


@dataclass(frozen=True)
class Levels:
    """Transitions from the ground state to all states of one and two quanta, ascending."""

    states: list[State]  # that each level has most of
    wavenumber_cm: Array  # (n_states,)
    deperturbed_cm: Array  # (n_states,), before resonances are put in
    vectors: Array  # (n_states, n_states): column of each level, rows in the order of `basis`
    basis: list[State]
    resonances: list[Fermi]
    darling_dennison: list[tuple[State, State]]  # that move each other by more than MARTIN_CM


def find_resonances(field: ForceField) -> list[Fermi]:
    """Fermi resonances 2ω_i ≈ ω_k and ω_i + ω_j ≈ ω_k by Martin's test, and what they bring along.

    φ_iik⁴/(256 |Δ|³) > 1 cm⁻¹ or φ_ijk⁴/(64 |Δ|³) > 1 cm⁻¹: what second order differs by from the matrix.
    Martin, Lee, Taylor, François 1995, doi:10.1063/1.469992. A weaker coupling V' that shares its fundamental
    or its two quanta with a resonance V joins where second order would make V V'/|Δ'| > 1 cm⁻¹ of both.
    """
    omega, n = field.wavenumbers_cm, len(field.wavenumbers_cm)
    near: dict[Fermi, tuple[float, float]] = {}  # V | cm⁻¹ and |Δ| | cm⁻¹
    for i in range(n):
        for j in range(i, n):
            for k in range(n):
                apart = max(abs(omega[i] + omega[j] - omega[k]), 1e-9)
                if k not in (i, j) and apart < NEAR_CM:
                    near[(i, j), k] = fermi_coupling(field, (i, j), k), apart
    found = [one for one, (v, apart) in near.items() if v**4 / apart**3 > MARTIN_CM]
    strongest: dict[State | int, float] = {}
    for pair, k in found:
        for shared in (pair, k):
            strongest[shared] = max(strongest.get(shared, 0.0), abs(near[pair, k][0]))
    for one, (v, apart) in near.items():
        beside = max(strongest.get(shared, 0.0) for shared in one)
        if one not in found and beside * abs(v) / apart > MARTIN_CM:
            found.append(one)
    return found


def fermi_coupling(field: ForceField, pair: State, k: int) -> float:
    """⟨two quanta|V₃|fundamental⟩ = φ_iik/4 or φ_ijk/2√2, cm⁻¹."""
    i, j = pair
    return float(field.cubic[i, j, k] / (4 if i == j else np.sqrt(8)))


def energy(quanta: NDArray[Any], omega: Array, x: Array) -> float:
    """Above the ground state: Σ ω_i n_i + Σ_{i≤j} x_ij [(n_i + ½)(n_j + ½) − ¼], cm⁻¹."""
    half = quanta + 0.5
    both = np.triu(x) * (np.outer(half, half) - 0.25)
    return float(omega @ quanta + both.sum())


def levels(field: ForceField) -> Levels:
    """All fundamentals, first overtones and combinations of two.

    Deperturbed energies and, beside them, φ_iik/4 or φ_ijk/2√2 of Fermi resonances, whose terms are gone from
    x_ij and from all other couplings, and elements of second order (Darling–Dennison: i–j, i+k – j+k, 2i–2j,
    2i – j+k) between states nearer than 200 cm⁻¹, where they are more than the roughness of the surface.
    Perturbation theory has those in fourth order only: nothing is taken out of x_ij for them. i+j – k+l of
    four different modes is left out.
    """
    omega, n = field.wavenumbers_cm, len(field.wavenumbers_cm)
    resonances = find_resonances(field)
    second = Couplings(field, resonances)
    basis: list[State] = [(i,) for i in range(n)] + [(i, j) for i in range(n) for j in range(i, n)]
    deperturbed = np.array([energy(np.bincount(state, minlength=n), omega, second.x) for state in basis])
    matrix, row = np.diag(deperturbed), {state: r for r, state in enumerate(basis)}
    for pair, k in resonances:
        matrix[row[pair], row[k,]] = matrix[row[k,], row[pair]] = fermi_coupling(field, pair, k)
    darling_dennison = []
    for a, b in itertools.combinations(range(len(basis)), 2):
        apart = abs(deperturbed[a] - deperturbed[b])
        if len(basis[a]) != len(basis[b]) or apart > NEAR_CM:
            continue
        coupling = second.element(basis[a], basis[b])
        if not abs(coupling) > SIGNIFICANT * second.error(basis[a], basis[b]):  # or not known
            continue
        matrix[a, b] = matrix[b, a] = coupling
        if np.hypot(apart / 2, coupling) - apart / 2 > MARTIN_CM:
            darling_dennison.append((basis[a], basis[b]))
    wavenumber_cm, vectors = np.linalg.eigh(matrix)
    shares, states, free = vectors**2, [], set(range(len(basis)))
    for level in np.argsort(-shares.max(0)):  # the purest levels choose their name first
        best = max(free, key=lambda r: shares[r, level])
        free.remove(best)
        states.append((level, best))
    named = [basis[best] for _, best in sorted(states)]
    return Levels(
        named, wavenumber_cm, deperturbed[[row[state] for state in named]], vectors, basis, resonances,
        darling_dennison,
    )  # fmt: skip


def numerical_error(field: ForceField, state: State) -> float:
    """Half of what a level moves by when φ_iijj comes from moving j, not i, cm⁻¹; 0 on a smooth surface."""
    n = len(field.wavenumbers_cm)
    quartic = settled(np.einsum("ijj->ij", field.quartic))
    odd = (quartic - quartic.T) / 8  # of x_ij
    quanta = np.bincount(state, minlength=n) + 0.5
    both = np.outer(quanta, quanta) - 0.25
    return float(np.sqrt((np.triu(odd * both, 1) ** 2).sum()))
