"""Blocks of replicas on several cores: one process of one thread each, as small tensors do not share well."""

import contextlib
import functools
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch
from torch import nn

from painn_spectra.errors import InputError
from painn_spectra.md.block import Block, run_block
from painn_spectra.model.fastest import fastest
from painn_spectra.processes import end_with_parent

Load = Callable[[Path, str], nn.Module]  # (model file, device) -> potential
Report = Callable[[int, int, str], None]  # number of the block, its steps done so far, note


def run_blocks(blocks: Sequence[Block], model: Path, load: Load, n_workers: int, report: Report) -> None:
    """Run all blocks; workers take every n_workers-th. The first failure ends all with its InputError.

    One worker needs no process.
    """
    if n_workers == 1:
        with single_thread():
            _run_in_turn(list(enumerate(blocks)), model, load, report)
        return

    context = multiprocessing.get_context("spawn")
    processes, receivers = [], []
    for first in range(n_workers):
        receiver, sender = context.Pipe(duplex=False)
        jobs = list(enumerate(blocks))[first::n_workers]
        process = context.Process(target=_worker, args=(jobs, model, load, sender, os.getpid()), daemon=True)
        process.start()
        sender.close()  # the worker's copy is then the only one: its death closes the pipe
        processes.append(process)
        receivers.append(receiver)
    try:
        finished = 0
        while finished < n_workers:
            for ready in wait(receivers):
                assert isinstance(ready, Connection)
                try:
                    message = ready.recv()
                except EOFError:
                    raise InputError(
                        "a worker of the dynamics ended without a word, memory may be short; "
                        "run the stage again, it goes on where it stopped, with fewer --threads"
                    ) from None
                match message:
                    case (int(number), int(step), str(note)):
                        report(number, step, note)
                    case "finished":
                        finished += 1
                        receivers.remove(ready)
                    case failure:
                        raise failure
    finally:
        for process in processes:
            process.terminate()
            process.join()


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """Sums in one order: results do not depend on the number of cores."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def _run_in_turn(jobs: list[tuple[int, Block]], model: Path, load: Load, report: Report) -> None:
    potential = fastest(load(model, jobs[0][1].device))
    for number, block in jobs:
        run_block(block, potential, functools.partial(report, number))


def _worker(jobs: list[tuple[int, Block]], model: Path, load: Load, sender: Connection, parent: int) -> None:
    end_with_parent(parent)
    torch.set_num_threads(1)
    try:
        _run_in_turn(jobs, model, load, lambda *message: sender.send(message))
        sender.send("finished")
    except KeyboardInterrupt:
        return  # the parent got it too, and tells
    except Exception as error:
        error.add_note(traceback.format_exc())  # pickling drops the traceback
        sender.send(error)
