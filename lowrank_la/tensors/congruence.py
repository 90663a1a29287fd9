"""How alike the terms of two CP decompositions are."""

from numbers import Integral

import numpy as np
from scipy.optimize import linear_sum_assignment

from .. import _backend as be
from .kruskal import normalised
from .pairs import kruskal_pair


def congruence(a, b=None):
    """Products over the modes of the cosines between the columns of two CP decompositions.

    Parameters
    ----------
    a, b : CPResult or pair (weights, factors)
        Of tensors of one shape; `b` is `a` itself by default.

    Returns
    -------
    array, shape (R_a, R_b)
        Entry (r, s) is ``∏_k ⟨a_kr, b_ks⟩`` of unit columns, in [-1, 1]; complex for complex factors. Off the diagonal
        of ``congruence(a)`` numbers near -1 tell of two terms that cancel: the decomposition degenerates.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    first, second = _unit_columns("a", a), None if b is None else _unit_columns("b", b)
    return _cosines(first, first if second is None else second)


def factor_match_score(a, b, *, weights=True, skip=()):
    r"""Agreement of two CP decompositions under the best matching of their terms.

    Parameters
    ----------
    a, b : CPResult or pair (weights, factors)
        Of tensors of one shape. The ranks may differ; a term without a partner counts zero.
    weights : bool
        Whether terms of unequal weight count less.
    skip : int or sequence of int
        Modes that are left out; their lengths may differ.

    Returns
    -------
    float
        In [0, 1], 1 where the decompositions are the same but for the order and the scales of columns: the largest
        mean, over all matchings, of ``(1 - |λ - λ'| / max(λ, λ')) ∏_k |⟨a_k, a'_k⟩|`` with unit columns [1]_.

    Raises
    ------
    ValueError
        If the shapes differ or all modes are left out.

    Notes
    -----
    The matching is found exactly, by linear assignment.

    References
    ----------
    .. [1] acar_dunlavy_kolda_morup_2011

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> factors = [np.random.default_rng(k).standard_normal((5, 3)) for k in range(3)]
    >>> turned = [factor[:, [2, 0, 1]] for factor in factors]
    >>> round(lr.factor_match_score((np.ones(3), factors), (np.ones(3), turned)), 12)
    1.0
    """
    score, matched = _scores(a, b, be.check_flag("weights", weights), _listed(skip))
    return min(1.0, float(score[matched].sum() / max(score.shape)))


def matching(a, b, skip=()):
    """Columns of `b` that belong to the columns of `a`, as a list; both of one rank."""
    return _scores(a, b, False, _listed(skip))[1][1].tolist()


def _listed(skip):
    return (skip,) if isinstance(skip, Integral) else tuple(skip)


def _scores(a, b, weighted, skip):
    first, second = _unit_columns("a", a), _unit_columns("b", b)
    modes = len(first[1])
    skip = {be.check_count("skip", k, 0, modes - 1) for k in skip}
    if len(skip) == modes:
        raise ValueError("skip leaves out all modes; keep at least one")
    score = np.abs(be.to_numpy(_cosines(first, second, skip))).astype(np.float64)
    if weighted:
        score = score * _smaller_over_larger(first[0], second[0])
    return score, linear_sum_assignment(score, maximize=True)


def _smaller_over_larger(left, right):
    """Quotients of all numbers given by their logarithms, the smaller over the larger one; one for two zeros."""
    left, right = left[:, None], right[None, :]
    alike = left == right  # infinite logarithms of zeros too, whose difference is no number
    return np.exp(-np.abs(np.subtract(left, right, out=np.zeros(alike.shape), where=~alike)))


def _unit_columns(name, given):
    """Logarithms of the moduli of the terms, on the host, and the unit columns."""
    weights, factors = kruskal_pair(name, given)
    columns, sizes = zip(*map(normalised, factors), strict=True)
    with np.errstate(divide="ignore"):
        logarithms = [np.log(np.abs(be.to_numpy(size).astype(np.float64))) for size in (weights, *sizes)]
    return sum(logarithms), list(columns)


def _cosines(first, second, skip=()):
    if be.namespace(*first[1]) is not be.namespace(*second[1]):
        raise TypeError("a and b must hold arrays of one library; convert one of them")
    shapes = [tuple(int(column.shape[0]) for column in pair[1]) for pair in (first, second)]
    kept = [tuple(n for k, n in enumerate(shape) if k not in skip) for shape in shapes]
    if kept[0] != kept[1] or len(shapes[0]) != len(shapes[1]):
        raise ValueError(f"a and b must decompose tensors of one shape, got {shapes[0]} and {shapes[1]}")
    total = None
    for k, (left, right) in enumerate(zip(first[1], second[1], strict=True)):
        if k not in skip:
            cosine = be.adjoint_matmul(left, right)
            total = cosine if total is None else total * cosine
    return total
