"""MD17 and rMD17: energies and forces of published trajectories, with the split that everybody trains on.

MD17: Chmiela et al. 2017, doi:10.1126/sciadv.1603015, PBE+vdW-TS; rMD17: Christensen, von Lilienfeld 2020,
doi:10.1088/2632-2153/abba6f, the same geometries at PBE/def2-SVP. The two label sets never mix.
"""

from pathlib import Path
from typing import Any

import numpy as np
from ase.io import write
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from painn_spectra import keys
from painn_spectra.dataset import LEVEL_KEY, SHORTEST_A, Frames, check_one_molecule, labelled_atoms
from painn_spectra.download import local_copy
from painn_spectra.errors import InputError, first_line
from painn_spectra.files import DAMAGE, atomic_path
from painn_spectra.formula import SYMBOLS, hill_formula
from painn_spectra.gathering import places
from painn_spectra.label_checks import check_finite, check_units, check_whole
from painn_spectra.settings.molecule import Published
from painn_spectra.split import write_split
from painn_spectra.units import KCAL_MOL_EV

Array = NDArray[Any]
CACHE = Path("results/.published")
LABELS = {  # setting: keys of energies and forces, level of theory
    "md17": ("old_energies", "old_forces", "PBE+vdW-TS, MD17"),
    "rmd17": ("energies", "forces", "PBE/def2-SVP, rMD17"),
}
FORMULAE = {
    "aspirin": "C9H8O4", "azobenzene": "C12H10N2", "benzene": "C6H6", "ethanol": "C2H6O",
    "malonaldehyde": "C3H4O2", "naphthalene": "C10H8", "paracetamol": "C8H9NO2", "salicylic acid": "C7H6O3",
    "toluene": "C7H8", "uracil": "C4H4N2O2",
}  # fmt: skip
ALIASES = {"salicylic": "salicylic acid"}  # in the archive's file names
LEARNT = (keys.ENERGY, keys.FORCES)


def gather_published(dataset: Path, split: Path, settings: Published) -> None:
    """Stage: both files as one data set in eV and Å, with the published split.

    Of the training frames, in an order drawn once, n_train train and the next n_validation validate.
    """
    train, test = (_frames(settings, source) for source in (settings.train, settings.test))
    atoms = hill_formula(train.numbers[0])
    if FORMULAE.get(system_name(settings.system), atoms) != atoms:
        raise InputError(
            f"{settings.train}: holds {atoms}, no {settings.system}; correct published.system or train"
        )
    check_one_molecule(settings.test, test.numbers[:1], train.numbers[0])
    needed = settings.n_train + settings.n_validation
    if len(train) < needed:
        raise InputError(
            f"{settings.train}: has {len(train)} frames, n_train = {settings.n_train} and n_validation = "
            f"{settings.n_validation} need {needed}; lower them"
        )
    train = train.take(np.random.default_rng(0).permutation(len(train))[:needed])
    if overlap := {*places(train)} & {*places(test)}:
        raise InputError(f"{settings.test}: shares {len(overlap)} frames with {settings.train}; take another")
    structures = [
        labelled_atoms(
            frames.numbers[k], frames.positions[k], {name: frames.labels[name][k] for name in LEARNT},
            {"seed": part, LEVEL_KEY: frames.level},
        )
        for part, frames in (("train", train), ("test", test))
        for k in range(len(frames))
    ]  # fmt: skip
    with atomic_path(dataset) as temporary:
        write(temporary, structures, format="extxyz")
    parts = np.split(np.arange(len(structures)), [settings.n_train, needed])
    named = {name: index.tolist() for name, index in zip(("train", "validation", "test"), parts, strict=True)}
    write_split(split, dataset, named, ["test"], published=settings.model_dump(include={"system", "labels"}))
    print(f"{dataset}: {settings.system}, {settings.labels}: {needed} training, {len(test)} test frames")


def system_name(system: str) -> str:
    """As the tables of published errors spell it."""
    return ALIASES.get(system.casefold(), system.casefold())


def _frames(settings: Published, source: str) -> Frames:
    """Labelled frames of a split's file, or those of the archive's file that an index file names."""
    path, index = _file(source), None
    if path.suffix.lower() == ".csv":
        index = _index(path, source)
        listed, source = source, str(settings.frames)
        path = _file(source)
    energy_key, forces_key, level = LABELS[settings.labels]
    try:
        with np.load(path) as file:
            arrays = [file[key] for key in ("nuclear_charges", "coords", energy_key, forces_key)]
    except (*DAMAGE, KeyError, TypeError) as error:
        reason = first_line(error)
        raise InputError(f"{source}: is no file of rMD17 ({reason}); give one of its .npz files") from None
    charges, coordinates, energies, forces = arrays
    shapes = [array.shape for array in arrays]
    n, n_atoms = energies.size, charges.size
    if shapes[2] not in ((n,), (n, 1)) or shapes != [(n_atoms,), (n, n_atoms, 3), shapes[2], shapes[1]]:
        raise InputError(f"{source}: shapes {shapes} do not fit each other; restore the file")
    if index is None:
        index = np.arange(n)
    elif len(beyond := index[(index < 0) | (index >= n)]):
        raise InputError(
            f"{listed}: index {beyond[0]} is none of 0 to {n - 1}, the frames of {source}; check both files"
        )
    if not len(index):
        raise InputError(f"{source}: holds no frames; restore the file")
    return checked(charges, coordinates[index], energies[index], forces[index], level, source)


def _file(source: str) -> Path:
    path = local_copy(source, CACHE)
    if not path.is_file():
        raise InputError(f"{source}: no such file; docs/accuracy.md tells where to get it")
    return path


def _index(path: Path, source: str) -> Array:
    """Numbers of frames, from 0, each once."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        index = np.array([int(line) for line in lines if line.strip()], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{source}: {error}; give an index file of the archive, a number a line") from None
    if not len(index):
        raise InputError(f"{source}: names no frames; give an index file of the archive, a number a line")
    numbers, counts = np.unique(index, return_counts=True)
    if counts.max() > 1:
        raise InputError(f"{source}: names frame {numbers[counts.argmax()]} more than once; name each once")
    return index


def checked(
    charges: Array, coordinates: Array, energies: Array, forces: Array, level: str, source: str
) -> Frames:
    """Frames in eV and Å of labels in kcal/mol; InputError where the labels show another unit."""
    given = {"coordinates": coordinates, keys.ENERGY: energies, keys.FORCES: forces}
    check_finite(given, source)
    check_whole("nuclear_charges", charges, 1, len(SYMBOLS), source)
    labels = {
        keys.ENERGY: np.asarray(energies, dtype=float).reshape(-1) * KCAL_MOL_EV,
        keys.FORCES: np.asarray(forces, dtype=float) * KCAL_MOL_EV,
    }
    numbers = np.tile(np.asarray(charges, dtype=np.int64), (len(coordinates), 1))
    check_one_molecule(source, numbers[:1], numbers[0])
    groups = np.full(len(numbers), "all")
    frames = Frames(numbers, np.asarray(coordinates, dtype=float), labels, groups, (level,))
    nearest = np.array([pdist(r).min(initial=np.inf) for r in frames.positions])
    largest = np.abs(labels[keys.FORCES]).max((1, 2))
    if len(broken := np.flatnonzero((nearest < SHORTEST_A) | ~(largest < keys.HUGE))):
        k = broken[0]
        told = f"atoms {nearest[k]:.2g} Å apart, forces to {largest[k]:.2g} eV/Å"
        raise InputError(f"{source}: frame {k} of those taken: {told}; restore the file")
    check_units(frames, source, "kcal/mol and kcal/mol/Å")
    return frames
