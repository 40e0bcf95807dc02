"""How many beads? Energies and the O–H band of runs such as trpmd8, trpmd16, …: a table and a figure.

    python benchmarks/bead_convergence.py results/ethanol docs/figures/ethanol_beads --band 3300 4000

Each kind has its spectra (`snakemake spectra` with them in `dynamics`). For a harmonic molecule the law is
1/P² at many beads; the harmonic kinetic energy of the model's modes with P beads is drawn beside the runs'.
"""

import argparse
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np

from painn_spectra import keys
from painn_spectra.files import read_object
from painn_spectra.md.ring_polymer import RingPolymer
from painn_spectra.md.statistics import mean_with_error
from painn_spectra.plotting import BLUE, GREEN, ORANGE, PURPLE, VERMILION, WIDTH_IN, save, style
from painn_spectra.spectra.bands import band_centroid
from painn_spectra.spectra.compare import read_replicas
from painn_spectra.spectra.harmonic import read_sticks
from painn_spectra.units import BOLTZMANN_EV_K, LIGHT_CM_FS

COLOURS = (VERMILION, ORANGE, GREEN, BLUE, PURPLE)


def harmonic_kinetic_energy(wavenumbers_cm: np.ndarray, n_beads: int, temperature_K: float) -> float:
    """Σ_modes ½ k_BT ω² Σ_k 1/(ω_k² + ω²), eV: half the energy of oscillators with P beads."""
    omega = 2 * np.pi * LIGHT_CM_FS * wavenumbers_cm[:, None]
    free = RingPolymer(n_beads, temperature_K).frequencies.numpy()
    return 0.5 * BOLTZMANN_EV_K * temperature_K * float((omega**2 / (free**2 + omega**2)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("figure", type=Path, help="path without ending")
    parser.add_argument("--band", type=float, nargs=2, default=(3300.0, 4000.0), metavar="CM")
    parser.add_argument("--trajectories", type=Path, help="folder of the kinds' trajectories, if elsewhere")
    a = parser.parse_args()
    found = sorted((int(p.parent.name[5:]), p.parent) for p in a.results.glob("trpmd[0-9]*/replicas.npz"))
    rows = [row for row in read_sticks(a.results / "harmonic/model.csv")[1] if row["conformer"] == 0]
    modes = np.array([row["wavenumber_cm-1"] for row in rows])
    print("beads  kinetic, virial     primitive           harmonic   centroid of the band   s/step/bead")
    table = []
    for n, folder in found:
        told = read_object(folder / "dynamics.json")
        with h5py.File((a.trajectories or a.results) / folder.name / "trajectory.h5") as file:
            energies = [
                mean_with_error(file[name][:].mean(1))
                for name in (keys.VIRIAL_KINETIC_ENERGY, keys.PRIMITIVE_KINETIC_ENERGY)
            ]
            temperature_K = float(file.attrs["temperature_K"])
        harmonic = harmonic_kinetic_energy(modes, n, temperature_K) + 1.5 * BOLTZMANN_EV_K * temperature_K
        nu, densities, _ = read_replicas(folder / "replicas.npz")
        centroid = band_centroid(nu, densities["ir"], *a.band)[:2]
        estimates = (x[key] for x in energies for key in ("mean", "standard_error"))
        table.append((n, *estimates, harmonic, *centroid))
        per_bead = told["seconds_per_step"] / told["n_replicas"] / n
        line = "{:5d}  {:.4f} ± {:.4f} eV  {:.3f} ± {:.3f} eV  {:.4f} eV  {:.0f} ± {:.0f} cm-1"
        print(line.format(*table[-1]), f"  {per_bead:.2g}")
    beads, virial, virial_error, _, _, harmonic, place, place_error = np.array(table).T
    with style():
        figure, axes = plt.subplots(1, 3, figsize=(WIDTH_IN, 2.7), layout="constrained")
        axes[0].errorbar(
            beads, virial, virial_error, marker="o", color=BLUE, capsize=2, label="virial estimator"
        )
        axes[0].plot(beads, harmonic, "k--", linewidth=0.9, label="harmonic, P beads")
        limit = harmonic_kinetic_energy(modes, 2048, temperature_K) + 1.5 * BOLTZMANN_EV_K * temperature_K
        axes[0].axhline(limit, color="0.6", linewidth=0.8, label="harmonic, limit")
        axes[0].set(xscale="log", ylabel="kinetic energy (eV)", xlabel="beads")
        axes[0].legend(fontsize=7)
        for (n, folder), colour in zip(found, COLOURS, strict=False):
            nu, densities, _ = read_replicas(folder / "replicas.npz")
            part = (nu >= a.band[0]) & (nu <= a.band[1])
            axes[1].plot(nu[part], densities["ir"].mean(0)[part], color=colour, label=f"{n} beads")
        axes[1].set(xlabel="wavenumber (cm⁻¹)", ylabel="IR, km mol⁻¹ per cm⁻¹", xlim=(a.band[1], a.band[0]))
        axes[1].legend(fontsize=7)
        axes[2].errorbar(beads, place, place_error, marker="o", color=VERMILION, capsize=2)
        axes[2].set(xscale="log", xlabel="beads", ylabel="centroid of the band (cm⁻¹)")
        for axis in (axes[0], axes[2]):
            axis.set_xticks(beads, [f"{int(n)}" for n in beads])
            axis.minorticks_off()
        save(figure, a.figure.with_suffix(".svg"), a.figure.with_suffix(".png"))


if __name__ == "__main__":
    main()
