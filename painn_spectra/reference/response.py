"""Static polarizability by coupled-perturbed Kohn-Sham equations, restricted and unrestricted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra.errors import InputError
from painn_spectra.reference.quadrature import BLOCK_POINTS

Array = NDArray[np.float64]

TOLERANCE = 1e-5  # of the residual; α is then right to 1e-4 a0³
MAX_CYCLES = 60
CACHE_BYTES = 2e9  # basis function values on the grid are kept when they fit, else evaluated in every cycle


def polarizability(mf: Any, grid_level: int) -> Array:
    """α_xy = −2 Σ_σ Σ_ai ⟨a|x|i⟩ X^y_ai in a0³, (3, 3), of a converged PySCF RKS or UKS object.

    X solves (ε_a − ε_i) X_ai + V[X]_ai = −⟨a|r|i⟩ with V the Coulomb, exchange and exchange-correlation
    potential induced by D¹ = Σ X Coᵀ + Co Xᵀ. A closed shell has one channel that counts twice.
    grid_level: PySCF's, of the exchange-correlation kernel only; a coarser one than the energy's is enough.
    A non-local (VV10) kernel is left out. Raises InputError when the iterations do not converge.

    | symbol  | variable      | unit |
    | C_o, C_v | orbo, orbv   | (n_ao, n_occ), (n_ao, n_vir) per spin channel |
    | X       | x             | 1/(Eh e a0), flat (3, Σ_σ n_vir n_occ) |

    Source: Gerratt, Mills 1968, doi:10.1063/1.1670299.
    """
    from pyscf import lib

    induced = InducedPotential(mf, grid_level)
    with mf.mol.with_common_orig((0.0, 0.0, 0.0)):
        r = mf.mol.intor_symmetric("int1e_r")  # (3, n_ao, n_ao) | a0
    field = induced.flat([[orbv.T @ axis @ orbo for axis in r] for orbo, orbv in induced.channels])
    gaps = induced.gaps()  # (Σ n_vir n_occ,) | Eh
    start = -field / gaps
    x = lib.krylov(
        lambda trial: induced(np.atleast_2d(trial)) / gaps, start, tol=TOLERANCE, max_cycle=MAX_CYCLES
    ).reshape(start.shape)
    residual = np.abs(x + induced(x) / gaps - start).max() / np.abs(start).max()
    if not residual < 100 * TOLERANCE:
        raise InputError(
            f"the polarizability's equations did not converge (residual {residual:.1e}); "
            "check geometry, charge and spin"
        )
    alpha = -2 * induced.degeneracy * field @ x.T
    return 0.5 * (alpha + alpha.T)


class InducedPotential:
    """V[X] in the space of occupied-virtual rotations: the density matrix's rank is the number of electrons,
    and both the exchange and the grid work use that."""

    def __init__(self, mf: Any, grid_level: int) -> None:
        from pyscf.dft import gen_grid

        self.mf, self.mol, self.xc = mf, mf.mol, mf.xc
        self.restricted = np.ndim(mf.mo_occ) == 1
        self.degeneracy = 2 if self.restricted else 1
        coefficients = [mf.mo_coeff] if self.restricted else list(mf.mo_coeff)
        occupations = [mf.mo_occ] if self.restricted else list(mf.mo_occ)
        self.energies = [mf.mo_energy] if self.restricted else list(mf.mo_energy)
        self.occupied = [occupation > 0 for occupation in occupations]
        self.channels = [
            (np.ascontiguousarray(c[:, full]), np.ascontiguousarray(c[:, ~full]))
            for c, full in zip(coefficients, self.occupied, strict=True)
        ]
        self.numint = mf._numint
        self.kind = self.numint._xc_type(self.xc)  # LDA, GGA, MGGA or HF
        self.omega, self.long_range, self.hybrid = self.numint.rsh_and_hybrid_coeff(self.xc, self.mol.spin)
        self.grids = gen_grid.Grids(self.mol)
        self.grids.level = grid_level
        self.cached: list[Any] | None = None
        if self.kind != "HF":
            self.grids.build()
            n_values = (1 if self.kind == "LDA" else 4) * len(self.grids.weights) * self.mol.nao
            if 8 * n_values < CACHE_BYTES:
                self.cached = list(self._evaluated_blocks())

    def flat(self, per_channel: Any) -> Array:
        """[channel][k] (n_vir, n_occ) -> (k, Σ n_vir n_occ)."""
        return np.concatenate([np.reshape(v, (len(v), -1)) for v in per_channel], axis=1)

    def gaps(self) -> Array:
        """ε_a − ε_i of all rotations, (Σ n_vir n_occ,) | Eh."""
        return np.concatenate(
            [
                (e[~full][:, None] - e[full]).ravel()
                for e, full in zip(self.energies, self.occupied, strict=True)
            ]
        )

    def __call__(self, flat: Array) -> Array:
        """flat: (k, Σ n_vir n_occ). Returns V of the same shape."""
        moved, first = [], 0  # [channel] (k, n_ao, n_occ): Cv X
        for orbo, orbv in self.channels:
            n = orbv.shape[1] * orbo.shape[1]
            x = flat[:, first : first + n].reshape(len(flat), orbv.shape[1], orbo.shape[1])
            moved.append(np.matmul(orbv, x))
            first += n
        potentials = self._coulomb_exchange(moved)
        if self.kind != "HF":
            for channel, v in enumerate(self._exchange_correlation(moved)):
                potentials[channel] = potentials[channel] + v
        return self.flat(
            [np.matmul(orbv.T, v) for (_, orbv), v in zip(self.channels, potentials, strict=True)]
        )

    def _coulomb_exchange(self, moved: list[Array]) -> list[Array]:
        """[J − c_x K] C_o per channel, (k, n_ao, n_occ).

        D¹ = ½[(Co + X)(Co + X)ᵀ − (Co − X)(Co − X)ᵀ]: two matrices of low rank, for which density fitting
        has a fast path.
        """
        from pyscf import lib

        n_fields, n_ao = moved[0].shape[:2]
        coulomb, exchange = np.zeros((n_fields, n_ao, n_ao)), []
        for (orbo, _), x in zip(self.channels, moved, strict=True):
            if not orbo.shape[1]:  # one electron: the other spin has none, which density fitting trips over
                exchange.append(np.zeros_like(coulomb))
                continue
            halves = np.concatenate([orbo + x, orbo - x])  # (2k, n_ao, n_occ)
            dms = np.matmul(halves, halves.transpose(0, 2, 1))
            if hasattr(self.mf, "with_df"):
                dms = lib.tag_array(dms, mo_coeff=halves, mo_occ=np.ones((len(halves), orbo.shape[1])))
            else:
                dms = dms[:n_fields] - dms[n_fields:]
            vj, vk = self.mf.get_jk(self.mol, dms, hermi=1, with_k=self.hybrid != 0)
            k = self.hybrid * vk if vk is not None else np.zeros_like(vj)
            if self.omega and self.long_range != self.hybrid:
                k = k + (self.long_range - self.hybrid) * self.mf.get_k(
                    self.mol, dms, hermi=1, omega=self.omega
                )
            if len(vj) > n_fields:
                vj, k = ((v[:n_fields] - v[n_fields:]) / 2 for v in (vj, k))
            else:
                vj, k = vj / 2, k / 2
            coulomb += self.degeneracy * vj
            exchange.append(k)
        return [np.matmul(coulomb - k, orbo) for k, (orbo, _) in zip(exchange, self.channels, strict=True)]

    def _evaluated_blocks(self) -> Iterator[tuple[Any, list[Array], Array]]:
        """Per block of grid points: orbitals (n_deriv, n_points, n_ao), occupied ones per channel, and
        the weighted kernel of (ρ, ∇ρ, τ), (n_spin, n_comp, n_spin, n_comp, n_points)."""
        mf, ni = self.mf, self.numint
        derivative = 0 if self.kind == "LDA" else 1
        orbitals = [(mf.mo_coeff, mf.mo_occ)]
        if not self.restricted:
            orbitals = list(zip(mf.mo_coeff, mf.mo_occ, strict=True))
        for ao, mask, weight, _ in ni.block_loop(
            self.mol, self.grids, self.mol.nao, derivative, blksize=BLOCK_POINTS
        ):
            rho = [ni.eval_rho2(self.mol, ao, c, n, mask, self.kind, with_lapl=False) for c, n in orbitals]
            density = rho[0] if self.restricted else np.array(rho)
            kernel = ni.eval_xc_eff(self.xc, density, deriv=2, xctype=self.kind, spin=len(rho) - 1)[2]
            values = np.array(ao, order="K") if derivative else np.array(ao, order="K")[None]
            n_comp = kernel.shape[-2]
            kernel = kernel.reshape(len(rho), n_comp, len(rho), n_comp, -1) * weight
            yield values, [np.array([v @ orbo for v in values]) for orbo, _ in self.channels], kernel

    def _exchange_correlation(self, moved: list[Array]) -> list[Array]:
        """f_xc·ρ¹ applied to C_o per channel, (k, n_ao, n_occ)."""
        out = [np.zeros_like(x) for x in moved]
        for ao, occupied, kernel in self.cached if self.cached is not None else self._evaluated_blocks():
            # all fields side by side: one pass over the basis functions
            psi = [[v @ np.hstack(list(x)) for v in ao] for x in moved]  # [spin][deriv] (n_points, k n_occ)
            factors: list[list[list[Array]]] = [[] for _ in moved]  # [spin][k][deriv] (n_points, n_occ)
            for k in range(len(moved[0])):
                rho1 = np.array(
                    [
                        self.degeneracy
                        * self._density(
                            phi, [p[:, k * phi.shape[2] : (k + 1) * phi.shape[2]] for p in shifted]
                        )
                        for phi, shifted in zip(occupied, psi, strict=True)
                    ]
                )  # (n_spin, n_comp, n_points)
                response = np.einsum("sxtyg,tyg->sxg", kernel, rho1)
                for channel, (phi, w) in enumerate(zip(occupied, response, strict=True)):
                    factors[channel].append(self._weighted(phi, w))
            for channel, per_field in enumerate(factors):
                for v, *weighted in zip(ao, *per_field, strict=True):
                    products = v.T @ np.hstack(weighted)  # (n_ao, k n_occ)
                    out[channel] += np.stack(np.hsplit(products, len(weighted)))
        return out

    def _density(self, phi: Array, psi: list[Array]) -> Array:
        """ρ¹, ∇ρ¹ and τ¹ of 2 Σ_i φ_i ψ_i, (n_comp, n_points). phi, psi: [n_deriv] (n_points, n_occ)."""

        def dot(a: Array, b: Array) -> Array:
            return np.einsum("gi,gi->g", a, b)

        parts = [2 * dot(phi[0], psi[0])]
        if self.kind != "LDA":
            parts += [2 * (dot(phi[c], psi[0]) + dot(phi[0], psi[c])) for c in (1, 2, 3)]
        if self.kind == "MGGA":
            parts.append(np.sum([dot(phi[c], psi[c]) for c in (1, 2, 3)], axis=0))
        return np.array(parts)

    def _weighted(self, phi: Array, w: Array) -> list[Array]:
        """Factors that the orbitals and their gradients meet in ∫ φ_p V φ_i, [n_deriv] (n_points, n_occ)."""
        factors = [w[0][:, None] * phi[0]]
        if self.kind != "LDA":
            for c in (1, 2, 3):
                factors[0] += w[c][:, None] * phi[c]
                factors.append(w[c][:, None] * phi[0])
                if self.kind == "MGGA":
                    factors[c] += 0.5 * w[4][:, None] * phi[c]
        return factors
