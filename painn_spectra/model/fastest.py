"""The fastest way to evaluate a model whose weights stay as they are."""

import sys

from torch import nn

from painn_spectra.model.compiled import Compiled
from painn_spectra.model.potential import Potential
from painn_spectra.model.total import Total


def fastest(potential: nn.Module) -> nn.Module:
    """The compiled engine in place of a PaiNN potential on the CPU, torch.compile's on a GPU; others stay.

    The engine takes frames of one molecule at a time. Without numba, which not every platform has, and
    for a width that does not divide into its lanes, torch goes on.
    """
    if isinstance(potential, Total):
        return Total(fastest(potential.base), fastest(potential.correction))
    if not isinstance(potential, Potential):
        return potential
    if potential.energy_offset_eV.device.type != "cpu":
        return Compiled(potential)
    try:
        from painn_spectra.model.engine import Engine, fits
    except ImportError as error:
        print(f"the model runs at torch's speed, several times slower: {error}", file=sys.stderr)
        return potential
    if not fits(potential):
        return potential
    engine = Engine(potential)
    engine.compile_loops()
    return engine
