"""Sum formulae: of atoms, and of what a file says."""

import re
from collections import Counter
from collections.abc import Iterable

from ase.data import chemical_symbols

ISOTOPES = {"D": "H", "T": "H"}
PART = re.compile(r"([A-Z][a-z]?)(\d*)")


def hill_formula(numbers: Iterable[int]) -> str:
    """C2H6O: carbon, hydrogen, the alphabet; without carbon the alphabet alone. numbers: atomic ones."""
    return _hill(Counter(chemical_symbols[z] for z in numbers if z > 0))


def stated_formula(text: str) -> str | None:
    """From JCAMP-DX's ##MOLFORM, `C H3 C O C H3` and `H 2 O` too; None where it is no plain formula."""
    bare = re.sub(r"\s", "", text)
    counts: Counter[str] = Counter()
    for symbol, number in PART.findall(bare):
        counts[ISOTOPES.get(symbol, symbol)] += int(number or 1)
    known = set(counts) <= set(chemical_symbols[1:])
    return _hill(counts) if counts and known and not PART.sub("", bare) else None


def _hill(counts: Counter[str]) -> str:
    first = [symbol for symbol in ("C", "H") if "C" in counts and symbol in counts]
    order = first + sorted(set(counts) - set(first))
    return "".join(f"{symbol}{counts[symbol] if counts[symbol] > 1 else ''}" for symbol in order)
