"""Labels that no calculation gives: zeros in the place of what was not computed, and energies of two kinds.

What symmetry allows passes: dipoles of zero, polarizabilities with an eigenvalue of zero, few frames alike.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from painn_spectra import keys
from painn_spectra.errors import InputError

if TYPE_CHECKING:
    from painn_spectra.dataset import Frames

MIN_FRAMES = 8  # alike by chance, as displacements in both directions are, or relaxed structures
LARGEST_GAP_EV = 50.0  # between energies of one composition; atomising ethanol takes 33 eV
LARGEST_GAP = 0.5  # of the largest |energy|; Hartree for eV 0.96, kJ/mol for kcal/mol 0.76


def check_placeholders(frames: "Frames", source: Path | str) -> None:
    """Raise InputError for labels that are placeholders, or energies in two units or from two zeros."""
    fix = "take it from the calculation, or leave it out with train.loss.{}: 0"
    energy, forces = (frames.labels.get(name) for name in (keys.ENERGY, keys.FORCES))
    if forces is not None and len(frames) >= MIN_FRAMES and not forces.any():
        raise InputError(
            f"{source}: REF_{keys.FORCES} is zero in all {len(frames)} frames, which is a placeholder; "
            + fix.format(keys.FORCES)
        )
    if energy is not None:
        _check_energies(frames.numbers, energy, source, fix.format(keys.ENERGY))
    for k, tensor in enumerate(frames.labels.get(keys.POLARIZABILITY, [])):
        mean = np.trace(tensor) / 3
        if mean <= 0:
            raise InputError(
                f"{source}: frame {k}: REF_{keys.POLARIZABILITY} has a mean of {mean:.3g} Å³, a ground "
                f"state's is positive; {fix.format(keys.POLARIZABILITY)}"
            )


def _check_energies(numbers: np.ndarray, energy: np.ndarray, source: Path | str, fix: str) -> None:
    compositions, which = np.unique(np.sort(numbers, axis=1), axis=0, return_inverse=True)
    for kind in range(len(compositions)):
        index = np.flatnonzero(which.ravel() == kind)
        order = index[np.argsort(energy[index], kind="stable")]
        ascending = energy[order]
        if len(index) >= MIN_FRAMES and ascending[0] == ascending[-1]:
            raise InputError(
                f"{source}: REF_{keys.ENERGY} is {ascending[0]:.9g} in all {len(index)} frames of a "
                f"molecule, a placeholder; {fix}"
            )
        gaps = np.diff(ascending)
        largest = int(gaps.argmax()) if len(gaps) else 0
        if len(gaps) and gaps[largest] > max(LARGEST_GAP_EV, LARGEST_GAP * np.abs(ascending).max()):
            one, other = order[largest], order[largest + 1]
            raise InputError(
                f"{source}: REF_{keys.ENERGY} is {energy[one]:.9g} in frame {one} and {energy[other]:.9g} in "
                f"frame {other}, of the same atoms, and nothing lies between; give all in eV, of one method"
            )
