"""Nystrom approximation from landmarks drawn by their ridge leverage scores."""

import math

import numpy as np

from .. import _backend as be
from ..factor.prologue import require_square, untracked_operator
from ..results import Info
from .columns import diagonal, entry_eps, row_panels, submatrix, unit_of
from .kernel_matrix import mapped
from .posterior import shifted_root
from .rpcholesky import RPCholeskyResult

_FEW = 64  # points that are all kept where the recursion ends
_FAILURE = 0.1
_SLACK = 10.0  # square roots of roundoff by which a diagonal may turn out negative
_TIE = 1e-3  # relative difference of scores that are told apart where only one point is kept
_OVERESTIMATE = 1.5  # what the scores of the recursion are raised by: they have to be upper bounds
_RESERVE = 2.0  # a cluster with the ridge as eigenvalue has score 1/2: hitting d of them takes 2 log(2 d / failure)


class RidgeNystromResult(RPCholeskyResult):
    """``K ≈ F @ Fᴴ`` from the landmarks `indices`; an operator itself (``result @ x``)."""


@be.supports(blocks=True)
def ridge_nystrom(K, ridge, *, method="recursive", budget=None, rng=None):
    """Nystrom approximation meant to keep the spectral error below `ridge`, from randomly drawn landmarks.

    Parameters
    ----------
    K : KernelMatrix, array, sparse matrix or operator, shape (n, n)
        Hermitian positive semidefinite. An operator that knows products alone gives its diagonal by n products.
    ridge : float
        The number of landmarks follows the effective dimension ``tr K (K + ridge I)⁻¹``.
    method : {"recursive", "bless"}
        "recursive" halves the points until few are left and goes back up; "bless" lowers the ridge from ``tr K`` by
        halves, looking at few candidates each time: it costs no n × k entries until the factor is formed.
    budget : float, optional
        A point is kept with probability `budget` times its score. By default ``log(10 d)`` for "recursive" and
        ``2 log(20 d)`` for "bless", d being the effective dimension found so far.
    rng : int, numpy Generator, SeedSequence, torch or CuPy generator, optional

    Returns
    -------
    RidgeNystromResult
        ``F`` (n, k) and ``indices`` (k,), ascending. ``info.error`` is the relative trace error, "exact" to rounding.
        ``info.dimension`` is the effective dimension as the scores estimate it, ``info.probabilities`` (k,) those with
        which the landmarks were kept.

    Raises
    ------
    ValueError
        If `K` is not square, not Hermitian or not positive semidefinite in the entries that were read, empty or not
        finite, or `ridge` or `budget` is not positive.
    TypeError
        If `K` is not a matrix or records gradients, or an argument is of the wrong type.

    Notes
    -----
    The score of point i is ``(K (K + ridge I)⁻¹)_ii``, overestimated from the landmarks of the level before [1]_ [2]_.
    ``F Fᴴ ≼ K`` always holds, ``K ≼ F Fᴴ + ridge I`` with a probability that no theorem gives for the default budget:
    that of [1]_ asks for ``16 log(d / δ)`` and a small δ, that of [2]_ for more, and `budget` can be set so. Where K is
    made of clusters of duplicates whose eigenvalues are just above the ridge, the hardest case known to us, the default
    missed one of 20 clusters in about a tenth of the draws with either method. Nothing is checked afterwards but the
    trace error. Where a rank is given rather than a ridge, `rpcholesky` comes closer with fewer columns. Across
    backends one seed gives the same landmarks and, to the shift by rounding that makes their core definite, the same
    product ``F Fᴴ``; `F` itself agrees to the condition of that core, which is large for close landmarks.

    References
    ----------
    .. [1] musco_musco_2017
    .. [2] rudi_calandriello_carratino_rosasco_2018

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> x = np.linspace(0.0, 1.0, 400)
    >>> K = np.exp(-10.0 * (x[:, None] - x[None, :]) ** 2)
    >>> F, indices = lr.ridge_nystrom(K, 0.1, rng=0)
    >>> bool(np.linalg.norm(K - F @ F.T, 2) <= 0.1)
    True
    """
    op = untracked_operator(K, "ridge_nystrom")
    require_square(op, "ridge_nystrom", "positive semidefinite")
    be.check_rank(1, op.shape, "K")
    ridge = be.check_positive("ridge", ridge)
    be.check_option("method", method, ("recursive", "bless"))
    budget = None if budget is None else be.check_positive("budget", budget)
    key = be.resolve_rng(rng)
    with be.single_blas():
        diag, products = diagonal(op)
        _require_positive(diag, 0.0, op)
        landmarks = _Landmarks(op, diag, budget, key)
        landmarks = landmarks.recursive(ridge) if method == "recursive" else landmarks.bless(ridge)
        F, explained = _factor(op, landmarks.indices, unit_of(diag))
        left = float(diag.sum()) - explained
        _require_positive(np.asarray([left]), float(diag.sum()), op)
    info = Info(
        error=max(left, 0.0) / float(diag.sum()) if diag.any() else 0.0, error_kind="exact", converged=True,
        reason="landmarks drawn", iterations=landmarks.levels, products=products, method=method, rng=key.record,
        details={"dimension": landmarks.dimension, "probabilities": landmarks.probabilities},
    )  # fmt: skip
    F = op.xp.astype(F, op.source_dtype) if be.is_half(op.source_dtype) else F
    return RidgeNystromResult(F, be.index_array(landmarks.indices, op.shape[0], op.xp, op.device), info)


def _require_positive(left, size, op):
    """ValueError where a diagonal, or what landmarks leave of one of that size, is negative or not finite."""
    if not np.isfinite(left).all():
        raise ValueError("K holds NaN or infinite values; clean the data first")
    if left.min() < -_SLACK * entry_eps(op) ** 0.5 * size:
        raise ValueError(f"K is not positive semidefinite: its diagonal leaves {left.min():.3g}; use eigh")


def _first_largest(values):
    """The first place of a value that is the largest one up to rounding: the same one on every backend."""
    return int(np.flatnonzero(values >= (1.0 - _TIE) * values.max())[0])


def _factor(op, indices, unit):
    """``K[:, indices] U⁻¹`` for ``UᴴU = K[indices, indices]`` up to a shift by rounding, and its squared norm.

    The squares are summed in units of ``unit⁻²``, in which they neither overflow nor underflow.
    """
    core = submatrix(op, indices, indices)
    if not bool(op.xp.any(core != 0)):
        return op.xp.zeros((op.shape[0], len(indices)), dtype=op.dtype, device=op.device), 0.0
    U = shifted_root(core)
    F = op.xp.empty((op.shape[0], len(indices)), dtype=op.dtype, device=op.device)

    def panel(rows):
        fresh = be.right_solve_upper(submatrix(op, range(rows.start, rows.stop), indices), U)
        F[rows, :] = fresh
        return be.vdot_real(fresh if unit == 1.0 else fresh * unit)

    squares = mapped(panel, row_panels(op.shape[0], len(indices), op.xp), op.xp)
    return F, math.fsum(squares) / unit / unit


class _Landmarks:
    """Landmarks `indices` with the `probabilities` that they were kept with."""

    def __init__(self, op, diag, budget, key):
        self.op, self.diag, self.budget, self.key = op, diag, budget, key
        self.indices, self.probabilities = np.zeros(0, np.int64), np.zeros(0)
        self.levels, self.dimension, self.reserve = 0, 1.0, 1.0

    def recursive(self, ridge):
        """Scores of ever more points from the landmarks among half of them."""
        n = len(self.diag)
        halves = [np.arange(n)]
        while len(halves[-1]) > _FEW:
            u = self._uniform(len(halves), n)
            halves.append(halves[-1][u[halves[-1]] <= 0.5])
        self.indices = halves[-1] if len(halves[-1]) else halves[-2][:1]
        self.probabilities, self.dimension = np.ones(len(self.indices)), float(len(self.indices))
        for points in reversed(halves[:-1]):
            scores = np.minimum(1.0, _OVERESTIMATE * self.scores(points, ridge))
            self._keep(points, np.ones(len(points)), scores)
        return self

    def bless(self, ridge):
        """Candidates by the diagonal at ever smaller ridges, thinned by their scores."""
        n, level, self.reserve = len(self.diag), max(float(self.diag.sum()), ridge), _RESERVE
        while True:
            level = max(level / 2.0, ridge)
            chance = np.minimum(1.0, self._factor() * self.diag / (self.diag + level))
            points = np.flatnonzero(self._uniform(self.levels + (1 << 20), n) <= chance)
            self._keep(points, chance[points], np.minimum(1.0, self.scores(points, level)))
            if level == ridge:
                break
        if not len(self.indices):
            self.indices, self.probabilities = np.asarray([_first_largest(self.diag)]), np.ones(1)
        return self

    def scores(self, points, ridge):
        """Ridge leverage scores of `points` as the present landmarks show them, never below the true ones by much."""
        if len(self.indices) == 0 or len(points) == 0:
            return self.diag[points] / ridge
        xp, real = self.op.xp, be.real_dtype(self.op.xp, self.op.dtype)
        weights = be.from_numpy(self.probabilities**-0.5, xp, self.op.device, real)
        core = submatrix(self.op, self.indices, self.indices) * weights[:, None] * weights[None, :]
        core = core + ridge * xp.eye(len(self.indices), dtype=core.dtype, device=self.op.device)
        U = shifted_root(core)

        def explained(rows):
            T = be.right_solve_upper(submatrix(self.op, points[rows], self.indices) * weights[None, :], U)
            return be.to_numpy(xp.sum(xp.abs(T) ** 2, axis=1)).astype(np.float64)

        seen = np.concatenate(mapped(explained, row_panels(len(points), len(self.indices), xp), xp))
        left = self.diag[points] - seen
        _require_positive(left, float(self.diag.max()), self.op)
        return np.maximum(left, 0.0) / ridge

    def _keep(self, points, chance, scores):
        """Keep each of `points`, looked at with probability `chance`, with `budget` times its score in all."""
        self.dimension = max(1.0, float((scores / chance).sum()))
        wanted = np.minimum(chance, self._factor() * scores)
        u = self._uniform(self.levels + (1 << 21), len(self.diag))[points]
        kept = np.flatnonzero(u * chance <= wanted)
        if kept.size:
            self.indices, self.probabilities = points[kept], wanted[kept]
        elif len(points):
            self.indices, self.probabilities = points[[_first_largest(scores)]], np.ones(1)
        self.levels += 1

    def _factor(self):
        if self.budget is not None:
            return self.budget
        return max(1.0, self.reserve * math.log(self.reserve * self.dimension / _FAILURE))

    def _uniform(self, label, count):
        return be.to_numpy(be.uniform(self.key.child(label), slice(0, count), slice(0, 1)))[:, 0]
