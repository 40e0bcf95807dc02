"""Jobs that each make an array, on several processes; a killed stage goes on with those that are missing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra.files import atomic_path
from painn_spectra.processes import finished_jobs
from painn_spectra.progress import Progress


def scatter(
    job: Callable[..., np.ndarray],
    arguments: Sequence[tuple[Any, ...]],
    parts: Path,
    threads: int,
    label: str,
    here: bool = False,
) -> list[np.ndarray]:
    """`job(*a)` for every a in `arguments`, in their order; `parts` is a folder that `files.open_parts` made.

    The result depends on neither `threads` nor interruptions: every job is told its own seed. here: jobs keep
    to one thread by themselves, so that `threads` = 1 needs no process.
    """
    files = [parts / f"{k:06d}.npy" for k in range(len(arguments))]
    missing = [k for k, file in enumerate(files) if not file.exists()]
    progress = Progress(label, len(files))
    progress.resume_at(len(files) - len(missing))
    if here and threads == 1:
        for k in missing:
            _keep(files[k], job(*arguments[k]))
            progress.advance()
    else:
        for k, done in finished_jobs(job, {k: arguments[k] for k in missing}, threads, label):
            _keep(files[k], done.result())
            progress.advance()
    return [np.load(file) for file in files]


def _keep(file: Path, array: np.ndarray) -> None:
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)
