"""The stage `gather`: all labels of a molecule in one data set, and its split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from painn_spectra import keys
from painn_spectra.dataset import Frames, check_one_molecule, read_frames
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, read_object, write_text
from painn_spectra.label_checks import check_units
from painn_spectra.levels import check_one_level
from painn_spectra.settings.training import DatasetSettings
from painn_spectra.split import read_split, split_frames, write_split

FAILED_FRACTION = 0.05  # of the frames: more failures mean that the method does not suit the molecule


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
    n_asked = check_failures(failures)
    written = [path for path in labels if path.stat().st_size]
    if not written and previous and not n_asked:
        # the rounds have ended: what follows sees the same set
        write_text(dataset, previous[0].read_text(encoding="utf-8"))
        write_text(split, previous[1].read_text(encoding="utf-8"))
        return
    if not written:
        raise InputError(f"{labels[0]}: holds no frames; label more frames")
    sets = [read_frames(path, properties) for path in written]
    before = [read_frames(previous[0], properties)] if previous else []
    sources = [*(previous or ())[:1], *written]
    check_one_level(
        (str(path), level)
        for path, frames in zip(sources, [*before, *sets], strict=True)
        for level in frames.levels
    )
    first = [*before, *sets][0].numbers[0]
    for frames, path in zip([*before, *sets], sources, strict=True):
        check_one_molecule(path, frames.numbers, first[first > 0])
    if not failures:  # brought along: our own labelling knows its units
        for frames, path in zip(sets, written, strict=True):
            check_units(frames, path)
    groups = np.concatenate([frames.groups for frames in sets])
    known = before[0].groups if previous else groups[:0]
    added = split_frames(groups, settings, addition=previous is not None)
    parts = {name: [len(known) + k for k in index] for name, index in added.items()}
    if previous:
        earlier = read_split(previous[1], previous[0], len(known))
        parts = {name: index + parts[name] for name, index in earlier.items()}
        groups = np.concatenate([known, groups])
    tell_copies([*before, *sets], parts)
    with atomic_path(dataset) as temporary, temporary.open("wb") as stream:
        for path in sources:
            content = path.read_bytes()
            stream.write(content.rstrip() + b"\n")
    write_split(split, dataset, parts, sorted(set(groups[parts["test"]].tolist())))
    counts = ", ".join(f"{len(index)} {name}" for name, index in parts.items())
    print(f"{dataset}: {len(groups)} frames, {counts}")


def tell_copies(sets: Sequence[Frames], parts: dict[str, list[int]]) -> None:
    """Print how many frames of a part stand among those that it is to be apart from."""
    found = [place for frames in sets for place in places(frames)]
    for held, others in (("test", ("train", "validation")), ("validation", ("train",))):
        learnt = {found[k] for name in others for k in parts[name]}
        copies = [k for k in parts[held] if found[k] in learnt]
        if copies:
            print(
                f"warning: {len(copies)} of {len(parts[held])} {held} frames, first frame {copies[0]}, are "
                "learnt from too: errors come out too small; remove copies, or give them one `seed`"
            )


def places(frames: Frames) -> list[bytes]:
    """Of the atoms, one entry per frame, alike where frames are copies written with other digits."""
    return [(place.round(5) + 0.0).tobytes() for place in frames.positions]  # -0.0 + 0.0 is 0.0


def check_failures(reports: Sequence[Path]) -> int:
    """Print the frames that labelling left out; raise InputError when they are more than 5 %.

    Returns how many frames were to be labelled.
    """
    contents = [read_object(path, "n_frames", "failed") for path in reports]
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
    return total
