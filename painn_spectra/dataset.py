"""Labelled frames: extxyz in, checks, split by trajectory, content hash."""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read

from painn_spectra import keys
from painn_spectra.atom_order import in_one_order
from painn_spectra.errors import InputError, first_line
from painn_spectra.files import atomic_path, content_hash, write_json, write_text
from painn_spectra.label_checks import check_units
from painn_spectra.settings.training import DatasetSettings

LABEL_KEYS = {name: f"REF_{name}" for name in keys.PROPERTIES}
LEVEL_KEY = "REF_method"
SPLIT_VERSION = 1
FAILED_FRACTION = 0.05  # of the frames: more failures mean that the method does not suit the molecule
MOST_COLUMNS = 1000  # of an array in an extxyz file
ASYMMETRY_A3 = 1e-3  # a polarizability tensor further from symmetric than this is a mix-up of its components


@dataclasses.dataclass(frozen=True)
class Frames:
    """Geometries with labels; smaller molecules are padded with atomic number 0."""

    numbers: np.ndarray  # (n_frames, n_atoms) | int64
    positions: np.ndarray  # (n_frames, n_atoms, 3) | Å
    labels: dict[str, np.ndarray]  # names and units of keys.py
    groups: np.ndarray  # (n_frames,) | trajectory each frame comes from, as text
    level: str = ""  # of theory, as the frames tell it in REF_method

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, indices: np.ndarray | list[int]) -> "Frames":
        """The frames at `indices`."""
        index = np.asarray(indices, dtype=int)
        labels = {name: value[index] for name, value in self.labels.items()}
        return Frames(self.numbers[index], self.positions[index], labels, self.groups[index], self.level)

    @property
    def elements(self) -> list[int]:
        """Atomic numbers that occur, ascending."""
        return [int(z) for z in np.unique(self.numbers) if z > 0]


def read_atoms(path: Path | str) -> list[Atoms]:
    """All structures of an extxyz file. Raises InputError when missing, empty, truncated or not extxyz."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give an extxyz file with REF_ labels")
    content = Path(path).read_bytes()
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
    for i, frame in enumerate(frames):
        if not np.array_equal(frame.numbers, numbers):
            raise InputError(
                f"{dataset}: frame {i} is {frame.symbols}, frame 0 is {frames[0].symbols}; give one "
                "molecule with one order of atoms"
            )
    if len(numbers) < 2:
        raise InputError(f"{dataset}: {frames[0].symbols} has no vibrations; give at least two atoms")
    return numbers, in_one_order(numbers, np.array([frame.positions for frame in frames]))


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
        numbers[k, :size], positions[k, :size] = atoms.numbers, atoms.positions
        for name in required:
            value = _label(atoms, name, where)
            if name == keys.FORCES:
                labels[name][k, :size] = value
            else:
                labels[name][k] = value
        groups.append(str(atoms.info.get("seed", "all")))
        levels.append(str(atoms.info.get(LEVEL_KEY, "")))
    return Frames(
        numbers, positions, labels, np.array(groups), "; ".join(filter(None, dict.fromkeys(levels)))
    )


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
    except (TypeError, ValueError):
        raise InputError(f"{where}: {key} = {raw!r} is not numeric; write plain numbers") from None
    if name == keys.POLARIZABILITY and value.shape == (9,):
        value = value.reshape(3, 3)
    if value.shape != expected:
        numbers = "9 numbers" if name == keys.POLARIZABILITY else f"shape {expected}"
        raise InputError(f"{where}: {key} has shape {value.shape}, needs {numbers}; correct the file")
    if not np.isfinite(value).all():
        raise InputError(f"{where}: {key} holds NaN or infinity; remove the frame")
    if name == keys.POLARIZABILITY and np.abs(value - value.T).max() > ASYMMETRY_A3:
        raise InputError(f"{where}: {key} is not symmetric; check the order of its components")
    return value


def labelled_atoms(
    numbers: np.ndarray, positions: np.ndarray, labels: dict[str, np.ndarray], info: dict[str, Any]
) -> Atoms:
    """A frame as it is written: forces per atom, the other labels in its comment line."""
    frame = Atoms(numbers, positions)
    for name, value in labels.items():
        if name == keys.FORCES:
            frame.arrays[LABEL_KEYS[name]] = value
        else:
            frame.info[LABEL_KEYS[name]] = value.ravel() if value.ndim else float(value)
    frame.info |= info
    return frame


def split_frames(
    groups: np.ndarray, settings: DatasetSettings, addition: bool = False
) -> dict[str, list[int]]:
    """Train, validation and test indices: whole trajectories are held out for the test.

    Random frames of one trajectory resemble each other and would flatter every error. The last frames of each
    training trajectory validate, or whole trajectories where they are short. A single trajectory is cut in
    time. An addition to frames that are split already may leave a part without any.
    """
    order, rng = np.arange(len(groups)), np.random.default_rng(settings.split_seed)
    test = _held_out(groups, order, settings.test_fraction, rng)
    rest = np.setdiff1d(order, test)
    _, sizes = np.unique(groups[rest], return_counts=True)
    if len(sizes) and settings.validation_fraction * sizes.min() >= 1:
        parts = [rest[groups[rest] == name] for name in np.unique(groups[rest])]
        validation = np.concatenate([_tail(part, settings.validation_fraction) for part in parts])
    else:
        validation = _held_out(groups, rest, settings.validation_fraction, rng)
    split = {"train": np.setdiff1d(rest, validation), "validation": validation, "test": test}
    empty = [name for name, index in split.items() if len(index) == 0]
    if empty and not addition:
        raise InputError(
            f"{len(groups)} labelled frames leave none for {' and '.join(empty)}; label more frames"
        )
    return {name: sorted(int(k) for k in index) for name, index in split.items()}


def _held_out(groups: np.ndarray, index: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Frames of whole trajectories, together near `fraction` of `index`; the end of a single trajectory."""
    names, sizes = np.unique(groups[index], return_counts=True)
    if len(names) < 2:
        return _tail(index, fraction)
    target, total, held = fraction * len(index), 0, []
    for k in rng.permutation(len(names)):
        if abs(total + sizes[k] - target) < abs(total - target):
            total += sizes[k]
            held.append(names[k])
    return index[np.isin(groups[index], held or [names[sizes.argmin()]])]


def _tail(index: np.ndarray, fraction: float) -> np.ndarray:
    return index[len(index) - max(1, round(fraction * len(index))) :]


def gather_labels(
    labels: Sequence[Path],
    dataset: Path,
    split: Path,
    settings: DatasetSettings,
    previous: tuple[Path, Path] | None = None,
    failures: Sequence[Path] = (),
    properties: tuple[str, ...] = keys.PROPERTIES,
) -> None:
    """Stage: check the labels, join them in `dataset` and freeze the split with the content's hash.

    properties: labels that every frame must have, those that are learnt.

    previous: dataset and split that the new labels follow; every frame stays in its part, so that what a
    model has learnt, or learnt cheap labels around, is never tested on.
    failures: reports of the labelling jobs. Raises InputError when more than 5 % of the frames are missing.
    """
    check_failures(failures)
    written = [path for path in labels if path.stat().st_size]
    if not written and previous and not any(_n_frames(path) for path in failures):
        # the rounds have ended: what follows sees the same set
        write_text(dataset, previous[0].read_text(encoding="utf-8"))
        write_text(split, previous[1].read_text(encoding="utf-8"))
        return
    if not written:
        raise InputError(f"{labels[0]}: holds no frames; label more frames")
    sets = [read_frames(path, properties) for path in written]
    if not failures:  # brought along: our own labelling knows its units
        for frames, path in zip(sets, written, strict=True):
            check_units(frames, path)
    groups = np.concatenate([frames.groups for frames in sets])
    known = read_frames(previous[0], properties).groups if previous else groups[:0]
    added = split_frames(groups, settings, addition=previous is not None)
    parts = {name: [len(known) + k for k in index] for name, index in added.items()}
    if previous:
        parts = {name: index + parts[name] for name, index in read_split(previous[1], previous[0]).items()}
        groups = np.concatenate([known, groups])
    with atomic_path(dataset) as temporary, temporary.open("wb") as stream:
        for path in [*(previous or ())[:1], *written]:
            content = path.read_bytes()
            stream.write(content if content.endswith(b"\n") else content + b"\n")
    header: dict[str, Any] = {
        "format_version": SPLIT_VERSION,
        "dataset_sha256": content_hash(dataset),
        "test_trajectories": sorted(set(groups[parts["test"]].tolist())),
    }
    write_json(split, header | parts)
    counts = ", ".join(f"{len(index)} {name}" for name, index in parts.items())
    print(f"{dataset}: {len(groups)} frames, {counts}")


def _n_frames(report: Path) -> int:
    return int(json.loads(report.read_text(encoding="utf-8"))["n_frames"])


def check_failures(reports: Sequence[Path]) -> None:
    """Print the frames that labelling left out; raise InputError when they are more than 5 %."""
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in reports]
    failed = {frame: text for content in contents for frame, text in content["failed"].items()}
    total = sum(content["n_frames"] for content in contents)
    for frame, reason in sorted(failed.items()):
        print(f"left out: frame {frame}, {reason}")
    if len(failed) > FAILED_FRACTION * total:
        frame, reason = next(iter(failed.items()))
        raise InputError(
            f"{len(failed)} of {total} frames could not be labelled, more than {100 * FAILED_FRACTION:g} %; "
            f"frame {frame}: {reason}"
        )


def read_split(path: Path, dataset: Path) -> dict[str, list[int]]:
    """The frozen split; raises InputError when it was made for another dataset."""
    try:
        content = json.loads(Path(path).read_text())
        parts = {name: content[name] for name in ("train", "validation", "test")}
        stored = content["dataset_sha256"]
    except (OSError, KeyError, json.JSONDecodeError) as error:
        raise InputError(
            f"{path}: not a split file ({error}); rerun 'snakemake --forcerun gather_labels'"
        ) from None
    if stored != content_hash(dataset):
        raise InputError(
            f"{path}: was made for another {dataset}; rerun 'snakemake --forcerun gather_labels'"
        )
    return parts
