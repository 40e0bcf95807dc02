"""What each command of a stage accepts in `--settings`."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from painn_spectra.settings.base import Count, Positive, Seed, Settings
from painn_spectra.settings.dynamics import Dynamics, DynamicsSettings, TePigsSettings
from painn_spectra.settings.molecule import Isotopes, Method
from painn_spectra.settings.training import (
    DatasetSettings,
    ModelSettings,
    PretrainSettings,
    Qm9Settings,
    SamplingSettings,
    TrainSettings,
)
from painn_spectra.sources import CHUNK_FRAMES

Property = Literal["energy", "forces", "dipole", "polarizability"]


class LabelStage(Settings):
    """Settings of `painn-spectra label`: one chunk of a set of geometries."""

    method: Method = Method()
    charge: int = 0
    multiplicity: Count = 1
    properties: Annotated[tuple[Property, ...], Field(min_length=1)] = get_args(Property)
    derivatives_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
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
    member: Seed = 0
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
