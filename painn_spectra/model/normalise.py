"""Offsets and scales of the read-outs, from the labels or from what an earlier model leaves of them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.model.painn import N_ELEMENTS
from painn_spectra.model.potential import Potential

Array = NDArray[np.float64]
ROUNDING = 1e-6  # in any label's unit: more than float64 leaves of 1e6 eV, less than methods converge to
CALIBRATED = (0.1, 10.0)  # a read-out further off than by these factors tells nothing about the new labels


def set_offsets(potential: Potential, numbers: NDArray[np.int64], labels: dict[str, Array]) -> None:
    """Set the per-element offsets and the unit of every read-out that has labels.

    numbers: (n_frames, n_atoms), 0 = padding; labels as named in keys.py. Offsets are least squares over the
    composition (minimum norm: for a single molecule every element's share is arbitrary, their sum is not).
    Scales of tensors are uncentred root mean squares: a mean subtracted from a vector would break rotation.
    """
    spreads = label_spreads(numbers, labels)
    counts = composition(numbers)
    if keys.ENERGY in labels:
        potential.energy_offset_eV.copy_(_least_squares(counts, labels[keys.ENERGY]))
    if keys.POLARIZABILITY in labels:
        mean_alpha = _mean_alpha(labels)
        potential.polarizability_offset_A3.copy_(_least_squares(counts, mean_alpha))
        potential.polarizability_scale_A3.fill_(spreads[keys.POLARIZABILITY])
    if keys.DIPOLE in labels:
        potential.dipole_scale_eA.fill_(spreads[keys.DIPOLE])
    unit = keys.FORCES if keys.FORCES in labels else keys.ENERGY  # eV/Å times 1 Å, or eV
    if unit in labels:
        potential.energy_scale_eV.fill_(spreads[unit])


def carry_over(
    potential: Potential, numbers: NDArray[np.int64], labels: dict[str, Array], predicted: dict[str, Array]
) -> None:
    """Fit offsets and scales of a trained model to the labels of another level of theory or molecule.

    predicted: what the model says on the same frames, of the properties it has learnt. Scales are multiplied
    by the least-squares slope of labels against predictions, 1 at the same level of theory, and offsets take
    what the network then leaves. Read-outs never trained, or far off, begin as in `set_offsets`.
    """
    old = {name: getattr(potential, name).clone() for name in (
        "energy_offset_eV", "polarizability_offset_A3", "energy_scale_eV", "dipole_scale_eA",
        "polarizability_scale_A3",
    )}  # fmt: skip
    set_offsets(potential, numbers, labels)
    known, counts = set(labels) & set(predicted), composition(numbers)
    if keys.DIPOLE in known:
        slope = _slope(labels[keys.DIPOLE], predicted[keys.DIPOLE])
        if _calibrated(slope):
            potential.dipole_scale_eA.copy_(slope * old["dipole_scale_eA"])
    if known & {keys.ENERGY, keys.FORCES}:
        slope, network = 0.0, np.zeros(len(counts))
        if keys.ENERGY in known:
            network = predicted[keys.ENERGY] - counts @ old["energy_offset_eV"].cpu().numpy()
            design = np.column_stack([network, counts])
            slope = float(np.linalg.lstsq(design, labels[keys.ENERGY], rcond=None)[0][0])
        if keys.FORCES in known:  # they tell it better
            slope = _slope(labels[keys.FORCES], predicted[keys.FORCES])
        if _calibrated(slope):
            potential.energy_scale_eV.copy_(slope * old["energy_scale_eV"])
            if keys.ENERGY in labels:
                rest = labels[keys.ENERGY] - slope * network
                potential.energy_offset_eV.copy_(_least_squares(counts, rest))
    if keys.POLARIZABILITY in known:
        before = counts @ old["polarizability_offset_A3"].cpu().numpy()
        network = predicted[keys.POLARIZABILITY] - before[:, None, None] * np.eye(3)
        diagonal = counts[:, None, None, :] * np.eye(3)[None, :, :, None]  # (n_frames, 3, 3, n_elements)
        design = np.concatenate([network[..., None], diagonal], axis=-1)
        found = np.linalg.lstsq(
            design.reshape(-1, design.shape[-1]), labels[keys.POLARIZABILITY].ravel(), rcond=None
        )[0]
        if _calibrated(found[0]):
            potential.polarizability_scale_A3.copy_(found[0] * old["polarizability_scale_A3"])
            potential.polarizability_offset_A3.copy_(torch.as_tensor(found[1:]))


def label_spreads(numbers: NDArray[np.int64], labels: dict[str, Array]) -> dict[str, float]:
    """Spread of each property's labels about its offset: the unit of its error in the loss."""
    counts, spreads = composition(numbers), {}
    for name, values in labels.items():
        if name == keys.FORCES:
            values = values[numbers > 0]
        elif name == keys.ENERGY:
            values = values - counts @ _least_squares(counts, values).numpy()
        elif name == keys.POLARIZABILITY:
            offset = counts @ _least_squares(counts, _mean_alpha(labels)).numpy()
            values = values - offset[:, None, None] * np.eye(3)
        spreads[name] = rms(values)
    return spreads


def composition(numbers: NDArray[np.int64]) -> Array:
    """Atoms of each element, (n_frames, n_elements + 1); column = atomic number."""
    counts = np.stack([(numbers == z).sum(1) for z in range(N_ELEMENTS + 1)], axis=1)
    counts[:, 0] = 0  # padding
    return counts.astype(float)


def _least_squares(counts: Array, values: Array) -> torch.Tensor:
    return torch.as_tensor(np.linalg.lstsq(counts, values, rcond=None)[0])


def _mean_alpha(labels: dict[str, Array]) -> Any:
    return np.trace(labels[keys.POLARIZABILITY], axis1=1, axis2=2) / 3  # (n_frames,) | Å³


def _slope(labels: Array, predicted: Array) -> float:
    square = float(np.sum(predicted * predicted))
    return float(np.sum(labels * predicted)) / square if square else 0.0


def _calibrated(slope: float) -> bool:
    return CALIBRATED[0] < slope < CALIBRATED[1]


def rms(values: Array) -> float:
    """Root mean square, 1 where nothing is left but rounding: the dipole of methane, one frame's energy."""
    root = float(np.sqrt(np.mean(np.square(values))))
    return root if root > ROUNDING else 1.0
