"""Wrong units in labels that a user brings: told in one line with the number that shows them and the factor.

Only what cannot be right is refused; what is odd gets a warning. Forces that are not the gradient of the
energies are told from a factor of 1.5 on where some forty frames are at hand (forces_and_energies.py). Other
factors below 3 alone are not told apart from chemistry: a dipole in e·a0 (1.9). Nor is what leaves too little
behind: energies of fewer than about ten frames of a molecule, a dipole in D without polar hydrogens or of
molecules with a few frames each, a GFN2-xTB polarizability in a0³.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.forces_and_energies import gradient_slope
from painn_spectra.label_evidence import (
    Geometries,
    Slope,
    atomic_charges,
    following_charge,
    nearest_neighbour_ratio,
    polarizability_ratio,
    stiffness_ratio,
    work_slope,
)
from painn_spectra.placeholders import check_placeholders
from painn_spectra.units import BOHR3_A3, BOHR_A, DEBYE_EA, HARTREE_EV, KCAL_MOL_EV, KJ_MOL_EV

if TYPE_CHECKING:
    from painn_spectra.dataset import Frames

MAX_FRAMES = 1000  # looked at, evenly spaced: a unit does not change within a set
ENERGY_UNITS = {"eV": 1.0, "kcal/mol": KCAL_MOL_EV, "kJ/mol": KJ_MOL_EV, "Hartree": HARTREE_EV}  # in eV
LENGTH_UNITS = {"Å": 1.0, "bohr": BOHR_A}  # in Å
WRONG_POSITIONS = {"bohr": BOHR_A, "nm": 10.0, "pm": 0.01}  # in Å
RIGHT_BOND = (0.5, 1.4)  # times the sum of covalent radii; F2 1.24, N2 0.77
WORK_SPREAD, STIFFNESS_SPREAD = math.log(1.25), math.log(1.3)  # of the two estimates, one sigma
STIFFNESS = 1.15  # what right labels give, 0.6 (Cl2, SO2) to 1.35
CLEAR = math.log(5.0)  # a factor that neither chemistry nor sampling makes
ODD = math.log(3.0)
EXPLAINED, EXPLAINED_ALONE = 0.3, 0.6  # of the energies, for a slope to count, beside a stiffness or without
MIN_COUNT = 8  # frames
GRADIENT = (0.67, 1.5)  # right labels: 0.85 to 1.02, docs/log.md
GRADIENT_DATA, GRADIENT_EXPLAINED = 25, 0.5
FITTING = 3.0  # sigmas within which a pair of units explains both estimates
# |charge| in e that an atom has at most; in D also polar hydrogens and their partners exceed it
MAX_CHARGES_E = {1: 1.15, 7: 2.4, 8: 1.9, 9: 1.4, 17: 1.4, 35: 1.4}
DIPOLE_EXPLAINED = 0.6
FOLLOWING_E = 0.5  # half of what the smallest ion has
RIGHT_POLARIZABILITY = 2.7  # times the free atoms' sum; molecules reach 0.9, long conjugated ones more
SURE_POLARIZABILITY = (0, 1, 5, 6, 7, 8, 9)  # elements for which no usual method says otherwise


class Pair(NamedTuple):
    """Units that energies and forces may have, with the sign of forces given as gradients."""

    energy: str
    energy_eV: float
    force: str
    force_eV_A: float  # negative for gradients


PAIRS = [
    Pair(
        energy,
        energy_eV,
        f"{'' if sign > 0 else 'gradients in '}{force}/{length}",
        sign * force_eV / length_A,
    )
    for energy, energy_eV in ENERGY_UNITS.items()
    for force, force_eV in ENERGY_UNITS.items()
    for length, length_A in LENGTH_UNITS.items()
    for sign in (1, -1)
]


def check_finite(arrays: Mapping[str, NDArray[Any]], source: Path | str) -> None:
    """Raise InputError naming the array of a published file that holds NaN, infinity or no real numbers."""
    for name, values in arrays.items():
        if values.dtype.kind not in "iuf":
            raise InputError(f"{source}: {name} holds {values.dtype}, no real numbers; restore the file")
        if not np.isfinite(values).all():
            raise InputError(f"{source}: values of {name} hold NaN or infinity; restore the file")


def check_whole(name: str, values: NDArray[Any], least: int, most: int, source: Path | str) -> None:
    """Raise InputError naming the array of a published file that counts, and holds another number."""
    check_finite({name: values}, source)
    wrong = values[(values != np.round(values)) | (values < least) | (values > most)]
    if wrong.size:
        raise InputError(
            f"{source}: {name} holds {wrong[0]:g}, no whole number of {least} to {most}; restore the file"
        )


def check_units(frames: "Frames", source: Path | str, published: str = "") -> None:
    """Raise InputError where a label's unit is clearly not that of keys.py; warn where it is in doubt.

    Placeholders are told first: their unit cannot be. published: units that a published file has, of which
    `frames` were made; no doubt is left there, and no factor told.
    """
    check_placeholders(frames, source)
    if len(frames) > MAX_FRAMES:
        frames = frames.take(np.linspace(0, len(frames) - 1, MAX_FRAMES).astype(int))
    check_positions(frames, source)
    if {keys.ENERGY, keys.FORCES} <= set(frames.labels):
        _check_energy_and_forces(frames, source, published)
    if keys.DIPOLE in frames.labels:
        _check_dipole(frames, source)
    if keys.POLARIZABILITY in frames.labels:
        _check_polarizability(frames, source)


def check_positions(frames: Geometries, source: Path | str) -> None:
    """Raise InputError where bonds tell that positions are not in Å."""
    ratio = nearest_neighbour_ratio(frames)
    if ratio is None or RIGHT_BOND[0] < ratio < RIGHT_BOND[1]:
        return
    shown = f"{source}: bonds are {ratio:.3g} times the sum of covalent radii"
    for unit, factor in WRONG_POSITIONS.items():
        if RIGHT_BOND[0] < ratio * factor < RIGHT_BOND[1]:
            raise InputError(
                f"{shown}, so positions look like {unit}, not Å; multiply them by {factor:.7g} "
                f"(forces per {unit} are divided by it)"
            )
    print(f"warning: {shown}; are the positions in Å?")


def _check_energy_and_forces(frames: "Frames", source: Path | str, published: str) -> None:
    work, stiffness = work_slope(frames), stiffness_ratio(frames)
    if work and (work.n_data < MIN_COUNT or work.explained < (EXPLAINED if stiffness else EXPLAINED_ALONE)):
        work = None
    found = [  # (what the number is, log of its distance from 1)
        (f"energies change {work.value:.3g} times as much as the forces say", work) if work else None,
        (f"bonds are {stiffness.value:.3g} times as stiff as expected", stiffness) if stiffness else None,
    ]
    evidence = [entry for entry in found if entry]
    off = max((_distance(slope.value) for _, slope in evidence), default=0.0)
    shown = f"{source}: " + " and ".join(text for text, _ in evidence)
    if off < ODD:
        _check_gradient(frames, source)
        return
    if published:
        raise InputError(f"{shown}, so labels are not in {published}; take the file as it was published")
    best = min(PAIRS, key=lambda pair: _misfit(pair, work, stiffness))
    if off < CLEAR or _misfit(best, work, stiffness) > FITTING**2:
        print(f"warning: {shown}; are energies in eV and forces in eV/Å?")
        return
    looks, fixes = [], []
    if best.energy_eV != 1:
        looks.append(f"REF_{keys.ENERGY} looks like {best.energy}, not eV")
        fixes.append(f"multiply REF_{keys.ENERGY} by {best.energy_eV:.7g}")
    if best.force_eV_A != 1:
        looks.append(f"REF_{keys.FORCES} looks like {best.force}, not eV/Å")
        fixes.append(f"multiply REF_{keys.FORCES} by {best.force_eV_A:.7g}")
    raise InputError(f"{shown}, so {' and '.join(looks)}; {' and '.join(fixes)}")


def _check_gradient(frames: "Frames", source: Path | str) -> None:
    """Finite differences between neighbouring frames: what is left once factors of three are told."""
    found = gradient_slope(frames)
    if found is None or found.n_data < GRADIENT_DATA or found.explained < GRADIENT_EXPLAINED:
        return
    if GRADIENT[0] < found.value < GRADIENT[1]:
        return
    bohr = abs(_distance(found.value * BOHR_A)) < math.log(1.2)
    fix = (
        f"forces look like eV/bohr, multiply them by {1 / BOHR_A:.7g}"
        if bohr
        else "take both from one method"
    )
    raise InputError(
        f"{source}: between neighbouring frames REF_{keys.ENERGY} changes {found.value:.3g} times as much as "
        f"REF_{keys.FORCES} say, so these are not −∂E/∂r; {fix}"
    )


def _distance(ratio: float) -> float:
    """How far from 1, as a logarithm; a wrong sign is as clear as can be."""
    return abs(math.log(ratio)) if ratio > 0 else math.inf


def _misfit(pair: Pair, work: Slope | None, stiffness: Slope | None) -> float:
    """Squared sigmas by which the estimates miss what these units give; unusual pairs cost a little."""
    wrong_energy, wrong_forces = pair.energy_eV != 1, abs(pair.force_eV_A) != 1
    total = wrong_energy + wrong_forces + 2.0 * ("bohr" in pair.force and "Hartree" not in pair.force)
    total += 2.0 * (wrong_energy and wrong_forces and pair.energy not in pair.force)
    if work:
        total += (_distance(work.value / pair.force_eV_A * pair.energy_eV) / WORK_SPREAD) ** 2
    if stiffness:
        total += (_distance(stiffness.value / STIFFNESS * pair.force_eV_A) / STIFFNESS_SPREAD) ** 2
    return total


def _check_dipole(frames: "Frames", source: Path | str) -> None:
    charge = following_charge(frames)
    if charge is not None and abs(charge) > FOLLOWING_E:
        raise InputError(
            f"{source}: REF_{keys.DIPOLE} follows the centre of mass by {charge:.1f} e, as an ion's from the "
            "origin does; count it from the centre of mass: subtract the charge times that"
        )
    for numbers, charges, explained in atomic_charges(frames):
        if explained < DIPOLE_EXPLAINED:
            continue
        for z, limit in MAX_CHARGES_E.items():
            largest = np.abs(charges[numbers == z]).max(initial=0.0)
            if largest > limit:
                raise InputError(
                    f"{source}: REF_{keys.DIPOLE} gives an atom of element {z} a charge of {largest:.2g} e, "
                    f"so it looks like D, not e·Å; multiply it by {DEBYE_EA:.7g}"
                )


def _check_polarizability(frames: "Frames", source: Path | str) -> None:
    ratios = polarizability_ratio(frames)
    if ratios is None or ratios[0] < RIGHT_POLARIZABILITY:
        return
    shown = f"{source}: REF_{keys.POLARIZABILITY} is {ratios[0]:.3g} times that of the free atoms"
    sure = ratios[1] >= RIGHT_POLARIZABILITY and np.isin(frames.numbers, SURE_POLARIZABILITY).all()
    if not sure or ratios[0] > RIGHT_POLARIZABILITY / BOHR3_A3:
        print(f"warning: {shown}; is it in Å³?")
        return
    raise InputError(f"{shown}, so it looks like a0³, not Å³; multiply it by {BOHR3_A3:.7g}")
