"""What each stage of the workflow reads and is told: where data and model come from, and its own settings.

A stage's JSON is part of its job's identity: an edited setting reruns the stages whose JSON it changes, and
what follows them, and nothing else.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from painn_spectra.config import (
    Config,
    Count,
    DatasetSettings,
    Dynamics,
    DynamicsSettings,
    Experiment,
    Isotopes,
    LossWeights,
    Method,
    ModelSettings,
    Molecule,
    Positive,
    PretrainSettings,
    Qm9Settings,
    SamplingSettings,
    Settings,
    TePigsSettings,
    TrainSettings,
)
from painn_spectra.download import check_address, is_address
from painn_spectra.errors import InputError
from painn_spectra.first_frame import check_atoms, check_cutoff, first_frame

# raise a number when a stage gives other results for the same settings: its jobs then run again
STAGE_VERSION = {
    "conformers": 1,
    "sample": 1,
    "sample-model": 3,
    "label": 1,
    "rounds": 2,
    "gather": 1,
    "gather-published": 1,
    "label-pretraining": 2,
    "pretrain": 2,
    "train": 3,
    "evaluate": 2,
    "calibrate": 1,
    "md": 5,
    "sample-centroids": 2,
    "train-correction": 1,
    "vpt2": 2,
    "ladder": 1,
    "harmonic-reference": 1,
    "harmonic-model": 2,
    "torsions": 1,
    "spectra": 4,
    "compare": 4,
    "report": 3,
    "accuracy": 1,
    "qm9": 1,
}

# replicas (or beads) that a core propagates together, however many cores: one and eight give the same numbers
BLOCK_REPLICAS = 8

# frames of one labelling job
CHUNK_FRAMES = 25

Property = Literal["energy", "forces", "dipole", "polarizability"]


class LabelStage(Settings):
    """Settings of `painn-spectra label`: one chunk of a set of geometries."""

    method: Method = Method()
    charge: int = 0
    multiplicity: Count = 1
    properties: Annotated[tuple[Property, ...], Field(min_length=1)] = get_args(Property)
    chunk: int = Field(0, ge=0)
    chunk_frames: Count = CHUNK_FRAMES


class ConformersStage(Settings):
    """Settings of `painn-spectra conformers`."""

    structure: str | None = None
    charge: int = 0
    multiplicity: Count = 1
    sampling: SamplingSettings = SamplingSettings()


class SampleStage(Settings):
    """Settings of `painn-spectra sample`; charge and multiplicity stand in the file of conformers."""

    sampling: SamplingSettings = SamplingSettings()


class SampleModelStage(Settings):
    """Settings of `painn-spectra sample-model`: one batch of geometries from the model's own dynamics."""

    sampling: SamplingSettings = SamplingSettings()
    round_number: Count = 1
    quantum: bool = Field(False, description="beads of ring polymers, as quantum dynamics will visit them")


class PretrainLabelsStage(Settings):
    """Settings of `painn-spectra label-pretraining`."""

    pretrain: PretrainSettings = PretrainSettings()
    charge: int = 0
    multiplicity: Count = 1


class GatherStage(DatasetSettings):
    """Settings of `painn-spectra gather`: the split, and the labels that every frame must have."""

    properties: Annotated[tuple[Property, ...], Field(min_length=1)] = get_args(Property)


class TrainStage(Settings):
    """Settings of `painn-spectra pretrain` and `painn-spectra train`: one ensemble member."""

    train: TrainSettings = TrainSettings()
    model: ModelSettings = ModelSettings()
    member: int = Field(0, ge=0)
    charge: int = 0


class Qm9Stage(Settings):
    """Settings of `painn-spectra qm9`: one property."""

    qm9: Qm9Settings
    train: TrainSettings = TrainSettings()
    model: ModelSettings = ModelSettings()


class DynamicsStage(Settings):
    """Settings of `painn-spectra md`."""

    md: DynamicsSettings = DynamicsSettings()
    molecule: str = "molecule"
    dynamics: Dynamics = "classical"
    temperature_K: Positive = 300.0
    isotopes: Isotopes | str = Field(default_factory=dict)


class CentroidsStage(Settings):
    """Settings of `painn-spectra sample-centroids`."""

    tepigs: TePigsSettings = TePigsSettings()
    isotopes: Isotopes | str = Field(default_factory=dict)


class HarmonicStage(Settings):
    """Settings of `painn-spectra harmonic-reference`, `harmonic-model` and `torsions`; of the model stage
    the last two alone."""

    method: Method = Method()
    charge: int = 0
    multiplicity: Count = 1
    isotopes: Isotopes | str = Field(default_factory=dict)
    temperature_K: Positive = 300.0


def beads_of(dynamics: str, settings: DynamicsSettings) -> int:
    """Beads of a ring polymer in a kind of dynamics such as trpmd16; 1 of the others."""
    if "rpmd" not in dynamics:
        return 1
    return int(dynamics.rpartition("rpmd")[2] or settings.n_beads)


def dynamics_settings(dynamics: str, settings: DynamicsSettings) -> dict[str, Any]:
    """The settings that a kind of dynamics uses."""
    unused = set() if dynamics.startswith("trpmd") else {"trpmd_lambda"}
    if "rpmd" not in dynamics or dynamics[-1].isdigit():
        unused = unused | {"n_beads"}
    return settings.model_dump(exclude=unused)


def block_replicas(dynamics: str, settings: DynamicsSettings) -> int:
    """Replicas of one block on a CPU: a few per core, a ring polymer of many beads alone."""
    return max(1, BLOCK_REPLICAS // beads_of(dynamics, settings))


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
        return config.train.start_from.format(molecule=name, member=member)
    return f"results/{name}/pretraining/{member}/model.pt" if config.train.pretrain.n_frames else None


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


def check_plan(config: Config) -> list[str]:
    """Raise InputError for sources, files, charges, isotopes or a cutoff that cannot be; return warnings."""
    warnings = []
    for key in ("data", "excluded", "atomref") if config.qm9 else ():
        path = getattr(config.qm9, key)
        if path and not Path(path).exists():
            raise InputError(f"qm9.{key} = {path}: no such file; docs/accuracy.md tells where to get it")
    for molecule in config.molecules:
        source = model_source(config, molecule.name)
        _check_start(config, molecule.name)
        if molecule.published:
            _check_published(config, molecule)
            continue
        data = entry(config, data_source(config, molecule.name))
        labels = labels_file(data)
        if not Path(labels).is_file() and (data.labels or not data.structure):
            raise InputError(
                f"molecules.{molecule.name}: no labels at {labels}; put an extxyz file with REF_ keys there, "
                "name a file with labels: or an entry with labels_from:, or give a structure: to compute them"
            )
        if data.method.program == "other" and (data.grow or computes_labels(data)):
            raise InputError(
                f"molecules.{data.name}.method.program = other: such labels are brought along, not computed; "
                f"put them at {labels}, or use pyscf or gfn2-xtb"
            )
        paths = {"labels": molecule.labels, **molecule.experiment.sources}
        for key, path in paths.items():
            if path and (path.startswith("-") or not path.isprintable()):
                raise InputError(
                    f"molecules.{molecule.name}: {key} = {path!r} would be taken for an option, or holds "
                    "characters that do not print; rename the file, or write ./ before its name"
                )
        for key, path in molecule.experiment.sources.items():
            if key != "bands" and is_address(path):
                check_address(path)
            elif not Path(path).is_file():
                raise InputError(
                    f"molecules.{molecule.name}.experiment.{key} = {path}: no such file; "
                    f"give a path from the folder that snakemake runs in, or remove the line"
                )
        _check_inherited_state(config, molecule)
        frame = first_frame(labels)
        if frame is not None:
            check_atoms(frame, labels, molecule)
            if source == molecule.name:  # the others train no model
                warnings += check_cutoff(frame, labels, config.model.cutoff_A)
    return list(dict.fromkeys(warnings))


def stage_settings(
    config: Config,
    stage: str,
    name: str = "",
    member: int = 0,
    dynamics: str = "",
    round_number: int = 1,
    chunk: int = 0,
) -> str:
    """JSON for `--settings` of `stage` on the entry `name`: what the stage uses, defaults spelled out."""
    if stage == "qm9":
        return json.dumps(_qm9(config), sort_keys=True)
    molecule = entry(config, name)
    train, model = config.train, config.model.model_dump()
    used: dict[str, Any]
    match stage:
        case "label":
            used = {
                "method": molecule.method.model_dump(),
                "charge": molecule.charge,
                "multiplicity": molecule.multiplicity,
                "chunk": chunk,
            }
        case "conformers":
            used = {
                "structure": molecule.structure,
                "charge": molecule.charge,
                "multiplicity": molecule.multiplicity,
                "sampling": config.sampling.model_dump(include={"n_embeddings", "seed"}),
            }
        case "sample":
            used = {"sampling": config.sampling.model_dump(include=_FIRST_SET)}
        case "sample-model":
            used = {
                "sampling": config.sampling.model_dump(include=_MODEL_BATCH),
                "round_number": round_number,
                "quantum": any(kind != "classical" for kind in config.dynamics),
            }
        case "gather":
            learnt = [name for name, weight in train.loss if weight > 0]
            used = config.dataset.model_dump() | {"properties": learnt}
        case "gather-published":
            used = molecule.published.model_dump() if molecule.published else {}
        case "label-pretraining":
            used = {
                "pretrain": train.pretrain.model_dump(include={"n_frames", "temperature_K"}),
                "charge": molecule.charge,
                "multiplicity": molecule.multiplicity,
            }
        case "pretrain":
            values = train.model_dump(exclude={**dict.fromkeys(_MAIN_TRAINING, True), "pretrain": _LABELLING})
            used = {"train": values, "model": model, "member": member, "charge": molecule.charge}
        case "train":
            values = train.model_dump(exclude={"members", "pretrain", "start_from"})
            used = {"train": values, "model": model, "member": member, "charge": molecule.charge}
        case "md":
            used = {
                "md": dynamics_settings(dynamics, config.md),
                "molecule": molecule.name,
                "dynamics": dynamics,
                "temperature_K": molecule.temperature_K,
                "isotopes": molecule.isotopologue,
            }
        case "sample-centroids":
            sampling = config.tepigs.model_dump(exclude=CORRECTION)
            used = {"tepigs": sampling, "isotopes": molecule.isotopologue}
        case "train-correction":
            own = config.tepigs.model_dump(include={"epochs", "batch_size", "learning_rate", "seed"})
            loss = LossWeights(energy=0.0)  # no label is a free energy
            learning = TrainSettings(**own, loss=loss, device=config.train.device)
            size = config.tepigs.model_dump(include={"n_features", "n_layers"})
            used = {"train": learning.model_dump(exclude={"members", "pretrain"}), "model": model | size}
        case "harmonic-model":
            used = {"isotopes": molecule.isotopologue, "temperature_K": molecule.temperature_K}
        case "harmonic-reference":
            # the level of theory is that of the labels the model learnt, whoever computed them
            level = {"method", "charge", "multiplicity"}
            used = entry(config, data_source(config, name)).model_dump(include=level)
            used |= {"isotopes": molecule.isotopologue, "temperature_K": molecule.temperature_K}
        case "torsions":
            level = {"method", "charge", "multiplicity"}
            used = entry(config, data_source(config, name)).model_dump(include=level)
        case "spectra":
            used = config.spectra.model_dump()
        case "compare" | "ladder":
            used = experiment_files(molecule).model_dump(exclude_defaults=True)
        case "report":
            used = config.model_dump(exclude={"molecules"})
            used["molecule"] = molecule.model_dump(exclude_none=True)
            method = entry(config, data_source(config, name)).method  # whoever computed the labels
            used["molecule"]["method"] = method.model_dump(exclude_none=True)
        case _:
            raise ValueError(f"unknown stage {stage!r}; known are {sorted(STAGE_VERSION)}")
    return json.dumps(used, sort_keys=True, ensure_ascii=False)


# settings of `tepigs` that the sampling of centroids does not use
CORRECTION = {"n_features", "n_layers", "epochs", "batch_size", "learning_rate"}


def _qm9(config: Config) -> dict[str, Any]:
    """What a model of QM9 is made by; another target makes no other model of the first."""
    if config.qm9 is None:
        return {}
    training = config.train.model_dump(exclude={"members", "pretrain", "start_from", "loss"})
    used = {"qm9": config.qm9.model_dump(exclude={"targets"}), "train": training}
    return used | {"model": config.model.model_dump()}


_FIRST_SET = {"n_frames", "temperature_K", "n_trajectories", "interval_fs", "modes_fraction", "seed"}
_MODEL_BATCH = {
    "frames_per_round", "model_temperatures_K", "interval_fs", "until_spectrum_change", "max_labels", "seed",
}  # fmt: skip

# what pretraining does not use: its epochs and rate are its own, its schedule is fixed
_LABELLING = {"n_frames", "temperature_K"}
_MAIN_TRAINING = (
    "members", "epochs", "learning_rate", "schedule", "plateau_patience_epochs", "early_stopping_epochs",
    "start_from",
)  # fmt: skip


def _check_start(config: Config, name: str) -> None:
    """The model to go on from is there, and its name has no other placeholders."""
    given = config.train.start_from
    if given is None or model_source(config, name) != name:
        return
    for member in range(config.train.members):
        try:
            path = given.format(molecule=name, member=member)
        except (KeyError, IndexError, ValueError):
            raise InputError(
                f"train.start_from = {given}: only {{molecule}} and {{member}} are filled in; use no others"
            ) from None
        if not Path(path).is_file():
            raise InputError(
                f"train.start_from = {given}: no such file {path}; give a model.pt, or remove the line to "
                "train from random or pre-trained weights"
            )


def _check_published(config: Config, molecule: Molecule) -> None:
    """A published set has energies and forces only, and its files are where they should be."""
    given = molecule.published
    assert given
    where = f"molecules.{molecule.name}.published"
    for key, path in given.sources.items():
        if is_address(path):
            check_address(path)
        elif not Path(path).is_file():
            raise InputError(f"{where}.{key} = {path}: no such file; docs/accuracy.md tells where to get it")
    for name in ("dipole", "polarizability"):
        if getattr(config.train.loss, name):
            raise InputError(
                f"train.loss.{name} = {getattr(config.train.loss, name):g}: {where} has energies and forces "
                f"only; set train.loss.{name}: 0"
            )


def _check_inherited_state(config: Config, molecule: Molecule) -> None:
    """Labels and model of one charge and multiplicity say nothing about another."""
    for key in ("labels_from", "model_from"):
        source = getattr(molecule, key)
        for state in ("charge", "multiplicity") if source else ():
            own, inherited = getattr(molecule, state), getattr(entry(config, source), state)
            if own != inherited:
                raise InputError(
                    f"molecules.{molecule.name}.{state} = {own}, but {source}, named by {key}, has "
                    f"{inherited}; set {state}: {inherited} in both, or give {molecule.name} its own labels"
                )


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
