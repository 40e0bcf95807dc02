"""Read-outs: energy from scalars, electric tensors from gated equivariant blocks (arXiv:2102.03150)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from painn_spectra.model.painn import dense_pair, vector_norm


class EnergyHead(nn.Module):
    """E = Σ_i e(s_i), Dense(F→F/2) SiLU Dense(F/2→1)."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.net = dense_pair(n_features, n_features // 2, 1)

    def forward(self, s: Tensor, v: Tensor, real: Tensor) -> Tensor:
        """s: (b, n, F); real: (b, n), 1 for atoms and 0 for padding. Returns (b,)."""
        return (self.net(s).squeeze(-1) * real).sum(1)


class GatedBlock(nn.Module):
    """Gated equivariant block: scalars gate a linear map of the vectors."""

    def __init__(self, n_in: int, n_out: int, last: bool, epsilon: float) -> None:
        super().__init__()
        self.n_out, self.last, self.epsilon = n_out, last, epsilon
        self.mix = nn.Linear(n_in, 2 * n_out, bias=False)
        self.net = dense_pair(n_in + n_out, n_in, 2 * n_out)

    def forward(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """s: (b, n, n_in); v: (b, n, 3, n_in). Returns (b, n, n_out) and (b, n, 3, n_out)."""
        for_norm, for_output = (functional.linear(v, half) for half in self.mix.weight.chunk(2))
        s, gate = self.net(torch.cat([s, vector_norm(for_norm, self.epsilon)], dim=-1)).chunk(2, dim=-1)
        return s if self.last else functional.silu(s), gate.unsqueeze(-2) * for_output


class AtomicTensors(nn.Module):
    """Two gated blocks (F → F/2 → 1): one scalar and one vector per atom."""

    run_first: Callable[[GatedBlock, Tensor, Tensor], tuple[Tensor, Tensor]] | None = None  # in its place

    def __init__(self, n_features: int, epsilon: float) -> None:
        super().__init__()
        self.first = GatedBlock(n_features, n_features // 2, last=False, epsilon=epsilon)
        self.second = GatedBlock(n_features // 2, 1, last=True, epsilon=epsilon)

    def forward(self, s: Tensor, v: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Returns scalars (b, n) and vectors (b, n, 3), zero on padding."""
        first = self.first(s, v) if self.run_first is None else self.run_first(self.first, s, v)
        scalar, vector = self.second(*first)
        return scalar.squeeze(-1) * real, vector.squeeze(-1) * real.unsqueeze(-1)


class DipoleHead(nn.Module):
    """μ = Σ_i μ_i(v_i) + q_i(s_i) r_i, with Σ q_i constrained to the total charge."""

    def __init__(self, n_features: int, norm_epsilon: float) -> None:
        super().__init__()
        self.atomic = AtomicTensors(n_features, norm_epsilon)

    def forward(self, s: Tensor, v: Tensor, real: Tensor, centred: Tensor, total_charge: Tensor) -> Tensor:
        """centred: (b, n, 3) | Å; total_charge: () in the unit of the output per Å. Returns (b, 3)."""
        charges, dipoles = self.atomic(s, v, real)
        excess = (charges.sum(1) - total_charge) / real.sum(1)  # (b,)
        charges = charges - real * excess.unsqueeze(1)
        return (dipoles + charges.unsqueeze(-1) * centred).sum(1)


class PolarizabilityHead(nn.Module):
    """α = Σ_i α0_i(s_i) 1 + ν_i(v_i)⊗r_i + r_i⊗ν_i(v_i).

    The positions must be relative to a centre that moves with the molecule: with absolute ones the paper's
    read-out is not translation invariant.
    """

    def __init__(self, n_features: int, norm_epsilon: float) -> None:
        super().__init__()
        self.atomic = AtomicTensors(n_features, norm_epsilon)

    def forward(self, s: Tensor, v: Tensor, real: Tensor, centred: Tensor) -> Tensor:
        """centred: (b, n, 3) | Å. Returns (b, 3, 3)."""
        isotropic, vectors = self.atomic(s, v, real)
        outer = torch.einsum("bnx,bny->bxy", vectors, centred)
        identity = torch.eye(3, dtype=s.dtype, device=s.device)
        return isotropic.sum(1)[:, None, None] * identity + outer + outer.transpose(1, 2)
