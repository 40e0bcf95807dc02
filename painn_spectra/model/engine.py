"""Many replicas of one molecule without an autograd graph: the fast way on a CPU.

The same function as `Potential`: filters from tables, pair work over undirected pairs, the gradient written
out by hand, the heads too, all in one compiled call.
"""

import sys
import time

import numpy as np
import torch
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.model.passes import evaluate
from painn_spectra.model.potential import Potential
from painn_spectra.model.products import COLUMNS
from painn_spectra.model.workspace import Buffers, Molecule, make_buffers, pack_molecule, pack_weights

BLOCK_ATOMS = 144  # evaluated together; between 18 and 288 the cost is the same
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
        self.spaces: dict[int, Buffers] = {}  # by number of replicas
        self.numbers = torch.zeros(0, dtype=torch.int64)  # of the last call
        self.elements = self.numbers
        self.molecule: Molecule

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        """As `Potential.forward`, but every row of numbers (b, n) is the same molecule, without padding."""
        if numbers is not self.numbers:  # the dynamics passes the same tensor every step
            if not torch.equal(numbers[0], self.elements):
                self.elements = numbers[0].clone()
                self.molecule = pack_molecule(self.potential, self.elements)
                self.spaces.clear()
            self.numbers = numbers
        b, n = positions.shape[:2]
        r = np.ascontiguousarray(positions.detach().numpy(), dtype=np.float64)
        out = {
            keys.ENERGY: np.empty(b),
            keys.FORCES: np.empty((b, n, 3)),
            keys.DIPOLE: np.empty((b, 3)),
            keys.POLARIZABILITY: np.empty((b, 3, 3)),
        }
        with_forces, electric = keys.FORCES in properties, not ELECTRIC.isdisjoint(properties)
        size = max(1, BLOCK_ATOMS // n)
        whole = b - b % size
        for part, replicas in ((slice(0, whole), size), (slice(whole, b), b - whole)):
            if len(r[part]):
                self.blocks(replicas, r[part], with_forces, electric, *(one[part] for one in out.values()))
        return {
            name: torch.from_numpy(out[name]).to(torch.float64 if name == keys.ENERGY else self.dtype)
            for name in properties
        }

    def blocks(
        self, b: int, positions: np.ndarray, with_forces: bool, electric: bool, *out: np.ndarray
    ) -> None:
        """Fill in results for blocks of b replicas, with more room for pairs where it is needed."""
        n = positions.shape[1]
        room = 0 if b in self.spaces else PAIRS_PER_ATOM * b * n
        while True:
            if room:
                self.spaces[b] = make_buffers(self.weights, self.molecule, b, room)
            space = self.spaces[b]
            n_pairs = evaluate(self.weights, self.molecule, space, positions, with_forces, electric, *out)
            if n_pairs <= len(space.pairs):
                return
            room = n_pairs + n_pairs // 4

    def compile_loops(self) -> None:
        """Compile them, or read what an earlier process compiled, and tell when they had to be compiled."""
        began = time.monotonic()
        self(torch.ones(1, 2, dtype=torch.int64), torch.eye(2, 3)[None])
        seconds = time.monotonic() - began
        if evaluate.stats.cache_misses and seconds > 2:
            kept = f", kept in {evaluate.stats.cache_path}" if evaluate.stats.cache_path else ""
            print(f"loops compiled in {seconds:.0f} s{kept}", file=sys.stderr)
