"""Robust principal component analysis."""

from .. import _backend as be
from ..factor.iteration import Watch, settle
from ..factor.signs import fix_phases
from ..results import Info
from .answer import RobustPCAResult, orthonormal, outliers
from .choice import METHODS, run
from .doubts import crowded
from .given import at_safe_scale, read_matrix
from .outcome import Settings

_BY_SHARE = "scaled_gd", "godec"
_MAXITER = 200
_CONTRADICTED = {
    "pcp": "no sparse part is that large; 'pcp' takes dense noise for one: give rank, and method='accaltproj'",
    "others": "no sparse part is that large: give another rank, or another method such as 'pcp'",
}
_ADVICE = (
    "where the data are noisy that is the size of the noise: set tol to it; else raise rank or maxiter, or try another "
    "method"
)
_SLACK, _ELSEWHERE = 1.01, 10.0  # times the tolerance, where the residual is exact and where it is an estimate
_ROUNDING = 32.0  # units of roundoff that a residual can't fall below


@be.supports(sparse=False, operators=False)
def robust_pca(
    M,
    rank=None,
    *,
    method="auto",
    tol=1e-7,
    maxiter=None,
    mask=None,
    sparsity=None,
    incoherence=None,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    r"""Low-rank plus sparse: ``M ≈ U diag(s) Vh + S``, gross errors of some entries put into `S`.

    Parameters
    ----------
    M : array, shape (m, n)
    rank : int, optional
        Of the low-rank part, 1…min(m, n); for "pcp" the most that it may have. None estimates it: see Notes.
    method : {"auto", "accaltproj", "ircur", "scaled_gd", "pcp", "godec"}
        See Notes; ``info.method`` says what ran.
    tol : float
        Relative residual ``‖M - L - S‖_F / ‖M‖_F`` on the known entries, in (0, 1); taken as at least 32 eps.
        Where outliers outweigh the rest of `M`, iterations end by the norm of the low-rank part instead.
    maxiter : int, optional
        Iterations, 200 by default.
    mask : boolean array, shape (m, n), optional
        True where an entry is known. `M` may hold anything elsewhere, NaN too; `S` is zero there.
    sparsity : float, optional
        The most that outliers make up of the known entries, for "scaled_gd" and "godec": the threshold, which falls as
        with "accaltproj", is held up where more misfits exceed it. Too small a share leaves outliers in. Refused
        elsewhere.
    incoherence : float, optional
        μ ≥ 1, for "accaltproj": before each step rows of the factors are shortened to ``√(μ k/m)`` and ``√(μ k/n)``, as
        in [1]_. Below that of the low-rank part there is no answer to converge to. Refused elsewhere.
    rng : optional
        Seed or generator of the start, of the places that errors are told from, and of the cross of "ircur".
    callback : callable, optional
        Called once an iteration with ``iteration`` and ``residual``; True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens where ``info.converged`` is False.
    check_finite : bool
        Refuse NaN and infinite values among the known entries: one read of `M` that "ircur" does not need otherwise.

    Returns
    -------
    RobustPCAResult
        ``U`` (m, k), ``s`` (k,), ``Vh`` (k, n) and ``S`` (m, n), sparse, in the namespace, dtype and device of `M`. `S`
        is computed on first access from `M` as it is then ("pcp" computes it at once), so leave `M` as it is until
        then. ``info.error`` is the relative residual of the answer, "exact"; for "ircur" an "estimate" from some
        thousand places, which does not see what goes wrong in a few rows, and in half precision one that leaves the
        rounding of the factors out. It says how well the two parts add up, not
        that they are the parts that made `M`: where more than half of the entries, or seven in ten of one row or
        column, had to be called outliers, or a row or column has fewer known entries than the rank,
        ``info.converged`` is False. ``info.outlier_share`` is their share,
        ``info.threshold`` the modulus they exceed, ``info.history`` the residuals.

    Raises
    ------
    ValueError
        If known entries are not finite, nothing is known, shapes don't fit or an argument is out of range.
    TypeError
        If `M` is not a dense matrix or records gradients.
    ConvergenceError
        If the answer falls short and ``on_failure="raise"``.

    Notes
    -----
    "accaltproj" alternates a hard threshold and a step in the tangent space [1]_. One iteration is one read of `M` by
    panels: of each ``M - L`` is formed, thresholded and multiplied to both sides, 6 m n k operations, and nothing of
    the size of `M` is stored. Two things differ from the source. The threshold falls by 0.7 an iteration as there, and
    sooner where forty times the median misfit is below: the errors then say that it may. Steps are divided by the share
    of entries that were kept (at most 1.9 times as long). Where rows or columns speak against the answer slower
    thresholds are tried. Singular vectors of the clipped data, moduli lowered to three times their median, are the
    start. All methods but "pcp" look first whether truncated singular vectors of `M` meet `tol` as they are, on a block
    of some rows and columns and then, where that is of low rank, on all. Singular values more than two times smaller
    than the one before, or behind a gap of those of the clipped data, are taken for directions too many where the
    answer without them has hardly more outliers, and left out. Rows and columns that were given up are fitted anew to
    their own entries. From a condition of about 20 on in small matrices, and with factors of one sign, thresholds may
    fail where "pcp" does not.

    "ircur" reads 3 k log m rows and 3 k log n columns, 2 k more and 100 at least of either, and some thousand
    entries, and fits these alone [2]_: O(k n log n) memory, as many operations times k an iteration. "scaled_gd"
    moves both factors, preconditioned [3]_, with one threshold for all entries where the source has one for each
    row and column. "godec" alternates a subspace iteration and a number of outliers [4]_. "pcp" minimises ``‖L‖_* +
    λ‖S‖_1`` with λ = 1/√(p max(m, n)), p the share of known entries, by inexact augmented Lagrangians [5]_, from
    truncated decompositions; it needs no rank and keeps one array of the size of `M`. Entries above 10⁴ median
    moduli go to `S` at once, which takes a copy of `M`; and dense noise goes to `S`, too, unless `tol` is of its
    size. All but "pcp" are for fewer outliers than half of the entries.

    "auto" is "accaltproj" with a rank, and "pcp" where that falls short, which takes an array of the size of `M`.
    Without one the rank is taken where the singular values of the clipped data
    have their largest gap, and where there is no clear gap, or the answer falls short, "pcp" finds it. `M` itself is
    copied where `mask` is given, at scales whose squares overflow, and in half precision, which is worked on in single.

    References
    ----------
    .. [1] cai_cai_wei_2019
    .. [2] cai_hamm_huang_li_wang_2021
    .. [3] tong_ma_chi_2021
    .. [4] zhou_tao_2011
    .. [5] lin_chen_ma_2010

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> generator = np.random.default_rng(0)
    >>> L = generator.standard_normal((80, 2)) @ generator.standard_normal((2, 60))
    >>> M = np.where(generator.random(L.shape) < 0.2, 10.0, L)
    >>> result = lr.robust_pca(M, 2, rng=0)
    >>> bool(np.linalg.norm(result.U * result.s @ result.Vh - L) < 1e-6 * np.linalg.norm(L))
    True
    """
    be.check_option("method", method, ("auto", *METHODS))
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    sparsity, incoherence = _checked(sparsity, incoherence, method)
    tol, maxiter = be.check_tol(tol), be.check_count("maxiter", _MAXITER if maxiter is None else maxiter)
    check_finite, key = be.check_flag("check_finite", check_finite), be.resolve_rng(rng)
    watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), "robust_pca")
    matrix, known, source = read_matrix(M, mask)
    rank = None if rank is None else be.check_rank(rank, matrix.shape, "M")
    be.check_rank(1, matrix.shape, "M")
    with be.single_blas(), watch:
        data, factor = at_safe_scale(matrix, known, check_finite, method == "ircur", key)
        settings = Settings(max(tol, _ROUNDING * be.eps(data.dtype)), key, factor, sparsity, incoherence)
        outcome, method = run(data, rank, method, settings, watch)
        result = _assembled(data, outcome, method, source, settings, watch, rank is None)
    settle(result.info, on_failure, result.info.advice or "")
    return result


def _checked(sparsity, incoherence, method):
    if sparsity is not None:
        sparsity = be.check_tol(sparsity, "sparsity")
        if method not in _BY_SHARE:
            names = " or ".join(map(repr, _BY_SHARE))
            raise ValueError(f"sparsity goes with method {names}, got {method!r}: leave it out")
    if incoherence is not None:
        incoherence = be.check_positive("incoherence", incoherence)
        if incoherence < 1.0:
            raise ValueError(f"incoherence must be at least 1, which no matrix is below; got {incoherence}")
        if method != "accaltproj":
            raise ValueError(f"incoherence goes with method='accaltproj', got {method!r}: leave it out")
    return sparsity, incoherence


def _assembled(data, outcome, method, source, settings, watch, estimated):
    xp, factor = data.xp, settings.factor
    outcome = orthonormal(outcome)
    U, Vh = fix_phases(outcome.U, be.mH(outcome.V))
    converged, reason, advice = _verdict(data, outcome, method, settings.tol)
    places = outcome.places
    entries = outliers(data, outcome, factor) if places is None else lambda: (*places[:2], places[2] * factor)
    s = outcome.s * factor
    if not be.all_finite(s):
        raise ValueError("M is so large that its singular values exceed the largest number of its dtype: scale it down")
    kind = outcome.kind
    if be.is_half(source):
        U, Vh, kind = xp.astype(U, source), xp.astype(Vh, source), "estimate"
    details = {
        "history": list(outcome.history),
        "outlier_share": outcome.share,
        "threshold": outcome.limit * factor,
        "rank": int(s.shape[0]),
        "rank_estimated": estimated,
        "advice": advice,
        **outcome.details,
    }
    info = Info(
        error=outcome.residual, error_kind=kind, converged=converged, reason=reason, iterations=watch.count,
        method=method, rng=settings.key.record, details=details,
    )  # fmt: skip
    return RobustPCAResult(U, s, Vh, info, places=entries)


def _verdict(data, outcome, method, tol):
    """``(converged, reason, advice)``."""
    contradiction = _CONTRADICTED["pcp" if method == "pcp" else "others"]
    if outcome.contradicted:
        lines = f", and most of {outcome.denied} rows and columns," if outcome.denied else ""
        return False, f"{outcome.share:.0%} of the known entries{lines} are called outliers", contradiction
    rank = int(outcome.s.shape[0])
    if crowded(data, outcome):
        reason = (
            f"rank {rank} and {outcome.share:.0%} of the known entries as outliers hold as many numbers as the data"
        )
        return False, reason, contradiction
    unseen = sum(int((known < rank).sum()) for known in data.counts)
    if unseen:
        reason = f"{unseen} rows and columns have fewer known entries than the rank {rank}, which leaves them open"
        return False, reason, "leave these rows and columns out, or give a smaller rank"
    if data.in_pieces:
        return False, "the known entries fall apart into blocks that share no row and no column", "split M into them"
    beyond = outcome.residual > (_ELSEWHERE if outcome.kind == "estimate" else _SLACK) * tol
    if outcome.met and not beyond:
        return True, outcome.reason, None
    reason = "the two parts do not add up to the data" if outcome.met else outcome.reason
    return False, f"{reason} at {outcome.residual:.1e}", _ADVICE
