"""Offsets and scales of the read-outs, taken from the training labels."""

import numpy as np
import torch

from painn_spectra import keys
from painn_spectra.model.potential import Potential


def set_offsets(potential: Potential, numbers: np.ndarray, labels: dict[str, np.ndarray]) -> None:
    """Set the per-element offsets and the unit of every read-out.

    numbers: (n_frames, n_atoms), 0 = padding; labels as named in keys.py. Offsets are least squares over the
    composition (minimum norm: for a single molecule every element's share is arbitrary, their sum is not).
    Scales of tensors are uncentred root mean squares: a mean subtracted from a vector would break rotation.
    """
    counts = np.stack([(numbers == z).sum(1) for z in range(len(potential.energy_offset_eV))], axis=1)
    energy = np.linalg.lstsq(counts, labels[keys.ENERGY], rcond=None)[0]  # (n_elements,) | eV
    mean_alpha = np.trace(labels[keys.POLARIZABILITY], axis1=1, axis2=2) / 3  # (n_frames,) | Å³
    alpha = np.linalg.lstsq(counts, mean_alpha, rcond=None)[0]  # (n_elements,) | Å³
    deviation = labels[keys.POLARIZABILITY] - (counts @ alpha)[:, None, None] * np.eye(3)
    potential.energy_offset_eV.copy_(torch.as_tensor(energy))
    potential.polarizability_offset_A3.copy_(torch.as_tensor(alpha))
    real = numbers > 0
    potential.energy_scale_eV.fill_(_rms(labels[keys.FORCES][real]))  # eV/Å times 1 Å
    potential.dipole_scale_eA.fill_(_rms(labels[keys.DIPOLE]))
    potential.polarizability_scale_A3.fill_(_rms(deviation))


def label_spreads(
    potential: Potential, numbers: np.ndarray, labels: dict[str, np.ndarray]
) -> dict[str, float]:
    """Spread of each property's labels about its offset: the unit of its error in the loss."""
    offsets = potential.energy_offset_eV.cpu().numpy()[numbers].sum(1)
    return {
        keys.ENERGY: _rms(labels[keys.ENERGY] - offsets),
        keys.FORCES: float(potential.energy_scale_eV),
        keys.DIPOLE: float(potential.dipole_scale_eA),
        keys.POLARIZABILITY: float(potential.polarizability_scale_A3),
    }


def _rms(values: np.ndarray) -> float:
    """Root mean square, 1 where all values vanish (the dipole of methane's equilibrium)."""
    root = float(np.sqrt(np.mean(np.square(values))))
    return root if root > 1e-12 else 1.0
