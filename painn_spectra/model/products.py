"""Dense layers: products of a few rows with a constant matrix, and SiLU.

A matrix is packed once; how, tells which of the two kinds of product takes it.
"""

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from painn_spectra.model.float_products import (
    ADD,
    COLUMNS,
    FROM_BIAS,
    ZERO,
    packed_floats,
    product_of_floats,
)
from painn_spectra.model.half_products import packed_halves, product_of_halves
from painn_spectra.model.lanes import LANES, compiled, exponential, load, spread, store
from painn_spectra.model.matrix_unit import granted

__all__ = ["ADD", "COLUMNS", "FROM_BIAS", "ZERO", "filled_up", "multiply", "packed", "product", "silu"]


def packed(matrix: NDArray) -> NDArray:
    """A matrix (n_in, n_out), n_out a multiple of 16, for the matrix unit where there is one."""
    return packed_halves(matrix) if matrix.dtype == np.float32 and granted() else packed_floats(matrix)


def filled_up(n: int) -> int:
    """The next multiple of 16."""
    return -(-n // COLUMNS) * COLUMNS


def _of_its_kind(n_rows, x, matrix, bias, begin, out):
    raise NotImplementedError("compiled only")


@overload(_of_its_kind)
def _choose(n_rows, x, matrix, bias, begin, out):
    product_of = product_of_halves if matrix.dtype == types.uint16 else product_of_floats
    return lambda n_rows, x, matrix, bias, begin, out: product_of(n_rows, x, matrix, bias, begin, out)


@compiled
def product(n_rows, x, matrix, bias, begin, out):
    """out (n_rows, n_out) = x (n_rows, n_in) · matrix, added to zero, the bias (n_out,) or what is in out."""
    _of_its_kind(n_rows, x, matrix, bias, begin, out)


@compiled
def silu(x, out):
    """out = x σ(x), σ(x) = 1/(1 + e^−x); x ← its derivative, σ(x)(1 + x(1 − σ(x)))."""
    one, zero = spread(x.dtype.type(1)), spread(x.dtype.type(0))
    for k in range(0, x.size, LANES):
        value = load(x, k)
        sigma = one / (one + exponential(zero - value))
        store(out, k, value * sigma)
        store(x, k, sigma * (one + value * (one - sigma)))


@compiled
def multiply(factor, out):
    """out ← out · factor."""
    for k in range(0, out.size, LANES):
        store(out, k, load(out, k) * load(factor, k))
