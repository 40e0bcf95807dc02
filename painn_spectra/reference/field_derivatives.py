"""∂μ/∂r and ∂α/∂r of one geometry from energy gradients in uniform electric fields."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.derivative_labels import SUM_RULE, sum_rule_residual
from painn_spectra.derivatives import moving_origin
from painn_spectra.errors import InputError
from painn_spectra.units import BOHR_A

Array = NDArray[np.float64]

# Eh/(e a0): at the first the next order is 5e-4 of ethanol's ∂α/∂r, and noise of gradients to 1e-8 Eh/a0,
# divided by its square, 4e-4 a0²; softer molecules (LiH) need the second
FIELDS_AU = (5e-3, 1.5e-3)
GOOD_SUM_RULE = 0.01  # residual beyond which the other field is tried


def derivatives_in_field(
    gradient: Callable[[Array], Array],
    numbers: NDArray[np.int64],
    positions: Array,
    charge: int,
    tensors: Mapping[str, Array],
) -> dict[str, Array]:
    """Derivatives of `tensors`, dipole (3,) | e·Å and polarizability (3, 3) | Å³, as keys.py names them.

    gradient: field (3,) | Eh/(e a0) -> ∂E/∂r (n_atoms, 3) | Eh/a0; positions: (n_atoms, 3) | Å. A derivative
    that does not move and turn with the molecule, from too coarse a quadrature say, is left out with a line.
    """
    best: dict[str, tuple[float, Array]] = {}
    for field_au in FIELDS_AU:
        try:
            found = second_differences(
                gradient, numbers, charge, field_au, keys.POLARIZABILITY not in tensors
            )
        except InputError as error:
            print(f"no derivatives: in a field {error}")
            return {}
        for tensor, values in tensors.items():
            name = keys.DERIVATIVES[tensor]
            residual = sum_rule_residual(found[name], positions, values)
            best[name] = min(
                best.get(name, (np.inf, found[name])), (residual, found[name]), key=lambda x: x[0]
            )
        if max(residual for residual, _ in best.values()) < GOOD_SUM_RULE:
            break
    for name, (residual, _) in best.items():
        if residual > SUM_RULE:
            print(f"no {name}: {residual:.2g} of it does not turn with the molecule; a finer grid may help")
    return {name: values for name, (residual, values) in best.items() if residual <= SUM_RULE}


def second_differences(
    gradient: Callable[[Array], Array],
    numbers: NDArray[np.int64],
    charge: int,
    field_au: float,
    dipole_alone: bool = False,
) -> dict[str, Array]:
    """Derivatives as named and shaped in keys.py, without the axis of frames.

    gradient: field (3,) | Eh/(e a0) -> ∂E/∂r (n_atoms, 3) | Eh/a0, with the energy −μ·field of nuclei and
    electrons in E. Thirteen calls give both: ∂μ_x/∂r = −∂²E/∂F_x ∂r and ∂α_xy/∂r = −∂³E/∂F_x ∂F_y ∂r; six
    give the first alone. Of an ion μ follows the centre of the standard masses, as in its labels.
    """
    axes = field_au * np.eye(3)
    along = [(gradient(axis), gradient(-axis)) for axis in axes]
    dipole = -np.stack([plus - minus for plus, minus in along], axis=1) / (2 * field_au)  # [i, x, y] | e
    dipole -= moving_origin(numbers, charge)
    if dipole_alone:
        return {keys.DIPOLE_DERIVATIVE: dipole}
    free = gradient(np.zeros(3))

    def second(plus: Array, minus: Array) -> Array:
        return -(plus + minus - 2 * free) / field_au**2

    polarizability = np.empty((len(numbers), 3, 3, 3))  # [i, x, y, z] | a0²
    for x in range(3):
        polarizability[:, x, x] = second(*along[x])
    for x, y in ((0, 1), (0, 2), (1, 2)):
        both = axes[x] + axes[y]
        mixed = second(gradient(both), gradient(-both)) - polarizability[:, x, x] - polarizability[:, y, y]
        polarizability[:, x, y] = polarizability[:, y, x] = 0.5 * mixed
    return {keys.DIPOLE_DERIVATIVE: dipole, keys.POLARIZABILITY_DERIVATIVE: polarizability * BOHR_A**2}
