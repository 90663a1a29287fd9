"""Robust principal component analysis."""

import math
from dataclasses import replace
from importlib import import_module

from .. import _backend as be
from ..factor.iteration import Watch, settle
from ..factor.signs import fix_phases
from ..results import Info
from .answer import RobustPCAResult, orthonormal, outliers
from .gauge import Gauge
from .given import at_safe_scale, read_matrix
from .outcome import Outcome, Settings
from .rank import rank_before_gap, rank_by_gap

_METHODS = {name: name for name in ("accaltproj", "ircur", "scaled_gd", "pcp", "godec")}
_BY_SHARE = "scaled_gd", "godec"
_MAXITER = 200
_SPARSE = 0.05
_CONTRADICTED = {
    "pcp": "no sparse part is that large; 'pcp' takes dense noise for one: give rank, and method='accaltproj'",
    "others": "no sparse part is that large: give another rank, or another method such as 'pcp'",
}
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
    start. With all methods but "pcp" singular values more than four times smaller than the one before are taken for
    directions too many where the answer without them has hardly more outliers, and left out.

    "ircur" reads 3 k log m rows and 3 k log n columns, 2 k more and 100 at least of either, and some thousand
    entries, and fits these alone [2]_: O(k n log n) memory, as many operations times k an iteration. "scaled_gd"
    moves both factors, preconditioned [3]_, with one threshold for all entries where the source has one for each
    row and column. "godec" alternates a subspace iteration and a number of outliers [4]_. "pcp" minimises ``‖L‖_* +
    λ‖S‖_1`` with λ = 1/√(p max(m, n)), p the share of known entries, by inexact augmented Lagrangians [5]_, from
    truncated decompositions; it needs no rank and keeps one array of the size of `M`. Entries above 10⁴ median
    moduli go to `S` at once, which takes a copy of `M`; and dense noise goes to `S`, too, unless `tol` is of its
    size. All but "pcp" are for fewer outliers than half of the entries.

    "auto" is "accaltproj" with a rank. Without one the rank is taken where the singular values of the clipped data
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
    be.check_option("method", method, ("auto", *_METHODS))
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    sparsity, incoherence = _checked(sparsity, incoherence, method)
    tol, maxiter = be.check_tol(tol), be.check_count("maxiter", _MAXITER if maxiter is None else maxiter)
    check_finite, key = be.check_flag("check_finite", check_finite), be.resolve_rng(rng)
    watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), "robust_pca")
    matrix, known, source = read_matrix(M, mask)
    rank = None if rank is None else be.check_rank(rank, matrix.shape)
    be.check_rank(1, matrix.shape)
    with be.single_blas(), watch:
        data, factor = at_safe_scale(matrix, known, check_finite, method == "ircur", key)
        settings = Settings(max(tol, _ROUNDING * be.eps(data.dtype)), key, factor, sparsity, incoherence)
        if data.norm == 0.0:
            outcome, method = _zero(data, rank or 1), "accaltproj" if method == "auto" else method
            outcome = replace(outcome, kind="estimate") if method == "ircur" else outcome
        else:
            outcome, method = _run(data, rank, method, settings, watch)
            outcome = _sparser(data, outcome, settings)
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


def _run(data, rank, method, settings, watch):
    if not math.isfinite(data.norm):
        raise ValueError(
            "M holds NaN or infinite values, which check_finite=False let pass: no method goes on from there"
        )
    if rank is None and method != "pcp":
        rank = rank_by_gap(data, settings.key)
        if rank is None and method == "auto":
            return _method("pcp")(data, None, settings, watch), "pcp"
        if rank is None:
            raise ValueError(
                f"rank=None: the singular values of the data have no clear gap; give rank, or take method='pcp' "
                f"in place of {method!r}"
            )
        if method == "auto":
            outcome = _to_a_rank("accaltproj", data, rank, settings, watch)
            if watch.over or (outcome.met and not outcome.contradicted):
                return outcome, "accaltproj"
            other = _method("pcp")(data, None, settings, watch)
            better = other.met and not other.contradicted
            return (other, "pcp") if better else (outcome, "accaltproj")
    if method == "pcp":
        return _method(method)(data, rank, settings, watch), method
    name = "accaltproj" if method == "auto" else method
    return _to_a_rank(name, data, rank, settings, watch), name


def _to_a_rank(name, data, rank, settings, watch):
    """The outcome at `rank`; where its singular values have a wide gap that of the rank before, if as few outliers do.

    Directions too many that the start has brought in are held up by outliers that are none.
    """
    outcome = _method(name)(data, rank, settings, watch)
    smaller = rank_before_gap(outcome.spectrum, settings.tol) if outcome.met and outcome.share > 0.0 else None
    if smaller is None or watch.over:
        return outcome
    other = _method(name)(data, smaller, replace(settings, once=True), watch)
    return other.joined(outcome) if other.simpler_than(outcome) else outcome.joined(other)


def _sparser(data, outcome, settings):
    """`outcome`, or no low-rank part at all where the data are sparser than what the outcome leaves of them."""
    if outcome.share < _SPARSE or outcome.kind != "exact" or Gauge(data, settings.key).median() > 0:
        return outcome
    found = data.swept(lambda _, panels: sum(int(data.xp.sum(data.matrix[p, :] != 0)) for p in panels))
    if sum(found) > outcome.share * data.count:
        return outcome
    zero = _zero(data, 1)
    return replace(zero, share=sum(found) / data.count, history=outcome.history)


def _method(name):
    return getattr(import_module(f".{_METHODS[name]}", __package__), name)


def _zero(data, rank):
    xp, (m, n) = data.xp, data.shape
    s = xp.zeros(rank, dtype=be.real_dtype(xp, data.dtype), device=data.device)
    U, V = (xp.eye(size, rank, dtype=data.dtype, device=data.device) for size in (m, n))
    return Outcome(U, s, V, 0.0, 0.0, "tolerance met", [], 0.0, 0, 0.0)


def _assembled(data, outcome, method, source, settings, watch, estimated):
    xp, factor = data.xp, settings.factor
    outcome = orthonormal(outcome)
    U, Vh = fix_phases(outcome.U, be.mH(outcome.V))
    converged, reason, advice = _verdict(data, outcome, method)
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


def _verdict(data, outcome, method):
    """``(converged, reason, advice)``."""
    if outcome.contradicted:
        lines = f", and most of {outcome.denied} rows and columns," if outcome.denied else ""
        reason = f"{outcome.share:.0%} of the known entries{lines} are called outliers"
        return False, reason, _CONTRADICTED["pcp" if method == "pcp" else "others"]
    rank = int(outcome.s.shape[0])
    unseen = sum(int((known < rank).sum()) for known in data.counts)
    if unseen:
        reason = f"{unseen} rows and columns have fewer known entries than the rank {rank}, which leaves them open"
        return False, reason, "leave these rows and columns out, or give a smaller rank"
    if outcome.met:
        return True, outcome.reason, None
    advice = (
        "where the data are noisy that is the size of the noise: set tol to it; else raise rank or maxiter, or try "
        "another method"
    )
    return False, f"{outcome.reason} at {outcome.residual:.1e}", advice
