"""What moves in a band: the vibration's kinetic energy shared among bond stretches, torsions and the rest.

The shares are those of the velocities along the run itself, at its own geometries, in the Eckart frame:
neither conformers nor the exchange of like atoms matter. Which harmonic modes these are: mode_shares.py.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from painn_spectra import keys
from painn_spectra.md.bonds import bonds
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.molecule_frame import internal_motion, reference_of
from painn_spectra.spectra.power import mode_density
from painn_spectra.spectra.series import Array, Series
from painn_spectra.units import ELEMENTS

HEADING = ["assignment", "assignment_shares"]
NAMED_SHARE = 0.6  # below, no single word is honest
SHOWN_SHARE = 0.1
OFF_AXIS_A = 0.3  # Å
DEUTERIUM_AMU = 1.5  # hydrogen heavier than this is called D
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

Bonds = tuple[tuple[int, int], ...]


def can_assign(series: Series) -> bool:
    """Whether a series has velocities, positions, masses and elements that are known here."""
    return (
        keys.HALF_STEP_VELOCITIES in series
        and series.numbers is not None
        and all(int(z) in ELEMENTS for z in series.numbers)
    )


class Coordinates:
    """Bond stretches, torsions and deformations of one molecule, and their names."""

    def __init__(self, numbers: Array, reference: Array, masses_amu: Array) -> None:
        """numbers (n_atoms,), reference (n_atoms, 3) | Å: the geometry that tells the bonds."""
        self.masses_amu = masses_amu
        self.symbols = _symbols(numbers, masses_amu)
        self.bonds = bonds(np.asarray(numbers, np.int64), np.asarray(reference, np.float64))
        self.torsions = [t for t in _torsions(self.bonds, len(numbers)) if _turns(reference, *t)]
        stretches = [f"{self._pair(i, j)} stretch" for i, j in self.bonds]
        self.names = [*stretches, *["torsion"] * len(self.torsions), *self._deformations()]

    def _pair(self, i: int, j: int) -> str:
        first, second = sorted((self.symbols[i], self.symbols[j]), key=lambda s: (s in "HD", s))
        return f"{first}–{second}"

    def _deformations(self) -> list[str]:
        """A name per atom for what is neither stretch nor torsion."""
        names = []
        for atom, symbol in enumerate(self.symbols):
            partners = [j if i == atom else i for i, j in self.bonds if atom in (i, j)]
            if symbol not in "HD" or len(partners) != 1:
                names.append("skeletal deformation")
                continue
            centre = partners[0]
            alike = sum(
                self.symbols[j if i == centre else i] == symbol for i, j in self.bonds if centre in (i, j)
            )
            group = f"{self.symbols[centre]}{symbol}{alike}".translate(SUBSCRIPTS)
            names.append(f"{group} deformation" if alike > 1 else f"{self.symbols[centre]}–{symbol} bend")
        return names

    def parts(self, positions: Array, velocities: Array) -> Array:
        """Mass-weighted velocities along each stretch and torsion, and each atom's remaining ones.

        w_i = √m_i v_i = Σ_k a_k e_k + rest; e_k orthonormal, made one after the other (rigid motion, bonds,
        torsions) from √m × rigid displacements, ∂r_ij/∂r /√m and √m × turns of one end about the bond.
        (n, n_atoms, 3) | Å, Å/fs -> (n, n_bonds + n_torsions + 3 n_atoms) | Å amu^½/fs
        """
        n, n_atoms, _ = positions.shape
        root = np.sqrt(self.masses_amu)[:, None]
        columns = [np.broadcast_to(root * axis, (n, n_atoms, 3)) for axis in np.eye(3)]
        columns += [root * np.cross(axis, positions) for axis in np.eye(3)]
        for i, j in self.bonds:
            along = positions[:, j] - positions[:, i]
            along = along / np.linalg.norm(along, axis=1, keepdims=True)
            gradient = np.zeros_like(positions)
            gradient[:, i], gradient[:, j] = -along, along
            columns.append(gradient / root)
        for i, j, side in self.torsions:
            turn = np.zeros_like(positions)
            axis = (positions[:, j] - positions[:, i])[:, None]
            turn[:, side] = np.cross(axis, positions[:, side] - positions[:, [j]])
            columns.append(root * turn)
        directions, scale = np.linalg.qr(np.stack(columns, -1).reshape(n, 3 * n_atoms, -1))
        directions = directions * np.sign(np.einsum("nkk->nk", scale))[:, None]  # continuous along the run
        weighted = (root * velocities).reshape(n, -1)
        along_each = np.einsum("nxk,nx->nk", directions, weighted)
        rest = weighted - np.einsum("nxk,nk->nx", directions, along_each)
        return np.hstack([along_each[:, 6:], rest])

    def weights(self) -> tuple[list[str], Array]:
        """Names of the classes, and which of the parts belong to each: (n_classes, n_parts)."""
        n_single = len(self.bonds) + len(self.torsions)
        owners = self.names[:n_single] + [name for name in self.names[n_single:] for _ in range(3)]
        classes = list(dict.fromkeys(owners))
        return classes, np.array([[float(owner == name) for owner in owners] for name in classes])


def atom_labels(numbers: Array, masses_amu: Array) -> list[str]:
    """Symbol and index from 0 of every atom: C0, C1, O2, H3."""
    return [f"{symbol}{i}" for i, symbol in enumerate(_symbols(numbers, masses_amu))]


def class_densities(series: Series, replica: int, estimator: Estimator) -> dict[str, Array]:
    """Modes per cm⁻¹ of each class of motion of one replica, {name: (n_wavenumbers,)}."""
    assert series.masses_amu is not None and series.numbers is not None
    reference = reference_of(series, replica)
    coordinates = Coordinates(series.numbers, reference, series.masses_amu)
    names, weights = coordinates.weights()

    def chunks() -> Iterator[Array]:
        both = (keys.SPARSE_POSITIONS, keys.HALF_STEP_VELOCITIES)
        for positions, velocities in series.together(both, replica):
            yield coordinates.parts(*internal_motion(
                positions, velocities, reference, coordinates.masses_amu, series.integrator_timestep_fs
            ))  # fmt: skip

    densities = mode_density(chunks(), weights, series.temperature_K, estimator, series.n_samples)
    return dict(zip(names, densities, strict=True))


def shares(
    wavenumber_cm: Array, densities: Mapping[str, Array], lower_cm: float, upper_cm: float
) -> list[tuple[str, float]]:
    """Share of each name in the power between two wavenumbers, largest first; none where nothing moves."""
    inside = (wavenumber_cm >= lower_cm) & (wavenumber_cm <= upper_cm)
    energy = {name: float(density[inside].sum()) for name, density in densities.items()}
    total = sum(energy.values())
    if total <= 0:
        return []
    return sorted(((name, value / total) for name, value in energy.items()), key=lambda pair: -pair[1])


def assignment(
    wavenumber_cm: Array, densities: Mapping[str, Array], lower_cm: float, upper_cm: float
) -> tuple[str, str]:
    """Name of what moves between two wavenumbers, `mixed` without a class that prevails, and the shares."""
    found = shares(wavenumber_cm, densities, lower_cm, upper_cm)
    if not found:
        return "", ""
    word = found[0][0] if found[0][1] >= NAMED_SHARE else "mixed"
    return word, "; ".join(f"{name} {share:.2f}" for name, share in found if share >= SHOWN_SHARE)


def _symbols(numbers: Array, masses_amu: Array) -> list[str]:
    symbols = [ELEMENTS[int(z)] for z in numbers]
    return ["D" if s == "H" and m > DEUTERIUM_AMU else s for s, m in zip(symbols, masses_amu, strict=True)]


def _turns(reference: Array, i: int, j: int, side: list[int]) -> bool:
    """Whether both ends of a bond have an atom off its axis; a linear chain does not turn about itself."""
    axis = (reference[j] - reference[i]) / np.linalg.norm(reference[j] - reference[i])
    off = np.linalg.norm(np.cross(axis, reference - reference[i]), axis=1) > OFF_AXIS_A  # (n_atoms,)
    beyond = np.zeros(len(reference), bool)
    beyond[side] = True
    return bool(off[beyond].any() and off[~beyond].any())


def _torsions(bonds: Bonds, n_atoms: int) -> list[tuple[int, int, list[int]]]:
    """Bonds (i, j) with neighbours on both ends and in no ring, and the atoms beyond j."""
    found = []
    for i, j in bonds:
        others = [bond for bond in bonds if bond != (i, j)]
        side = {j}
        for _ in range(n_atoms):
            side |= {b if a in side else a for a, b in others if (a in side) != (b in side)}
        if i not in side and len(side) > 1 and any(i in bond for bond in others):
            found.append((i, j, sorted(side - {j})))
    return found
