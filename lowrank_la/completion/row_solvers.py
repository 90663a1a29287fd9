"""Least squares for all lines of one side at once: what alternating minimisation repeats.

Each solver moves the lines of `X` towards ``argmin Σ w |y - x bᴴ|² + λ ‖x‖²`` and says what that did to the residual.
On the host lines are solved one by one by a compiled kernel; portable forms (`row_twins`) solve all of them together.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from .. import _kernels
from .._backend.sparse import writable_view
from .row_twins import BUCKETS, SKETCH_SEED, solve_together

_GATHERED = 1 << 18  # numbers of a line held at once by a kernel
_KERNEL_FROM = 1 << 12
_CHOLESKY = {"entry": 2.6, "number": 0.22, "product": 0.04, "line number": 37.0, "line product": 0.52, "factor": 0.06}
_CG = {"entry": 2.1, "number": 0.48, "step": 0.18, "line number": 27.0, "line step": 9.7}
"""Nanoseconds measured on one core, k numbers an entry: per entry, number, and product of two numbers of one entry; per
number and step of conjugate gradients; the same per line; and per k³/3 of a factorisation."""
_WHITENED_STEPS = 4  # where the places that are not observed give most of the normal equations
_STEP_FALL = 200.0  # what a half sweep gains, times what its lines are solved to


@dataclass(frozen=True)
class Effort:
    """How exactly lines are solved: the fall of the residual asked for, and steps allowed."""

    tol: float
    steps: int


@dataclass(frozen=True, eq=False)
class Lines:
    """One side of a problem: its entries, and what does not change from sweep to sweep.

    `solver` is one of `complete`, or "nonneg": coordinate descent on lines that are not negative. Gram matrices are
    not `damped` beyond rounding where a ridge keeps those of short lines definite.
    """

    problem: Any
    side: Any
    mirrored: bool
    ridge: Any
    solver: str
    damped: bool = True

    @classmethod
    def of(cls, problem, solver):
        """The rows and the columns of a problem."""
        observed = problem.observed
        return (
            cls(problem, observed.row_side, False, problem.regularization[0], solver),
            cls(problem, observed.column_side, True, problem.regularization[1], solver),
        )

    def solve(self, B, X, relax, effort):
        """``(X, before, after)``: the lines moved by `relax` times the step, and squared residuals."""
        if kernel_pays(self.problem):
            return _by_kernel(self, B, X, relax, effort)
        return solve_together(self, B, X, relax, effort)

    @property
    def damping(self):
        """Multiple of the mean diagonal added to Gram matrices: keeps those of short lines definite."""
        return be.eps(self.problem.dtype) ** 0.6 if self.damped else 16 * be.eps(self.problem.dtype)


def kernel_pays(problem):
    """Whether lines are solved by compiled kernels: a question of the library and of sizes alone."""
    return be.kind(problem.xp) == "numpy" and problem.observed.count >= _KERNEL_FROM


def choose_solver(problem):
    """The cheaper of "cholesky" and "cg" by a model of one sweep with the costs above.

    With q² unknowns an entry, lines of random entries have normal equations of condition about ((1 + q) / (1 - q))²,
    and each step of conjugate gradients gains the factor q.
    """
    parts = 2 if be.is_complex(problem.dtype) else 1
    k, entries, lines = parts * problem.rank, 2 * parts * problem.observed.count, sum(problem.shape)
    excess = max(entries / (lines * k), 1.5)
    steps = min(2.0 * math.log(_STEP_FALL) / math.log(excess), k)
    if problem.form == "implicit":
        steps = min(steps, _WHITENED_STEPS)
    cost = _CHOLESKY
    cholesky = entries * (cost["entry"] + k * (cost["number"] + k * cost["product"]))
    cholesky += lines * k * (cost["line number"] + k * (cost["line product"] + k * cost["factor"] / 3))
    cost = _CG
    cg = entries * (cost["entry"] + k * (cost["number"] + steps * cost["step"]))
    cg += lines * k * (cost["line number"] + steps * cost["line step"])
    return "cholesky" if cholesky <= cg else "cg"


def _by_kernel(lines, B, X, relax, effort):
    problem, side = lines.problem, lines.side
    parts = 2 if be.is_complex(X.dtype) else 1
    size = X.shape[1] * parts
    width = size + (-size % 4)
    target = _widened(X, X.shape[0], width)
    other = np.zeros((B.shape[0] + 1, parts * width), target.dtype)
    _fill(other[:-1], B, width, lines.mirrored)
    values = _real(problem.observed.values)
    roots = values[:0] if problem.weights is None else np.sqrt(problem.weights)
    order = side.indices[:0] if side.order is None else side.order
    ridge = np.atleast_1d(np.asarray(lines.ridge, target.dtype))
    longest = int(np.max(side.pointers[1:] - side.pointers[:-1], initial=0)) * parts
    chunk = max(64, min(longest + (-longest % 8), _GATHERED // width // 8 * 8))
    sums = np.zeros((len(side.parts), 2))
    arrays = tuple(writable_view(a) for a in (side.pointers, side.indices, order, values, roots))
    if lines.solver == "cholesky":
        kernel, options = _kernels.lookup("rows_by_cholesky", "numpy"), (lines.damping,)
    elif lines.solver == "cg":
        kernel, options = _kernels.lookup("rows_by_cg", "numpy"), (effort.tol, effort.steps)
    elif lines.solver == "nonneg":
        kernel, options = _kernels.lookup("rows_by_descent", "numpy"), (effort.tol, effort.steps)
    else:
        buckets = 8 * -(-BUCKETS * size // 8)
        kernel = _kernels.lookup("rows_by_sketch", "numpy")
        options = (effort.tol, effort.steps, lines.damping, buckets, np.uint64(SKETCH_SEED))

    def run(part):
        here = side.parts[part]
        kernel(*arrays, parts, other, target, size, ridge, *options, relax, chunk, sums, part, here.start, here.stop)

    be.map_blocks(run, range(len(side.parts)))
    before, after = (float(total) for total in sums.sum(axis=0))
    return np.ascontiguousarray(target[:, :size]).view(X.dtype), before, after


def _real(x):
    return np.ascontiguousarray(x).view(x.real.dtype) if x.dtype.kind == "c" else np.ascontiguousarray(x)


def _widened(X, rows, width):
    real = _real(X)
    out = np.zeros((rows, width), real.dtype)
    out[: X.shape[0], : real.shape[1]] = real
    return out


def _fill(other, B, width, mirrored):
    """Rows of `B`, and for complex ones the same rows turned, whose products give the imaginary parts of entries."""
    if B.dtype.kind != "c":
        other[:, : B.shape[1]] = B
        return
    size = 2 * B.shape[1]
    other[:, :size] = _real(B)
    other[:, width : width + size] = _real((-1j if mirrored else 1j) * B)
