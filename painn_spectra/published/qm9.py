"""QM9: 133 885 relaxed molecules with fifteen properties, from the official raw files, an archive, or .npz.

Ramakrishnan, Dral, Rupp, von Lilienfeld 2014, doi:10.1038/sdata.2014.22. The 3054 molecules whose relaxed
geometry is not the one of their SMILES (uncharacterized.txt) are left out by everybody.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from painn_spectra.errors import InputError
from painn_spectra.files import DAMAGE
from painn_spectra.label_checks import check_finite
from painn_spectra.units import HARTREE_EV

Array = NDArray[np.float64]
RAW_ORDER = ("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv")
N_EXCLUDED = 3054
SPELLINGS = {"epshomo": "homo", "epslumo": "lumo", "epsgap": "gap", "<r2>": "r2"}  # of extxyz copies
ATOMREF_COLUMNS = ("zpve", "U0", "U", "H", "G", "Cv")


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
    if source.suffix == ".npz":
        found = _from_npz(source)
    else:
        records = [record for text in _texts(source) for record in _records(text, source)]
        if not records:
            raise InputError(f"{source}: holds no molecules; give QM9's dsgdb9nsd files")
        found = _stacked(records)
    sizes = {
        len(values) for values in (found.index, found.numbers, found.positions, *found.properties.values())
    }
    if len(sizes) > 1:
        raise InputError(f"{source}: arrays of {sorted(sizes)} molecules; restore the file")
    check_finite({"positions": found.positions, **found.properties}, source)
    if excluded:
        found = found.take(np.flatnonzero(~np.isin(found.index, read_excluded(excluded))))
    return found.take(np.argsort(found.index, kind="stable"))


def read_excluded(path: Path) -> NDArray[np.int64]:
    """Numbers of uncharacterized.txt: the first column of its rows, its heading and end left aside."""
    rows = re.findall(r"^\s*(\d+)\s+\S+\s+\S+", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if not rows:
        raise InputError(f"{path}: holds no numbers of molecules; give QM9's uncharacterized.txt")
    if len(rows) != N_EXCLUDED:
        print(f"warning: {path} names {len(rows)} molecules, the official list {N_EXCLUDED}")
    return np.array([int(row) for row in rows])


def read_atomref(path: Path) -> dict[str, dict[int, float]]:
    """Reference values of free atoms per property and atomic number, in the raw files' units."""
    rows = re.findall(
        r"^\s*([A-Z][a-z]?)((?:\s+-?\d+\.\d+){6})\s*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    if not rows:
        raise InputError(f"{path}: holds no atomic references; give QM9's atomref.txt")
    values = {atomic_numbers[symbol]: [float(x) for x in numbers.split()] for symbol, numbers in rows}
    return {name: {z: row[k] for z, row in values.items()} for k, name in enumerate(ATOMREF_COLUMNS)}


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


def _texts(source: Path) -> Iterator[str]:
    if source.is_dir():
        for path in sorted(source.glob("*.xyz")):
            yield path.read_text(encoding="utf-8")
    elif source.is_file() and tarfile.is_tarfile(source):
        try:
            with tarfile.open(source) as archive:
                for member in archive:
                    stream = archive.extractfile(member) if member.name.endswith(".xyz") else None
                    if stream:
                        yield stream.read().decode()
        except (tarfile.TarError, *DAMAGE) as error:
            raise InputError(f"{source}: ends early or is damaged ({error}); restore the archive") from None
    elif source.is_file():
        try:
            yield source.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{source}: neither text nor a whole tar archive ({error}); restore it"
            ) from None
    else:
        raise InputError(f"{source}: no such file or folder; docs/accuracy.md tells where QM9 is to be had")


def _records(text: str, source: Path) -> Iterator[tuple[int, Array, Array, dict[str, float]]]:
    """Number, atomic numbers, positions and properties of each molecule of a raw file or an extxyz."""
    lines = text.splitlines()
    first, count = 0, 0
    while first < len(lines) and lines[first].strip():
        try:
            n_atoms = int(lines[first])
            head, rows = lines[first + 1], [line.split() for line in lines[first + 2 : first + 2 + n_atoms]]
            count += 1
            if "Properties=" in head:
                found = dict(re.findall(r"(\S+?)=(\S+)", head))
                values = {SPELLINGS.get(k.lower(), k): v for k, v in found.items()}
                number, step = count, 2
            else:
                words = head.split()
                number, step = int(words[1]), 5  # frequencies, SMILES and InChI follow
                values = dict(zip(RAW_ORDER, words[2:], strict=True))
            yield (
                number,
                np.array([atomic_numbers[row[0]] for row in rows]),
                np.array([[_number(x) for x in row[1:4]] for row in rows]),
                {name: _number(values[name]) for name in RAW_ORDER},
            )
        except (ValueError, IndexError, KeyError) as error:
            raise InputError(f"{source}: line {first + 1} begins no molecule of QM9 ({error})") from None
        first += n_atoms + step


def _number(text: str) -> float:
    """A number as Mathematica writes it, 1.5*^-6 for 1.5e-6."""
    return float(text.replace("*^", "e"))


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
        numbers = arrays["charges"].astype(np.int64)
        properties = {name: arrays[name].astype(float) for name in RAW_ORDER if name in arrays}
        return Molecules(arrays["index"].astype(np.int64), numbers, arrays["positions"], properties)
    except (*DAMAGE, KeyError, TypeError) as error:
        raise InputError(
            f"{source}: no .npz of QM9 ({error}); it needs charges, positions, index and the properties"
        ) from None
