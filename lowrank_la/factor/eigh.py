"""A few eigenpairs of a Hermitian matrix."""

from dataclasses import dataclass, replace

from .. import _backend as be
from ..operators import BlockOperator, LowRank
from ..results import Info, Result
from .adjoint import given_by_products, require_self_adjoint
from .block_demand import demand_of_eigh
from .errors import pythagorean_error, within
from .hermitian import hermitian_pairs, require_hermitian, wanted_order
from .iteration import settle
from .prologue import require_square, underway, untracked_operator, validated
from .rangefinder import checked_start
from .request import smallest_rank
from .scaling import restored
from .signs import fix_vector_phases

_METHODS = ("auto", "krylov", "dense")
_ADVICE = "raise maxiter or loosen accuracy; info.residuals tells how far it came"
_NO_SMALLEST = (
    "products with A do not reach the eigenvalues of smallest modulus. Factor A once and pass its inverse, "
    "eigh(operator(solve, solve, A.shape, dtype), rank), whose eigenvalues are 1/w on the same vectors; or take "
    "which='SA' where A is positive semidefinite, or method='dense' with rank n"
)


@dataclass(frozen=True, eq=False, repr=False)
class EighResult(Result):
    """``A ≈ V @ diag(w) @ Vᴴ``; an operator itself (``result @ x``)."""

    w: object
    V: object
    info: Info

    _unpack = ("w", "V")

    def __lowrank_operator__(self):
        return LowRank(self.V, self.w, be.mH(self.V))


def _demand(A, rank, *, init, check_finite, **given):
    """`Demand` of `eigh` of data in slabs with these arguments."""
    op, request = _asked(A, rank, **given)
    be.check_flag("check_finite", check_finite)
    if given["method"] == "dense":
        _require_array(op)
    return demand_of_eigh(op, replace(request, start=checked_start(init, op)))


@be.supports(blocks=True, demand=_demand)
def eigh(
    A,
    rank,
    *,
    tol=None,
    accuracy=1e-6,
    which="LM",
    method="auto",
    init=None,
    oversample=10,
    maxiter=None,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    """Leading eigenpairs of a Hermitian matrix or operator.

    Parameters
    ----------
    A : array, sparse matrix, SciPy `LinearOperator`, operator, result, or data in blocks, shape (n, n)
        Hermitian; two random vectors test that it is. Products with the adjoint are not needed: data in blocks are read
        once a step, and twice before.
    rank : int
        Number of eigenpairs, 1…n.
    tol : float, optional
        Relative Frobenius error allowed, in (0, 1): fewer pairs are returned when they meet it. Needs ``which="LM"``.
    accuracy : float
        Largest residual ‖A v - w v‖ / max|w| asked of each returned pair. Some eigenvalue lies that close to `w`.
    which : {"LM", "LA", "SA"}
        Largest modulus (in order of falling modulus), largest (falling), or smallest (rising) eigenvalues.
    method : {"auto", "krylov", "dense"}
        Block Lanczos with full orthogonalisation and thick restarts, or LAPACK.
    init : array (n, j), optional
        Vectors to start from.
    oversample, maxiter, rng, callback, progress, on_failure, check_finite
        As for `svd`.

    Returns
    -------
    EighResult
        ``w`` (k,) real and ``V`` (n, k) orthonormal. ``info.error`` is ‖A - V diag(w) Vᴴ‖_F / ‖A‖_F, ``info.residuals``
        holds ‖A v - w v‖.

    Raises
    ------
    ValueError
        If `A` is not square, not Hermitian, empty or not finite, an eigenvalue exceeds the largest number of its
        dtype, or an argument is out of range; with advice for the eigenvalues of smallest modulus.
    TypeError
        If `A` is not a matrix, or a tensor that records gradients, which this function has not, or an argument is of
        the wrong type.

    Notes
    -----
    Small residuals prove that every returned value is close to *an* eigenvalue; they can't prove that none was missed.

    References
    ----------
    .. [1] musco_musco_2015
    .. [2] tropp_webber_2023

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> w, V = lr.eigh(np.diag([1.0, -5.0, 3.0]), 2)
    >>> [float(x) for x in w]
    [-5.0, 3.0]
    """
    op, request = _asked(
        A, rank, tol=tol, accuracy=accuracy, which=which, method=method, oversample=oversample, maxiter=maxiter,
        rng=rng, callback=callback, progress=progress, on_failure=on_failure,
    )  # fmt: skip
    with underway(op, request, check_finite, dot_test=False) as (metered, scale, request):
        one_sided = isinstance(op, BlockOperator) or given_by_products(metered)
        (require_self_adjoint if one_sided else require_hermitian)(metered, request.key)
        request = replace(request, start=checked_start(init, op))
        name = _choose(metered, request) if method == "auto" else method
        found = (_dense if name == "dense" else hermitian_pairs)(metered, request, which)
        result = _assemble(metered, request, name, found, scale)
    settle(result.info, on_failure, _ADVICE)
    return result


def _asked(A, rank, *, tol, which, method, **given):
    """``(operator, Request)`` of the arguments of `eigh`, checked."""
    op = untracked_operator(A, "eigh")
    require_square(op, "eigh", "Hermitian")
    rank, tol = be.check_rank(rank, op.shape), None if tol is None else be.check_tol(tol)
    be.check_option("method", method, _METHODS)
    _check_which(which, tol)
    return op, validated("eigh", op, rank, tol, **given)


def _check_which(which, tol):
    if which == "SM":
        raise ValueError(f"which='SM': {_NO_SMALLEST}")
    be.check_option("which", which, ("LM", "LA", "SA"))
    if tol is not None and which != "LM":
        raise ValueError(f"tol needs which='LM', the pairs of largest modulus; got which={which!r}")


def _choose(A, request):
    n = A.shape[0]
    return "dense" if A.has("array") and (n <= 128 or request.rank > n // 8) else "krylov"


def _dense(A, request, which):
    _require_array(A)
    w, V = be.small_eigh(A.array)
    request.watch.tick(size=A.shape[0])
    order = wanted_order(A.xp, w, which)[: request.rank]
    take = A.xp.take
    return take(w, order), take(V, order, axis=1), A.xp.zeros_like(w[: request.rank]), True


def _require_array(A):
    if not A.has("array"):
        raise TypeError("method='dense' needs a dense array; sparse and implicit operators take 'krylov'")


def _assemble(A, request, name, found, scale):
    xp = A.xp
    w, V, residuals, done = found
    w, V, residuals = _cut(w, V, residuals, request)
    energy = be.vdot_real(w)

    def approximation(X):
        return be.matmul(V, w[:, None] * be.adjoint_matmul(V, X))

    error, kind = pythagorean_error(A, request.norm, energy, approximation, request.key)
    met = request.tol is None or within(error, request.tol, A.dtype)
    V = fix_vector_phases(V)
    if be.is_half(A.source_dtype):
        V = xp.astype(V, A.source_dtype)
    watch = request.watch
    reason = ("decomposed in full" if name == "dense" else "accuracy reached") if done else watch.reason
    reason = reason if met else "rank reached before tol"
    info = Info(
        error=error, error_kind=kind, converged=bool(done and met), reason=reason, iterations=max(1, watch.count),
        products=A.products, passes=A.passes, method=name, rng=request.key.record, residuals=residuals * scale,
    )  # fmt: skip
    return EighResult(restored(w, scale, "eigenvalues"), V, info)


def _cut(w, V, residuals, request):
    """Drop trailing pairs that `tol` does not need."""
    if request.tol is None or request.norm is None:
        return w, V, residuals
    host = abs(be.to_numpy(w).astype(float))
    beyond = max(request.norm**2 - float((host**2).sum()), 0.0)
    count = smallest_rank(host, beyond, (request.tol * request.norm) ** 2)
    return (w, V, residuals) if count is None else (w[:count], V[:, :count], residuals[:count])
