"""Dense layers: products of a few rows with a constant matrix, and SiLU.

Every row is summed in the same order whatever rows stand beside it: results do not depend on how replicas
are grouped. The constant matrix is packed once, so that the sixteen columns of a tile are read in sequence. A
tile of 6 × 16 sums fills the registers of AVX2, one of 12 × 16 keeps those of AVX-512 busy.
"""

import numpy as np
from numpy.typing import NDArray

from painn_spectra.model.lanes import LANES, compiled, exponential, load, pick, spread, store

COLUMNS = 16  # of a tile
# A tile is twelve values of LANES numbers: six rows of two, or twelve rows of one.
TILE_ROWS, OTHER_ROWS, OTHER_COLUMNS = (12, 6, 0) if LANES == COLUMNS else (6, 0, LANES)


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
        for i in range(start, min(start + ROWS, n_rows), TILE_ROWS):  # rows past the last one repeat it
            i0, i1, i2 = min(i, last), min(i + 1, last), min(i + 2, last)
            i3, i4, i5 = min(i + 3, last), min(i + 4, last), min(i + 5, last)
            j = i + OTHER_ROWS
            j0, j1, j2 = min(j, last), min(j + 1, last), min(j + 2, last)
            j3, j4, j5 = min(j + 3, last), min(j + 4, last), min(j + 5, last)
            o0, o1, o2 = i0 * n_out + column, i1 * n_out + column, i2 * n_out + column
            o3, o4, o5 = i3 * n_out + column, i4 * n_out + column, i5 * n_out + column
            other = column + OTHER_COLUMNS
            q0, q1, q2 = j0 * n_out + other, j1 * n_out + other, j2 * n_out + other
            q3, q4, q5 = j3 * n_out + other, j4 * n_out + other, j5 * n_out + other
            if begin == ADD:
                a0, a1, a2 = load(out, o0), load(out, o1), load(out, o2)
                a3, a4, a5 = load(out, o3), load(out, o4), load(out, o5)
                b0, b1, b2 = load(out, q0), load(out, q1), load(out, q2)
                b3, b4, b5 = load(out, q3), load(out, q4), load(out, q5)
            else:
                a0, b0 = zero, zero
                if begin == FROM_BIAS:
                    a0, b0 = load(bias, column), load(bias, other)
                a1, a2, a3, a4, a5 = a0, a0, a0, a0, a0
                b1, b2, b3, b4, b5 = b0, b0, b0, b0, b0
            x0, x1, x2, x3, x4, x5 = i0 * n_in, i1 * n_in, i2 * n_in, i3 * n_in, i4 * n_in, i5 * n_in
            y0, y1, y2, y3, y4, y5 = j0 * n_in, j1 * n_in, j2 * n_in, j3 * n_in, j4 * n_in, j5 * n_in
            for k in range(n_in):
                left = load(matrix, at + k * COLUMNS)
                right = load(matrix, at + k * COLUMNS + OTHER_COLUMNS)
                a0, b0 = a0 + pick(x, x0 + k) * left, b0 + pick(x, y0 + k) * right
                a1, b1 = a1 + pick(x, x1 + k) * left, b1 + pick(x, y1 + k) * right
                a2, b2 = a2 + pick(x, x2 + k) * left, b2 + pick(x, y2 + k) * right
                a3, b3 = a3 + pick(x, x3 + k) * left, b3 + pick(x, y3 + k) * right
                a4, b4 = a4 + pick(x, x4 + k) * left, b4 + pick(x, y4 + k) * right
                a5, b5 = a5 + pick(x, x5 + k) * left, b5 + pick(x, y5 + k) * right
            store(out, o0, a0)
            store(out, o1, a1)
            store(out, o2, a2)
            store(out, o3, a3)
            store(out, o4, a4)
            store(out, o5, a5)
            store(out, q0, b0)
            store(out, q1, b1)
            store(out, q2, b2)
            store(out, q3, b3)
            store(out, q4, b4)
            store(out, q5, b5)


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
