"""What the setting `structure` means: a file, a SMILES or an ASE name, as atoms and a bond graph."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import molecule as ase_molecule
from ase.collections import g2
from ase.data import covalent_radii
from ase.io import read
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds
from rdkit.Chem.EnumerateStereoisomers import EnumerateStereoisomers, StereoEnumerationOptions
from scipy.sparse.csgraph import connected_components

from painn_spectra.errors import InputError, first_line
from painn_spectra.first_frame import check_electrons
from painn_spectra.md.bonds import bonds

Array = NDArray[np.float64]

OVERLAP_FACTOR = 0.5  # atoms closer than this share of the sum of their covalent radii are a mistake
HEAVIEST = 86  # radon: GFN2-xTB has parameters up to there


@dataclass(frozen=True)
class Structure:
    """A molecule as the setting names it."""

    source: str  # the setting, for messages
    kind: str  # "file", "SMILES" or "ASE name"
    numbers: NDArray[np.int64]  # (n_atoms,) | in the order of the file, or SMILES atoms first, then their H
    positions: Array | None  # (n_atoms, 3) | Å, None for SMILES
    graph: Any  # RDKit molecule of the same order of atoms, with its stereo; None where bonds stay unknown


def read_structure(source: str | None, charge: int = 0, multiplicity: int = 1) -> Structure:
    """The molecule that `source` names: an existing file wins, then a SMILES that parses, then an ASE name.

    So 'CO' is the SMILES of methanol; ASE's carbon monoxide is written [C-]#[O+]. 'H2O' and 'CH3CH2OH' are no
    SMILES (a bare H is none) and are ASE's. Raises InputError naming the value, the reason and the fix.
    """
    text = (source or "").strip()
    if not text:
        raise InputError(
            "structure: is missing; give a SMILES such as 'CCO', the path of an xyz file or an ASE name"
        )
    if Path(text).is_file():
        found = _from_file(text, charge, multiplicity)
    elif (graph := parse_smiles(text)) is not None:
        found = _from_smiles(text, graph, charge)
    elif text in g2.names:
        found = _from_positions(text, "ASE name", ase_molecule(text), charge, multiplicity)
    else:
        raise InputError(
            f"structure = {text!r}: is no file, no SMILES that parses{_reason(text)} and no name that ASE "
            "knows; correct it"
        )
    check_electrons([int(z) for z in found.numbers], charge, multiplicity, text)
    if len(found.numbers) < 2:
        raise InputError(f"structure = {text!r}: a single atom has no vibrations; give at least two atoms")
    return found


def also_an_ase_name(structure: Structure) -> str | None:
    """A warning where a SMILES could have been meant as an ASE name of another composition."""
    if structure.kind != "SMILES" or structure.source not in g2.names:
        return None
    meant, other = Atoms(structure.numbers), ase_molecule(structure.source)
    if len(other) == 1 or f"{meant.symbols.formula:hill}" == f"{other.symbols.formula:hill}":
        return None
    return (
        f"structure = {structure.source!r} is read as SMILES, {meant.symbols.formula:hill}; for the "
        f"{other.symbols.formula:hill} that ASE calls so write another SMILES or name an xyz file"
    )


def parse_smiles(text: str) -> Any:
    """RDKit's molecule with its hydrogens, None where the text is no SMILES."""
    with rdBase.BlockLogs():
        graph = Chem.MolFromSmiles(text) if not any(c.isspace() for c in text) else None
    return Chem.AddHs(graph) if graph is not None and graph.GetNumAtoms() else None


def _reason(text: str) -> str:
    """RDKit's complaint in brackets, where it has one worth reading."""
    with rdBase.BlockLogs():
        graph = Chem.MolFromSmiles(text, sanitize=False) if not any(c.isspace() for c in text) else None
        problems = Chem.DetectChemistryProblems(graph) if graph is not None else []
    return f" ({problems[0].Message()})" if problems else ""


def _from_smiles(text: str, graph: Any, charge: int) -> Structure:
    if len(Chem.GetMolFrags(graph)) > 1:
        raise InputError(
            f"structure = {text!r}: has {len(Chem.GetMolFrags(graph))} molecules; spectra are of one, "
            "remove what the dot separates"
        )
    if any(atom.GetAtomicNum() == 0 for atom in graph.GetAtoms()):
        raise InputError(f"structure = {text!r}: '*' is no element; replace it")
    formal = Chem.GetFormalCharge(graph)
    if formal != charge:
        raise InputError(
            f"structure = {text!r}: the SMILES has charge {formal:+d}, but charge = {charge}; correct either"
        )
    numbers = np.array([atom.GetAtomicNum() for atom in graph.GetAtoms()], dtype=np.int64)
    _check_elements(text, numbers)
    return Structure(text, "SMILES", numbers, None, _with_stereo(text, graph))


def _with_stereo(text: str, graph: Any) -> Any:
    """`graph` with every stereo centre decided; raises InputError where diastereomers are left open.

    A lone undecided centre leaves two enantiomers, whose spectra are the same: the first is taken.
    """
    options = StereoEnumerationOptions(onlyUnassigned=True, unique=True, maxIsomers=16)
    with rdBase.BlockLogs():
        isomers = list(EnumerateStereoisomers(graph, options=options))
    names = [canonical_smiles(isomer) for isomer in isomers]
    mirrored = [canonical_smiles(isomer, mirrored=True) for isomer in isomers]
    different = {min(pair) for pair in zip(names, mirrored, strict=True)}
    if len(different) > 1:
        raise InputError(
            f"structure = {text!r}: leaves the stereo open, {len(different)} molecules with different "
            f"spectra fit; write one of them, for example {min(names)!r}"
        )
    return isomers[int(np.argmin(names))]


def is_chiral(graph: Any) -> bool:
    """Whether the mirror image is another molecule, by the stereo centres of the bond graph.

    Axes and helices, which have none, turn into their mirror images, or else have the same spectrum.
    """
    return canonical_smiles(graph) != canonical_smiles(graph, mirrored=True)


def canonical_smiles(graph: Any, mirrored: bool = False) -> str:
    """One text for one molecule with its stereo, or for its mirror image."""
    with rdBase.BlockLogs():
        copy = Chem.RWMol(Chem.RemoveHs(graph))
        for atom in copy.GetAtoms() if mirrored else ():
            atom.InvertChirality()
        text = Chem.MolToSmiles(copy)
        again = Chem.MolFromSmiles(text)  # a text of odd valences may not be read again
    return Chem.MolToSmiles(again) if again is not None else text


def _from_file(text: str, charge: int, multiplicity: int) -> Structure:
    if Path(text).stat().st_size == 0:
        raise InputError(f"structure = {text}: the file is empty; give an xyz file with one geometry")
    try:
        with np.errstate(all="ignore"):
            frames: Any = read(text, index="0:2", format="extxyz")
    except KeyError as error:
        raise InputError(f"structure = {text}: {error} is no element; correct the first column") from None
    except Exception as error:
        reason = first_line(error)
        raise InputError(f"structure = {text}: cannot be read as xyz ({reason}); correct the file") from None
    if len(frames) > 1:
        raise InputError(f"structure = {text}: holds several geometries; keep the one to start from")
    atoms = frames[0] if frames else Atoms()
    if len(atoms) == 0:
        raise InputError(f"structure = {text}: holds no atoms; give an xyz file with one geometry")
    if atoms.pbc.any():
        raise InputError(f'structure = {text}: is periodic; only molecules in free space, set pbc="F F F"')
    return _from_positions(text, "file", atoms, charge, multiplicity)


def _from_positions(text: str, kind: str, atoms: Atoms, charge: int, multiplicity: int) -> Structure:
    numbers, positions = atoms.numbers.astype(np.int64), atoms.positions.copy()
    _check_elements(text, numbers)
    if not np.isfinite(positions).all():
        raise InputError(f"structure = {text}: positions hold NaN or infinity; correct the file")
    i, j = np.triu_indices(len(numbers), 1)
    lengths = np.linalg.norm(positions[i] - positions[j], axis=1)  # (n_pairs,) | Å
    relative = lengths / (covalent_radii[numbers[i]] + covalent_radii[numbers[j]])
    if len(relative) and relative.min() < OVERLAP_FACTOR:
        k = int(relative.argmin())
        raise InputError(
            f"structure = {text}: atoms {i[k]} and {j[k]} overlap, {lengths[k]:.2f} Å apart; correct the "
            "positions (in Å)"
        )
    pairs = np.array(bonds(numbers, positions), int).reshape(-1, 2)
    links = np.zeros((len(numbers), len(numbers)))
    links[pairs[:, 0], pairs[:, 1]] = 1
    n_parts = connected_components(links, directed=False, return_labels=False)
    if n_parts > 1:
        raise InputError(
            f"structure = {text}: falls into {n_parts} parts that no bond joins; give one molecule, "
            "positions in Å"
        )
    return Structure(text, kind, numbers, positions, perceived(numbers, positions, charge, multiplicity))


def _check_elements(text: str, numbers: NDArray[np.int64]) -> None:
    if len(numbers) and not 1 <= numbers.min() <= numbers.max() <= HEAVIEST:
        raise InputError(f"structure = {text}: holds an element beyond H to Rn; GFN2-xTB knows no others")


def perceived(numbers: NDArray[np.int64], positions: Array, charge: int, multiplicity: int = 1) -> Any:
    """RDKit's bond orders and stereo of a geometry, None where it finds no valence structure."""
    n = len(numbers)
    symbols = Atoms(numbers).get_chemical_symbols()
    rows = [f"{s} {x:.8f} {y:.8f} {z:.8f}" for s, (x, y, z) in zip(symbols, positions, strict=True)]
    with rdBase.BlockLogs():
        graph = Chem.MolFromXYZBlock("\n".join([str(n), "", *rows]) + "\n")
        try:
            rdDetermineBonds.DetermineBonds(graph, charge=charge, allowChargedFragments=multiplicity == 1)
            Chem.SanitizeMol(graph)
            Chem.AssignStereochemistryFrom3D(graph)
        except (ValueError, RuntimeError):
            return None
    return graph
