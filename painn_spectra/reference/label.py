"""One geometry, one level of theory, one set of labels: whichever program computes them."""

from importlib.metadata import version

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.reference import dft, xtb
from painn_spectra.settings.molecule import Method


def compute_label(
    numbers: np.ndarray,
    positions: np.ndarray,
    method: Method,
    charge: int = 0,
    multiplicity: int = 1,
    properties: tuple[str, ...] = keys.PROPERTIES,
    derivatives: bool = False,
) -> dict[str, np.ndarray]:
    """Labels of one geometry at the level of theory `method`.

    numbers: (n_atoms,); positions: (n_atoms, 3) | Å. Returns arrays with names, shapes and units of keys.py,
    derivatives: ∂μ/∂r and ∂α/∂r too; the dipole's origin is the centre of the standard masses. Raises
    InputError when the method cannot be used here or does not converge.
    """
    match method.program:
        case "gfn2-xtb":
            return xtb.label(numbers, positions, charge, multiplicity, properties, derivatives)
        case "pyscf" | "gpu4pyscf":
            return dft.label(numbers, positions, method, charge, multiplicity, properties, derivatives)
    raise InputError(
        f"method.program = {method.program!r}: its labels are brought along, not computed; "
        "put them into labels:, or use pyscf, gpu4pyscf or gfn2-xtb"
    )


def check_method(method: Method, numbers: np.ndarray) -> None:
    """Raise InputError when `method` cannot label molecules of these elements here."""
    match method.program:
        case "gfn2-xtb":
            if not xtb.available():
                raise InputError(
                    "method.program = gfn2-xtb needs tblite, which is not installed; pip install tblite"
                )
        case "pyscf" | "gpu4pyscf":
            dft.check_method(method, numbers)


def describe(method: Method, multiplicity: int = 1) -> str:
    """The level of theory in words, with the program's version: stored with every frame."""
    if method.program == "gfn2-xtb":
        return f"GFN2-xTB, tblite {version('tblite')}"
    import pyscf

    spin = "RKS" if multiplicity == 1 else "UKS"
    parts = [f"{spin} {method.functional}"]
    if method.dispersion:
        parts[0] += f"-{method.dispersion}"
    parts[0] += f"/{method.basis}"
    if method.density_fitting:
        parts.append("RI")
    parts.append(f"grid{method.grid_level} (response grid{method.response_grid_level})")
    words = " ".join(parts)
    if method.polarizability_basis:
        words += f", polarizability {method.polarizability_basis}"
    return f"{words}, PySCF {pyscf.__version__}"
