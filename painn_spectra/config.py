"""Settings, typed once: defaults, quality dial, cross-field physics and JSON schema all come from here."""

import json
import math
import re
import reprlib
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from painn_spectra.errors import InputError
from painn_spectra.units import LIGHT_CM_FS

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Site = Annotated[str, Field(pattern=r"^[A-Z][a-z]?(-[A-Z][a-z]?)?$")]
Isotopes = dict[
    Annotated[Annotated[int, Field(ge=0)] | Site, Field(union_mode="left_to_right")], Positive
]  # mass in amu by atom index, or by site: H-O is every hydrogen on oxygen
ISOTOPE_IN_SMILES = re.compile(r"\[\d+[A-Za-z]")
EntryName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
DYNAMICS = r"^(classical|tepigs|t?rpmd([1-9][0-9]*)?)$"  # the number is one of beads
Dynamics = Annotated[str, Field(pattern=DYNAMICS)]
USABLE_NYQUIST_FRACTION = 0.6  # beyond it the derivative correction (x/sin x)² diverges
HIGHEST_BAND_CM = 4300.0  # X–H stretches move whatever range is drawn: undersampled, they fold into it
MIN_RANGE_FWHM = 10  # a spectrum narrower than this shows the window, not the molecule
MIN_HIGHEST_CM = 200.0  # below it are rotations
NM_PER_CM = 1e7
FEWEST_TO_STOP_BY = 8  # replicas; the error of fewer is little more than a guess
MIN_PRETRAIN_FRAMES = 20  # a twentieth of them validates


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values cannot be changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)


class Method(Settings):
    """Level of theory of the labels."""

    program: Literal["pyscf", "gpu4pyscf", "gfn2-xtb", "other"] = "pyscf"
    functional: str | None = "PBE0"
    basis: str | None = "def2-TZVP"
    polarizability_basis: str | None = Field(
        default=None, description="another basis for the polarizability alone, e.g. def2-TZVPD"
    )
    dispersion: Literal["D3(BJ)", "D4"] | None = None
    density_fitting: bool = True
    grid_level: Annotated[int, Field(ge=0, le=9)] = 3
    response_grid_level: Annotated[int, Field(ge=0, le=9)] = 1


class Experiment(Settings):
    """Reference data to draw and compare with; paths are relative to the working directory.

    A measured curve may also be an http(s) address: it is fetched once and kept in results/.experiment.
    """

    bands: str | None = Field(
        default=None, description="CSV of published bands; default: config/molecules/<name>/bands.csv"
    )
    ir: str | None = Field(default=None, description="measured IR, path or address: JCAMP-DX or CSV")
    raman: str | None = Field(default=None, description="measured Raman, path or address: JCAMP-DX or CSV")
    fit_scale: bool = Field(
        default=False, description="score again with wavenumbers times a factor fitted to the measured curve"
    )

    @property
    def sources(self) -> dict[str, str]:
        """The files and addresses that are given, by setting."""
        given = {"bands": self.bands, "ir": self.ir, "raman": self.raman}
        return {key: source for key, source in given.items() if source}


class Published(Settings):
    """A published data set with its own split instead of labels: files of rMD17, by path or address."""

    system: Annotated[str, Field(min_length=1)] = Field(description="the molecule's name in published tables")
    labels: Literal["md17", "rmd17"] = Field(description="the original labels or the recomputed ones")
    train: str = Field(description=".npz of the split's training frames, or index_train_01.csv with frames")
    test: str = Field(description=".npz of the split's test frames, or index_test_01.csv with frames")
    frames: str | None = Field(default=None, description="the archive's .npz of all frames, for the indices")
    n_train: Count = 950
    n_validation: Count = 50

    @property
    def sources(self) -> dict[str, str]:
        """The files and addresses that are given, by setting."""
        given = {"train": self.train, "test": self.test, "frames": self.frames}
        return {key: source for key, source in given.items() if source}


class Molecule(Settings):
    """One entry: a molecule at one level of theory and one temperature."""

    name: EntryName
    structure: str | None = Field(
        default=None, description="SMILES, xyz file or ASE name; not needed with shipped labels"
    )
    charge: int = 0
    multiplicity: Count = 1
    isotopes: Isotopes = Field(
        default_factory=dict,
        description="mass in amu by atom index or site, e.g. {H-O: 2.014102}; or write [2H] in the SMILES",
    )
    temperature_K: Positive = 300.0
    method: Method = Method()
    labels: str | None = Field(
        default=None, description="extxyz with REF_ keys; default: config/molecules/<name>/labels.extxyz"
    )
    grow: bool = Field(
        default=False, description="label batches from the model's own dynamics on top of the shipped labels"
    )
    labels_from: EntryName | None = Field(default=None, description="take the data set of this entry")
    model_from: EntryName | None = Field(default=None, description="take the trained model of this entry")
    published: Published | None = Field(
        default=None, description="a published set to measure accuracy on; such entries run no dynamics"
    )
    experiment: Experiment = Experiment()

    @property
    def isotopologue(self) -> Isotopes | str:
        """Isotopes by atom or site, or the SMILES that names them."""
        in_smiles = self.structure and ISOTOPE_IN_SMILES.search(self.structure)
        return self.structure if in_smiles and self.structure and not self.isotopes else self.isotopes

    @model_validator(mode="after")
    def _one_source_of_isotopes(self) -> Self:
        if self.isotopes and self.structure and ISOTOPE_IN_SMILES.search(self.structure):
            raise ValueError(
                f"molecules.{self.name}: isotopes and structure {self.structure} both name isotopes; keep one"
            )
        return self


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
    rounds: Annotated[int, Field(ge=0)] = 1
    frames_per_round: Count = 250
    members: Count = 1
    until_spectrum_change: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_labels: Count | None = None
    model_temperatures_K: Annotated[list[Positive], Field(min_length=1)] = [300.0, 600.0]
    seed: Annotated[int, Field(ge=0)] = 0


class DatasetSettings(Settings):
    """Split of the labelled frames; whole trajectories (`seed`) are held out."""

    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.05
    split_seed: Annotated[int, Field(ge=0)] = 0


class PretrainSettings(Settings):
    """Cheap GFN2-xTB labels around the training geometries, learnt before the real ones; 0 frames: none."""

    n_frames: Annotated[int, Field(ge=0)] = 3000
    temperature_K: Positive = 500.0
    epochs: Count = 50
    learning_rate: Positive = 1e-3


class ModelSettings(Settings):
    """PaiNN's size (arXiv:2102.03150)."""

    n_features: Annotated[int, Field(ge=2, multiple_of=2)] = 64
    n_layers: Count = 3
    n_radial: Count = 20
    cutoff_A: Positive = 5.0


class LossWeights(Settings):
    """Weight of each property's error, every error in units of its label spread in the training set."""

    energy: NonNegative = 0.01
    forces: NonNegative = 1.0
    dipole: NonNegative = 0.1
    polarizability: NonNegative = 0.25

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if not any(weight for _, weight in self):
            raise ValueError(
                "train.loss: all weights are 0, nothing would be learnt; give one a positive weight"
            )
        return self


class TrainSettings(Settings):
    """Training of one ensemble member."""

    members: Count = 1
    epochs: Count = 200
    batch_size: Count = 8
    learning_rate: Positive = 5e-4
    schedule: Literal["cosine", "plateau"] = "cosine"
    weight_decay: NonNegative = 0.01
    plateau_patience_epochs: Count = 15
    early_stopping_epochs: Count = 50
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    gradient_clip: Positive = 10.0
    checkpoint_interval_s: Positive = 30.0
    seed: Annotated[int, Field(ge=0)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    start_from: str | None = Field(
        default=None,
        description="model file to go on from instead of pre-training; {molecule}, {member} are filled in",
    )
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


class DynamicsSettings(Settings):
    """Langevin equilibration at the entry's temperature, then NVE production of all replicas in one batch.

    Ring polymers: `n_beads` where the kind of dynamics names no number of its own; `trpmd_lambda` damps the
    internal modes of TRPMD by 2 λ ω_k.
    """

    n_replicas: Count = 16
    timestep_fs: Positive = 0.5
    equilibration_ps: Positive = 2.0
    friction_per_ps: Positive = 5.0
    production_ps: Positive = 10.0
    until_relative_error: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_replicas: Count = 256
    replicas_per_job: Annotated[int, Field(ge=8, multiple_of=8)] | None = None
    record_interval_steps: Count = 2
    record_motion: bool = True
    checkpoint_interval_ps: Positive = 0.5
    rotation: Literal["kept", "removed"] = "kept"
    n_beads: Count = 32
    trpmd_lambda: NonNegative = 0.5
    seed: Annotated[int, Field(ge=0)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _error_can_be_told(self) -> Self:
        if self.until_relative_error is not None and self.n_replicas < FEWEST_TO_STOP_BY:
            raise ValueError(
                f"md.n_replicas = {self.n_replicas} cannot tell an error to stop by, as until_relative_error "
                f"asks; use at least {FEWEST_TO_STOP_BY}"
            )
        return self


class TePigsSettings(Settings):
    """Te PIGS: path integrals at an elevated temperature, and the small model of what they add to forces."""

    temperature_K: Positive = 500.0
    n_beads: Annotated[int, Field(ge=2)] = 32
    n_replicas: Annotated[int, Field(ge=2)] = 16
    n_frames: Count = 4000
    interval_fs: Positive = 5.0
    equilibration_ps: Positive = 0.5
    n_features: Annotated[int, Field(ge=2, multiple_of=2)] = 32
    n_layers: Count = 2
    epochs: Count = 30
    batch_size: Count = 16
    learning_rate: Positive = 2e-3
    seed: Annotated[int, Field(ge=0)] = 0


class SpectraSettings(Settings):
    """Spectra from the autocorrelations; `fwhm_cm` is the width of the lag window's transform."""

    fwhm_cm: Positive = 10.0
    window: Literal["gaussian", "hann"] = "gaussian"
    rotation: Literal["kept", "removed"] = "kept"
    control_variates: bool = True
    laser_nm: Positive = 532.0
    min_wavenumber_cm: NonNegative = 100.0
    max_wavenumber_cm: Positive = 4000.0


QUALITY: dict[str, dict[str, dict[str, Any]]] = {
    "quick": {},
    "standard": {
        "model": {"n_features": 128},
        "train": {"epochs": 600, "pretrain": {"n_frames": 4000, "epochs": 60}},
        "md": {"n_replicas": 64, "production_ps": 20.0, "equilibration_ps": 5.0},
    },
    "paper": {
        "model": {"n_features": 128, "n_layers": 3},
        "train": {
            "epochs": 5000,
            "batch_size": 10,
            "learning_rate": 5e-4,
            "schedule": "plateau",
            "weight_decay": 0.01,
            "pretrain": {"n_frames": 0},
        },
        "md": {"n_replicas": 64, "timestep_fs": 0.2, "record_interval_steps": 5, "production_ps": 50.0,
               "equilibration_ps": 10.0},
    },
}  # fmt: skip


Qm9Target = Literal[
    "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv",
]  # fmt: skip


class Qm9Settings(Settings):
    """QM9, a model per property: the official raw files, an archive of them, or .npz."""

    data: str = Field(description="folder or archive of dsgdb9nsd_*.xyz, or .npz")
    excluded: str | None = Field(default=None, description="uncharacterized.txt: molecules left out")
    atomref: str | None = Field(default=None, description="atomref.txt: energies of free atoms")
    targets: Annotated[list[Qm9Target], Field(min_length=1)] = list(get_args(Qm9Target))
    n_train: Count = 110_000
    n_validation: Count = 10_000
    seed: Annotated[int, Field(ge=0)] = 0


class Config(Settings):
    """The whole of config.yaml."""

    quality: Literal["quick", "standard", "paper"] = "quick"
    molecules: list[Molecule]
    qm9: Qm9Settings | None = Field(default=None, description="accuracy on QM9, beside or without molecules")
    dynamics: list[Dynamics] = Field(
        default=["classical"],
        min_length=1,
        description="classical, rpmd, trpmd, tepigs; a number behind rpmd or trpmd is one of beads: trpmd16",
    )
    sampling: SamplingSettings = SamplingSettings()
    dataset: DatasetSettings = DatasetSettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    md: DynamicsSettings = DynamicsSettings()
    tepigs: TePigsSettings = TePigsSettings()
    spectra: SpectraSettings = SpectraSettings()

    @model_validator(mode="after")
    def _physics(self) -> Self:
        names = [molecule.name for molecule in self.molecules]
        if not names and self.qm9 is None:
            raise ValueError("molecules: names no entry; give one at least")
        if len(set(names)) < len(names):
            raise ValueError(f"molecules: names {names} repeat; give every entry its own name")
        for molecule in self.molecules:
            for key in ("labels_from", "model_from"):
                source = getattr(molecule, key)
                if source is not None and (source not in names or source == molecule.name):
                    raise ValueError(
                        f"molecules.{molecule.name}.{key}: {source!r} is not another entry; known are {names}"
                    )
        if len(set(self.dynamics)) < len(self.dynamics):
            raise ValueError(f"dynamics: kinds {self.dynamics} repeat; name each once")
        if self.md.rotation == "removed" and any(kind.startswith("trpmd") for kind in self.dynamics):
            raise ValueError(
                "md.rotation = removed: the thermostats of trpmd set a molecule turning again; "
                "use spectra.rotation: removed"
            )
        check_range(self.spectra)
        check_sampling(self.md, self.spectra)
        return self


def check_range(spectra: SpectraSettings) -> None:
    """Raise ValueError when the range drawn is empty, holds no bands or lies beyond the laser."""
    lowest, highest = spectra.min_wavenumber_cm, spectra.max_wavenumber_cm
    if lowest >= highest:
        raise ValueError(
            f"spectra.min_wavenumber_cm = {lowest:g} is not below "
            f"max_wavenumber_cm = {highest:g}; swap or widen them"
        )
    if highest < MIN_HIGHEST_CM:
        raise ValueError(
            f"spectra.max_wavenumber_cm = {highest:g} is below all vibrations; "
            f"use at least {MIN_HIGHEST_CM:g}"
        )
    if highest - lowest < MIN_RANGE_FWHM * spectra.fwhm_cm:
        raise ValueError(
            f"spectra.fwhm_cm = {spectra.fwhm_cm:g} leaves no bands apart between {lowest:g} and "
            f"{highest:g} cm-1; use at most {(highest - lowest) / MIN_RANGE_FWHM:g} or widen the range"
        )
    if highest >= NM_PER_CM / spectra.laser_nm:
        raise ValueError(
            f"spectra.laser_nm = {spectra.laser_nm:g} is a line at {NM_PER_CM / spectra.laser_nm:g} cm-1, "
            f"which cannot excite max_wavenumber_cm = {highest:g}; "
            f"use less than {NM_PER_CM / highest:.0f} nm"
        )


def check_sampling(md: DynamicsSettings, spectra: SpectraSettings) -> None:
    """Raise ValueError when the run cannot carry the spectrum asked for."""
    highest = max(spectra.max_wavenumber_cm, HIGHEST_BAND_CM)
    period_fs = 1 / (LIGHT_CM_FS * highest)
    if md.timestep_fs > period_fs / 8:
        raise ValueError(
            f"md.timestep_fs = {md.timestep_fs:g} gives fewer than 8 steps per period at "
            f"{highest:g} cm-1, where X-H bonds vibrate; use at most {math.floor(12.5 * period_fs) / 100:.2f}"
        )
    interval_fs = md.timestep_fs * md.record_interval_steps
    longest_fs = USABLE_NYQUIST_FRACTION / (2 * LIGHT_CM_FS * highest)
    if interval_fs > longest_fs:
        raise ValueError(
            f"md.record_interval_steps = {md.record_interval_steps} records every {interval_fs:g} fs, beyond "
            f"{USABLE_NYQUIST_FRACTION:g} of Nyquist at {highest:g} cm-1, so that X-H bands fold into the "
            f"spectrum; use at most {int(longest_fs / md.timestep_fs)} steps"
        )
    window_ps = window_length_fs(spectra.fwhm_cm) / 1e3
    if window_ps > md.production_ps:
        raise ValueError(
            f"spectra.fwhm_cm = {spectra.fwhm_cm:g} needs correlations over {window_ps:.1f} ps, but "
            f"md.production_ps = {md.production_ps:g}; lengthen the run or widen fwhm_cm to "
            f"{spectra.fwhm_cm * window_ps / md.production_ps:.1f}"
        )


def window_length_fs(fwhm_cm: float) -> float:
    """Lag at which a Gaussian window of spectral width `fwhm_cm` has fallen to exp(-4.5), three sigma."""
    return 3.0 * math.sqrt(8 * math.log(2)) / (2 * math.pi * LIGHT_CM_FS * fwhm_cm)


def load_config(raw: dict[str, Any]) -> Config:
    """Validate a parsed config.yaml; values set by hand win over those of the quality dial.

    Raises InputError with one line naming the value, the reason and the fix.
    """
    if not isinstance(raw, dict):
        return validate(Config, raw)
    quality = raw.get("quality", "quick")
    preset = QUALITY.get(quality, {}) if isinstance(quality, str) else {}
    return validate(Config, _merge(preset, raw))


def validate(model: type[S], raw: Any) -> S:
    """Build settings from plain data; raise InputError in one line instead of pydantic's page."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InputError("; ".join(_one_line(model, detail) for detail in error.errors())) from None


def parse_settings(model: type[S], text: str) -> S:
    """Settings from the JSON text of `--settings`."""
    return validate(model, parse_object(text))


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that `--settings` holds."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--settings {text!r}: not JSON ({error}); pass an object like '{{}}'") from None
    if not isinstance(raw, dict):
        raise InputError(f"--settings {text!r}: not an object; pass one like '{{}}'")
    return raw


def json_schema() -> dict[str, Any]:
    """Schema of config.yaml; `$schema` is what `snakemake.utils.validate` needs to pick the dialect."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _one_line(model: type[BaseModel], detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or model.__name__.lower()
    if detail["type"] == "extra_forbidden":
        owner: Any = model
        for part in detail["loc"][:-1]:
            if isinstance(part, str):
                owner = owner.model_fields[part].annotation
                owner = getattr(owner, "__args__", [owner])[0]
        known = ", ".join(owner.model_fields) if hasattr(owner, "model_fields") else "see config/README.md"
        return f"{where}: unknown setting; known here are {known}"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":
        return message
    return f"{where} = {reprlib.repr(detail['input'])}: {message}; see config/README.md"
