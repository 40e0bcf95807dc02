"""Starts that the members of an ensemble have in common, though each member has minima of its own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra.md.alignment import matching_orders
from painn_spectra.normal_modes import centred, eckart_frame

Array = NDArray[np.float64]

Conformers = list[dict[str, Any]]  # as `find_starts` gives them


def in_line_with(
    conformers: Conformers, guides: Array, firsts: Array, kinds: NDArray[np.int64], masses_amu: Array
) -> Conformers:
    """The same conformers, numbered, turned and their like atoms ordered as the first member's.

    firsts: minima of the first member; guides: where each of them relaxes to on this member's surface,
    (n_firsts, n_atoms, 3) | Å. To the replicas it then matters no more which member's minima these are: they
    come in the same order, and the same noise pushes the same atom in the same direction. Conformers that
    the first member lacks come last; weights and energies stay this member's own.
    """
    left, found = list(conformers), []
    for guide, first in zip(guides, firsts, strict=True):
        for conformer in left:
            orders = matching_orders(guide, np.array(conformer["positions"]), kinds, only_one=True)
            if orders:
                left.remove(conformer)
                found.append(_laid_upon(conformer, list(min(orders)), first, masses_amu))
                break
    return found + left


def _laid_upon(
    conformer: dict[str, Any], order: list[int], first: Array, masses_amu: Array
) -> dict[str, Any]:
    """Atoms in another order, in the Eckart frame and at the centre of `first`; modes along with them."""
    positions = np.array(conformer["positions"])[order]
    turn = eckart_frame(positions[None], first, masses_amu)[0]
    modes = np.einsum("xy,kay->kax", turn, np.array(conformer["modes"])[:, order])
    laid = centred(positions, masses_amu) @ turn.T + masses_amu @ first / masses_amu.sum()
    return conformer | {"positions": laid.tolist(), "modes": modes.round(7).tolist()}
