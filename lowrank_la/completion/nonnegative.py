"""Two factors without negative numbers."""

import math

from .row_solvers import Effort, Lines
from .start import spectral_start

_CYCLES = 50  # of coordinate descent on a line, at most
_STILL = 1e-3  # part of the effort's tolerance: a cycle that moves a line by less than that is the last one
_STRIDE = 0.5  # of the first step that both factors go on, in units of their last one
_LONGER, _SHORTER = 1.05, 0.5


class Nonnegative:
    """One sweep for factors without negative numbers; see `Factors` for the attributes.

    Each half sweep solves for every line by coordinate descent on its normal equations, from where the line is. Factors
    are not turned, which would make numbers negative; columns of the two are made equally long, or equally penalised.
    Instead of over-relaxation both factors go on in the direction of their last step, as far as nothing turns negative
    (Ang and Gillis 2019), and where the sum to be minimised rises by that the sweep is done again without.
    """

    floor = 0.0

    def __init__(self, problem, solver):
        self.problem, self.norm, self.solver = problem, problem.norm, "nonneg"
        self.rows, self.columns = Lines.of(problem, self.solver)
        self._last, self._stride, self._merit = None, _STRIDE, math.inf

    def sweep(self, U, V, relax, effort):
        """``(U, V, square, objective)`` after least squares for the columns and for the rows."""
        effort = Effort(_STILL * effort.tol, _CYCLES)
        factor = _evening(self.problem, U, V)
        U, V = U * factor, V / factor
        last = None if self._last is None else self._last * factor
        found = self._swept(U, V, last, effort)
        if last is not None:
            longer = _merit(found) <= self._merit
            self._stride = min(_LONGER * self._stride, 1.0) if longer else _SHORTER * self._stride
            found = found if longer else self._swept(U, V, None, effort)
        self._last, self._merit = U, _merit(found)
        return found

    def _swept(self, U, V, last, effort):
        """A sweep from `U` and `V`, from beyond them where `U` was at `last` a sweep before."""
        if last is not None:
            U = self._onward(U, last)
        X, _, _ = self.columns.solve(U, V, 1.0, effort)
        if last is not None:
            X = self._onward(X, V)
        U, _, after = self.rows.solve(X, U, 1.0, effort)
        return U, X, after, self.problem.penalised(after, U, X) if self.problem.regularized else None

    def _onward(self, X, last):
        return self.problem.xp.clip(X + self._stride * (X - last), 0.0, None)


def _merit(found):
    """What a sweep has to lower: the objective, or the squared residual where there is no penalty."""
    return found[2] if found[3] is None else found[3]


def _evening(problem, U, V):
    """What the columns of `U` are to be multiplied by, and those of `V` divided by: shape (1, k)."""
    xp = problem.xp
    roots = problem.penalty_roots() if problem.regularized else (1.0, 1.0)
    left, right = (xp.linalg.vector_norm(X * root, axis=0) for X, root in zip((U, V), roots, strict=True))
    usable = (left > 0.0) & (right > 0.0)
    ratio = xp.where(usable, right, xp.ones_like(right)) / xp.where(usable, left, xp.ones_like(left))
    return xp.sqrt(ratio)[None, :]


def start(problem, key):
    """Of each leading pair of singular vectors the positive or the negative parts, whichever say more."""
    xp = problem.xp
    U, V = spectral_start(problem, key)
    sides = []
    for sign in (1.0, -1.0):
        u, v = (xp.clip(sign * X, 0.0, None) for X in (U, V))
        sides.append((u, v, xp.linalg.vector_norm(u, axis=0) * xp.linalg.vector_norm(v, axis=0)))
    (u, v, size), (other_u, other_v, other) = sides
    first = (size >= other)[None, :]
    return xp.where(first, u, other_u), xp.where(first, v, other_v)
