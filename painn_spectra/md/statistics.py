"""Is the run sound? Drift, kinetic temperature and potential energy of a joined trajectory, with errors."""

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.md.visits import conformer_visits
from painn_spectra.units import BOLTZMANN_EV_K

Array = NDArray[np.float64]


def mean_with_error(per_replica: Array) -> dict[str, float | None]:
    """Mean over replicas and its standard error s/√n; one replica has none."""
    n = len(per_replica)
    error = float(per_replica.std(ddof=1)) / math.sqrt(n) if n > 1 else None
    return {"mean": float(per_replica.mean()), "standard_error": error}


def slope(values: Array, times: Array) -> float:
    """Least-squares slope of values(times), both (n_samples,)."""
    moved = times - times.mean()
    return float(moved @ (values - values.mean()) / (moved @ moved))


def trajectory_statistics(trajectory: Path) -> dict[str, Any]:
    """The numbers of dynamics.json that come from the trajectory, one replica in memory at a time.

    Drift: slope of the on-step total energy. T = 2⟨E_kin⟩/(f k_B), half-step, f -> degrees_of_freedom.
    """
    drifts, temperatures, potentials, spreads = [], [], [], []
    quantum: dict[str, Any] = {}
    with h5py.File(trajectory) as file:
        n_replicas, n_samples = file[keys.POTENTIAL_ENERGY].shape
        n_atoms, dof = len(file.attrs["numbers"]), int(file.attrs["degrees_of_freedom"])
        interval_fs = float(file.attrs["sample_interval_fs"])
        times_ps = np.arange(n_samples) * interval_fs * 1e-3  # (n_samples,) | ps
        for replica in range(n_replicas):
            potential = file[keys.POTENTIAL_ENERGY][replica]  # (n_samples,) | eV
            total = potential + file[keys.KINETIC_ENERGY][replica]
            half_step = file[keys.HALF_STEP_KINETIC_ENERGY][replica]
            drifts.append(1e3 * slope(total, times_ps) / n_atoms)
            temperatures.append(2 * half_step.mean() / (dof * BOLTZMANN_EV_K))
            potentials.append(potential.mean())
            spreads.append(potential.std())
        for name in (keys.PRIMITIVE_KINETIC_ENERGY, keys.VIRIAL_KINETIC_ENERGY):
            if name in file:
                quantum[f"{name}_eV"] = mean_with_error(file[name][:].mean(1))
        starts = json.loads(file.attrs["starts"])
        visits = conformer_visits(file, starts)
    drift = np.array(drifts)  # (n_replicas,) | meV/atom/ps
    conformers = [
        {key: conformer[key] for key in ("energy_eV", "weight", "symmetry_number")}
        | {"n_replicas": starts["replicas"].count(number)}
        for number, conformer in enumerate(starts["conformers"])
    ]
    result: dict[str, Any] = {
        "n_replicas": n_replicas,
        "n_samples": n_samples,
        "sample_interval_fs": interval_fs,
        "length_ps": n_samples * interval_fs * 1e-3,
        "drift_meV_atom_ps": mean_with_error(drift) | {"worst": float(drift[np.abs(drift).argmax()])},
        "kinetic_temperature_K": mean_with_error(np.array(temperatures)),
        "potential_energy_eV": mean_with_error(np.array(potentials)) | {"spread": float(np.mean(spreads))},
    }
    if visits is not None:
        shares, result["interconversions"] = visits
        for conformer, share in zip(conformers, shares.T, strict=True):
            population = mean_with_error(share)
            conformer["population"] = population["mean"]
            conformer["population_standard_error"] = population["standard_error"]
    return result | quantum | {"starts": conformers}
