"""A mean field brought to convergence, or a line that says it does not."""

from typing import Any

from painn_spectra.errors import InputError


def converged(mf: Any, density: Any) -> Any:
    """The PySCF object `mf` converged from `density`, by DIIS or else the second-order solver.

    Raises InputError when neither converges.
    """
    mf.kernel(density)
    if mf.converged:
        return mf
    second = mf.newton()
    second.kernel(second.mo_coeff, second.mo_occ)
    if not second.converged:
        raise InputError(
            f"{mf.xc}/{mf.mol.basis} did not converge, neither by DIIS nor by the second-order solver; "
            "check geometry, charge and multiplicity"
        )
    return second.undo_soscf() if hasattr(second, "undo_soscf") else second
