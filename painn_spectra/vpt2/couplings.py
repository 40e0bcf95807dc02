"""Quartic couplings of second order: the diagonal ones are x_ij, the others Darling–Dennison resonances."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from painn_spectra.vpt2.force_field import ForceField

Array = NDArray[np.float64]
State = tuple[int, ...]  # modes of the quanta: (3,) a fundamental, (3, 3) its overtone, (3, 5) a combination
Fermi = tuple[State, int]  # two quanta and the fundamental beside them


@dataclass(frozen=True)
class Couplings:
    """Second order of a force field, Fermi resonances left out of every sum."""

    field: ForceField
    resonances: list[Fermi]

    @cached_property
    def quartic(self) -> Array:
        """φ_iijk, φ_iijj as symmetric as it is on a smooth surface."""
        found = self.field.quartic.copy()
        pairs = settled(np.einsum("ijj->ij", found))
        np.einsum("ijj->ij", found)[:] = (pairs + pairs.T) / 2
        return found

    @cached_property
    def inverse_gaps(self) -> Array:
        """1/(ω_i + ω_j − ω_k), 0 for a resonance; exact degeneracy is one, or no coupling at all."""
        omega = self.field.wavenumbers_cm
        gap = omega[:, None, None] + omega[:, None] - omega
        f = 1 / np.where(np.abs(gap) > 1e-6, gap, np.inf)
        for (i, j), k in self.resonances:
            f[i, j, k] = f[j, i, k] = 0.0
        return f

    @cached_property
    def turning(self) -> tuple[Array, Array]:
        """d and s of `vertex`, (3, n, n)."""
        omega, zeta = self.field.wavenumbers_cm, self.field.coriolis
        ratio = np.sqrt(omega / omega[:, None])  # √(ω_j/ω_i)
        return zeta * (ratio - ratio.T), zeta * (ratio + ratio.T)

    def vertex(self, a: State, b: State) -> float:
        """Γ of a_b1† a_b2† a_a1 a_a2 for two quanta a and b, legs counted as if they were different, cm⁻¹.

        Γ = φ_{a1 a2 b1 b2}/4 + ⅛ Σ_k [φ_{a1 a2 k} φ_{b1 b2 k} D_k(ω_a1 + ω_a2, ω_b1 + ω_b2)
            + φ_{a1 b1 k} φ_{a2 b2 k} D_k(ω_a1 − ω_b1, ω_a2 − ω_b2)
            + φ_{a1 b2 k} φ_{a2 b1 k} D_k(ω_a1 − ω_b2, ω_a2 − ω_b1)]
            + ½ Σ_c B_c [d_{a1 a2} d_{b1 b2} − s_{a1 b1} s_{a2 b2} − s_{a1 b2} s_{a2 b1}],
        D_k(δ, δ') = ½ Σ_{δ, δ'} [1/(δ − ω_k) − 1/(δ + ω_k)],
        d_ij = ζ_ij (√(ω_j/ω_i) − √(ω_i/ω_j)), s_ij with a plus.

        It is the bracket [S, V₃]/2 of Van Vleck's transformation, in symmetric order of a and a†. x_ij is
        Γ(ij → ij), x_ii Γ(ii → ii)/4; K_ii;jj, K_ik;jk and so on are the others, with signs and factors in
        `element`. Mills 1972, in Molecular Spectroscopy: Modern Research; Lehmann 1989, Mol. Phys. 66, 1129;
        Rosnik, Polik 2014, Mol. Phys. 112, 261. NaN for four different modes, whose φ is not computed.
        """
        field, (a1, a2), (b1, b2) = self.field, a, b
        phi, f, (d, s) = field.cubic, self.inverse_gaps, self.turning
        together = self.far(a1, a2) / 2 + self.far(b1, b2) / 2
        total = self.semidiagonal((*a, *b)) / 4
        total += float((phi[a1, a2] * phi[b1, b2] * together).sum()) / 8
        for one, other in ((b1, b2), (b2, b1)):  # quanta pass the one vertex from a1, the other from a2
            across = -(f[one, :, a1] + f[a1, :, one] + f[other, :, a2] + f[a2, :, other]) / 2
            total += float((phi[a1, one] * phi[a2, other] * across).sum()) / 8
        both = d[:, a1, a2] * d[:, b1, b2] - s[:, a1, b1] * s[:, a2, b2] - s[:, a1, b2] * s[:, a2, b1]
        return total + float(field.rotational_cm @ both) / 2

    def far(self, i: int, j: int) -> Array:
        """1/(ω_i + ω_j − ω_k) − 1/(ω_i + ω_j + ω_k) of all k, (n,)."""
        omega = self.field.wavenumbers_cm
        return self.inverse_gaps[i, j] - 1 / (omega[i] + omega[j] + omega)

    def semidiagonal(self, modes: State) -> float:
        """φ of four modes, two of them the same."""
        twice = [mode for mode, times in Counter(modes).items() if times > 1]
        if not twice:
            return np.nan
        rest = list(modes)
        rest.remove(twice[0])
        rest.remove(twice[0])
        i, (j, k) = twice[0], rest
        return float(self.quartic[i, j, k])

    @cached_property
    def x(self) -> Array:
        """x_ij, (n, n) | cm⁻¹."""
        n = len(self.field.wavenumbers_cm)
        x = np.zeros((n, n))
        for i in range(n):
            for j in range(i, n):
                x[i, j] = x[j, i] = self.vertex((i, j), (i, j)) / (4 if i == j else 1)
        return x

    @cached_property
    def _single(self) -> dict[tuple[int, int], Array]:
        return {}

    def single(self, i: int, j: int) -> Array:
        """β_k of a_j† a_i Σ_k β_k a_k† a_k, (n,) | cm⁻¹."""
        if (i, j) not in self._single:
            n = len(self.field.wavenumbers_cm)
            beta = np.array([self.vertex((i, k), (j, k)) / (2 if k in (i, j) else 1) for k in range(n)])
            self._single[i, j] = beta
        return self._single[i, j]

    def element(self, a: State, b: State) -> float:
        """⟨b|H|a⟩ of second order between two states of as many quanta, cm⁻¹; NaN where φ is not known.

        1–1, i → j beside the others' quanta: √(n_i (n_j + 1)) [β_i n_i + β_j (n_j + 1) + Σ_k β_k (n_k + ½)];
        2–2: Γ ⟨b|a_b1† a_b2† a_a1 a_a2|a⟩, Γ divided by 2 for each pair of the same legs.
        """
        lost, gained = Counter(a), Counter(b)
        lost, gained = lost - gained, gained - lost
        if lost.total() == 1:
            (i,), (j,) = lost, gained
            held = np.bincount(a, minlength=len(self.field.wavenumbers_cm)).astype(float)
            weights = held + 0.5
            weights[i], weights[j] = held[i], held[j] + 1
            return float(np.sqrt(held[i] * (held[j] + 1)) * (self.single(i, j) @ weights))
        same = (len(lost) == 1) + (len(gained) == 1)
        return self.vertex(a, b) / np.sqrt(2) ** same

    @cached_property
    def roughness(self) -> float:
        """Standard error of a φ_iijj, cm⁻¹: the two ways to one differ by √2 of it. 0 on a smooth surface.

        Of n(n − 1)/2 differences n − 1 went into settling the columns.
        """
        quartic, n = settled(np.einsum("ijj->ij", self.field.quartic)), len(self.field.quartic)
        return float(np.sqrt(((quartic - quartic.T) ** 2).sum() / max(1, (n - 1) * (n - 2)) / 2))

    def error(self, a: State, b: State) -> float:
        """Standard error of the `element` from the roughness σ of the surface, cm⁻¹.

        i → j sums φ_kkij/8 over all N modes k: errors of their own, and N times that of the H_ij at the
        minimum, which is σ/2√2 in φ (`at_minimum`). Others have one φ, over 8 or 4√2.
        """
        lost, gained = Counter(a) - Counter(b), Counter(b) - Counter(a)
        if lost.total() > 1:
            return self.roughness / 4
        (i,), (j,), n = lost, gained, len(self.field.wavenumbers_cm)
        return self.roughness / 8 * float(np.sqrt((n + n**2 / 8) * a.count(i) * (a.count(j) + 1)))


def settled(quartic: Array) -> Array:
    """φ_iijj (n, n) from moving i, without what an error of the curvature H_jj at the minimum adds.

    Such an error e_j adds −2e_j/δ² to the whole column j, whereas φ_iijj = φ_jjii: the columns' shifts c_j
    with Σ c_j = 0 that leave least asymmetry are c_j = Σ_i (φ_ij − φ_ji)/n. On a smooth surface they vanish.
    """
    return quartic - (quartic - quartic.T).mean(0)
