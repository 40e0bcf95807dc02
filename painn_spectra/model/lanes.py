"""Several numbers as one value in numba-compiled loops: eight, or sixteen where the processor has AVX-512.

The compiler cannot know that ten arrays do not overlap, and then leaves a loop over features scalar. Loading
as many features as there are lanes, computing and storing them in this order says what is meant. Arrays must
be C-contiguous; an offset counts elements from their beginning.
"""

import hashlib
import math
import operator
import os
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from llvmlite import binding, ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model


def _lanes() -> int:
    """What one register of float32 holds, unless PAINN_SPECTRA_LANES says 8 or 16: both run everywhere."""
    wide = binding.get_host_cpu_features().get("avx512f", False)
    return 16 if os.environ.get("PAINN_SPECTRA_LANES", "16" if wide else "8") == "16" else 8


LANES = _lanes()
Record = TypeVar("Record", bound=Any)
LINE = 64  # bytes of a line of the cache
TAYLOR_ORDERS = {32: 7, 64: 12}  # by bits: what is left out is below the rounding
FLAGS = ("contract", "reassoc", "nsz")  # none that assumes finite numbers: an exploding run must show its NaN

KERNELS = (
    "lanes", "float_products", "matrix_unit", "half_products", "products", "neighbours", "pair_kernels",
    "atom_kernels", "head_kernels", "passes", "training_atoms", "training_pairs", "training_second",
    "training_heads",
)  # fmt: skip


def _cache_folder() -> Path | None:
    """A folder for this state of the compiled files (numba looks at one file's date alone), None: no place.

    NUMBA_CACHE_DIR, or painn-spectra/ in the user's cache.
    """
    here = Path(__file__).parent
    state = hashlib.sha256(b"".join((here / f"{name}.py").read_bytes() for name in KERNELS)).hexdigest()
    try:
        user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "painn-spectra"
        folder = Path(os.environ.get("NUMBA_CACHE_DIR") or user) / f"loops-{state[:12]}-{LANES}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that cannot be written to
        return None
    return folder if os.access(folder, os.W_OK) else None


def compiled(function: Any) -> Any:
    """Compile at the first call, or read what an earlier process compiled."""
    folder, others = _cache_folder(), config.CACHE_DIR
    config.CACHE_DIR = str(folder or others)
    try:
        return njit(cache=folder is not None, error_model="numpy", fastmath=set(FLAGS))(function)
    finally:
        config.CACHE_DIR = others


def in_one_piece(record: Record) -> Record:
    """The named tuple with copies of its arrays in a single allocation.

    Each begins with a line of the cache, so that loads of sixteen floats touch one line and not two; numpy
    asks for huge pages from 4 MiB on.
    """
    arrays = {name: value for name, value in record._asdict().items() if isinstance(value, np.ndarray)}
    ends = np.cumsum([-(-value.nbytes // LINE) * LINE for value in arrays.values()])
    raw = np.zeros(ends[-1] + LINE, np.uint8)
    first = -raw.ctypes.data % LINE
    placed = {}
    for (name, value), start in zip(arrays.items(), [0, *ends[:-1]], strict=True):
        place = raw[first + start : first + start + value.nbytes].view(value.dtype).reshape(value.shape)
        place[...] = value
        placed[name] = place
    return record._replace(**placed)


class Lanes(types.Type):
    """numba's type of as many floats as there are lanes."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        super().__init__(f"Lanes({dtype})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        element = ir.FloatType() if kind.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, kind, ir.VectorType(element, LANES))


def place(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Address of an array's element, flat, or of what a pointer leads to; kind: numba's type of it."""
    pointer = isinstance(kind, types.CPointer)
    data = array if pointer else context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [offset])


def _pointer(context: Any, builder: Any, array_type: Any, lanes: Any, array: Any, offset: Any) -> Any:
    """Address of the elements from `offset`."""
    element = place(context, builder, array_type, array, offset)
    return builder.bitcast(element, context.get_value_type(lanes).as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """array[offset : offset + LANES], flat."""
    lanes = Lanes(array.dtype)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, array, lanes, *arguments)
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return lanes(array, types.intp), build


@intrinsic
def store(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
    """array[offset : offset + LANES] = value, flat."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, array, value, *arguments[:2])
        builder.store(arguments[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


def spread_scalar(builder: Any, kind: Any, scalar: Any) -> Any:
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


@intrinsic
def spread(typing_context: Any, scalar: Any) -> Any:
    """The same number in every lane."""
    lanes = Lanes(scalar)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return spread_scalar(builder, context.get_value_type(lanes), arguments[0])

    return lanes(scalar), build


@intrinsic
def total(typing_context: Any, value: Any) -> Any:
    """Sum over the lanes."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = [builder.extract_element(arguments[0], ir.IntType(32)(k)) for k in range(LANES)]
        while len(parts) > 1:
            parts = [builder.fadd(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    return value.dtype(value), build


@intrinsic
def pick(typing_context: Any, array: Any, offset: Any) -> Any:
    """array[offset], flat, in every lane."""
    lanes = Lanes(array.dtype)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        scalar = builder.load(place(context, builder, array, *arguments))
        return spread_scalar(builder, context.get_value_type(lanes), scalar)

    return lanes(array, types.intp), build


def _call(builder: Any, name: str, value: Any, bits: int) -> Any:
    """One of LLVM's functions of vectors."""
    function_type = ir.FunctionType(value.type, [value.type])
    function = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.{name}.v{LANES}f{bits}")
    return builder.call(function, [value])


@intrinsic
def square_root(typing_context: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, "sqrt", arguments[0], value.dtype.bitwidth)

    return value(value), build


@intrinsic
def exponential(typing_context: Any, value: Any) -> Any:
    """e^x for |x| ≤ 87, beyond that e^±87: 2^n times the Taylor series of 2^f, |f| ≤ ½."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, bits = context.get_value_type(value), value.dtype.bitwidth

        def number(x: float) -> Any:
            return ir.Constant(kind, [x] * LANES)

        x = arguments[0]
        for bound, outside in ((87.0, ">"), (-87.0, "<")):
            x = builder.select(builder.fcmp_ordered(outside, x, number(bound)), number(bound), x)
        x = builder.fmul(x, number(1 / math.log(2)))
        whole = _call(builder, "rint", x, bits)
        part = builder.fmul(builder.fsub(x, whole), number(math.log(2)))
        highest = TAYLOR_ORDERS[bits]
        series = number(1 / math.factorial(highest))
        for order in reversed(range(highest)):
            product = builder.fmul(series, part, flags=FLAGS)
            series = builder.fadd(product, number(1 / math.factorial(order)), flags=FLAGS)
        mantissa, bias = {32: (23, 127), 64: (52, 1023)}[bits]
        integers = ir.VectorType(ir.IntType(bits), LANES)
        exponent = builder.add(builder.fptosi(whole, integers), ir.Constant(integers, [bias] * LANES))
        power = builder.bitcast(builder.shl(exponent, ir.Constant(integers, [mantissa] * LANES)), kind)
        return builder.fmul(series, power)

    return value(value), build


def _operation(symbol: Any, instruction: str) -> None:
    """a ∘ b, lane by lane."""

    @intrinsic
    def apply(typing_context: Any, a: Any, b: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments, flags=FLAGS)

        return a(a, b), build

    @overload(symbol)
    def choose(a, b):  # numba compares signatures: no annotations here
        if isinstance(a, Lanes) and a == b:
            return lambda a, b: apply(a, b)
        return None


_operation(operator.add, "fadd")
_operation(operator.sub, "fsub")
_operation(operator.mul, "fmul")
_operation(operator.truediv, "fdiv")


@compiled
def add(array, offset, value):
    """array[offset : offset + LANES] += value, flat."""
    store(array, offset, load(array, offset) + value)


@compiled
def subtract(array, offset, value):
    """array[offset : offset + LANES] -= value, flat."""
    store(array, offset, load(array, offset) - value)


@compiled
def vector(array, offset, n_features):
    """The three components of LANES features, of an array (..., 3, F)."""
    return load(array, offset), load(array, offset + n_features), load(array, offset + 2 * n_features)


@compiled
def clear(array, n):
    """The first n elements = 0, flat; n a multiple of LANES."""
    zero = spread(array.dtype.type(0))
    for k in range(0, n, LANES):
        store(array, k, zero)


@compiled
def copy(source, start, n, out, to):
    """out[to : to + n] = source[start : start + n], flat; n a multiple of LANES."""
    for k in range(0, n, LANES):
        store(out, to + k, load(source, start + k))
