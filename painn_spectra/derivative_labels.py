"""Labels of ∂μ/∂r and ∂α/∂r in extxyz frames: columns of nine and of 27 numbers per atom."""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.errors import InputError

Array = NDArray[np.float64]

COLUMNS = {name: f"REF_{name}" for name in keys.DERIVATIVES.values()}
SHAPES = {keys.DIPOLE_DERIVATIVE: (3, 3), keys.POLARIZABILITY_DERIVATIVE: (3, 3, 3)}  # of an atom
# of the size of derivatives; finite fields and differences of labels keep 1e-3
SUM_RULE = 0.03
LEAST_SIZE = {1: 0.05, 2: 0.1}  # e and Å², by rank of the tensor: those of N2's dipole are noise alone


def read_derivative(atoms: Atoms, tensor_name: str, tensor: Array, where: str) -> Array | None:
    """Of one frame, (n_atoms, ...) as in keys.py, or None where the frame brings none.

    tensor: the frame's label `tensor_name`, of which it is the derivative, e·Å or Å³. Raises InputError for a
    wrong shape, numbers that are none, and derivatives that are not those of a tensor that moves and turns
    with the atoms.
    """
    name = keys.DERIVATIVES[tensor_name]
    raw = atoms.arrays.get(COLUMNS[name])
    if raw is None:
        return None
    expected = (len(atoms), int(np.prod(SHAPES[name])))
    if raw.shape != expected or raw.dtype.kind not in "fi":
        raise InputError(
            f"{where}: {COLUMNS[name]} has shape {raw.shape}, needs {expected[1]} numbers an atom; correct "
            "the file"
        )
    if not (np.abs(raw) < keys.HUGE).all():
        raise InputError(
            f"{where}: {COLUMNS[name]} holds NaN, infinity or more than {keys.HUGE:g}; remove the column"
        )
    values = raw.astype(float).reshape(len(atoms), *SHAPES[name])
    followed = values.sum(0)
    charge = round(float(followed[0, 0])) if name == keys.DIPOLE_DERIVATIVE else 0
    if charge and np.abs(followed - charge * np.eye(3)).max() < 0.05:
        raise InputError(
            f"{where}: {COLUMNS[name]} sums to {charge} e over the atoms: an ion's, about an origin at rest; "
            "subtract charge times mass over total mass from the components along their own axis, for the "
            "dipole is counted from the centre of mass"
        )
    residual = sum_rule_residual(values, atoms.positions, tensor)
    if residual > SUM_RULE:
        unit, _ = keys.SHOWN_UNITS[name]
        raise InputError(
            f"{where}: {COLUMNS[name]} is not the derivative of REF_{tensor_name}, which moves and turns "
            f"with the molecule ({residual:.2g} of its size is left, allowed {SUM_RULE:g}); an atom holds "
            f"the components one after another, each along x, y and z, in {unit}, or REF_{tensor_name} is "
            "in another unit"
        )
    return values


def sum_rule_residual(derivative: Array, positions: Array, tensor: Array) -> float:
    """How far from right the change under moving and turning all atoms together is, in parts of its size.

    derivative: (n_atoms, ..., 3); positions: (n_atoms, 3) | Å; tensor: (3,) or (3, 3), what it derives.
    """
    size = max(typical_size(derivative[None]), LEAST_SIZE[tensor.ndim])
    moved = np.abs(derivative.sum(0)).max()
    turned = 0.0
    centred = positions - positions.mean(0)
    reach = float(np.sqrt(np.mean(np.square(centred)))) or 1.0
    for axis in np.eye(3):
        generator = np.cross(axis, np.eye(3)).T  # w×
        change = np.einsum("i...z,iz->...", derivative, centred @ generator.T)
        right = generator @ tensor if tensor.ndim == 1 else generator @ tensor - tensor @ generator
        turned = max(turned, float(np.abs(change - right).max()) / reach)
    return max(float(moved), turned) / size


def typical_size(derivatives: Array) -> float:
    """Root mean square of a component's change when every coordinate changes by one, independently.

    derivatives: (n_frames, n_atoms, ..., 3).
    """
    return float(np.sqrt(np.mean(np.square(derivatives).sum((1, -1)))))


def columns(name: str, derivative: Array) -> dict[str, Array]:
    """How a frame's derivative (n_atoms, ...) is written: 9 or 27 numbers per atom."""
    return {COLUMNS[name]: derivative.reshape(len(derivative), -1)}
