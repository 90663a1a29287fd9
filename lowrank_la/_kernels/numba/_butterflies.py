"""Butterflies of a Hadamard transform on vectors that stay in registers.

Every function here loads all its vectors before it stores any, so neither overlapping arrays nor strides known only at
run time keep LLVM from using registers, and one compilation a dtype serves all lengths.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._processor import has

_WIDE = has("avx512f")
_REGISTER_BITS = 512 if _WIDE else 256
_VECTORS = 16 if _WIDE else 8  # of a leaf: half the registers that there are


def _lanes(dtype):
    return _REGISTER_BITS // dtype.bitwidth


def _constant(function):
    """A number that depends on the dtype of an array alone, known when a kernel is compiled."""

    @intrinsic
    def constant(typing_context, array):
        def codegen(context, builder, signature, args):
            return ir.Constant(ir.IntType(64), function(array.dtype))

        return types.int64(array), codegen

    return constant


lanes_of = _constant(_lanes)
leaf_bits_of = _constant(lambda dtype: (_lanes(dtype) * _VECTORS).bit_length() - 1)
weave_bits_of = _constant(lambda dtype: max(3, _lanes(dtype).bit_length() - 1))
line_of = _constant(lambda dtype: 512 // dtype.bitwidth)
block_bits_of = _constant(lambda dtype: (131072 // dtype.bitwidth).bit_length() - 1)  # 16 KiB: half a first-level cache


@intrinsic
def past_line(typing_context, array, offset):
    """How many numbers `offset` lies behind the last boundary of a cache line."""

    def codegen(context, builder, signature, args):
        emit, numbers = _Emitter(context, builder, signature.args[0].dtype), ir.IntType(64)
        address = builder.ptrtoint(emit.place(signature.args[0], args[0], args[1]), numbers)
        inside = builder.and_(address, ir.Constant(numbers, 63))
        return builder.udiv(inside, ir.Constant(numbers, emit.align))

    return types.int64(array, types.int64), codegen


class _Emitter:
    """Loads, stores and butterflies of vectors of `dtype`."""

    def __init__(self, context, builder, dtype, lanes=None):
        self.context, self.builder = context, builder
        self.lanes, self.align = lanes or _lanes(dtype), dtype.bitwidth // 8
        self.type = ir.VectorType(context.get_value_type(dtype), self.lanes)

    def place(self, array_type, array, offset):
        data = self.context.make_array(array_type)(self.context, self.builder, array).data
        return self.builder.bitcast(self.builder.gep(data, [offset]), self.type.as_pointer())

    def places(self, array_type, array, offset, step, count):
        for _ in range(count):
            yield self.place(array_type, array, offset)
            offset = self.builder.add(offset, step)

    def load(self, places):
        return [self.builder.load(place, align=self.align) for place in places]

    def store(self, vectors, places):
        for vector, place in zip(vectors, places, strict=True):
            self.builder.store(vector, place, align=self.align)

    def fetch(self, places):
        """Ask for the cache lines at `places`, which may lie outside every array."""
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0i8")
        for place in places:
            options = [ir.Constant(number, option) for option in (0, 3, 1)]  # to read, into every cache, data
            self.builder.call(function, [self.builder.bitcast(place, byte), *options])

    def first_lanes(self, count):
        """Mask of the first `count` lanes."""
        index = ir.VectorType(ir.IntType(32), self.lanes)
        first = self.builder.insert_element(
            ir.Constant(index, ir.Undefined), self.builder.trunc(count, ir.IntType(32)), ir.Constant(ir.IntType(32), 0)
        )
        counts = self.builder.shuffle_vector(
            first, ir.Constant(index, ir.Undefined), ir.Constant(index, [0] * self.lanes)
        )
        return self.builder.icmp_unsigned("<", ir.Constant(index, list(range(self.lanes))), counts)

    def load_some(self, places, mask):
        """Lanes of `mask`, zeros elsewhere."""
        align, zeros = ir.Constant(ir.IntType(32), self.align), ir.Constant(self.type, None)
        kind = ir.FunctionType(self.type, [self.type.as_pointer(), align.type, mask.type, self.type])
        function = cgutils.get_or_insert_function(self.builder.module, kind, self.masked("load"))
        return [self.builder.call(function, [place, align, mask, zeros]) for place in places]

    def store_some(self, vectors, places, mask):
        """Lanes of `mask` alone."""
        align = ir.Constant(ir.IntType(32), self.align)
        kind = ir.FunctionType(ir.VoidType(), [self.type, self.type.as_pointer(), align.type, mask.type])
        function = cgutils.get_or_insert_function(self.builder.module, kind, self.masked("store"))
        for vector, place in zip(vectors, places, strict=True):
            self.builder.call(function, [vector, place, align, mask])

    def masked(self, what):
        kind = f"v{self.lanes}f{8 * self.align}"
        return f"llvm.masked.{what}.{kind}.p0{kind}"

    def spread(self, number):
        zero = ir.Constant(ir.IntType(32), 0)
        first = self.builder.insert_element(ir.Constant(self.type, ir.Undefined), number, zero)
        return self.shuffled(first, [0] * self.lanes)

    def shuffled(self, vector, order):
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), order)
        return self.builder.shuffle_vector(vector, ir.Constant(self.type, ir.Undefined), mask)

    def across_lanes(self, vectors, stride):
        """A stage inside the vectors: products with ±1 are exact, so that fusing them into sums changes no bit."""
        signs = ir.Constant(self.type, [-1.0 if lane & stride else 1.0 for lane in range(self.lanes)])
        order = [lane ^ stride for lane in range(self.lanes)]
        fused = ("contract",)
        return [
            self.builder.fadd(self.shuffled(vector, order), self.builder.fmul(signs, vector, flags=fused), flags=fused)
            for vector in vectors
        ]

    def across_rows(self, vectors, stride, inner):
        """A stage between rows of `inner` numbers, `stride` rows apart, that lie behind each other in the vectors."""
        result, lanes = [], range(self.lanes)
        for k, vector in enumerate(vectors):
            rows, columns = zip(*(divmod(k * self.lanes + lane, inner) for lane in lanes), strict=True)
            partners = [(row ^ stride) * inner + column for row, column in zip(rows, columns, strict=True)]
            signs = ir.Constant(self.type, [-1.0 if row & stride else 1.0 for row in rows])
            turned = self.builder.fmul(signs, vector, flags=("contract",))
            result.append(self.builder.fadd(self.gathered(vectors, partners), turned, flags=("contract",)))
        return result

    def gathered(self, vectors, places):
        """The numbers at `places` of the vectors behind each other."""
        homes = [place // self.lanes for place in places]
        result = ir.Constant(self.type, ir.Undefined)
        for home in sorted(set(homes)):
            order = [
                self.lanes + place % self.lanes if of == home else lane
                for lane, (place, of) in enumerate(zip(places, homes, strict=True))
            ]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), order)
            result = self.builder.shuffle_vector(result, vectors[home], mask)
        return result

    def across_vectors(self, vectors, stride):
        """A stage between the vectors."""
        result = list(vectors)
        for i in range(len(vectors)):
            if not i & stride:
                first, second = vectors[i], vectors[i + stride]
                result[i] = self.builder.fadd(first, second)
                result[i + stride] = self.builder.fsub(first, second)
        return result


def _leaf(low, high):
    """Stages of strides ``2**low`` to ``2**(high - 1)`` on a block that fills the registers."""

    @intrinsic
    def leaf(typing_context, target, to, source, at, scale):
        def codegen(context, builder, signature, args):
            emit = _Emitter(context, builder, target.dtype)
            step = ir.Constant(ir.IntType(64), emit.lanes)
            factor = emit.spread(args[4])
            vectors = emit.load(list(emit.places(signature.args[2], args[2], args[3], step, _VECTORS)))
            vectors = [builder.fmul(factor, vector) for vector in vectors]
            stride = 1 << low
            while stride < 1 << high and stride < emit.lanes * _VECTORS:
                inside = stride < emit.lanes
                across = emit.across_lanes if inside else emit.across_vectors
                vectors = across(vectors, stride if inside else stride // emit.lanes)
                stride *= 2
            emit.store(vectors, emit.places(signature.args[0], args[0], args[1], step, _VECTORS))
            return context.get_dummy_value()

        return types.void(target, types.int64, source, types.int64, target.dtype), codegen

    return leaf


leaf_1, leaf_2, leaf_3, leaf_4, leaf_5, leaf_6, leaf_7, leaf_8 = (_leaf(0, stages) for stages in range(1, 9))
leaf_from_1, leaf_from_2, leaf_from_3 = (_leaf(low, 8) for low in (1, 2, 3))


def _staged(emit, vectors):
    """All stages between the vectors, ascending."""
    distance = 1
    while distance < len(vectors):
        vectors = emit.across_vectors(vectors, distance)
        distance *= 2
    return vectors


def _join(radix):
    """All stages between `radix` vectors that lie `stride` apart, from one array to the same places of another."""

    @intrinsic
    def join(typing_context, target, source, offset, stride):
        def codegen(context, builder, signature, args):
            emit = _Emitter(context, builder, target.dtype)
            loaded = emit.load(list(emit.places(signature.args[1], args[1], args[2], args[3], radix)))
            emit.store(_staged(emit, loaded), emit.places(signature.args[0], args[0], args[2], args[3], radix))
            return context.get_dummy_value()

        return types.void(target, source, types.int64, types.int64), codegen

    return join


def _cross(radix):
    """`join` which asks for half as many cache lines, from `fetch` on in rows so far apart."""

    @intrinsic
    def cross(typing_context, target, source, offset, stride, fetch, row):
        def codegen(context, builder, signature, args):
            emit = _Emitter(context, builder, target.dtype)
            loaded = emit.load(list(emit.places(signature.args[1], args[1], args[2], args[3], radix)))
            emit.fetch(emit.places(signature.args[1], args[1], args[4], args[5], radix // 2))
            emit.store(_staged(emit, loaded), emit.places(signature.args[0], args[0], args[2], args[3], radix))
            return context.get_dummy_value()

        return types.void(target, source, *[types.int64] * 4), codegen

    return cross


def _cross_some(radix):
    """`join` of the first `count` lanes alone."""

    @intrinsic
    def cross(typing_context, target, source, offset, stride, count):
        def codegen(context, builder, signature, args):
            emit = _Emitter(context, builder, target.dtype)
            mask = emit.first_lanes(args[4])
            places = list(emit.places(signature.args[1], args[1], args[2], args[3], radix))
            vectors = _staged(emit, emit.load_some(places, mask))
            emit.store_some(vectors, emit.places(signature.args[0], args[0], args[2], args[3], radix), mask)
            return context.get_dummy_value()

        return types.void(target, source, *[types.int64] * 3), codegen

    return cross


join_2, join_4, join_8 = (_join(radix) for radix in (2, 4, 8))
cross_2, cross_4, cross_8 = (_cross(radix) for radix in (2, 4, 8))
cross_some_2, cross_some_4, cross_some_8 = (_cross_some(radix) for radix in (2, 4, 8))


def _weave(inner, lanes=8):
    """Stages of as many rows of `inner` numbers as a vector has lanes: rows that vectors straddle."""

    @intrinsic
    def weave(typing_context, target, source, offset):
        def codegen(context, builder, signature, args):
            emit, step = _Emitter(context, builder, target.dtype, lanes), ir.Constant(ir.IntType(64), lanes)
            vectors, stride = emit.load(list(emit.places(signature.args[1], args[1], args[2], step, inner))), 1
            while stride < lanes:
                vectors = emit.across_rows(vectors, stride, inner)
                stride *= 2
            emit.store(vectors, emit.places(signature.args[0], args[0], args[2], step, inner))
            return context.get_dummy_value()

        return types.void(target, source, types.int64), codegen

    return weave


weave_3, weave_5, weave_6, weave_7 = (_weave(inner) for inner in (3, 5, 6, 7))
weave_wide_3, weave_wide_5, weave_wide_6, weave_wide_7 = (_weave(inner, lanes=16) for inner in (3, 5, 6, 7))
