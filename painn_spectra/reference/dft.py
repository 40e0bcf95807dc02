"""Kohn-Sham labels by PySCF: energy, forces, dipole, polarizability."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError, first_line
from painn_spectra.reference.convergence import converged
from painn_spectra.reference.field_derivatives import derivatives_in_field
from painn_spectra.settings.molecule import Method
from painn_spectra.units import BOHR3_A3, BOHR_A, HARTREE_EV

COARSE_GRID_LEVEL = 1  # first cycles of the self-consistent field; the last ones see the full grid
COARSE_TOLERANCE = 1e-5  # Eh


@contextlib.contextmanager
def labelling_environment() -> Iterator[None]:
    """Environment of labelling processes, for the time in which they are started; also a decorator.

    PySCF's wheels carry an OpenBLAS that does not know newer processors and takes SSE3 kernels there, three
    times slower than AVX2 ones. Large arrays are kept by the allocator: returned to the system after each
    use they cost a fifth of the time in page faults. Processes started later must not see it: numpy's own
    OpenBLAS obeys too, and gives other last bits.
    """
    try:
        has_avx2 = " avx2 " in Path("/proc/cpuinfo").read_text()
    except OSError:
        has_avx2 = False
    wanted = {"OPENBLAS_CORETYPE": "Haswell"} if has_avx2 else {}
    wanted |= dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(4 << 30))
    wanted["MALLOC_TOP_PAD_"] = str(256 << 20)
    new = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


def check_method(method: Method, numbers: np.ndarray) -> None:
    """Raise InputError for a functional or basis that PySCF does not know, or has not for these elements."""
    from pyscf import gto
    from pyscf.data.elements import ELEMENTS
    from pyscf.dft import libxc

    try:
        if not method.functional:
            raise KeyError("none is given")
        libxc.parse_xc(method.functional)
        libxc.xc_type(method.functional)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"method.functional = {method.functional!r}: not known to PySCF ({first_line(error)}); "
            "use a name like PBE0, B3LYP or wB97X-V"
        ) from None
    for key in ("basis", "polarizability_basis"):
        basis = getattr(method, key)
        for z in sorted({int(z) for z in numbers}) if basis or key == "basis" else ():
            try:
                if not basis:
                    raise KeyError("none is given")
                with warnings.catch_warnings():  # of packages that may know it
                    warnings.simplefilter("ignore")
                    gto.basis.load(basis, ELEMENTS[z])
            except Exception as error:
                raise InputError(
                    f"method.{key} = {basis!r}: PySCF has no such basis for {ELEMENTS[z]} "
                    f"({first_line(error)}); use a name like def2-TZVP"
                ) from None


def label(
    numbers: np.ndarray,
    positions: np.ndarray,
    method: Method,
    charge: int = 0,
    multiplicity: int = 1,
    properties: tuple[str, ...] = keys.PROPERTIES,
    derivatives: bool = False,
) -> dict[str, np.ndarray]:
    """Labels of one geometry: restricted Kohn-Sham for singlets, unrestricted otherwise.

    numbers: (n_atoms,); positions: (n_atoms, 3) | Å. Returns arrays with names, shapes and units of keys.py,
    derivatives: ∂μ/∂r and ∂α/∂r too; the dipole's origin is the centre of the standard masses. Raises
    InputError when neither DIIS nor the second-order solver converges. Source: Sun et al. 2020,
    doi:10.1063/5.0006074.
    """
    from ase.data import atomic_masses

    masses = atomic_masses[numbers]
    centred = positions - masses @ positions / masses.sum()  # the dipole of an ion depends on the origin
    out: dict[str, np.ndarray] = {}
    mf = None
    if set(properties) - {keys.POLARIZABILITY} or not method.polarizability_basis:
        mf = _self_consistent(numbers, centred, method, str(method.basis), charge, multiplicity)
        out[keys.ENERGY] = np.array(float(mf.e_tot) * HARTREE_EV)
        if keys.FORCES in properties:
            out[keys.FORCES] = -_gradient(mf) * HARTREE_EV / BOHR_A
        if keys.DIPOLE in properties:
            out[keys.DIPOLE] = _numpy(mf.dip_moment(unit="AU", verbose=0)) * BOHR_A
        if derivatives and method.polarizability_basis:
            out |= _derivatives(mf, method, numbers, centred, charge, _named(out, keys.DIPOLE))
    if keys.POLARIZABILITY in properties:
        if method.polarizability_basis:
            basis = method.polarizability_basis
            mf = _self_consistent(numbers, centred, method, basis, charge, multiplicity, mf)
        out[keys.POLARIZABILITY] = _polarizability(mf, method) * BOHR3_A3
    if derivatives:
        own_basis = (keys.POLARIZABILITY,) if method.polarizability_basis else tuple(keys.DERIVATIVES)
        out |= _derivatives(mf, method, numbers, centred, charge, _named(out, *own_basis))
    wanted = {*properties, *keys.DERIVATIVES.values()}
    return {name: value for name, value in out.items() if name in wanted}


def _named(labels: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    """Those of `names` that are there."""
    return {name: labels[name] for name in names if name in labels}


def _derivatives(
    mf: Any,
    method: Method,
    numbers: np.ndarray,
    centred: np.ndarray,
    charge: int,
    tensors: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Of the labels `tensors` of this mean field."""
    from painn_spectra.reference.in_field import InField

    if not tensors:
        return {}
    if method.program == "gpu4pyscf":
        raise InputError("method.program = gpu4pyscf: computes no derivatives; use pyscf or gfn2-xtb")
    return derivatives_in_field(InField(mf, method).gradient, numbers, centred, charge, tensors)


def core_potentials(basis: str, numbers: np.ndarray) -> dict[str, str]:
    """Elements whose basis of this name stands on an effective core potential, which PySCF does not imply."""
    from pyscf import gto
    from pyscf.data.elements import ELEMENTS

    found = {}
    for symbol in sorted({ELEMENTS[int(z)] for z in numbers}):
        with contextlib.suppress(Exception), warnings.catch_warnings():  # of sets without any
            warnings.simplefilter("ignore")
            if gto.basis.load_ecp(basis, symbol):
                found[symbol] = basis
    return found


def _self_consistent(
    numbers: np.ndarray,
    centred: np.ndarray,
    method: Method,
    basis: str,
    charge: int,
    multiplicity: int,
    guess: Any = None,
) -> Any:
    """Converged mean field; `guess`: one of another basis to start from."""
    from pyscf import dft, gto, scf

    from painn_spectra.reference.quadrature import DenseNumInt

    mol = gto.M(
        atom=[(int(z), r / BOHR_A) for z, r in zip(numbers, centred, strict=True)],
        unit="Bohr", basis=basis, ecp=core_potentials(basis, numbers), charge=charge, spin=multiplicity - 1,
        verbose=0,
    )  # fmt: skip
    mf = (dft.RKS if multiplicity == 1 else dft.UKS)(mol, xc=method.functional)
    mf.chkfile = None
    if method.program == "pyscf":
        mf._numint = DenseNumInt()
    if method.dispersion:
        mf.disp = {"D3(BJ)": "d3bj", "D4": "d4"}[method.dispersion]
    if method.density_fitting:
        mf = mf.density_fit()
    if method.program == "gpu4pyscf":
        try:
            mf = mf.to_gpu()
        except ImportError:
            raise InputError(
                "method.program = gpu4pyscf: not installed; pip install gpu4pyscf-cuda12x"
            ) from None
    density = (
        None if guess is None else scf.addons.project_dm_nr2nr(guess.mol, _numpy(guess.make_rdm1()), mol)
    )
    if method.grid_level > COARSE_GRID_LEVEL:
        # most cycles need no fine grid: a third of the time for the same energy
        mf.grids.level, tolerance = COARSE_GRID_LEVEL, mf.conv_tol
        mf.conv_tol = COARSE_TOLERANCE
        mf.kernel(density)
        density = mf.make_rdm1()
        mf.grids.reset()
        mf.conv_tol = tolerance
    mf.grids.level = method.grid_level
    return converged(mf, density)


def _gradient(mf: Any) -> np.ndarray:
    """(n_atoms, 3) | Eh/a0."""
    from painn_spectra.reference.gradient import Gradient, fits

    if fits(mf):
        return Gradient(mf)(mf)
    own = mf.nuc_grad_method()
    own.verbose = 0
    return _numpy(own.kernel())


def _polarizability(mf: Any, method: Method) -> np.ndarray:
    """(3, 3) | a0³."""
    if method.program == "gpu4pyscf":
        from gpu4pyscf.properties.polarizability import eval_polarizability

        return _numpy(eval_polarizability(mf))
    from painn_spectra.reference.response import polarizability

    return polarizability(mf, method.response_grid_level)


def _numpy(array: Any) -> np.ndarray:
    """An array of the host, also from a GPU."""
    return np.asarray(array.get() if hasattr(array, "get") else array, dtype=float)
