"""Short vectors of real numbers that stay in registers.

LLVM vectorises a loop over the columns of a row only after checking at run time that the arrays don't overlap, once a
nonzero. A `Vector` says it in the type instead. Arguments called `like` are read for their type alone.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model


class Vector(types.Type):
    """`lanes` numbers of type `dtype`."""

    def __init__(self, dtype, lanes):
        self.dtype = dtype
        self.lanes = lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        element = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


def _zeros(lanes):
    @intrinsic
    def zeros(typing_context, array):
        vector = Vector(array.dtype, lanes)

        def codegen(context, builder, signature, args):
            return ir.Constant(context.get_value_type(vector), None)

        return vector(array), codegen

    return zeros


zeros_4, zeros_8, zeros_16, zeros_32 = (_zeros(lanes) for lanes in (4, 8, 16, 32))


def _address(context, builder, array_type, array, offset, vector_type):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), vector_type.as_pointer())


def _alignment(context, vector):
    return context.get_abi_sizeof(context.get_value_type(vector.dtype))


@intrinsic
def load(typing_context, like, array, offset):
    """Vector from position `offset` of the contiguous `array` on."""

    def codegen(context, builder, signature, args):
        vector_type = context.get_value_type(signature.return_type)
        address = _address(context, builder, signature.args[1], args[1], args[2], vector_type)
        return builder.load(address, align=_alignment(context, like))

    return like(like, array, offset), codegen


@intrinsic
def store(typing_context, array, offset, vector):
    """Write `vector` to the contiguous `array` from position `offset` on."""

    def codegen(context, builder, signature, args):
        address = _address(context, builder, signature.args[0], args[0], args[1], args[2].type)
        builder.store(args[2], address, align=_alignment(context, vector))
        return context.get_dummy_value()

    return types.void(array, offset, vector), codegen


@intrinsic
def add_scaled(typing_context, total, scalar, vector):
    """``total + scalar * vector``, rounded twice."""

    def codegen(context, builder, signature, args):
        vector_type = args[0].type
        number = context.cast(builder, args[1], signature.args[1], total.dtype)
        first = builder.insert_element(ir.Constant(vector_type, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), total.lanes), [0] * total.lanes)
        spread = builder.shuffle_vector(first, ir.Constant(vector_type, ir.Undefined), everywhere)
        return builder.fadd(args[0], builder.fmul(spread, args[2]))

    return total(total, scalar, vector), codegen


@intrinsic
def add_product(typing_context, total, first, second):
    """``total + first * second``, lane by lane, rounded twice."""

    def codegen(context, builder, signature, args):
        return builder.fadd(args[0], builder.fmul(args[1], args[2]))

    return total(total, first, second), codegen


@intrinsic
def total_of(typing_context, vector):
    """Sum of the lanes: the upper half is added to the lower one until one number is left."""

    def codegen(context, builder, signature, args):
        total, lanes = args[0], vector.lanes
        while lanes > 1:
            lanes //= 2
            low, high = (ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(part)) for part in
                         (range(lanes), range(lanes, 2 * lanes)))  # fmt: skip
            total = builder.fadd(builder.shuffle_vector(total, total, low), builder.shuffle_vector(total, total, high))
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return vector.dtype(vector), codegen


@intrinsic
def add_totals(typing_context, array, offset, a, b, c, d):
    """Add the sums of the lanes of four vectors, each as `total_of` has it, to four numbers of `array` in a row."""

    def codegen(context, builder, signature, args):
        def mixed(first, second, lanes):
            return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))

        parts, lanes = list(args[2:]), a.lanes
        while lanes > 4:
            lanes //= 2
            halves = (list(range(lanes)), list(range(lanes, 2 * lanes)))
            parts = [builder.fadd(*(mixed(part, part, half) for half in halves)) for part in parts]
        low = [mixed(parts[i], parts[i + 1], [0, 4, 1, 5]) for i in (0, 2)]
        high = [mixed(parts[i], parts[i + 1], [2, 6, 3, 7]) for i in (0, 2)]
        even, odd = (builder.fadd(*pair) for pair in zip(
            (mixed(*low, lanes=[0, 1, 4, 5]), mixed(*low, lanes=[2, 3, 6, 7])),
            (mixed(*high, lanes=[0, 1, 4, 5]), mixed(*high, lanes=[2, 3, 6, 7])), strict=True,
        ))  # fmt: skip
        total = builder.fadd(even, odd)
        address = _address(context, builder, signature.args[0], args[0], args[1], total.type)
        old = builder.load(address, align=_alignment(context, a))
        builder.store(builder.fadd(old, total), address, align=_alignment(context, a))
        return context.get_dummy_value()

    return types.void(array, types.int64, a, b, c, d), codegen


@intrinsic
def subtract_product(typing_context, total, first, second):
    """``total - first * second``, lane by lane, rounded twice."""

    def codegen(context, builder, signature, args):
        return builder.fsub(args[0], builder.fmul(args[1], args[2]))

    return total(total, first, second), codegen


@intrinsic
def product(typing_context, first, second):
    """``first * second``, lane by lane."""

    def codegen(context, builder, signature, args):
        return builder.fmul(*args)

    return first(first, second), codegen


@intrinsic
def inverse_root(typing_context, vector, least):
    """``1 / sqrt(max(vector, least))``, lane by lane; NaN counts as `least`."""

    def codegen(context, builder, signature, args):
        vector_type = args[0].type
        number = context.cast(builder, args[1], signature.args[1], vector.dtype)
        first = builder.insert_element(ir.Constant(vector_type, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), vector.lanes), [0] * vector.lanes)
        floor = builder.shuffle_vector(first, ir.Constant(vector_type, ir.Undefined), everywhere)
        safe = builder.select(builder.fcmp_ordered(">", args[0], floor), args[0], floor)
        name = f"llvm.sqrt.v{vector.lanes}f{vector.dtype.bitwidth}"
        root = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector_type, [vector_type]), name)
        return builder.fdiv(ir.Constant(vector_type, [1.0] * vector.lanes), builder.call(root, [safe]))

    return vector(vector, least), codegen


@intrinsic
def store_transposed(typing_context, array, offset, stride, a, b, c, d):
    """Write four vectors of four lanes as columns: lane l of the four goes to ``offset + l * stride`` and on."""

    def codegen(context, builder, signature, args):
        def mixed(first, second, lanes):
            return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(ir.IntType(32), 4), lanes))

        low = [mixed(args[first], args[first + 1], [0, 4, 1, 5]) for first in (3, 5)]
        high = [mixed(args[first], args[first + 1], [2, 6, 3, 7]) for first in (3, 5)]
        rows = [mixed(*pair, lanes=lanes) for pair in (low, high) for lanes in ([0, 1, 4, 5], [2, 3, 6, 7])]
        place = args[1]
        for row in rows:
            address = _address(context, builder, signature.args[0], args[0], place, row.type)
            builder.store(row, address, align=_alignment(context, a))
            place = builder.add(place, args[2])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, a, b, c, d), codegen


@intrinsic
def times_i(typing_context, vector):
    """`vector` times the imaginary unit, its lanes being real and imaginary parts in turn."""

    def codegen(context, builder, signature, args):
        vector_type, lanes = args[0].type, vector.lanes
        swap = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [lane ^ 1 for lane in range(lanes)])
        swapped = builder.shuffle_vector(args[0], ir.Constant(vector_type, ir.Undefined), swap)
        return builder.fmul(swapped, ir.Constant(vector_type, [-1.0, 1.0] * (lanes // 2)))

    return vector(vector), codegen


@intrinsic
def clear_first(typing_context, vector, count):
    """`vector` with its first `count` lanes set to zero."""

    def codegen(context, builder, signature, args):
        vector_type, lanes = args[0].type, vector.lanes
        index_type = ir.VectorType(ir.IntType(32), lanes)
        limit = builder.trunc(args[1], ir.IntType(32))
        first = builder.insert_element(ir.Constant(index_type, ir.Undefined), limit, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(index_type, [0] * lanes)
        limits = builder.shuffle_vector(first, ir.Constant(index_type, ir.Undefined), everywhere)
        keep = builder.icmp_signed(">=", ir.Constant(index_type, list(range(lanes))), limits)
        return builder.select(keep, args[0], ir.Constant(vector_type, None))

    return vector(vector, types.int64), codegen
