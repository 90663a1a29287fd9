"""Rows sampled and scaled so that they keep l_p norms of a whole subspace."""

import math
from dataclasses import dataclass

from .. import _backend as be
from ..factor.iteration import Watch
from ..operators import as_operator
from ..results import Info, Result
from .basis import count, row_basis, scored_operator
from .bernoulli import inclusion_probabilities, kept
from .lewis import lewis_point
from .lewis_bounds import estimated_sensitivities
from .row_bounds import row_bound
from .weighted import WeightedRows, scatter

_METHODS = ("auto", "leverage", "root_leverage", "sensitivity", "sensitivity_leverage", "lewis", "uniform")
_LEWIS_TOL, _LEWIS_STEPS = 1e-2, 100
_ROUNDS = 8


@dataclass(frozen=True, eq=False, repr=False)
class RowSample(Result):
    """Rows `indices` with `weights` that multiply them, and the `probabilities` with which all rows were kept."""

    indices: object
    weights: object
    probabilities: object
    info: Info

    _unpack = ("indices", "weights", "probabilities")

    @property
    def __references__(self):
        return tuple(self.info.references)


@be.supports(blocks=True)
def sample_rows(A, size, *, p=2, method="auto", rng=None, check_finite=True):
    r"""Sample of about `size` rows with ``‖diag(weights) A[indices] x‖_p ≈ ‖A x‖_p`` for all x.

    Parameters
    ----------
    A : array, sparse matrix, operator or result, shape (m, n)
    size : int
        Expected number of rows: every row is kept or not by itself, and of a small `size` there may be none. At most
        the number of rows that can be drawn.
    p : float
        Positive.
    method : {"auto", "leverage", "root_leverage", "sensitivity", "sensitivity_leverage", "lewis", "uniform"}
        What the probabilities are proportional to, capped at 1. "auto" takes leverage scores at p = 2, else the sum of
        sensitivities and leverage scores ("sensitivity_leverage"; for p > 2 each divided by its total).
        "root_leverage" (p ≤ 2) samples by leverage^(p/2) in rounds, each on the scaled rows of the one before.
    rng : int, numpy Generator, SeedSequence, torch or CuPy generator, optional
        Where numbers are drawn; ``info.rng`` repeats the draw.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    RowSample
        ``indices`` ascending, ``weights`` = probability^(-1/p), which make ``Σ |w a_i x|^p`` an unbiased estimate of
        ‖A x‖_p^p for every x, and ``probabilities`` (m,), which add up to `size`. With "root_leverage" a probability is
        the product over the rounds that the row was in, conditional on the rounds before, and the sum is another one.
        ``info.bound`` says which theorem bounds the rows needed, ``info.bound_size`` that number without ε and
        logarithms, ``info.references`` its source; ``info.scores_total`` is the sum of the scores.

    Raises
    ------
    ValueError
        If `size` exceeds the number of rows with a positive score, `p` is not positive or so small that weights
        overflow, `A` is empty or not finite, "root_leverage" comes with p > 2, or an argument is out of range.
    TypeError
        If `A` is not a matrix or records gradients, or an argument is of the wrong type.

    Notes
    -----
    Sensitivities are estimated relative to a Lewis-weight sample of a few hundred rows and held within the bounds that
    Lewis weights prove; `lp_sensitivities` brackets them more sharply. Total sensitivity S and rank d give: plain
    sensitivities for 1 ≤ p < 2 need d^(1-p/2) S rows [1]_, which subsumes the S^(2/p) of [2]_ and is tight; adding
    leverage scores brings that down to S + d [3]_. For p > 2 sensitivities need S^(2-2/p) rows [2]_; the sum of
    scores is a heuristic there and only keeps that bound. Lewis weights need d rows for p ≤ 2 and d^(p/2) beyond [4]_.
    All counts are up to ε⁻² and logarithms.

    References
    ----------
    .. [1] chen_derezinski_2021
    .. [2] woodruff_yasuda_2023
    .. [3] munteanu_omlor_2024
    .. [4] cohen_peng_2015

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vander(np.linspace(0.0, 1.0, 1000), 4)
    >>> indices, weights, probabilities = lr.sample_rows(A, 200, p=1, rng=0)
    >>> round(float(probabilities.sum()), 6)
    200.0
    """
    p = be.check_positive("p", p)
    method = _chosen(be.check_option("method", method, _METHODS), p)
    key = be.resolve_rng(rng)
    op, _ = scored_operator(A, "sample_rows", check_finite)
    size = _checked_size(size, op.shape[0])
    with be.single_blas():
        if method == "root_leverage":
            indices, q, details = _by_rounds(op, size, p, key)
        else:
            scores, details = _scores(op, p, method, key)
            q = _probabilities(scores, size)
            indices = kept(q, key, "keep")
            details["scores_total"] = float(op.xp.sum(scores))
        return _result(op, p, method, key, indices, q, details)


def _chosen(method, p):
    if method == "root_leverage" and p > 2:
        raise ValueError(
            f"method='root_leverage' is for p up to 2, got p={p!r}; take 'sensitivity_leverage' or 'lewis'"
        )
    if method != "auto":
        return method
    return "leverage" if p == 2 else "sensitivity_leverage"


def _checked_size(size, m):
    size = be.check_count("size", size)
    if size > m:
        raise ValueError(f"size must be at most the number of rows, {m}, got {size}")
    return size


def _probabilities(scores, size):
    _require_rows(count(scores > 0), size)
    return inclusion_probabilities(scores, size)


def _require_rows(positive, size):
    if size > positive:
        raise ValueError(f"size must be at most {positive}, the number of rows with a positive score, got {size}")


def _scores(op, p, method, key):
    """Scores of all rows, and what is known besides."""
    xp, m = op.xp, op.shape[0]
    if method == "uniform":
        ones = xp.ones(m, dtype=be.real_dtype(xp, op.dtype), device=op.device)
        return ones, {"rank": None, "total_sensitivity": None}
    basis = row_basis(op)
    known = {"rank": basis.rank, "total_sensitivity": float(basis.rank) if p == 2 else None}
    tau = basis.scores()
    if method == "leverage" or p == 2 or basis.rank == 0:
        return tau, known
    rows = WeightedRows(basis)
    point = lewis_point(rows, p, _LEWIS_TOL, Watch(_LEWIS_STEPS))
    if method == "lewis":
        return scatter(xp.exp(point.log_w), rows.alive, m), known
    sigma = scatter(estimated_sensitivities(rows, point, p, key), rows.alive, m)
    known["total_sensitivity"] = total = float(xp.sum(sigma))
    if method == "sensitivity":
        return sigma, known
    return (sigma + tau if p <= 2 else sigma / total + tau / basis.rank), known


def _by_rounds(op, size, p, key):
    """Sampling by root leverage scores of what the rounds before left, down to `size` rows."""
    xp, m = op.xp, op.shape[0]
    basis = row_basis(op)
    current, scale = basis.dense(), None
    indices, q = be.index_array(range(m), m, xp, op.device), None
    sizes = _round_sizes(m, size, p)
    for number, target in enumerate(sizes):
        scaled = current if scale is None else current * xp.astype(scale, current.dtype)[:, None]
        tau = basis.scores() if scale is None else row_basis(as_operator(scaled)).scores()
        positive = count(tau > 0)
        if number == 0:
            _require_rows(positive, size)
        chance = inclusion_probabilities(tau ** (p / 2), min(target, positive))
        stay = kept(chance, key.child("rounds"), number)
        reached = chance if q is None else xp.take(q, indices) * chance
        q = reached if q is None else _put(q, indices, reached)
        indices, current = xp.take(indices, stay), xp.take(current, stay, axis=0)
        if indices.shape[0] == 0:
            break
        scale = _weights(xp.take(q, indices), p)
    return indices, q, {"rank": basis.rank, "total_sensitivity": None, "rounds": len(sizes), "scores_total": None}


def _weights(q, p):
    """``q^(-1/p)``; ValueError where one overflows."""
    xp = be.namespace(q)
    if q.shape[0] and -math.log(float(xp.min(q))) / p > math.log(float(xp.finfo(q.dtype).max)):
        raise ValueError(f"weights probability^(-1/p) overflow at p={p:g}; take a larger p or size")
    return q ** (-1 / p)


def _put(q, indices, values):
    """`q` with `values` at `indices`."""
    xp, m = be.namespace(q), q.shape[0]
    touched = be.segment_sum(xp.ones_like(values), indices, m)
    return xp.where(touched > 0, be.segment_sum(values, indices, m), q)


def _round_sizes(m, size, p):
    """Row counts of the rounds: ``k ← k^(1-p/2) size^(p/2)`` until that is near `size`."""
    sizes, count = [], float(m)
    while len(sizes) < _ROUNDS - 1:
        count = count ** (1 - p / 2) * size ** (p / 2)
        if count <= 2 * size:
            break
        sizes.append(round(count))
    return [*sizes, size]


def _result(op, p, method, key, indices, q, details):
    xp = op.xp
    real = be.real_dtype(xp, op.dtype)
    bound = row_bound(method, p, details["rank"], details["total_sensitivity"], op.shape[0])
    weights = _weights(xp.astype(xp.take(q, indices), real), p)
    info = Info(
        converged=True, method=method, rng=key.record,
        details={**details, **bound.details, "expected_size": float(xp.sum(q))},
    )  # fmt: skip
    return RowSample(indices, weights, xp.astype(q, real), info)
