"""Factors of new rows for a completed matrix."""

from dataclasses import replace

import numpy as np

from .. import _backend as be
from . import implicit
from .entries import read_entries
from .problem import Problem
from .row_solvers import Effort, Lines

_ROUNDS = 3  # the second and third undo what damping did to the first
_STILL = 16.0  # in units of rounding: coordinate descent ends where a cycle moves a row by no more
_CYCLES = 2000


def fold_in(V, new_rows, shape, regularization, details, confidence=None):
    """Rows (p, k) of the left factor for rows with some entries known, given the right one, `V` (n, k).

    Parameters
    ----------
    V : array (n, k)
        With biases the last two columns are those of `biased.whole`, and so are those of the answer.
    new_rows, shape
        As for `read_entries`.
    regularization : float
    details : dict
        Of the fit: its ``form``, with biases the ``mean``, and ``confidence``.
    confidence : float or array, optional
    """
    form = details.get("form", "factors")
    entries, weights = _read(new_rows, shape, form, confidence)
    if entries.shape[1] != V.shape[0]:
        raise ValueError(f"new rows must have {V.shape[0]} columns like the completed matrix, got {entries.shape[1]}")
    if entries.xp is not be.namespace(V):
        raise TypeError(f"new rows must live in the namespace of the factors, {be.kind(be.namespace(V))!r}")
    xp = entries.xp
    V = xp.astype(V, xp.result_type(V.dtype, entries.dtype), copy=False)
    entries = entries.with_values(xp.astype(entries.values, V.dtype, copy=False))
    if entries.count == 0 or (form == "implicit" and weights is None):
        return _of_nothing(V, entries, form, details)
    with be.single_blas():
        if form == "implicit":
            return _implicit(V, implicit.targets_for(entries, weights), weights, regularization)
        if form == "nonnegative":
            return _nonnegative(V, entries, regularization)
        if form == "biases":
            return _with_biases(V, entries, regularization, details["mean"])
        return _least_squares(V, entries, regularization)


def _read(new_rows, shape, form, confidence):
    """Entries and weights; no weights with confidences where nothing is known."""
    alone = isinstance(confidence, float)
    given = None if alone else confidence
    read = read_entries(new_rows, shape, given, "raise", True, "confidence", "transform")
    if form != "implicit" or read.entries.count == 0:
        return read.entries, None
    if alone and not bool(read.entries.xp.any(read.entries.values != 0)):
        return read.entries, None
    return implicit.reformulated(read.entries, confidence if alone else None, read.weights)


def _of_nothing(V, entries, form, details):
    """The answer for rows of which nothing is known: zeros, with biases the mean and one beside them."""
    xp = entries.xp
    X = xp.zeros((entries.shape[0], V.shape[1]), dtype=V.dtype, device=entries.device)
    if form != "biases":
        return X
    ones = xp.ones_like(X[:, :1])
    return xp.concat([X[:, :-2], ones * _number(details["mean"], V.dtype), ones], axis=1)


def _number(mean, dtype):
    return (complex if be.is_complex(dtype) else float)(mean)


def _rows(V, entries, regularization, solver, weights=None):
    """The rows of a problem, and zeros to start from."""
    problem = Problem(entries, V.shape[1], weights, (float(regularization), 0.0))
    X = entries.xp.zeros((entries.shape[0], V.shape[1]), dtype=V.dtype, device=entries.device)
    return Lines.of(problem, solver)[0], X


def _least_squares(V, entries, regularization):
    if regularization:
        return _solved(V, entries, regularization)
    sizes = _powers_of_two(V)
    basis, turn = be.householder_qr(V / sizes)
    return _unturned(_solved(basis, entries, 0.0), turn) / sizes


def _solved(basis, entries, regularization):
    rows, X = _rows(basis, entries, regularization, "cholesky")
    rows = replace(rows, damped=not regularization)
    for _ in range(_ROUNDS):
        X = rows.solve(basis, X, 1.0, Effort(0.0, basis.shape[1]))[0]
    return X


def _powers_of_two(V):
    """About the sizes of the columns, shape (1, k): columns of ones stand beside those of factors of any scale."""
    xp = be.namespace(V)
    largest = be.to_numpy(xp.max(xp.abs(V), axis=0))
    powers = np.exp2(np.where(largest > 0.0, np.frexp(largest)[1], 0)).astype(largest.dtype)
    return xp.astype(be.from_numpy(powers, xp, be.device(V)), V.dtype)[None, :]


def _nonnegative(V, entries, regularization):
    rows, X = _rows(V, entries, regularization, "nonneg")
    return rows.solve(V, X, 1.0, Effort(_STILL * be.eps(V.dtype), _CYCLES))[0]


def _implicit(V, entries, weights, regularization):
    rows, X = _rows(V, entries, 1.0, "cholesky", weights)
    return implicit.half_sweep(replace(rows, damped=False), V, X, regularization, 1.0, Effort(0.0, V.shape[1]))[0]


def _with_biases(V, entries, regularization, mean):
    """``[U, μ + b, 1]`` from the entries less μ and the biases of their columns."""
    xp = entries.xp
    mean = _number(mean, V.dtype)
    left = xp.ones((entries.shape[0], 1), dtype=V.dtype, device=entries.device)
    shifted = entries.residual(left, V[:, -1:] + mean.conjugate())
    X = _least_squares(V[:, :-1], entries.with_values(shifted), regularization)
    return xp.concat([X[:, :-1], X[:, -1:] + mean, left], axis=1)


def _unturned(X, turn):
    """``U`` with ``U Rᴴ = X``, of least norm where `R` is singular."""
    u, s, vh = be.small_svd(turn)
    xp = be.namespace(s)
    keep = s > 4 * be.eps(turn.dtype) * turn.shape[0] * xp.max(s)
    inverse = xp.where(keep, 1.0 / xp.where(keep, s, xp.ones_like(s)), xp.zeros_like(s))
    return be.matmul(be.matmul(X, u) * xp.astype(inverse[None, :], X.dtype), vh)
