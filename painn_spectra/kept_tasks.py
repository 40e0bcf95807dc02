"""Long tasks on several cores whose results are kept as files: a killed run goes on with those missing."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path
from painn_spectra.processes import prepare_worker
from painn_spectra.progress import Progress

Arrays = dict[str, np.ndarray]
Task = tuple[Path, Callable[..., Arrays], tuple[Any, ...]]  # file of the result, function, its arguments


class KeptTasks:
    """Runs tasks whose results, dictionaries of arrays, are kept as files; one that is there is not run.

    here: the tasks keep to one thread by themselves, so that `threads` = 1 needs no process.
    """

    def __init__(self, threads: int, here: bool = False) -> None:
        self.executor = (
            None
            if here and threads == 1
            else ProcessPoolExecutor(threads, get_context("spawn"), prepare_worker)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self.executor:
            self.executor.shutdown(cancel_futures=True)

    def run(self, tasks: list[Task], label: str) -> list[Arrays]:
        """Results in the order of the tasks. The first failure ends all."""
        missing = [task for task in tasks if not task[0].exists()]
        progress = Progress(label, len(tasks))
        progress.resume_at(len(tasks) - len(missing))
        for file, arrays in self._results(missing, label):
            save_arrays(file, arrays)
            progress.advance()
        return [load_arrays(file) for file, _, _ in tasks]

    def _results(self, tasks: list[Task], label: str) -> Iterator[tuple[Path, Arrays]]:
        """Results as they come; the death of a worker is an InputError."""
        if self.executor is None:
            for file, function, arguments in tasks:
                yield file, function(*arguments)
            return
        jobs = {self.executor.submit(function, *arguments): file for file, function, arguments in tasks}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BrokenProcessPool:
            raise InputError(
                f"{label}: a worker ended without a word, memory may be short; run the stage again with "
                "fewer --threads, it goes on where it stopped"
            ) from None


def save_arrays(file: Path, arrays: Arrays) -> None:
    """Write an .npz file, whole or not at all."""
    with atomic_path(file) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def load_arrays(file: Path) -> Arrays:
    """Read what `save_arrays` wrote."""
    with np.load(file) as data:
        return dict(data)
