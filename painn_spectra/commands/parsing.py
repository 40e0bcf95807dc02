"""What the commands share: a parser with errors of ours, kinds of numbers, the number of processes."""

import argparse
from collections.abc import Callable
from typing import NoReturn, Protocol

from painn_spectra.errors import InputError

Arguments = argparse.Namespace


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are InputErrors: one line each, like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


class Add(Protocol):
    """Adds the command that `run` carries out, with its paths: inputs, then outputs.

    settings: it takes `--settings`. recorded: beside its outputs stands what made them, which is so for
    every command with settings.
    """

    def __call__(
        self,
        run: Callable[[Arguments], None],
        text: str,
        *paths: str,
        settings: bool = True,
        recorded: bool = False,
    ) -> Parser: ...


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number, give 1 or more")
    return number


def port(text: str) -> int:
    """A port of TCP."""
    number = positive(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, give 1 to 65535")
    return number


def whole(text: str) -> int:
    """A whole number from 0 on."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, give 0 or more")
    return int(text)


def positive_real(text: str) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def take_threads(command: Parser) -> None:
    """Let the command share its work out among processes."""
    command.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="worker processes, default: %(default)s"
    )
