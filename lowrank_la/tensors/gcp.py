"""Generalised CP: rank-one terms for counts, binary, positive and outlying data."""

from .. import _backend as be
from ..factor.iteration import Watch, settle
from ..results import Info
from .gcp_lbfgs import quasi_newton
from .gcp_stochastic import descend
from .gcp_task import read_task, starting_factors
from .kruskal import CPResult, gauge
from .losses import loss_called

_MAXITER = {"lbfgs": 1000, "adam": 100}
_ADVICE = "allow a larger maxiter or tol, or start from other factors"


@be.supports(operators=False, complex=False)
def gcp(
    X,
    rank,
    *,
    loss="gaussian",
    parameter=None,
    mask=None,
    weights=None,
    method="auto",
    tol=1e-9,
    maxiter=None,
    init="auto",
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    r"""CP decomposition under a loss other than squares.

    Parameters
    ----------
    X : array or sparse array, shape (n_1, …, n_N)
        Real. Entries that a sparse array does not store are zeros, unless ``mask="stored"``.
    rank : int
        Number R of rank-one terms.
    loss : str
        See Notes.
    parameter : float, optional
        δ of "huber" (1), the number of failures of "negative_binomial" (1), the power of "beta" (0.5).
    mask : boolean array of the shape of `X`, "finite" or "stored", optional
        True where an entry is observed; "finite" takes NaN for missing, "stored" the stored entries of a sparse array
        for the observed ones.
    weights : array of the shape of `X`, or sparse array with its places, optional
        Non-negative factors of the losses of the entries.
    method : {"auto", "lbfgs", "adam"}
        "lbfgs" has the loss of all entries in each step; "adam" samples a sparse `X`. "auto" takes "adam" for a sparse
        `X` where neither a mask nor the loss ("gaussian" and "poisson" do) spares the sum over its zeros.
    tol : float
        Change of the fit in five steps ("lbfgs"), or change of the loss in an epoch of 1000 steps relative to the loss
        itself ("adam"), that ends the iteration; in (0, 1). The fit is ``1 - √(D / D₀)``, D being the deviance, the
        loss less the least one that any model of the single entries has, and D₀ that of a random start, or of no terms
        where that is less and m stands for a logarithm.
    maxiter : int, optional
        Steps, 1000 by default, or epochs, 100.
    init : "auto" or (weights, factors)
        Where to start: random factors of the scale of the data, or those given.
    rng : optional
        Seed or generator of the start and of the samples.
    callback : callable, optional
        Called once a step or epoch with ``iteration`` and ``loss``, the mean over the entries; True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens where ``info.converged`` is False.
    check_finite : bool
        Refuse NaN and infinite values among the observed entries.

    Returns
    -------
    CPResult
        ``weights, factors`` in the namespace, dtype and device of `X`; the model M is their sum of rank-one tensors.
        ``info.loss`` is the mean (weighted) loss over the entries that count, an estimate with "adam"; ``info.history``
        its values by steps or epochs. ``info.error`` is ``‖X - M‖_F / ‖X‖_F`` over these entries where M stands for X
        itself, else None.

    Raises
    ------
    ValueError
        If `X` holds numbers that the loss is not for, or an argument is out of range.
    TypeError
        If `X` is complex or records gradients.
    ConvergenceError
        If the iteration falls short and ``on_failure="raise"``.

    Notes
    -----
    The losses f(x, m), with ε = 1e-10 added to m in logarithms and quotients [1]_. Where a change of scale of X and m
    does not move the minimum, data whose root mean square is outside of 2⁻¹⁰ … 2¹⁰ are divided by a power of two, in a
    copy, and so is δ; ε is of that scale.

    =================== ============================================== ======================= =========================
    loss                f                                              data                    m stands for
    =================== ============================================== ======================= =========================
    "gaussian"          (x - m)²                                       any                     mean
    "huber"             (x - m)² up to δ, then 2δ|x - m| - δ²          any, outliers           mean
    "poisson"           m - x log m                                    not negative, counts    mean, m ≥ 0
    "poisson_log"       exp(m) - x m                                   not negative, counts    logarithm of the mean
    "bernoulli"         log(1 + m) - x log m                           0 and 1                 odds, m ≥ 0
    "bernoulli_logit"   log(1 + exp m) - x m                           0 and 1                 logarithm of the odds
    "gamma"             x/m + log m                                    positive                mean, m ≥ 0
    "rayleigh"          2 log m + (π/4)(x/m)²                          positive                mean, m ≥ 0
    "negative_binomial" (r + x) log(1 + m) - x log m                   counts                  odds, m ≥ 0
    "beta"              m^β/β - x m^(β-1)/(β-1)                        not negative (β > 1)    mean, m ≥ 0
    =================== ============================================== ======================= =========================

    Where m ≥ 0 all factors are non-negative. "lbfgs" is the bounded quasi-Newton method of SciPy on the factors, kept
    on the host in double precision, while losses and gradients are computed where the data are: some 6 R flops an entry
    for a step, in slabs, so that nothing of the size of `X` is made; where a mask leaves three entries of ten or more,
    they and their weights are laid out as arrays of the shape of `X`. "adam" draws stored entries and places anywhere,
    the latter with the slope of f(0, m), the former with what is to be added to it: unbiased without a look-up [2]_.
    An epoch that raises the estimate is undone and the rate cut to a tenth.

    References
    ----------
    .. [1] hong_kolda_duersch_2020
    .. [2] kolda_hong_2020

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> generator = np.random.default_rng(0)
    >>> mean = np.einsum("ir,jr,kr->ijk", *(generator.uniform(0.5, 2, (12, 2)) for _ in range(3)))
    >>> result = lr.gcp(generator.poisson(mean), 2, loss="poisson", rng=0)
    >>> bool(np.linalg.norm(result.full() - mean) < 0.2 * np.linalg.norm(mean))
    True
    """
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    be.check_option("method", method, ("auto", "lbfgs", "adam"))
    chosen, rank, tol = loss_called(loss, parameter), be.check_count("rank", rank), be.check_tol(tol)
    with be.single_blas():
        task = read_task(X, chosen, mask, weights, be.check_flag("check_finite", check_finite))
        method = _method(task, method)
        maxiter = be.check_count("maxiter", _MAXITER[method] if maxiter is None else maxiter)
        watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), "gcp")
        key = be.resolve_rng(rng)
        plain = starting_factors(task, rank, "auto", key.child("start"))
        factors = plain if isinstance(init, str) and init == "auto" else starting_factors(task, rank, init, None)
        with watch:
            if method == "lbfgs":
                factors, found = quasi_newton(task, factors, plain, tol, watch)
            else:
                samples = key.child("samples")
                factors, found = descend(task.tensor, task.loss, factors, tol, watch, samples, task.reported)
        result = _assembled(task, factors, found, method, watch, key)
    settle(result.info, on_failure, "the callback asked for it" if watch.stopped else _ADVICE)
    return result


def _method(task, method):
    if method == "adam" and not task.is_sampled:
        raise ValueError("method='adam' samples a sparse X without mask or weights; take method='lbfgs'")
    if method == "lbfgs" and task.is_sampled and not task.loss.at_zero:
        raise ValueError(f"the loss {task.loss.name!r} of a sparse X needs method='adam', or mask='stored'")
    return task.method if method == "auto" else method


def _assembled(task, factors, found, method, watch, key):
    xp = task.source.xp
    weights, factors = gauge(None, factors)
    error, kind = _error(task, weights, factors) if task.loss.same_scale else (None, None)
    details = {"loss": found["loss"], "history": found["history"], "of": task.loss.name}
    info = Info(
        error=error, error_kind=kind, converged=found["converged"], reason=found["reason"], method=method,
        iterations=watch.count, rng=key.record, details=details,
    )  # fmt: skip
    if be.is_half(task.given):
        factors = tuple(xp.astype(factor, task.given) for factor in factors)
    return CPResult(weights * task.scale, factors, info)


def _error(task, weights, factors):
    """Relative error over the entries that count, and its kind."""
    source = task.source
    if task.observed is None:
        gap, kind = source.residual(weights, factors)
    else:
        gap, kind = be.fro_norm(source.values - source.entries(weights, factors)), "exact"
    whole = source.norm if task.observed is None else be.fro_norm(source.values)
    return (gap / whole if whole > 0.0 else 0.0), kind
