"""Training, validation and test frames: whole trajectories apart, frozen with the data set's content hash."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.files import content_hash, write_json
from painn_spectra.settings.training import DatasetSettings

VERSION = 1
Parts = dict[str, list[int]]  # train, validation, test -> indices of frames


def split_frames(groups: np.ndarray, settings: DatasetSettings, addition: bool = False) -> Parts:
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


def write_split(path: Path, dataset: Path, parts: Parts, test_trajectories: list[str], **more: Any) -> None:
    """Freeze the split of the data set as it is now; `more` is told beside it."""
    header = {
        "format_version": VERSION,
        "dataset_sha256": content_hash(dataset),
        "test_trajectories": test_trajectories,
    }
    write_json(path, header | more | parts)


def read_split(path: Path, dataset: Path, n_frames: int | None = None) -> Parts:
    """The frozen split; raises InputError when it was made for another dataset, or edited to be none.

    n_frames: of the data set, where they are known.
    """
    try:
        content = json.loads(Path(path).read_text())
        parts = {name: content[name] for name in ("train", "validation", "test")}
        stored = content["dataset_sha256"]
        _check_parts(parts, n_frames)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a split file ({error}); rerun 'snakemake --forcerun gather_labels'"
        ) from None
    if stored != content_hash(dataset):
        raise InputError(
            f"{path}: was made for another {dataset}; rerun 'snakemake --forcerun gather_labels'"
        )
    return parts


def _check_parts(parts: Parts, n_frames: int | None) -> None:
    """Raise ValueError: a training frame among the others flatters errors, a negative index is another's."""
    places = [k for index in parts.values() for k in index]
    for k in places:
        if type(k) is not int or not 0 <= k < (n_frames or math.inf):
            raise ValueError(f"{k!r} is the index of no frame")
    if empty := [name for name, index in parts.items() if not index]:
        raise ValueError(f"no frames for {' and '.join(empty)}")
    if twice := len(places) - len(set(places)):
        raise ValueError(f"{twice} frames are named twice")
