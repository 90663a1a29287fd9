"""What `svd` does with data that are not in slabs: the engine that a method is, and what its answer is worth."""

from dataclasses import replace

from .. import _backend as be
from ..operators import CentredOperator, column_means
from ..results import Info
from .dense import dense_svd
from .errors import pythagorean_error, within
from .fused import fused_svd
from .gram import gram_svd
from .hermitian import hermitian_svd
from .krylov import krylov_svd, krylov_to_tolerance
from .scaling import restored
from .signs import fix_phases
from .subspace import subspace_svd


def run(name, A, request):
    """The triplets that the method called `name` finds."""
    if name == "dense":
        _require_array(A, "dense")
        return dense_svd(A, request)
    if name == "gram":
        return gram_svd(A, request)
    if request.tol is not None:
        return krylov_to_tolerance(A, request)
    if name == "krylov":
        return krylov_svd(A, request)
    if name == "hermitian":
        return hermitian_svd(A, request)
    return fused_svd(A, request) if name == "fused" else subspace_svd(A, request)


def _require_array(A, method):
    if not A.has("array"):
        raise TypeError(
            f"method={method!r} needs a dense array; sparse and implicit operators take 'krylov' or 'fused'"
        )


def centred(metered, norm, scale):
    """``(operator of A - 1 meanᵀ, mean of A, norm)``."""
    mean = column_means(metered.inner)
    centred = CentredOperator(metered.inner, mean)
    return metered.around(centred), mean * scale, None if norm is None else centred.fro_norm()


def assembled(A, found, request, scale, mean):
    """Factors, values and `Info` of an answer `found` of ``A = operator / scale``, and the mean."""
    xp = A.xp
    error, kind = _error(A, found, request)
    found = _judged(found, error, request)
    U, Vh = fix_phases(found.U, found.Vh)
    s, residuals = restored(found.s, scale, "singular values"), found.residuals * scale
    if be.is_half(A.source_dtype):
        U, Vh = xp.astype(U, A.source_dtype), xp.astype(Vh, A.source_dtype)
    info = Info(
        error=error, error_kind=kind, converged=found.converged, reason=found.reason, iterations=found.iterations,
        products=A.products, passes=A.passes, method=found.method, rng=request.key.record, residuals=residuals,
        details={} if found.search is None else {"search": found.search},
    )  # fmt: skip
    return U, s, Vh, info, mean


def _judged(found, error, request):
    """`found`, not converged when the error is above the tolerance that was asked."""
    if request.tol is None or not found.converged or within(error, request.tol, found.s.dtype):
        return found
    short = request.rank is not None and found.s.shape[0] >= request.rank
    return replace(found, converged=False, reason="rank reached before tol" if short else "the error is above tol")


def _error(A, found, request):
    energy = be.vdot_real(found.s)
    if found.tail is not None:
        total = energy + found.tail
        return (found.tail / total) ** 0.5 if total > 0 else 0.0, "exact"

    def approximation(X):
        return be.matmul(found.U, found.s[:, None] * be.matmul(found.Vh, X))

    return pythagorean_error(A, request.norm, energy, approximation, request.key, found.error)
