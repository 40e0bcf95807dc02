"""PaiNN with one read-out for one property of QM9 (arXiv:2102.03150)."""

from typing import Any

import numpy as np
import torch
from ase.data import atomic_masses
from numpy.typing import NDArray
from torch import Tensor, nn

from painn_spectra.model.heads import DipoleHead, PolarizabilityHead
from painn_spectra.model.normalise import composition, rms
from painn_spectra.model.painn import N_ELEMENTS, PaiNN, dense_pair
from painn_spectra.settings.training import ModelSettings


class ScalarModel(nn.Module):
    """One number per molecule: offset + scale × read-out.

    sum: Σ_i e(s_i);  mean: its mean, for orbital energies, which do not grow with the molecule;
    dipole: |Σ_i μ_i(v_i) + q_i r_i|;  polarizability: tr α/3;  extent: ⟨R²⟩ = Σ_i q(s_i) |r_i|².
    r_i from the centre of the standard masses | Å.
    """

    def __init__(self, head: str, model: ModelSettings) -> None:
        super().__init__()
        n = model.n_features
        self.head, self.settings = head, model
        self.painn = PaiNN(n, model.n_layers, model.n_radial, model.cutoff_A, model.norm_epsilon)
        self.readout: nn.Module
        if head == "dipole":
            self.readout = DipoleHead(n, model.norm_epsilon)
        elif head == "polarizability":
            self.readout = PolarizabilityHead(n, model.norm_epsilon)
        else:
            self.readout = dense_pair(n, n // 2, 1)
        self.masses_amu: Tensor
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("masses_amu", torch.as_tensor(atomic_masses[: N_ELEMENTS + 1]).float())
        # float64: 10⁷ meV in float32 is ±1 meV
        per_element = torch.zeros(N_ELEMENTS + 1, dtype=torch.float64)  # [0]: of the molecule
        self.register_buffer("offset", per_element)
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(self, numbers: Tensor, positions: Tensor) -> Tensor:
        """numbers: (b, n), 0 pads; positions: (b, n, 3) | Å. Returns (b,) in shown units."""
        s, v = self.painn(numbers, positions)
        real = (numbers > 0).to(s.dtype)
        masses = self.masses_amu[numbers] * real
        centre = torch.einsum("bn,bnx->bx", masses / masses.sum(1, keepdim=True), positions)
        centred = positions - centre.unsqueeze(1)
        if self.head == "dipole":
            neutral = torch.zeros((), dtype=s.dtype, device=s.device)
            net = torch.sqrt(self.readout(s, v, real, centred, neutral).square().sum(1) + 1e-12)
        elif self.head == "polarizability":
            net = self.readout(s, v, real, centred).diagonal(dim1=1, dim2=2).mean(1)
        else:
            each = self.readout(s).squeeze(-1) * real  # (b, n)
            if self.head == "extent":
                each = each * centred.square().sum(-1)
            net = each.sum(1) / (real.sum(1) if self.head == "mean" else 1.0)
        return self.offset[0] + (self.offset[numbers] * real).sum(1) + self.scale * net.double()

    def normalise(self, numbers: NDArray[np.int64], values: NDArray[np.float64], reference: Any) -> None:
        """Offsets and scale from training values (n,), `reference` (n_elements + 1,) of free atoms."""
        offset = np.array(reference, dtype=float)
        if self.head in ("sum", "polarizability"):
            counts = composition(numbers)
            offset += np.linalg.lstsq(counts, values - counts @ offset, rcond=None)[0]
        elif self.head == "mean":
            offset[0] = values.mean()
        self.offset.copy_(torch.as_tensor(offset))
        self.scale.fill_(rms(values - self.baseline(numbers)))

    def baseline(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """What the offsets alone say, (n,) in shown units."""
        offset = self.offset.cpu().numpy()
        return np.asarray(offset[0] + composition(numbers) @ offset)
