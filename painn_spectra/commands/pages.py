"""What people read: reports, tables, schema."""

from pathlib import Path

from painn_spectra.commands.parsing import Add, Arguments


def report(a: Arguments) -> None:
    from painn_spectra.report.page import write_report
    from painn_spectra.settings.base import parse_object

    write_report(a.results, a.report, parse_object(a.settings))


def index(a: Arguments) -> None:
    from painn_spectra.report.page import write_index

    write_index(a.reports, a.index)


def summary(a: Arguments) -> None:
    from painn_spectra.summary import summarise

    print(summarise(a.results))


def status(a: Arguments) -> None:
    from painn_spectra.status import status as told

    print(told(a.results, not a.no_plot))


def verify(a: Arguments) -> None:
    from painn_spectra.provenance import verify as checked

    print(checked(a.results))


def schema(a: Arguments) -> None:
    from painn_spectra.config import json_schema
    from painn_spectra.files import write_json

    write_json(a.output, json_schema())


def declare(add: Add) -> None:
    """These commands and what they take."""
    add(report, "one molecule's results as a web page", "results", "report")
    pages = add(index, "page that links the molecules' reports", "index", settings=False, recorded=True)
    pages.add_argument("reports", nargs="+", type=Path, metavar="REPORT")
    add(summary, "what a results folder holds: figures, errors, bands, seconds", "results", settings=False)
    watching = add(status, "jobs of a long run, and the spectrum so far", "results", settings=False)
    watching.add_argument("--no-plot", action="store_true", help="text only")
    add(verify, "are the results what was written, from what is there?", "results", settings=False)
    add(schema, "write the JSON schema of config.yaml", "output", settings=False)
