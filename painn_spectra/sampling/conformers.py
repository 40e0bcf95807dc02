"""The stage `conformers`: the minima of a molecule by RDKit and GFN2-xTB, mirror images counted."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from ase.io import write
from numpy.typing import NDArray
from rdkit.Chem import rdDistGeom

from painn_spectra.conformers import weighted_conformers
from painn_spectra.dataset import read_atoms
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, output_lock
from painn_spectra.md.bonds import bonds
from painn_spectra.molecules import Structure, also_an_ase_name, is_chiral, read_structure
from painn_spectra.reference import xtb
from painn_spectra.relaxation import relax
from painn_spectra.sampling.screening import SAME_MINIMUM_A, distinct, fingerprints
from painn_spectra.sampling.surfaces import mmff_surface, xtb_surface
from painn_spectra.settings.training import SamplingSettings

Array = NDArray[np.float64]

WEIGHT_TEMPERATURE_K = 300.0  # of the weights that are shown; sampling does not use them


def find_conformers(
    output: Path, source: str | None, charge: int, multiplicity: int, settings: SamplingSettings
) -> None:
    """Stage: write the conformers of the molecule `source` names, lowest energy first."""
    structure = read_structure(source, charge, multiplicity)
    _warn(also_an_ase_name(structure))
    with output_lock(output):
        found, method = conformers(structure, charge, multiplicity, settings)
        lowest = found[0]["energy_eV"]
        frames = []
        for number, conformer in enumerate(found):
            frame = Atoms(structure.numbers, conformer["positions"])
            frame.info = {
                "conformer": number,
                "relative_energy_eV": conformer["energy_eV"] - lowest,
                "weight_300K": conformer["weight"],
                "symmetry_number": conformer["symmetry_number"],
                "method": method,
                "structure": structure.source,
                "charge": charge,
                "multiplicity": multiplicity,
            }
            frames.append(frame)
        with atomic_path(output) as temporary:
            write(temporary, frames, format="extxyz")
    energies = ", ".join(f"{1e3 * frame.info['relative_energy_eV']:.1f}" for frame in frames[:10])
    print(
        f"{structure.source} ({structure.kind}, {frames[0].symbols}): {len(frames)} conformers by {method}, "
        f"mirror images counted, at {energies}{' ...' if len(frames) > 10 else ''} meV"
    )


def conformers(
    structure: Structure, charge: int, multiplicity: int, settings: SamplingSettings
) -> tuple[list[dict[str, Any]], str]:
    """Conformers as `weighted_conformers` describes them, and the method that relaxed them.

    ETKDGv3 geometries (Wang, Witek, Landrum, Riniker 2020, doi:10.1021/acs.jcim.0c00025) are relaxed by
    MMFF94, copies dropped, and relaxed by GFN2-xTB. The geometry of a file is one more start. The mirror
    image of each conformer is a conformer too unless the bond graph is chiral: then it is another molecule.
    """
    numbers, graph = structure.numbers, structure.graph
    starts, cheap = embedded(structure, settings)
    if xtb.available():
        surface, method = xtb_surface(numbers, charge, multiplicity), "GFN2-xTB"
    else:
        if cheap is None:
            raise InputError(
                f"structure = {structure.source!r}: conformers need tblite, which is not installed here, and "
                "MMFF94 does not know the molecule; pip install tblite, or bring labels along"
            )
        _warn("tblite is not installed: conformers are those of MMFF94, less exact than GFN2-xTB's")
        surface, method = cheap, "MMFF94"
    relaxed, energies, converged = relax(surface, starts)
    found = [bonds(numbers, r) for r in relaxed]
    drawn = bonds_of(graph) if graph is not None else None
    if drawn in found:
        wanted = drawn
    else:  # an ionic bond, say, that the drawing has and the geometry has not
        wanted = Counter(bonds(numbers, r) for r in starts).most_common(1)[0][0]
    kept = converged & np.array([have == wanted for have in found])
    if not kept.any():
        raise InputError(
            f"structure = {structure.source!r}: none of {len(starts)} geometries relaxes to a {method} "
            "minimum with its bonds; check structure, charge and multiplicity"
        )
    if not kept.all():
        n_lost = int((~kept).sum())
        print(f"{structure.source}: {n_lost} of {len(starts)} starts reacted or did not converge, left out")
    minima, energies = relaxed[kept], energies[kept]
    if graph is not None and not is_chiral(graph):
        minima, energies = np.concatenate([minima, -minima]), np.concatenate([energies, energies])
    masses = atomic_masses[numbers]
    return weighted_conformers(surface, numbers, masses, minima, energies, WEIGHT_TEMPERATURE_K), method


def bonds_of(graph: Any) -> tuple[tuple[int, int], ...]:
    """Bonded pairs of the drawing, as `bonds` gives those of a geometry."""
    pairs = ((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in graph.GetBonds())
    return tuple(sorted((min(pair), max(pair)) for pair in pairs))


def embedded(structure: Structure, settings: SamplingSettings) -> tuple[Array, Any]:
    """Different starting geometries (n, n_atoms, 3) | Å, and the MMFF94 surface or None."""
    own = structure.positions[None] if structure.positions is not None else None
    if structure.graph is None:
        _warn(f"structure = {structure.source}: RDKit finds no valences; only its own geometry is relaxed")
        assert own is not None
        return own, None
    graph = structure.graph
    parameters: Any = rdDistGeom.ETKDGv3()  # its stubs know no attributes
    parameters.randomSeed = settings.seed + 1  # embedding k is seeded k × this: 0 would repeat one geometry
    numbers = list(rdDistGeom.EmbedMultipleConfs(graph, settings.n_embeddings, parameters))
    if not numbers and own is None:
        raise InputError(
            f"structure = {structure.source!r}: RDKit finds no geometry for it; give an xyz file instead"
        )
    if not numbers:
        return own, None  # type: ignore[return-value]
    geometries = np.array([graph.GetConformer(k).GetPositions() for k in numbers])
    surface = mmff_surface(graph)
    if surface is not None:
        geometries, energies, _ = relax(surface, geometries)
        geometries = geometries[np.argsort(energies, kind="stable")]
    geometries = geometries[distinct(fingerprints(structure.numbers, geometries), SAME_MINIMUM_A)]
    return (geometries if own is None else np.concatenate([own, geometries])), surface


def read_conformers(path: Path) -> list[Atoms]:
    """The frames that `find_conformers` wrote, checked."""
    frames = read_atoms(path)
    for k, frame in enumerate(frames):
        if not np.array_equal(frame.numbers, frames[0].numbers):
            raise InputError(f"{path}: frame {k} is not the molecule of frame 0; make the file again")
        if not {"charge", "multiplicity"} <= set(frame.info):
            raise InputError(f"{path}: frame {k} lacks charge and multiplicity; make it with 'conformers'")
    return frames


def _warn(text: str | None) -> None:
    if text:
        print(f"painn-spectra: warning: {text}", file=sys.stderr)
