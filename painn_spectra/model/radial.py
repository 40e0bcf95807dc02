"""Radial basis and cutoff of PaiNN (arXiv:2102.03150, eqs. 13-14 of Gasteiger et al. arXiv:2003.03123)."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def sine_basis(distances_A: Tensor, n_radial: int, cutoff_A: float) -> Tensor:
    """sin(nπr/r_c)/r for n = 1..n_radial.

    distances_A: (...) | Å, strictly positive. Returns (..., n_radial) | 1/Å.
    """
    order = torch.arange(1, n_radial + 1, dtype=distances_A.dtype, device=distances_A.device)
    r = distances_A.unsqueeze(-1)
    return torch.sin(order * (math.pi / cutoff_A) * r) / r


def cosine_cutoff(distances_A: Tensor, cutoff_A: float) -> Tensor:
    """½(cos(πr/r_c) + 1) inside r_c, 0 outside; continuous with its first derivative."""
    inside = distances_A < cutoff_A
    return 0.5 * (torch.cos(distances_A * (math.pi / cutoff_A)) + 1.0) * inside


def basis_and_slope(distances_A: NDArray, n_radial: int, cutoff_A: float) -> tuple[NDArray, NDArray]:
    """The basis times the cutoff with the cutoff as one channel more, and d/dr of it; r inside r_c.

    distances_A: (n,) | Å. Returns two arrays (n, n_radial + 1), in the order of `sine_basis`.
    """
    k = math.pi / cutoff_A  # 1/Å
    r = distances_A[:, None]
    order = k * np.arange(1, n_radial + 1)
    cut, cut_slope = 0.5 * (np.cos(k * r) + 1.0), -0.5 * k * np.sin(k * r)
    sine = np.sin(order * r) / r
    slope = (order * np.cos(order * r) - sine) / r
    return np.hstack([sine * cut, cut]), np.hstack([slope * cut + sine * cut_slope, cut_slope])
