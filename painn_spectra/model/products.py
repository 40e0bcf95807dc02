"""Dense layers: products of a few rows with a constant matrix, and SiLU.

Every row is summed in the same order whatever rows stand beside it: results do not depend on how replicas
are grouped. The constant matrix is packed once, so that the sixteen columns of a tile are read in sequence; a
tile of 6 × 16 sums fills the registers of AVX2.
"""

import numpy as np
from numpy.typing import NDArray

from painn_spectra.model.lanes import LANES, compiled, exponential, load, pick, spread, store

COLUMNS = 2 * LANES


def packed(matrix: NDArray) -> NDArray:
    """A matrix (n_in, n_out), n_out a multiple of 16, as (n_out/16, n_in, 16)."""
    n_in = len(matrix)
    return np.ascontiguousarray(matrix.reshape(n_in, -1, COLUMNS).transpose(1, 0, 2))


def filled_up(n: int) -> int:
    """The next multiple of 16."""
    return -(-n // COLUMNS) * COLUMNS


ROWS = 144  # of a product, for which one goes through all panels: they stay in the cache
ZERO, FROM_BIAS, ADD = 0, 1, 2  # what a product begins with


@compiled
def product(n_rows, x, matrix, bias, begin, out):
    """out (n_rows, n_out) = x (n_rows, n_in) · matrix, added to zero, the bias (n_out,) or what is in out."""
    n_in, n_out = matrix.shape[1], matrix.shape[0] * COLUMNS
    zero = spread(out.dtype.type(0))
    last = n_rows - 1
    n_panels = matrix.shape[0]
    for part in range(n_panels * -(-n_rows // ROWS)):
        panel, start = part % n_panels, part // n_panels * ROWS
        at, column = panel * n_in * COLUMNS, panel * COLUMNS
        for i in range(start, min(start + ROWS, n_rows), 6):  # rows past the last one repeat it
            i1, i2, i3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
            i4, i5 = min(i + 4, last), min(i + 5, last)
            o0, o1, o2 = i * n_out + column, i1 * n_out + column, i2 * n_out + column
            o3, o4, o5 = i3 * n_out + column, i4 * n_out + column, i5 * n_out + column
            if begin == ADD:
                a0, a1, a2 = load(out, o0), load(out, o1), load(out, o2)
                a3, a4, a5 = load(out, o3), load(out, o4), load(out, o5)
                b0, b1, b2 = load(out, o0 + LANES), load(out, o1 + LANES), load(out, o2 + LANES)
                b3, b4, b5 = load(out, o3 + LANES), load(out, o4 + LANES), load(out, o5 + LANES)
            else:
                a0, b0 = zero, zero
                if begin == FROM_BIAS:
                    a0, b0 = load(bias, column), load(bias, column + LANES)
                a1, a2, a3, a4, a5 = a0, a0, a0, a0, a0
                b1, b2, b3, b4, b5 = b0, b0, b0, b0, b0
            x0, x1, x2, x3, x4, x5 = i * n_in, i1 * n_in, i2 * n_in, i3 * n_in, i4 * n_in, i5 * n_in
            for k in range(n_in):
                left, right = load(matrix, at + k * COLUMNS), load(matrix, at + k * COLUMNS + LANES)
                value = pick(x, x0 + k)
                a0, b0 = a0 + value * left, b0 + value * right
                value = pick(x, x1 + k)
                a1, b1 = a1 + value * left, b1 + value * right
                value = pick(x, x2 + k)
                a2, b2 = a2 + value * left, b2 + value * right
                value = pick(x, x3 + k)
                a3, b3 = a3 + value * left, b3 + value * right
                value = pick(x, x4 + k)
                a4, b4 = a4 + value * left, b4 + value * right
                value = pick(x, x5 + k)
                a5, b5 = a5 + value * left, b5 + value * right
            store(out, o0, a0)
            store(out, o1, a1)
            store(out, o2, a2)
            store(out, o3, a3)
            store(out, o4, a4)
            store(out, o5, a5)
            store(out, o0 + LANES, b0)
            store(out, o1 + LANES, b1)
            store(out, o2 + LANES, b2)
            store(out, o3 + LANES, b3)
            store(out, o4 + LANES, b4)
            store(out, o5 + LANES, b5)


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
