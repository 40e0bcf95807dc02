"""Spectra of an ensemble's members as one: their mean, with the models' disagreement kept beside it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.spectra.analysis import DENSITIES, Spectra


def ensemble(members: Sequence[Spectra]) -> Spectra:
    """The mean over members of every replica's densities, and the members' own in `models`.

    A replica has the same start in all members, so its mean over them is one sample of the ensemble, and the
    standard error over replicas is that of sampling alone. Replicas that some members lack (a run until its
    errors are small ends when it ends) are left out. What names the bands' motions is the first member's.
    """
    first = members[0]
    if len(members) == 1:
        return first
    n_replicas = min(int(spectra.metadata["n_replicas"]) for spectra in members)
    models = {}
    for name in DENSITIES:
        densities = [getattr(spectra, name) for spectra in members]
        if all(density is not None for density in densities):
            shapes = {density.shape[1:] for density in densities}
            if len(shapes) > 1:
                raise InputError(f"members differ in the grid of {name}, {sorted(shapes)}; run them alike")
            models[name] = np.array([density[:n_replicas] for density in densities])
    known = f"{100 / np.sqrt(2 * (len(members) - 1)):.0f} %"  # √(2/f)/2 of a standard deviation
    metadata = first.metadata | {
        "n_replicas": str(n_replicas),
        "n_models": str(len(members)),
        "model_error": f"standard deviation of one of {len(members)} trained models about their mean, the "
        f"sampling's variance subtracted, itself known to {known}; apart from the standard error, which "
        "holds none of it; errors that the models share, of labels and method, are in neither",
    }
    means: dict[str, Any] = {
        name: models[name].mean(axis=0) if name in models else None for name in DENSITIES
    }
    return dataclasses.replace(first, metadata=metadata, models=models, **means)
