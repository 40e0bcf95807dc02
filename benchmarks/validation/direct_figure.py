"""The figure of direct dynamics against the model, from the spectra in data/direct.npz.

python -m benchmarks.validation.direct_figure
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.validation.direct import kept
from benchmarks.validation.runs import ROOT
from painn_spectra import plotting
from painn_spectra.spectra.bands import standard_error

FIGURES = ROOT / "docs" / "figures"
LABELS = {"IR": "absorption\nkm mol⁻¹ per cm⁻¹", "Raman": "Raman activity\nÅ⁴ amu⁻¹ per cm⁻¹"}


def draw() -> None:
    """Both sides with their standard errors, and below their differences."""
    nu, reference, model = kept()
    with plotting.style():
        figure, axes = plt.subplots(
            4, 1, figsize=(plotting.WIDTH_IN, 6.4), sharex=True, layout="constrained",
            height_ratios=[2.2, 1, 2.2, 1],
        )  # fmt: skip
        for k, (name, label) in enumerate(LABELS.items()):
            top, below = axes[2 * k : 2 * k + 2]
            sides = reference[name], model[name].mean(0)
            _band(top, nu, sides[0], "0.35", "GFN2-xTB dynamics")
            _band(top, nu, sides[1], plotting.BLUE, "PaiNN trained on GFN2-xTB")
            below.plot(nu, sides[1].mean(0) - sides[0].mean(0), color=plotting.BLUE, linewidth=0.9)
            error = np.hypot(*(standard_error(side) for side in sides))
            below.fill_between(nu, -2 * error, 2 * error, color="0.88", linewidth=0, zorder=0)
            unit = label.split("\n")[1].replace(" per ", "\nper ")
            below.set_ylabel(f"difference\n{unit}")
            top.set(ylabel=label, ylim=(0, None))
            top.legend(loc="upper center")
        axes[-1].set(xlabel="wavenumber (cm⁻¹)", xlim=(nu[-1], nu[0]))
        numbers = f"{len(reference['IR'])} GFN2-xTB, {model['IR'].shape[1]} PaiNN"
        axes[0].set_title(f"ethanol, 300 K, FWHM 25 cm⁻¹; replicas: {numbers}; grey: 2 σ of the difference")
        plotting.save(figure, FIGURES / "direct_dynamics.svg", FIGURES / "direct_dynamics.png")


def _band(axis: Axes, nu: np.ndarray, replicas: np.ndarray, colour: str, label: str) -> None:
    mean, error = replicas.mean(0), standard_error(replicas)
    axis.fill_between(nu, np.maximum(mean - error, 0), mean + error, color=colour, alpha=0.2, linewidth=0)
    axis.plot(nu, mean, color=colour, label=label)


if __name__ == "__main__":
    draw()
