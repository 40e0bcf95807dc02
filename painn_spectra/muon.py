"""Muon for matrices: momentum made orthogonal, so that a layer learns alike in all directions; AdamW else.

K. Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024); the rate is scaled as in
arXiv:2502.16982, so that one learning rate suits both parts.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
# p(x) = ax + bx³ + cx⁵ five times takes singular values of 0.003 to 1 to between 0.7 and 1.2
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
RMS = 0.2  # of an update's elements before the rate, as of AdamW's
SMALLEST = 3  # rows or columns of a matrix: the last layers' one or two outputs have no directions to balance


def is_hidden(name: str, parameter: Tensor) -> bool:
    """Whether Muon moves it: a layer's weights, not the elements' embedding, whose rows learn apart."""
    return parameter.ndim == 2 and min(parameter.shape) >= SMALLEST and "embedding" not in name


class MuonAdamW:
    """One optimizer for parameters that lie in `flat` in the order of `ordered`."""

    def __init__(
        self,
        flat: nn.Parameter,
        shapes: Iterable[tuple[bool, torch.Size]],
        learning_rate: float,
        decay: float,
    ) -> None:
        """shapes: of the parameters in `flat`, whether Muon moves each; these last, equal shapes together."""
        assert flat.grad is not None
        self.decay, self.blocks, first = decay, [], 0
        for (muon, shape), equal in groupby(shapes):
            size = len(list(equal)) * shape.numel()
            if muon:
                part = slice(first, first + size)
                values, gradient = (one[part].view(-1, *shape) for one in (flat.detach(), flat.grad))
                self.blocks.append((values, gradient, torch.zeros_like(values)))
            first += size
        n_rest = flat.numel() - sum(values.numel() for values, *_ in self.blocks)
        rest = nn.Parameter(flat.detach()[:n_rest])
        rest.grad = flat.grad[:n_rest]
        self.adamw = torch.optim.AdamW([rest], lr=learning_rate, weight_decay=decay, fused=True)
        self.flat = flat

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """AdamW's; its learning rate is that of both parts."""
        return self.adamw.param_groups

    def zero_grad(self) -> None:
        assert self.flat.grad is not None
        self.flat.grad.zero_()

    @torch.no_grad()
    def step(self) -> None:
        self.adamw.step()
        rate = self.param_groups[0]["lr"]
        for values, gradient, momentum in self.blocks:
            momentum.lerp_(gradient, 1 - MOMENTUM)
            update = orthogonal(gradient.lerp(momentum, MOMENTUM))
            values.mul_(1 - rate * self.decay)
            values.add_(update, alpha=-rate * RMS * max(values.shape[1:]) ** 0.5)

    def state_dict(self) -> dict[str, Any]:
        return {"adamw": self.adamw.state_dict(), "momenta": [momentum for *_, momentum in self.blocks]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.adamw.load_state_dict(state["adamw"])
        for (*_, momentum), saved in zip(self.blocks, state["momenta"], strict=True):
            momentum.copy_(saved)


def orthogonal(matrices: Tensor) -> Tensor:
    """About U Vᵀ of each matrix U S Vᵀ, by Newton's and Schulz's iteration; (n_matrices, n_out, n_in)."""
    a, b, c = COEFFICIENTS
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = wide / wide.norm(dim=(1, 2), keepdim=True).clamp(min=1e-20)
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x if wide is matrices else x.mT
