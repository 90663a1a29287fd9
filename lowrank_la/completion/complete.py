"""Matrix completion."""

import math
from dataclasses import dataclass, replace
from typing import Any

from .. import _backend as be
from ..factor.iteration import Watch, settle
from . import implicit
from .arguments import Form, checked_form, checked_init, checked_rank, checked_share, starting_factors
from .entries import read_entries
from .holdout import hold_out
from .methods import METHODS, run
from .penalties import any_positive, checked_penalties, scaled_penalties, shared_number
from .problem import Problem, Settings
from .rank import estimated_rank
from .verdict import assembled

_SOLVERS = ("auto", "cholesky", "cg", "sketch")
_MAXITER = 500
_SAFE = 2.0**20
_APART = 40  # powers of two that values may be away from 1 where biases and factors have penalties
_RANK_SHARE = 20  # one entry in so many is kept back where the rank has to be found


@be.supports(operators=False)
def complete(
    observed,
    rank=None,
    *,
    shape=None,
    method="auto",
    solver="auto",
    tol=1e-6,
    maxiter=None,
    regularization=0.0,
    weights=None,
    bias=False,
    confidence=None,
    nonneg=False,
    init="spectral",
    duplicates="raise",
    holdout=None,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    """Low-rank matrix from some of its entries.

    Parameters
    ----------
    observed : sparse matrix, (rows, columns, values), array, (array, mask) or NumPy masked array, shape (m, n)
        Every stored entry of a sparse matrix is an observation, explicit zeros too. In a dense array NaN means not
        observed, or a boolean mask is True where it is.
    rank : int, optional
        Columns k of the factors, 1…min(m, n). None estimates it: see Notes.
    shape : tuple of int, optional
        (m, n), needed for triples.
    method : {"auto", "altmin", "irls", "gauss_newton", "scaled_gd", "riemannian", "soft_impute", "lmafit"}
        See Notes; ``info.method`` says what ran. `weights` and `regularization` are for "altmin", the latter as one
        number also for "soft_impute"; `bias`, `confidence` and `nonneg` are for "altmin".
    solver : {"auto", "cholesky", "cg", "sketch"}
        How "altmin" solves for rows and columns, by itself or as part of "auto" (IRLS has no choice); ``info.solver``
        says which. Refused with any other method.
    tol : float
        Relative residual ``‖y - ŷ‖ / ‖y‖`` of the returned factors on the entries that were fitted, in (0, 1).
    maxiter : int, optional
        Sweeps, or outer steps of other methods, 500 by default. Like `callback` and `progress` it is about the fit
        itself: the search for the rank, where that is None, and other starts have limits of their own.
    regularization : float or pair
        λ ≥ 0 of ``Σ w |y - ŷ|² + λ (‖U‖² + ‖V‖²)``; a pair of arrays (m,) and (n,), or of numbers, gives each row and
        each column its own. Positive on both sides, or 0.
    weights : array, optional
        w ≥ 0 of each entry, in the order of the values given: a vector, or a matrix of the same layout. An entry of
        weight 0 counts as not observed.
    bias : bool
        ``A ≈ μ + b_i + c_j + U Vᴴ`` with μ the (weighted) mean of the values and λ for b and c too. The factors have
        two columns more at the end, ``μ + b, 1`` and ``1, conj(c)``; ``result.biases`` has the three apart.
    confidence : float or array, optional
        Implicit feedback: all places count, ``Σ c |p - u vᴴ|² + λ (‖U‖² + ‖V‖²)`` with p = 0 and c = 1 where nothing is
        observed. A number α > 0 takes the values for counts y ≥ 0: p = 1 and ``c = 1 + α y``. An array like `weights`
        holds c > 1 of the entries, whose values are p.
    nonneg : bool
        Factors without negative numbers.
    init : "spectral" or (U, V)
        Where to start: factors, with biases also those of an earlier answer. Zeros in all of U stay zeros with a
        penalty, `confidence` or `nonneg`, and are refused there.
    duplicates : {"raise", "average"}
        What a place that is given twice means.
    holdout : float, optional
        Share of the entries kept back to judge the answer by, 0 for none; by default one in a hundred, at most 1000,
        where rows and columns can spare them.
    rng : optional
        Seed or generator of the start and of the entries kept back.
    callback : callable, optional
        Called once a sweep with ``iteration`` and ``residual``; True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens where ``info.converged`` is False.
    check_finite : bool
        Refuse NaN and infinite values among the observed entries.

    Returns
    -------
    CompletionResult
        ``U`` (m, k) and ``V`` (n, k) with ``A ≈ U Vᴴ``, in the namespace, dtype and device of the values;
        ``info.error`` is the relative error on the entries kept back, an "estimate" of ‖A - U Vᴴ‖ / ‖A‖ where entries
        are missing at random; None where none could be spared. ``info.train_error`` is the relative residual on the
        fitted entries, ``info.history`` its value after each sweep. ``info.converged`` is False where `tol` is not
        met, and where the error on the entries kept back contradicts the residual: a fit proves little where entries
        are few.

    Raises
    ------
    ValueError
        If nothing is observed, a place comes twice or lies outside, values are not finite, shapes don't fit, or an
        argument is out of range.
    TypeError
        If `observed` is nothing of the above or records gradients.
    ConvergenceError
        If the answer falls short and ``on_failure="raise"``.

    Notes
    -----
    "altmin" alternates least squares for the columns and for the rows, with the fixed factor made orthonormal before
    each half sweep [1]_, from the leading singular vectors of the entries with zeros in between, rows and columns with
    far more entries than others scaled down [2]_. Sweeps are over-relaxed by Young's formula [3]_, which halves
    their number. Lines are solved by Cholesky factors or by conjugate gradients from where they are, O(N k) a sweep,
    whatever costs less by a model; long sums in double precision start in single. With `regularization` the iteration
    ends where the penalised residual is to fall by less than the part `tol` of it, and that counts as converged unless
    entries kept back contradict it; a small λ is reached by way of larger ones, and directions lost to these come back.
    ``info.objectives`` has what is minimised, for values and weights at a safe scale.
    "soft_impute" takes the geometric mean of the two λ for its nuclear norm, which has the same minimum.

    "auto" takes it from 2.2 times as many entries on as there are parameters, else IRLS. Where it ends above `tol` it
    starts again from factors that grew to the rank step by step: two starts that end at one residual found what there
    is, and the rest is noise; where they differ IRLS goes on. From ``tol=1e-4`` on, the size of noise, sweeps go on to
    half of it or until the residual no longer falls. A rank that is larger than needed is tried to be done
    without: columns of the factors that the entries don't ask for become zeros (``info.numerical_rank``).

    Without `rank`, one entry in twenty is kept back, and ranks are tried in turn, each from the factors of the last and
    the leading pair of what they leave over, until the error on those entries falls no further (``info.rank_path``);
    ``info.rank_by_gap`` is where the singular values of the entries with zeros in between have their largest gap.

    With `confidence`, `tol` is about the fall of the penalised sum over all places, nothing is kept back
    (``info.error`` is None), and ``info.train_error`` and ``info.history`` are the root of ``Σ c |p - x|²`` over that
    of ``Σ c |p|²`` [4]_. With `nonneg`, lines are solved by coordinate descent to a small part of what they move by,
    and both factors are prolonged along their last step [5]_; the minimum found is a local one.

    Rows and columns without an entry get zero factors. Few entries, fewer than ``k (m + n - k)``, leave the matrix
    undetermined, and ``info.converged`` is False unless `regularization` chooses. Gross outliers are not this
    function's business: it is least squares. Half precision is fitted in single.

    References
    ----------
    .. [1] gu_song_yin_zhang_2024
    .. [2] keshavan_montanari_oh_2010
    .. [3] young_1954
    .. [4] hu_koren_volinsky_2008
    .. [5] ang_gillis_2019

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> generator = np.random.default_rng(0)
    >>> A = generator.standard_normal((60, 2)) @ generator.standard_normal((2, 50))
    >>> known = np.where(generator.random(A.shape) < 0.5, A, np.nan)
    >>> result = lr.complete(known, 2, tol=1e-10, rng=0)
    >>> bool(np.linalg.norm(result.U @ result.V.T - A) < 1e-8 * np.linalg.norm(A))
    True
    """
    be.check_option("method", method, ("auto", *METHODS))
    be.check_option("solver", solver, _SOLVERS)
    be.check_option("duplicates", duplicates, ("raise", "average"))
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    share, check_finite = checked_share(holdout), be.check_flag("check_finite", check_finite)
    form = checked_form(bias, confidence, nonneg, weights, share, solver)
    init = checked_init(init, method, solver)
    settings = Settings(be.check_tol(tol), solver, be.resolve_rng(rng), warm=not isinstance(init, str))
    maxiter = be.check_count("maxiter", _MAXITER if maxiter is None else maxiter)
    watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), "complete")
    with be.single_blas(), watch:
        entries, weights, source, shared, heaviest = _read(observed, shape, weights, form, duplicates, check_finite)
        rank = checked_rank(rank, init, entries.shape, form.name)
        penalties = checked_penalties(regularization, entries, form.name)
        entries, factor, shared = _at_safe_scale(entries, shared, form.name == "biases" and any_positive(penalties))
        call = Call(settings, watch, factor, source, shared_number(penalties[0]), form)
        if form.name == "implicit":
            entries, held = implicit.targets_for(entries, weights), None
        else:
            unknowns = (rank or 1) + (form.name == "biases")
            share = _RANK_SHARE if rank is share is None else share
            entries, weights, held = hold_out(entries, weights, unknowns, share, settings.key, shared)
        penalties = scaled_penalties(penalties, (factor, heaviest), entries)
        problem = Problem(entries, rank or 1, weights, penalties, form.name)
        result = _completed(problem, rank is None, method, init, held, call)
    settle(result.info, on_failure, result.info.advice or "")
    return result


@dataclass
class Call:
    """What the answer has to know: settings, counts, the factor between values and data, and the dtype of the data."""

    settings: Settings
    watch: Watch
    factor: float
    source: Any
    row_penalty: float | None
    form: Form
    method: str = ""


def _completed(problem, rank_unknown, method, init, held, call):
    found = {}
    if rank_unknown:
        problem, U, V, found = estimated_rank(problem, held, call.settings)
        call.settings = replace(call.settings, warm=held is not None)
    else:
        U, V = starting_factors(problem, init, call.factor, call.settings.key)
    outcome, call.method = run(problem, method, U, V, call.settings, call.watch)
    return assembled(problem, replace(outcome, details={**outcome.details, **found}), held, call)


def _read(observed, shape, weights, form, duplicates, check_finite):
    """`read_entries`, and for implicit feedback the targets and what their confidences exceed 1 by."""
    if form.name != "implicit":
        found = read_entries(observed, shape, weights, duplicates, check_finite)
        if form.name == "nonnegative" and be.is_complex(found.entries.dtype):
            raise TypeError("nonneg=True needs real values, got complex ones")
        return found
    found = read_entries(observed, shape, form.array, duplicates, check_finite, "confidence")
    alpha = None if form.array is not None else form.confidence
    entries, weights = implicit.reformulated(found.entries, alpha, found.weights)
    return found._replace(entries=entries, weights=weights)


def _at_safe_scale(entries, shared, fixed):
    """``(entries, factor, shared)``: the values divided by a power of two where their squares would leave the range.

    They are `fixed` where biases have a penalty: that of the factors weighs by the size of the values, that of the
    biases does not.
    """
    size = float(entries.xp.max(entries.xp.abs(entries.values)))
    if 1.0 / _SAFE < size < _SAFE or size == 0.0 or not math.isfinite(size):
        return entries, 1.0, shared
    exponent = math.frexp(size)[1]
    double = be.is_double(entries.dtype)
    if fixed:
        apart = _APART if double else _APART // 2
        if abs(exponent) > apart:
            raise ValueError(
                f"bias=True with regularization needs values whose largest is between 2**-{apart} and 2**{apart}, got "
                f"{size:.2e}: the penalty of the biases would be nothing beside that of the factors, or all; scale the "
                "values"
            )
        return entries, 1.0, shared
    limit = 1000 if double else 120
    factor = 2.0 ** max(-limit, min(limit, exponent))
    return entries.with_values(entries.values * (1.0 / factor)), factor, shared
