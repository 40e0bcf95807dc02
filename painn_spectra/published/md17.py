"""MD17 and rMD17: energies and forces of published trajectories, with the split that everybody trains on.

MD17: Chmiela et al. 2017, doi:10.1126/sciadv.1603015, PBE+vdW-TS; rMD17: Christensen, von Lilienfeld 2020,
doi:10.1088/2632-2153/abba6f, the same geometries at PBE/def2-SVP. The two label sets never mix.
"""

from pathlib import Path
from typing import Any

import numpy as np
from ase.io import write
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.dataset import LEVEL_KEY, Frames, labelled_atoms
from painn_spectra.download import local_copy
from painn_spectra.errors import InputError
from painn_spectra.files import DAMAGE, atomic_path
from painn_spectra.label_checks import check_finite, check_units
from painn_spectra.settings.molecule import Published
from painn_spectra.split import write_split
from painn_spectra.units import KCAL_MOL_EV

Array = NDArray[Any]
CACHE = Path("results/.published")
LABELS = {  # setting: keys of energies and forces, level of theory
    "md17": ("old_energies", "old_forces", "PBE+vdW-TS, MD17"),
    "rmd17": ("energies", "forces", "PBE/def2-SVP, rMD17"),
}
LEARNT = (keys.ENERGY, keys.FORCES)


def gather_published(dataset: Path, split: Path, settings: Published) -> None:
    """Stage: both files as one data set in eV and Å, with the published split.

    Of the training frames, in an order drawn once, n_train train and the next n_validation validate.
    """
    train, test = (_frames(settings, source) for source in (settings.train, settings.test))
    needed = settings.n_train + settings.n_validation
    if len(train) < needed:
        raise InputError(
            f"{settings.train}: has {len(train)} frames, n_train = {settings.n_train} and n_validation = "
            f"{settings.n_validation} need {needed}; lower them"
        )
    train = train.take(np.random.default_rng(0).permutation(len(train))[:needed])
    overlap = {r.tobytes() for r in train.positions} & {r.tobytes() for r in test.positions}
    if overlap:
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


def _frames(settings: Published, source: str) -> Frames:
    """Labelled frames of a split's file, or those of the archive's file that an index file names."""
    index = None
    if source.endswith(".csv"):
        if settings.frames is None:
            raise InputError(
                f"{source}: holds indices; name the .npz file they count in with published.frames"
            )
        try:
            index = np.loadtxt(local_copy(source, CACHE), dtype=int, ndmin=1)
        except ValueError as error:
            raise InputError(
                f"{source}: {error}; give an index file of the archive, a number a line"
            ) from None
        source = settings.frames
    energy_key, forces_key, level = LABELS[settings.labels]
    try:
        with np.load(local_copy(source, CACHE)) as file:
            arrays = [file[key] for key in ("nuclear_charges", "coords", energy_key, forces_key)]
    except (*DAMAGE, KeyError, TypeError) as error:
        raise InputError(f"{source}: is no file of rMD17 ({error}); give one of its .npz files") from None
    charges, coordinates, energies, forces = arrays
    shapes = [array.shape for array in arrays]
    n, n_atoms = len(coordinates), charges.size
    if energies.size != n or shapes != [(n_atoms,), (n, n_atoms, 3), energies.shape, (n, n_atoms, 3)]:
        raise InputError(f"{source}: shapes {shapes} do not fit each other; restore the file")
    chosen = np.arange(n) if index is None else index
    if not len(chosen):
        raise InputError(f"{source}: names no frames; check the files")
    if not 0 <= chosen.min() <= chosen.max() < len(coordinates):
        raise InputError(
            f"{source}: has {len(coordinates)} frames, an index is {chosen.max()}; check the files"
        )
    return checked(charges, coordinates[chosen], energies[chosen], forces[chosen], level, source)


def checked(
    charges: Array, coordinates: Array, energies: Array, forces: Array, level: str, source: str
) -> Frames:
    """Frames in eV and Å of labels in kcal/mol; InputError where the labels show another unit."""
    labels = {
        keys.ENERGY: np.asarray(energies, dtype=float).reshape(-1) * KCAL_MOL_EV,
        keys.FORCES: np.asarray(forces, dtype=float) * KCAL_MOL_EV,
    }
    check_finite({"coordinates": coordinates, **labels}, source)
    numbers = np.tile(np.asarray(charges, dtype=np.int64), (len(coordinates), 1))
    groups = np.full(len(numbers), "all")
    frames = Frames(numbers, np.asarray(coordinates, dtype=float), labels, groups, (level,))
    check_units(frames, source)
    return frames
