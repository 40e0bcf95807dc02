"""Worker processes that do not outlive the stage that started them."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from painn_spectra.errors import InputError

Key = TypeVar("Key")

POLL_S = 0.2


def end_with_parent(parent: int) -> None:
    """Leave as soon as process `parent` is gone, even by kill -9: an orphan would go on for hours."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def prepare_worker() -> None:
    """Initialise a worker process: one thread, and an end when the parent ends."""
    os.environ["OMP_NUM_THREADS"] = "1"
    end_with_parent(os.getppid())


def finished_jobs(
    function: Callable[..., Any], arguments: Mapping[Key, tuple[Any, ...]], threads: int, label: str
) -> Iterator[tuple[Key, Future[Any]]]:
    """Run `function(*arguments[key])` on `threads` processes; yield every key with its job as jobs finish.

    The caller keeps each result and decides on failures. Raises InputError when a process dies, and drops
    what has not begun when the caller stops.
    """
    if not arguments:
        return
    with ProcessPoolExecutor(min(threads, len(arguments)), get_context("spawn"), prepare_worker) as pool:
        try:
            jobs = {pool.submit(function, *values): key for key, values in arguments.items()}
            for job in as_completed(jobs):
                if isinstance(job.exception(), BrokenProcessPool):
                    raise InputError(
                        f"a worker of the {label} ended without a word, memory may be short; run the stage "
                        "again, it goes on where it stopped, with fewer --threads"
                    )
                yield jobs[job], job
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
