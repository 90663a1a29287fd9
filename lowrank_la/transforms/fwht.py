"""Fast Walsh-Hadamard transform."""

from functools import lru_cache
from typing import NamedTuple

from .. import _backend as be
from .constructions import core_matrix
from .orders import require_order
from .sequency import ORDERS, row_order

_PIECE = 1 << 18  # numbers in half precision that are transformed at once
_ADVICE = "pad or cut the data yourself, or rotate blocks of a valid length with block="


@be.supports(sparse=False, operators=False, autograd=True)
def fwht(x, axis=-1, *, order="natural", norm=None, overwrite=False, transpose=False, block=None):
    r"""Walsh-Hadamard transform ``y = H x`` along an axis.

    H has entries ±1 and ``H Hᵀ = n I``. For a power of two it is the Sylvester matrix, entry ``(-1)^⟨i, j⟩`` with the
    parity of the bits that i and j share, and symmetric. Other lengths are ``K 2**m`` with a known Hadamard matrix of
    order K: ``H = H_K ⊗ H_{2**m}``; every order up to 256 times a power of two is there. ``hadamard(n)`` is the matrix
    that is meant.

    Parameters
    ----------
    x : array
        Half precision is transformed in single precision and rounded at the end. Integers give exact integers, of 64
        bits where the device has them.
    axis : int
    order : {"natural", "sequency", "dyadic"}
        Order of the outputs, for powers of two: by index, by the number of sign changes of the row, by reversed bits.
        The ordered matrix is symmetric as well.
    norm : {None, "ortho"}
        ``"ortho"`` divides by √n: a rotation, and for powers of two its own inverse. Integers then become floats.
    overwrite : bool
        Write the result into `x`, which is returned.
    transpose : bool
        Apply Hᵀ, another matrix for some lengths that are no powers of two. ``fwht(fwht(x), transpose=True) / n`` is
        `x`.
    block : int, optional
        Transform each stretch of `block` numbers by itself: a rotation by a block-diagonal matrix. The length has to be
        a multiple of it.

    Returns
    -------
    array, shape of `x`
        In its namespace, dtype (int64 for integers) and device. Gradients flow through it in torch, backward and
        forward, to any order, also inside ``torch.func`` (grad, vmap, jvp and what is made of them). Where torch
        records or watches operations, products with small matrices take the place of the compiled transform.

    Raises
    ------
    ValueError
        If no Hadamard matrix of that length is known (the message names the nearest lengths; nothing is padded), or
        `overwrite` is asked for an array that can't be written to.
    OverflowError
        If sums of integers could pass 64 bits.
    TypeError
        If `x` is no dense array of numbers up to double precision, or is masked, or if torch.autograd batches gradients
        by itself (``is_grads_batched=True``).

    Notes
    -----
    n log₂ n additions, in place. Single and double precision, a power of two and the natural order take no more memory
    than the result; integers, other lengths and other orders as much again, and once more where `x` does not lie row by
    row. Half precision is worked on in pieces of 2**18 numbers, or a row where that is longer. On the host the work is
    split over threads from 1 MiB on; the bits of the result don't depend on their number. The relative error is at most
    log₂(n) eps in norm.

    References
    ----------
    .. [1] fino_algazi_1976

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> lr.fwht([1, 0, 1, 0, 0, 1, 1, 0])
    array([ 4,  2,  0, -2,  0,  2,  0,  2])
    >>> x = np.random.default_rng(0).standard_normal((3, 12))
    >>> bool(np.allclose(lr.fwht(x), x @ lr.hadamard(12).T))
    True
    """
    plain = be.plain_view(x) if overwrite is False or overwrite is True else None
    if plain is not None and (not overwrite or plain.flags.writeable):
        plan = _planned(plain.shape, axis, order, norm, transpose, block)
        if plan.simple:
            y = be.walsh_plain(plain, plan[:3], plan.scale, overwrite)
            return x if overwrite else be.same_library(y, x)
    x = be.dense_array(x, "x")
    plan = _planned(tuple(map(int, x.shape)), axis, order, norm, transpose, block)
    if be.check_flag("overwrite", overwrite):
        return _overwritten(x, plan)
    if not be.is_traced(x) and (be.is_tracked(x) or be.is_wrapped(x)):
        return be.attach_linear(x, lambda v: _transform(v, plan), lambda g: _transform(g, plan.adjoint()))
    return _transform(x, plan)


class _Plan(NamedTuple):
    """What is done along the axis of an array seen in the shape of the first three fields.

    `core` is the order of the factor that is no power of two; `simple` plans have none and leave the natural order.
    """

    outer: int
    length: int
    inner: int
    core: int
    order: str
    ortho: bool
    transpose: bool
    scale: float
    simple: bool

    def adjoint(self):
        return self._replace(transpose=not self.transpose)

    def of(self, size):
        """The plan for so many numbers, a batch of those it was made for."""
        return self._replace(outer=size // max(1, self.length * self.inner))

    @property
    def stages(self):
        return (self.length // self.core).bit_length() - 1


def _planned(shape, *options):
    try:
        return _plan(shape, *options)
    except TypeError:  # an option that can't be hashed: the checks say which
        return _plan.__wrapped__(shape, *options)


@lru_cache(maxsize=256, typed=True)
def _plan(shape, axis, order, norm, transpose, block):
    """The checks, and what follows from them; kept, since a short transform takes less time than they do."""
    be.check_option("order", order, ORDERS)
    be.check_option("norm", norm, (None, "ortho"))
    be.check_flag("transpose", transpose)
    if not shape:
        raise ValueError("x must have at least one axis, got a single number")
    place = be.check_count("axis", axis, -len(shape), len(shape) - 1) % len(shape)
    length, outer = shape[place], 1
    if block is not None:
        be.check_count("block", block)
        if length % block:
            raise ValueError(f"block must divide the length {length} of axis {axis}, got {block}")
        length, outer = block, length // block
    if block is None:
        core, _ = require_order(f"the length of axis {axis}", length, _ADVICE)
    else:
        core, _ = require_order("block", length)
    if core > 1 and order != "natural":
        raise ValueError(f"order {order!r} is defined for powers of two, got length {length}: use order='natural'")
    before, behind = shape[:place], shape[place + 1 :]
    scale = length**-0.5 if norm == "ortho" else 1.0
    simple = core == 1 and order == "natural"
    return _Plan(_size(before) * outer, length, _size(behind), core, order, norm == "ortho", transpose, scale, simple)


def _size(shape):
    size = 1
    for n in shape:
        size *= int(n)
    return size


def _transform(x, plan, *, overwrite=False):
    """The transform of an array without autograd graph, or of a batch of them along a new first axis."""
    xp, shape = be.namespace(x), x.shape
    plan = plan.of(_size(shape))
    x = xp.reshape(x, (plan.outer, plan.length, plan.inner))
    if xp.isdtype(x.dtype, ("integral", "bool")) and not plan.ortho:
        return xp.reshape(_ordered(_exact(x, plan), plan), shape)
    return xp.reshape(_half(x, plan) if be.is_half(x.dtype) else _floating(x, plan, overwrite), shape)


def _half(x, plan):
    """In pieces of independent stretches, so that numbers in single precision don't take twice the memory of `x`."""
    xp, axis = be.namespace(x), 0 if plan.outer > 1 else 2
    cuts = be.fixed_partition(x.shape[axis], max(1, _PIECE // (plan.length * (1 if axis else plan.inner))))
    if len(cuts) < 2 or not be.takes_pieces(x):
        return xp.astype(_floating(x, plan, True), x.dtype)
    y = xp.empty(x.shape, dtype=x.dtype, device=be.device(x))
    for cut in cuts:
        piece = (slice(None), slice(None), cut) if axis else (cut, slice(None), slice(None))
        part = plan._replace(outer=x[piece].shape[0], inner=x[piece].shape[2])
        y[piece] = xp.astype(_floating(x[piece], part, True), x.dtype)
    return y


def _floating(x, plan, overwrite):
    xp, dtype = be.namespace(x), be.compute_dtype(be.namespace(x), x.dtype, be.device(x))
    wide = x if x.dtype == dtype else xp.astype(x, dtype)
    return _ordered(_butterflies(wide, plan, overwrite or wide is not x), plan)


def _butterflies(x, plan, overwrite):
    parts = be.namespace(x).reshape(x, (plan.outer * plan.core, plan.length // plan.core, plan.inner))
    return _with_core(be.walsh(parts, plan.scale, overwrite=overwrite), plan)


def _exact(x, plan):
    xp = be.namespace(x)
    dtype, bits = be.widest_integer(xp, be.device(x))
    if _size(x.shape):
        ends = xp.astype(x, xp.int8) if xp.isdtype(x.dtype, "bool") else x
        largest = max(abs(int(xp.max(ends))), abs(int(xp.min(ends))))
        if largest * plan.length >= 1 << (bits - 1):
            raise OverflowError(
                f"sums of {plan.length} integers as large as {largest} can pass {bits} bits: "
                "transform x as floating-point numbers, or take out a common factor"
            )
    parts = xp.reshape(xp.astype(x, dtype), (plan.outer * plan.core, plan.length // plan.core, plan.inner))
    return _with_core(be.walsh_exact(parts), plan)


def _with_core(parts, plan):
    """Multiply by the factor that is no power of two."""
    xp = be.namespace(parts)
    if plan.core == 1:
        return parts
    matrix = core_matrix(plan.core)
    matrix = matrix.T if plan.transpose else matrix
    matrix = xp.astype(be.from_numpy(matrix, xp, be.device(parts)), parts.dtype)
    columns = plan.length // plan.core * plan.inner
    product = xp.matmul(matrix, xp.reshape(parts, (plan.outer, plan.core, columns)))
    return xp.reshape(product, (plan.outer, plan.length, plan.inner))


def _ordered(y, plan):
    if plan.order == "natural":
        return y
    rows = be.index_array(row_order(plan.order, plan.stages), plan.length, be.namespace(y), be.device(y))
    return be.namespace(y).take(y, rows, axis=1)


def _overwritten(x, plan):
    be.require_writable(x, "x")
    xp = be.namespace(x)
    in_place = be.is_in_one_piece(x) and plan.order == "natural" and plan.core == 1
    in_place = in_place and x.dtype == be.compute_dtype(xp, x.dtype, be.device(x))
    y = _transform(be.detached(x), plan, overwrite=in_place)
    if be.dtype_name(y.dtype) != be.dtype_name(x.dtype):
        raise TypeError(
            f"the transform of {be.dtype_name(x.dtype)} numbers is {be.dtype_name(y.dtype)}, which x can't hold: "
            "leave overwrite out"
        )
    if not in_place:
        x[...] = y
    return x
