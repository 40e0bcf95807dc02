"""Transition moments of one- and two-quantum states, to first order in cubic constants and curved μ and α."""

import numpy as np
from numpy.typing import NDArray

from painn_spectra.vpt2.couplings import Fermi, State
from painn_spectra.vpt2.force_field import ForceField

Array = NDArray[np.float64]
Quanta = dict[int, int]

SIZE = 8  # of the oscillator's matrices; states here have at most three quanta
LADDER = np.diag(np.sqrt(np.arange(1, SIZE) / 2), 1)
Q1 = LADDER + LADDER.T  # ⟨m|q|n⟩
Q2 = Q1 @ Q1
Q3 = Q2 @ Q1


def moments(
    field: ForceField,
    states: list[State],
    resonances: list[Fermi],
    first: Array,
    second: Array,
) -> Array:
    """⟨0|P|n⟩ of `states`, (n_states, n_components), P = Σ P_i q_i + ½ Σ P_ij q_i q_j.

    first: P_i (n, n_components); second: P_ij (n, n, n_components). To first order in cubic constants,
    ⟨0|P|n⟩ + Σ_m ⟨0|P|m⟩⟨m|V₃|n⟩/(E_n − E_m) + ⟨0|V₃|m⟩⟨m|P|n⟩/(E_0 − E_m), of two-quantum states; terms of
    resonances left out, which the eigenvectors bring. Vázquez, Stanton 2006, doi:10.1080/00268970600731450.
    """
    taken = set(resonances)
    found = np.zeros((len(states), first.shape[1]))
    for row, state in enumerate(states):
        if len(state) == 1:
            found[row] = first[state[0]] / np.sqrt(2)
            continue
        i, j = state
        found[row] = second[i, j] * (np.sqrt(2) / 4 if i == j else 0.5)
        found[row] += _mechanical(field, state, taken, first)
    return found


def _mechanical(field: ForceField, state: State, taken: set[Fermi], first: Array) -> Array:
    omega, n = field.wavenumbers_cm, len(field.wavenumbers_cm)
    quanta = {mode: state.count(mode) for mode in state}
    top = sum(omega[mode] * v for mode, v in quanta.items())
    total = np.zeros(first.shape[1])
    for k in range(n):
        if (state, k) not in taken:
            step = cubic_element(field.cubic, {k: 1}, quanta) / (top - omega[k])
            total += first[k] / np.sqrt(2) * step
        for change in (1, -1):
            v = quanta.get(k, 0)
            if v + change < 0:
                continue
            between = {**quanta, k: v + change}
            height = sum(omega[mode] * number for mode, number in between.items())
            step = cubic_element(field.cubic, {}, between) / -height
            total += first[k] * Q1[v, v + change] * step
    return total


def cubic_element(cubic: Array, bra: Quanta, ket: Quanta) -> float:
    """⟨bra|(1/6) Σ φ_ijk q_i q_j q_k|ket⟩ of harmonic states given by their quanta, cm⁻¹."""
    modes = [m for m in {*bra, *ket} if bra.get(m, 0) != ket.get(m, 0)]
    ends = [(bra.get(m, 0), ket.get(m, 0)) for m in modes]
    if len(modes) == 3:
        return float(cubic[tuple(modes)] * np.prod([Q1[end] for end in ends]))
    if len(modes) == 2:
        (a, b), (one, other) = modes, ends
        return float(0.5 * (cubic[a, a, b] * Q2[one] * Q1[other] + cubic[a, b, b] * Q1[one] * Q2[other]))
    if len(modes) != 1:
        return 0.0
    (a,), (end,) = modes, ends
    still = np.full(len(cubic), 0.5)  # ⟨q_l²⟩ = v + ½
    for mode, v in ket.items():
        still[mode] += v
    still[a] = 0.0
    return float(cubic[a, a, a] * Q3[end] / 6 + 0.5 * Q1[end] * (np.einsum("lla->la", cubic)[:, a] @ still))
