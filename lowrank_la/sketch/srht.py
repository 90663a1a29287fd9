"""Subsampled randomized Hadamard transform."""

import numpy as np

from .. import _backend as be
from .base import Sketch

_BLOCK = 1 << 16  # numbers of a block that is transformed by itself: they fit into a second-level cache
_GATHERED, _SMALL = 16, 1 << 12  # the same, and the least length, where rows are gathered while a block is in the cache
_LEAST = 8  # rows of a block over rows of the sketch: then adding up blocks costs less than the stages that it saves
_ENTRIES = 1 << 22  # of the blocks worked on together
_WORD = 32  # signs a drawn number


class SRHT(Sketch):
    """``√(N/d) R H D``: random signs D, an orthonormal Walsh-Hadamard matrix H of order N ≥ n, d of its rows at random.

    N is the next power of two that is at least `n` and `d`; the columns beyond `n` meet no data. Applying it to an n×p
    matrix takes about n log₂(d) additions a column: blocks of N/2ᵇ rows are transformed and those rows of the full
    transform that are asked for are put together from them, so that stages beyond the blocks are never run. Besides
    the result it needs a few million numbers, and n signs, which it keeps. The entries are real for every dtype.

    An orthonormal basis of k columns keeps its lengths to within a factor in [0.40, 1.48] but for a probability of the
    order 1/k once ``d ≥ 4 (√k + √(8 log(k n)))² log k`` [1]_. Twice to four times k do for columns whose rows have
    about the same norms. A few heavy rows need ``k log k``: the first k unit vectors of length 4096 lost rank in 7 of
    100 runs with d = 4 k for k = 8, in 70 for k = 64, and in none with ``d = k (log k + 5)``.

    Parameters
    ----------
    d, n : int
    rng : optional
    dtype : optional
        Accepted for symmetry with the other sketches.

    References
    ----------
    .. [1] tropp_2011

    Examples
    --------
    >>> import lowrank_la as lr
    >>> S = lr.sketch.SRHT(4, 8, rng=0).todense()
    >>> (S @ S.T / 2).round(12).tolist() == [[float(i == j) for j in range(4)] for i in range(4)]
    True
    """

    def __init__(self, d, n, rng=None, *, dtype=None):
        super().__init__(d, n, rng, dtype=dtype)
        self.is_complex = False
        self.order = 1 << (max(self.shape) - 1).bit_length()
        self._rows = _without_replacement(self.key.child("rows"), self.shape[0], self.order)
        self._kept = {}

    def _signs(self, xp, dtype, device):
        """All signs, in the library and precision of the data; those of the last call are kept."""
        name = (be.kind(xp), be.dtype_name(dtype), str(device))
        if name not in self._kept:
            self._kept = {name: be.from_numpy(self._host_signs(0, self.shape[1]).astype(name[1]), xp, device)}
        return self._kept[name]

    def _host_signs(self, start, stop):
        words = slice(start // _WORD, -(-stop // _WORD))
        drawn = np.asarray(be.to_numpy(be.integers(self.key.child("signs"), slice(0, 1), words, 1 << _WORD)))[0]
        bits = np.unpackbits(drawn.astype("<u4").view(np.uint8), bitorder="little")
        return 1 - 2 * bits[start - words.start * _WORD : stop - words.start * _WORD].astype(np.int8)

    def _entries(self, rows, cols, dtype, xp, device):
        signs = self._host_signs(cols.start, cols.stop)[None, :]
        columns = np.arange(cols.start, cols.stop, dtype=np.int64)
        shared = np.bitwise_count(self._rows[rows][:, None] & columns[None, :])
        block = ((1.0 - 2.0 * (shared & 1)) * signs * self.shape[0] ** -0.5).astype(dtype)
        return block if xp is None else be.from_numpy(block, xp, device)

    def _apply_array(self, A):
        return self._transformed(A, 0)

    def _rapply(self, A):
        return self._transformed(A.array, 1) if A.has("array") else super()._rapply(A)

    def _transformed(self, A, axis):
        """``S A`` for axis 0, ``A Sᴴ`` for axis 1: blocks along the axis, a few at a time."""
        xp, n, lines = be.namespace(A), self.shape[1], A.shape[1 - axis]
        if lines == 0:
            return xp.zeros((self.shape[0], 0) if axis == 0 else (0, self.shape[0]), dtype=A.dtype, device=be.device(A))
        spread = (self.shape[0] - 1).bit_length()
        in_line = lines == 1 or (axis == 1 and n >= _SMALL)
        if be.is_plain(A) and in_line and _GATHERED << spread <= _BLOCK:
            size, signs = min(self.order, max(_GATHERED << spread, _SMALL)), self._signs(xp, xp.int8, be.device(A))
            found = be.walsh_sampled(A.reshape(lines, n), signs, self._rows, size) * self.shape[0] ** -0.5
            return found.reshape(-1, 1) if axis == 0 else found
        signs = self._signs(xp, be.real_dtype(xp, A.dtype), be.device(A))
        size = min(self.order, max(_LEAST << spread, _BLOCK >> (lines - 1).bit_length()))
        total = None
        for part in be.fixed_partition(-(-n // size), max(1, _ENTRIES // (size * lines))):
            columns = slice(part.start * size, min(part.stop * size, n))
            signed = A[columns, :] * signs[columns, None] if axis == 0 else A[:, columns] * signs[None, columns]
            signed = _padded(signed, -(columns.stop - columns.start) % size, axis)
            added = self._put_together(signed, part, size, axis)
            total = added if total is None else total + added
        return total * self.shape[0] ** -0.5

    def _put_together(self, signed, part, size, axis):
        """Transform the blocks, and add up what they give to the rows of the sketch."""
        xp, blocks = be.namespace(signed), np.arange(part.start, part.start + signed.shape[axis] // size)
        outer, inner = (1, signed.shape[1]) if axis == 0 else (signed.shape[0], 1)
        y = be.walsh(xp.reshape(signed, (outer * blocks.shape[0], size, inner)), overwrite=True)
        y = xp.reshape(y, (outer, -1, size, inner))
        places = be.index_array(self._rows % size, size, xp, be.device(y))
        shared = np.bitwise_count(blocks[:, None] & (self._rows // size)[None, :])
        signs = be.from_numpy((1 - 2 * (shared & 1).astype(np.int8)).astype(np.float32), xp, be.device(y))
        chosen = xp.take(y, places, axis=2) * xp.astype(signs, be.real_dtype(xp, y.dtype))[None, :, :, None]
        return xp.reshape(xp.sum(chosen, axis=1), (self.shape[0], -1) if axis == 0 else (outer, self.shape[0]))


def _padded(x, count, axis):
    if count == 0:
        return x
    xp, shape = be.namespace(x), list(x.shape)
    shape[axis] = count
    return xp.concat([x, xp.zeros(tuple(shape), dtype=x.dtype, device=be.device(x))], axis=axis)


def _without_replacement(key, count, total):
    """`count` different numbers below `total`, in the order in which they are drawn."""
    if 2 * count >= total:
        draws = np.asarray(be.to_numpy(be.uniform(key, slice(0, 1), slice(0, total))))[0]
        return np.argsort(draws, kind="stable")[:count].astype(np.int64)
    seen = np.zeros(0, np.int64)
    while seen.shape[0] < count:
        more = np.asarray(be.to_numpy(be.integers(key, slice(0, 1), slice(0, 2 * count + seen.shape[0]), total)))[0]
        _, first = np.unique(more, return_index=True)
        seen = more[np.sort(first)].astype(np.int64)
    return seen[:count]
