"""Products of a few rows with a constant matrix, in the precision of both.

Every row is summed in the same order whatever rows stand beside it: results do not depend on how replicas
are grouped. The constant matrix is packed once, so that the sixteen columns of a panel are read in sequence.
A tile, some rows of two values of LANES columns each (of one in float64), stays in registers: six rows fill
those of AVX2, nine keep those of AVX-512 busy.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from painn_spectra.model.lanes import (
    FLAGS,
    LANES,
    Lanes,
    compiled,
    spread_scalar,
)

COLUMNS = 16  # of a panel
TILE_ROWS = 9 if LANES == 16 else 6


def packed_floats(matrix: NDArray) -> NDArray:
    """A matrix (n_in, n_out), n_out a multiple of 16, as (n_out/16, n_in, 16)."""
    n_in = len(matrix)
    return np.ascontiguousarray(matrix.reshape(n_in, -1, COLUMNS).transpose(1, 0, 2))


ROWS = 144  # of a product, for which one goes through all panels: they stay in the cache
ZERO, FROM_BIAS, ADD = 0, 1, 2  # what a product begins with


@intrinsic
def tile(
    typing_context: Any, x: Any, first: Any, last: Any, n_in: Any, matrix: Any, left: Any, right: Any,
    bias: Any, begin: Any, out: Any, n_out: Any, to_left: Any, to_right: Any,
) -> Any:  # fmt: skip
    """out[row, to_left :] and out[row, to_right :], LANES columns each, of TILE_ROWS rows from `first` on.

    Rows past the last one repeat it. left, right: where these columns begin in the packed matrix. In float64
    the right ones are left out.
    """
    integer = types.intp
    signature = types.void(
        x, integer, integer, integer, matrix, integer, integer, bias, integer, out, integer, integer, integer
    )

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, first, last, n_in, matrix, left, right, bias, begin, out, n_out, *columns = arguments
        names = ("x", "first", "last", "n_in", "matrix", "left", "right", "bias", "begin", "out")
        kinds = dict(zip(names, signature.args, strict=False))
        kind = context.get_value_type(Lanes(kinds["out"].dtype))
        align = kinds["out"].dtype.bitwidth // 8
        n_values = 8 // align
        columns = columns[:n_values]
        number = ir.IntType(64)

        def start(name: str, array: Any) -> Any:
            return context.make_array(kinds[name])(context, builder, array).data

        def at(data: Any, offset: Any) -> Any:
            return builder.bitcast(builder.gep(data, [offset]), kind.as_pointer())

        x_data, matrix_data, out_data = start("x", x), start("matrix", matrix), start("out", out)
        rows = []
        for r in range(TILE_ROWS):
            row = builder.add(first, number(r))
            rows.append(builder.select(builder.icmp_signed("<", row, last), row, last))
        places = [
            at(out_data, builder.add(builder.mul(row, n_out), column)) for row in rows for column in columns
        ]
        sums = [cgutils.alloca_once(builder, kind) for _ in places]
        with builder.if_else(builder.icmp_signed("==", begin, number(ADD))) as (then, otherwise):
            with then:
                for one, place in zip(sums, places, strict=True):
                    builder.store(builder.load(place, align=align), one)
            with otherwise:
                for one in sums:
                    builder.store(ir.Constant(kind, None), one)
                with builder.if_then(builder.icmp_signed("==", begin, number(FROM_BIAS))):
                    bias_data = start("bias", bias)
                    for one, column in zip(sums, columns * TILE_ROWS, strict=True):
                        builder.store(builder.load(at(bias_data, column), align=align), one)
        begins = [builder.mul(row, n_in) for row in rows]
        with cgutils.for_range(builder, n_in) as loop:
            step = builder.mul(loop.index, number(COLUMNS))
            factors = [
                builder.load(at(matrix_data, builder.add(side, step)), align=align)
                for side in (left, right)[:n_values]
            ]
            for r, begins_at in enumerate(begins):
                scalar = builder.load(builder.gep(x_data, [builder.add(begins_at, loop.index)]))
                value = spread_scalar(builder, kind, scalar)
                for one, factor in zip(sums[n_values * r :], factors, strict=False):
                    product = builder.fmul(value, factor, flags=FLAGS)
                    builder.store(builder.fadd(builder.load(one), product, flags=FLAGS), one)
        for one, place in zip(sums, places, strict=True):
            builder.store(builder.load(one), place, align=align)
        return context.get_dummy_value()

    return signature, build


@compiled
def product_of_floats(n_rows, x, matrix, bias, begin, out):
    """out (n_rows, n_out) = x (n_rows, n_in) · matrix, added to zero, the bias (n_out,) or what is in out."""
    n_in, n_out = matrix.shape[1], matrix.shape[0] * COLUMNS
    n_values, at_once = n_out // LANES, 8 // out.itemsize
    n_tiles = -(-n_values // at_once)
    for part in range(n_tiles * -(-n_rows // ROWS)):
        value, start = part % n_tiles * at_once, part // n_tiles * ROWS
        to_left, to_right = value * LANES, min(value + 1, n_values - 1) * LANES
        left = to_left // COLUMNS * COLUMNS * n_in + to_left % COLUMNS
        right = to_right // COLUMNS * COLUMNS * n_in + to_right % COLUMNS
        for i in range(start, min(start + ROWS, n_rows), TILE_ROWS):
            tile(x, i, n_rows - 1, n_in, matrix, left, right, bias, begin, out, n_out, to_left, to_right)
