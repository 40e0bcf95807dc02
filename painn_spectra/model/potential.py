"""One joint model: energy, forces, dipole and polarizability in physical units."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.model.heads import DipoleHead, EnergyHead, PolarizabilityHead
from painn_spectra.model.painn import N_ELEMENTS, PUBLISHED_EPSILON, PaiNN


class Potential(nn.Module):
    """PaiNN with its heads, and the label offsets and scales as buffers: predictions carry absolute units.

    E = Σ_i ε(Z_i) + k_E E_net;  F = −∂E/∂r;  μ = k_μ μ_net;  α = Σ_i ᾱ(Z_i) 1 + k_α α_net.
    Positions enter μ and α relative to the centre of mass of the *standard* atomic masses, so that both are
    translation invariant and isotopes change neither.
    """

    def __init__(
        self,
        n_features: int,
        n_layers: int,
        n_radial: int,
        cutoff_A: float,
        standard_masses_amu: np.ndarray | None = None,
        charge: int = 0,
        norm_epsilon: float = PUBLISHED_EPSILON,
    ) -> None:
        super().__init__()
        self.architecture = {
            "n_features": n_features, "n_layers": n_layers, "n_radial": n_radial, "cutoff_A": cutoff_A,
            "norm_epsilon": norm_epsilon, "charge": charge,
        }  # fmt: skip
        self.metadata: dict[str, Any] = {}
        self.charge = charge
        self.painn = PaiNN(n_features, n_layers, n_radial, cutoff_A, norm_epsilon)
        self.energy_head = EnergyHead(n_features)
        self.dipole_head = DipoleHead(n_features, norm_epsilon)
        self.polarizability_head = PolarizabilityHead(n_features, norm_epsilon)
        masses = np.ones(N_ELEMENTS + 1) if standard_masses_amu is None else standard_masses_amu
        self.masses_amu: Tensor
        self.energy_offset_eV: Tensor
        self.polarizability_offset_A3: Tensor
        self.energy_scale_eV: Tensor
        self.dipole_scale_eA: Tensor
        self.polarizability_scale_A3: Tensor
        per_element = torch.zeros(N_ELEMENTS + 1, dtype=torch.float64)  # index = atomic number
        self.register_buffer("masses_amu", torch.as_tensor(masses[: N_ELEMENTS + 1], dtype=torch.float64))
        self.register_buffer("energy_offset_eV", per_element.clone())
        self.register_buffer("polarizability_offset_A3", per_element.clone())
        for name in ("energy_scale_eV", "dipole_scale_eA", "polarizability_scale_A3"):
            self.register_buffer(name, torch.ones((), dtype=torch.float64))

    def _apply(self, fn: Any, recurse: bool = True) -> "Potential":
        """Offsets stay float64 whatever the precision of the network: −4215 eV in float32 is ±0.2 meV."""
        exact = {name: buffer.clone() for name, buffer in self.named_buffers(recurse=False)}
        super()._apply(fn, recurse)
        for name, buffer in exact.items():
            setattr(self, name, buffer.to(getattr(self, name).device))
        return self

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        """numbers: (b, n), 0 = padding; positions: (b, n, 3) | Å. Returns the arrays named in keys.py.

        In training mode the results carry a graph (forces too); in eval mode they are detached.
        """
        positions = positions.to(self.painn.filters.weight.dtype)
        real = (numbers > 0).to(positions.dtype)
        gradient = None
        with torch.set_grad_enabled(self.training or keys.FORCES in properties):
            if keys.FORCES in properties:
                gradient, (net_energy, s, v) = self._gradient(numbers, positions, real)
            else:
                _, (net_energy, s, v) = self._net_energy(positions, numbers, real)
        with torch.set_grad_enabled(self.training):
            out = self.assemble(numbers, positions, real, properties, net_energy, gradient, s, v)
        return {name: out[name] if self.training else out[name].detach() for name in properties}

    def assemble(
        self,
        numbers: Tensor,
        positions: Tensor,
        real: Tensor,
        properties: tuple[str, ...],
        net_energy: Tensor,
        gradient: Tensor | None,
        s: Tensor,
        v: Tensor,
    ) -> dict[str, Tensor]:
        """Properties from what the network gives: net_energy (b,), its gradient (b, n, 3), s and v."""
        out = self.electric(numbers, positions, s, v, real, properties)
        if keys.FORCES in properties:
            assert gradient is not None
            out[keys.FORCES] = -gradient * self.energy_scale_eV.to(gradient.dtype)
        if keys.ENERGY in properties:
            offset = self.energy_offset_eV[numbers].sum(1)
            out[keys.ENERGY] = offset + self.energy_scale_eV * net_energy.double()
        return out

    def _net_energy(
        self, positions: Tensor, numbers: Tensor, real: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Sum over the batch, to differentiate; and energies (b,), s and v."""
        s, v = self.painn(numbers, positions)
        net_energy = self.energy_head(s, v, real)
        return net_energy.sum(), (net_energy, s, v)

    def _gradient(
        self, numbers: Tensor, positions: Tensor, real: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """∂E_net/∂r (b, n, 3), and what `_net_energy` returns beside the sum."""
        if torch.compiler.is_compiling():  # the compiler refuses to differentiate twice through autograd.grad
            return torch.func.grad(self._net_energy, has_aux=True)(positions, numbers, real)
        positions = positions.detach().requires_grad_()
        total, rest = self._net_energy(positions, numbers, real)
        (gradient,) = torch.autograd.grad(
            total, positions, create_graph=self.training, retain_graph=self.training
        )
        return gradient, rest

    def electric(
        self,
        numbers: Tensor,
        positions: Tensor,
        s: Tensor,
        v: Tensor,
        real: Tensor,
        properties: tuple[str, ...],
    ) -> dict[str, Tensor]:
        out: dict[str, Tensor] = {}
        if keys.DIPOLE not in properties and keys.POLARIZABILITY not in properties:
            return out
        masses = self.masses_amu.to(positions.dtype)[numbers] * real  # (b, n) | amu
        fractions = masses / masses.sum(1, keepdim=True)
        centred = positions - torch.einsum("bn,bnx->bx", fractions, positions).unsqueeze(1)  # (b, n, 3) | Å
        if not self.training:
            s, v, centred = s.detach(), v.detach(), centred.detach()
        if keys.DIPOLE in properties:
            scale = self.dipole_scale_eA.to(s.dtype)
            out[keys.DIPOLE] = scale * self.dipole_head(s, v, real, centred, self.charge / scale)
        if keys.POLARIZABILITY in properties:
            offset = self.polarizability_offset_A3[numbers].sum(1).to(s.dtype)
            identity = torch.eye(3, dtype=s.dtype, device=s.device)
            net = self.polarizability_head(s, v, real, centred)
            scale = self.polarizability_scale_A3.to(s.dtype)
            out[keys.POLARIZABILITY] = offset[:, None, None] * identity + scale * net
        return out
