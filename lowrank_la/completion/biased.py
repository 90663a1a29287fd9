"""Factors with a bias of each row and each column: ``A ≈ μ + b_i + c_j + U Vᴴ``.

The unknowns are kept as ``[U, b]`` (m, k + 1) and ``[V, c̄]`` (n, k + 1), μ is the mean of the values. For the columns
the other factor is ``[U, 1]`` and the values are those less ``μ + b_i``, for the rows it is ``[V, 1]`` and the values
are those less ``μ + c_j``.
"""

from dataclasses import replace
from typing import Any, NamedTuple

from .. import _backend as be
from .rebasing import least_penalised, orthonormal_first
from .row_solvers import Effort, Lines, choose_solver
from .start import spectral_start

_ROUNDS = 4  # of biases alone, before the first factors


class Biases(NamedTuple):
    """The mean μ of all values, and what each row (m,) and each column (n,) adds to it."""

    mean: Any
    rows: Any
    columns: Any


class Biased:
    """One sweep for factors and biases; see `Factors` for the attributes."""

    floor = 0.0

    def __init__(self, problem, solver):
        self.problem, self.norm = problem, problem.norm
        self.solver = choose_solver(replace(problem, rank=problem.rank + 1)) if solver == "auto" else solver
        damped = not problem.regularized  # by a part of the factors, beside which biases may be small
        self.rows, self.columns = (replace(lines, damped=damped) for lines in Lines.of(problem, self.solver))

    def sweep(self, U, V, relax, effort):
        """``(U, V, square, objective)`` after least squares for the columns and for the rows, biases among them."""
        problem, regularized = self.problem, self.problem.regularized
        U, V = _rebased(problem, U, V)
        V = less_biases(self.columns, problem, b=U[:, -1:]).solve(with_ones(U), V, relax, effort)[0]
        if not regularized:
            V, U = _orthonormal(*_centred(V, U))
        lines = less_biases(self.rows, problem, c=V[:, -1:])
        U, _, after = lines.solve(with_ones(V), U, relax, effort)
        return U, V, after, problem.penalised(after, U, V) if regularized else None


def with_ones(X):
    """``[U, 1]`` from ``[U, b]``."""
    xp = be.namespace(X)
    return xp.concat([X[:, :-1], xp.ones_like(X[:, -1:])], axis=1)


def less_biases(lines, problem, b=None, c=None):
    """The lines of a problem with ``μ + b_i`` or ``μ + c_j`` taken off its values."""
    xp, observed = problem.xp, problem.observed
    b = xp.zeros((problem.shape[0], 1), dtype=problem.dtype, device=observed.device) if b is None else b
    ones = xp.ones_like(b)
    if c is None:
        left, right = -(b + problem.mean), xp.ones((problem.shape[1], 1), dtype=b.dtype, device=observed.device)
    else:
        left, right = -ones, c + problem.mean.conjugate()
    values = observed.dots(left, right)
    values += observed.values
    return replace(lines, problem=replace(problem, observed=observed.with_values(values)))


def start(problem, key):
    """``[U, b]`` and ``[V, c̄]``: biases alone first, then the leading part of what they leave over."""
    xp, observed = problem.xp, problem.observed
    alone = Lines.of(replace(problem, rank=1), "cholesky")
    b, c = (xp.zeros((size, 1), dtype=problem.dtype, device=observed.device) for size in problem.shape)
    for _ in range(_ROUNDS):
        for mirrored, lines in enumerate(alone):
            given = {"b": b} if mirrored else {"c": c}
            other, own = (b, c) if mirrored else (c, b)
            moved = less_biases(lines, problem, **given).solve(xp.ones_like(other), own, 1.0, Effort(0.0, 1))[0]
            b, c = (b, moved) if mirrored else (moved, c)
    left = observed.residual(xp.concat([b + problem.mean, xp.ones_like(b)], axis=1), with_ones_first(c))
    U, V = spectral_start(replace(problem, observed=observed.with_values(left)), key)
    return xp.concat([U, b], axis=1), xp.concat([V, c], axis=1)


def with_ones_first(c):
    """``[1, c̄]``."""
    return be.namespace(c).concat([be.namespace(c).ones_like(c), c], axis=1)


def from_given(problem, U, V, factor):
    """``[U, b]`` and ``[V, c̄]`` from k columns, without biases, or from the k + 2 of an earlier answer.

    The values of the problem are those that `U` and `V` stand for, divided by `factor`.
    """
    xp, k = problem.xp, problem.rank
    if U.shape[1] == k:
        U, V = (xp.concat([X, xp.zeros_like(X[:, :1])], axis=1) for X in (U, V))
        return U, V * (1.0 / factor)
    if not is_whole(U, V):
        raise ValueError(
            f"init with {k + 2} columns must be an answer with biases: ones in the last column of U and in the last "
            "but one of V"
        )
    b, c = U[:, k : k + 1] * (1.0 / factor) - problem.mean, V[:, -1:] * (1.0 / factor)
    return xp.concat([U[:, :k], b], axis=1), xp.concat([V[:, :k] * (1.0 / factor), c], axis=1)


def is_whole(U, V):
    """Whether factors are ``[U, μ + b, 1]`` and ``[V, 1, c̄]``."""
    xp = be.namespace(U)
    return U.shape[1] > 2 and bool(xp.all(U[:, -1] == 1.0)) and bool(xp.all(V[:, -2] == 1.0))


def whole(problem, U, V, factor=1.0):
    """Factors ``[U, μ + b, 1]`` and ``[V, 1, c̄]`` of the answer, for values that were divided by `factor`."""
    xp, root = problem.xp, factor**0.5
    return (
        xp.concat([U[:, :-1] * root, (U[:, -1:] + problem.mean) * factor, xp.ones_like(U[:, -1:])], axis=1),
        xp.concat([V[:, :-1] * root, xp.ones_like(V[:, -1:]), V[:, -1:] * factor], axis=1),
    )


def _rebased(problem, U, V):
    """The same sums with the least penalty, or with orthogonal `U` where there is none."""
    if not problem.regularized:
        return _orthonormal(*_centred(U, V))
    xp = problem.xp
    left, right = (_constant(X, 1.0) * root**2 for X, root in zip((U, V), problem.penalty_roots(), strict=True))
    U, V = _shifted(U, V, left, right)
    V, U = _shifted(V, U, right, left)
    b, c = U[:, -1:], V[:, -1:]
    total = float(xp.sum(xp.abs(left))) + float(xp.sum(xp.abs(right)))
    t = (be.adjoint_matmul(c, right) - be.adjoint_matmul(left, b)) / (total if total > 0.0 else 1.0)
    A, B = least_penalised(problem, U[:, :-1], V[:, :-1])
    return xp.concat([A, b + t], axis=1), xp.concat([B, c - _conjugate(t)], axis=1)


def _shifted(U, V, left, right):
    """``[U - 1 a, b]`` and ``[V, c̄ + V aᴴ]`` of least penalty, for penalties (m, 1) and (n, 1) of the lines."""
    xp, factor = be.namespace(U), V[:, :-1]
    total = float(xp.sum(xp.abs(left)))
    if total <= 0.0:
        return U, V
    eye = xp.eye(factor.shape[1], dtype=U.dtype, device=be.device(U))
    rhs = be.adjoint_matmul(U[:, :-1], left) - be.adjoint_matmul(factor, right * V[:, -1:])
    a = xp.linalg.solve(total * eye + be.adjoint_matmul(factor, right * factor), rhs)
    return (
        xp.concat([U[:, :-1] - be.mH(a), U[:, -1:]], axis=1),
        xp.concat([factor, V[:, -1:] + be.matmul(factor, a)], axis=1),
    )


def _centred(U, V):
    """The same sums with factors whose columns have mean zero."""
    U, V = _shifted(U, V, _constant(U, 1.0), _constant(V, 0.0))
    V, U = _shifted(V, U, _constant(V, 1.0), _constant(U, 0.0))
    return U, V


def _constant(X, number):
    return be.namespace(X).full((X.shape[0], 1), number, dtype=X.dtype, device=be.device(X))


def _conjugate(x):
    return be.namespace(x).conj(x) if be.is_complex(x.dtype) else x


def _orthonormal(U, V):
    """The same sums with orthogonal columns of `U`, each as long as the column of ones beside them."""
    xp, root = be.namespace(U), U.shape[0] ** 0.5
    Q, Y = orthonormal_first(U[:, :-1], V[:, :-1])
    return xp.concat([Q * root, U[:, -1:]], axis=1), xp.concat([Y / root, V[:, -1:]], axis=1)
