"""Ethanol by GFN2-xTB itself and by PaiNN trained on GFN2-xTB: the same dynamics, the same protocol.

    python -m benchmarks.validation.direct_dynamics reference --batches 25
    python -m benchmarks.validation.direct_dynamics model --batches 6
    python -m benchmarks.validation.direct_dynamics paired --batches 25

Batches of replicas with seeds of their own under results/validation/; what is finished is kept, a killed
run goes on. μ and α every 2.5 fs. Replicas of 5 ps: at 25 cm⁻¹ two short runs say more than one long one, as a
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
TRAJECTORY, PAIRED_BATCHES = "trajectory.h5", 4
FIRST_SEED = {"reference": 0, "model": 1000}  # independent noise: the two sides share no luck


def batch_folder(kind: str, batch: int) -> Path:
    """Where a batch of `reference` or `model` lies."""
    return RESULTS / kind / f"{batch:03d}"


def run_batch(kind: str, batch: int, model: Path, production_ps: float) -> None:
    """One trajectory.h5 of a few replicas; nothing is done when it is there."""
    folder = batch_folder(kind, batch)
    trajectory = folder / TRAJECTORY
    if trajectory.exists():
        return
    settings = DynamicsSettings(
        n_replicas=BATCH_REPLICAS[kind], timestep_fs=0.5, equilibration_ps=2.0, friction_per_ps=5.0,
        production_ps=production_ps, record_interval_steps=5, seed=FIRST_SEED[kind] + batch, device="cpu",
    )  # fmt: skip
    run_dynamics(
        # the reference has no file of its own: what defines it stands in for one
        Path(__file__).with_name("xtb_potential.py") if kind == "reference" else model,
        DATASET, trajectory, folder / "dynamics.json", settings, "ethanol", "classical", TEMPERATURE_K, {},
        threads=1, load=load_tight_binding if kind == "reference" else load_model,
    )  # fmt: skip


def run_pairs(first: int, last: int, model: Path, production_ps: float) -> None:
    """The model's production from the equilibrated states of finished batches of the reference, one block."""
    batches = [
        batch for batch in range(first, last) if (batch_folder("reference", batch) / TRAJECTORY).exists()
    ]
    if not batches:
        return
    trajectory = RESULTS / "paired" / f"{batches[0]:03d}-{batches[-1]:03d}" / TRAJECTORY
    if trajectory.exists():
        return
    positions, velocities, bonded = [], [], []
    for batch in batches:
        reference = batch_folder("reference", batch) / TRAJECTORY
        [parts] = Path(f"{reference}.parts").glob(f"*-*/{EQUILIBRATION}")
        with h5py.File(reference) as file, h5py.File(parts) as equilibrated:
            attributes = dict(file.attrs)
            positions.append(equilibrated["state/positions"][:])
            velocities.append(equilibrated["state/velocities"][:])
        starts = json.loads(attributes["starts"])
        bonded.append([starts["conformers"][k]["positions"] for k in starts["replicas"]])
    settings = DynamicsSettings.model_validate_json(attributes["settings"])
    settings = settings.model_copy(update={"production_ps": production_ps, "record_motion": False})
    folder, plan = Path(f"{trajectory}.parts"), lengths(settings)
    with single_thread():
        produce_from(
            folder, load_model(model, "cpu").eval(), attributes["numbers"], attributes["masses_amu"],
            np.concatenate(positions), np.concatenate(velocities), np.concatenate(bonded), settings,
            TEMPERATURE_K,
        )  # fmt: skip
    del attributes["starts"]  # those of the last batch only
    attributes |= {"sparse_stride": plan.sparse_stride, "reference_batches": batches}
    join(trajectory, [folder], plan.samples, plan.sparse_stride, attributes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=[*FIRST_SEED, "paired"])
    parser.add_argument("--batches", type=int, required=True, metavar="N", help="of 4 or 16 replicas")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="number of the first batch")
    parser.add_argument("--production-ps", type=float, default=PRODUCTION_PS)
    parser.add_argument("--model", type=Path, default=MODEL)
    a = parser.parse_args()
    if a.kind == "paired":
        for first in range(a.first, a.batches, PAIRED_BATCHES):
            run_pairs(first, min(first + PAIRED_BATCHES, a.batches), a.model, a.production_ps)
        return
    for batch in range(a.first, a.batches):
        run_batch(a.kind, batch, a.model, a.production_ps)


if __name__ == "__main__":
    main()
