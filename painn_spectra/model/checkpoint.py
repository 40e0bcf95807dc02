"""Model files: a state_dict and a JSON header, read with `weights_only`, never a pickled module."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict
from torch import nn

from painn_spectra import __version__, keys
from painn_spectra.errors import InputError, first_line
from painn_spectra.files import write_bytes
from painn_spectra.model.potential import Potential
from painn_spectra.settings.base import validate
from painn_spectra.settings.training import ModelSettings

FORMAT_VERSION = 2  # 2: the header tells which properties were learnt; models of format 1 have learnt all
READABLE = (1, 2)


class Architecture(ModelSettings):
    """What a header says of the network: every value is checked, a model file can be edited by hand."""

    model_config = ConfigDict(strict=True)
    charge: int = 0


def save_model(path: Path | str, potential: Potential, metadata: dict[str, Any]) -> None:
    """Write architecture, weights, offsets and `metadata`, JSON-able.

    metadata: elements, properties, level_of_theory, errors and what else is known of the training.
    """
    header = {
        "format_version": FORMAT_VERSION,
        "program": f"painn-spectra {__version__}",
        "architecture": potential.architecture,
        "units": {"energy": "eV", "forces": "eV/Å", "dipole": "e·Å", "polarizability": "Å³"},
        "metadata": metadata,
    }
    buffer = io.BytesIO()
    torch.save({"header": json.dumps(header), "state": potential.state_dict()}, buffer)
    write_bytes(path, buffer.getbuffer())


def read_archive(path: Path | str) -> Any:
    """What torch.save wrote, a model or a checkpoint. Raises InputError for anything else, or where damaged.

    Nothing in the file is executed. torch.load compares no checksum: flipped bits would be other weights.
    """
    try:
        content = io.BytesIO(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check path and permissions") from None
    try:
        with zipfile.ZipFile(content) as archive:  # older formats of torch are none
            if damaged := archive.testzip():
                raise ValueError(damaged)
        content.seek(0)
        return torch.load(content, map_location="cpu", weights_only=True)
    except Exception:  # torch's own words advise to load untrusted pickles
        raise InputError(
            f"{path}: not a painn-spectra model or checkpoint, or a damaged one; train it again"
        ) from None


def load_model(path: Path | str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Potential:
    """Read a model file into a potential in eval mode. Raises InputError for anything else than our file.

    Nothing is made that is larger than what the file holds.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such model file; train one with 'snakemake train' or correct the path")
    content = read_archive(path)
    try:
        header, state = json.loads(content["header"]), dict(content["state"])
        version, architecture, metadata = (
            header[key] for key in ("format_version", "architecture", "metadata")
        )
        elements = [int(z) for z in metadata.get("elements", [])]
        if not {*metadata.get("properties", keys.PROPERTIES)} <= {*keys.PROPERTIES}:
            raise ValueError(f"properties {metadata['properties']}")
        shapes = {name: tuple(value.shape) for name, value in state.items()}
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        reason = first_line(error)
        raise InputError(f"{path}: header of no painn-spectra model ({reason}); train it again") from None
    if version not in READABLE:
        raise InputError(
            f"{path}: model format {version}, this program reads {READABLE[0]} to {READABLE[-1]}; "
            "update it or train the model again"
        )
    try:
        validate(Architecture, architecture)
        if architecture["n_layers"] > len(state):
            raise ValueError(f"{architecture['n_layers']} layers")
        with torch.device("meta"):  # shapes without memory
            expected = {name: tuple(v.shape) for name, v in Potential(**architecture).state_dict().items()}
        wrong = sorted(name for name in {*expected, *shapes} if expected.get(name) != shapes.get(name))
        if wrong:
            raise ValueError(f"{wrong[0]}: {shapes.get(wrong[0])}, not {expected.get(wrong[0])}")
        if not all(value.is_floating_point() and value.isfinite().all() for value in state.values()):
            raise ValueError("NaN, infinity or no numbers at all")
        potential = Potential(**architecture)
        potential.load_state_dict(state)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError, OverflowError) as error:
        reason = first_line(error)
        raise InputError(f"{path}: weights do not fit the architecture ({reason}); train it again") from None
    potential.metadata = metadata | {"elements": elements}
    return potential.to(device=device, dtype=dtype).eval()


def load_members(paths: Sequence[Path]) -> list[Potential]:
    """The models of an ensemble. Raises InputError where means over them would mix what they are."""
    places = [Path(path).resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise InputError(f"{path}: is named twice, which would count it double; name each model once")
    members = [load_model(path) for path in paths]
    for path, member in zip(paths, members, strict=True):
        for word, of in (("properties", learnt), ("charge", lambda one: one.charge)):
            if of(member) != of(members[0]):
                raise InputError(
                    f"{path}: was trained on other {word} ({of(member)}) than {paths[0]} ({of(members[0])}); "
                    "an ensemble's members learn the same"
                )
    return members


def learnt(potential: nn.Module) -> tuple[str, ...]:
    """Properties that a model was trained on; the other read-outs hold random numbers."""
    known = getattr(potential, "metadata", {}).get("properties", keys.PROPERTIES)
    return tuple(name for name in keys.PROPERTIES if name in known)


def check_learnt(potential: nn.Module, wanted: Sequence[str], source: Path | str) -> None:
    """Raise InputError when a model was not trained on one of the properties `wanted`."""
    missing = [name for name in wanted if name not in learnt(potential)]
    if missing:
        raise InputError(
            f"{source}: was trained without {' and '.join(missing)}; train a model with labels of it and a "
            f"positive train.loss.{missing[0]}"
        )
