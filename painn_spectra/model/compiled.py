"""A trained potential on a GPU through torch.compile: a step is a replayed CUDA graph, not 900 launches."""

import copy
import sys
from collections import Counter

import torch
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.errors import first_line
from painn_spectra.model.potential import Potential

PATIENCE = 200  # calls of one shape before it is worth a minute of compiling


class Compiled(nn.Module):
    """Stands in for a `Potential` in eval mode; the plain one at first, and for good where compiling fails.

    Compiled anew for each set of properties and each number of replicas; torch ends this after eight of them.
    """

    def __init__(self, potential: Potential, backend: str = "inductor", patience: int = PATIENCE) -> None:
        super().__init__()
        self.plain = copy.deepcopy(potential).eval().requires_grad_(False)
        # CUDA graphs; other backends have no modes
        mode = "reduce-overhead" if backend == "inductor" else None
        self.fast = torch.compile(self.plain, fullgraph=True, dynamic=False, backend=backend, mode=mode)
        self.patience = patience
        self.calls: Counter[object] = Counter()
        self.fails = False

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        """As `Potential.forward`."""
        shape = (numbers.shape, properties)
        self.calls[shape] += 1
        if not self.fails and self.calls[shape] > self.patience:
            try:
                torch.compiler.cudagraph_mark_step_begin()
                out = self.fast(numbers, positions, properties)
                return {name: value.clone() for name, value in out.items()}  # the next replay overwrites them
            except Exception as error:  # no compiler, too many shapes, no memory for another graph
                reason = first_line(error)[:100]
                print(f"dynamics step not compiled ({reason}): it runs more slowly", file=sys.stderr)
                self.fails = True
        return self.plain(numbers, positions, properties)  # type: ignore[no-any-return]
