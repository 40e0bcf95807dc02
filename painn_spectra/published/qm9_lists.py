"""What comes beside QM9's molecules: the list of those left out, and the energies of free atoms."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from painn_spectra.errors import InputError
from painn_spectra.formula import SYMBOLS

ATOMIC_NUMBERS = {symbol: z for z, symbol in enumerate(SYMBOLS, start=1)}
N_MOLECULES, N_EXCLUDED = 133_885, 3054
ATOMREF_COLUMNS = ("zpve", "U0", "U", "H", "G", "Cv")


def read_excluded(path: Path) -> NDArray[np.int64]:
    """Numbers of uncharacterized.txt, the first column of its rows, or of a list with a number a line.

    Heading and end are left aside; between them every line is a row.
    """
    lines = [line.split() for line in _text(path).splitlines() if line.strip()]
    bare = all(len(words) == 1 for words in lines)
    rows = [k for k, words in enumerate(lines) if words[0].isdecimal() and (bare or len(words) > 2)]
    numbers = [int(lines[k][0]) for k in rows]
    broken = not rows or rows[-1] - rows[0] >= len(rows)
    if broken or not 1 <= min(numbers) <= max(numbers) <= N_MOLECULES:
        raise InputError(
            f"{path}: is no list of molecules, numbers from 1 to {N_MOLECULES}; give QM9's "
            "uncharacterized.txt, or a number a line"
        )
    if len(numbers) != N_EXCLUDED:
        print(f"warning: {path} names {len(numbers)} molecules, the official list {N_EXCLUDED}")
    return np.array(numbers)


def read_atomref(path: Path) -> dict[str, dict[int, float]]:
    """Reference values of free atoms per property and atomic number, in the raw files' units."""
    values = {}
    for line in _text(path).splitlines():
        symbol, *numbers = line.split() or [""]
        if symbol in ATOMIC_NUMBERS and len(numbers) == len(ATOMREF_COLUMNS):
            try:
                values[ATOMIC_NUMBERS[symbol]] = [float(x) for x in numbers]
            except ValueError as error:
                raise InputError(f"{path}: row of {symbol}: {error}; restore QM9's atomref.txt") from None
    if not values or not np.isfinite([*values.values()]).all():
        raise InputError(f"{path}: holds no atomic references; give QM9's atomref.txt")
    return {name: {z: row[k] for z, row in values.items()} for k, name in enumerate(ATOMREF_COLUMNS)}


def references(path: Path, target: str, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a free atom has of `target`, by atomic number; zero where atomref.txt has no such column.

    numbers: atomic ones, each of which needs its row.
    """
    rows, found = read_atomref(path), np.zeros(len(SYMBOLS) + 1)
    missing = [SYMBOLS[z - 1] for z in np.unique(numbers) if z > 0 and z not in rows[ATOMREF_COLUMNS[0]]]
    if missing:
        raise InputError(f"{path}: has no row for {', '.join(missing)}; restore QM9's atomref.txt")
    for z, value in rows.get(target, {}).items():
        found[z] = value
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}); give QM9's own file") from None
