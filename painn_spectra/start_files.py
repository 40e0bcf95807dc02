"""Checks of the models that `train.start_from` names: before any job starts, and before a training."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from painn_spectra.config import Config
from painn_spectra.errors import InputError
from painn_spectra.settings.training import ModelSettings
from painn_spectra.sources import fill_in, model_source

if TYPE_CHECKING:
    from painn_spectra.model.potential import Potential

MODELS = {"model", "pretraining", "rounds"}  # folders in results/<entry>/


def check_start_files(config: Config, name: str, elements: Sequence[int] = ()) -> None:
    """Raise InputError for a start that is not there, that a job would remove, or that does not fit.

    elements: atomic numbers of the entry's molecule, as far as they are known.
    """
    given = config.train.start_from
    if given is None or model_source(config, name) != name:
        return
    from painn_spectra.model.checkpoint import load_model  # torch would slow every other start of snakemake

    own = {molecule.name for molecule in config.molecules}
    for member in range(config.train.members):
        path = fill_in(given, name, member)
        if set(path) & set("{}"):
            raise InputError(
                f"train.start_from = {given}: only {{molecule}} and {{member}} are filled in; use no others"
            )
        if not Path(path).is_file():
            raise InputError(
                f"train.start_from = {given}: no such file {path}; give a model.pt, or remove the line to "
                "train from random or pre-trained weights"
            )
        check_name("train.start_from", path)
        place = Path(os.path.relpath(path)).parts
        if place[0] == "results" and own & {*place[1:2]} and {*place[2:3]} <= MODELS:  # jobs remove it first
            raise InputError(
                f"train.start_from = {given}: {path} is an output of this config's own entry {place[1]}; "
                "copy it out of results/ and name the copy, or take the entry out of the config"
            )
        check_start(load_model(path), config.model, elements, path)


def check_name(key: str, path: str) -> None:
    """Raise InputError for a path that a command or Snakemake would take for something else."""
    if path.startswith("-") or not path.isprintable() or set(path) & set("{}"):
        raise InputError(
            f"{key} = {path!r} would be taken for an option, or holds braces or characters that do not "
            "print; rename the file, or write ./ before its name"
        )


def check_start(
    potential: "Potential", settings: ModelSettings, elements: Sequence[int], source: Path | str
) -> None:
    """Raise InputError when a model cannot be the start of a training with these settings and elements."""
    for name, value in settings.model_dump().items():
        have = potential.architecture[name]
        if have != value:
            raise InputError(f"model.{name} = {value}: {source} has {have}; use the same or train afresh")
    unknown = set(elements) - set(potential.metadata["elements"])
    if unknown:
        raise InputError(f"atomic numbers {sorted(unknown)} are unknown to {source}; pre-train on them too")
