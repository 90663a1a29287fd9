"""Eight numbers at a time, whose signs are the lowest bits of a word.

Lane l goes with bit l. A processor with masks takes the bits as they are, others compare them first.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _lanes_of(builder, word, lanes):
    """Bits of a word as a vector of conditions."""
    return builder.bitcast(builder.trunc(word, ir.IntType(lanes)), ir.VectorType(ir.IntType(1), lanes))


@intrinsic
def signed(typing_context, like, number, bits):
    """Vector of the type of `like` that holds `number`, negative where a bit is one."""

    def codegen(context, builder, signature, args):
        vector_type = context.get_value_type(like)
        one = ir.Constant(ir.IntType(32), 0)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), like.lanes), [0] * like.lanes)
        both = []
        for number in (builder.fneg(args[1]), args[1]):
            first = builder.insert_element(ir.Constant(vector_type, ir.Undefined), number, one)
            both.append(builder.shuffle_vector(first, ir.Constant(vector_type, ir.Undefined), everywhere))
        return builder.select(_lanes_of(builder, args[2], like.lanes), *both)

    return like(like, like.dtype, types.uint64), codegen


@intrinsic
def flipped(typing_context, vector, bits):
    """`vector`, the other sign where a bit is one."""

    def codegen(context, builder, signature, args):
        return builder.select(_lanes_of(builder, args[1], vector.lanes), builder.fneg(args[0]), args[0])

    return vector(vector, types.uint64), codegen


@intrinsic
def kept(typing_context, vector, bits):
    """`vector`, zero where a bit is zero."""

    def codegen(context, builder, signature, args):
        zero = ir.Constant(args[0].type, None)
        return builder.select(_lanes_of(builder, args[1], vector.lanes), args[0], zero)

    return vector(vector, types.uint64), codegen


@intrinsic
def exclusive(typing_context, first, second):
    """Exclusive or of the bits, lane by lane, of integers."""

    def codegen(context, builder, signature, args):
        return builder.xor(*args)

    return first(first, second), codegen


@intrinsic
def minus(typing_context, first, second):
    """Difference, lane by lane."""

    def codegen(context, builder, signature, args):
        return builder.fsub(*args)

    return first(first, second), codegen


@intrinsic
def below(typing_context, first, second):
    """Word whose bits say where `first` is less than `second`."""

    def codegen(context, builder, signature, args):
        less = builder.fcmp_ordered("<", *args)
        return builder.zext(builder.bitcast(less, ir.IntType(first.lanes)), ir.IntType(64))

    return types.uint64(first, second), codegen


@intrinsic
def size_of(typing_context, vector):
    """Modulus, lane by lane."""

    def codegen(context, builder, signature, args):
        negative = builder.fcmp_ordered("<", args[0], ir.Constant(args[0].type, None))
        return builder.select(negative, builder.fneg(args[0]), args[0])

    return vector(vector), codegen
