"""The whole config.yaml: quality dial, physics across its sections, and the JSON schema."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from painn_spectra.errors import InputError
from painn_spectra.kinds import beads_of, kind_of
from painn_spectra.settings.base import Settings, validate
from painn_spectra.settings.dynamics import (
    Dynamics,
    DynamicsSettings,
    SpectraSettings,
    TePigsSettings,
    check_range,
    check_sampling,
)
from painn_spectra.settings.molecule import Molecule
from painn_spectra.settings.training import (
    DatasetSettings,
    ModelSettings,
    Qm9Settings,
    SamplingSettings,
    TrainSettings,
)

QUALITY: dict[str, dict[str, dict[str, Any]]] = {
    "quick": {},
    "standard": {
        "model": {"n_features": 128},
        "train": {
            "epochs": 300,
            "pretrain": {"n_frames": 4000, "epochs": 30},
        },
        "md": {"n_replicas": 64, "production_ps": 20.0, "equilibration_ps": 5.0},
    },
    "paper": {
        "model": {"n_features": 128, "n_layers": 3, "n_radial": 20},
        "train": {
            "epochs": 5000,
            "batch_size": 10,
            "optimizer": "adamw",
            "learning_rate": 5e-4,
            "schedule": "plateau",
            "weight_decay": 0.01,
            "pretrain": {"n_frames": 0},
        },
        "md": {"n_replicas": 64, "timestep_fs": 0.2, "record_interval_steps": 5, "production_ps": 50.0,
               "equilibration_ps": 10.0},
    },
}  # fmt: skip


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
        if self.qm9 and self.train.start_from:
            raise ValueError(
                f"train.start_from = {self.train.start_from}: models of QM9 start at random; remove it or qm9"
            )
        if len({name.casefold() for name in names}) < len(names):  # folders, on some disks
            raise ValueError(f"molecules: names {names} repeat; give every entry its own name")
        for molecule in self.molecules:
            for key in ("labels_from", "model_from"):
                source = getattr(molecule, key)
                if source is not None and (source not in names or source == molecule.name):
                    raise ValueError(
                        f"molecules.{molecule.name}.{key}: {source!r} is not another entry; known are {names}"
                    )
        runs = {(kind_of(kind), beads_of(kind, self.md)) for kind in self.dynamics}
        if len(runs) < len(self.dynamics):
            raise ValueError(f"dynamics: kinds {self.dynamics} repeat; name each once")
        if self.spectra.rotation == "removed" and not self.md.record_motion:
            raise ValueError(
                "spectra.rotation = removed: needs the motion of the atoms; set md.record_motion: true"
            )
        if self.md.rotation == "removed" and any(kind.startswith("trpmd") for kind in self.dynamics):
            raise ValueError(
                "md.rotation = removed: the thermostats of trpmd set a molecule turning again; "
                "use spectra.rotation: removed"
            )
        check_range(self.spectra)
        check_sampling(self.md, self.spectra)
        return self


class _UniqueKeys(yaml.SafeLoader):
    """Of two equal keys the last would win without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if repeated := sorted({key for key in keys if keys.count(key) > 1 and key != "<<"}):
            line = node.start_mark.line + 1
            raise InputError(
                f"{', '.join(repeated)} stands twice in the section from line {line} on; keep one"
            )
        return super().construct_mapping(node, deep)


def check_keys(paths: Iterable[Path | str]) -> None:
    """Raise InputError for a key twice in a section of a YAML file."""
    for path in paths:
        try:
            yaml.load(Path(path).read_text(encoding="utf-8"), _UniqueKeys)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (OSError, ValueError, yaml.YAMLError):
            continue  # is told where it is read


def load_config(raw: dict[str, Any]) -> Config:
    """Validate a parsed config.yaml; values set by hand win over those of the quality dial.

    Raises InputError with one line naming the value, the reason and the fix.
    """
    if not isinstance(raw, dict):
        return validate(Config, raw)
    quality = raw.get("quality", "quick")
    preset = QUALITY.get(quality, {}) if isinstance(quality, str) else {}
    return validate(Config, _merge(preset, raw))


def json_schema() -> dict[str, Any]:
    """Schema of config.yaml; `$schema` is what `snakemake.utils.validate` needs to pick the dialect."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
