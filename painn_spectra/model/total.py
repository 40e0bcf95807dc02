"""A potential and a learnt correction to it, as one."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.model.checkpoint import load_model


class Total(nn.Module):
    """Every property is the sum of both models'; the base tells what elements are known."""

    def __init__(self, base: nn.Module, correction: nn.Module) -> None:
        super().__init__()
        self.base, self.correction = base, correction
        self.charge, self.metadata = getattr(base, "charge", 0), getattr(base, "metadata", {})

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        """As `Potential.forward`."""
        one, other = (part(numbers, positions, properties) for part in (self.base, self.correction))
        return {name: one[name].double() + other[name].double() for name in properties}


def load_total(
    path: Path, device: str = "cpu", *, correction: Path, load: Callable[[Path, str], nn.Module] = load_model
) -> Total:
    """Both model files as one potential; load: opens the first."""
    return Total(load(path, device), load_model(correction, device)).eval()
