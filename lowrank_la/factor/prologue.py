"""What `svd`, `eigh`, `qb` and `nystrom` do around their methods: checks, counts, a safe scale and the progress bar."""

from contextlib import contextmanager
from dataclasses import replace

from .. import _backend as be
from ..operators import BlockOperator, MeteredOperator, as_operator
from . import scaling
from .adjoint import require_adjoint
from .iteration import Watch
from .request import Request, attainable

_MAXITER = 500


def untracked_operator(A, function, *, once=False):
    """`as_operator` of `A`; TypeError where it records gradients, which the `function` so called has not.

    ValueError where the rows can be read once, unless the function makes do with that (`once`).
    """
    op = as_operator(A)
    if isinstance(op, BlockOperator) and op.source.reads_allowed == 1 and not once:
        raise ValueError(
            f"{function} reads the data more often than once, and these can be read once: store the rows first, or "
            "take svd, which makes do with one read"
        )
    be.require_untracked(op.array if op.has("array") and not isinstance(op, BlockOperator) else A, function)
    return op


def require_square(op, function, kind):
    """ValueError unless the matrix is square, as `kind` is."""
    if op.shape[0] != op.shape[1]:
        m, n = op.shape
        raise ValueError(f"{function} needs a square {kind} matrix, got shape {m}×{n}; use svd")


def validated(
    function, op, rank, tol, *, rng, callback, progress, on_failure, accuracy=1e-6, oversample=0, maxiter=None
):
    """The `Request` of one call of `function`, with `rank` and `tol` checked already; neither norm nor start yet."""
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    maxiter = be.check_count("maxiter", _MAXITER if maxiter is None else maxiter)
    watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), function)
    accuracy, oversample = attainable(accuracy, op), be.check_count("oversample", oversample, 0)
    return Request(rank, tol, accuracy, oversample, be.resolve_rng(rng), watch, norm=None)


@contextmanager
def underway(op, request, check_finite, *, dot_test=True):
    """Yield ``(A, scale, request)``: the operator counted and at a safe scale, and the request with its norm.

    Inside, BLAS runs on one thread and the progress bar shows. Products that are somebody else's code pass a
    `dot_test` first.
    """
    check_finite = be.check_flag("check_finite", check_finite)
    with be.single_blas(), request.watch:
        A, scale, norm = scaling.safe(MeteredOperator(op), check_finite, request.key)
        if dot_test:
            require_adjoint(A, request.key)
        yield A, scale, replace(request, norm=norm)
