"""The averaged weights of a training that has not ended, as a model file to go on from."""

import json
from pathlib import Path

from painn_spectra.errors import InputError, first_line
from painn_spectra.fitting import Trainer
from painn_spectra.model.checkpoint import read_archive, save_model
from painn_spectra.model.potential import Potential
from painn_spectra.settings.training import TrainSettings
from painn_spectra.train import told


def snapshot(state: Path, model: Path) -> None:
    """Write `model` from the checkpoint `state`, `<model>.parts/state.pt` of a running or killed training.

    Raises InputError when it is none, or `model` is the checkpoint itself. The training goes on from its
    checkpoint; this file serves `train.start_from` elsewhere, at a third of the size.
    """
    if Path(model).resolve() == Path(state).resolve():
        raise InputError(f"{model}: is the checkpoint itself, which the training needs; name another file")
    saved = read_archive(state)
    try:
        how, architecture, *_ = json.loads(saved["key"])
        settings, potential = TrainSettings(**how), Potential(**architecture)
        trainer = Trainer(potential, settings)
        trainer.told = dict(json.loads(saved["told"]))
        trainer.load_state_dict(saved["trainer"])
        potential.load_state_dict(trainer.weights)
        metadata = told(trainer) | {"snapshot_at_step": trainer.step}
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{state}: no checkpoint of a training ({first_line(error)}); name MODEL.parts/state.pt"
        ) from None
    save_model(model, potential, metadata)
    print(f"{model}: weights of step {trainer.step}")
