"""Sum formulae: of atoms, and of what a file says."""

import re
from collections import Counter
from collections.abc import Iterable

SYMBOLS = (  # noqa: SIM905, a list of 94 strings is no easier to read
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br "
    "Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er "
    "Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu"
).split()  # by atomic number from 1
ISOTOPES = {"D": "H", "T": "H"}
PART = re.compile(r"([A-Z][a-z]?)(\d*)")


def hill_formula(numbers: Iterable[int]) -> str:
    """C2H6O: carbon, hydrogen, the alphabet; without carbon the alphabet alone. numbers: atomic ones."""
    return _hill(Counter(SYMBOLS[z - 1] for z in numbers if z > 0))


def stated_formula(text: str) -> str | None:
    """From JCAMP-DX's ##MOLFORM, `C H3 C O C H3` and `H 2 O` too; None where it is no plain formula."""
    bare = re.sub(r"\s", "", text)
    counts: Counter[str] = Counter()
    for symbol, number in PART.findall(bare):
        counts[ISOTOPES.get(symbol, symbol)] += int(number or 1)
    known = set(counts) <= set(SYMBOLS)
    return _hill(counts) if counts and known and not PART.sub("", bare) else None


def _hill(counts: Counter[str]) -> str:
    first = [symbol for symbol in ("C", "H") if "C" in counts and symbol in counts]
    order = first + sorted(set(counts) - set(first))
    return "".join(f"{symbol}{counts[symbol] if counts[symbol] > 1 else ''}" for symbol in order)
