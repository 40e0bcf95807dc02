"""What each stage of the workflow is told, and the number of its results' version.

A stage's JSON is part of its job's identity: an edited setting reruns the stages whose JSON it changes, and
what follows them, and nothing else.
"""

import json
from typing import Any

from painn_spectra.config import Config
from painn_spectra.kinds import dynamics_settings
from painn_spectra.settings.training import LossWeights, TrainSettings
from painn_spectra.sources import data_source, entry, experiment_files

# raise a number when a stage gives other results for the same settings: its jobs then run again
STAGE_VERSION = {
    "conformers": 1,
    "sample": 1,
    "sample-model": 3,
    "label": 2,
    "rounds": 2,
    "gather": 1,
    "gather-published": 1,
    "label-pretraining": 2,
    "pretrain": 4,
    "train": 6,
    "evaluate": 3,
    "calibrate": 1,
    "md": 6,
    "sample-centroids": 2,
    "train-correction": 3,
    "vpt2": 3,
    "ladder": 1,
    "harmonic-reference": 2,
    "harmonic-model": 3,
    "torsions": 1,
    "spectra": 4,
    "compare": 4,
    "report": 4,
    "accuracy": 1,
    "qm9": 4,
}

# settings of `tepigs` that the sampling of centroids does not use
CORRECTION = {"n_features", "n_layers", "n_radial", "epochs", "batch_size", "learning_rate"}

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
                "derivatives_fraction": config.sampling.derivatives_fraction,
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
            used = config.dataset.model_dump() | {"properties": train.loss.learnt}
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
            # squares, for the mean of noisy, skewed labels is what is learnt
            learning = TrainSettings(
                **own, optimizer="adamw", loss=loss, linear_beyond=None, device=config.train.device
            )
            size = config.tepigs.model_dump(include={"n_features", "n_layers", "n_radial"})
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
            used["labels_of"] = source = data_source(config, name)  # whoever computed the labels
            used["molecule"]["method"] = entry(config, source).method.model_dump(exclude_none=True)
        case _:
            raise ValueError(f"unknown stage {stage!r}; known are {sorted(STAGE_VERSION)}")
    return json.dumps(used, sort_keys=True, ensure_ascii=False)


def _qm9(config: Config) -> dict[str, Any]:
    """What a model of QM9 is made by; another target makes no other model of the first."""
    if config.qm9 is None:
        return {}
    training = config.train.model_dump(exclude={"members", "pretrain", "start_from", "loss", "linear_beyond"})
    used = {"qm9": config.qm9.model_dump(exclude={"targets"}), "train": training}
    return used | {"model": config.model.model_dump()}
