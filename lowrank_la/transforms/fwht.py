"""Fast Walsh-Hadamard transform."""

from functools import lru_cache
from typing import NamedTuple

from .. import _backend as be
from .constructions import core_matrix
from .orders import require_order
from .sequency import ORDERS, row_order

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
        In its namespace, dtype (int64 for integers) and device. Gradients flow through it in torch, to any order, by
        ``torch.autograd``; inside ``torch.func`` it raises.

    Raises
    ------
    ValueError
        If no Hadamard matrix of that length is known (the message names the nearest lengths; nothing is padded), or
        `overwrite` is asked for an array that can't be written to.
    OverflowError
        If sums of integers could pass 64 bits.
    TypeError
        If `x` is no dense array of numbers up to double precision, is masked, or is met inside ``torch.func``.

    Notes
    -----
    n log₂ n additions, in place; no more memory than the result. On the host from 1 MiB on the work is split over
    threads; the bits of the result don't depend on their number. The relative error is at most log₂(n) eps in norm.

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
    if be.is_plain(x) and (overwrite is False or (overwrite is True and x.flags.writeable)):
        plan = _planned(x.shape, axis, order, norm, transpose, block)
        if plan.simple:
            return be.walsh_plain(x, plan[:3], plan.scale, overwrite)
    x = be.dense_array(x, "x")
    be.refuse_wrapped(x, "fwht")
    plan = _planned(tuple(x.shape), axis, order, norm, transpose, block)
    if be.check_flag("overwrite", overwrite):
        return _overwritten(x, plan)
    if be.is_tracked(x):
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
    """The transform of an array without autograd graph."""
    xp, shape = be.namespace(x), x.shape
    x = xp.reshape(x, (plan.outer, plan.length, plan.inner))
    if xp.isdtype(x.dtype, ("integral", "bool")) and not plan.ortho:
        return xp.reshape(_ordered(_exact(x, plan), plan), shape)
    dtype = be.compute_dtype(xp, x.dtype, be.device(x))
    wide = x if x.dtype == dtype else xp.astype(x, dtype)
    y = _ordered(_floating(wide, plan, overwrite or wide is not x), plan)
    y = xp.astype(y, x.dtype) if be.is_half(x.dtype) else y
    return xp.reshape(y, shape)


def _floating(x, plan, overwrite):
    xp = be.namespace(x)
    scale = plan.scale if plan.core == 1 else 1.0
    parts = xp.reshape(x, (plan.outer * plan.core, plan.length // plan.core, plan.inner))
    return _with_core(be.walsh(parts, scale, overwrite=overwrite and plan.core == 1), plan, plan.scale)


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
    return _with_core(be.walsh_exact(parts), plan, 1.0)


def _with_core(parts, plan, scale):
    """Multiply by the factor that is no power of two."""
    xp = be.namespace(parts)
    if plan.core == 1:
        return parts
    matrix = core_matrix(plan.core)
    matrix = matrix.T if plan.transpose else matrix
    matrix = xp.astype(be.from_numpy(matrix, xp, be.device(parts)), parts.dtype)
    product = xp.matmul(matrix, xp.reshape(parts, (plan.outer, plan.core, -1)))
    product = product if scale == 1.0 else product * scale
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
