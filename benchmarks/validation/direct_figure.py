"""The figure of direct dynamics against the model, from the means and errors in data/direct.npz.

python -m benchmarks.validation.direct_figure
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.validation.runs import ROOT
from benchmarks.validation.table import DATA
from painn_spectra import plotting

FIGURES = ROOT / "docs" / "figures"
KINDS = {"IR": "absorption\nkm mol⁻¹ per cm⁻¹", "Raman": "Raman activity\nÅ⁴ amu⁻¹ per cm⁻¹"}
PAIRS = {  # model's side -> the side it is compared with, colour, label
    "model": ("reference", plotting.BLUE, "PaiNN, independent runs"),
    "paired": ("twins", plotting.VERMILION, "PaiNN from the same starts"),
}


def draw() -> None:
    """Both sides with their standard errors, and below their differences."""
    with np.load(DATA / "direct.npz") as file:
        data = dict(file)
    pairs = {side: pair for side, pair in PAIRS.items() if f"{side}_IR" in data}
    nu = data["wavenumber_cm"]
    with plotting.style():
        figure, axes = plt.subplots(
            4, 1, figsize=(plotting.WIDTH_IN, 6.4), sharex=True, layout="constrained",
            height_ratios=[2.2, 1, 2.2, 1],
        )  # fmt: skip
        for k, (name, label) in enumerate(KINDS.items()):
            top, below = axes[2 * k : 2 * k + 2]
            side, (base, colour, words) = next(iter(pairs.items()))
            _band(top, nu, data, base, name, "0.35", "GFN2-xTB dynamics")
            _band(top, nu, data, side, name, colour, words)
            for side, (base, colour, words) in pairs.items():
                difference = data[f"{side}_{name}"] - data[f"{base}_{name}"]
                below.plot(nu, difference, color=colour, linewidth=0.9, label=words)
            error = np.sqrt(2) * data[f"{base}_{name}_standard_error"]
            below.fill_between(nu, -2 * error, 2 * error, color="0.88", linewidth=0, zorder=0)
            below.set_ylabel("difference")
            top.set(ylabel=label, ylim=(0, None))
            top.legend(loc="upper center")
        axes[-1].set(xlabel="wavenumber (cm⁻¹)", xlim=(nu[-1], nu[0]))
        numbers = ", ".join(f"{int(data[f'{side}_n_replicas'])} {side}" for side in ("reference", *pairs))
        axes[0].set_title(f"ethanol, 300 K, FWHM 25 cm⁻¹; replicas: {numbers}; grey: 2 σ of independent runs")
        plotting.save(figure, FIGURES / "direct_dynamics.svg", FIGURES / "direct_dynamics.png")


def _band(axis: Axes, nu: np.ndarray, data: dict, side: str, name: str, colour: str, label: str) -> None:
    mean, error = data[f"{side}_{name}"], data[f"{side}_{name}_standard_error"]
    axis.fill_between(nu, np.maximum(mean - error, 0), mean + error, color=colour, alpha=0.2, linewidth=0)
    axis.plot(nu, mean, color=colour, label=label)


if __name__ == "__main__":
    draw()
