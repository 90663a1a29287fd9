"""Which method when, and what follows where one falls short."""

from dataclasses import dataclass, replace

import numpy as np

from .. import _backend as be
from .backward_error import Spectrum
from .columns import as_row, column_norms
from .direct import from_householder, solve_wide
from .lsqr import bounds, by_lsqr, norm_of
from .preconditioner import from_gram, from_sketch, start_from_sketch
from .refinement import Refined, by_conjugate_gradients, by_normal_equations, refine
from .sample import sampled_rows

METHODS = ("auto", "cholesky", "sketched", "spir", "qr", "lsqr")
_MIN_ASPECT = 4
_FACTORED = 1 << 16  # entries up to which reflections cost less than anything else does to set up
_GRAM_COLUMNS = 1000
_SKETCHED_COLUMNS = 500
_SPARSE_COLUMNS = 3000
_PRODUCT_COLUMNS = 300
_LEVEL = 10.0
_TRUSTED = {"float32": 1e6, "float64": 1e30}


@dataclass(frozen=True)
class Found:
    """Solutions, by which method, and what became known of the matrix on the way."""

    refined: Refined
    method: str
    rank: int | None = None
    condition: float | None = None

    @property
    def worst(self):
        """Largest backward error, infinite where one is no number."""
        worst = float(np.max(self.refined.errors))
        return worst if np.isfinite(worst) else float("inf")


def goals(problem, method, tol):
    """Backward errors to aim at and to be content with."""
    if tol is not None:
        return tol, tol
    eps = be.eps(problem.A.dtype)
    return (0.5 * eps**0.75, eps**0.75) if method.endswith("lsqr") else (eps, 5 * eps)


def solve(problem, method, tol, key, watch):
    """The `Found` of the first method that is content, else the best of those tried."""
    if problem.A.has("fro_norm") and not trusted_scale(problem.A) and problem.A.fro_norm() == 0.0 and not problem.ridge:
        return _zero(problem)
    names, best = _order(problem, method), None
    for tried, name in enumerate(names, 1):
        found = _RUN[name](problem, goals(problem, name, tol)[0], key.child(name), watch)
        if found is None:
            _require_finite(problem.A)
            continue
        found = replace(found, method="+".join(names[:tried]))
        best = found if best is None or found.worst < best.worst else best
        if best.worst <= max(goals(problem, other, tol)[1] for other in names[tried - 1 :]) or watch.over:
            break
    return best


def _order(problem, method):
    (m, n), dense = problem.A.shape, problem.dense
    if method in ("cholesky", "sketched", "qr") and not dense:
        raise TypeError(f"method={method!r} needs a dense array; take 'spir' or 'lsqr'")
    if method in ("cholesky", "sketched", "spir") and m < n:
        raise ValueError(f"method={method!r} needs m ≥ n, got shape {m}×{n}; take 'qr' or 'lsqr'")
    if method != "auto":
        last = "qr" if dense else "lsqr"
        after = {"cholesky": ("sketched", "qr"), "sketched": ("qr",), "spir": (last,)}
        return (method, *after.get(method, ()))
    if not dense:
        widest = _SPARSE_COLUMNS if hasattr(problem.A.inner, "combine_rows") else _PRODUCT_COLUMNS
        return ("spir", "lsqr") if m >= _MIN_ASPECT * n and n <= widest else ("lsqr",)
    if m < _MIN_ASPECT * n or m * n <= _FACTORED:
        return ("qr",)
    if n <= _GRAM_COLUMNS and _sampled_condition(problem) < be.eps(problem.A.dtype) ** -0.38:
        return ("cholesky", "sketched", "qr")
    return ("sketched", "qr") if n <= _SKETCHED_COLUMNS else ("spir", "qr")


def _require_finite(A):
    """ValueError where a method failed since the matrix is no matrix of numbers."""
    if A.has("fro_norm") and not np.isfinite(A.fro_norm()):
        raise ValueError("A holds NaN or infinite values; clean them, or complete missing entries first")


def trusted_scale(A):
    """Whether a sample of rows of a large array shows that squares of its entries are safe."""
    m, n = A.shape
    if not A.has("array") or m < _MIN_ASPECT * n or m * n <= _FACTORED:
        return False
    reach = _TRUSTED[be.dtype_name(be.real_dtype(A.xp, A.dtype))]
    return 1 / reach < be.fro_norm(sampled_rows(A.array)) < reach


def _sampled_condition(problem):
    known = problem.sample[1]
    return known.condition if known is not None and known.full else float("inf")


def answered(problem, prepared, correct, name, goal, watch):
    """`Found` from the `Prepared` factor, refined by what `correct` makes of it; None where that is None."""
    if prepared is None:
        return None
    judge = _judge(problem, prepared.P)
    refined = refine(problem, prepared.X, judge, correct(prepared.P), goal, watch, once_more=name == "cholesky")
    return Found(refined, name, prepared.rank, prepared.condition)


def _judge(problem, P):
    """Backward errors to report, and those to bring down: of the matrix with columns of norm one where that differs."""
    plain, scales = P.spectrum(), column_norms(P.R)
    scales = np.where(scales > 0, scales, 1.0)
    level = np.max(scales) <= _LEVEL * np.min(scales)
    scales = as_row(scales, P.R)
    scaled = plain if level else Spectrum(P.R / scales)

    def judge(gradient, residuals, X):
        errors = plain.backward_errors(gradient, residuals, X, problem.norms)
        if level:
            return errors, errors
        aims = scaled.backward_errors(gradient / scales.mT, residuals, X * scales.mT, problem.norms)
        return errors, np.maximum(errors, aims)

    return judge


def _cholesky(problem, goal, _key, watch):
    return answered(problem, from_gram(problem), by_normal_equations, "cholesky", goal, watch)


def _sketched(problem, goal, key, watch):
    return answered(problem, from_sketch(problem, key), by_normal_equations, "sketched", goal, watch)


def _spir(problem, goal, key, watch):
    made = start_from_sketch(problem, _MIN_ASPECT, key)
    return answered(problem, made, lambda P: by_conjugate_gradients(problem, P), "spir", goal, watch)


def _qr(problem, goal, _key, watch):
    if problem.A.shape[0] >= problem.A.shape[1]:
        return answered(problem, from_householder(problem), by_normal_equations, "qr", goal, watch)
    found = solve_wide(problem, goal)
    watch.tick(backward_error=float(np.max(found.refined.errors)))
    return Found(found.refined, "qr", found.rank, found.condition)


def _lsqr(problem, goal, key, watch):
    norm = norm_of(problem.stacked(), key)
    X = problem.xp.zeros((problem.A.shape[1], problem.B.shape[1]), dtype=problem.A.dtype, device=problem.device)
    judge, correct = bounds(problem, norm), by_lsqr(problem, goal, norm, watch)
    return Found(refine(problem, X, judge, correct, goal, watch), "lsqr")


def of_blocks(problem, tol, watch):
    """The `Found` of a `BlockProblem`: its triangular factor, refined."""
    if problem.reads.norm == 0.0 and not problem.ridge:
        return _zero(problem)
    goal = goals(problem, "qr", tol)[0]
    return answered(problem, problem.prepared(), by_normal_equations, "qr", goal, watch)


_RUN = {"cholesky": _cholesky, "sketched": _sketched, "spir": _spir, "qr": _qr, "lsqr": _lsqr}


def _zero(problem):
    X = problem.xp.zeros((problem.A.shape[1], problem.B.shape[1]), dtype=problem.A.dtype, device=problem.device)
    refined = Refined(X, np.zeros(len(problem.norms)), problem.norms, "the matrix is zero")
    return Found(refined, "qr", 0, 1.0)
