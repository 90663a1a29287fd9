"""Least squares for the rows of one factor over the observed entries alone."""

import numpy as np

from .. import _backend as be


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
    tree, roots = tensor.tree(k), None
    if observed.weights is not None:
        roots = np.sqrt(observed.weights if tree.order is None else observed.weights[tree.order])
    first, damping = sum(tensor.shape[:k]), be.eps(tensor.dtype) ** 0.6
    return be.fibre_row_solves(tree, tensor.listed(k), roots, be.stacked(factors), first, rank, damping)


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
