"""What the engine keeps between calls: weights without history, and buffers for a block of atoms."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from painn_spectra.model.filter_table import filter_tables
from painn_spectra.model.potential import Potential


class Weights:
    """One list entry per layer; matrices as torch.nn.Linear stores them, (n_out, n_in)."""

    def __init__(self, potential: Potential) -> None:
        painn = potential.painn
        self.n_features, self.n_layers, self.cutoff_A = painn.n_features, len(painn.messages), painn.cutoff_A
        self.embedding = painn.embedding.weight.detach()
        self.dtype = self.embedding.dtype
        self.phi = [[p.detach() for p in message.phi.parameters()] for message in painn.messages]
        self.mix = [update.mix.weight.detach() for update in painn.updates]
        self.gate = [[p.detach() for p in update.a.parameters()] for update in painn.updates]
        self.energy = [p.detach() for p in potential.energy_head.net.parameters()]
        self.tables = filter_tables(painn, self.embedding.numpy().dtype)
        self.inverse_step = (self.tables.shape[1] - 2) / painn.cutoff_A  # 1/Å


class Buffer:
    """Memory of (n_atoms, ..., n): for the compiled loops, and as rows of matrix products."""

    def __init__(self, dtype: torch.dtype, *shape: int) -> None:
        tensor = torch.zeros(shape, dtype=dtype)
        self.array: NDArray = tensor.numpy()
        self.rows: Tensor = tensor.view(-1, shape[-1])


class LayerBuffers:
    """What the forward pass of a layer leaves for the gradient."""

    def __init__(self, dtype: torch.dtype, n: int, f: int) -> None:
        self.phi_hidden = Buffer(dtype, n, f)
        self.phi = Buffer(dtype, n, 3 * f)
        self.v = Buffer(dtype, n, 3, f)  # after the layer
        self.uv = Buffer(dtype, n, 3, 2 * f)
        self.norm = Buffer(dtype, n, f)
        self.gate_hidden = Buffer(dtype, n, f)
        self.gate = Buffer(dtype, n, 3 * f)


class Workspace:
    """Buffers for n atoms and their pairs."""

    def __init__(self, weights: Weights, n: int) -> None:
        f, dtype = weights.n_features, weights.dtype
        self.dtype = dtype
        self.layers = [LayerBuffers(dtype, n, f) for _ in range(weights.n_layers)]
        self.s, self.active, self.hidden = (Buffer(dtype, n, f) for _ in range(3))
        self.narrow_gate, self.narrow_hidden = Buffer(dtype, n, 2 * f), Buffer(dtype, n, f // 2)
        self.narrow_active = Buffer(dtype, n, f // 2)
        self.grad_s, self.grad_norm = Buffer(dtype, n, f), Buffer(dtype, n, f)
        self.grad_phi, self.grad_gate = Buffer(dtype, n, 3 * f), Buffer(dtype, n, 3 * f)
        self.grad_narrow_gate = Buffer(dtype, n, 2 * f)
        self.grad_v, self.grad_v_in = Buffer(dtype, n, 3, f), Buffer(dtype, n, 3, f)
        self.grad_uv = Buffer(dtype, n, 3, 2 * f)
        self.gradient = np.zeros((n, 3))
        self.reserve_pairs(16 * n)

    def reserve_pairs(self, n_pairs: int) -> None:
        """Room for so many pairs."""
        self.pairs = np.zeros((n_pairs, 2), np.int64)
        self.distances = Buffer(self.dtype, n_pairs).array  # | Å
        self.directions = Buffer(self.dtype, n_pairs, 3).array
