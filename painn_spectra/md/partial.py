"""What a run of dynamics has so far, as a trajectory file: closed segments only, the run may go on."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from painn_spectra import keys
from painn_spectra.md.block import lengths
from painn_spectra.md.guards import kept_rows, stopped_in
from painn_spectra.md.segments import join, production_segments, read_samples
from painn_spectra.settings.dynamics import DynamicsSettings

NOT_SPARSE = 0  # band origins and assignments wait for the whole run


def join_so_far(parts: Path, output: Path, molecule: str) -> bool:
    """Join the samples that all begun blocks of `<trajectory>.parts` have; False while there are none."""
    key = json.loads((parts / "key.json").read_text(encoding="utf-8"))
    counts = {}
    for folder in sorted(path for path in parts.iterdir() if path.is_dir()):
        segments = production_segments(folder)
        if segments and kept_rows(folder):
            first, samples = read_samples(segments[-1])
            counts[folder] = first + samples[keys.POTENTIAL_ENERGY].shape[1]
    if not counts:
        return False
    settings = DynamicsSettings.model_validate(key["settings"])
    plan = lengths(settings)
    attributes: dict[str, Any] = {
        "format_version": keys.TRAJECTORY_VERSION,
        "molecule": molecule,
        "dynamics": key["dynamics"],
        "temperature_K": key["temperature_K"],
        "integrator_timestep_fs": settings.timestep_fs,
        "sample_interval_fs": plan.sample_interval_fs,
        "sparse_stride": NOT_SPARSE,
        "stopped": np.array(sorted(replica for f in parts.iterdir() for replica in stopped_in(f)), int),
    }
    join(output, list(counts), min(counts.values()), plan.sparse_stride, attributes)
    return True
