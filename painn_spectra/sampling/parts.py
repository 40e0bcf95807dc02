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
) -> list[np.ndarray]:
    """`job(*a)` for every a in `arguments`, in their order; `parts` is a folder that `files.open_parts` made.

    The result depends on neither `threads` nor interruptions: every job is told its own seed.
    """
    files = [parts / f"{k:06d}.npy" for k in range(len(arguments))]
    missing = [k for k, file in enumerate(files) if not file.exists()]
    progress = Progress(label, len(files))
    progress.resume_at(len(files) - len(missing))
    for k, done in finished_jobs(job, {k: arguments[k] for k in missing}, threads, label):
        with atomic_path(files[k]) as temporary, temporary.open("wb") as stream:
            np.save(stream, done.result())
        progress.advance()
    return [np.load(file) for file in files]
