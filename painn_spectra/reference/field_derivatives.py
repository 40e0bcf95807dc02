"""∂μ/∂r and ∂α/∂r of one geometry from energy gradients in uniform electric fields."""

from collections.abc import Callable

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.units import BOHR_A

Array = NDArray[np.float64]

# Eh/(e a0): the next order is 5e-4 of ∂α/∂r, noise of gradients to 1e-8 Eh/a0 divided by its square 4e-4 a0²
FIELD_AU = 5e-3


def derivatives_in_field(
    gradient: Callable[[Array], Array],
    numbers: NDArray[np.int64],
    charge: int,
    dipole_alone: bool = False,
    field_au: float = FIELD_AU,
) -> dict[str, Array]:
    """Derivatives as named and shaped in keys.py, without the axis of frames.

    gradient: field (3,) | Eh/(e a0) -> ∂E/∂r (n_atoms, 3) | Eh/a0, with the energy −μ·field of nuclei and
    electrons in E. Thirteen calls give both: ∂μ_x/∂r = −∂²E/∂F_x ∂r and ∂α_xy/∂r = −∂³E/∂F_x ∂F_y ∂r; six
    give the first alone. Of an ion μ follows the centre of the standard masses, as in its labels.
    """
    axes = field_au * np.eye(3)
    along = [(gradient(axis), gradient(-axis)) for axis in axes]
    dipole = -np.stack([plus - minus for plus, minus in along], axis=1) / (2 * field_au)  # [i, x, y] | e
    shares = atomic_masses[numbers] / atomic_masses[numbers].sum()
    dipole -= charge * np.einsum("i,xy->ixy", shares, np.eye(3))
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
