"""Numbers by which labels tell their units: bond lengths, work, stiffness, charges, polarizability.

None needs the method or the zero of energy, and each comes with the means to see whether it may be trusted.
What they prove is decided in label_checks.py.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from ase.data import atomic_masses, covalent_radii

from painn_spectra import keys
from painn_spectra.units import BOHR3_A3, MDYN_A_EV

if TYPE_CHECKING:
    from painn_spectra.dataset import Frames

NOBLE = (2, 10, 18, 36, 54, 86)
BOND_FACTOR = 1.3  # times the sum of covalent radii: bonded
MAX_FORCE_FIELD_FRAMES = 50
MAX_PAIRS = 80  # of atoms in the force field, the closest ones: bonds, angles, many torsions
POWERS = 3  # of a distance's change: anharmonic bonds need the third
MIN_EQUATIONS = 2.0  # force components per coefficient; an exact fit of the forces predicts no energy
MIN_BOND_FRAMES = 4
MIN_STRETCH_A = 0.01  # a bond that varies less follows another mode and would show that one's stiffness
MIN_STRETCH_CORRELATION = 0.8
MIN_STRETCH_SHARE = 0.3  # of the atom's squared force; less along a bend or torsion, where others push it too
NONMETALS = (1, 5, 6, 7, 8, 9, 14, 15, 16, 17)  # bonds of metals are softer than the rule says
BADGER_EV_A = 1.86 * MDYN_A_EV
BADGER_LENGTHS_A = {(0, 0): 0.025, (0, 1): 0.335, (0, 2): 0.585, (1, 1): 0.68, (1, 2): 0.94, (2, 2): 1.25}
CHARGE_RIDGE_A2 = 2e-3  # displacements about a minimum, below this variance, tell no charges
MIN_CHARGE_EQUATIONS = 3.0  # dipole components per charge
# free atoms | a0³, H to Kr without the d block, and I
# Source: Schwerdtfeger, Nagle 2019, doi:10.1080/00268976.2018.1535143
# fmt: off
FREE_ATOM_A03 = {
    1: 4.5, 2: 1.38, 3: 164.0, 4: 37.7, 5: 20.5, 6: 11.3, 7: 7.4, 8: 5.3, 9: 3.74, 10: 2.66,
    11: 163.0, 12: 71.2, 13: 57.8, 14: 37.3, 15: 25.0, 16: 19.4, 17: 14.6, 18: 11.1,
    19: 290.0, 20: 161.0, 31: 50.0, 32: 40.0, 33: 30.0, 34: 29.0, 35: 21.0, 36: 16.8, 53: 32.9,
}
# fmt: on
MOVING_A = 0.3  # spread of the centres of mass from which on they tell a charge
FOLLOWED = 0.5  # of the dipoles' spread
ANION_A03 = 200.0  # what an extra electron may add: H− has 206 a0³, H 4.5


class Slope(NamedTuple):
    """A fitted proportionality, the share of the data that it explains (1: all) and the number of data."""

    value: float
    explained: float
    n_data: int


class Geometries(Protocol):
    """Frames, or molecules of a data set: numbers (n, n_atoms), padded with zeros; positions | Å."""

    @property
    def numbers(self) -> np.ndarray[Any, Any]: ...

    @property
    def positions(self) -> np.ndarray[Any, Any]: ...


def molecules(frames: Geometries) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Per kind of molecule its numbers (n_atoms,) without padding, and its frames (n,).

    Frames of a kind have the same bonds: sets joined from several sources may order like atoms differently,
    and what reacts is another molecule.
    """
    bonded = _distances(frames.positions) < BOND_FACTOR * _radii(frames.numbers)
    real = frames.numbers > 0
    bonded &= real[:, :, None] & real[:, None]
    described = np.concatenate([frames.numbers, bonded.reshape(len(bonded), -1)], axis=1)
    kinds, which = np.unique(described, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(which.ravel()))[:-1])
    for kind, index in zip(kinds, parts, strict=True):
        numbers = kind[: frames.numbers.shape[1]]
        yield numbers[numbers > 0], index


def nearest_neighbour_ratio(frames: Geometries) -> float | None:
    """Shortest distance per atom over the sum of covalent radii, tenth percentile of all: 0.7 to 1.3.

    The low percentile keeps scans of a dissociation out of it. None without bonds to measure: noble gases,
    and hydrogen or fluorine by themselves (H2+, F3−).
    """
    ratios = []
    for numbers, index in molecules(frames):
        n = len(numbers)
        if n < 2 or set(numbers) <= {1, *NOBLE} or set(numbers) <= {9, *NOBLE}:
            continue
        scaled = _distances(frames.positions[index, :n]) / _radii(numbers)  # (n, n_atoms, n_atoms)
        scaled[:, np.isin(numbers, NOBLE)] = np.inf
        ratios.append(scaled.min(axis=2).ravel())
    if not ratios:
        return None
    every = np.concatenate(ratios)
    return float(np.percentile(every[np.isfinite(every)], 10))


def work_slope(frames: "Frames") -> Slope | None:
    """Energy differences over those that the forces' own potential gives; 1 where both have the same units.

    V(r) = Σ_p Σ_k c_pk (d_p/d̄_p − 1)^k over pairs p of atoms and k = 1..3 is fitted to the forces alone; it
    then predicts energies up to a constant. Of all molecules the one with most frames is taken.
    d_p → distances | Å, c → coefficients | unit of the forces times Å.
    """
    best: tuple[float, np.ndarray, int] | None = None
    for numbers, index in molecules(frames):
        n = len(numbers)
        coefficients = POWERS * min(n * (n - 1) // 2, MAX_PAIRS)
        used = min(len(index), MAX_FORCE_FIELD_FRAMES)
        equations = used * (3 * n - 6 if n > 2 else 1)
        if n > 1 and equations >= MIN_EQUATIONS * coefficients and (best is None or used > best[0]):
            best = used, index[spread(len(index), used)], n
    if best is None:
        return None
    _, index, n = best
    positions, forces = frames.positions[index, :n], frames.labels[keys.FORCES][index, :n]
    predicted, _ = fitted_pairs(positions, forces)
    energy = frames.labels[keys.ENERGY][index]
    return l1_slope(predicted - np.median(predicted), energy - np.median(energy))


def fitted_pairs(positions: np.ndarray, forces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies (n,) up to a constant and forces (n, n_atoms, 3) of the pair potential that fits best."""
    n, n_atoms, _ = positions.shape
    i, j = np.triu_indices(n_atoms, 1)
    closest = np.argsort(_distances(positions)[:, i, j].min(axis=0))[:MAX_PAIRS]
    i, j = i[closest], j[closest]
    vectors = positions[:, i] - positions[:, j]  # (n, n_pairs, 3) | Å
    lengths = np.linalg.norm(vectors, axis=2)
    mean = lengths.mean(axis=0)
    stretch, pair = lengths / mean - 1, np.arange(len(i))
    design = np.zeros((n, n_atoms, 3, POWERS, len(i)))  # force per coefficient
    for k in range(POWERS):
        slope = (-(k + 1) * stretch**k / mean / lengths)[..., None] * vectors  # (n, n_pairs, 3)
        design[:, i, :, k, pair] = slope.transpose(1, 0, 2)
        design[:, j, :, k, pair] = -slope.transpose(1, 0, 2)
    matrix = design.reshape(n * n_atoms * 3, -1)
    scale = np.sqrt((matrix**2).mean(axis=0)) + 1e-12
    matrix = matrix / scale
    normal = matrix.T @ matrix + 1e-4 * len(matrix) * np.eye(matrix.shape[1])
    coefficients = np.linalg.solve(normal, matrix.T @ forces.ravel())
    powers = np.stack([stretch ** (k + 1) for k in range(POWERS)], axis=1)  # (n, powers, n_pairs)
    energies = powers.reshape(n, -1) @ (coefficients / scale)
    return energies, (matrix @ coefficients).reshape(forces.shape)


def stiffness_ratio(frames: "Frames") -> Slope | None:
    """Force constants of bonds to terminal atoms over Badger's rule, their median; near 1 in eV/Å.

    k = −∂(F·u)/∂r by regression over a molecule's frames, u along the bond of length r;
    Badger's k = 1.86 mdyn·Å²/(r − d)³, d by the rows of both atoms, hydrogen to chlorine.
    k → stiffness | eV/Å², d → BADGER_LENGTHS_A | Å. Source: Badger 1934, J. Chem. Phys. 2, 128.
    """
    ratios = []
    for numbers, index in molecules(frames):
        n, rows = len(numbers), np.searchsorted([3, 11, 19], numbers, side="right")
        if n < 2 or len(index) < MIN_BOND_FRAMES:
            continue
        positions, forces = frames.positions[index, :n], frames.labels[keys.FORCES][index, :n]
        scaled = _distances(positions).mean(axis=0) / _radii(numbers)
        bonded = scaled < BOND_FACTOR
        for atom in np.flatnonzero(bonded.sum(axis=1) == 1):
            other = int(np.argmax(bonded[atom]))
            low, high = sorted((int(rows[atom]), int(rows[other])))
            offset = BADGER_LENGTHS_A.get((low, high))
            bond = positions[:, atom] - positions[:, other]
            length = np.linalg.norm(bond, axis=1)  # (n,) | Å
            along = (forces[:, atom] * bond).sum(axis=1) / length
            dr, df = length - length.mean(), along - along.mean()
            if offset is None or not np.isin([numbers[atom], numbers[other]], NONMETALS).all():
                continue
            if length.std() < MIN_STRETCH_A or not df.any():
                continue
            if along @ along < MIN_STRETCH_SHARE * (forces[:, atom] ** 2).sum():
                continue
            if abs(dr @ df) >= MIN_STRETCH_CORRELATION * np.linalg.norm(dr) * np.linalg.norm(df):
                ratios.append(-(dr @ df) / (dr @ dr) * (length.mean() - offset) ** 3 / BADGER_EV_A)
    return Slope(float(np.median(ratios)), 1.0, len(ratios)) if ratios else None


def following_charge(frames: "Frames") -> float | None:
    """Slope | e of the dipoles on the centres of mass; None where these hardly move or explain little."""
    masses = np.where(frames.numbers > 0, atomic_masses[frames.numbers], 0.0)
    centres = np.einsum("fa,fax->fx", masses, frames.positions) / masses.sum(1, keepdims=True)
    centres, dipoles = (
        centres - centres.mean(0),
        frames.labels[keys.DIPOLE] - frames.labels[keys.DIPOLE].mean(0),
    )
    square = float((centres**2).sum())
    if square < MOVING_A**2 * centres.size:
        return None
    slope = float((centres * dipoles).sum()) / square
    return slope if slope**2 * square > FOLLOWED * float((dipoles**2).sum()) else None


def atomic_charges(frames: "Frames") -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Per kind of molecule numbers (n_atoms,), charges (n_atoms,) share explained.

    μ = Σ_i q_i (r_i − R), Σ q_i = 0, by ridge regression; R the centre of mass. About it an ion's total
    charge adds nothing to μ, so that its charges come out less Q m_i/M.
    q → charges | e for a dipole in e·Å.
    """
    found = []
    for numbers, index in molecules(frames):
        n = len(numbers)
        if n < 2 or 3 * len(index) < MIN_CHARGE_EQUATIONS * n:
            continue
        masses = atomic_masses[numbers]
        positions = frames.positions[index, :n]
        positions = positions - np.einsum("i,kix->kx", masses / masses.sum(), positions)[:, None]
        neutral = np.eye(n) - 1 / n  # (n_atoms, n_atoms): projects the sum of charges out
        design = (neutral @ positions).transpose(0, 2, 1).reshape(-1, n)  # (3n, n_atoms) | Å
        dipole = frames.labels[keys.DIPOLE][index].ravel()
        if not dipole.any():
            continue
        normal = design.T @ design / len(index) + CHARGE_RIDGE_A2 * np.eye(n)
        charges = neutral @ np.linalg.solve(normal, design.T @ dipole / len(index))
        explained = 1 - np.abs(design @ charges - dipole).sum() / np.abs(dipole).sum()
        found.append((numbers, charges, float(explained)))
    return found


def polarizability_ratio(frames: "Frames") -> tuple[float, float] | None:
    """Median over frames of ᾱ = tr α/3 over the free atoms' sum, and of ᾱ over the most an anion may have.

    0.3 to 0.9 in Å³ for neutral molecules and cations. Closed-shell anions, whose atomic numbers add up to
    an odd number, may have ANION_A03 more. GFN2-xTB has a third, but 5 to 10 times as much for Cl, Br and Ar.
    """
    known = np.isin(frames.numbers, [0, *FREE_ATOM_A03]).all(axis=1)
    if not known.any():
        return None
    table = np.array([FREE_ATOM_A03.get(z, 0.0) for z in range(frames.numbers.max() + 1)]) * BOHR3_A3
    numbers = frames.numbers[known]
    free = table[numbers].sum(axis=1)  # (n,) | Å³
    odd = numbers.sum(axis=1) % 2
    mean = np.trace(frames.labels[keys.POLARIZABILITY][known], axis1=1, axis2=2) / 3
    return float(np.median(mean / free)), float(np.median(mean / (free + ANION_A03 * BOHR3_A3 * odd)))


def l1_slope(x: np.ndarray, y: np.ndarray) -> Slope | None:
    """The s that minimises Σ|y − s x|: a weighted median of y/x, deaf to outliers."""
    x, y = x[x != 0], y[x != 0]
    if len(x) == 0 or not y.any():
        return None
    order = np.argsort(y / x)
    weight = np.abs(x)[order].cumsum()
    slope = float((y / x)[order][np.searchsorted(weight, 0.5 * weight[-1])])
    return Slope(slope, float(1 - np.abs(y - slope * x).sum() / np.abs(y).sum()), len(x))


def _distances(positions: np.ndarray) -> np.ndarray:
    """(n, n_atoms, n_atoms) | Å, infinite on the diagonal."""
    difference = positions[:, :, None] - positions[:, None]
    out = np.sqrt(np.einsum("kijx,kijx->kij", difference, difference))
    out[:, np.arange(out.shape[1]), np.arange(out.shape[1])] = np.inf
    return out


def _radii(numbers: np.ndarray) -> np.ndarray:
    """Sums of covalent radii (..., n_atoms, n_atoms) | Å."""
    radii = covalent_radii[numbers]
    return radii[..., :, None] + radii[..., None, :]


def spread(n: int, wanted: int) -> np.ndarray:
    """`wanted` indices evenly over 0..n−1."""
    return np.linspace(0, n - 1, wanted).round().astype(int)
