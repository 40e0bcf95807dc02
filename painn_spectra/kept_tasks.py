"""Long tasks on several cores whose results are kept as files: a killed run goes on with those missing."""

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import numpy as np

from painn_spectra.files import atomic_path
from painn_spectra.processes import prepare_worker
from painn_spectra.progress import Progress

Arrays = dict[str, np.ndarray]
Task = tuple[Path, Callable[..., Arrays], tuple[Any, ...]]  # file of the result, function, its arguments


class KeptTasks:
    """Runs tasks whose results, dictionaries of arrays, are kept as files; one that is there is not run."""

    def __init__(self, threads: int) -> None:
        self.executor = ProcessPoolExecutor(threads, get_context("spawn"), prepare_worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.executor.shutdown(cancel_futures=True)

    def run(self, tasks: list[Task], label: str) -> list[Arrays]:
        """Results in the order of the tasks. The first failure ends all."""
        missing = [task for task in tasks if not task[0].exists()]
        progress = Progress(label, len(tasks))
        progress.resume_at(len(tasks) - len(missing))
        jobs: dict[Future[Arrays], Path] = {
            self.executor.submit(function, *arguments): file for file, function, arguments in missing
        }
        for job in as_completed(jobs):
            save_arrays(jobs[job], job.result())
            progress.advance()
        return [load_arrays(file) for file, _, _ in tasks]


def save_arrays(file: Path, arrays: Arrays) -> None:
    """Write an .npz file, whole or not at all."""
    with atomic_path(file) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def load_arrays(file: Path) -> Arrays:
    """Read what `save_arrays` wrote."""
    with np.load(file) as data:
        return dict(data)
