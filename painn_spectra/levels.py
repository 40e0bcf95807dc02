"""Levels of theory as labels tell them in REF_method: whether texts mean the same one."""

import re
from collections.abc import Iterable

from painn_spectra.errors import InputError


def theory(level: str) -> str:
    """functional/basis of a description, or what stands before its first comma; lower case.

    Programs, versions, grids and the kind of determinant, `RKS PBE0/def2-TZVP RI, PySCF 2.14`, do not count.
    """
    found = re.search(r"[^\s,;/]+/[^\s;]*[^\s,;]", level)
    return (found[0] if found else level.split(",")[0].strip()).casefold()


def check_one_level(levels: Iterable[tuple[str, str]]) -> None:
    """levels: (file, REF_method). Raises InputError where they tell more than one level of theory."""
    first: tuple[str, str] | None = None
    for source, level in levels:
        first = first or (source, level)
        if theory(level) != theory(first[1]):
            raise InputError(
                f"{source}: REF_method = {level!r}, but {first[0]} has {first[1]!r}; energies of two levels "
                "of theory have other zeros: label all frames at one, or correct REF_method"
            )
