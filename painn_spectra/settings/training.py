"""Geometries to label, the split of labelled frames, PaiNN's size and its training."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from painn_spectra import keys
from painn_spectra.settings.base import Count, NonNegative, Positive, Seed, Settings

MIN_PRETRAIN_FRAMES = 20  # a twentieth of them validates


class SamplingSettings(Settings):
    """Geometries to label, for entries that name a `structure` and bring no labels.

    A first set from GFN2-xTB dynamics and normal modes, then batches from the trained model's own dynamics.
    """

    n_embeddings: Count = 50
    n_frames: Count = 500
    temperature_K: Positive = 500.0
    n_trajectories: Count = 8
    interval_fs: Positive = 100.0
    modes_fraction: Annotated[float, Field(ge=0, le=1)] = 0.15
    derivatives_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    rounds: Annotated[int, Field(ge=0)] = 1
    frames_per_round: Count = 250
    members: Count = 1
    until_spectrum_change: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_labels: Count | None = None
    model_temperatures_K: list[Positive] = Field(default=[300.0, 600.0], min_length=1)
    seed: Seed = 0


class DatasetSettings(Settings):
    """Split of the labelled frames; whole trajectories (`seed`) are held out."""

    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.05
    split_seed: Seed = 0


class PretrainSettings(Settings):
    """Cheap GFN2-xTB labels around the training geometries, learnt before the real ones; 0 frames: none."""

    n_frames: Annotated[int, Field(ge=0)] = 3000
    temperature_K: Positive = 500.0
    epochs: Count = 25
    learning_rate: Positive = 1e-3


class ModelSettings(Settings):
    """PaiNN's size (arXiv:2102.03150)."""

    n_features: Annotated[int, Field(ge=2, multiple_of=2)] = 64
    n_layers: Count = 3
    n_radial: Count = 8  # the paper has 20, which learn by heart what a thousand labels do not tell
    cutoff_A: Positive = 5.0
    norm_epsilon: Positive = 0.1  # under the root of |Vv|; published: 1e-8, a kink on symmetric sites


class LossWeights(Settings):
    """Weight of each property's error, every error in units of its label spread in the training set.

    Derivatives count where frames bring labels of them.
    """

    energy: NonNegative = 0.01
    forces: NonNegative = 1.0
    dipole: NonNegative = 0.1
    polarizability: NonNegative = 0.25
    dipole_derivative: NonNegative = 0.1
    polarizability_derivative: NonNegative = 0.25

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if not self.learnt:
            raise ValueError(
                "train.loss: all weights are 0, nothing would be learnt; give one a positive weight"
            )
        return self

    @property
    def learnt(self) -> tuple[str, ...]:
        """Properties whose error has a weight."""
        return tuple(name for name in keys.PROPERTIES if getattr(self, name) > 0)


class TrainSettings(Settings):
    """Training of one ensemble member."""

    members: Count = 1
    epochs: Count = 150
    batch_size: Count = 8
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: Positive = 1e-3
    schedule: Literal["cosine", "plateau"] = "cosine"
    weight_decay: NonNegative = 0.01
    plateau_patience_epochs: Count = 15
    early_stopping_epochs: Count = 50
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    gradient_clip: Positive = 10.0
    checkpoint_interval_s: Positive = 30.0
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    start_from: str | None = Field(
        default=None,
        description="model file to go on from instead of pre-training; {molecule}, {member} are filled in",
    )
    linear_beyond: Positive | None = 0.005  # of the label spread: errors beyond count linearly; null: squared
    loss: LossWeights = LossWeights()
    pretrain: PretrainSettings = PretrainSettings()

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if 0 < self.pretrain.n_frames < MIN_PRETRAIN_FRAMES:
            raise ValueError(
                f"train.pretrain.n_frames = {self.pretrain.n_frames} is too few to train and validate on; "
                f"use 0 for no pre-training, or at least {MIN_PRETRAIN_FRAMES}"
            )
        return self


Qm9Target = Literal[
    "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv",
]  # fmt: skip


class Qm9Settings(Settings):
    """QM9, a model per property: the official raw files, an archive of them, or .npz."""

    data: str = Field(description="folder or archive of dsgdb9nsd_*.xyz, or .npz")
    excluded: str | None = Field(default=None, description="uncharacterized.txt: molecules left out")
    atomref: str | None = Field(default=None, description="atomref.txt: energies of free atoms")
    targets: list[Qm9Target] = Field(default=list(get_args(Qm9Target)), min_length=1)
    n_train: Count = 110_000
    n_validation: Count = 10_000
    seed: Seed = 0

    @property
    def sources(self) -> dict[str, str]:
        """The files and folders that are given, by setting."""
        given = {"data": self.data, "excluded": self.excluded, "atomref": self.atomref}
        return {key: source for key, source in given.items() if source}
