"""Worker processes that do not outlive the stage that started them."""

import os
import threading
import time

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
