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
    errors are small ends when it ends; one that broke) are left out. What names the bands' motions is the
    first member's.
    """
    first = members[0]
    if len(members) == 1:
        return first
    rows = common_rows(members)
    n_replicas = len(rows[0])
    models = {}
    for name in DENSITIES:
        densities = [getattr(spectra, name) for spectra in members]
        if all(density is not None for density in densities):
            shapes = {density.shape[1:] for density in densities}
            if len(shapes) > 1:
                raise InputError(f"members differ in the grid of {name}, {sorted(shapes)}; run them alike")
            models[name] = np.array([density[own] for density, own in zip(densities, rows, strict=True)])
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


def common_rows(members: Sequence[Spectra]) -> list[list[int]]:
    """For every member the rows of the replicas that all members have, in the order of their numbers."""
    numbers = []
    for spectra in members:
        stopped = {int(word) for word in spectra.metadata.get("stopped_replicas", "").split()}
        started = range(int(spectra.metadata["n_replicas"]) + len(stopped))
        numbers.append([number for number in started if number not in stopped])
    shared = set(numbers[0]).intersection(*numbers[1:])
    if not shared:
        raise InputError("the members have no replica in common; run their dynamics again")
    return [[row for row, number in enumerate(own) if number in shared] for own in numbers]
