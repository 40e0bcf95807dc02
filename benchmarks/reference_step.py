"""What a step of dynamics costs at the reference method and with the model, on one core.

    python -m benchmarks.reference_step [--molecules ethanol aspirin] [--method PBE0/def2-TZVP]

prints CPU seconds of a label (energy, forces, dipole, polarizability) by parts, also from the density of
the frame before it, milliseconds of a replica-step of the model, and how long the dynamics of each `quality`
would take at the reference method. Aspirin's labels take minutes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.peer_speed import geometries
from benchmarks.steps import Dynamics, fresh, seconds_per_step
from painn_spectra.config import QUALITY
from painn_spectra.dataset import Frames
from painn_spectra.md.block import lengths
from painn_spectra.model.potential import Potential
from painn_spectra.reference import dft
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.settings.molecule import Method

YEAR_S = 365.25 * 24 * 3600
N_REPLICAS, ROUNDS = 16, 5
STEP_A = 0.01  # an atom's way between two frames, about a femtosecond's


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds and result."""
    began = time.process_time()
    result = function()
    return time.process_time() - began, result


def label_parts(frames: Frames, method: Method) -> dict[str, float]:
    """CPU seconds of each part of a label, and of the field from the density of a frame nearby."""
    numbers, positions = frames.numbers[0], frames.positions[0]
    near = positions + np.random.default_rng(0).normal(scale=STEP_A, size=positions.shape)

    def field(r: np.ndarray, guess: Any = None) -> Any:
        return dft._self_consistent(numbers, r, method, str(method.basis), 0, 1, guess)

    bond = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]])
    dft.label(np.array([1, 1]), bond, method)  # loads what is loaded once
    field_s, mf = timed(lambda: field(positions))
    forces_s, _ = timed(lambda: mf.nuc_grad_method().kernel())
    response_s, _ = timed(lambda: dft._polarizability(mf, method))
    again_s, _ = timed(lambda: field(near, mf))
    return {
        "field": field_s, "forces": forces_s, "response": response_s,
        "field from the density before": again_s,
    }  # fmt: skip


def model_step_s(potential: Potential, frames: Frames, interval: int) -> float:
    """CPU seconds of one replica-step."""
    dynamics = Dynamics(potential, frames, N_REPLICAS, interval)
    dynamics.run()
    return statistics.median(seconds_per_step(dynamics, 4 * interval) for _ in range(ROUNDS)) / N_REPLICAS


@dft.labelling_environment()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--molecules", nargs="+", default=["ethanol", "aspirin"])
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--method", default="PBE0/def2-TZVP")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    functional, _, basis = arguments.method.partition("/")
    method = Method(program="pyscf", functional=functional, basis=basis)
    found = geometries()
    potential = fresh(arguments.features, found["ethanol"])
    for name in arguments.molecules:
        model_s = model_step_s(potential, found[name], DynamicsSettings().record_interval_steps)
        parts = label_parts(found[name], method)
        label_s = parts["field"] + parts["forces"] + parts["response"]
        forces_s = parts["field"] + parts["forces"]
        shares = ", ".join(f"{part} {seconds:.1f}" for part, seconds in parts.items())
        print(f"{name}, {arguments.method}, CPU seconds: {shares}")
        print(f"{name}: a step with all properties {label_s:.3g} s, the model's {1e3 * model_s:.3g} ms")
        print(f"{name}: the model is {label_s / model_s:.1e} times as fast")
        for quality, preset in QUALITY.items():
            settings = DynamicsSettings(**preset.get("md", {}))
            steps = settings.n_replicas * lengths(settings).total_steps
            print(
                f"{name}, {quality}: {steps:.2g} replica-steps replace {steps * label_s / YEAR_S:.2g} years "
                f"of direct dynamics on this core ({steps * forces_s / YEAR_S:.2g} with energy and forces "
                f"alone), in {steps * model_s / 3600:.2g} hours",
                flush=True,
            )


if __name__ == "__main__":
    main()
