"""The data of a robust decomposition, and the passes over its rows that the methods are made of."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _backend as be

_PANEL = 1 << 17  # numbers of a panel on the host: what is formed of it stays in the cache
_DEVICE_PANEL = 1 << 24
_RANGES = 32
_PLACES = 1 << 12


@dataclass(frozen=True, eq=False)
class Data:
    """A matrix at a safe scale.

    Attributes
    ----------
    matrix : array, shape (m, n)
        Zeros where nothing is known.
    known : boolean array, shape (m, n), or None
        None where everything is.
    norm : float
        Frobenius norm of the matrix.
    """

    matrix: Any
    known: Any
    norm: float

    @property
    def xp(self):
        """Namespace."""
        return be.namespace(self.matrix)

    @property
    def device(self):
        """Device."""
        return be.device(self.matrix)

    @property
    def dtype(self):
        """Dtype of the matrix."""
        return self.matrix.dtype

    @property
    def shape(self):
        """(m, n)."""
        return tuple(self.matrix.shape)

    @cached_property
    def counts(self):
        """Known entries of each row and of each column, integer arrays on the host."""
        m, n = self.shape
        if self.known is None:
            return np.full(m, n), np.full(n, m)
        xp = self.xp
        numbers = (xp.sum(xp.astype(self.known, xp.int32), axis=axis, dtype=xp.int32) for axis in (1, 0))
        return tuple(be.to_numpy(x).astype(np.int64) for x in numbers)

    @property
    def count(self):
        """Known entries."""
        return int(self.counts[0].sum())

    @cached_property
    def in_pieces(self):
        """Whether lines with known entries fall apart into blocks that share no row and no column."""
        if self.known is None:
            return False
        xp, (rows, columns) = self.xp, self.counts
        reached = np.zeros(self.shape[0], bool)
        reached[int(rows.argmax())] = True
        while True:
            own = be.to_numpy(xp.any(xp.take(self.known, self._numbers(reached), axis=0), axis=0))
            wider = be.to_numpy(xp.any(xp.take(self.known, self._numbers(own), axis=1), axis=1))
            if (wider == reached).all():
                return bool((~reached & (rows > 0)).any() or (~own & (columns > 0)).any())
            reached = wider

    def _numbers(self, flags):
        return be.index_array(np.flatnonzero(flags), flags.shape[0], self.xp, self.device)

    def known_rows(self, rows):
        """Rows of `known`, or None."""
        return None if self.known is None else self.known[rows, :]

    def sampled(self, key):
        """Row numbers, column numbers and values of some thousand known entries, all of them in a small matrix."""
        m, n = self.shape
        if m * n <= 2 * _PLACES or 8 * self.count < m * n:
            rows, columns = self._all_places()
            if rows.shape[0] > 2 * _PLACES:
                few = be.integers(key, slice(0, _PLACES), slice(0, 1), rows.shape[0])[:, 0]
                rows, columns = rows[few], columns[few]
        else:
            draws = _PLACES if self.known is None else 8 * _PLACES
            rows, columns = (
                be.integers(key.child(side), slice(0, draws), slice(0, 1), size)[:, 0]
                for side, size in (("rows", m), ("columns", n))
            )
        if self.known is not None:
            chosen = np.flatnonzero(be.to_numpy(entries_of(self.known, *self._indices(rows, columns))))
            rows, columns = rows[chosen[: 2 * _PLACES]], columns[chosen[: 2 * _PLACES]]
        places = self._indices(rows, columns)
        return *places, entries_of(self.matrix, *places)

    def _all_places(self):
        m, n = self.shape
        if self.known is None:
            return np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
        return tuple(be.to_numpy(x) for x in be.true_places(self.known, self.xp))

    def _indices(self, rows, columns):
        if be.kind(self.xp) == "numpy":
            return rows, columns
        return tuple(
            be.index_array(x, size, self.xp, self.device) for x, size in zip((rows, columns), self.shape, strict=True)
        )

    def swept(self, visit):
        """``[visit(rows, parts)]`` over ranges of rows, `parts` the panels of a range; on the host by several threads.

        The ranges depend on the shape alone.
        """
        m, n = self.shape
        host = be.kind(self.xp) == "numpy"
        step = max(1, (_PANEL if host else _DEVICE_PANEL) // max(1, n))
        size = step * max(1, -(-m // (step * _RANGES))) if host else m
        ranges = be.fixed_partition(m, max(1, size))

        def run(rows):
            panels = be.fixed_partition(rows.stop - rows.start, step)
            return visit(rows, [slice(rows.start + part.start, rows.start + part.stop) for part in panels])

        return be.map_blocks(run, ranges) if host else [run(rows) for rows in ranges]


@dataclass(frozen=True, eq=False)
class Kept:
    """What one pass says of ``W``, the part of ``M - U diag(s) Vᴴ`` within a threshold.

    Attributes
    ----------
    right, left : arrays, shapes (m, k) and (n, k)
        ``W V`` and ``Wᴴ U``.
    norm : float
        ‖W‖_F.
    row_counts, column_counts : NumPy integer arrays
        Entries within the threshold.
    """

    right: Any
    left: Any
    norm: float
    row_counts: Any
    column_counts: Any

    @property
    def count(self):
        """Entries within the threshold."""
        return int(self.row_counts.sum())


def kept(data, U, s, V, limit, basis=None, right_basis=None, products="both"):
    """`Kept` of the factors at the threshold `limit`: one read of the matrix, nothing of its size is stored.

    With `basis` (m, l) ``Wᴴ basis`` stands for ``Wᴴ U``, and with `right_basis` (n, l) ``W right_basis`` for ``W V``.
    `products` is "both", "right" or "left", the other one None.
    """
    basis, right_basis = U if basis is None else basis, V if right_basis is None else right_basis
    xp = data.xp
    left, right = U * xp.astype(s, U.dtype)[None, :], be.mH(V)
    if be.kind(xp) == "numpy":
        right = np.ascontiguousarray(right)

    def visit(_, panels):
        images, rows, total, columns, square = [], [], None, None, 0.0
        for part in panels:
            W, row_counts, column_counts = be.keep_small(
                data.matrix[part, :], data.known_rows(part), left[part, :] @ right, limit
            )
            square += _square(W)
            if products != "left":
                images.append(W @ right_basis)
            if products != "right":
                product = be.mH(W) @ basis[part, :]
                total = product if total is None else _added(total, product)
            columns = column_counts if columns is None else columns + column_counts
            rows.append(be.to_numpy(row_counts))
        return images, rows, total, columns, square

    found = data.swept(visit)
    total, columns = found[0][2], be.to_numpy(found[0][3])
    for part in found[1:]:
        total = None if total is None else _added(total, part[2])
        columns = columns + be.to_numpy(part[3])
    images = [image for part in found for image in part[0]]
    rows = np.concatenate([row for part in found for row in part[1]])
    image = (images[0] if len(images) == 1 else xp.concat(images, axis=0)) if images else None
    norm = math.sqrt(sum(part[4] for part in found))
    return Kept(image, total, norm, rows.astype(np.int64), columns.astype(np.int64))


def _square(W):
    return float(np.vdot(W, W).real) if isinstance(W, np.ndarray) else be.vdot_real(W)


def _added(total, part):
    if isinstance(total, np.ndarray):
        total += part
        return total
    return total + part


def entries_of(matrix, rows, columns):
    """Entries of a matrix at places, shape (p,)."""
    xp, n = be.namespace(matrix), matrix.shape[1]
    if be.kind(xp) in ("numpy", "torch", "cupy"):
        return matrix[rows, columns]
    flat = xp.reshape(matrix, (-1,))
    return xp.take(flat, rows * n + columns)


def entries_of_product(U, s, V, rows, columns):
    """Entries of ``U diag(s) Vᴴ`` at places."""
    xp = be.namespace(U)
    left = xp.take(U * xp.astype(s, U.dtype)[None, :], rows, axis=0)
    right = xp.take(V, columns, axis=0)
    return xp.sum(left * (xp.conj(right) if be.is_complex(V.dtype) else right), axis=1)
