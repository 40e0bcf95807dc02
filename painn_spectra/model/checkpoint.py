"""Model files: a state_dict and a JSON header, read with `weights_only`, never a pickled module."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from painn_spectra import __version__, keys
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path
from painn_spectra.model.potential import Potential

FORMAT_VERSION = 2  # 2: the header tells which properties were learnt; models of format 1 have learnt all
READABLE = (1, 2)


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
    with atomic_path(path) as temporary:
        torch.save({"header": json.dumps(header), "state": potential.state_dict()}, temporary)


def load_model(path: Path | str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Potential:
    """Read a model file into a potential in eval mode. Raises InputError for anything else than our file."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such model file; train one with 'snakemake train' or correct the path")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        header = json.loads(content["header"])
        version = header["format_version"]
    except Exception:  # torch's own words advise to load untrusted pickles
        raise InputError(f"{path}: not a painn-spectra model, or a damaged one; train it again") from None
    if version not in READABLE:
        raise InputError(
            f"{path}: model format {version}, this program reads {READABLE[0]} to {READABLE[-1]}; "
            "update it or train the model again"
        )
    potential = Potential(**header["architecture"])
    try:
        potential.load_state_dict(content["state"])
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: weights do not fit the architecture ({reason}); train it again") from None
    potential.metadata = header["metadata"]
    return potential.to(device=device, dtype=dtype).eval()


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
