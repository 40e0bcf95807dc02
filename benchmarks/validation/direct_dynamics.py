"""Ethanol by GFN2-xTB itself and by PaiNN trained on GFN2-xTB: the same dynamics, the same protocol.

    python -m benchmarks.validation.direct_dynamics reference --batches 25
    python -m benchmarks.validation.direct_dynamics model --member 0 --batches 7

Batches of replicas with seeds of their own under results/validation/; what is finished is kept, a killed
run goes on. μ and α every 2.5 fs. Replicas of 5 ps: at 25 cm⁻¹ two short runs say more than one long one, as
a mode keeps most of its energy for picoseconds. Members of the model's ensemble start alike.
"""

import argparse
from pathlib import Path

from benchmarks.validation.runs import DATASET, MODEL, RESULTS
from benchmarks.validation.xtb_potential import load_tight_binding
from painn_spectra.md.run import run_dynamics
from painn_spectra.model.checkpoint import load_model
from painn_spectra.settings.dynamics import DynamicsSettings

PRODUCTION_PS, TEMPERATURE_K = 5.0, 300.0
BATCH_REPLICAS = {"reference": 4, "model": 16}
FIRST_SEED = {"reference": 0, "model": 1000}  # independent noise: the two sides share no luck


def model_file(models: Path, member: int) -> Path:
    """As the workflow names it."""
    return models / str(member) / "model.pt"


def run_batch(kind: str, folder: Path, batch: int, models: Path, member: int, production_ps: float) -> None:
    """One trajectory.h5 of a few replicas; nothing is done when it is there."""
    trajectory = folder / "trajectory.h5"
    if trajectory.exists():
        return
    settings = DynamicsSettings(
        n_replicas=BATCH_REPLICAS[kind], timestep_fs=0.5, equilibration_ps=2.0, friction_per_ps=5.0,
        production_ps=production_ps, record_interval_steps=5, seed=FIRST_SEED[kind] + batch, device="cpu",
    )  # fmt: skip
    run_dynamics(
        # the reference has no file of its own: what defines it stands in for one
        Path(__file__).with_name("xtb_potential.py") if kind == "reference" else model_file(models, member),
        DATASET, trajectory, folder / "dynamics.json", settings, "ethanol", "classical", TEMPERATURE_K, {},
        threads=1, load=load_tight_binding if kind == "reference" else load_model,
        first_member=model_file(models, 0) if member else None,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=FIRST_SEED)
    parser.add_argument("--batches", type=int, required=True, metavar="N", help="of 4 or 16 replicas")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="number of the first batch")
    parser.add_argument("--production-ps", type=float, default=PRODUCTION_PS)
    parser.add_argument("--member", type=int, default=0, metavar="M", help="of the ensemble")
    parser.add_argument(
        "--models", type=Path, default=MODEL.parents[1], metavar="DIR", help="members' folders"
    )
    a = parser.parse_args()
    side = RESULTS / ("reference" if a.kind == "reference" else f"model-{a.member}")
    for batch in range(a.first, a.batches):
        run_batch(a.kind, side / f"{batch:03d}", batch, a.models, a.member, a.production_ps)


if __name__ == "__main__":
    main()
