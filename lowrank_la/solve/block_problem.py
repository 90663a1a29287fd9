"""Least squares with a matrix in slabs of rows: one read for the factor, one for every residual."""

import math
from functools import partial

import numpy as np

from .. import _backend as be
from ..factor import slabs
from ..factor.reads import Reads
from ..operators import MeteredOperator
from ..operators.blocks import added, panels, widest, working
from .columns import column_norms, on_host
from .preconditioner import from_factors
from .problem import Problem

WIDEST = 4096
"""Columns up to which the triangular factor is taken."""


class BlockProblem(Problem):
    """A least squares problem whose matrix is read in slabs; the factor of ``[A, B]`` comes from the first read."""

    def __init__(self, op, side, ridge, check_finite):
        self.reads = Reads(op, check_finite=check_finite)
        self._factor = self._augmented(side.columns)
        super().__init__(MeteredOperator(op), side.columns, _shift(op, ridge, self.reads.scale), side.norms)
        self._counted()

    @property
    def dense(self):
        """False: no array is at hand."""
        return False

    def _augmented(self, B):
        n = self.reads.shape[1]

        def kernel():
            return partial(_augmented_kernel, scale=self.reads.scale)

        def square(state):
            return be.vdot_real(state["R"][:, :n])

        return self.reads.measured(kernel, slabs.merge_triangles, (B,), n + B.shape[1], square)["R"]

    def prepared(self):
        """`Prepared` from the triangular factor of ``[A, B; √λ I, 0]``."""
        n, R = self.A.shape[1], self._factor
        xp = self.xp
        if self.ridge:
            below = self.ridge**0.5 * xp.eye(n, R.shape[1], dtype=R.dtype, device=self.device)
            R = slabs.triangle(xp.concat([R, below], axis=0))
        R = xp.astype(R, self.A.dtype)
        return from_factors(R[:n, :n], R[:n, n:])

    def gradient(self, X):
        """``Aᴴ(b - A x) - λ x`` for each column, and the norms of the residuals (of ``[b - A x; -√λ x]``)."""
        kernel = partial(_gradient_kernel, scale=self.reads.scale)
        state = self.reads.run(kernel, _sums, (self.B, X), 2 * X.shape[1])
        self._counted()
        G, sizes = self.xp.astype(state["G"], self.A.dtype), np.sqrt(on_host(state["squares"]))
        if not self.ridge:
            return G, sizes
        return G - self.ridge * X, np.hypot(sizes, self.ridge**0.5 * column_norms(X))

    def _counted(self):
        self.A.products, self.A.passes = self.reads.products, self.reads.passes


def fits(op, method):
    """Whether the matrix in slabs is tall and narrow enough for its triangular factor, and `method` does not forbid."""
    m, n = op.shape
    if op.has("array") and (m < n or method not in ("auto", "qr")):
        return False
    if method not in ("auto", "qr", "lsqr"):
        raise ValueError(f"method={method!r} is not for data in blocks; take 'auto', 'qr' or 'lsqr'")
    if method == "qr" and m < n:
        raise ValueError(f"method='qr' of data in blocks needs m ≥ n, got shape {m}×{n}; take 'lsqr'")
    return method == "qr" or (method == "auto" and m >= n and n <= WIDEST)


def _shift(op, ridge, scale):
    root = math.sqrt(ridge) * scale
    shift = root * root  # infinite, where a power would raise
    if not math.isfinite(shift) or (ridge > 0 and shift > float(op.xp.finfo(op.dtype).max) ** 0.5):
        raise ValueError(f"ridge={ridge!r} is too large beside the entries of A; scale the problem")
    return shift


@np.errstate(over="ignore", invalid="ignore")
def _augmented_kernel(block, start, B, *, scale):
    A = working(block, scale)
    xp, wide = be.namespace(A), widest(A)
    both = xp.concat([xp.astype(A, wide), xp.astype(B[start : start + A.shape[0], :], wide)], axis=1)
    return {"R": slabs.triangle(both), "rows": A.shape[0]}


@np.errstate(over="ignore", invalid="ignore")
def _gradient_kernel(block, start, B, X, *, scale):
    A = working(block, scale)
    xp, wide, place = be.namespace(A), widest(A), start
    real = be.widest_real(xp, be.device(A))
    G, squares = None, None
    for panel in panels(A):
        R = B[place : place + panel.shape[0], :] - be.matmul(panel, X)
        size = xp.abs(R)
        G = added(G, be.adjoint_matmul(panel, R), wide)
        squares = added(squares, xp.sum(size * size, axis=0, dtype=real), real)
        place += panel.shape[0]
    return {"G": G, "squares": squares}


def _sums(a, b):
    return {name: a[name] + b[name] for name in a}
