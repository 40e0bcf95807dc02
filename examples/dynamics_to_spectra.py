"""Dynamics of a trained model and its spectra, without the workflow.

python examples/dynamics_to_spectra.py results/ethanol/model/0/model.pt results/ethanol/dataset.extxyz out
"""

import sys
from pathlib import Path
from typing import Any

from painn_spectra import DynamicsSettings, SpectraSettings, run_dynamics
from painn_spectra.spectra.spectrum import compute_spectra


def main(
    model: str, geometries: str, folder: str, n_replicas: int = 16, production_ps: float = 4.0, **options: Any
) -> None:
    """Write trajectory.h5, dynamics.json, ir.csv, raman.csv and what stands beside them into `folder`."""
    out = Path(folder)
    settings = DynamicsSettings(n_replicas=n_replicas, equilibration_ps=0.5, production_ps=production_ps)
    run_dynamics(
        Path(model), Path(geometries), out / "trajectory.h5", out / "dynamics.json", settings,
        molecule=out.name, dynamics="classical", temperature_K=300, isotopes={}, **options,
    )  # fmt: skip
    files = [out / name for name in ("ir.csv", "raman.csv", "bands.csv", "replicas.npz")]
    compute_spectra(out / "trajectory.h5", *files, SpectraSettings(fwhm_cm=40 / production_ps))


if __name__ == "__main__":
    main(*sys.argv[1:])
