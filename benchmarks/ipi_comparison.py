"""TRPMD of this package beside i-PI's with the same model: averages and bands, with errors on both sides.

    make ipi-comparison                              builds i-PI's environment in .peers/, then
    python -m benchmarks.ipi_comparison --model results/ethanol/model/0/model.pt

Runs of both start at the same minima, are sampled by PIMD and then left to TRPMD (λ = ½, centroid free).
Finished runs stay in --out and are not made again while model and options are the same. Prints the table of
docs/quantum.md and ends with 1 where a row is further apart than 4 σ. Errors are those of means over runs; σ
is the normal deviate as probable as the difference over its error is for so few runs (Welch's t).
"""

import argparse
import sys
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.ipi_runs import run_ipi
from benchmarks.steps import ROOT
from painn_spectra import keys
from painn_spectra.md.run import run_dynamics
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.spectra.bands import band_centroid
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.intervals import Estimate, ratio_of_means
from painn_spectra.units import BOHR_A, BOLTZMANN_EV_K, LIGHT_CM_FS

Array = NDArray[np.float64]
Samples = tuple[Array, Array, Array]  # energies (n_runs, n_samples) | eV, dipole (n_runs, n_samples, 3) | e·Å

BANDS = (("O–H", 3300.0, 4000.0), ("C–H", 2700.0, 3200.0))  # cm⁻¹
LIMIT = 4.0  # σ
POTENTIAL, KINETIC = "potential energy", "kinetic energy, centroid virial, eV"


def samples_here(trajectory: Path) -> Samples:
    """Potential energy, centroid-virial kinetic energy and dipole of this package's runs."""
    with h5py.File(trajectory) as file:
        names = (keys.POTENTIAL_ENERGY, keys.VIRIAL_KINETIC_ENERGY, keys.DIPOLE)
        potential, kinetic, dipole = (file[name][:].astype(float) for name in names)
    return potential, kinetic, dipole


def samples_beside(folders: list[Path], temperature_K: float) -> Samples:
    """The same of i-PI, whose kinetic energy holds 3 k_BT/2 of a centre of mass that stands still."""
    energies = np.array([np.loadtxt(folder / "trpmd.out")[1:] for folder in folders])  # without the start
    dipoles = [
        np.mean([np.loadtxt(bead)[1:] for bead in folder.glob("trpmd.dipole_*")], axis=0)
        for folder in folders
    ]
    potential, kinetic = np.moveaxis(energies, 2, 0)
    return potential, kinetic - 1.5 * BOLTZMANN_EV_K * temperature_K, np.array(dipoles) * BOHR_A


def rows_of(samples: Samples, a: argparse.Namespace) -> dict[str, Estimate]:
    """The table's rows of one program, with errors of means over runs."""
    potential, kinetic, dipole = samples
    found = {POTENTIAL: ratio_of_means(potential.mean(1)), KINETIC: ratio_of_means(kinetic.mean(1))}
    for name, lower, upper in a.band:
        estimator = Estimator(a.md.record_interval_steps * a.md.timestep_fs, a.md.timestep_fs, a.resolution,
                              lower, upper)  # fmt: skip
        densities = np.array([infrared_density(mu, a.temperature, estimator) for mu in dipole])
        row = f"{name} band, {lower:g}–{upper:g} cm⁻¹, resolution {a.resolution:g}"
        found[row] = band_centroid(estimator.wavenumber_cm, densities, lower, upper)
    return found


def deviate(one: Estimate, other: Estimate, n_runs: int) -> float:
    """Welch's t of two means over n_runs each, as the standard normal deviate that is as probable."""
    squares = np.array([one.standard_error, other.standard_error]) ** 2
    freedom = (n_runs - 1) * squares.sum() ** 2 / (squares**2).sum()
    t = abs(one.value - other.value) / np.sqrt(squares.sum())
    return float(stats.norm.isf(stats.t.sf(t, freedom)))


def table(theirs: dict[str, Estimate], ours: dict[str, Estimate], n_runs: int) -> tuple[str, float]:
    """Markdown and the largest deviate in it; potential energies are counted from a whole eV below."""
    lines, worst = ["| | i-PI | here | difference | σ |", "|---|---|---|---|---|"], 0.0
    for name, one in theirs.items():
        other, zero, digits = ours[name], 0.0, 0 if "cm⁻¹" in name else 4
        label = name
        if name == POTENTIAL:
            zero = float(np.floor(one.value))
            label = f"{name} {-zero:+g} eV"
        sigma = deviate(one, other, n_runs)
        worst = max(worst, sigma)
        apart = one.value - other.value, np.hypot(one.standard_error, other.standard_error)
        pairs = ((one.value - zero, one.standard_error), (other.value - zero, other.standard_error), apart)
        cells = [f"{value:.{digits}f} ± {error:.{digits}f}" for value, error in pairs]
        lines.append(f"| {label} | {' | '.join(cells)} | {sigma:.1f} |")
    return "\n".join(lines), worst


def options(arguments: list[str] | None) -> argparse.Namespace:
    """The command line, and `md` made of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dataset", type=Path, help="its labels; default: dataset.extxyz of its results")
    parser.add_argument("--ipi", type=Path, default=ROOT / ".peers/ipi/bin/i-pi", help="the program")
    parser.add_argument("--out", type=Path, default=Path("results/.ipi_comparison"))
    parser.add_argument("--runs", type=int, default=8, help="of each program")
    parser.add_argument("--beads", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=300.0, help="K")
    parser.add_argument("--timestep-fs", type=float, default=0.5)
    parser.add_argument("--equilibration-ps", type=float, default=1.0)
    parser.add_argument("--production-ps", type=float, default=2.0)
    parser.add_argument("--resolution", type=float, default=50.0, help="cm⁻¹")
    parser.add_argument("--band", nargs=3, action="append", metavar=("NAME", "LOW", "HIGH"), help="window")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="processes of this package's runs")
    a = parser.parse_args(arguments)
    if a.runs < 2:
        parser.error(f"--runs {a.runs}: a single run has no error; give 2 or more")
    shortest_ps = 1e-3 / (LIGHT_CM_FS * a.resolution)
    if a.production_ps < shortest_ps:
        parser.error(
            f"--production-ps {a.production_ps:g}: {a.resolution:g} cm-1 need {shortest_ps:.2g} or more"
        )
    if not a.ipi.is_file():
        parser.error(f"{a.ipi}: no such program; 'make ipi-comparison' installs it, --ipi names another")
    a.band = [(name, float(low), float(high)) for name, low, high in a.band or BANDS]
    a.dataset = a.dataset or a.model.absolute().parents[2] / "dataset.extxyz"
    a.md = DynamicsSettings(
        n_replicas=a.runs, timestep_fs=a.timestep_fs, equilibration_ps=a.equilibration_ps,
        production_ps=a.production_ps, seed=a.seed, device="cpu",
    )  # fmt: skip
    return a


def main(arguments: list[str] | None = None) -> int:
    a = options(arguments)
    trajectory = a.out / "here/trajectory.h5"
    run_dynamics(
        a.model, a.dataset, trajectory, a.out / "here/dynamics.json", a.md, "here", f"trpmd{a.beads}",
        a.temperature, {}, a.threads,
    )  # fmt: skip
    ours = samples_here(trajectory)
    if len(ours[0]) < a.runs:
        raise SystemExit(f"{trajectory}: runs were stopped, see dynamics.json beside it; take a better model")
    folders = run_ipi(a.ipi, a.model, trajectory, a.out / "ipi", a.md, a.beads, a.temperature)
    theirs = rows_of(samples_beside(folders, a.temperature), a)
    told, worst = table(theirs, rows_of(ours, a), a.runs)
    print(told)
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
