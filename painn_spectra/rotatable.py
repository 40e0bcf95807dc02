"""Rotatable bonds of a molecule, by its geometry."""

from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from numpy.typing import NDArray

from painn_spectra.errors import InputError
from painn_spectra.md.starts import bonds

Array = NDArray[np.float64]
Dihedral = tuple[int, int, int, int]

MULTIPLE_BOND = 0.93  # of the sum of covalent radii: C=C, amides and aromatic bonds are shorter
STRAIGHT_DEG = 170.0  # no torsion about a bond that goes on straight


def rotatable(numbers: NDArray[np.int64], positions: Array) -> list[Dihedral]:
    """One dihedral about every single bond outside rings that has something to turn at both ends."""
    pairs = bonds(numbers, positions)
    found = []
    for j, k in pairs:
        ends = [[b if a == end else a for a, b in pairs if end in (a, b)] for end in (j, k)]
        before, after = ([i for i in end if i not in (j, k)] for end in ends)
        if not before or not after or moving_atoms(pairs, j, k) is None:
            continue
        length = np.linalg.norm(positions[j] - positions[k])
        if length < MULTIPLE_BOND * covalent_radii[numbers[[j, k]]].sum():
            continue
        i, m = (max(end, key=lambda a: (numbers[a], -a)) for end in (before, after))
        if max(_angle(positions[[i, j, k]]), _angle(positions[[j, k, m]])) < STRAIGHT_DEG:
            found.append((i, j, k, m))
    return found


def moving_atoms(pairs: Sequence[tuple[int, int]], j: int, k: int) -> list[int] | None:
    """Atoms on k's side of the bond j–k; None in a ring."""
    seen, waiting = {k}, [k]
    while waiting:
        atom = waiting.pop()
        for a, b in pairs:
            if atom in (a, b) and {a, b} != {j, k}:
                other = b if a == atom else a
                if other == j:
                    return None
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
    return sorted(seen)


def check_dihedral(dihedral: Sequence[int], numbers: NDArray[np.int64]) -> Dihedral:
    """The four atoms, if there are such."""
    i, j, k, m = (int(atom) for atom in dihedral)
    if len({i, j, k, m}) < 4 or not all(0 <= atom < len(numbers) for atom in (i, j, k, m)):
        raise InputError(
            f"--bond {i} {j} {k} {m}: not four different atoms; indices run from 0 to {len(numbers) - 1}"
        )
    return i, j, k, m


def name_of(dihedral: Dihedral, numbers: NDArray[np.int64]) -> str:
    """Such as H3-O2-C1-C0."""
    return "-".join(f"{chemical_symbols[numbers[atom]]}{atom}" for atom in dihedral)


def _angle(three: Array) -> float:
    u, v = three[0] - three[1], three[2] - three[1]
    return float(np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))))
