"""An HDF5 file that somebody else may have made, read in a process of its own.

A damaged file can crash the HDF5 library, or send it round for ever (seen with 1.14 and 2.0). It does so in a
child then (hdf5_child.py, which starts in 0.2 s), and here it is one line. Pieces come through a pipe, each
read once: whatever the length of a run, there is no reading twice, and damage in its middle is met as well.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.spectra import hdf5_child

ANSWER_S = 60.0  # for one answer: an attribute, or a piece of a few megabytes
RERUN = "run the dynamics stage again"


class Process(Protocol):
    """The part of subprocess.Popen that is used."""

    def kill(self) -> None: ...
    def wait(self) -> int: ...


@dataclass(frozen=True)
class Dataset:
    """What a file says about a dataset of its own."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored_bytes: int
    chunked: bool


@dataclass(frozen=True)
class Hdf5:
    """An open file; all that is asked for may raise InputError: damage, a crash, too much time or memory."""

    path: Path
    process: Process
    connection: "Connection[Any, Any]"

    def attribute(self, name: str, of: str | None = None) -> Any:
        """A number, a list of numbers or a text; None if absent. of: a dataset asked about before."""
        return self._ask(attribute=name, of=of)

    def dataset(self, name: str) -> Dataset | None:
        """What is there under a name; None if nothing is. Links and virtual datasets are refused."""
        told = self._ask(dataset=name)
        if told == {}:
            raise InputError(f"{self.path}: {name!r} points to other data; copy its numbers into this file")
        return told and Dataset(
            tuple(told["shape"]), np.dtype(told["dtype"]), told["stored_bytes"], told["chunked"]
        )

    def read(self, name: str, dtype: np.dtype[Any], replica: int, start: int, stop: int) -> np.ndarray:
        """Numbers [replica, start:stop] of a dataset asked about before."""
        shape = self._ask(read=name, replica=replica, start=start, stop=stop)
        return np.frombuffer(self._received(), dtype).reshape(shape)

    def _ask(self, **request: Any) -> Any:
        with contextlib.suppress(OSError):  # it has ended: the answer tells
            self.connection.send_bytes(json.dumps(request).encode())
        answer = json.loads(self._received())
        if "error" in answer:
            raise InputError(f"{self.path}: is damaged, or not HDF5 ({answer['error']}); {RERUN}")
        return answer["value"]

    def _received(self) -> bytes:
        try:
            if self.connection.poll(ANSWER_S):
                return self.connection.recv_bytes()
            reason = f"HDF5 did not answer within {ANSWER_S:.0f} s"
        except (EOFError, OSError):
            ended = self.process.wait()
            if ended >= 0:
                raise RuntimeError(f"the process that reads {self.path} ended with {ended}") from None
            reason = f"HDF5 ended with {signal.Signals(-ended).name}"
        raise InputError(f"{self.path}: is damaged ({reason}); {RERUN}")


def start(path: Path, connection: "Connection[Any, Any]") -> Process:
    """Start the child, which answers through `connection`."""
    descriptor = connection.fileno()
    words = [sys.executable, "-P", hdf5_child.__file__, str(path), str(descriptor)]
    null = subprocess.DEVNULL  # what a crash says besides
    return subprocess.Popen(words, pass_fds=[descriptor], stdin=null, stdout=null, stderr=null)


@contextlib.contextmanager
def open_apart(path: Path) -> Iterator[Hdf5]:
    """Open a file in a child that ends with this context, or with this process."""
    here, there = Pipe()
    with here:
        with there:
            process = start(path, there)
        try:
            yield Hdf5(path, process, here)
        finally:
            process.kill()
            process.wait()
