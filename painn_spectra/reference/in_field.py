"""A molecule in uniform electric fields: Kohn-Sham orbitals and the energy's gradient there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from painn_spectra.reference.convergence import converged
from painn_spectra.reference.gradient import Gradient, fits
from painn_spectra.reference.quadrature import DenseNumInt
from painn_spectra.settings.molecule import Method

Array = NDArray[np.float64]

# second differences divide by the square of the field, 2.5e-5
ENERGY_TOLERANCE, GRADIENT_TOLERANCE = 1e-10, 1e-6  # Eh, and of the orbitals' gradient
META_GGA_GRID_LEVEL = 5  # or finer: the quadrature does not move (HCl, r2SCAN: 13 % on level 1)


class InField:
    """Of a converged PySCF RKS or UKS object, on the quadrature `method.response_grid_level` or a finer one.

    Every field starts from the density that those before give to first order. What a field does not change,
    dispersion, is left out.
    """

    def __init__(self, mf: Any, method: Method) -> None:
        from pyscf.dft import gen_grid

        mf._numint.forget()  # basis functions on the finer grid: they would not fit beside those here
        self.mol, self.mf = mf.mol, mf.copy()
        self.mf.disp, self.mf._numint = None, DenseNumInt()
        self.mf.conv_tol, self.mf.conv_tol_grad = ENERGY_TOLERANCE, GRADIENT_TOLERANCE
        self.mf.grids = gen_grid.Grids(mf.mol)
        meta_gga = mf._numint._xc_type(mf.xc) == "MGGA"
        self.mf.grids.level = max(method.response_grid_level, META_GGA_GRID_LEVEL if meta_gga else 0)
        self.core, self.overlap = mf.get_hcore(), mf.get_ovlp()
        self.r = mf.mol.intor_symmetric("int1e_r")  # (3, n_ao, n_ao) | a0
        self.fields: list[Array] = []
        self.densities: list[Array] = []  # each (n_ao, n_ao), or (2, n_ao, n_ao) of both spins
        self.free = np.asarray(mf.make_rdm1())
        self.own: Gradient | None = None

    def gradient(self, field: Array) -> Array:
        """∂E/∂r (n_atoms, 3) | Eh/a0; field: (3,) | Eh/(e a0). Raises InputError without convergence."""
        mf = self.solved(field, self.expected(field))
        self.fields.append(field)
        self.densities.append(np.asarray(mf.make_rdm1()))
        if fits(mf):
            self.own = self.own or Gradient(mf, often=True)
            return self.own(mf, field)
        theirs = mf.nuc_grad_method()
        theirs.verbose, without = 0, theirs.get_hcore
        dipole_slope = self.mol.intor("int1e_irp").reshape(3, 3, self.mol.nao, self.mol.nao)
        slope = np.einsum("a,abnm->bmn", field, dipole_slope)
        theirs.get_hcore = lambda mol=None: without(mol) - slope
        return np.asarray(theirs.kernel()) - np.outer(self.mol.atom_charges(), field)

    def solved(self, field: Array, density: Array) -> Any:
        """The mean field, converged in the field from `density`."""
        core = self.core + np.einsum("x,xmn->mn", field, self.r)
        self.mf.get_hcore = lambda *_: core  # not self: a cycle would keep gigabytes until a collection
        return converged(self.mf, density)

    def expected(self, field: Array) -> Array:
        """Density in a field, linear in those known."""
        density = self.free
        if self.fields:
            shares = np.linalg.lstsq(np.array(self.fields).T, field, rcond=None)[0]
            density = self.free + np.tensordot(shares, np.array(self.densities) - self.free, 1)
        return self.of_orbitals(density) if density.ndim == 2 else density

    def of_orbitals(self, density: Array) -> Array:
        """The determinant nearest to a closed shell's density, with its orbitals: they save integrals."""
        from pyscf import lib

        occupied = eigh(self.overlap @ density @ self.overlap, self.overlap)[1][:, -self.mol.nelectron // 2 :]
        twice = np.full(occupied.shape[1], 2.0)
        return lib.tag_array(2 * occupied @ occupied.T, mo_coeff=occupied, mo_occ=twice)
