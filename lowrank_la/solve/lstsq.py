"""Least squares."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..blocks import block_source
from ..factor import scaling
from ..factor.adjoint import require_adjoint
from ..factor.iteration import Watch, settle
from ..factor.prologue import untracked_operator
from ..operators import BlockOperator, MeteredOperator
from ..results import Info, Result
from ..sketch import sketch_class
from .block_demand import demand_of_lstsq
from .block_problem import BlockProblem, fits
from .methods import METHODS, goals, of_blocks, solve, trusted_scale
from .problem import Problem
from .right_side import RightSide, check_shape

_ADVICE = "loosen tol, allow a larger maxiter, or take another method"


@dataclass(frozen=True, eq=False, repr=False)
class LstsqResult(Result):
    """Solutions `x`, shape (n,) or (n, k)."""

    x: Any
    info: Info

    _unpack = ("x",)

    def __repr__(self):
        info = self.info
        return (
            f"LstsqResult(x: {tuple(self.x.shape)}, backward error {info.backward_error:.1e}, method {info.method!r})"
        )


def _demand(A, b, *, method, tol, ridge, rng, **given):
    """`Demand` of `lstsq` of data in slabs with these arguments."""
    op, _, _, watch, _ = _asked(A, method, tol, ridge, **given)
    be.resolve_rng(rng)
    return demand_of_lstsq(op, _columns(op, b), method, watch.maxiter)


@be.supports(blocks=True, demand=_demand)
def lstsq(
    A,
    b,
    *,
    method="auto",
    tol=None,
    ridge=0.0,
    maxiter=None,
    sketch=None,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    """Least squares solution of ``A x ≈ b``, the one of least norm where there are several.

    Parameters
    ----------
    A : array, sparse matrix, SciPy `LinearOperator`, operator, result, or data in blocks, shape (m, n)
    b : array, shape (m,) or (m, k)
        Of the namespace and device of `A`; it is solved in the precision of `A`. Data in blocks are gathered.
    method : {"auto", "cholesky", "sketched", "spir", "qr", "lsqr"}
        See Notes; what "auto" takes is in `info.method`, several names joined by "+" where the first fell short.
    tol : float, optional
        Backward error allowed, in (0, 1). By default ten units of roundoff, and ``eps**0.75`` for "lsqr".
    ridge : float
        λ ≥ 0: ``‖A x - b‖² + λ ‖x‖²`` is minimised.
    maxiter : int, optional
        Refinements and steps of "lsqr" allowed, ``max(500, 4 min(m, n))`` by default.
    sketch : class, optional
        Which sketch "sketched" and "spir" take: one of `lowrank_la.sketch`, such as ``lr.sketch.SRHT``. By default
        sparse signs, and by "sketched" first a sample of rows. Refused with other methods.
    rng : optional
        Seed or generator of the sketch.
    callback : callable, optional
        Called once an iteration; True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens where the backward error is above `tol`.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    LstsqResult
        ``x`` in the dtype of `A`, complex if `b` is. ``info.backward_error`` is the largest over the columns of `b`,
        and ``info.residuals`` holds the norms of ``b - A x``, with `ridge` those of ``[b - A x; √λ x]``. ``info.rank``
        and ``info.condition`` belong to `A` with its columns (rows for a wide one) brought to norm one; the condition
        may be that of a sketch. "lsqr" doesn't know them.

    Raises
    ------
    ValueError
        If a shape doesn't fit, `A` or `b` is empty or not finite, or an argument is out of range.
    TypeError
        If `A` is not a matrix, `b` lies elsewhere, one of them records gradients, or `method` needs an array.
    ConvergenceError
        If the backward error is above `tol` and ``on_failure="raise"``.

    Notes
    -----
    The backward error is the smallest change of `A` and `b`, relative to ‖A‖_F and ‖b‖, that makes `x` an exact
    solution; it is estimated by the formula of Karlson and Waldén [1]_ within a small factor. Every method ends with
    the residual of the solution that it returns, and refines until the estimate is at rounding: sketch and
    precondition alone is not backward stable, one more round of refinement makes it so [2]_.

    - "cholesky" preconditions with the Cholesky factor of the Gram matrix, one read and mn² operations; for conditions
      up to about 9e5 (4e2 in single precision), which a sample of rows is asked about. One correction more than the
      backward error asks for makes the solution as accurate as that of an orthogonal factorisation.
    - "sketched" takes the triangular factor `R` of a sample of 4n rows or, where that is no guide to the others, of a
      sparse-sign sketch of 2n rows, then the Gram matrix of ``A R⁻¹`` [3]_ in one sweep that stores nothing: one read
      or two and 2mn² operations, for any condition.
    - "spir" solves with the triangle of a sketch by conjugate gradients, twice or more [2]_: about 4mn operations a
      step for 50 steps or so; for many columns and sparse matrices.
    - "qr" factors the array by reflections (wide ones by a tall QR); for nearly square and small ones.
    - "lsqr" needs products alone [4]_; its steps grow with the condition of `A`.

    Data in blocks with at least as many rows as columns, 4096 at most, take "qr": one read for the triangular factor of
    ``[A, b]`` in the widest dtype, one for each residual, which is two in all unless a refinement pays. Others take
    "lsqr" with two reads a step.

    Columns are brought to norm one before the rank is decided: singular values below 32 eps of the largest count as
    zero. Where their norms differ by more than ten, refinement aims at the backward error of that matrix as well.
    Half precision is solved in float32. Tensors that record gradients are refused.

    References
    ----------
    .. [1] karlson_walden_1997
    .. [2] epperly_meier_nakatsukasa_2024
    .. [3] melnichenko_et_al_2023
    .. [4] paige_saunders_1982

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vander(np.linspace(0.0, 1.0, 5000), 8)
    >>> result = lr.lstsq(A, A @ np.ones(8), rng=0)
    >>> bool(np.allclose(result.x, 1.0)), bool(result.info.backward_error < 1e-15)
    (True, True)
    """
    op, tol, ridge, watch, chosen = _asked(
        A, method, tol, ridge, maxiter=maxiter, sketch=sketch, callback=callback, progress=progress,
        on_failure=on_failure, check_finite=check_finite,
    )  # fmt: skip
    in_blocks = isinstance(op, BlockOperator)
    key, side = be.resolve_rng(rng), RightSide(op, _gathered(b) if in_blocks else b, check_finite)
    with be.single_blas(), watch:
        if in_blocks and fits(op, method):
            problem = BlockProblem(op, side, ridge, check_finite)
            found, factor = of_blocks(problem, tol, watch), 1.0 / problem.reads.scale
        else:
            problem, factor = _scaled(op, side, ridge, check_finite, key)
            problem.sketch = chosen
            found = solve(problem, method, tol, key, watch)
        result = _assemble(op, problem, side, found, factor, tol, key, watch)
    settle(result.info, on_failure, _ADVICE)
    return result


def _asked(A, method, tol, ridge, *, maxiter, sketch, callback, progress, on_failure, check_finite):
    """``(operator, tol, ridge, Watch, class of the sketch)`` of the arguments of `lstsq`, checked."""
    op = untracked_operator(A, "lstsq")
    if 0 in op.shape:
        raise ValueError(f"lstsq needs m ≥ 1 and n ≥ 1, got shape {op.shape[0]}×{op.shape[1]}")
    be.check_option("method", method, METHODS)
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    tol = None if tol is None else be.check_tol(tol)
    ridge = be.check_positive("ridge", ridge, zero=True)
    be.check_flag("check_finite", check_finite)
    maxiter = be.check_count("maxiter", max(500, 4 * min(op.shape)) if maxiter is None else maxiter)
    watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), "lstsq")
    if sketch is not None and method not in ("sketched", "spir"):
        raise ValueError(f"sketch goes with method='sketched' or 'spir', got {method!r}: leave it out")
    return op, tol, ridge, watch, sketch_class(sketch, None)


def _columns(op, b):
    """Columns that `b` is solved as, at most: those that are complex may be split in two."""
    if not isinstance(b, list | tuple) and not hasattr(b, "shape"):
        raise TypeError(f"b must have a shape for the plan, got {type(b).__name__}: pass an array or a block source")
    shape = np.shape(b) if isinstance(b, list | tuple) else b.shape
    check_shape(shape, op)
    return 2 * (shape[1] if len(shape) == 2 else 1)


def _gathered(b):
    """`b` as an array where it is data in blocks."""
    if isinstance(b, list | tuple) or (be.is_array(b) and be.kind(be.namespace(b)) != "other"):
        return b
    source = block_source(b)
    return source.xp.concat([slab for _, _, slab in source.blocks()], axis=0)


def _scaled(op, side, ridge, check_finite, key):
    """The `Problem` at a safe scale, and the factor between `op` and its matrix."""
    A, factor = MeteredOperator(op), 1.0
    if not trusted_scale(A):
        A, factor, _ = scaling.safe(A, check_finite, key)
        require_adjoint(A, key)
    root = math.sqrt(ridge) / factor
    shift = root * root  # infinite, where a power would raise
    if not math.isfinite(shift) or (ridge > 0 and shift > float(A.xp.finfo(A.dtype).max) ** 0.5):
        raise ValueError(f"ridge={ridge!r} is too large beside the entries of A; scale the problem")
    return Problem(A, side.columns, shift, side.norms), factor


def _assemble(op, problem, side, found, factor, tol, key, watch):
    worst = float(np.max(found.refined.errors))
    half = be.is_half(op.source_dtype)
    x = side.restored(found.refined.X, factor, op.source_dtype if half else op.dtype)
    residuals = side.joined(found.refined.residuals)
    real = be.dtype_name(be.real_dtype(op.xp, op.dtype))
    limit = goals(problem, found.method, tol)[1]
    info = Info(
        converged=worst <= limit,
        reason=found.refined.reason,
        iterations=watch.count,
        products=problem.A.products,
        passes=problem.A.passes,
        method=found.method,
        rng=key.record,
        residuals=be.from_numpy(residuals.astype(real), op.xp, op.device),
        backward_error=worst,
        details={"rank": found.rank, "condition": found.condition},
    )
    return LstsqResult(x, info)
