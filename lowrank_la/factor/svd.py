"""Truncated singular value decomposition."""

from dataclasses import dataclass, replace

from .. import _backend as be
from ..operators import BlockOperator, LowRank
from ..results import Info, Result
from .block_demand import demand_of_svd
from .block_svd import METHODS as IN_BLOCKS
from .block_svd import BlockOptions, block_svd
from .choose import choose
from .engines import assembled, centred, run
from .hermitian import require_hermitian
from .iteration import settle
from .lazy import as_given, in_memory
from .prologue import underway, untracked_operator, validated
from .rangefinder import checked_start
from .request import zero_triplets

_METHODS = ("auto", "krylov", "fused", "hermitian", "subspace", "gram", "dense")
_TO_A_RANK = ("fused", "hermitian", "subspace")
_ADVICE = "raise maxiter, loosen accuracy or tol, or choose another method; info.residuals tells how far it came"
_NO_SMALLEST = (
    "products with A do not reach the smallest singular values. Factor A once and pass its inverse, "
    "svd(operator(solve, solve_adjoint, A.shape, dtype), rank), whose singular values are 1/σ with U and V exchanged; "
    "or take method='dense' with rank min(m, n)"
)


@dataclass(frozen=True, eq=False, repr=False)
class SVDResult(Result):
    """``A ≈ U @ diag(s) @ Vh`` with `s` descending; an operator itself (``result @ x``).

    ``mean`` (n,) is set when the decomposition is of the centred matrix ``A - 1 meanᵀ``; ``full()`` adds it again.
    """

    U: object
    s: object
    Vh: object
    info: Info
    mean: object = None

    _unpack = ("U", "s", "Vh")

    def __lowrank_operator__(self):
        return LowRank(in_memory(self.U), self.s, self.Vh)

    def save(self, path):
        """Write factors and `info` as `Result.save` does; a lazy `U` is read."""
        Result.save(replace(self, U=in_memory(self.U)), path)


def _demand(A, rank, *, init, **given):
    """`Demand` of `svd` of data in slabs with these arguments."""
    op, request, options, _ = _asked(A, rank, **given)
    request = replace(request, start=None if init is None else _right_vectors(init, op))
    return demand_of_svd(op, request, given["method"], options)


@be.supports(autograd=True, blocks=True, demand=_demand)
def svd(
    A,
    rank=None,
    *,
    tol=None,
    accuracy=1e-6,
    which="largest",
    method="auto",
    center=False,
    init=None,
    oversample=10,
    maxiter=None,
    passes=None,
    orthonormal_u=False,
    checkpoint=None,
    resume=False,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    r"""Leading singular triplets of `A`, to a rank or to a tolerance.

    Parameters
    ----------
    A : array, sparse matrix, SciPy `LinearOperator`, operator, result, or data in blocks, shape (m, n)
        Data in blocks are a memory map, a Dask array, or whatever else `block_source` takes.
    rank : int, optional
        Number of triplets, 1…min(m, n).
    tol : float, optional
        Relative Frobenius error allowed, in (0, 1): the fewest triplets that meet it are returned (at most two more
        than the fewest possible where ‖A‖_F is known, that is, unless `A` is given by its products alone). With `rank`
        as well, whichever comes first.
    accuracy : float
        Largest residual ‖A v - σ u‖ / σ₁ asked of each returned triplet when `rank` decides, in (0, 1). A singular
        value is then off by at most ``accuracy * s[0]``, usually by the square of that. Taken as at least 16 eps.
    which : {"largest"}
        The end of the spectrum. The smallest singular values are refused with advice.
    method : {"auto", "krylov", "fused", "hermitian", "subspace", "gram", "dense"}
        "auto" chooses by the cost model of `lowrank_la.factor.choose` and says so in ``info.method``. "hermitian" takes
        a matrix that equals its adjoint by its eigenpairs. Where the squares of "gram" or "fused" could not resolve
        what was asked, the iteration went on with `A` and `info` says "gram+krylov" or "fused+krylov".
    center : bool
        Decompose ``A - 1 meanᵀ`` (principal components). `A` is not modified; a sparse matrix stays sparse.
    init : array (n, j) or SVDResult, optional
        Right vectors to start from.
    oversample : int
        Columns carried beyond `rank`.
    maxiter : int, optional
        Limit on iterations, 500 by default.
    passes : int, optional
        Reads of data in blocks allowed. The answer is the best that so many give, and falling short of `accuracy` is
        then no failure. By default as many as `accuracy` or `tol` take.
    orthonormal_u : bool
        Of data in blocks: spend one more read on a `U` that is orthonormal to rounding, with `s` and `Vh` to match.
    checkpoint : str or Path, optional
        Of data in blocks: file that is written at least after every read, from which `resume` goes on. Nothing that is
        there already is written over.
    resume : bool
        Go on from the file `checkpoint`, with the same data and arguments; the answer has the same bits as without the
        interruption. `rng` may be left out.
    rng : int, numpy Generator, SeedSequence, torch or CuPy generator, optional
        Where numbers are drawn; ``info.rng`` repeats the draw (None for a torch or CuPy generator).
    callback : callable, optional
        Called once an iteration with ``iteration``, ``size`` and, when tested, ``residual``; True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens when `accuracy` or `tol` is not met.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    SVDResult
        ``U`` (m, k), ``s`` (k,) and ``Vh`` (k, n) in the namespace and device of `A`. Half precision is factored in
        float32: vectors come back in half, `s` in float32. ``info.error`` is ‖A - Â‖_F / ‖A‖_F (of the centred matrix
        with `center`): "exact" by bookkeeping, below its floor an "estimate" from ten probe columns, which lies within
        a factor of two of the truth in more than 97 of 100 draws. ``info.residuals`` holds ‖A v - σ u‖.
        Of data in blocks `U` is lazy, see Notes; where rounding of the squares of "gram" hides the error, it is the
        "bound" that this rounding sets.

    Raises
    ------
    ValueError
        If neither `rank` nor `tol` is given, an argument is out of range, `A` is empty or not finite, a singular value
        exceeds the largest number of its dtype, the products of `A` are not adjoint to each other, `tol` comes with
        ``method="fused"``, ``"hermitian"`` or ``"subspace"``, which work to a rank, or ``method="hermitian"`` with a
        matrix that is not.
    TypeError
        If `A` is not a matrix, a sparse tensor or an operator that records gradients, or an argument is of the wrong
        type.
    ConvergenceError
        If the answer falls short and ``on_failure="raise"``; with "warn" a `ConvergenceWarning` is issued.

    Notes
    -----
    The default engine is randomized block Krylov iteration [1]_ [2]_ with thick restarts; sparse and implicit operators
    take its one-sided form, with one read of `A` a step; short sides take the Gram matrix, whose answer is checked with
    `A` itself; small matrices take LAPACK. Small residuals prove that every returned value is close to *a* singular
    value; they can't prove that none was missed. The random start makes that improbable, not impossible. Repeated
    values are counted: a cluster as large as a block brings fresh columns until they change nothing.

    Where it halves the work (long sides of Gram matrices, sparse matrices on the host) and `accuracy` is 4.8e-7 or
    more, the subspace of a double precision matrix is looked for in single precision. Triplets and residuals are then
    computed with `A` in double, ``info.details`` holds ``search="single"``, and a subspace that falls short is improved
    by one product in double, or looked for again in double. A smaller `accuracy` keeps everything in double.

    In tolerance mode the error is followed by ‖A‖² - Σσ² and, past the floor where that difference is rounding
    [3]_, by ten probe columns.

    Products given by functions pass a dot test of one column on either side first. The smallest singular values can't
    be had by products with `A`: pass an operator of its inverse, or take ``method="dense"`` with full rank.

    Data in blocks are read in a number of passes that ``info.passes`` counts; only n × rank matrices are held. With at
    most 2048 columns, or ``method="gram"``, one read adds up the Gram matrix in the widest dtype; where its rounding
    may hide more than `accuracy` or `tol` allows, a second one takes the triangular factor of `A` ("gram+qr"; data that
    can be read once take it at the outset, "qr"). Otherwise, or with ``method="fused"``, a block Lanczos iteration
    takes one read a step, and the last read gives ``A W`` and ``Aᴴ A W`` together, from which the triplets follow
    without the square: q + 1 reads do what q power iterations do in 2q + 2. Where rounding in that read would be
    amplified, as after no step on a steep spectrum, it is repeated, or small directions are cut off (``info.cut``),
    which costs an absolute error up to ``√eps σ₁``. `U` is ``A T`` for a small matrix `T`, read from the data again
    when it is wanted: a Dask array where `A` is one, else a block source (``U.gather()`` is the array,
    ``U.write(folder)`` makes files of its slabs). Its columns are zero where `s` is rounding, else orthonormal but for
    rounding multiplied by up to σ₁/σ_k, or by (σ₁/σ_k)² after "gram". `center` takes the means off within each block,
    so that a large mean costs no digits. The triplets are the same bits for any executor, number of workers and
    retries.

    Signs are fixed: the first nearly-largest entry of each right vector is real and positive.

    Torch gradients flow through `s` always; through `U` and `Vh` where the singular values are distinct, nonzero and
    separated from the discarded ones, with the discarded part accounted for (else a RuntimeError in the backward pass).

    References
    ----------
    .. [1] musco_musco_2015
    .. [2] tropp_webber_2023
    .. [3] yu_gu_li_2018

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.outer(np.arange(1.0, 6.0), np.ones(4)) + np.eye(5, 4)
    >>> U, s, Vh = lr.svd(A, 2, rng=0)
    >>> [round(float(x), 4) for x in s]
    [15.5269, 1.0]
    >>> lr.svd(A, tol=0.2).info.method
    'dense'
    """
    tracked = _require_dense_if_tracked(A)
    op, request, options, in_blocks = _asked(
        be.detached(A), rank, tol=tol, accuracy=accuracy, which=which, method=method, center=center,
        oversample=oversample, maxiter=maxiter, passes=passes, orthonormal_u=orthonormal_u, checkpoint=checkpoint,
        resume=resume, rng=rng, callback=callback, progress=progress, on_failure=on_failure, check_finite=check_finite,
    )  # fmt: skip
    if in_blocks:
        request = replace(request, start=None if init is None else _right_vectors(init, op))
        result = _of_blocks(block_svd(op, request, method, options))
        if passes is None:
            settle(result.info, on_failure, _ADVICE)
        return result
    with underway(op, request, check_finite) as (metered, scale, request):
        metered, mean, norm = centred(metered, request.norm, scale) if center else (metered, None, request.norm)
        if center or init is not None:
            request = replace(request, norm=norm, start=_right_vectors(init, metered))
        if method == "hermitian":
            require_hermitian(metered, request.key, request.accuracy / 10, "method='auto'")
        name, request = choose(metered, request) if method == "auto" else (method, request)
        found = zero_triplets(metered, request, name) if norm == 0.0 else run(name, metered, request)
        result = SVDResult(*assembled(metered, found, request, scale, mean))
    settle(result.info, on_failure, _ADVICE)
    return _with_gradient(A, result, metered.inner, scale, center) if tracked else result


def _asked(A, rank, *, tol, which, method, center, passes, orthonormal_u, checkpoint, resume, check_finite, **given):
    """``(operator, Request, BlockOptions, whether it is read in slabs)`` of the arguments of `svd`, checked."""
    op = untracked_operator(A, "svd of an operator", once=True)
    rank, tol = be.check_rank_or_tol(rank, tol, tuple(op.shape[1] if side is None else side for side in op.shape))
    options = BlockOptions(
        passes=None if passes is None else be.check_count("passes", passes), checkpoint=checkpoint, resume=resume,
        orthonormal=be.check_flag("orthonormal_u", orthonormal_u), centre=be.check_flag("center", center),
        check_finite=be.check_flag("check_finite", check_finite), chosen_key=given["rng"] is not None,
    )  # fmt: skip
    in_blocks = _is_in_blocks(op, method, options)
    _check_options(op, tol, which, "auto" if in_blocks else method)
    return op, validated("svd", op, rank, tol, **given), options, in_blocks


def _check_options(op, tol, which, method):
    if which in ("smallest", "SM", "SA"):
        raise ValueError(f"which={which!r}: {_NO_SMALLEST}")
    be.check_option("which", which, ("largest",))
    be.check_option("method", method, _METHODS)
    if tol is not None and method in _TO_A_RANK:
        raise ValueError(f"method={method!r} works to a rank; with tol take 'auto', 'krylov', 'gram' or 'dense'")
    if method == "hermitian" and op.shape[0] != op.shape[1]:
        m, n = op.shape
        raise ValueError(f"method='hermitian' needs a square matrix that equals its adjoint, got shape {m}×{n}")


def _is_in_blocks(op, method, options):
    """Whether `op` is read in slabs; ValueError where an argument is meant for such data and `op` is none.

    A memory map is an array to the methods that don't read slabs.
    """
    if isinstance(op, BlockOperator) and not (op.has("array") and method not in IN_BLOCKS):
        return True
    if options.given:
        names = ", ".join(options.given)
        raise ValueError(
            f"{names}: for data in blocks only, with method 'auto', 'gram' or 'fused'; make them such with "
            "lowrank_la.block_source(A)"
        )
    return False


def _of_blocks(found):
    return SVDResult(as_given(found.U), found.s, found.Vh, Info(**found.info), found.mean)


def _require_dense_if_tracked(A):
    tracked = be.is_tracked(A)
    if tracked and be.is_sparse(A):
        raise TypeError("gradients need a dense tensor: this sparse one records them; detach it, or pass it dense")
    return tracked


def _with_gradient(A, result, op, scale, center):
    """The result with torch gradients behind its factors (and its mean)."""

    def project(g):
        return (g - be.namespace(g).mean(g, axis=0, keepdims=True) if center else g).to(A.dtype)

    U, s, Vh = be.attach_svd(A, op * scale, result.U, result.s, result.Vh, project)
    mean = be.namespace(A).mean(A, axis=0) if center else None
    return SVDResult(U, s, Vh, result.info, mean)


def _right_vectors(init, op):
    return checked_start(be.mH(init.Vh) if isinstance(init, SVDResult) else init, op)
