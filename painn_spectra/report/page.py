"""Web pages of the results: one per molecule, whole without a network, and one that links several."""

import base64
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from painn_spectra import __version__
from painn_spectra.errors import InputError
from painn_spectra.files import read_object, write_text
from painn_spectra.first_frame import first_frame
from painn_spectra.progress import clock
from painn_spectra.report.bands import band_table, published_table, start_table
from painn_spectra.report.content import (
    as_script,
    constants,
    learning_of,
    measured_of,
    published_of,
    spectra_of,
    sticks_of,
)
from painn_spectra.report.headings import heading
from painn_spectra.report.molecule import formula_svg, modes_of
from painn_spectra.report.words import LIMITS, artefact, cautions
from painn_spectra.summary import dynamics_folders, effort, job_seconds
from painn_spectra.tables import pairs, read_csv, read_notes, shown

TIGHT_BINDING = "gfn2-xtb"  # has no functional and no basis to choose
MODEL_MODES = Path("harmonic/model.csv")
FORMULA = re.compile(r'<figure class="formula"[^>]*>(.*?)</figure>', re.DOTALL)
PROGRAMS = ("torch", "ase", "numpy", "pyscf", "tblite", "rdkit")
FIGURES = {
    "parity.png": "Predictions against labels on frames that training never saw; a perfect model's points "
    "lie on the diagonal.",
    "ladder.svg": "Infrared bands from harmonic sticks to experiment; ladder.csv names each step.",
    "rounds.svg": "Error of the forces on held-out frames, and change of the harmonic spectra, against the "
    "number of labels, round by round.",
    "torsions.svg": "Energy about the rotatable bonds, relaxed on the model; points: the labels' method "
    "at the same geometries.",
}


def write_report(results: Path, report: Path, settings: dict[str, Any]) -> None:
    """Write `report` from the files of one molecule's folder `results`; what is absent is left out.

    settings: of the stage `report`, those of the whole run.
    """
    if not results.is_dir():
        raise InputError(f"{results}: no such folder; run the workflow first")
    molecule = settings.get("molecule", {})
    folders = [
        folder
        for folder in dynamics_folders(results)
        if folder.name in settings.get("dynamics", [folder.name])  # else of an earlier run
        and (folder / "ir.csv").is_file()
        and (folder / "raman.csv").is_file()
    ]
    n_members = settings.get("train", {}).get("members")
    members = sorted(path for path in results.glob("model/*") if asked(path, n_members))
    model_modes = results / MODEL_MODES
    tables = [path for path in (results / "harmonic" / "reference.csv", model_modes) if path.is_file()]
    modes = modes_of(model_modes) if model_modes.is_file() else None
    data = {
        "kinds": [spectra_of(folder) for folder in folders],
        "sticks": sticks_of(tables),
        "measured": measured_of(molecule.get("experiment", {})),
        "published": published_of(folders[0] / "comparison.csv") if folders else [],
        "modes": modes,
        "learning": learning_of(members),
        "constants": constants(),
    }
    conformers = modes["conformers"] if modes else []
    imaginary = sum(mode["nu"] < 0 for conformer in conformers for mode in conformer["modes"])
    errors = read_csv(results / "evaluation" / "errors.csv")
    state = molecule.get("charge", 0), molecule.get("multiplicity", 1)
    labelled = first_frame(results.parent / settings.get("labels_of", results.name) / "dataset.extxyz")
    told = labelled.level if labelled else ""  # what the labels say of their method
    basis = _polarizability_basis(told, molecule)
    page = _environment().get_template("report.html").render(
        title=results.name,
        level=_level(tables, told, molecule),
        structure=molecule.get("structure"),
        formula=_formula(model_modes, *state),
        conformers=conformers,
        kinds=[_kind(folder, errors, imaginary, basis, n_members) for folder in folders],
        limits=LIMITS,
        errors=errors,
        learning=data["learning"],
        harmonic=pairs(read_notes(results / "harmonic" / "comparison.csv")),
        barriers=read_csv(results / "harmonic" / "barriers.csv"),
        figures={name: _image(results / "figures" / name) for name in FIGURES},
        captions=FIGURES,
        jobs=_cost(results / "benchmarks"),
        settings=json.dumps(settings, indent=2, ensure_ascii=False),
        provenance=_provenance(results),
        citations=_asset("citations.bib"),
        data=Markup(as_script(data)),
    )  # fmt: skip
    write_text(report, page)


def write_index(reports: Sequence[Path], index: Path) -> None:
    """Write the page that links the reports of all molecules, by paths relative to it; of one, itself."""
    if len(reports) == 1:
        write_text(index, reports[0].read_text(encoding="utf-8"))
        return
    links = [
        {
            "path": report.resolve().relative_to(index.resolve().parent).as_posix(),
            "name": report.parent.name,
            "formula": _drawn(report),
            "kinds": [(f.name, read_notes(f / "ir.csv")) for f in dynamics_folders(report.parent)],
        }
        for report in reports
    ]
    write_text(index, _environment().get_template("index.html").render(links=links))


def _formula(table: Path, charge: int, multiplicity: int) -> Markup:
    """Structural formula, empty where there is none to draw."""
    return Markup((table.is_file() and formula_svg(table, charge, multiplicity)) or "")


def _drawn(report: Path) -> Markup:
    """The structural formula of a page that is written: only its own run knows charge and spin."""
    found = FORMULA.search(report.read_text(encoding="utf-8"))
    return Markup(found[1] if found else "")


def asked(folder: Path, n_members: int | None) -> bool:
    """Whether a folder named by a member's number belongs to the run's ensemble; None: any does."""
    return folder.name.isdigit() and (n_members is None or int(folder.name) < n_members)


def _kind(
    folder: Path,
    errors: list[dict[str, str]],
    imaginary: int,
    polarizability_basis: str | None,
    n_members: int | None,
) -> dict[str, Any]:
    """What the page shows of one kind of dynamics beside its curves."""
    quality, bands = read_object(folder / "dynamics.json"), read_csv(folder / "bands.csv")
    found = [path for path in sorted(folder.glob("*/dynamics.json")) if asked(path.parent, n_members)]
    members = {path.parent.name: read_object(path) for path in found}
    notes, (heads, rows) = read_notes(folder / "ir.csv"), band_table(bands)
    return {
        "name": folder.name,
        "notes": notes,
        "laser_nm": read_notes(folder / "raman.csv").get("laser_nm", "532"),
        "heads": heads,
        "bands": rows,
        "effort": pairs(effort(folder / "bands.csv")),
        "quality": pairs(quality),
        "starts": start_table(quality.get("starts", [])),
        "comparison": published_table(read_csv(folder / "comparison.csv")),
        "sources": sorted({row["source"] for row in read_csv(folder / "comparison.csv")}),
        "similarity": read_csv(folder / "similarity.csv"),
        "artefact": artefact(folder.name),
        "cautions": cautions(quality, errors, bands, notes, imaginary, polarizability_basis, members),
    }


def _level(tables: Sequence[Path], told: str, molecule: dict[str, Any]) -> str:
    """Level of theory of the labels: as the reference's file or the labels say, else as the settings do."""
    for table in tables:
        level = read_notes(table).get("level_of_theory", "")
        if level and not level.startswith("PaiNN"):
            return level
    method = molecule.get("method", {})
    if not told and method.get("program") == TIGHT_BINDING:
        return "GFN2-xTB"
    words = [method.get(key) for key in ("functional", "basis", "dispersion", "program")]
    return told or " ".join(str(word) for word in words if word)


def _polarizability_basis(told: str, molecule: dict[str, Any]) -> str | None:
    """Of the labels, as they say or as the settings do; None where there is none to speak of."""
    if found := re.search(r"polarizability ([^\s,]+)", told) or re.search(r"\w/([^\s,]+)", told):
        return found[1]
    method = molecule.get("method", {})
    if told or method.get("program") == TIGHT_BINDING:
        return None
    return method.get("polarizability_basis") or method.get("basis")


def _cost(benchmarks: Path) -> list[dict[str, Any]]:
    """Wall time of every rule's jobs together, and its share."""
    *jobs, total = job_seconds(benchmarks) or [{"job": "total", "seconds": 0.0}]
    rules: dict[str, list[float]] = {}
    for job in jobs:
        rules.setdefault(job["job"].partition("-")[0].replace("_", " "), []).append(job["seconds"])
    return [
        {"work": name, "jobs": len(seconds), "time": clock(sum(seconds)),
         "share": f"{100 * sum(seconds) / total['seconds']:.0f} %"}
        for name, seconds in [*rules.items(), ("all", [job["seconds"] for job in jobs])] if jobs
    ]  # fmt: skip


def _provenance(results: Path) -> list[dict[str, str]]:
    split = read_object(results / "split.json")
    rows = [{"quantity": "painn-spectra", "value": __version__}]
    if split:
        rows.append({"quantity": "data set, SHA-256", "value": split.get("dataset_sha256", "")})
    return rows + [{"quantity": name, "value": _version(name)} for name in PROGRAMS]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _image(path: Path) -> str | None:
    """A figure as a data URL."""
    if not path.is_file():
        return None
    kind = {".svg": "svg+xml", ".png": "png"}[path.suffix]
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _asset(name: str) -> str:
    return (resources.files("painn_spectra.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    """The templates: everything that comes from data is escaped; our own styles and scripts are not."""
    found = Environment(
        loader=PackageLoader("painn_spectra.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"shown": shown, "heading": heading}
    found.globals |= {"version": __version__, "asset": lambda name: Markup(_asset(name))}
    return found
