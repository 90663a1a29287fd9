"""Implicit feedback: squares over all places, those of the observed entries with a confidence.

What is minimised is ``Σ c |p - x|² + λ (‖U‖² + ‖V‖²)`` over all places, with p = 0 and c = 1 where nothing was
observed. Since ``c |p - x|² = (c - 1) |p' - x|² + |x|² + const`` for ``p' = c p / (c - 1)``, each half sweep is least
squares on the observed entries with weights c - 1 and values p', and with the quadratic form of the Gram matrix of the
other factor: factors turned by a triangle of that matrix have the penalty 1 instead.
"""

from dataclasses import replace

from .. import _backend as be
from .rebasing import least_penalised
from .row_solvers import Lines, choose_solver
from .start import spectral_start


class Implicit:
    """One sweep for factors with squares over all places; see `Factors` for the attributes.

    `norm` is the root of ``Σ c |p|²``, and the squared residuals that `sweep` gives are ``Σ c |p - x|²``, over all
    places.
    """

    def __init__(self, problem, solver):
        self.problem = problem
        self.solver = choose_solver(problem) if solver == "auto" else solver
        plain = replace(problem, regularization=(1.0, 1.0))
        self.rows, self.columns = (replace(lines, damped=False) for lines in Lines.of(plain, self.solver))
        square, self.constant = sums_of(problem)
        self.norm = square**0.5
        self.floor = 8 * be.eps(problem.dtype) * (self.constant / square if square > 0.0 else 0.0)

    def sweep(self, U, V, relax, effort):
        """``(U, V, square, objective)`` after least squares for the columns and for the rows."""
        own, other = self.problem.regularization
        U, V = least_penalised(self.problem, U, V)
        V = half_sweep(self.columns, U, V, other, relax, effort)[0]
        U, after, form = half_sweep(self.rows, V, U, own, relax, effort)
        square = max(after - self.constant + form - own * be.vdot_real(U), 0.0)
        return U, V, square, square + own * be.vdot_real(U) + other * be.vdot_real(V)


def half_sweep(lines, B, X, ridge, relax, effort):
    """``(X, after, form)``: the lines moved, the squared residual, and ``Σ x (BᴴB + λ) xᴴ``."""
    R = triangle(B, ridge)
    xp = be.namespace(B)
    eye = xp.eye(R.shape[0], dtype=R.dtype, device=be.device(R))
    back = be.solve_upper(R, eye)
    turned, _, after = lines.solve(be.matmul(B, back), be.matmul(X, be.mH(R)), relax, effort)
    return be.matmul(turned, be.mH(back)), after, be.vdot_real(turned)


def triangle(B, ridge):
    """`R` with ``Rᴴ R = BᴴB + λ``; where that is singular to rounding, a little is added to the diagonal."""
    G = be.gram(B)
    xp, k = be.namespace(G), G.shape[0]
    eye = xp.eye(k, dtype=G.dtype, device=be.device(G))
    mean = float(xp.sum(xp.abs(xp.linalg.diagonal(G)))) / k
    added = max(ridge, k * be.eps(G.dtype) * mean)
    while True:
        R = be.cholesky_upper(G + (added if added > 0.0 else 1.0) * eye)
        if R is not None:
            return R
        added *= 4.0


def sums_of(problem):
    """``Σ c |p|²``, and the constant ``Σ c |p|² / (c - 1)``."""
    xp, w = problem.xp, problem.weights
    squares = xp.abs(problem.observed.values) ** 2 * (w / (1.0 + w))
    return float(xp.sum(squares * w)), float(xp.sum(squares))


def reformulated(entries, confidence, weights):
    """Entries and weights of the least squares problem, from counts and α or from targets and their confidences.

    Parameters
    ----------
    entries : Observed
    confidence : float or None
        α of ``c = 1 + α y`` for counts y, whose targets are 1; None where `weights` holds confidences c > 1.
    weights : array (N,) or None

    Returns
    -------
    Observed
        With the targets p. Counts of zero are places where nothing was observed.
    weights : array (N,)
        ``c - 1``, raised to the root of rounding where it is below: the constant that the objective is less grows like
        its inverse.
    """
    xp = entries.xp
    if confidence is None:
        if float(xp.min(weights)) <= 1.0:
            raise ValueError(
                "confidence of an observed entry must be above 1, that of all other places, got "
                f"{float(xp.min(weights))!r}; in a dense array a zero is observed, and NaN says that nothing was"
            )
        return entries, xp.clip(weights - 1.0, be.eps(weights.dtype) ** 0.5, None)
    if be.is_complex(entries.dtype):
        raise TypeError("confidence as one number needs counts, got complex values; pass an array of confidences")
    if float(xp.min(entries.values)) < 0.0:
        raise ValueError(
            f"confidence as one number needs counts y >= 0, got {float(xp.min(entries.values))!r}; pass an array of "
            "confidences for values of either sign"
        )
    if float(xp.max(entries.values)) == 0.0:
        raise ValueError("all counts are zero: nothing was observed")
    kept = entries.values > 0.0
    if not bool(xp.all(kept)):
        entries = entries.subset(be.true_places(kept[None, :], xp)[1])
    weights = xp.clip(confidence * entries.values, be.eps(entries.dtype) ** 0.5, None)
    be.require_finite(weights, "1 + confidence * observed")
    return entries.with_values(xp.ones_like(entries.values)), weights


def targets_for(entries, weights):
    """The entries with values ``p' = c p / (c - 1)``."""
    xp = entries.xp
    return entries.with_values(entries.values * xp.astype((1.0 + weights) / weights, entries.dtype))


def start(problem, key):
    """The leading part of the matrix of the numbers c p, as large as fits the targets."""
    xp, weights = problem.xp, problem.weights * (1.0 / float(problem.xp.max(problem.weights)))
    U, V = spectral_start(replace(problem, weights=weights), key)
    numbers = xp.abs(problem.observed.values) * weights
    square = float(xp.sum(numbers**2))
    if square == 0.0:
        return U, V
    share = problem.observed.count / (problem.shape[0] * problem.shape[1])
    return U, V * (
        share
        * float(xp.sum(numbers * xp.abs(problem.observed.values) * (problem.weights / (1.0 + problem.weights))))
        / square
    )
