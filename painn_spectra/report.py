"""Web pages of the results: one per molecule, whole without a network, and one that links them."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any

from painn_spectra import __version__
from painn_spectra.errors import InputError
from painn_spectra.files import write_text
from painn_spectra.summary import dynamics_folders, effort
from painn_spectra.tables import Row, columns, html_table, pairs, read_csv, read_notes, read_object

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222 }
img { width: 100% } figcaption { color: #555 }
table { border-collapse: collapse; margin: .6em 0 } td, th { padding: .15em .8em; text-align: right }
td:first-child, th:first-child { text-align: left } tr { border-bottom: 1px solid #ddd }
aside { border: 1px solid #bbb; border-radius: .4em; padding: 0 1em; margin: 1.5em 0; background: #fafafa }
pre { background: #f5f5f5; padding: 1em; overflow: auto }
</style></head><body>
<h1>$title</h1>
$body
<p><small>painn-spectra $version</small></p>
</body></html>
""")

# columns of bands.csv, in a table of their own
MOTIONS = ("assignment", "assignment_shares", "atom_shares", "normal_modes", "normal_mode_shares")

# filled from the notes of the spectrum's CSV file
CAPTIONS = {
    "ir": "Infrared absorption at $temperature_K K, absolute; no frequency scaled. "
    "Shade: standard error over replicas.$models",
    "raman": "Raman scattering at $temperature_K K, absolute: activity, and Stokes cross-section for a laser "
    "at $laser_nm nm; no frequency scaled. Shade: standard error over replicas.$models",
    "torsions": "Energy about the rotatable bonds, relaxed on the model; points: the labels' method at the "
    "same geometries.",
    "parity": "Predictions against labels on the held-out frames.",
}

MODELS = " Hatched: standard deviation of $n_models trained models, an error apart from that of sampling."

LIMITS = """<aside><h2>What classical dynamics does not describe</h2><ul>
<li>Zero-point motion: X–H stretches stay 100 to 200 cm⁻¹ above the measured ones; no frequency is scaled
to hide it.</li>
<li>Tunnelling, and with it splittings of methyl and hydroxyl torsions.</li>
<li>Fermi resonances, overtones and combinations: their classical intensities fall with temperature to
nothing, the quantum ones do not.</li>
<li>A liquid: measured Raman spectra are often of the neat liquid, whose hydrogen bonds move and broaden
O–H bands.</li></ul></aside>"""


def write_report(results: Path, report: Path, settings: dict[str, Any]) -> None:
    """Write `report` from the files of one molecule's folder `results`."""
    if not results.is_dir():
        raise InputError(f"{results}: no such folder; run the workflow first")
    parts = []
    for folder in dynamics_folders(results):
        figures, quality = results / "figures" / folder.name, read_object(folder / "dynamics.json")
        parts += [
            f"<h2>Spectra, {html.escape(folder.name)} dynamics</h2>",
            _figure(figures / "ir.svg", read_notes(folder / "ir.csv")),
            _figure(figures / "raman.svg", read_notes(folder / "raman.csv")),
            *_bands(read_csv(folder / "bands.csv")),
            "<h3>Errors and effort</h3>" + html_table(pairs(effort(folder / "bands.csv"))),
            "<h3>Comparison with experiment</h3>",
            html_table(read_csv(folder / "comparison.csv")),
            html_table(read_csv(folder / "similarity.csv")),
            html_table(pairs(read_notes(folder / "similarity.csv"))),
            "<h3>Dynamics</h3>",
            html_table(pairs(quality)),
            "<h3>Starting structures</h3>" + html_table(quality.get("starts", [])),
        ]
    parts.append(LIMITS)
    parts += _harmonic(results / "harmonic", results / "figures" / "torsions.svg")
    shown_settings = html.escape(json.dumps(settings, indent=2, ensure_ascii=False))
    parts += [
        "<h2>Errors of the model</h2>",
        _figure(results / "figures" / "parity.png"),
        html_table(read_csv(results / "evaluation" / "errors.csv")),
        f"<h2>Settings</h2><details><summary>all of them</summary><pre>{shown_settings}</pre></details>",
    ]
    _write_page(report, results.name, parts)


def _bands(rows: Sequence[Row]) -> list[str]:
    """Numbers of the bands, and what moves in them."""
    numbers = [{name: row[name] for name in row if name not in MOTIONS} for row in rows]
    where = ("spectrum", "lower_cm-1", "upper_cm-1", "peak_cm-1")
    motions = columns([row for row in rows if row.get(MOTIONS[0])], (*where, *MOTIONS))
    told = ["<h3>What moves in them</h3>" + html_table(motions)] if motions else []
    return ["<h3>Bands</h3>" + html_table(numbers), *told]


def _harmonic(folder: Path, torsions: Path) -> list[str]:
    """What there is of harmonic modes and torsions; both may be absent."""
    parts = []
    comparison, barriers = folder / "comparison.csv", folder / "barriers.csv"
    if comparison.is_file():
        parts += [
            "<h2>Harmonic modes of the model beside those of the labels' method</h2>",
            html_table(pairs(read_notes(comparison))),
            f"<details><summary>all modes</summary>{html_table(read_csv(comparison))}</details>",
        ]
    if barriers.is_file():
        parts += ["<h2>Torsions</h2>", _figure(torsions), html_table(read_csv(barriers))]
    return parts


def write_index(reports: Sequence[Path], index: Path) -> None:
    """Write the page that links the reports of all molecules, by paths relative to it."""
    links = []
    for report in reports:
        folder = report.resolve().relative_to(index.resolve().parent).as_posix()
        links.append(f'<li><a href="{html.escape(folder)}">{html.escape(report.parent.name)}</a></li>')
    _write_page(index, "IR and Raman spectra", ["<ul>", *links, "</ul>"])


def _write_page(path: Path, title: str, parts: Sequence[str]) -> None:
    page = PAGE.substitute(title=html.escape(title), body="\n".join(parts), version=__version__)
    write_text(path, page)


def _figure(path: Path, notes: Mapping[str, str] = MappingProxyType({})) -> str:
    if not path.is_file():
        return f"<p>{html.escape(path.name)}: absent</p>"
    kind = {".svg": "svg+xml", ".png": "png"}[path.suffix]
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    known = {key: notes.get(key, "an unknown") for key in ("temperature_K", "laser_nm")}
    models = Template(MODELS).substitute(notes) if "n_models" in notes else ""
    caption = html.escape(Template(CAPTIONS[path.stem]).substitute(known, models=models))
    return (
        f'<figure><img alt="{caption}" src="data:image/{kind};base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
