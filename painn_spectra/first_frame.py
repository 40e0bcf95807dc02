"""The first frame of a label file, read with the standard library, and the settings it can contradict."""

import math
import re
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from painn_spectra.errors import InputError
from painn_spectra.settings.molecule import Molecule

COLUMNS = re.compile(r"""\bProperties=["']?species:S:1:pos:R:3\b""")  # what ASE writes
LEVEL = re.compile(r"""\bREF_method=(?:"([^"]*)"|(\S+))""")
CUTOFF_EDGE = 0.9  # of the cutoff: pairs beyond feel the jump in the cutoff function's second derivative


class FirstFrame(NamedTuple):
    """Symbols and positions in Å, atom by atom; what REF_method says, else empty."""

    symbols: list[str]
    positions: list[tuple[float, float, float]]
    level: str = ""

    @property
    def atomic_numbers(self) -> list[int]:
        """The elements by number."""
        from ase.data import atomic_numbers  # here: numpy and ase would slow every snakemake start

        return [atomic_numbers[symbol] for symbol in self.symbols]

    def neighbours(self) -> list[list[float]]:
        """Per atom, its distances in Å to all others, ascending."""
        every = range(len(self.positions))
        return [
            sorted(math.dist(self.positions[i], self.positions[j]) for j in every if j != i) for i in every
        ]


def first_frame(path: Path | str) -> FirstFrame | None:
    """The first frame of an extxyz file, None where it is not plain: its errors are for the stage to tell."""
    try:
        with Path(path).open(encoding="utf-8") as stream:
            n_atoms = int(stream.readline())
            comment = stream.readline()
            if not COLUMNS.search(comment):
                return None
            rows = [line.split()[:4] for line in islice(stream, n_atoms)]
        level = LEVEL.search(comment)
        frame = FirstFrame(
            [row[0] for row in rows],
            [(float(x), float(y), float(z)) for _, x, y, z in rows],
            level[1] or level[2] if level else "",
        )
        whole = 0 < n_atoms == len(rows) and all(frame.atomic_numbers)
        return frame if whole and math.isfinite(sum(map(sum, frame.positions))) else None
    except (OSError, ValueError, IndexError, KeyError):
        return None


def check_atoms(frame: FirstFrame, labels: str, molecule: Molecule) -> None:
    """Raise InputError when isotopes, charge or multiplicity do not fit the labelled molecule."""
    n_atoms = len(frame.symbols)
    for atom in molecule.isotopes:
        if isinstance(atom, int) and atom >= n_atoms:
            raise InputError(
                f"molecules.{molecule.name}.isotopes: {labels} has no atom {atom}; "
                f"indices run from 0 to {n_atoms - 1}"
            )
    check_electrons(
        frame.atomic_numbers, molecule.charge, molecule.multiplicity, labels, f"molecules.{molecule.name}."
    )


def check_electrons(
    atomic_numbers: list[int], charge: int, multiplicity: int, source: str, where: str = ""
) -> None:
    """Raise InputError when the multiplicity does not fit the electrons of `source`.

    where: what stands before the setting's name in the message.
    """
    electrons, unpaired = sum(atomic_numbers) - charge, multiplicity - 1
    if unpaired > electrons or (electrons - unpaired) % 2:
        raise InputError(
            f"{where}multiplicity = {multiplicity} wants {unpaired} unpaired electrons, but {source} with "
            f"charge = {charge} has {electrons} in all; correct either"
        )


def check_cutoff(frame: FirstFrame, labels: str, cutoff_A: float) -> list[str]:
    """Raise InputError when an atom sees no other; return a warning for pairs at the cutoff's edge."""
    neighbours = [distances for distances in frame.neighbours() if distances]
    farthest = max((distances[0] for distances in neighbours), default=0.0)
    if farthest >= cutoff_A:
        raise InputError(
            f"model.cutoff_A = {cutoff_A:g}: in {labels} an atom has its nearest neighbour at "
            f"{farthest:.2f} Å; use a larger cutoff, best one that holds every pair"
        )
    edge = [r for distances in neighbours for r in distances if CUTOFF_EDGE * cutoff_A < r < cutoff_A]
    if not edge:
        return []
    return [
        f"model.cutoff_A = {cutoff_A:g}: {labels} has pairs at {min(edge):.2f} to {max(edge):.2f} Å, where "
        f"the cutoff's second derivative jumps; a cutoff with every pair well inside is better"
    ]
