"""Gram matrices of panels, in tiles that stay in the 512-bit registers of the processor.

A run of rows is laid out in strips of two registers' width, zeros beyond the last column. A tile is eight rows of the
result and one strip, sixteen registers, summed up over the run before it is added to memory. Tiles below the diagonal
are left out, and mirrored in the end.
"""

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from ._jit import jit
from ._vector import Vector, load, store

RUN = 128  # rows that are laid out at a time
_REGISTER = 64  # bytes
_TILE_ROWS = 8
_PATCH = 16  # numbers a side that are mirrored at a time


def has_wide_registers():
    """Whether kernels are compiled, and for a processor with registers of 512 bits and fused products."""
    features = binding.get_host_cpu_features()
    ours = config.CPU_NAME in (None, binding.get_host_cpu_name()) and not config.DISABLE_JIT
    return bool(ours and features.get("avx512f") and features.get("fma"))


def gram_workspace(columns, dtype):
    """Memory for one run of rows in strips, zero beyond the columns, and for the result, as wide as the strips."""
    width = 2 * _REGISTER // np.dtype(dtype).itemsize
    size = -(-columns // width) * width
    strips = np.empty(RUN * size, dtype)
    strips[RUN * (columns // width * width) :] = 0.0
    return strips, np.empty((size, size), dtype)


@intrinsic
def zeros_wide(typing_context, array):
    """Vector of zeros that fills one register."""
    vector = Vector(array.dtype, _REGISTER * 8 // array.dtype.bitwidth)

    def codegen(context, builder, signature, args):
        return ir.Constant(context.get_value_type(vector), None)

    return vector(array), codegen


@intrinsic
def spread(typing_context, like, array, offset):
    """The number at position `offset` of the contiguous `array`, in every lane."""

    def codegen(context, builder, signature, args):
        vector_type = context.get_value_type(like)
        data = context.make_array(signature.args[1])(context, builder, args[1]).data
        number = builder.load(builder.gep(data, [args[2]]))
        first = builder.insert_element(ir.Constant(vector_type, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), like.lanes), [0] * like.lanes)
        return builder.shuffle_vector(first, ir.Constant(vector_type, ir.Undefined), everywhere)

    return like(like, array, offset), codegen


@intrinsic
def add_fused(typing_context, total, first, second):
    """``total + first * second``, lane by lane, rounded once."""

    def codegen(context, builder, signature, args):
        name = f"llvm.fma.v{total.lanes}f{total.dtype.bitwidth}"
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(args[0].type, [args[0].type] * 3), name)
        return builder.call(fma, [args[1], args[2], args[0]])

    return total(total, first, second), codegen


@intrinsic
def add_to_memory(typing_context, array, offset, vector):
    """Add `vector` to the contiguous `array` from position `offset` on."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        address = builder.bitcast(builder.gep(data, [args[1]]), args[2].type.as_pointer())
        align = context.get_abi_sizeof(context.get_value_type(vector.dtype))
        builder.store(builder.fadd(builder.load(address, align=align), args[2]), address, align=align)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), codegen


@jit
def panel_gram(X, strips, out):
    """``out = Xᵀ X``.

    Parameters
    ----------
    X : array, shape (m, n)
        By rows, in single or double precision.
    strips, out : arrays
        From `gram_workspace` for n columns, in the dtype of `X`.
    """
    width = 2 * _REGISTER // X.itemsize
    _clear(out)
    for first in range(0, X.shape[0], RUN):
        rows = min(RUN, X.shape[0] - first)
        _lay_out(X, strips, first, rows, width)
        _add_run(strips, out.ravel(), rows, width, out.shape[0])
    _mirror(out)


@jit
def long_gram(A, B, strips, out, start, stop):
    """``out = M Mᵀ`` for the columns ``start…stop-1`` of M, the rows of `A` and below them those of `B`.

    Parameters
    ----------
    A, B : arrays, shapes (h, d) and (k, d)
        By rows.
    strips, out : arrays
        From `gram_workspace` for h + k columns, in the dtype of the sums, which may be wider than that of the rows.
    """
    width = 2 * _REGISTER // out.itemsize
    _clear(out)
    for first in range(start, stop, RUN):
        columns = min(RUN, stop - first)
        _lay_across(A, strips, first, columns, 0, width)
        _lay_across(B, strips, first, columns, A.shape[0], width)
        _add_run(strips, out.ravel(), columns, width, out.shape[0])
    _mirror(out)


@jit
def _clear(out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = 0.0


@jit
def _lay_out(X, strips, first, rows, width):
    """Rows of `X` into strips."""
    n, half, zero = X.shape[1], width // 2, zeros_wide(strips)
    for k in range(rows):
        row, place = X[first + k], k * width
        for start in range(0, n, width):
            if start + width <= n:
                store(strips, place, load(zero, row, start))
                store(strips, place + half, load(zero, row, start + half))
            else:
                done = half if start + half <= n else 0
                if done:
                    store(strips, place, load(zero, row, start))
                for c in range(done, n - start):
                    strips[place + c] = row[start + c]
            place += RUN * width


@jit
def _lay_across(A, strips, first, columns, start, width):
    """Columns of `A` into strips, the rows of `A` from place `start` of a strip on."""
    for c in range(A.shape[0]):
        place = (start + c) // width * RUN * width + (start + c) % width
        row = A[c]
        for k in range(columns):
            strips[place + k * width] = row[first + k]


@jit
def _add_run(strips, out, rows, width, size):
    """Add the products of a run to the tiles on and above the diagonal."""
    for j in range(0, size, width):
        for i in range(0, j + width, _TILE_ROWS):
            _tile(strips, out, rows, i // width * RUN * width + i % width, j * RUN, width, i * size + j, size)


@jit
def _tile(strips, out, rows, left, right, width, place, size):
    """Eight rows of the result by one strip: left operands start at `left`, right ones at `right`."""
    zero, half = zeros_wide(strips), width // 2
    a0, a1, b0, b1, c0, c1, d0, d1 = zero, zero, zero, zero, zero, zero, zero, zero
    e0, e1, f0, f1, g0, g1, h0, h1 = zero, zero, zero, zero, zero, zero, zero, zero
    for k in range(0, rows * width, width):
        low, high, q = load(zero, strips, right + k), load(zero, strips, right + half + k), left + k
        x, y = spread(zero, strips, q), spread(zero, strips, q + 1)
        a0, a1, b0, b1 = add_fused(a0, x, low), add_fused(a1, x, high), add_fused(b0, y, low), add_fused(b1, y, high)
        x, y = spread(zero, strips, q + 2), spread(zero, strips, q + 3)
        c0, c1, d0, d1 = add_fused(c0, x, low), add_fused(c1, x, high), add_fused(d0, y, low), add_fused(d1, y, high)
        x, y = spread(zero, strips, q + 4), spread(zero, strips, q + 5)
        e0, e1, f0, f1 = add_fused(e0, x, low), add_fused(e1, x, high), add_fused(f0, y, low), add_fused(f1, y, high)
        x, y = spread(zero, strips, q + 6), spread(zero, strips, q + 7)
        g0, g1, h0, h1 = add_fused(g0, x, low), add_fused(g1, x, high), add_fused(h0, y, low), add_fused(h1, y, high)
    _add_two(out, place, half, size, a0, a1, b0, b1)
    _add_two(out, place + 2 * size, half, size, c0, c1, d0, d1)
    _add_two(out, place + 4 * size, half, size, e0, e1, f0, f1)
    _add_two(out, place + 6 * size, half, size, g0, g1, h0, h1)


@jit(inline=True)
def _add_two(out, place, half, size, a0, a1, b0, b1):
    add_to_memory(out, place, a0)
    add_to_memory(out, place + half, a1)
    add_to_memory(out, place + size, b0)
    add_to_memory(out, place + size + half, b1)


@jit
def _mirror(out):
    """Fill in what lies below the diagonal, in patches that stay in the first cache."""
    n = out.shape[0]
    for top in range(0, n, _PATCH):
        for left in range(0, top + 1, _PATCH):
            for i in range(top, min(n, top + _PATCH)):
                for j in range(left, min(i, left + _PATCH)):
                    out[i, j] = out[j, i]
