"""Units of a copy of QM9: energies in Hartree and positions in Å, as the raw files have them.

Copies in eV go round; learnt as Hartree they would give errors 27 times too large without a word.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from painn_spectra.errors import InputError
from painn_spectra.label_checks import ENERGY_UNITS, MAX_FRAMES, check_positions
from painn_spectra.label_evidence import spread
from painn_spectra.units import HARTREE_EV

if TYPE_CHECKING:
    from painn_spectra.published.qm9 import Molecules

TOTAL_ENERGY = 0.5, 2.39  # Hartree: a Z^b, the free atoms from H to F within a twelfth
ZPVE_PER_ATOM = 0.0083  # Hartree, of QM9's molecules 0.003 (HCN's kind) to 0.010 (alkanes)
TYPICAL_GAP, TYPICAL_HOMO = 0.25, -0.24  # Hartree; 0.02 to 0.62, −0.43 to −0.10
NEAR_TOTAL, NEAR = 1.3, 4.0  # factors that chemistry makes


def check_qm9_units(data: "Molecules", source: Path) -> None:
    """Raise InputError where positions or energies are clearly in another unit; warn of odd totals."""
    data = data.take(spread(len(data), min(len(data), MAX_FRAMES)))
    check_positions(data, source)
    numbers = data.numbers.astype(float)
    total = -TOTAL_ENERGY[0] * (numbers ** TOTAL_ENERGY[1]).sum(1)
    expected: dict[str, tuple[NDArray[np.float64] | float, float]] = {
        **dict.fromkeys(("U0", "U", "H", "G"), (total, NEAR_TOTAL)),
        "zpve": (ZPVE_PER_ATOM * (numbers > 0).sum(1), NEAR),
        "homo": (TYPICAL_HOMO, NEAR),
        "gap": (TYPICAL_GAP, NEAR),
    }
    for name, (likely, near) in expected.items():
        if name not in data.properties:
            continue
        ratio = float(np.median(data.properties[name] / likely))
        if 1 / near < ratio < near:
            continue
        for unit, in_eV in ENERGY_UNITS.items():
            factor = in_eV / HARTREE_EV
            if 1 / near < ratio * factor < near:
                raise InputError(
                    f"{source}: {name} is {ratio:.3g} times what QM9's molecules have in Hartree, "
                    f"so it looks like {unit}; multiply it by {factor:.7g}"
                )
        if near == NEAR_TOTAL:
            print(f"warning: {source}: {name} is {ratio:.3g} times the total energy in Hartree; is it QM9's?")
