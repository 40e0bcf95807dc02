"""Energy and forces of many replicas of one molecule without an autograd graph: the fast way on a CPU.

The same function as `Potential`: filters from tables, pair work over undirected pairs, the gradient written
out by hand, all in compiled loops. Dipole and polarizability come from the torch heads.
"""

import sys
import time

import numpy as np
import torch
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.model.pair_kernels import find_pairs
from painn_spectra.model.passes import backward_pass, forward_pass
from painn_spectra.model.potential import Potential
from painn_spectra.model.products import COLUMNS
from painn_spectra.model.workspace import Buffers, make_buffers, pack_weights

BLOCK_ATOMS = 288  # evaluated together: what a layer keeps for the gradient stays in the cache
PAIRS_PER_ATOM = 8  # room at first
ELECTRIC = {keys.DIPOLE, keys.POLARIZABILITY}


def fits(potential: Potential) -> bool:
    """Whether the tiles of the products come out even."""
    return potential.painn.n_features % COLUMNS == 0


class Engine(nn.Module):
    """Stands in for a `Potential` in eval mode on the CPU while the molecule stays the same."""

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential
        self.charge, self.metadata = potential.charge, potential.metadata
        self.weights = pack_weights(potential)
        self.dtype = potential.painn.embedding.weight.dtype
        self.buffers: dict[int, Buffers] = {}
        self.elements = torch.zeros(0, dtype=torch.int64)
        self.numbers = self.elements  # of the last call
        self.energy_scale_eV = float(potential.energy_scale_eV)
        self.energy_offset_eV = 0.0  # of the molecule

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        """As `Potential.forward`, but every row of numbers (b, n) is the same molecule, without padding."""
        if numbers is not self.numbers:  # the dynamics passes the same tensor every step
            if not torch.equal(numbers[0], self.elements):
                self.take_molecule(numbers[0])
            self.numbers = numbers
        size = max(1, BLOCK_ATOMS // numbers.shape[1])
        if len(positions) <= size:
            return self.block(numbers, positions, properties)
        parts = [
            self.block(numbers[first : first + size], positions[first : first + size], properties)
            for first in range(0, len(positions), size)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in properties}

    def compile_loops(self) -> None:
        """Compile them, or read what an earlier process compiled, and tell when they had to be compiled."""
        began = time.monotonic()
        self(torch.ones(1, 2, dtype=torch.int64), torch.eye(2, 3)[None], (keys.ENERGY, keys.FORCES))
        seconds = time.monotonic() - began
        if backward_pass.stats.cache_misses and seconds > 2:
            kept = f", kept in {backward_pass.stats.cache_path}" if backward_pass.stats.cache_path else ""
            print(f"loops of the dynamics compiled in {seconds:.0f} s{kept}", file=sys.stderr)

    def take_molecule(self, elements: Tensor) -> None:
        """What is constant for a molecule: the first layer's scalars and their φ."""
        self.elements = elements.clone()
        self.buffers.clear()
        painn = self.potential.painn
        with torch.no_grad():
            first_s = painn.embedding(elements - 1)  # (n, F)
            self.first_phi = painn.messages[0].phi(first_s)  # type: ignore[operator, union-attr]  # (n, 3F)
        self.first_s = first_s.numpy()
        constant = self.energy_scale_eV * float(self.potential.energy_head.net[2].bias.detach())
        self.energy_offset_eV = float((self.potential.energy_offset_eV[elements] + constant).sum())

    def pairs(self, positions: np.ndarray) -> tuple[Buffers, int]:
        """Buffers for these replicas, with the pairs inside the cutoff filled in, and the number of pairs."""
        b, n = positions.shape[:2]
        room = PAIRS_PER_ATOM * b * n if b not in self.buffers else 0
        while True:
            if room:
                self.buffers[b] = make_buffers(self.weights, b * n, room, self.first_phi.repeat(b, 1))
            space = self.buffers[b]
            cutoff_A = self.potential.painn.cutoff_A
            n_pairs = find_pairs(positions, cutoff_A, space.pairs, space.distances, space.directions)
            if n_pairs <= len(space.pairs):
                return space, n_pairs
            room = n_pairs + n_pairs // 4

    def block(self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...]) -> dict[str, Tensor]:
        """Results for a few replicas."""
        b, n = numbers.shape
        r = positions.detach().double().numpy()
        space, n_pairs = self.pairs(r)
        space.s.reshape(b, n, -1)[:] = self.first_s
        electric = bool(ELECTRIC & set(properties))
        forward_pass(self.weights, space, n_pairs, electric)
        not_a_number = 0 * r  # such atoms have no pair in the list: without this they would pass unseen
        scale = self.energy_scale_eV
        out: dict[str, Tensor] = {}
        if keys.ENERGY in properties:
            net = space.net_energy.reshape(b, n).sum(1) + not_a_number.sum((1, 2))
            out[keys.ENERGY] = torch.from_numpy(self.energy_offset_eV + scale * net)
        if keys.FORCES in properties:
            backward_pass(self.weights, space, n_pairs, electric)
            forces = not_a_number - scale * space.gradient.reshape(b, n, 3)
            out[keys.FORCES] = torch.from_numpy(forces.astype(space.s.dtype))
        if electric:
            s, v = torch.from_numpy(space.s).view(b, n, -1), torch.from_numpy(space.v[-1]).view(b, n, 3, -1)
            real = torch.ones(b, n, dtype=self.dtype)
            with torch.no_grad():
                out |= self.potential.electric(numbers, positions.to(self.dtype), s, v, real, properties)
        return out
