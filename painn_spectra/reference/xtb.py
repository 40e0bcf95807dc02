"""GFN2-xTB labels through tblite: cheap energies, forces and dipoles, polarizabilities by finite field.

Its polarizability is one of a minimal basis (water 0.37 instead of 1.45 Å³): good for pre-training and tests,
never for a Raman result.
"""

from typing import Any

import numpy as np
from ase.data import atomic_masses

from painn_spectra import keys
from painn_spectra.errors import InputError, first_line
from painn_spectra.reference.field_derivatives import derivatives_in_field
from painn_spectra.units import BOHR3_A3, BOHR_A, HARTREE_EV

FIELD_AU = 1e-3  # Hartree/(e·bohr): large against the SCF threshold, small against the hyperpolarizability


def available() -> bool:
    """Whether tblite can be imported here (it has no wheels for some platforms)."""
    try:
        import tblite.interface  # noqa: F401
    except ImportError:
        return False
    return True


def label(
    numbers: np.ndarray,
    positions: np.ndarray,
    charge: int = 0,
    multiplicity: int = 1,
    properties: tuple[str, ...] = keys.PROPERTIES,
    derivatives: bool = False,
) -> dict[str, np.ndarray]:
    """Labels of one geometry.

    numbers: (n_atoms,); positions: (n_atoms, 3) | Å. Returns arrays with names, shapes and units of keys.py,
    derivatives: ∂μ/∂r and ∂α/∂r too; the dipole's origin is the centre of mass.
    Source: Bannwarth, Ehlert, Grimme 2019, doi:10.1021/acs.jctc.8b01176.
    """
    try:
        from tblite.interface import Calculator
    except ImportError:
        raise InputError("gfn2-xtb labels need tblite, which is not installed; pip install tblite") from None

    masses = atomic_masses[numbers]
    centred = positions - masses @ positions / masses.sum()  # the dipole of an ion depends on the origin

    def run(field_au: np.ndarray | None = None) -> dict[str, Any]:
        calculator = Calculator("GFN2-xTB", numbers, centred / BOHR_A, charge=charge, uhf=multiplicity - 1)
        calculator.set("verbosity", 0)
        calculator.set("accuracy", 0.05)
        if field_au is not None:  # an ndarray raises TypeError
            calculator.add("electric-field", field_au.tolist())
        try:
            return calculator.singlepoint().dict()
        except RuntimeError as error:
            raise InputError(
                f"gfn2-xtb did not converge ({first_line(error)}); check the geometry, charge and spin"
            ) from None

    free = run()
    out = {
        keys.ENERGY: np.array(free["energy"] * HARTREE_EV),
        keys.FORCES: -free["gradient"] * HARTREE_EV / BOHR_A,
        keys.DIPOLE: np.asarray(free["dipole"], dtype=float) * BOHR_A,  # this interface speaks atomic units
    }
    if keys.POLARIZABILITY in properties:
        columns = []
        for axis in np.eye(3):
            plus, minus = run(FIELD_AU * axis), run(-FIELD_AU * axis)
            columns.append((plus["dipole"] - minus["dipole"]) / (2 * FIELD_AU))
        tensor = np.array(columns) * BOHR3_A3
        out[keys.POLARIZABILITY] = 0.5 * (tensor + tensor.T)
    out = {name: out[name] for name in properties}
    tensors = {name: out[name] for name in keys.DERIVATIVES if derivatives and name in out}
    if tensors:
        out |= derivatives_in_field(lambda f: run(f)["gradient"], numbers, positions, charge, tensors)
    return out
