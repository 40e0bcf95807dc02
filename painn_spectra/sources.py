"""Where an entry's labels, model, starting weights and reference files come from; its jobs."""

import math
from pathlib import Path

from painn_spectra.config import Config
from painn_spectra.errors import InputError
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.settings.molecule import Experiment, Molecule

# frames of one labelling job
CHUNK_FRAMES = 25


def entry(config: Config, name: str) -> Molecule:
    """The molecule entry called `name`."""
    return next(molecule for molecule in config.molecules if molecule.name == name)


def data_source(config: Config, name: str) -> str:
    """Name of the entry whose dataset.extxyz and split.json serve the entry `name`.

    An entry that takes another's model takes its data set too, unless it names labels of its own.
    """
    path = [name]
    while source := _data_from(entry(config, path[-1])):
        path = _step(path, source, "labels_from and model_from")
    return path[-1]


def model_source(config: Config, name: str) -> str:
    """Name of the entry whose trained models serve the entry `name`."""
    path = [name]
    while source := entry(config, path[-1]).model_from:
        path = _step(path, source, "model_from")
    return path[-1]


def labels_file(molecule: Molecule) -> str:
    """Path of the labels that an entry ships or names."""
    return molecule.labels or f"config/molecules/{molecule.name}/labels.extxyz"


def computes_labels(molecule: Molecule) -> bool:
    """Whether an entry's first labels are computed: none ship and none are named."""
    return molecule.labels is None and not molecule.published and not Path(labels_file(molecule)).is_file()


def rounds(config: Config, name: str) -> int:
    """Batches from the model's own dynamics that follow the first labels of the entry `name`."""
    molecule = entry(config, name)
    return config.sampling.rounds if molecule.grow or computes_labels(molecule) else 0


def start_from(config: Config, name: str, member: int) -> str | None:
    """The model file that training of the entry `name` goes on from, None for random weights.

    It is the setting's file, or the model that pre-training makes.
    """
    if config.train.start_from:
        return fill_in(config.train.start_from, name, member)
    return f"results/{name}/pretraining/{member}/model.pt" if config.train.pretrain.n_frames else None


def fill_in(start: str, name: str, member: int) -> str:
    """The path that `train.start_from` means for one entry and ensemble member."""
    return start.replace("{molecule}", name).replace("{member}", str(member))


def chunks(config: Config, round_number: int) -> list[str]:
    """Names of the labelling jobs of a round."""
    n_frames = config.sampling.frames_per_round if round_number else config.sampling.n_frames
    return [f"{k:04d}" for k in range(math.ceil(n_frames / CHUNK_FRAMES))]


def replica_groups(md: DynamicsSettings) -> list[str]:
    """Names of the jobs that share the replicas of one run; none where one job runs all of them."""
    if not md.replicas_per_job or md.replicas_per_job >= md.n_replicas:
        return []
    return [f"{k:04d}" for k in range(math.ceil(md.n_replicas / md.replicas_per_job))]


def experiment_files(molecule: Molecule) -> Experiment:
    """The entry's experiment with the default band table filled in where the file exists."""
    bands = f"config/molecules/{molecule.name}/bands.csv"
    if molecule.experiment.bands is None and Path(bands).is_file():
        return molecule.experiment.model_copy(update={"bands": bands})
    return molecule.experiment


def shipped_harmonic(config: Config, name: str) -> str | None:
    """Derivatives of the reference method that ship with the labels which serve the entry `name`."""
    path = f"config/molecules/{data_source(config, name)}/harmonic.npz"
    return path if Path(path).is_file() else None


def _data_from(molecule: Molecule) -> str | None:
    if molecule.labels_from or molecule.labels:
        return molecule.labels_from
    return molecule.model_from


def _step(path: list[str], source: str, keys: str) -> list[str]:
    if source in path:
        raise InputError(
            f"molecules.{path[0]}: {keys} lead in a circle, {' → '.join([*path, source])}; "
            f"let one of them have labels of its own"
        )
    return [*path, source]
