"""PaiNN: polarizable atom interaction network (Schütt, Unke, Gastegger 2021, arXiv:2102.03150).

Molecules are small, so every pair of atoms is computed (dense layout, no neighbour list); molecules of
different size share a batch by padding with atomic number 0.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from painn_spectra.model.radial import cosine_cutoff, sine_basis

N_ELEMENTS = 94  # H to Pu; with this table the paper's size counts 588.3 k parameters
PUBLISHED_EPSILON = 1e-8  # under the root of |Vv|, of model files that tell none


def dense_pair(n_in: int, n_hidden: int, n_out: int) -> nn.Sequential:
    """Dense SiLU Dense, the paper's atom-wise network."""
    return nn.Sequential(nn.Linear(n_in, n_hidden), nn.SiLU(), nn.Linear(n_hidden, n_out))


def vector_norm(vectors: Tensor, epsilon: float) -> Tensor:
    """√(v² + ε) over the Cartesian axis. vectors: (..., 3, n_features). Returns (..., n_features).

    |v| has a kink at zero, where v is on sites of high symmetry (methane's carbon): so would have the energy.
    """
    return torch.sqrt(vectors.square().sum(-2) + epsilon)


class Message(nn.Module):
    """Δs_i = Σ_j φ_s(s_j)∘W_s(r_ij);  Δv_i = Σ_j v_j∘φ_vv∘W_vv + Σ_j φ_vs∘W_vs r⃗_ij/r_ij."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.phi = dense_pair(n_features, n_features, 3 * n_features)

    def forward(
        self, s: Tensor, v: Tensor | None, filters: tuple[Tensor, Tensor, Tensor], directions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """s: (b, n, F); v: (b, n, 3, F) or None while zero; filters W_s, W_vs, W_vv: (b, n, n, F) each;
        directions: (b, n, n, 3)."""
        phi_s, phi_vs, phi_vv = self.phi(s).unsqueeze(1).chunk(3, dim=-1)  # (b, 1, j, F)
        w_s, w_vs, w_vv = filters
        delta_s = (phi_s * w_s).sum(2)
        delta_v = torch.einsum("bijc,bijf->bicf", directions, phi_vs * w_vs)
        if v is not None:
            delta_v = delta_v + ((phi_vv * w_vv).unsqueeze(3) * v.unsqueeze(1)).sum(2)
        return delta_s, delta_v


class Update(nn.Module):
    """Δs_i = a_ss + a_sv⟨Uv_i, Vv_i⟩;  Δv_i = a_vv∘Uv_i, all a = a(s_i, |Vv_i|)."""

    def __init__(self, n_features: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.mix = nn.Linear(n_features, 2 * n_features, bias=False)  # U and V
        self.a = dense_pair(2 * n_features, n_features, 3 * n_features)

    def forward(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """s: (b, n, F); v: (b, n, 3, F). Returns (Δs, Δv)."""
        uv, vv = (functional.linear(v, half) for half in self.mix.weight.chunk(2))
        a_ss, a_sv, a_vv = self.a(torch.cat([s, vector_norm(vv, self.epsilon)], dim=-1)).chunk(3, dim=-1)
        return a_ss + a_sv * (uv * vv).sum(-2), a_vv.unsqueeze(-2) * uv


class PaiNN(nn.Module):
    """Representation: atoms and positions -> scalar and vector features per atom."""

    def __init__(
        self, n_features: int, n_layers: int, n_radial: int, cutoff_A: float, norm_epsilon: float
    ) -> None:
        super().__init__()
        if not 0 < norm_epsilon < math.inf:
            raise ValueError(f"norm_epsilon = {norm_epsilon}")
        self.n_features, self.n_radial, self.cutoff_A = n_features, n_radial, cutoff_A
        self.norm_epsilon = norm_epsilon
        self.embedding = nn.Embedding(N_ELEMENTS, n_features)
        self.filters = nn.Linear(n_radial, n_layers * 3 * n_features)  # W of all layers at once
        self.messages = nn.ModuleList(Message(n_features) for _ in range(n_layers))
        self.updates = nn.ModuleList(Update(n_features, norm_epsilon) for _ in range(n_layers))

    def forward(self, numbers: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """numbers: (b, n), 0 = padding; positions: (b, n, 3) | Å. Returns s (b, n, F) and v (b, n, 3, F)."""
        n_atoms = numbers.shape[1]
        vectors = positions.unsqueeze(1) - positions.unsqueeze(2)  # (b, i, j, 3) | Å, r_j − r_i
        real = numbers > 0
        self_pair = torch.eye(n_atoms, dtype=torch.bool, device=numbers.device)
        valid = real.unsqueeze(1) & real.unsqueeze(2) & ~self_pair  # (b, i, j)
        squared = torch.where(valid, vectors.square().sum(-1), 1.0)  # a dummy 1 Å keeps sqrt differentiable
        distances = squared.sqrt()  # (b, i, j) | Å
        directions = vectors / distances.unsqueeze(-1)
        filters = self._filters(distances, valid)
        s = self.embedding((numbers - 1).clamp(min=0))
        v: Tensor | None = None
        for message, update, layer_filters in zip(self.messages, self.updates, filters, strict=True):
            delta_s, delta_v = message(s, v, layer_filters, directions)
            s = s + delta_s
            v = delta_v if v is None else v + delta_v
            delta_s, delta_v = update(s, v)
            s, v = s + delta_s, v + delta_v
        assert v is not None
        return s, v

    def _filters(self, distances: Tensor, valid: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """W(r) f_cut(r) of every layer: (b, n, n, F) for s, vs and vv.

        The cutoff multiplies the few radial channels (the bias as one more) instead of the many filters.
        """
        cutoff = (cosine_cutoff(distances, self.cutoff_A) * valid).unsqueeze(-1)
        basis = torch.cat([sine_basis(distances, self.n_radial, self.cutoff_A) * cutoff, cutoff], dim=-1)
        weight = torch.cat([self.filters.weight, self.filters.bias.unsqueeze(1)], dim=1)
        parts = [functional.linear(basis, part) for part in weight.split(self.n_features)]
        return [(parts[k], parts[k + 1], parts[k + 2]) for k in range(0, len(parts), 3)]
