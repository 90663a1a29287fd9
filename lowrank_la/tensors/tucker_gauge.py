"""One form for each Tucker decomposition: cores with orthogonal slices of descending norm, and fixed signs."""

import math

from .. import _backend as be
from ..factor.signs import fix_vector_phases
from .modes import contract, unfolded
from .subspace import by_gram, by_triangle, filled

_SMALL = 1 << 18


def canonical(core, factors):
    """``(core, factors)`` of the same tensor in the bases of the core's own higher-order SVD.

    The largest entry of each factor column is positive (complex: real and positive), but for the last factor: there it
    is that of each slice of the core. Modes without a factor stay as they are.
    """
    xp = be.namespace(core)
    spectrum = by_triangle if math.prod(core.shape) < _SMALL else by_gram
    for k in (k for k, U in enumerate(factors) if U is not None):
        rank = core.shape[k]
        turn = filled(spectrum(core, k).U, rank)
        core, factors[k] = contract(core, k, turn), be.matmul(factors[k], turn)
    *first, last = (k for k, U in enumerate(factors) if U is not None)
    for k in first:
        core, U = _descending(core, k, factors[k])
        turned = fix_vector_phases(U)
        core, factors[k] = _slices_times(core, k, _inner(turned, U)), turned
    core, U = _descending(core, last, factors[last])
    slices = unfolded(core, last).mT
    turned = fix_vector_phases(slices)
    phase = _inner(slices, turned)
    factors[last] = U * (xp.conj(phase) if be.is_complex(phase.dtype) else phase)[None, :]
    return _slices_times(core, last, phase), factors


def _descending(core, k, U):
    """Slices of mode `k` by descending norm, and the columns of `U` along with them."""
    xp = be.namespace(core)
    norms = xp.linalg.vector_norm(core, axis=tuple(j for j in range(core.ndim) if j != k))
    order = be.order_of(norms, descending=True)
    return xp.take(core, order, axis=k), xp.take(U, order, axis=1)


def _inner(A, B):
    """Phases of the inner products of the columns of `A` with those of `B`, which differ from them by a phase.

    One for columns that are next to nothing, whose phase quotients of subnormal numbers would not tell.
    """
    xp = be.namespace(A)
    inner = xp.sum(xp.conj(A) * B if be.is_complex(A.dtype) else A * B, axis=0)
    size = xp.abs(inner)
    known = size >= xp.finfo(size.dtype).smallest_normal
    one = xp.ones_like(inner)
    return xp.where(known, inner / xp.where(known, xp.astype(size, inner.dtype, copy=False), one), one)


def _slices_times(core, k, numbers):
    shape = tuple(-1 if j == k else 1 for j in range(core.ndim))
    return core * be.namespace(core).reshape(numbers, shape)
