"""Ethanol by GFN2-xTB itself and by PaiNN trained on GFN2-xTB: the same dynamics, the same protocol.

    python -m benchmarks.validation.direct_dynamics reference --batches 25
    python -m benchmarks.validation.direct_dynamics model --batches 6
    python -m benchmarks.validation.direct_dynamics paired --batches 25

Batches of replicas with seeds of their own under results/validation/; what is finished is kept, a killed
run goes on. μ and α every 2 fs. Replicas of 5 ps: at 25 cm⁻¹ two short runs say more than one long one, as a
mode keeps most of its energy for picoseconds. `paired` starts the model's production from the reference's own
positions and velocities: most of the sampling noise is the same on both sides then.
"""

import argparse
import json
from pathlib import Path

import h5py
import numpy as np

from benchmarks.validation.from_states import produce_from
from benchmarks.validation.runs import DATASET, MODEL, RESULTS
from benchmarks.validation.xtb_potential import load_tight_binding
from painn_spectra.config import DynamicsSettings
from painn_spectra.md.block import lengths
from painn_spectra.md.run import run_dynamics
from painn_spectra.md.segments import EQUILIBRATION, join
from painn_spectra.md.workers import single_thread
from painn_spectra.model.checkpoint import load_model

PRODUCTION_PS, TEMPERATURE_K = 5.0, 300.0
BATCH_REPLICAS = {"reference": 4, "model": 16}
FIRST_SEED = {"reference": 0, "model": 1000}  # independent noise: the two sides share no luck


def run_batch(kind: str, batch: int, model: Path, production_ps: float) -> None:
    """One trajectory.h5 of a few replicas; nothing is done when it is there."""
    folder = RESULTS / kind / f"{batch:03d}"
    trajectory = folder / "trajectory.h5"
    if trajectory.exists():
        return
    settings = DynamicsSettings(
        n_replicas=BATCH_REPLICAS[kind], timestep_fs=0.5, equilibration_ps=2.0, friction_per_ps=5.0,
        production_ps=production_ps, record_interval_steps=4, seed=FIRST_SEED[kind] + batch, device="cpu",
    )  # fmt: skip
    run_dynamics(
        # the reference has no file of its own: what defines it stands in for one
        Path(__file__).with_name("xtb_potential.py") if kind == "reference" else model,
        DATASET, trajectory, folder / "dynamics.json", settings, "ethanol", "classical", TEMPERATURE_K, {},
        threads=1, load=load_tight_binding if kind == "reference" else load_model,
    )  # fmt: skip


def run_pair(batch: int, model: Path) -> None:
    """The model's production from the equilibrated states of a finished batch of the reference."""
    reference = RESULTS / "reference" / f"{batch:03d}" / "trajectory.h5"
    trajectory = RESULTS / "paired" / f"{batch:03d}" / "trajectory.h5"
    if trajectory.exists() or not reference.exists():
        return
    [parts] = Path(f"{reference}.parts").glob(f"*-*/{EQUILIBRATION}")
    with h5py.File(reference) as file, h5py.File(parts) as equilibrated:
        attributes = dict(file.attrs)
        positions, velocities = (equilibrated[f"state/{name}"][:] for name in ("positions", "velocities"))
    settings = DynamicsSettings.model_validate_json(attributes["settings"])
    starts = json.loads(attributes["starts"])
    bonded = np.array([starts["conformers"][k]["positions"] for k in starts["replicas"]])
    folder = Path(f"{trajectory}.parts")
    numbers, masses_amu = attributes["numbers"], attributes["masses_amu"]
    with single_thread():
        produce_from(
            folder, load_model(model, "cpu").eval(), numbers, masses_amu, positions, velocities, bonded,
            settings, TEMPERATURE_K,
        )  # fmt: skip
    plan = lengths(settings)
    attributes["sparse_stride"] = plan.sparse_stride
    join(trajectory, [folder], plan.samples, plan.sparse_stride, attributes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=[*FIRST_SEED, "paired"])
    parser.add_argument("--batches", type=int, required=True, metavar="N", help="of 4 or 16 replicas")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="number of the first batch")
    parser.add_argument("--production-ps", type=float, default=PRODUCTION_PS)
    parser.add_argument("--model", type=Path, default=MODEL)
    a = parser.parse_args()
    for batch in range(a.first, a.batches):
        if a.kind == "paired":
            run_pair(batch, a.model)
        else:
            run_batch(a.kind, batch, a.model, a.production_ps)


if __name__ == "__main__":
    main()
