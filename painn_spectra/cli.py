"""Command line: `painn-spectra <stage> --settings JSON inputs outputs`.

Stages are imported when they run: `--help` answers at once, and the labelling process never sees torch.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from painn_spectra import __version__
from painn_spectra.commands import dynamics, harmonics, labels, pages, spectra, training
from painn_spectra.commands.parsing import Arguments, Parser
from painn_spectra.errors import InputError, first_line


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog="painn-spectra", description=sys.modules["painn_spectra"].__doc__)
    top.add_argument("--version", action="version", version=f"painn-spectra {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(
        run: Callable[[Arguments], None],
        text: str,
        *paths: str,
        settings: bool = True,
        recorded: bool = False,
    ) -> Parser:
        command = commands.add_parser(run.__name__.replace("_", "-"), help=text, description=text)
        command.set_defaults(run=run, stage=command.prog.split()[-1], recorded=settings or recorded)
        if settings:
            command.add_argument("--settings", metavar="JSON", default="{}", help="default: %(default)s")
        for path in paths:
            command.add_argument(path, type=Path, metavar=path.upper())
        return command

    for part in (labels, training, dynamics, harmonics, spectra, pages):
        part.declare(add)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 2 (130 after Ctrl-C) with one line on standard error."""
    try:
        arguments = parser().parse_args(argv)
        if not getattr(arguments, "recorded", False):
            arguments.run(arguments)
            return 0
        from painn_spectra.provenance import recorded

        with recorded(arguments.stage, getattr(arguments, "settings", "{}"), _paths(arguments)):
            arguments.run(arguments)
    except InputError as error:
        return _complain(f"error: {error}")
    except FileNotFoundError as error:
        return _complain(f"error: {error.filename}: no such file; check the path")
    except BrokenPipeError:  # `painn-spectra summary results | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # no permission, no space
        reason = error.strerror or first_line(error)
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"error: {where}{reason}; check path, permissions and free space, then run it again")
    except KeyboardInterrupt:
        return _complain("stopped by Ctrl-C; the same command goes on or begins anew", 130)
    return 0


def _paths(arguments: Arguments) -> list[Path]:
    """Every file that a command line names."""
    values = [value for value in vars(arguments).values() if isinstance(value, Path | list)]
    flat = (item for value in values for item in (value if isinstance(value, list) else [value]))
    return [path for path in flat if isinstance(path, Path)]


def _complain(line: str, code: int = 2) -> int:
    print(f"painn-spectra: {line}", file=sys.stderr)
    return code


def entry() -> None:
    """Console script."""
    sys.exit(main())
