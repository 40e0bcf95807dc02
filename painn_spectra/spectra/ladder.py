"""The ladder: one infrared band after the other, from harmonic sticks to experiment, every step named.

Two branches leave the model's harmonic sticks: perturbation theory (quantum nuclei, no temperature), and
classical dynamics, on which ring polymers and Te PIGS build (temperature first, then quantum nuclei).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.files import read_object
from painn_spectra.settings.molecule import Experiment
from painn_spectra.spectra.bands import band_centroid, band_integral, find_bands
from painn_spectra.spectra.compare import read_bands, read_replicas
from painn_spectra.spectra.correlation import Array
from painn_spectra.spectra.csv_files import read_spectrum, read_table, write_table
from painn_spectra.spectra.experiment import experiment_curve
from painn_spectra.spectra.ladder_figure import draw_ladder
from painn_spectra.spectra.measured import MeasuredCurve
from painn_spectra.spectra.similarity import from_sticks

EXPERIMENT = "experiment"
STICK_FWHM_CM = 20.0  # that sticks are broadened by, to have maxima and to be drawn
HEADING = [
    "band", "lower_cm-1", "upper_cm-1", "rung", "from", "step", "centroid_cm-1", "standard_error_cm-1",
    "step_cm-1", "step_standard_error_cm-1", "maximum_cm-1", "area_km_mol-1", "area_standard_error",
    "core_seconds_per_replica_ps", "cost_of_classical",
]  # fmt: skip
LABELS = {
    "reference": "harmonic, labels' method",
    "model": "harmonic, model",
    "vpt2": "VPT2",
    "classical": "classical",
    "rpmd": "RPMD",
    "trpmd": "TRPMD",
    "tepigs": "Te PIGS",
}
STEPS = {  # (kind of the rung below, kind of this one): what lies between them
    ("reference", "model"): "error of the model",
    ("model", "vpt2"): "anharmonicity of quantum nuclei, without temperature",
    ("model", "classical"): "temperature and its anharmonicity, classical nuclei",
    ("model", "rpmd"): "temperature, quantum nuclei, artefact of RPMD",
    ("model", "trpmd"): "temperature, quantum nuclei, artefact of TRPMD",
    ("model", "tepigs"): "temperature, quantum nuclei, artefact of Te PIGS",
    ("classical", "rpmd"): "quantum nuclei, and RPMD's resonances",
    ("classical", "trpmd"): "quantum nuclei, and TRPMD's broadening and shift",
    ("classical", "tepigs"): "quantum nuclei, and Te PIGS' temperature and learning",
}
THEORY = "method of the labels, and what is left of the steps before"


@dataclass(frozen=True)
class Rung:
    """One spectrum: sticks or densities of replicas."""

    name: str
    below: str  # name of the rung that it is compared with, empty for the first
    wavenumber_cm: Array  # (n,)
    densities: Array  # (n_replicas, n) | km/mol per cm⁻¹; one row of broadened sticks
    sticks: tuple[Array, Array] | None = None  # wavenumbers and km/mol
    cost: float = np.nan  # seconds of a core for one replica and picosecond
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """`trpmd` of trpmd16."""
        return self.name.rstrip("0123456789") if self.name != "vpt2" else self.name

    @property
    def label(self) -> str:
        beads = self.name[len(self.kind) :]
        return LABELS.get(self.kind, self.name) + (f", {beads} beads" if beads else "")

    @property
    def mean(self) -> Array:
        return self.densities.mean(0)


def ladder_stage(
    results: Path, table: Path, figures: Path, experiment: Experiment, dynamics: Sequence[str]
) -> None:
    """Write `table` and figures/ladder.{svg,png} from what lies in one molecule's folder of results.

    dynamics: kinds to show, classical first if it is among them. Raises InputError where none has spectra.
    """
    rungs = read_rungs(results, dynamics)
    notes = rungs[-1].notes
    curve = experiment_curve(experiment, "ir")
    bands = windows(experiment, rungs)
    rows = [row for band in bands for row in rows_of(band, rungs, curve)]
    metadata = {
        "molecule": notes["molecule"],
        "temperature_K": notes["temperature_K"],
        "sticks": f"conformers by their quantum populations, Gaussians of {STICK_FWHM_CM:g} cm-1; vpt2 with "
        "overtones and combinations",
        "centroid": "mean wavenumber of the intensity inside the window, errors of sampling; "
        + (f"experiment: that of {curve.caption}" if curve else "experiment: mean of the published maxima"),
        "wavenumbers": "not scaled",
    }
    write_table(table, metadata, HEADING, rows)
    read = read_table(table)[1]
    draw_ladder(notes, rungs, read, curve, figures / "ladder.svg", figures / "ladder.png")


def read_rungs(results: Path, dynamics: Sequence[str]) -> list[Rung]:
    """All rungs that there are, in order; from the lowest on each knows what it stands on."""
    rungs: list[Rung] = []
    kinds = [kind for kind in dynamics if (results / kind / "replicas.npz").is_file()]
    if not kinds:
        raise InputError(f"{results}: no spectra of {', '.join(dynamics)}; run 'snakemake spectra' first")
    found = {kind: read_replicas(results / kind / "replicas.npz") for kind in kinds}
    axis = next(iter(found.values()))[0]
    harmonic = results / "harmonic"
    for name, below in (("reference", ""), ("model", "reference"), ("vpt2", "model")):
        path = harmonic / f"{name}.csv"
        if path.is_file():
            positions, heights = weighted_sticks(path)
            density = from_sticks(axis, positions, heights, STICK_FWHM_CM)[None]
            known = {rung.name for rung in rungs}
            rungs.append(Rung(name, below if below in known else "", axis, density, (positions, heights)))
    base = "model" if any(rung.name == "model" for rung in rungs) else ""
    for kind in kinds:
        nu, densities, _ = found[kind]
        below = base if kind == "classical" or "classical" not in kinds else "classical"
        quality = read_object(results / kind / "dynamics.json")
        cost = np.nan
        if quality.get("seconds_per_step"):
            per_step = float(quality["seconds_per_step"]) / int(quality["n_replicas"])
            cost = per_step * 1e3 / float(quality["timestep_fs"])
        notes = read_spectrum(results / kind / "ir.csv")[0]
        rungs.append(Rung(kind, below, nu, densities["ir"], cost=cost, notes=notes))
    return rungs


def weighted_sticks(path: Path) -> tuple[Array, Array]:
    """Wavenumbers and km/mol of a table of sticks, each times the population of its conformer."""
    _, rows = read_table(path)
    try:
        values = [
            (float(row["wavenumber_cm-1"]), float(row["quantum_weight"]) * float(row["ir_km_mol-1"]))
            for row in rows
        ]
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: not a table of sticks ({error}); compute it again") from None
    positions, heights = np.array(values).T
    return positions, heights


def windows(experiment: Experiment, rungs: Sequence[Rung]) -> list[tuple[str, float, float, float]]:
    """Name, ends and published position (NaN: unknown) of every window, of the strongest bands otherwise."""
    if experiment.bands:
        shared: dict[tuple[float, float], list[dict[str, str]]] = {}
        for row in read_bands(Path(experiment.bands)):
            if row["spectrum"] == "ir":
                shared.setdefault((float(row["lower_cm-1"]), float(row["upper_cm-1"])), []).append(row)
        return [
            (rows[0]["assignment"], *ends, float(np.mean([float(row["position_cm-1"]) for row in rows])))
            for ends, rows in shared.items()
        ]
    last = next(rung for rung in rungs if rung.sticks is None)
    found = find_bands(last.wavenumber_cm, last.densities)
    strongest = sorted(found, key=lambda band: -band.area.value)[:6]
    return [
        (f"{band.peak_cm:.0f}", band.lower_cm, band.upper_cm, np.nan)
        for band in sorted(strongest, key=lambda band: band.peak_cm)
    ]


def rows_of(
    band: tuple[str, float, float, float], rungs: Sequence[Rung], curve: MeasuredCurve | None
) -> list[list[object]]:
    """Rows under HEADING of one band: rung by rung, the experiment last."""
    name, lower, upper, published = band
    places: dict[str, tuple[float, float]] = {}
    rows: list[list[object]] = []
    classical = next((rung.cost for rung in rungs if rung.name == "classical"), np.nan)
    kinds = {rung.name: rung.kind for rung in rungs}
    for rung in rungs:
        if rung.sticks is not None:
            inside = (rung.sticks[0] >= lower) & (rung.sticks[0] <= upper)
            weight = rung.sticks[1] * inside
            area, area_error = float(weight.sum()), 0.0
            place = (float((weight * rung.sticks[0]).sum() / area) if area else np.nan, 0.0)
        else:
            area, area_error, *_ = band_integral(rung.wavenumber_cm, rung.densities, lower, upper)
            place = band_centroid(rung.wavenumber_cm, rung.densities, lower, upper)[:2]
        part = (rung.wavenumber_cm >= lower) & (rung.wavenumber_cm <= upper)
        maximum = float(rung.wavenumber_cm[part][rung.mean[part].argmax()])
        places[rung.name] = (place[0], place[1])
        step = STEPS.get((kinds.get(rung.below, ""), rung.kind), "") if rung.below else ""
        moved = difference(places[rung.name], places.get(rung.below))
        rows.append(
            [name, lower, upper, rung.label, LABELS.get(kinds.get(rung.below, ""), ""), step,
             *places[rung.name], *moved, maximum, area, area_error, rung.cost, rung.cost / classical]
        )  # fmt: skip
    here, maximum, area = published, published, np.nan
    if curve is not None:
        inside = (
            (curve.wavenumber_cm >= lower) & (curve.wavenumber_cm <= upper) & np.isfinite(curve.intensity)
        )
        nu, y = curve.wavenumber_cm[inside], curve.intensity[inside]
        here, maximum = float(np.trapezoid(nu * y, nu) / np.trapezoid(y, nu)), float(nu[y.argmax()])
        area = float(np.trapezoid(y, nu)) if curve.is_absolute else np.nan
    if np.isfinite(here):
        best = next(
            (rung.name for rung in reversed(rungs) if rung.kind in ("tepigs", "vpt2")), rungs[-1].name
        )
        rows.append(
            [name, lower, upper, EXPERIMENT, LABELS.get(kinds[best], best), THEORY, here, 0.0,
             *difference((here, 0.0), places[best]), maximum, area, np.nan, np.nan, np.nan]
        )  # fmt: skip
    return rows


def difference(here: tuple[float, float], below: tuple[float, float] | None) -> tuple[float, float]:
    """A step and its standard error."""
    if below is None:
        return np.nan, np.nan
    return here[0] - below[0], float(np.hypot(here[1], below[1]))
