"""Energy gradients of Kohn-Sham determinants from occupied orbitals: many at one geometry, cheaply."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, pinvh

from painn_spectra.reference.quadrature import BLOCK_POINTS, DenseNumInt

Array = NDArray[np.float64]

KEPT_BYTES = 1e9  # of the derivatives of three-centre integrals; of basis functions on the grid
LINEAR_DEPENDENCE = 1e-9
SECOND = ((4, 5, 6), (5, 7, 8), (6, 8, 9))  # where PySCF's second derivatives xx, xy, xz, yy, yz, zz stand


def fits(mf: Any) -> bool:
    """Whether `Gradient` knows this mean field: density fitted, LDA, GGA or global hybrid, not too large."""
    if not isinstance(mf._numint, DenseNumInt) or not hasattr(mf, "with_df"):  # GPUs have another quadrature
        return False
    kind = mf._numint._xc_type(mf.xc)
    omega = mf._numint.rsh_and_hybrid_coeff(mf.xc)[0]
    plain = kind in ("LDA", "GGA") and not omega and not mf.do_nlc() and not mf.do_disp()
    return bool(plain and 24 * mf.mol.nao**2 * mf.with_df.get_naoaux() < KEPT_BYTES)


def metric_solver(metric: Array) -> Callable[[Array], Array]:
    """b -> ⟨P|Q⟩⁻¹ b; without what is linearly dependent, as PySCF leaves it out, where Cholesky fails."""
    try:
        factor = cho_factor(metric)
    except LinAlgError:
        inverse = pinvh(metric, rtol=LINEAR_DEPENDENCE)
        return lambda b: inverse @ b
    return lambda b: cho_solve(factor, b)


class Gradient:
    """∂E/∂r of a converged PySCF RKS or UKS object, also in a uniform field; the quadrature does not move.

    Integrals are computed once: what then is left costs a third of a cycle of the self-consistent field.
    Translational invariance of ⟨mn|P⟩ replaces the derivative of P. With Γ_Pmn = ∂E/∂⟨mn|P⟩ and
    γ_PQ = −2 ∂E/∂⟨P|Q⟩ the fitted energies give
    Σ_P,mn Γ_Pmn ∂⟨mn|P⟩ − ½ Σ_PQ γ_PQ ∂⟨P|Q⟩,  Γ = ρ_P D_mn − c_x Σ_σij B_Pij C_mi C_nj.
    Equal to PySCF's own gradient to rounding. Source: Weigend 2002, doi:10.1039/b204199p.
    """

    def __init__(self, mf: Any, often: bool = False) -> None:
        """often: keep the basis functions on the grid for further calls, where they fit."""
        from pyscf import df

        self.mf, self.mol = mf, mf.mol
        mol = mf.mol
        auxiliary = df.addons.make_auxmol(mol, mf.with_df.auxbasis)
        self.restricted = np.ndim(mf.mo_occ) == 1
        atoms = np.arange(mol.natm)
        self.atom_of = np.repeat(atoms, np.diff(mol.aoslice_by_atom()[:, 2:]).ravel())  # (n_ao,)
        self.auxiliary_atom_of = np.repeat(atoms, np.diff(auxiliary.aoslice_by_atom()[:, 2:]).ravel())
        self.repulsion = df.incore.aux_e2(mol, auxiliary, "int3c2e").transpose(2, 1, 0)  # (P, n, m)
        slope = df.incore.aux_e2(mol, auxiliary, "int3c2e_ip1")  # ⟨∇m n|P⟩
        self.repulsion_slope = slope.transpose(0, 3, 2, 1)  # (3, P, n, m), as it lies in memory
        self.solved = metric_solver(auxiliary.intor("int2c2e"))
        self.metric_slope = auxiliary.intor("int2c2e_ip1")  # (3, P, Q)
        own = mf.nuc_grad_method()
        self.nuclear = own.grad_nuc()  # (n_atoms, 3)
        core = own.hcore_generator(mol)
        self.core_slope = np.array([core(k) for k in range(mol.natm)])  # (n_atoms, 3, m, n)
        self.overlap_slope = -mol.intor("int1e_ipovlp")  # (3, m, n)
        self.dipole_slope = mol.intor("int1e_irp").reshape(3, 3, mol.nao, mol.nao)  # ⟨m|r_a ∇_b n⟩
        self.hybrid = mf._numint.rsh_and_hybrid_coeff(mf.xc)[2]
        self.kind = mf._numint._xc_type(mf.xc)
        self.grid = list(self._evaluated()) if often and self._grid_bytes() < KEPT_BYTES else None

    def __call__(self, mf: Any, field: Array | None = None) -> Array:
        """(n_atoms, 3) | Eh/a0, of `mf` as it has converged at this geometry; field: (3,) | Eh/(e a0)."""
        field = np.zeros(3) if field is None else field
        channels = [(mf.mo_coeff, mf.mo_energy, mf.mo_occ)]
        if not self.restricted:
            channels = list(zip(mf.mo_coeff, mf.mo_energy, mf.mo_occ, strict=True))
        degeneracy = 2 if self.restricted else 1
        occupied = [c[:, n > 0] for c, _, n in channels]
        density = degeneracy * sum(c @ c.T for c in occupied)
        weighted = degeneracy * sum(
            (c * e[n > 0]) @ c.T for c, (_, e, n) in zip(occupied, channels, strict=True)
        )
        out = np.einsum("axmn,mn->ax", self.core_slope, density, optimize=True) + self.nuclear
        by_orbital = np.einsum("xmn,mn->xm", self.overlap_slope, weighted)
        by_orbital += np.einsum("a,abnm,nm->bm", field, self.dipole_slope, density, optimize=True)
        by_orbital += self._exchange_correlation(occupied)
        out -= np.outer(self.mol.atom_charges(), field) + 2 * self._by_atom(self.atom_of, by_orbital)
        return out + self._repulsion(occupied, degeneracy)

    def _by_atom(self, atoms: Array, values: Array) -> Array:
        """(3, functions) -> (n_atoms, 3)."""
        return np.array([np.bincount(atoms, row, minlength=self.mol.natm) for row in values]).T

    def _repulsion(self, occupied: list[Array], degeneracy: int) -> Array:
        """Coulomb and exact exchange."""
        n_aux, n_ao = self.repulsion.shape[:2]
        fitted = []  # B_Pij
        for c in occupied:
            pairs = c.T @ (self.repulsion.reshape(-1, n_ao) @ c).reshape(n_aux, n_ao, -1)
            fitted.append(self.solved(pairs.reshape(n_aux, -1)).reshape(pairs.shape))
        rho = degeneracy * sum(b.trace(axis1=1, axis2=2) for b in fitted)  # (P,)
        out, gamma = np.zeros((self.mol.natm, 3)), np.outer(rho, rho)
        for c, b in zip(occupied, fitted, strict=True):
            weight = degeneracy * (rho[:, None, None] * c.T - self.hybrid * (b @ c.T))  # (P, i, m)
            part = np.einsum("xPim,Pim->xPm", c.T @ self.repulsion_slope, weight)
            out += 2 * self._by_atom(self.auxiliary_atom_of, part.sum(2))
            out -= 2 * self._by_atom(self.atom_of, part.sum(1))
            flat = b.reshape(n_aux, -1)
            gamma -= degeneracy * self.hybrid * flat @ flat.T
        return out + self._by_atom(self.auxiliary_atom_of, np.einsum("xPQ,PQ->xP", self.metric_slope, gamma))

    def _grid_bytes(self) -> int:
        return 8 * (4 if self.kind == "LDA" else 10) * self.mol.nao * len(self.mf.grids.weights)

    def _evaluated(self) -> Any:
        """Per block of points: basis functions and their derivatives (4 or 10, n_points, n_ao), weights."""
        from pyscf.dft.numint import NumInt

        order = 1 if self.kind == "LDA" else 2
        blocks = NumInt().block_loop(self.mol, self.mf.grids, self.mol.nao, order, blksize=BLOCK_POINTS)
        for ao, _, weight, _ in blocks:
            yield [v.copy(order="K") for v in ao], weight

    def _exchange_correlation(self, occupied: list[Array]) -> Array:
        """Half of −∂E_xc/∂r by the basis functions that move, (3, n_ao)."""
        n = 1 if self.kind == "LDA" else 4
        scale = np.sqrt(2) if self.restricted else 1.0
        out = np.zeros((3, self.mol.nao))
        for ao, weight in self.grid if self.grid is not None else self._evaluated():
            phi = [[v @ (scale * c) for v in ao[:n]] for c in occupied]  # [spin][deriv] (n_points, n_occ)
            rho = np.array(
                [[(2 if k else 1) * np.einsum("gi,gi->g", p[0], p[k]) for k in range(n)] for p in phi]
            )
            density = rho[0] if self.restricted else rho
            density = density[..., 0, :] if self.kind == "LDA" else density
            potential = self.mf._numint.eval_xc_eff(
                self.mf.xc, density, deriv=1, xctype=self.kind, spin=len(phi) - 1
            )[1].reshape(len(phi), n, -1)
            for c, p, v in zip(occupied, phi, potential * weight, strict=True):
                factors = [v[k][:, None] * p[0] @ (scale * c).T for k in range(n)]  # (n_points, n_ao)
                for k in range(1, n):
                    factors[0] += v[k][:, None] * p[k] @ (scale * c).T
                for x in range(3):
                    out[x] += np.einsum("gm,gm->m", ao[1 + x], factors[0])
                    for k in range(1, n):
                        out[x] += np.einsum("gm,gm->m", ao[SECOND[x][k - 1]], factors[k])
        return out
