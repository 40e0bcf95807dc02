"""The whole validation table: what can run here runs, what takes hours of dynamics comes from data/.

python -m benchmarks.validation [--shipped]
"""

import argparse
from collections.abc import Callable

from benchmarks.validation import (
    against_travis,
    convergence,
    direct,
    direct_harmonic,
    energy_flow,
    harmonic_limit,
    schnetpack_recipe,
    variance_reduction,
)
from benchmarks.validation.runs import ROOT
from benchmarks.validation.table import DATA, Row, markdown, read_rows
from painn_spectra.files import write_text

DOCUMENT = ROOT / "docs" / "validation.md"
BEGIN, END = "<!-- table: python -m benchmarks.validation --write -->", "<!-- end of table -->"
CHECKS: dict[str, Callable[[], list[Row]]] = {
    "travis": against_travis.rows,
    "harmonic_limit": harmonic_limit.rows,
    "schnetpack": schnetpack_recipe.rows,
    "convergence": convergence.rows,
    "energy_flow": energy_flow.rows,
    "variance_reduction": variance_reduction.rows,
    "direct_harmonic": direct_harmonic.rows,
    "direct": direct.rows,
}


def main() -> int:
    """1 when a row fails its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shipped", action="store_true", help="print the rows in data/, run nothing")
    parser.add_argument("--write", action="store_true", help="put the table into docs/validation.md")
    a = parser.parse_args()
    table: list[Row] = []
    for name, check in CHECKS.items():
        rows = [] if a.shipped else check()
        if not rows:
            rows = read_rows(DATA / f"{name}.json")
            print(f"{name}: {len(rows)} rows as shipped")
        table += rows
    print(markdown(table))
    if a.write:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        write_text(DOCUMENT, before + BEGIN + "\n" + markdown(table) + "\n" + END + rest.partition(END)[2])
    return int(not all(row.passed for row in table))


if __name__ == "__main__":
    raise SystemExit(main())
