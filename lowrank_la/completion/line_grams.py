"""Gram matrices of the factor rows that belong to the entries of each line."""

import numpy as np

from .. import _backend as be
from .. import _kernels

_GATHERED = 1 << 20  # numbers held at once by the portable form
_KERNEL_FROM = 1 << 14


def line_grams(side, B, xp):
    """``Σ b bᴴ``, conjugated, over the rows b of `B` at the entries of each line: shape (lines, k, k).

    A row of factors ``x`` has the normal equations ``x G = right side`` with its matrix `G`.
    """
    k = B.shape[1]
    if be.kind(xp) == "numpy" and not be.is_complex(B.dtype) and side.indices.shape[0] * k >= _KERNEL_FROM:
        return _by_kernel(side, B)
    return line_grams_twin(side, B, xp)


def _by_kernel(side, B):
    kernel = _kernels.lookup("line_grams", "numpy")
    B, out = np.ascontiguousarray(B), np.empty((side.size, B.shape[1], B.shape[1]), B.dtype)
    be.map_blocks(lambda part: kernel(side.pointers, side.indices, B, out, part.start, part.stop), side.parts)
    return out


def line_grams_twin(side, B, xp):
    """`line_grams` from array-API operations alone."""
    k, count = B.shape[1], side.indices.shape[0]
    lines = be.line_numbers(side.pointers, xp) if side.lines is None else side.lines
    conjugate = xp.conj(B) if be.is_complex(B.dtype) else B
    total = xp.zeros((side.size, k * k), dtype=B.dtype, device=be.device(B))
    for part in be.fixed_partition(count, max(1, _GATHERED // (k * k))):
        rows = xp.take(B, side.indices[part], axis=0)
        turned = xp.take(conjugate, side.indices[part], axis=0)
        outer = xp.reshape(turned[:, :, None] * rows[:, None, :], (-1, k * k))
        total = total + be.segment_sum(outer, lines[part], side.size, xp)
    return xp.reshape(total, (side.size, k, k))


def line_products(X, inverses):
    """The row vectors ``X[i] inverses[i]``, shape (lines, k)."""
    xp = be.namespace(X)
    if be.kind(xp) == "numpy" and not be.is_complex(X.dtype) and inverses.size >= _KERNEL_FROM:
        out = np.empty(X.shape, inverses.dtype)
        _kernels.lookup("line_products", "numpy")(np.ascontiguousarray(X), inverses, out)
        return out
    return xp.sum(X[:, :, None] * inverses, axis=1)
