"""How far an isotope moves a stretch, rung by rung: ratio of a band's centroids in two finished molecules.

    python -m benchmarks.isotope_ratio results/ethanol results/ethanol-d6 --light 3500 4000 --heavy 2500 2900

Infrared, nothing scaled; sticks weighted by populations, fundamentals alone. A harmonic bond to H and D on
O has ω_H/ω_D = √(μ_D/μ_H) = 1.374; anharmonicity makes the ratio of quantum fundamentals smaller,
(ω_H − 2x)/(ω_D − 2x/1.374²) = 1.35 for the O–H bond, and leaves that of classical nuclei nearly alone.
"""

import argparse
from pathlib import Path

import numpy as np

from painn_spectra.spectra.bands import band_centroid
from painn_spectra.spectra.compare import read_replicas
from painn_spectra.spectra.csv_files import read_table
from painn_spectra.spectra.ladder import LABELS

STICKS = {name: LABELS[name] for name in ("reference", "model", "vpt2")}


def centroids(folder: Path, lower_cm: float, upper_cm: float) -> dict[str, tuple[float, float]]:
    """What there is -> centroid of its band inside the window and standard error, cm⁻¹."""
    found = {}
    for name, label in STICKS.items():
        path = folder / f"harmonic/{name}.csv"
        if path.is_file():
            found[label] = stick_centroid(path, lower_cm, upper_cm)
    for path in sorted(folder.glob("*/replicas.npz")):
        nu, densities, _ = read_replicas(path)
        middle = band_centroid(nu, densities["ir"], lower_cm, upper_cm)
        found[path.parent.name] = (middle[0], middle[1])
    return found


def stick_centroid(path: Path, lower_cm: float, upper_cm: float) -> tuple[float, float]:
    """Mean wavenumber of the fundamentals in the window by intensity and population; its numerical error."""
    rows = [row for row in read_table(path)[1] if row.get("kind", "fundamental") == "fundamental"]
    columns = ("wavenumber_cm-1", "quantum_weight", "ir_km_mol-1")
    values = np.array([[float(row[column]) for column in columns] for row in rows])
    errors = np.array([float(row.get("numerical_error_cm-1") or 0) for row in rows])
    inside = (values[:, 0] >= lower_cm) & (values[:, 0] <= upper_cm)
    if not inside.any():
        return np.nan, np.nan
    shares = np.prod(values[inside, 1:], axis=1)
    shares /= shares.sum()
    return float(shares @ values[inside, 0]), float(np.sqrt(shares**2 @ errors[inside] ** 2))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("light_folder", type=Path, help="results/<molecule>")
    parser.add_argument("heavy_folder", type=Path, help="results/<isotopologue>")
    for name in ("light", "heavy"):
        parser.add_argument(f"--{name}", type=float, nargs=2, required=True, metavar="CM")
    arguments = parser.parse_args()
    light = centroids(arguments.light_folder, *arguments.light)
    heavy = centroids(arguments.heavy_folder, *arguments.heavy)
    print("| | light, cm⁻¹ | heavy, cm⁻¹ | ratio |\n|---|---|---|---|")
    for label in (label for label in light if label in heavy):
        (h, h_error), (d, d_error) = light[label], heavy[label]
        ratio = h / d
        error = ratio * np.hypot(h_error / h, d_error / d)
        print(f"| {label} | {h:.1f} ± {h_error:.1f} | {d:.1f} ± {d_error:.1f} | {ratio:.4f} ± {error:.4f} |")


if __name__ == "__main__":
    main()
