"""Least squares for the rows of one factor over the observed entries alone."""

import numpy as np

from .. import _backend as be


class ListedEntries:
    """The observed entries of `observed`, one by one."""

    def __init__(self, observed):
        self.observed = observed
        self._known = []  # the models asked for last, with their residuals

    def solve_rows(self, factors, k, _):
        """As the function of this name."""
        return solve_rows(self.observed, factors, k)

    def pulls(self, factors):
        """For each mode ``Σ w (x - m) conj(z)`` of all rows, z being the products of the rows of the other factors."""
        observed, gap = self.observed, self._gap(factors)
        if observed.weights is not None:
            gap = gap * observed.tensor.xp.astype(observed.weights, gap.dtype)
        return [part for _, part in observed.tensor.with_values(gap).mttkrps(list(factors))]

    def products(self, models):
        """Real parts of the weighted inner products of the residuals of some models, a host matrix."""
        known, observed, xp = dict(self._known), self.observed, self.observed.tensor.xp
        gaps = [known[id(factors)][1] if id(factors) in known else self._gap(factors) for factors in models]
        fresh = [(id(factors), (factors, gap)) for factors, gap in zip(models, gaps, strict=True)]
        self._known = fresh[:2] if len(models) > 1 else [*self._known[-1:], *fresh]
        stack = xp.stack(gaps, axis=1)
        if observed.weights is not None:
            stack = stack * xp.astype(xp.sqrt(observed.weights), stack.dtype)[:, None]
        return residual_gram(stack)

    def _gap(self, factors):
        return self.observed.tensor.values - self.observed.tensor.entries(None, factors)


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


def residual_gram(stack):
    """Real parts of the inner products of the columns of `stack` in the widest precision, a host matrix."""
    xp = be.namespace(stack)
    wide = xp.result_type(stack.dtype, be.widest_real(xp, be.device(stack)))
    return np.real(be.to_numpy(be.gram(xp.astype(stack, wide, copy=False)))).astype(np.float64)


def damped_step(factor, gram, right):
    """``factor`` moved by the damped solutions of ``gram[i] d_i = right[i]``."""
    xp, rank = be.namespace(factor), factor.shape[1]
    mean = xp.linalg.trace(gram) / rank
    penalty = xp.where(mean == 0, xp.ones_like(mean), be.eps(factor.dtype) ** 0.6 * mean)
    eye = xp.eye(rank, dtype=gram.dtype, device=be.device(gram))
    return factor + xp.linalg.solve(gram + penalty[:, None, None] * eye, right[:, :, None])[:, :, 0]


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
    return damped_step(factor, xp.reshape(gram, (n, rank, rank)), right)
