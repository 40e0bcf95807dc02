"""Masses of an isotopologue: by atom index, site or SMILES, whatever order of atoms the labels have."""

from typing import Any

import numpy as np
from ase.data import atomic_masses
from ase.data import atomic_numbers as elements
from numpy.typing import NDArray
from rdkit import Chem

from painn_spectra.atom_order import bond_graph
from painn_spectra.errors import InputError
from painn_spectra.md.bonds import bonds
from painn_spectra.molecules import canonical_smiles, parse_smiles, perceived
from painn_spectra.settings.molecule import Isotopes

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

MAX_MATCHES = 10_000
NO_SITE = "isotopes: the molecule has no site {!r}; write an atom index, H or H-O"


def isotopic_masses(numbers: Integers, positions: Array, isotopes: Isotopes | str) -> Array:
    """Masses (n_atoms,) | amu of the molecule with positions (n_atoms, 3) | Å and the setting's isotopes.

    isotopes: mass by atom index or site, `H-O` being all hydrogens on oxygen and `H` all; or a SMILES with
    `[2H]` and the like. Raises InputError for atoms, sites or a SMILES that the molecule has not.
    """
    masses: Array = atomic_masses[numbers].copy()
    if isinstance(isotopes, str):
        found = from_smiles(numbers, positions, isotopes)
    else:
        found = {atom: mass for key, mass in isotopes.items() for atom in atoms_of(numbers, positions, key)}
    for atom, mass_amu in found.items():
        masses[atom] = mass_amu
    return masses


def atoms_of(numbers: Integers, positions: Array, key: int | str) -> list[int]:
    """The atoms that an index or the name of a site means."""
    if isinstance(key, int):
        _check_index(numbers, key)
        return [key]
    symbol, _, partner = key.partition("-")
    found = [int(atom) for atom in np.flatnonzero(numbers == elements.get(symbol, -1))]
    if partner:
        pairs = bonds(numbers, positions)
        neighbours = {atom: {b if a == atom else a for a, b in pairs if atom in (a, b)} for atom in found}
        found = [
            atom for atom in found if any(numbers[k] == elements.get(partner, -1) for k in neighbours[atom])
        ]
    if not found:
        raise InputError(NO_SITE.format(key))
    return found


def _check_index(numbers: Integers, atom: int) -> None:
    if not 0 <= atom < len(numbers):
        raise InputError(f"isotopes: atom {atom} does not exist; indices run from 0 to {len(numbers) - 1}")


def check_sites(numbers: Integers, isotopes: Isotopes, graph: Any = None) -> None:
    """Before there are positions: raise InputError for an index, element or isotope that there is not.

    graph: RDKit's of a SMILES, with the isotopes that it names.
    """
    present = {int(z) for z in numbers}
    for key in isotopes:
        if isinstance(key, int):
            _check_index(numbers, key)
        elif not {elements.get(symbol, -1) for symbol in key.split("-")} <= present:
            raise InputError(NO_SITE.format(key))
    for atom in graph.GetAtoms() if graph is not None else ():
        if atom.GetIsotope():
            isotope_mass(atom.GetAtomicNum(), atom.GetIsotope(), "structure")


def isotope_mass(z: int, isotope: int, source: str) -> float:
    """amu; raises InputError, which begins with `source`, for an isotope that nobody knows."""
    table = Chem.GetPeriodicTable()
    mass = float(table.GetMassForIsotope(z, isotope))
    if mass <= 0:
        raise InputError(f"{source}: no isotope {isotope}{table.GetElementSymbol(z)} is known; correct it")
    return mass


def from_smiles(numbers: Integers, positions: Array, text: str) -> dict[int, float]:
    """Masses | amu by atom of the labels, for the isotopes that a SMILES names.

    Places that bonds alone do not tell apart, as of [2H]C=CC, are told apart by the stereo of the geometry.
    Raises InputError for another molecule, and where the SMILES leaves open which place is meant.
    """
    graph = parse_smiles(text)
    if graph is None:
        raise InputError(f"structure = {text!r}: no SMILES that parses; correct it")
    own = np.array([atom.GetAtomicNum() for atom in graph.GetAtoms()], dtype=np.int64)
    pairs = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in graph.GetBonds()]
    target = bond_graph(numbers, bonds(numbers, positions))
    same = sorted(own.tolist()) == sorted(numbers.tolist()) and len(pairs) == target.GetNumBonds()
    matches = (
        target.GetSubstructMatches(bond_graph(own, pairs), uniquify=False, maxMatches=MAX_MATCHES)
        if same
        else ()
    )
    if not matches:
        raise InputError(
            f"structure = {text!r}: is not the molecule of the labels (elements or bonds differ); "
            "write that one, with its isotopes"
        )
    heavy = [(atom.GetIdx(), atom.GetIsotope()) for atom in graph.GetAtoms() if atom.GetIsotope()]
    places = list({frozenset((match[i], isotope) for i, isotope in heavy): None for match in matches})
    chosen = _by_stereo(numbers, positions, graph, [sorted(place) for place in places], text)
    return {
        atom: isotope_mass(int(numbers[atom]), isotope, f"structure = {text!r}") for atom, isotope in chosen
    }


def _by_stereo(
    numbers: Integers, positions: Array, graph: Any, places: list[list[tuple[int, int]]], text: str
) -> list[tuple[int, int]]:
    """Of sets of (atom, isotope) the first that makes the molecule of the SMILES or its mirror image."""
    shape = perceived(numbers, positions, int(Chem.GetFormalCharge(graph)))
    if len(places) == 1 or shape is None:
        return places[0]
    wanted = {canonical_smiles(graph), canonical_smiles(graph, mirrored=True)}
    kinds: dict[str, list[tuple[int, int]]] = {}  # of molecules that the places make, mirror images as one
    for place in places:
        copy = Chem.RWMol(shape)
        for atom, isotope in place:
            copy.GetAtomWithIdx(atom).SetIsotope(isotope)
        Chem.AssignStereochemistryFrom3D(copy)
        names = {canonical_smiles(copy), canonical_smiles(copy, mirrored=True)}
        if names & wanted:
            return place
        kinds.setdefault(min(names), place)
    if len(kinds) > 1:
        raise InputError(
            f"structure = {text!r}: leaves open which place the isotope takes, {len(kinds)} molecules fit; "
            f"write one of them, for example {min(kinds)!r}"
        )
    return next(iter(kinds.values()))
