"""The filters W(r) f_cut(r) of PaiNN as quintic Hermite tables: dynamics reads them instead of sines."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from painn_spectra.model.lanes import LANES
from painn_spectra.model.painn import PaiNN

PHASE_STEP = {np.dtype(np.float32): 0.5, np.dtype(np.float64): 0.05}  # of the fastest sine, radians


def filter_tables(painn: PaiNN, dtype: np.dtype) -> NDArray:
    """Tables of all layers, (n_layers, n_intervals + 2, F/8, 3, 3, 8): node, feature, filter, order, feature.

    At node k, r = k h with h = r_c / n_intervals, lie W, h W' and h² W'' of the filters s, vs, vv, in the
    order in which a loop over eight features reads them. The node past r_c is zero. Between nodes the
    derivative of the fastest radial channel is wrong by at most
    7.5e-5 (phase step)⁵ of its amplitude, from f⁽⁶⁾ h⁶ t³(1−t)³/720.
    """
    cutoff = painn.cutoff_A
    order = math.pi / cutoff * np.arange(1, painn.n_radial + 1)  # | 1/Å
    n_intervals = math.ceil(order[-1] * cutoff / PHASE_STEP[dtype])
    step = cutoff / n_intervals  # Å
    r = step * np.arange(n_intervals + 1)[:, None]  # (n_intervals + 1, 1) | Å
    r[0] = 1.0  # replaced below
    sine = np.sin(order * r) / r
    slope = (order * np.cos(order * r) - sine) / r
    bend = (-(order**2) * np.sin(order * r) - 2 * slope) / r
    sine[0], slope[0], bend[0] = order, 0.0, -(order**3) / 3
    r[0] = 0.0
    one, zero = np.ones_like(r), np.zeros_like(r)  # the bias is one channel more
    basis = [np.hstack(pair) for pair in ((sine, one), (slope, zero), (bend, zero))]
    k = math.pi / cutoff  # 1/Å
    cut = 0.5 * (np.cos(k * r) + 1)
    cut_slope, cut_bend = -0.5 * k * np.sin(k * r), -0.5 * k**2 * np.cos(k * r)
    product = (
        basis[0] * cut,
        step * (basis[1] * cut + basis[0] * cut_slope),
        step**2 * (basis[2] * cut + 2 * basis[1] * cut_slope + basis[0] * cut_bend),
    )
    linear = painn.filters
    weight = torch.cat([linear.weight, linear.bias[:, None]], dim=1).detach().double().numpy()
    table = np.stack([values @ weight.T for values in product], axis=1)  # (n_intervals + 1, 3, n_layers 3F)
    table = np.pad(table, ((0, 1), (0, 0), (0, 0)))
    n_nodes, n_layers = len(table), len(painn.messages)
    table = table.reshape(n_nodes, 3, n_layers, 3, -1, LANES)
    return np.ascontiguousarray(table.transpose(2, 0, 4, 3, 1, 5), dtype=dtype)
