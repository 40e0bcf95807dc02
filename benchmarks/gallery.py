"""Molecules computed for real: one page of their numbers and figures, from finished runs.

    python -m benchmarks.gallery results/ [--molecules water methanol acetone benzene]

writes docs/gallery.md and docs/figures/gallery/. Every number is read from the results folder.
"""

import argparse
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from painn_spectra.files import read_object, write_text
from painn_spectra.tables import markdown, read_csv, read_notes, shown

ROOT = Path(__file__).parents[1]
PAGE, FIGURES = ROOT / "docs/gallery.md", ROOT / "docs/figures/gallery"
MOLECULES = ("water", "methanol", "acetone", "benzene")
HEAD = """# Gallery

Labels at PBE0/def2-TZVP with polarizabilities in def2-TZVPD, by PySCF; chosen in rounds by the model they
train (docs/log.md), and shipped in `config/molecules/`. Isolated molecules, classical nuclei, wavenumbers
never scaled: X–H stretches lie too high by some 5 %, of which anharmonicity and quantum nuclei are the larger
part. The protocol of the scores is in [comparison.md](comparison.md). Measured files are not shipped: bring
yours with `experiment:`.

One command computes a molecule's section, one this page:

```
snakemake --cores 2 --configfile config/examples/water.yaml
python -m benchmarks.gallery results/
```
"""
SCORES = ("cosine", "pearson", "information_similarity", "earth_mover_cm", "position_error_cm")
SCORE_NAMES = ("cosine", "Pearson", "SIS", "earth mover, cm⁻¹", "positions, cm⁻¹")
BANDS = {
    "assignment": "band", "phase": "measured in", "published_cm-1": "measured, cm⁻¹",
    "computed_cm-1": "computed, cm⁻¹", "published_area": "measured area",
}  # fmt: skip


REMARKS = {
    "benzene": "The file stands on half of its area, which `experiment.zero_line: lowest` takes off. Two "
    "points at 673 cm⁻¹ are saturated."
}


def section(folder: Path) -> str:
    """One molecule: errors of its model, scores, bands, figures."""
    name = folder.name
    errors = {row["property"]: row for row in read_csv(folder / "evaluation/errors.csv")}
    dynamics = read_object(folder / "classical/dynamics.json")
    notes = read_notes(folder / "classical/similarity.csv")
    mae = ", ".join(f"{shown(row['mae'])} {row['unit']}" for row in errors.values())
    n_labels = (folder / "dataset.extxyz").read_text(encoding="utf-8").count("Properties=")
    measured = [notes[key] for key in ("ir_measured", "raman_measured") if key in notes]
    parts = [
        f"## {name.capitalize()}",
        f"{n_labels} labels; test errors (mean absolute; energy, forces, dipole, polarizability): {mae}. "
        f"{dynamics['n_replicas']} × {shown(dynamics['length_ps'])} ps, "
        f"{shown(dynamics['temperature_K'])} K. Measured: {'; '.join(measured) or 'none'}.",
        *(
            f"![{words} spectrum of {name}](figures/gallery/{name}_{kind}.png)"
            for kind, words in (("ir", "Infrared"), ("raman", "Raman"))
        ),
        markdown(("", "computed", *SCORE_NAMES, "area, computed/measured"), score_lines(folder)),
        REMARKS.get(name, ""),
        markdown((*BANDS.values(), "computed area"), band_lines(folder)),
        f"![Rounds of {name}](figures/gallery/{name}_rounds.png)"
        if (folder / "figures/rounds.png").is_file()
        else "",
    ]
    return "\n\n".join(part for part in parts if part)


def score_lines(folder: Path) -> Iterable[Sequence[str]]:
    for row in read_csv(folder / "classical/similarity.csv"):
        values = [with_error(row[key], row[f"{key}_standard_error"]) for key in (*SCORES, "area_ratio")]
        yield row["spectrum"], row["computed"], *values


def band_lines(folder: Path) -> Iterable[Sequence[str]]:
    for row in read_csv(folder / "classical/comparison.csv"):
        area = with_error(row["computed_area"], row["computed_area_standard_error"])
        unit = "" if area == "–" else f" {row['area_unit'].replace('A^4', 'Å⁴')}"
        yield (
            *(f"{row['spectrum']}: {row[key]}" if key == "assignment" else shown(row[key]) for key in BANDS),
            (area + unit),
        )


def with_error(value: str, error: str) -> str:
    return shown({"mean": float(value), "standard_error": float(error)})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--molecules", nargs="+", default=MOLECULES)
    arguments = parser.parse_args()
    done = [name for name in arguments.molecules if (arguments.results / name / "report.html").is_file()]
    FIGURES.mkdir(parents=True, exist_ok=True)
    for name in done:
        for kind in ("ir", "raman"):
            drawn = arguments.results / name / f"figures/classical/{kind}.png"
            shutil.copyfile(drawn, FIGURES / f"{name}_{kind}.png")
        curve = arguments.results / name / "figures/rounds.png"
        if curve.is_file():
            shutil.copyfile(curve, FIGURES / f"{name}_rounds.png")
    owed = [name for name in arguments.molecules if name not in done]
    parts = [HEAD.strip(), *([f"Not computed to the end yet: {', '.join(owed)}."] if owed else [])]
    parts += [section(arguments.results / name) for name in done]
    write_text(PAGE, "\n\n".join(parts) + "\n")
    print(f"{PAGE.relative_to(ROOT)}: {', '.join(done) or 'no finished molecule'}")


if __name__ == "__main__":
    main()
