"""Words of memory that several threads read and write at once, and arrays made from addresses."""

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_RELAX = "llvm.x86.sse2.pause" if llvm.get_process_triple().startswith(("x86", "i686", "amd64")) else None


def _word(context, builder, array_type, array, place):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [place])


def _exchanging(operation):
    """An operation on the int64 number at a place of an array that gives what was there before, in one step."""

    @intrinsic
    def exchange(typing_context, array, place, number):
        def codegen(context, builder, signature, args):
            address = _word(context, builder, signature.args[0], args[0], args[1])
            return builder.atomic_rmw(operation, address, args[2], "seq_cst")

        return types.int64(array, types.int64, types.int64), codegen

    return exchange


swap, fetch_add = _exchanging("xchg"), _exchanging("add")


@intrinsic
def read(typing_context, array, place):
    """The int64 number at a place of an array: what other threads wrote before it is seen from here on."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(_word(context, builder, signature.args[0], args[0], args[1]), "seq_cst", 8)

    return types.int64(array, types.int64), codegen


@intrinsic
def relax(typing_context):
    """Tell the processor that this is a loop that waits."""

    def codegen(context, builder, signature, args):
        if _RELAX is not None:
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, _RELAX), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def pointer_to(typing_context, address, like):
    """Pointer to numbers of the dtype of the array `like`, for `numba.carray`."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(types.int64, like), codegen
