"""One order of atoms for geometries of one molecule, by its bond graph.

Sets joined from several sources order like atoms differently. A model does not mind, but an isotope does: its
index would be a hydroxyl hydrogen in one frame and a methyl one in the next.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from painn_spectra.md.bonds import bonds

Bonds = Sequence[tuple[int, int]]


def in_one_order(numbers: NDArray[np.int64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions (n_frames, n_atoms, 3) with the atoms of every frame in the order of the first.

    Frames whose bonds are not those of the first in any order, of a molecule flown apart, stay as they are.
    """
    ordered = positions.copy()
    wanted = bonds(numbers, positions[0])
    orders: dict[Bonds, list[int]] = {wanted: list(range(len(numbers)))}
    for frame, geometry in enumerate(positions):
        found = bonds(numbers, geometry)
        if found not in orders:
            orders[found] = matching_order(numbers, wanted, found) or orders[wanted]
        ordered[frame] = geometry[orders[found]]
    return ordered


def matching_order(numbers: NDArray[np.int64], wanted: Bonds, found: Bonds) -> list[int]:
    """The order of atoms in which the bonds `found` become `wanted`; empty where there is none."""
    if len(wanted) != len(found):
        return []
    return list(bond_graph(numbers, found).GetSubstructMatch(bond_graph(numbers, wanted)))


def bond_graph(numbers: NDArray[np.int64], pairs: Bonds) -> Any:
    """RDKit molecule of elements and bonds alone: no bond orders, charges or stereo."""
    graph = Chem.RWMol()
    for z in numbers.tolist():
        atom = Chem.Atom(z)
        atom.SetNoImplicit(True)
        graph.AddAtom(atom)
    for i, j in pairs:
        graph.AddBond(i, j, Chem.BondType.SINGLE)
    return graph
