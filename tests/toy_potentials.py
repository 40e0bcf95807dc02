"""Small analytic molecules with the interface of the trained model: fast, exact, and known in closed form."""

import json
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_masses
from ase.io import write
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.units import AMU_A2_FS2_IN_EV, LIGHT_CM_FS

GEOMETRIES = {
    "water": ("OH2", [[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]),
    "peroxide": ("O2H2", [[0.0, 0.0, 0.0], [1.45, 0.0, 0.0], [-0.17, 0.95, 0.0], [1.62, -0.36, 0.88]]),
    "carbon dioxide": ("CO2", [[0.0, 0.0, 0.0], [1.16, 0.0, 0.0], [-1.16, 0.0, 0.0]]),
    "hydrogen": ("H2", [[0.0, 0.0, 0.0], [0.74, 0.0, 0.0]]),
}
CHARGES = {1: 0.3, 6: 0.6, 8: -0.3}  # e; a molecule's mean is taken out


class Toy(nn.Module):
    """Springs between all pairs, and where these leave a motion free a term of the angle.

    Peroxide has no H–H spring but a torsion a cos φ + b cos 2φ; its minima, cos φ = −a/4b, are mirror images.
    Carbon dioxide bends against 3 eV (1 + cos θ). The dipole's origin is the centre of the standard masses.
    """

    def __init__(self, name: str, charge: float = 0.0, loosest_eV_A2: float = 10.0) -> None:
        super().__init__()
        self.charge = charge
        self.torsion, self.bend = name == "peroxide", name == "carbon dioxide"
        geometry = torch.tensor(GEOMETRIES[name][1], dtype=torch.float64)
        pairs = torch.triu_indices(len(geometry), len(geometry), 1)
        if self.torsion:
            pairs = pairs[:, :-1]
        self.register_buffer("pairs", pairs)
        lengths = (geometry[pairs[0]] - geometry[pairs[1]]).norm(dim=1)  # (n_pairs,) | Å
        self.register_buffer("lengths", lengths)
        self.register_buffer("stiffness", torch.where(lengths < 1.47, 40.0, loosest_eV_A2))  # eV/Å²

    def energy(self, r: Tensor) -> Tensor:
        i, j = self.pairs
        stretch = (r[:, i] - r[:, j]).norm(dim=2) - self.lengths
        energy = 0.5 * (self.stiffness * stretch**2).sum(1)
        if self.torsion:
            axis = r[:, 1] - r[:, 0]
            one, other = (torch.linalg.cross(r[:, h] - r[:, o], axis) for h, o in ((2, 0), (3, 1)))
            cosine = nn.functional.cosine_similarity(one, other)
            energy = energy + 0.045 * cosine + 0.03 * (2 * cosine**2 - 1)  # eV
        if self.bend:
            arms = r[:, 1:] - r[:, :1]
            energy = energy + 3.0 * (1 + nn.functional.cosine_similarity(arms[:, 0], arms[:, 1]))  # eV
        return energy

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        with torch.enable_grad():
            r = positions.detach().requires_grad_()
            energy = self.energy(r)
            (gradient,) = torch.autograd.grad(energy.sum(), r)
        charges = torch.zeros_like(positions[:, :, 0])
        for element, charge in CHARGES.items():
            charges[numbers == element] = charge
        charges = charges - charges.mean(1, keepdim=True) + self.charge / charges.shape[1]
        masses = torch.as_tensor(atomic_masses, device=positions.device)[numbers]
        centre = (masses[:, :, None] * positions).sum(1, keepdim=True) / masses.sum(1)[:, None, None]
        i, j = self.pairs
        arms = positions[:, i] - positions[:, j]
        out = {
            keys.ENERGY: energy.detach(),
            keys.FORCES: -gradient,
            keys.DIPOLE: (charges[:, :, None] * (positions - centre)).sum(1),
            keys.POLARIZABILITY: torch.einsum("rpx,rpy->rxy", arms, arms) + torch.eye(3),
        }
        return {name: out[name] for name in properties}


class Well(nn.Module):
    """Independent atoms in isotropic wells ½ k r²: everything about it is known."""

    def __init__(self, stiffness_eV_A2: float) -> None:
        super().__init__()
        self.stiffness = stiffness_eV_A2

    def forward(self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...]) -> dict[str, Tensor]:
        energy = 0.5 * self.stiffness * positions.square().sum((1, 2))
        return {keys.ENERGY: energy, keys.FORCES: -self.stiffness * positions}


class Hydroxyl(nn.Module):
    """O–H in three dimensions with a Morse bond: ω_e 3877 cm⁻¹, D_e 5.1 eV, 0.97 Å; μ = 0.3 e·r, α = r·1."""

    depth_eV, length_A, charge_e = 5.1, 0.97, 0.3
    masses_amu = (15.994915, 1.007825)

    def __init__(self) -> None:
        super().__init__()
        reduced = self.masses_amu[0] * self.masses_amu[1] / sum(self.masses_amu)
        omega = 2 * np.pi * LIGHT_CM_FS * 3877.0  # rad/fs
        self.width = float(omega * np.sqrt(reduced * AMU_A2_FS2_IN_EV / (2 * self.depth_eV)))  # 1/Å

    def morse(self, r: Tensor) -> Tensor:
        return self.depth_eV * (1 - torch.exp(-self.width * (r - self.length_A))) ** 2

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        bond = positions[:, 1] - positions[:, 0]
        r = bond.norm(dim=1, keepdim=True)
        fall = torch.exp(-self.width * (r - self.length_A))
        pull = 2 * self.depth_eV * self.width * (1 - fall) * fall * bond / r  # (n, 3) | eV/Å, on O
        out = {
            keys.ENERGY: self.morse(r[:, 0]),
            keys.FORCES: torch.stack([pull, -pull], 1),
            keys.DIPOLE: self.charge_e * bond,
            keys.POLARIZABILITY: r[:, :, None] * torch.eye(3, dtype=r.dtype),
        }
        return {name: out[name] for name in properties}


def load_hydroxyl(path: Path, device: str) -> Hydroxyl:
    return Hydroxyl().to(device)


def load_toy(path: Path, device: str) -> Toy:
    """Stands in for `load_model`; module level, so that worker processes can import it."""
    return Toy(**json.loads(Path(path).read_text(encoding="utf-8"))).to(device)


def write_inputs(folder: Path, name: str, n_frames: int = 12, **toy: float) -> tuple[Path, Path]:
    """A model file and a data set of shaken, turned geometries of one toy molecule."""
    symbols, geometry = GEOMETRIES[name]
    rng = np.random.default_rng(1)
    model, dataset = folder / "model.pt", folder / "dataset.extxyz"
    model.write_text(json.dumps({"name": name, **toy}), encoding="utf-8")
    frames = [
        Atoms(symbols, geometry + 0.03 * rng.standard_normal((len(geometry), 3))) for _ in range(n_frames)
    ]
    for frame in frames:
        frame.rotate(rng.uniform(0, 360), rng.standard_normal(3))
    write(dataset, frames, format="extxyz")
    return model, dataset
