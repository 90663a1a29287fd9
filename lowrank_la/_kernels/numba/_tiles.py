"""Tiles of thin matrix products whose numbers stay in registers.

All arrays are contiguous and of one real dtype, and places in them are counted in numbers. A product is added with one
rounding where the machine can, so that these sums agree with others to rounding only.
"""

from functools import cache

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._processor import has

WIDE = has("avx512f")  # 32 registers of 64 bytes; else 16 of 32 bytes are used
BYTES = 64 if WIDE else 32


@cache
def add_tile(rows, vectors, *, turned=False):
    """Function that adds a product to a tile of `rows` rows and so many `vectors` of `BYTES` bytes.

    Its arguments are ``(a, a0, a_step, b, b0, b_step, out, out0, out_step, depth)``:
    ``out[out0 + i * out_step + j] += Σ_k a[a0 + i * a_step + k] b[b0 + k * b_step + j]`` for `k` less than `depth`, or
    with ``a[a0 + k * a_step + i]`` if `a` is `turned`. The sum is complete, in registers, before it is added. The
    numbers of `a` and `b` are read as they are needed; unless `turned`, as many of the rows of `a` after these are
    fetched meanwhile.
    """

    @intrinsic
    def add(typing_context, a, a0, a_step, b, b0, b_step, out, out0, out_step, depth):
        def codegen(context, builder, signature, args):
            room, args = _room(context, builder, signature, args)
            a, a0, a_step, b, b0, b_step, out, out0, out_step, depth = args
            cells = [(i, j) for i in range(rows) for j in range(vectors)]
            sums = {cell: cgutils.alloca_once(builder, room.vector) for cell in cells}
            for total in sums.values():
                builder.store(ir.Constant(room.vector, None), total)
            below = room.sum(a0, room.times(a_step, rows))
            with cgutils.for_range(builder, depth) as loop:
                if not turned:
                    room.fetch(a, room.sum(below, room.times(loop.index, rows)))
                first = room.sum(a0, builder.mul(loop.index, a_step) if turned else loop.index)
                start = room.sum(b0, builder.mul(loop.index, b_step))
                row = [room.load(room.at(b, start, j)) for j in range(vectors)]
                for i in range(rows):
                    number = room.spread(a, room.sum(first, i if turned else room.times(a_step, i)))
                    for j in range(vectors):
                        builder.store(room.multiply_add(number, row[j], builder.load(sums[i, j])), sums[i, j])
            for i, j in cells:
                place = room.at(out, room.sum(out0, room.times(out_step, i)), j)
                room.store(builder.fadd(room.load(place), builder.load(sums[i, j])), place)
            return context.get_dummy_value()

        return types.void(a, a0, a_step, b, b0, b_step, out, out0, out_step, depth), codegen

    return add


@cache
def add_rows(depth, vectors):
    """Function that adds a product with a block of `depth` rows and so many `vectors` of `BYTES` bytes.

    Its arguments are ``(a, a0, b, b0, b_step, out, out0, count)``:
    ``out[out0 + i * width + j] += Σ_k a[a0 + i * depth + k] b[b0 + k * b_step + j]`` for `i` less than `count`, where
    `width` is the length of a row of the block. The block of `b` is in registers, it is read once, and the one below it
    is fetched meanwhile.
    """

    @intrinsic
    def add(typing_context, a, a0, b, b0, b_step, out, out0, count):
        def codegen(context, builder, signature, args):
            room, args = _room(context, builder, signature, args)
            a, a0, b, b0, b_step, out, out0, count = args
            block = [
                [room.load(room.at(b, room.sum(b0, room.times(b_step, k)), j)) for j in range(vectors)]
                for k in range(depth)
            ]
            for k, j in [(k, j) for k in range(depth, 2 * depth) for j in range(vectors)]:
                room.fetch(b, room.sum(room.sum(b0, room.times(b_step, k)), j * room.lanes))
            with cgutils.for_range(builder, count) as loop:
                start = room.sum(out0, room.times(loop.index, vectors * room.lanes))
                places = [room.at(out, start, j) for j in range(vectors)]
                sums = [room.load(place) for place in places]
                for k in range(depth):
                    number = room.spread(a, room.sum(room.sum(a0, room.times(loop.index, depth)), k))
                    sums = [room.multiply_add(number, *pair) for pair in zip(block[k], sums, strict=True)]
                for total, place in zip(sums, places, strict=True):
                    room.store(total, place)
            return context.get_dummy_value()

        return types.void(a, a0, b, b0, b_step, out, out0, count), codegen

    return add


@cache
def move(vectors):
    """Function ``(a, a0, out, out0)`` that copies so many vectors from place `a0` of `a` to `out0` of `out`."""

    @intrinsic
    def moved(typing_context, a, a0, out, out0):
        def codegen(context, builder, signature, args):
            room, (a, a0, out, out0) = _room(context, builder, signature, args)
            for vector, j in [(room.load(room.at(a, a0, j)), j) for j in range(vectors)]:
                room.store(vector, room.at(out, out0, j))
            return context.get_dummy_value()

        return types.void(a, a0, out, out0), codegen

    return moved


def _room(context, builder, signature, args):
    """`_Room` of the dtype of the arrays, and the arguments with the address of the numbers for each array."""
    dtype = next(kind.dtype for kind in signature.args if isinstance(kind, types.Array))
    args = [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, args, strict=True)
    ]
    return _Room(builder, context.get_value_type(dtype), dtype.bitwidth), args


class _Room:
    """Instructions on vectors of `BYTES` bytes of the type `number`."""

    def __init__(self, builder, number, bits):
        self.builder, self.bytes, self.lanes = builder, bits // 8, 8 * BYTES // bits
        self.vector = ir.VectorType(number, self.lanes)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self._fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{self.lanes}f{bits}")

    def sum(self, x, y):
        return self.builder.add(x, ir.Constant(x.type, y) if isinstance(y, int) else y)

    def times(self, x, n):
        return self.builder.mul(x, ir.Constant(x.type, n))

    def at(self, array, start, j):
        """Address of the `j`-th vector from the place `start` on."""
        place = self.sum(start, j * self.lanes)
        return self.builder.bitcast(self.builder.gep(array, [place]), self.vector.as_pointer())

    def load(self, address):
        return self.builder.load(address, align=self.bytes)

    def store(self, vector, address):
        self.builder.store(vector, address, align=self.bytes)

    def fetch(self, array, place):
        """Bring what is there into the cache; it may lie outside of the array."""
        address = self.builder.bitcast(self.builder.gep(array, [place]), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t] + [cgutils.int32_t] * 3)
        prefetch = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0i8")
        read, keep, data = (cgutils.int32_t(flag) for flag in (0, 3, 1))
        self.builder.call(prefetch, [address, read, keep, data])

    def spread(self, array, place):
        """A vector of copies of one number."""
        nothing, zero = ir.Constant(self.vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        first = self.builder.insert_element(nothing, self.builder.load(self.builder.gep(array, [place])), zero)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, nothing, zeros)

    def multiply_add(self, x, y, total):
        return self.builder.call(self._fused, [x, y, total])
