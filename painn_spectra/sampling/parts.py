"""Jobs that each make an array, on several processes; a killed stage goes on with those that are missing."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path
from painn_spectra.processes import end_with_parent
from painn_spectra.progress import Progress


def prepare_worker() -> None:
    """One thread each; a killed parent must not leave its workers behind."""
    os.environ["OMP_NUM_THREADS"] = "1"
    end_with_parent(os.getppid())


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
    elif missing:
        with ProcessPoolExecutor(min(threads, len(missing)), get_context("spawn"), prepare_worker) as pool:
            jobs = {pool.submit(job, *arguments[k]): k for k in missing}
            try:
                for done in as_completed(jobs):
                    _keep(files[jobs[done]], done.result())
                    progress.advance()
            except BrokenProcessPool:
                raise InputError(
                    f"a worker of the {label} ended without a word, memory may be short; run the stage "
                    "again, it goes on where it stopped, with fewer --threads"
                ) from None
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [np.load(file) for file in files]


def _keep(file: Path, array: np.ndarray) -> None:
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)
