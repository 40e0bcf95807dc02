"""Radial basis and cutoff of PaiNN (arXiv:2102.03150, eqs. 13-14 of Gasteiger et al. arXiv:2003.03123)."""

import math

import torch
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
