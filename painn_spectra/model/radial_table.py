"""The radial channels of PaiNN as piecewise polynomials, which dynamics reads instead of sines, and the
matrices that make its filters W(r) f_cut(r) of them."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from painn_spectra.model.lanes import LANES
from painn_spectra.model.painn import PaiNN

PHASE_STEP = {np.dtype(np.float32): 0.8, np.dtype(np.float64): 0.1}  # of the fastest sine, radians
COEFFICIENTS = 6  # of a polynomial of degree 5


def radial_polynomials(painn: PaiNN, dtype: np.dtype) -> NDArray:
    """Coefficients of the radial channels times the cutoff, (n_intervals, 6, n_radial + 1), float64.

    Interval k of width h holds r = (k + ½ + t) h, |t| ≤ ½; coefficient m belongs to t^m. The last channel is
    the cutoff itself, which the bias of the filters multiplies. The polynomials interpolate at Chebyshev's
    nodes: of the fastest channel's amplitude the value is wrong by at most (θ/2)⁶/23040, the slope by 12/θ
    times as much, θ being the phase step.
    """
    cutoff = painn.cutoff_A
    order = math.pi / cutoff * np.arange(1, painn.n_radial + 1)  # | 1/Å
    n_intervals = math.ceil(order[-1] * cutoff / PHASE_STEP[dtype])
    t = 0.5 * np.cos(math.pi * (np.arange(COEFFICIENTS) + 0.5) / COEFFICIENTS)
    r = (np.arange(n_intervals)[:, None, None] + 0.5 + t[:, None]) * cutoff / n_intervals  # Å
    cut = 0.5 * (np.cos(math.pi / cutoff * r) + 1)
    values = np.concatenate([np.sin(order * r) / r, np.ones_like(r)], axis=-1) * cut
    return np.linalg.inv(np.vander(t, increasing=True)) @ values


def radial_table(painn: PaiNN, dtype: np.dtype) -> NDArray:
    """The radial channels in groups, (n_intervals, n_groups, 6, LANES), which begin at `starts_of_groups`."""
    polynomials = radial_polynomials(painn, dtype)
    starts = starts_of_groups(polynomials.shape[-1])
    table = np.zeros((len(polynomials), len(starts), COEFFICIENTS, LANES), dtype)
    done = 0
    for group, start in enumerate(starts):
        own = polynomials[..., done : start + LANES]  # channels of the group before it stay zero
        table[:, group, :, done - start : done - start + own.shape[-1]] = own
        done = start + LANES
    return table


def starts_of_groups(n_channels: int) -> NDArray[np.int64]:
    """First channel of each group of LANES; the last overlaps the one before and does not reach beyond."""
    n = -(-n_channels // LANES)
    return np.minimum(LANES * np.arange(n), max(0, n_channels - LANES))


def filter_weights(painn: PaiNN) -> NDArray:
    """From radial channels to filters, (n_layers, 3, F, n_radial + 1), float64; s, vs, vv; bias last."""
    linear = painn.filters
    weight = torch.cat([linear.weight, linear.bias[:, None]], dim=1).detach().double().numpy()
    return weight.reshape(len(painn.messages), 3, painn.n_features, -1)


def filter_matrices(painn: PaiNN, dtype: np.dtype) -> NDArray:
    """The same in the order of reading, (n_layers, F/LANES, n_radial + 1, 3, LANES)."""
    weights = filter_weights(painn)
    n_layers, _, n_features, n_channels = weights.shape
    groups = weights.reshape(n_layers, 3, n_features // LANES, LANES, n_channels)
    return np.ascontiguousarray(groups.transpose(0, 2, 4, 1, 3), dtype=dtype)
