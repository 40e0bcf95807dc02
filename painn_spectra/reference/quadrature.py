"""Exchange-correlation of a small closed-shell molecule: orbital values kept, dense matrix products."""

from typing import Any

import numpy as np
from pyscf.dft import numint

BLOCK_POINTS = 72 * numint.BLKSIZE  # some 4000: a block's arrays stay in the cache
CACHE_BYTES = 3e9  # basis function values on the grid are kept when they fit, else evaluated in every cycle


class DenseNumInt(numint.NumInt):
    """PySCF's numerical integration with another `nr_rks`: few orbitals instead of a density matrix.

    ρ = Σ_i n_i φ_i² needs n_occ columns where the density matrix needs n_ao, and the basis functions are
    evaluated once instead of in every cycle. Meta-GGAs, guesses without orbitals and grids beyond
    CACHE_BYTES take PySCF's way; the results agree to rounding.
    """

    def __init__(self) -> None:
        super().__init__()
        self._grid: Any = None  # the coordinates that the kept values belong to
        self._blocks: list[Any] = []

    def forget(self) -> None:
        """Free the kept values."""
        self._grid, self._blocks = None, []

    def nr_rks(self, mol: Any, grids: Any, xc_code: str, dms: Any, *args: Any, **kwargs: Any) -> Any:
        """Electrons, energy (Eh) and potential (n_ao, n_ao) | Eh, as PySCF's."""
        kind = self._xc_type(xc_code)
        n_bytes = 8 * (1 if kind == "LDA" else 4) * mol.nao * len(grids.weights)
        orbitals = getattr(dms, "mo_coeff", None)
        if orbitals is None or np.ndim(dms) != 2 or kind not in ("LDA", "GGA") or n_bytes > CACHE_BYTES:
            return super().nr_rks(mol, grids, xc_code, dms, *args, **kwargs)
        occupied = orbitals[:, dms.mo_occ > 0] * np.sqrt(dms.mo_occ[dms.mo_occ > 0])  # (n_ao, n_occ)
        n_electrons, energy, potential = 0.0, 0.0, np.zeros((mol.nao, mol.nao))
        for ao, weight in self._values(mol, grids, kind):
            phi = [v @ occupied for v in ao]  # [n_deriv] (n_points, n_occ)
            rho = np.array([(2 if c else 1) * np.einsum("gi,gi->g", phi[0], p) for c, p in enumerate(phi)])
            density = rho[0] if kind == "LDA" else rho
            exc, vxc = self.eval_xc_eff(xc_code, density, deriv=1, xctype=kind, spin=0)[:2]
            n_electrons += rho[0] @ weight
            energy += (rho[0] * weight) @ exc
            factors = vxc * weight  # (n_comp, n_points)
            weighted = (0.5 * factors[0])[:, None] * ao[0]  # half: the transpose is added below
            for c in range(1, len(ao)):
                weighted += factors[c][:, None] * ao[c]
            potential += ao[0].T @ weighted
        return n_electrons, energy, potential + potential.T

    def _values(self, mol: Any, grids: Any, kind: str) -> list[Any]:
        """[(basis functions and gradients (n_deriv, n_points, n_ao), weights)] of the grid."""
        if self._grid is not grids.coords:
            derivative = 0 if kind == "LDA" else 1
            blocks = self.block_loop(mol, grids, mol.nao, derivative, blksize=BLOCK_POINTS)
            self._blocks = [
                ([v.copy(order="K") for v in (ao if derivative else [ao])], weight)
                for ao, _, weight, _ in blocks
            ]
            self._grid = grids.coords
        return self._blocks
