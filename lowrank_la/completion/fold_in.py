"""Factors of new rows for a completed matrix."""

from .. import _backend as be
from .entries import read_entries
from .problem import Problem
from .row_solvers import Effort, Lines

_ROUNDS = 3  # the second and third undo what damping did to the first


def fold_in(V, new_rows, shape, regularization):
    """Least squares factors (p, k) of rows with some entries known, given `V` (n, k)."""
    entries, _, _, _ = read_entries(new_rows, shape, None, "raise", True)
    if entries.shape[1] != V.shape[0]:
        raise ValueError(f"new rows must have {V.shape[0]} columns like the completed matrix, got {entries.shape[1]}")
    if entries.xp is not be.namespace(V):
        raise TypeError(f"new rows must live in the namespace of the factors, {be.kind(be.namespace(V))!r}")
    xp, k = entries.xp, V.shape[1]
    V = xp.astype(V, xp.result_type(V.dtype, entries.dtype), copy=False)
    entries = entries.with_values(xp.astype(entries.values, V.dtype, copy=False))
    with be.single_blas():
        basis, turn = (V, None) if regularization else be.householder_qr(V)
        problem = Problem(entries, k, None, (float(regularization), 0.0))
        rows = Lines.of(problem, "cholesky")[0]
        X = xp.zeros((entries.shape[0], k), dtype=V.dtype, device=entries.device)
        for _ in range(_ROUNDS):
            X = rows.solve(basis, X, 1.0, Effort(0.0, k))[0]
        return X if turn is None else _unturned(X, turn)


def _unturned(X, turn):
    """``U`` with ``U Rᴴ = X``, of least norm where `R` is singular."""
    u, s, vh = be.small_svd(turn)
    xp = be.namespace(s)
    keep = s > 4 * be.eps(turn.dtype) * turn.shape[0] * xp.max(s)
    inverse = xp.where(keep, 1.0 / xp.where(keep, s, xp.ones_like(s)), xp.zeros_like(s))
    return be.matmul(be.matmul(X, u) * xp.astype(inverse[None, :], X.dtype), vh)
