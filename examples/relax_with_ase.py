"""Relax a molecule with a trained model through ASE and print what it knows there.

python examples/relax_with_ase.py results/ethanol/model/0/model.pt ethanol.xyz
"""

import sys

from ase import Atoms
from ase.io import read
from ase.optimize import BFGS

from painn_spectra import PaiNNCalculator


def main(model: str, structure: str, steps: int = 200) -> Atoms:
    """The relaxed molecule."""
    atoms = read(structure)
    atoms.calc = PaiNNCalculator(model)
    BFGS(atoms, logfile=None).run(fmax=1e-3, steps=steps)
    print("energy, eV:", atoms.get_potential_energy())
    print("dipole, e·Å:", atoms.get_dipole_moment())
    print("polarizability, Å³:", atoms.calc.get_property("polarizability", atoms), sep="\n")
    return atoms


if __name__ == "__main__":
    main(*sys.argv[1:])
