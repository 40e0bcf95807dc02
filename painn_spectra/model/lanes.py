"""Eight numbers as one value in numba-compiled loops.

The compiler cannot know that ten arrays do not overlap, and then leaves a loop over features scalar. Loading
eight features, computing and storing them in this order says what is meant. Arrays must be C-contiguous; an
offset counts elements from their beginning.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 8
FLAGS = ("contract", "reassoc", "nsz")  # none that assumes finite numbers: an exploding run must show its NaN

compiled = njit(cache=True, error_model="numpy", fastmath=set(FLAGS))


class Lanes(types.Type):
    """numba's type of eight floats."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        super().__init__(f"Lanes({dtype})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        element = ir.FloatType() if kind.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, kind, ir.VectorType(element, LANES))


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any, lanes: Any) -> Any:
    """Address of eight elements."""
    data = context.make_array(array_type)(context, builder, array).data
    element = builder.gep(data, [offset])
    return builder.bitcast(element, context.get_value_type(lanes).as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """array[offset : offset + 8], flat."""
    lanes = Lanes(array.dtype)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, array, *arguments, lanes)
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return lanes(array, types.intp), build


@intrinsic
def store(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
    """array[offset : offset + 8] = value, flat."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, array, *arguments[:2], value)
        builder.store(arguments[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


@intrinsic
def spread(typing_context: Any, scalar: Any) -> Any:
    """The same number eight times."""
    lanes = Lanes(scalar)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(lanes)
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), arguments[0], ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, one, mask)

    return lanes(scalar), build


@intrinsic
def total(typing_context: Any, value: Any) -> Any:
    """Sum of the eight numbers."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = [builder.extract_element(arguments[0], ir.IntType(32)(k)) for k in range(LANES)]
        while len(parts) > 1:
            parts = [builder.fadd(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    return value.dtype(value), build


@intrinsic
def square_root(typing_context: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(value)
        name = f"llvm.sqrt.v{LANES}f{value.dtype.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
        return builder.call(function, arguments)

    return value(value), build


def _operation(symbol: Any, instruction: str) -> None:
    """a ∘ b of two values of eight numbers."""

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
    """array[offset : offset + 8] += value, flat."""
    store(array, offset, load(array, offset) + value)


@compiled
def subtract(array, offset, value):
    """array[offset : offset + 8] -= value, flat."""
    store(array, offset, load(array, offset) - value)


@compiled
def vector(array, offset, n_features):
    """The three components of eight features, of an array (..., 3, F)."""
    return load(array, offset), load(array, offset + n_features), load(array, offset + 2 * n_features)
