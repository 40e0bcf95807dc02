"""The averaged weights of a training that has not ended, as a model file to go on from."""

import json
import pickle
from pathlib import Path

import torch

from painn_spectra.errors import InputError, first_line
from painn_spectra.fitting import Trainer
from painn_spectra.model.checkpoint import save_model
from painn_spectra.model.potential import Potential
from painn_spectra.settings.training import TrainSettings

NO_CHECKPOINT = (
    OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, pickle.UnpicklingError,
)  # fmt: skip


def snapshot(state: Path, model: Path) -> None:
    """Write `model` from the checkpoint `state`, `<model>.parts/state.pt` of a running or killed training.

    Raises InputError when it is none. The training itself goes on from its checkpoint; this file serves
    `train.start_from` elsewhere, at a tenth of the size.
    """
    try:
        saved = torch.load(state, map_location="cpu", weights_only=True)
        how, architecture, *_ = json.loads(saved["key"])
        told, settings, potential = json.loads(saved["told"]), TrainSettings(**how), Potential(**architecture)
        trainer = Trainer(potential, settings)
        trainer.load_state_dict(saved["trainer"])
        potential.load_state_dict(trainer.weights)
    except NO_CHECKPOINT as error:
        raise InputError(
            f"{state}: no checkpoint of a training ({first_line(error)}); name MODEL.parts/state.pt"
        ) from None
    lines = trainer.metrics.splitlines()
    metadata = told | {
        "seconds": round(trainer.seconds, 1),
        "validation": json.loads(lines[-1]) if lines else None,
        "snapshot_at_step": trainer.step,
    }
    save_model(model, potential, metadata)
    print(f"{model}: weights of step {trainer.step}")
