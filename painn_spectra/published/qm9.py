"""QM9: 133 885 relaxed molecules with fifteen properties, from the official raw files, an archive, or .npz.

Ramakrishnan, Dral, Rupp, von Lilienfeld 2014, doi:10.1038/sdata.2014.22. The 3054 molecules whose relaxed
geometry is not the one of their SMILES (uncharacterized.txt) are left out by everybody.
"""

import math
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from painn_spectra.errors import InputError, first_line
from painn_spectra.files import DAMAGE
from painn_spectra.formula import SYMBOLS
from painn_spectra.label_checks import check_finite, check_whole
from painn_spectra.published.qm9_lists import ATOMIC_NUMBERS, N_EXCLUDED, N_MOLECULES, read_excluded
from painn_spectra.published.qm9_units import check_qm9_units
from painn_spectra.units import HARTREE_EV

Array = NDArray[np.float64]
RAW_ORDER = ("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv")
SPELLINGS = {"epshomo": "homo", "epslumo": "lumo", "epsgap": "gap", "<r2>": "r2"}  # of extxyz copies


class Target(NamedTuple):
    """How a property is shown and what the paper's PaiNN reaches (test MAE, arXiv:2102.03150)."""

    unit: str
    factor: float  # from the raw files' unit
    head: str  # of published/qm9_model.py
    painn: float


_MEV = 1e3 * HARTREE_EV
TARGETS = {
    "mu": Target("D", 1.0, "dipole", 0.012),
    "alpha": Target("a0³", 1.0, "polarizability", 0.045),
    "homo": Target("meV", _MEV, "mean", 27.6),
    "lumo": Target("meV", _MEV, "mean", 20.4),
    "gap": Target("meV", _MEV, "mean", 45.7),
    "r2": Target("a0²", 1.0, "extent", 0.066),
    "zpve": Target("meV", _MEV, "sum", 1.28),
    "U0": Target("meV", _MEV, "sum", 5.85),
    "U": Target("meV", _MEV, "sum", 5.83),
    "H": Target("meV", _MEV, "sum", 5.98),
    "G": Target("meV", _MEV, "sum", 7.35),
    "Cv": Target("cal/mol/K", 1.0, "sum", 0.024),
}


@dataclass(frozen=True)
class Molecules:
    """Geometries and properties, smaller molecules padded with atomic number 0."""

    index: NDArray[np.int64]  # (n,) | number in QM9, from 1
    numbers: NDArray[np.int64]  # (n, n_atoms)
    positions: Array  # (n, n_atoms, 3) | Å
    properties: dict[str, Array]  # (n,) | units of the raw files: Hartree, D, bohr, GHz, cal/mol/K

    def __len__(self) -> int:
        return len(self.index)

    def take(self, chosen: NDArray[np.int64]) -> "Molecules":
        """The molecules at positions `chosen`."""
        properties = {name: values[chosen] for name, values in self.properties.items()}
        return Molecules(self.index[chosen], self.numbers[chosen], self.positions[chosen], properties)


def read_qm9(source: Path, excluded: Path | None = None) -> Molecules:
    """All molecules of a folder or tar archive of dsgdb9nsd_*.xyz, an extxyz copy, or .npz, by their number.

    excluded: uncharacterized.txt, whose molecules are left out. Raises InputError for anything else.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; docs/accuracy.md tells where QM9 is to be had")
    if source.suffix == ".npz":
        found = _from_npz(source)
    else:
        records = [record for name, content in _files(source) for record in _records(content, name)]
        if not records:
            raise InputError(f"{source}: holds no molecules; give QM9's dsgdb9nsd files")
        found = _stacked(records)
    found = _checked(found, source)
    if excluded:
        if len(found) == found.index.max() == N_MOLECULES - N_EXCLUDED:
            raise InputError(
                f"{source}: {len(found)} molecules, so those of {excluded} are gone and the numbers are no "
                "longer QM9's; leave out qm9.excluded"
            )
        found = found.take(np.flatnonzero(~np.isin(found.index, read_excluded(excluded))))
    return found.take(np.argsort(found.index, kind="stable"))


def _checked(data: Molecules, source: Path) -> Molecules:
    """The molecules, where their arrays can be and every one stands there once."""
    n, n_atoms = shape = (*data.numbers.shape, 0, 0)[:2]
    wanted = {"index": (n,), "charges": shape, "positions": (*shape, 3)}
    arrays = {"index": data.index, "charges": data.numbers, "positions": data.positions} | data.properties
    wrong = [f"{name} {a.shape}" for name, a in arrays.items() if a.shape != wanted.get(name, (n,))]
    if wrong or not n * n_atoms:
        told = f"{source}: {n} molecules of up to {n_atoms} atoms"
        raise InputError(f"{told} do not fit the shapes of {', '.join(wrong) or 'charges'}; restore the file")
    check_whole("index", data.index, 1, N_MOLECULES, source)
    check_whole("charges", data.numbers, 0, len(SYMBOLS), source)
    check_finite({"positions": data.positions, **data.properties}, source)
    numbers, counts = np.unique(data.index, return_counts=True)
    if counts.max() > 1:
        raise InputError(f"{source}: molecule {numbers[counts.argmax()]:g} stands there twice; keep one")
    if len(bare := np.flatnonzero((data.numbers == 0).all(1))):
        raise InputError(f"{source}: molecule {data.index[bare[0]]:g} has no atoms; restore the file")
    properties = {name: values.astype(float) for name, values in data.properties.items()}
    index, charges = data.index.astype(np.int64), data.numbers.astype(np.int64)
    checked = Molecules(index, charges, data.positions.astype(float), properties)
    check_qm9_units(checked, source)
    return checked


def split_molecules(n: int, n_train: int, n_validation: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """Training, validation and test positions, drawn once from `seed`; the test set is what remains."""
    if n_train + n_validation >= n:
        raise InputError(
            f"qm9.n_train = {n_train} and n_validation = {n_validation} leave none of {n} to test; lower them"
        )
    train, validation, test = np.split(
        np.random.default_rng(seed).permutation(n), [n_train, n_train + n_validation]
    )
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of molecules."""
    name = str(source)
    try:
        if source.is_dir():
            for path in sorted(source.glob("*.xyz")):
                name = str(path)
                yield name, path.read_bytes()
        elif tarfile.is_tarfile(source):
            with tarfile.open(source) as archive:
                for member in archive:
                    name = f"{source}: {member.name}"
                    if member.name.endswith(".xyz") and (stream := archive.extractfile(member)):
                        yield name, stream.read()
        else:
            yield name, source.read_bytes()
    except (tarfile.TarError, KeyError, *DAMAGE) as error:  # KeyError: a link to what the archive has not
        raise InputError(f"{name}: ends early or is damaged ({first_line(error)}); restore it") from None


def _records(content: bytes, name: str) -> Iterator[tuple[int, Array, Array, dict[str, float]]]:
    """Number, atomic numbers, positions and properties of each molecule of a raw file or an extxyz."""
    try:
        lines = content.decode().rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: neither text nor a whole tar archive ({error}); restore it") from None
    if not lines:
        raise InputError(f"{name}: is empty; restore it")
    first, count = 0, 0
    while first < len(lines):
        try:
            n_atoms = int(lines[first])
            head, rows = lines[first + 1], [line.split() for line in lines[first + 2 : first + 2 + n_atoms]]
            count += 1
            if "Properties=" in head:
                found = dict(re.findall(r"(\S+?)=(\S+)", head))
                values = {SPELLINGS.get(k.lower(), k): v for k, v in found.items()}
                number, n_lines = count, 2 + n_atoms
            else:
                words = head.split()
                number, n_lines = int(words[1]), 5 + n_atoms  # frequencies, SMILES and InChI follow
                values = dict(zip(RAW_ORDER, words[2:], strict=True))
            if n_atoms < 1 or first + n_lines > len(lines):
                raise ValueError(f"{n_atoms} atoms need {n_lines} lines, {len(lines) - first} are left")
            yield (
                number,
                np.array([ATOMIC_NUMBERS[row[0]] for row in rows]),
                np.array([[_number(x) for x in row[1:4]] for row in rows]).reshape(n_atoms, 3),
                {name: _number(values[name]) for name in RAW_ORDER},
            )
        except (ValueError, IndexError, KeyError) as error:
            raise InputError(
                f"{name}: line {first + 1} begins no molecule of QM9 ({first_line(error)}); restore it"
            ) from None
        first += n_lines


def _number(text: str) -> float:
    """A number as Mathematica writes it, 1.5*^-6 for 1.5e-6."""
    value = float(text.replace("*^", "e"))
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number")
    return value


def _stacked(records: list[tuple[int, Array, Array, dict[str, float]]]) -> Molecules:
    n_atoms = max(len(z) for _, z, _, _ in records)
    numbers, positions = np.zeros((len(records), n_atoms), np.int64), np.zeros((len(records), n_atoms, 3))
    for k, (_, z, r, _) in enumerate(records):
        numbers[k, : len(z)], positions[k, : len(z)] = z, r
    properties = {name: np.array([values[name] for *_, values in records]) for name in RAW_ORDER}
    return Molecules(np.array([number for number, *_ in records]), numbers, positions, properties)


def _from_npz(source: Path) -> Molecules:
    """The arrays that equivariant networks pass around: charges, positions, index, one array per property."""
    try:
        with np.load(source) as file:
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
        properties = {name: arrays[name] for name in RAW_ORDER if name in arrays}
        return Molecules(arrays["index"], arrays["charges"], arrays["positions"], properties)
    except (*DAMAGE, KeyError, TypeError) as error:
        reason = first_line(error)
        raise InputError(
            f"{source}: no .npz of QM9 ({reason}); it needs charges, positions, index and the properties"
        ) from None
