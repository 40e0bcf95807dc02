"""The matrix unit of Intel's processors (AMX) in numba-compiled loops, for factors split into two bfloat16.

Its registers, tiles, hold 16 rows of 64 bytes. A product of two adds 32 terms to each of 16 × 16 float32; the
second factor has two rows of its matrix side by side in one of the tile's. Tiles 0 to 3 are sums here, 4 and
5 hold l and h of the first factor, 6 and 7 h and l of the second.
"""

import ctypes
import os
import sys
from functools import cache
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from painn_spectra.model.float_products import ADD, COLUMNS, FROM_BIAS
from painn_spectra.model.lanes import LANES, place

TILE_ROWS, TILE_BYTES = 16, 64
STEP = 32  # terms of one product of tiles
TILE = TILE_ROWS * STEP  # halves
PANELS = 4  # of sixteen columns, computed together
ROWS, STEPS = 144, 4  # split into halves at a time
ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA = 158, 0x1023, 18  # Linux on x86-64
NEEDED, OLDEST_LLVM = {"+amx-tile", "+amx-bf16", "+avx512bf16"}, 20  # 15 knows the instructions otherwise
HALVES = types.CPointer(types.uint16)


@cache
def granted() -> bool:
    """Whether numba compiles for the unit and this process may use it: Linux wants to be asked first."""
    features = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    if LANES != 16 or "PAINN_SPECTRA_LANES" in os.environ or not set(features.split(",")) >= NEEDED:
        return False
    if binding.llvm_version_info[0] < OLDEST_LLVM or not sys.platform.startswith("linux"):
        return False
    return ctypes.CDLL(None).syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA) == 0


def _shape(rows: int) -> list[int]:
    """What the unit is told: tiles 0 to 5 have some rows, 6 and 7, of the matrix, all."""
    return [1] + [0] * 15 + [TILE_BYTES, 0] * 8 + [0] * 16 + [rows] * 6 + [TILE_ROWS] * 2 + [0] * 8


SHAPES = np.array([_shape(rows) for rows in range(TILE_ROWS + 1)], np.uint8)


class BFloat(ir.Type):
    """bfloat16, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"


def _call(builder: Any, name: str, *arguments: Any) -> None:
    """One of the unit's instructions."""
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), arguments)


def _tile(number: int) -> Any:
    return ir.Constant(ir.IntType(8), number)


def _place(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Address of an element, as the unit wants it."""
    return builder.bitcast(place(context, builder, kind, array, offset), ir.IntType(8).as_pointer())


@intrinsic
def scratch(typing_context: Any) -> Any:
    """Room for the halves of ROWS rows and STEPS steps, shared by all products: loops hold Python's lock."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.ArrayType(ir.IntType(16), ROWS * STEPS * STEP * 2)
        room = cgutils.add_global_variable(builder.module, kind, "painn_spectra_halves")
        room.linkage, room.align, room.initializer = "internal", TILE_BYTES, ir.Constant(kind, None)
        return builder.bitcast(room, ir.IntType(16).as_pointer())

    return HALVES(), build


@intrinsic
def shape_tiles(typing_context: Any, shapes: Any, rows: Any) -> Any:
    """shapes: SHAPES; rows: of the first factor and the sums, 1 to 16."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = builder.mul(arguments[1], ir.IntType(64)(TILE_BYTES))
        _call(builder, "ldtilecfg", _place(context, builder, signature.args[0], arguments[0], at))
        return context.get_dummy_value()

    return types.void(shapes, types.intp), build


@intrinsic
def release_tiles(typing_context: Any) -> Any:
    """The system then has less to keep of a process that rests."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _call(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), build


@intrinsic
def store_halves(typing_context: Any, split: Any, at: Any, x: Any, offset: Any, whole: Any) -> Any:
    """h and l of 32 floats of x, or of 16 and zeros, to `at` and one tile further."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        split, at, x, offset, whole = arguments
        floats, bits = ir.VectorType(ir.FloatType(), 16), ir.VectorType(ir.IntType(16), STEP)
        wide = ir.VectorType(ir.IntType(32), STEP)
        function_type = ir.FunctionType(ir.VectorType(BFloat(), STEP), [floats, floats])
        name = "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
        rounded = cgutils.get_or_insert_function(builder.module, function_type, name)

        def loaded(first: int) -> Any:
            there = builder.add(offset, ir.IntType(64)(first))
            there = _place(context, builder, signature.args[2], x, there)
            return builder.load(builder.bitcast(there, floats.as_pointer()), align=4)

        def keep(first: Any, second: Any, tile: int) -> list[Any]:
            """Stored as halves, and what these are as floats."""
            kept = builder.bitcast(builder.call(rounded, [second, first]), bits)
            there = builder.add(at, ir.IntType(64)(tile * TILE))
            there = _place(context, builder, signature.args[0], split, there)
            builder.store(kept, builder.bitcast(there, bits.as_pointer()), align=2)
            upper = builder.shl(builder.zext(kept, wide), ir.Constant(wide, [16] * STEP))
            upper = builder.bitcast(upper, ir.VectorType(ir.FloatType(), STEP))
            masks = [ir.Constant(ir.VectorType(ir.IntType(32), 16), [*range(k, k + 16)]) for k in (0, 16)]
            return [builder.shuffle_vector(upper, upper, mask) for mask in masks]

        with builder.if_else(whole) as branches:
            for branch, in_whole in zip(branches, (True, False), strict=True):
                with branch:
                    one, other = loaded(0), loaded(16) if in_whole else ir.Constant(floats, None)
                    h_one, h_other = keep(one, other, 0)
                    keep(builder.fsub(one, h_one), builder.fsub(other, h_other), 1)
        return context.get_dummy_value()

    return types.void(split, types.intp, x, types.intp, types.boolean), build


@intrinsic
def tile_products(
    typing_context: Any, split: Any, at: Any, matrix: Any, at_step: Any, n_steps: Any, panel_size: Any,
    first: Any, last: Any, bias: Any, begin: Any, out: Any, at_row: Any, n_out: Any,
) -> Any:  # fmt: skip
    """Rows of `out` from its element `at_row` on, as many as tiles have, in PANELS panels from `first` on.

    Panels past the last one repeat it. split: (n_steps, h and l, 16, 32) from `at` on. at_step: where in each
    panel the first step begins. begin: with zero, the bias or what is there, as `product` says.
    """
    integer = types.intp
    signature = types.void(
        split, integer, matrix, integer, integer, integer, integer, integer, bias, integer, out, integer,
        integer,
    )  # fmt: skip

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, at_step, n_steps, panel_size, first, last, begin, at_row, n_out = (
            arguments[k] for k, kind in enumerate(signature.args) if kind == integer
        )
        to_split, to_matrix, to_bias, to_out = (k for k, kind in enumerate(signature.args) if kind != integer)
        number, line = ir.IntType(64), ir.IntType(64)(TILE_BYTES)

        def at_element(which: int, offset: Any) -> Any:
            return _place(context, builder, signature.args[which], arguments[which], offset)

        def load(tile: int, which: int, offset: Any, stride: Any) -> None:
            _call(builder, "tileloadd64", _tile(tile), at_element(which, offset), stride)

        def multiply(q: int, left: int, right: int) -> None:
            _call(builder, "tdpbf16ps", _tile(q), _tile(left), _tile(right))

        row_bytes = builder.mul(n_out, number(4))
        panels = [builder.add(first, number(q)) for q in range(PANELS)]
        panels = [builder.select(builder.icmp_signed("<", q, last), q, last) for q in panels]
        columns = [builder.mul(q, number(COLUMNS)) for q in panels]
        places = [builder.add(at_row, column) for column in columns]
        with builder.if_else(builder.icmp_signed("==", begin, number(ADD))) as (then, otherwise):
            with then:
                for q, there in enumerate(places):
                    load(q, to_out, there, row_bytes)
            with otherwise:
                biased = builder.icmp_signed("==", begin, number(FROM_BIAS))
                with builder.if_else(biased) as (then, otherwise):
                    with then:
                        for q, column in enumerate(columns):
                            load(q, to_bias, column, number(0))  # the same sixteen in all rows
                    with otherwise:
                        for q in range(PANELS):
                            _call(builder, "tilezero", _tile(q))
        begins = [builder.add(builder.mul(q, panel_size), at_step) for q in panels]
        with cgutils.for_range(builder, n_steps) as loop:
            step = builder.mul(loop.index, number(2 * TILE))
            here = builder.add(at, step)
            load(4, to_split, builder.add(here, number(TILE)), line)
            load(5, to_split, here, line)
            for q, begins_at in enumerate(begins):
                there = builder.add(begins_at, step)
                load(6, to_matrix, there, line)
                load(7, to_matrix, builder.add(there, number(TILE)), line)
                for left, right in ((4, 7), (4, 6), (5, 7), (5, 6)):
                    multiply(q, left, right)
        for q, there in enumerate(places):
            _call(builder, "tilestored64", _tile(q), at_element(to_out, there), row_bytes)
        return context.get_dummy_value()

    return signature, build
