"""Labelled frames: extxyz in, every one of them checked."""

import dataclasses
import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read
from scipy.spatial.distance import pdist

from painn_spectra import keys
from painn_spectra.atom_order import in_one_order
from painn_spectra.derivative_labels import columns, read_derivative
from painn_spectra.errors import InputError, first_line

LABEL_KEYS = {name: f"REF_{name}" for name in keys.PROPERTIES}
LEVEL_KEY = "REF_method"
SHORTEST_A = 0.1  # between two atoms
MOST_COLUMNS = 1000  # of an array in an extxyz file
ASYMMETRY_A3 = 1e-3  # a polarizability tensor further from symmetric than this is a mix-up of its components


@dataclasses.dataclass(frozen=True)
class Frames:
    """Geometries with labels; smaller molecules are padded with atomic number 0."""

    numbers: np.ndarray  # (n_frames, n_atoms) | int64
    positions: np.ndarray  # (n_frames, n_atoms, 3) | Å
    labels: dict[str, np.ndarray]  # names and units of keys.py
    groups: np.ndarray  # (n_frames,) | trajectory each frame comes from, as text
    levels: tuple[str, ...] = ()  # of theory, as the frames tell them in REF_method
    derivatives: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)  # NaN where a frame has none

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, indices: np.ndarray | list[int]) -> "Frames":
        """The frames at `indices`."""
        index = np.asarray(indices, dtype=int)
        both = self.labels, self.derivatives
        labels, derivatives = ({name: value[index] for name, value in one.items()} for one in both)
        arrays = self.numbers[index], self.positions[index], labels, self.groups[index]
        return Frames(*arrays, self.levels, derivatives)

    def having(self, derivative: str) -> np.ndarray:
        """Which frames bring this derivative, (n_frames,) of bool."""
        values = self.derivatives.get(derivative, np.full((len(self), 1), np.nan))
        return np.isfinite(values).all(axis=tuple(range(1, values.ndim)))

    @property
    def level(self) -> str:
        """Of theory, in one line; empty where no frame tells it."""
        return "; ".join(self.levels)

    @property
    def elements(self) -> list[int]:
        """Atomic numbers that occur, ascending."""
        return [int(z) for z in np.unique(self.numbers) if z > 0]


def read_atoms(path: Path | str) -> list[Atoms]:
    """All structures of an extxyz file. Raises InputError when missing, empty, truncated or not extxyz."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give an extxyz file with REF_ labels")
    content = Path(path).read_bytes()
    if content.startswith(BOM_UTF8):
        raise InputError(f"{path}: begins with a byte-order mark; save it as UTF-8 without one")
    claimed = max((int(n[:9]) for n in re.findall(rb":[SRIL]:(\d+)", content)), default=0)
    if claimed > MOST_COLUMNS:  # ASE would make room for them first
        raise InputError(f"{path}: Properties names {claimed} columns; the file is damaged, restore it")
    _check_counts(path, content.splitlines())
    if _cut_in_a_number(content):
        raise InputError(f"{path}: the last line is cut short; the file is truncated, restore it")
    try:
        frames = read(path, index=":", format="extxyz")
    except Exception as error:
        reason = first_line(error)
        raise InputError(
            f"{path}: cannot be read as extxyz, perhaps truncated ({reason}); restore the file"
        ) from None
    frames = frames if isinstance(frames, list) else [frames]
    if not frames:
        raise InputError(f"{path}: holds no frames; give an extxyz file with REF_ labels")
    return frames


def labelled_geometries(dataset: Path) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers (n_atoms,) and positions (n_frames, n_atoms, 3) | Å of a labelled data set.

    Atoms of every frame come in the order of the first, in which indices of isotopes count.
    """
    frames = read_atoms(dataset)
    numbers = frames[0].numbers.astype(np.int64)
    check_one_molecule(dataset, [frame.numbers for frame in frames], numbers)
    return numbers, in_one_order(numbers, np.array([frame.positions for frame in frames]))


def check_one_molecule(path: Path | str, frames: Iterable[np.ndarray], atoms: np.ndarray) -> None:
    """Raise InputError where a frame's atomic numbers, padding aside, are not `atoms` in their order.

    Nor may `atoms` be a single one.
    """
    if len(atoms) < 2:
        raise InputError(f"{path}: a single atom has no vibrations; give at least two atoms")
    for k, numbers in enumerate(frames):
        real = numbers[numbers > 0]
        if not np.array_equal(real, atoms):
            found, wanted = (f"{Atoms(z).symbols.formula:hill}" for z in (real, atoms))
            raise InputError(
                f"{path}: frame {k} is {found}, the first one {wanted}, or its atoms have another order; "
                "give one molecule with one order of atoms"
            )


def _check_counts(path: Path | str, lines: list[bytes]) -> None:
    """Every frame's count of atoms fits into the file: ASE would look for each of them."""
    place = 0
    while place < len(lines) and (count := lines[place].strip()).isdigit():
        n_atoms = int(count[:12])
        if place + 2 + n_atoms > len(lines):
            raise InputError(
                f"{path}: cannot be read as extxyz, perhaps truncated ({n_atoms} atoms from line {place + 3} "
                f"of {len(lines)} on); restore the file"
            )
        place += 2 + n_atoms
    left = [k for k in range(place, len(lines)) if lines[k].strip()]
    if left and not lines[place].strip():  # ASE would end there without a word
        raise InputError(
            f"{path}: line {place + 1} is empty, and what follows from line {left[0] + 1} on would not be "
            "read; remove empty lines between frames"
        )


def _cut_in_a_number(content: bytes) -> bool:
    """Whether the file ends inside its last number, which would then still be a number.

    Seen where columns have a fixed width, as ASE writes them; a missing newline alone is no fault.
    """
    *_, third, second, last = [b"", b"", b"", *content.splitlines()]
    return not content.endswith(b"\n") and len(last) < len(second) == len(third)


def read_frames(path: Path | str, required: tuple[str, ...] = keys.PROPERTIES) -> Frames:
    """Read labelled frames and check every one of them.

    required: properties that must be present with the right shape in every frame.
    Raises InputError naming file, frame, property, reason and fix.
    """
    frames = read_atoms(path)
    n_atoms = max(len(atoms) for atoms in frames)
    shapes = {keys.ENERGY: (), keys.FORCES: (n_atoms, 3), keys.DIPOLE: (3,), keys.POLARIZABILITY: (3, 3)}
    numbers = np.zeros((len(frames), n_atoms), dtype=np.int64)
    positions = np.zeros((len(frames), n_atoms, 3))
    labels = {name: np.zeros((len(frames), *shapes[name])) for name in required}
    slopes: dict[str, dict[int, np.ndarray]] = {}
    groups, levels = [], []
    for k, atoms in enumerate(frames):
        where, size = f"{path}: frame {k}", len(atoms)
        if size == 0:
            raise InputError(f"{where}: holds no atoms; remove the frame")
        if atoms.pbc.any():
            raise InputError(f'{where}: is periodic; only molecules in free space are read, set pbc="F F F"')
        if not np.isfinite(atoms.positions).all():
            raise InputError(f"{where}: positions hold NaN or infinity; remove the frame")
        if not 1 <= atoms.numbers.min() <= atoms.numbers.max() <= 94:
            raise InputError(
                f"{where}: atomic numbers must lie in 1 to 94 (H to Pu); correct the species column"
            )
        if size > 1 and (shortest := float(pdist(atoms.positions).min())) < SHORTEST_A:
            raise InputError(f"{where}: two atoms are {shortest:.2g} Å apart; remove the frame")
        numbers[k, :size], positions[k, :size] = atoms.numbers, atoms.positions
        for name in required:
            value = _label(atoms, name, where)
            if name == keys.FORCES:
                labels[name][k, :size] = value
            else:
                labels[name][k] = value
            if name in keys.DERIVATIVES and (slope := read_derivative(atoms, name, value, where)) is not None:
                slopes.setdefault(keys.DERIVATIVES[name], {})[k] = slope
        groups.append(str(atoms.info.get("seed", "all")))
        levels.append(str(atoms.info.get(LEVEL_KEY, "")))
    told = tuple(filter(None, dict.fromkeys(levels)))
    derivatives = {name: _padded(found, numbers.shape) for name, found in slopes.items()}
    return Frames(numbers, positions, labels, np.array(groups), told, derivatives)


def _padded(found: dict[int, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """(n_frames, n_atoms, ...) of the frames that have them: NaN for the others, zero on padding."""
    out = np.full((*shape, *next(iter(found.values())).shape[1:]), np.nan)
    for k, values in found.items():
        out[k] = 0
        out[k, : len(values)] = values
    return out


def _label(atoms: Atoms, name: str, where: str) -> np.ndarray:
    key = LABEL_KEYS[name]
    raw = atoms.arrays.get(key) if name == keys.FORCES else atoms.info.get(key)
    if raw is None:
        hint = (
            " (plain 'energy'/'forces' keys are swallowed by ASE)"
            if name in (keys.ENERGY, keys.FORCES)
            else ""
        )
        raise InputError(
            f"{where}: label {key} is missing{hint}; add it, drop the frame, or set train.loss.{name}: 0 to "
            "train without it"
        )
    expected = {
        keys.ENERGY: (),
        keys.FORCES: (len(atoms), 3),
        keys.DIPOLE: (3,),
        keys.POLARIZABILITY: (3, 3),
    }[name]
    try:
        value = np.asarray(raw, dtype=float)
        if np.asarray(raw).dtype == bool:  # ASE takes T and F for truth
            raise TypeError
    except (TypeError, ValueError):
        raise InputError(f"{where}: {key} = {raw!r} is not numeric; write plain numbers") from None
    if name == keys.POLARIZABILITY and value.shape == (9,):
        value = value.reshape(3, 3)
    if value.shape != expected:
        numbers = "9 numbers" if name == keys.POLARIZABILITY else f"shape {expected}"
        raise InputError(f"{where}: {key} has shape {value.shape}, needs {numbers}; correct the file")
    if not (np.abs(value) < keys.HUGE).all():
        raise InputError(f"{where}: {key} holds NaN, infinity or more than {keys.HUGE:g}; remove the frame")
    if name == keys.POLARIZABILITY and np.abs(value - value.T).max() > ASYMMETRY_A3:
        raise InputError(f"{where}: {key} is not symmetric; check the order of its components")
    return value


def labelled_atoms(
    numbers: np.ndarray, positions: np.ndarray, labels: dict[str, np.ndarray], info: dict[str, Any]
) -> Atoms:
    """A frame as it is written: forces and derivatives per atom, the other labels in its comment line."""
    frame = Atoms(numbers, positions)
    for name, value in labels.items():
        if name in keys.DERIVATIVES.values():
            frame.arrays |= columns(name, value)
        elif name == keys.FORCES:
            frame.arrays[LABEL_KEYS[name]] = value
        else:
            frame.info[LABEL_KEYS[name]] = value.ravel() if value.ndim else float(value)
    frame.info |= info
    return frame
