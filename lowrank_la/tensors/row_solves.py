"""Least squares for the rows of one factor over the observed entries alone."""

import numpy as np

from .. import _backend as be
from .. import _kernels
from .._backend.sparse import writable_view

_GATHERED = 1 << 18  # numbers of a line held at once by the kernel
_ROWS = 1 << 20  # numbers of the Khatri-Rao product held at once by a worker


def solve_rows(observed, factors, k):
    """`factors[k]` after each of its rows has moved to the least squares solution over its observed entries.

    Row i solves ``(Σ w z zᴴ) a = Σ w x z``, z being the products of the rows of the other factors. The matrices are
    damped by ε^0.6 of their mean diagonal around the row that was, so that what the entries don't determine stays; a
    row without entries does not move [1]_.

    References
    ----------
    .. [1] tomasi_bro_2005
    """
    tensor = observed.tensor
    if tensor.is_compiled(factors[k].shape[1] ** 2):
        return _by_kernel(observed, factors, k)
    return _together(observed, factors, k)


def _by_kernel(observed, factors, k):
    tensor, rank = observed.tensor, factors[k].shape[1]
    tree, F = tensor.tree(k), be.stacked(factors)
    width, start = F.shape[1], sum(tensor.shape[:k])
    target = F[start : start + tensor.shape[k]].copy()
    values, roots = writable_view(tensor.listed(k)), F[:0, 0].copy()
    if observed.weights is not None:
        roots = np.sqrt(observed.weights if tree.order is None else observed.weights[tree.order]).astype(F.dtype)
    pointers = tree.fibres[tree.lines].astype(np.int64)
    longest = int(np.max(pointers[1:] - pointers[:-1]))
    chunk = max(64, min(longest + (-longest % 8), _GATHERED // width // 8 * 8))
    kernel, none = _kernels.lookup("rows_by_cholesky", "numpy"), tree.leaves[:0]
    ridge, damping = np.zeros(1, F.dtype), be.eps(F.dtype) ** 0.6

    def run(lines):
        first, last = pointers[lines.start], pointers[lines.stop]
        rows = np.zeros((last - first + 1, width), F.dtype)
        be.fibre_rows(tree, F, lines, rows)
        kernel(
            pointers[lines.start : lines.stop + 1] - first, np.arange(last - first, dtype=tree.leaves.dtype), none,
            values[first:last], roots[first:last], 1, rows, target[lines], rank, ridge, damping, 1.0, chunk,
            np.zeros((1, 2)), 0, 0, lines.stop - lines.start,
        )  # fmt: skip

    be.map_blocks(run, _line_parts(tree, pointers, width))
    return np.ascontiguousarray(target[:, :rank])


def _line_parts(tree, pointers, width):
    """The parts of the tree, cut where the rows of their entries are many."""
    parts = []
    for part in tree.parts:
        low = part.start
        while low < part.stop:
            high = int(np.searchsorted(pointers, pointers[low] + _ROWS // width, side="right")) - 1
            high = min(max(high, low + 1), part.stop)
            parts.append(slice(low, high))
            low = high
    return parts


def _together(observed, factors, k):
    """All rows by array-API operations: the twin of the compiled solver."""
    tensor, xp, factor = observed.tensor, observed.tensor.xp, factors[k]
    (n, rank), places = factor.shape, tensor.places
    gap = tensor.values - tensor.entries(None, factors)
    gram, right = None, None
    for part in be.chunks(tensor.count, rank * rank):
        rows = be.rows_twin(places, factors, k, part, xp)
        turned = xp.conj(rows) if be.is_complex(rows.dtype) else rows
        heavy = turned if observed.weights is None else turned * xp.astype(observed.weights[part], rows.dtype)[:, None]
        outer = xp.reshape(heavy[:, :, None] * rows[:, None, :], (rows.shape[0], rank * rank))
        numbers = xp.concat([outer, heavy * gap[part][:, None]], axis=1)
        sums = be.segment_sum(numbers, places[k][part], n, xp)
        gram, right = (
            (sums[:, : rank * rank], sums[:, rank * rank :])
            if gram is None
            else (gram + sums[:, : rank * rank], right + sums[:, rank * rank :])
        )
    gram = xp.reshape(gram, (n, rank, rank))
    mean = xp.linalg.trace(gram) / rank
    penalty = xp.where(mean == 0, xp.ones_like(mean), be.eps(factor.dtype) ** 0.6 * mean)
    eye = xp.eye(rank, dtype=gram.dtype, device=be.device(gram))
    return factor + xp.linalg.solve(gram + penalty[:, None, None] * eye, right[:, :, None])[:, :, 0]
