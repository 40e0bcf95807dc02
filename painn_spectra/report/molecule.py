"""The molecule of a report: its structural formula, its conformers and how each normal mode moves them."""

from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from painn_spectra.md.bonds import bonds
from painn_spectra.molecules import perceived
from painn_spectra.report.content import compact
from painn_spectra.spectra.harmonic import (
    all_sticks,
    derivatives_file,
    masses_of,
    read_conformers,
    read_sticks,
)

SIZE_PX = 260


def modes_of(table: Path) -> dict[str, Any]:
    """Geometries and modes of a harmonic table and its .npz file; displacements have unit length."""
    notes, rows = read_sticks(table)
    conformers, _ = read_conformers(derivatives_file(table))
    masses = masses_of(notes, table)
    weights = {int(row["conformer"]): row for row in rows}
    found = []
    for i, sticks in enumerate(all_sticks(conformers, masses)):
        moves = sticks.modes / np.sqrt(masses)[:, None]  # (n_modes, n_atoms, 3)
        moves /= np.linalg.norm(moves, axis=(1, 2), keepdims=True)
        positions = conformers.positions[i] - conformers.positions[i].mean(0)
        columns = {
            "nu": sticks.wavenumber_cm.round(1).tolist(),
            "ir": compact(sticks.infrared),
            "raman": compact(sticks.activity),
            "moves": moves.round(3).tolist(),
        }
        found.append(
            {
                "weight": round(weights[i]["quantum_weight"], 3),
                "images": int(weights[i]["mirror_images"]),
                "energy_meV": round(weights[i]["relative_energy_meV"], 1),
                "positions": positions.round(3).tolist(),
                "bonds": bonds(conformers.numbers, positions),
                "modes": [
                    dict(zip(columns, mode, strict=True)) for mode in zip(*columns.values(), strict=True)
                ],
            }
        )
    return {"symbols": [chemical_symbols[z] for z in conformers.numbers], "conformers": found}


def formula_svg(table: Path, charge: int, multiplicity: int) -> str | None:
    """Structural formula of the lowest conformer as SVG; None where RDKit finds no valence structure."""
    conformers, _ = read_conformers(derivatives_file(table))
    graph = perceived(conformers.numbers, conformers.positions[0], charge, multiplicity)
    if graph is None:
        return None
    heavy = Chem.RemoveHs(graph)
    rdDepictor.Compute2DCoords(heavy)
    drawing = rdMolDraw2D.MolDraw2DSVG(SIZE_PX, SIZE_PX * 2 // 3)
    options: Any = drawing.drawOptions()
    options.useBWAtomPalette()
    options.clearBackground = False
    drawing.DrawMolecule(heavy)
    drawing.FinishDrawing()
    svg: str = drawing.GetDrawingText()
    svg = svg[svg.index("<svg") :]
    return svg.replace("#000000", "currentColor")  # legible in both themes
