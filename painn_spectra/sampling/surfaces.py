"""Cheap surfaces to relax conformers on: GFN2-xTB, and MMFF94 where tblite is not installed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.reference import xtb
from painn_spectra.relaxation import Surface
from painn_spectra.units import KCAL_MOL_EV

Array = NDArray[np.float64]


def xtb_surface(numbers: NDArray[np.int64], charge: int, multiplicity: int) -> Surface:
    """Energies and forces by GFN2-xTB; NaN where the electrons do not converge."""

    def energies_and_forces(positions: Array) -> tuple[Array, Array]:
        energies, forces = np.full(len(positions), np.nan), np.full(positions.shape, np.nan)
        for k, r in enumerate(positions):
            try:
                out = xtb.label(numbers, r, charge, multiplicity, (keys.ENERGY, keys.FORCES))
            except InputError:
                continue
            energies[k], forces[k] = out[keys.ENERGY], out[keys.FORCES]
        return energies, forces

    return energies_and_forces


def mmff_surface(graph: Any) -> Surface | None:
    """Energies and forces by MMFF94; None where it lacks the atom types.

    graph: RDKit molecule that holds a conformer. Halgren 1996, J. Comput. Chem. 17, 490.
    """
    from rdkit.Chem import rdForceFieldHelpers as helpers

    parameters = helpers.MMFFGetMoleculeProperties(graph)
    if parameters is None:
        return None
    field = helpers.MMFFGetMoleculeForceField(graph, parameters)
    field.Initialize()

    def energies_and_forces(positions: Array) -> tuple[Array, Array]:
        energies, gradients = np.empty(len(positions)), np.empty(positions.shape)
        for k, r in enumerate(positions):  # in turn: the gradient reuses the distances of the last energy
            flat = r.ravel().tolist()
            energies[k] = field.CalcEnergy(flat)
            gradients[k] = np.reshape(field.CalcGrad(flat), (-1, 3))
        return energies * KCAL_MOL_EV, -gradients * KCAL_MOL_EV

    return energies_and_forces
