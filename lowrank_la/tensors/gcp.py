"""Generalised CP: rank-one terms for counts, binary, positive and outlying data."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _backend as be
from ..factor.iteration import Watch, settle
from ..results import Info
from .gcp_objectives import DenseObjective, ObservedObjective, SparseObjective
from .gcp_stochastic import descend
from .kruskal import CPResult, gauge
from .losses import Loss, loss_called, require_allowed
from .observed import read_observed
from .pairs import kruskal_pair
from .tensor import as_tensor

_MAXITER = {"lbfgs": 1000, "adam": 100}
_PAIRS = 20  # pairs of steps and gradients that the quasi-Newton method keeps
_ADVICE = "allow a larger maxiter or tol, or start from other factors"


@dataclass(frozen=True)
class _Task:
    """What is minimised: the entries as a tensor of one kind or another, and the loss."""

    tensor: Any
    observed: Any
    loss: Loss
    given: Any

    @property
    def values(self):
        """The entries as an array."""
        source = self.tensor if self.observed is None else self.observed.tensor
        return source.values if source.is_sparse else source.array

    @property
    def source(self):
        """The tensor that holds the entries."""
        return self.tensor if self.observed is None else self.observed.tensor


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
        Relative change of the loss in a step ("lbfgs") or in an epoch of 1000 steps ("adam"), in (0, 1).
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
    The losses f(x, m), with ε = 1e-10 added to m in logarithms and quotients [1]_:

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
    for a step, in slabs, so that nothing of the size of `X` is made. "adam" draws stored entries and places anywhere,
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
        task = _read(X, chosen, mask, weights, be.check_flag("check_finite", check_finite))
        method = _method(task, method)
        maxiter = be.check_count("maxiter", _MAXITER[method] if maxiter is None else maxiter)
        watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), "gcp")
        key = be.resolve_rng(rng)
        factors = _start(task, rank, init, key.child("start"))
        with watch:
            run = _lbfgs if method == "lbfgs" else _adam
            factors, found = run(task, factors, tol, watch, key)
        result = _assembled(task, factors, found, method, watch, key)
    settle(result.info, on_failure, _ADVICE)
    return result


def _read(X, loss, mask, weights, check_finite):
    if mask is None and weights is None:
        tensor = as_tensor(X, check_finite=check_finite)
        task = _Task(tensor, None, loss, tensor.given_dtype)
    else:
        observed = read_observed(X, mask, weights, check_finite=check_finite)
        tensor = observed.tensor.with_values(observed.tensor.values * observed.scale)
        task = _Task(None, replace(observed, tensor=tensor, scale=1.0), loss, observed.tensor.given_dtype)
    if be.is_complex(task.source.dtype):
        raise TypeError(f"gcp is for real data, got dtype {be.dtype_name(task.source.dtype)}")
    require_allowed(loss, task.values)
    if loss.allowed == "positive" and task.observed is None and task.source.is_sparse:
        raise ValueError(f"the loss {loss.name!r} is for positive numbers; a sparse X has zeros: pass mask='stored'")
    return task


def _method(task, method):
    sampled = task.observed is None and task.tensor.is_sparse
    if method == "adam" and not sampled:
        raise ValueError("method='adam' samples a sparse X without mask or weights; take method='lbfgs'")
    if method == "lbfgs" and sampled and not task.loss.at_zero:
        raise ValueError(f"the loss {task.loss.name!r} of a sparse X needs method='adam', or mask='stored'")
    return ("adam" if sampled and not task.loss.at_zero else "lbfgs") if method == "auto" else method


def _start(task, rank, init, key):
    """Random factors of the scale of the data, or those given with their weights spread."""
    source, xp, loss = task.source, task.source.xp, task.loss
    if isinstance(init, str):
        be.check_option("init", init, ("auto",))
        draw, modes = be.uniform if loss.nonneg else be.gaussian, len(source.shape)
        mean = _mean_modulus(task)
        odds = loss.name in ("bernoulli", "negative_binomial")
        aim = mean / max(1.0 - mean, 1e-3) if odds and loss.allowed == "binary" else mean
        aim = max(1.0, abs(math.log(max(mean, 1e-3)))) if not loss.same_scale and not loss.nonneg else aim
        size = (max(aim, 1e-6) / (rank * (0.5**modes if loss.nonneg else 1.0))) ** (1.0 / modes)
        return [
            size * draw(key.child(k), slice(0, n), slice(0, rank), be.dtype_name(source.dtype), xp, source.device)
            for k, n in enumerate(source.shape)
        ]
    weights, factors = kruskal_pair("init", init)
    shapes = [tuple(factor.shape) for factor in factors]
    if shapes != [(n, rank) for n in source.shape]:
        raise ValueError(f"init must have factors of shapes {[(n, rank) for n in source.shape]}, got {shapes}")
    factors = [xp.astype(factor, source.dtype) for factor in factors]
    factors[0] = factors[0] * xp.astype(weights, source.dtype)[None, :]
    if loss.nonneg and any(bool(xp.any(factor < 0)) for factor in factors):
        raise ValueError(f"init must not be negative with the loss {loss.name!r}")
    return factors


def _mean_modulus(task):
    xp, values = task.source.xp, task.values
    count = math.prod(task.source.shape) if task.observed is None else task.source.count
    wide = be.widest_real(xp, task.source.device)
    return float(xp.sum(xp.astype(xp.abs(values), wide))) / count


def _objective(task):
    if task.observed is not None:
        return ObservedObjective(task.observed, task.loss)
    return (SparseObjective if task.tensor.is_sparse else DenseObjective)(task.tensor, task.loss)


def _lbfgs(task, factors, tol, watch, _key):
    from scipy.optimize import minimize

    objective, source = _objective(task), task.source
    xp, device, shapes = source.xp, source.device, [tuple(factor.shape) for factor in factors]
    cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]

    def unpacked(vector):
        parts = zip(np.split(vector, cuts), shapes, strict=True)
        return [be.from_numpy(part.reshape(shape), xp, device, source.dtype) for part, shape in parts]

    def packed(arrays):
        return np.concatenate([be.to_numpy(part).reshape(-1).astype(np.float64) for part in arrays])

    start, history = packed(factors), []
    scale = abs(objective(factors)[0]) or 1.0

    def scaled(vector):
        value, gradients = objective(unpacked(vector))
        return value / scale, packed(gradients) / scale

    def after(intermediate_result):
        history.append(float(intermediate_result.fun) * scale / objective.count)
        if watch.tick(loss=history[-1]):
            raise StopIteration

    limit = max(tol, 4 * be.eps(source.dtype))
    options = {"maxiter": watch.maxiter, "maxfun": 20 * watch.maxiter, "maxcor": _PAIRS, "ftol": limit, "gtol": 0.0}
    bounds = [(0.0, None)] * start.shape[0] if task.loss.nonneg else None
    found = minimize(scaled, start, jac=True, method="L-BFGS-B", bounds=bounds, callback=after, options=options)
    stalled = found.status == 2 and bool(history)
    converged = not watch.stopped and (found.status == 0 or stalled)
    reason = "the loss falls no further" if stalled else "the loss no longer changes" if converged else watch.reason
    value = float(found.fun) * scale / objective.count
    return unpacked(found.x), {"loss": value, "history": history, "converged": converged, "reason": reason}


def _adam(task, factors, tol, watch, key):
    return descend(task.tensor, task.loss, factors, tol, watch, key.child("samples"))


def _assembled(task, factors, found, method, watch, key):
    xp, source = task.source.xp, task.source
    weights, factors = gauge(None, factors)
    error = None
    if task.loss.same_scale:
        if task.observed is None:
            gap, whole = source.residual_norm(weights, factors), source.norm
        else:
            gap, whole = be.fro_norm(source.values - source.entries(weights, factors)), be.fro_norm(source.values)
        error = gap / whole if whole > 0.0 else 0.0
    details = {"loss": found["loss"], "history": found["history"], "of": task.loss.name}
    info = Info(
        error=error, error_kind=None if error is None else "exact", converged=found["converged"],
        reason=found["reason"], iterations=watch.count, method=method, rng=key.record, details=details,
    )  # fmt: skip
    if be.is_half(task.given):
        factors = tuple(xp.astype(factor, task.given) for factor in factors)
    return CPResult(weights, factors, info)
