"""Progress of long work: a bar on a terminal, a line now and then in a log, with the time left."""

import os
import sys
import time

TERMINAL = "PAINN_SPECTRA_TERMINAL_S"  # seconds between lines of a job whose output goes to a log


class Progress:
    """Count `total` units of work and print `label`, percentage, a note and an estimate of the time left."""

    def __init__(self, label: str, total: int, interval_s: float = 10.0) -> None:
        self.label, self.total, self.done = label, total, 0
        self.terminal = sys.stderr.isatty()
        self.interval_s = 0.2 if self.terminal else interval_s
        self.echo_s = float(os.environ.get(TERMINAL) or "inf")
        self.start = self.printed = self.echoed = time.monotonic()
        self.first, self.working_since = 0, self.start  # what was done before, and when this run began

    def resume_at(self, done: int) -> None:
        """Start counting at `done`: an estimate of the time left must not credit an earlier run's work."""
        self.done = self.first = done

    def at_work(self, done: int) -> None:
        """Count `done` units, and the rate from now on: so far there was other work, such as compiling."""
        self.resume_at(self.done + done)
        self.working_since = time.monotonic()

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Record `amount` more units done; print when the interval has passed or all is done."""
        self.done += amount
        now = time.monotonic()
        finished = self.done >= self.total
        if now - self.printed < self.interval_s and not finished:
            return
        self.printed = now
        elapsed, at_work = now - self.start, now - self.working_since
        rate = (self.done - self.first) / at_work if at_work > 0 else 0.0
        left = f", {clock((self.total - self.done) / rate)} left" if rate > 0 else ""
        text = f"{self.label}: {100 * self.done / self.total:3.0f} % {note} [{clock(elapsed)} elapsed{left}]"
        if self.terminal:
            filled = int(24 * self.done / self.total)
            bar = "█" * filled + "░" * (24 - filled)
            print(f"\r{bar} {text}\x1b[K", end="\n" if finished else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
            if now - self.echoed >= self.echo_s:
                self.echoed = now
                on_terminal(text)


def on_terminal(text: str) -> None:
    """A line on the terminal of a job whose output goes to a log; nothing where there is none, or in the
    background, where it would disturb what its owner does."""
    try:
        with open("/dev/tty", "w", encoding="utf-8") as terminal:  # noqa: PTH123
            if os.tcgetpgrp(terminal.fileno()) == os.getpgrp():
                print(text, file=terminal, flush=True)
    except OSError:
        return


def clock(seconds: float) -> str:
    """`43:55`, or `2:43:55` with hours."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
