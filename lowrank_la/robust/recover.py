"""Low-rank matrices from linear measurements, some of them spoilt."""

from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..factor.iteration import Watch, settle
from ..operators import LowRank
from ..results import Info, Result
from .gradient import descend
from .lines import doubt_lines
from .measurements import PairedMeasurement
from .options import LIMIT, MEDIAN, checked_options
from .polyak import polyak
from .reading import at_safe_scale, read_measurements
from .sizes import median
from .subgradient import Found, Task, subgradient

_DESCENTS = 10_000
_ADVICE = "allow a larger maxiter, or give more measurements"


@dataclass(frozen=True, eq=False, repr=False)
class RecoverResult(Result):
    """``X ≈ U Vᵀ``, an operator itself (``result @ x``); a symmetric one has ``V = U`` and unpacks to `U` alone."""

    U: Any
    V: Any
    info: Info

    @property
    def _unpack(self):  # type: ignore[override]
        return ("U",) if self.info.details.get("symmetric") else ("U", "V")

    def __lowrank_operator__(self):
        return LowRank(self.U, None, be.mH(self.V))


@be.supports(sparse=False, operators=False, complex=False)
def recover(
    measure,
    y,
    shape,
    rank,
    *,
    loss="l1",
    symmetric=False,
    init_scale=None,
    rebalance="auto",
    preconditioned=False,
    optimum=None,
    truncate=None,
    tol=None,
    maxiter=None,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    r"""Low-rank matrix from linear measurements ``y_i = ⟨A_i, X⟩``, some of which may be grossly wrong.

    Parameters
    ----------
    measure : array (N, m, n), pair of functions, pair of integer arrays, or `lowrank_la.RankOne`
        The matrices ``A_i``, nested lists too; ``(measure, adjoint)`` with ``measure(X)`` of shape (N,) for X (m, n)
        and ``adjoint(z) = Σ z_i A_i``; ``(rows, cols)`` of observed entries, no place twice; or the vectors of
        quadratic and bilinear forms.
    y : array, shape (N,)
        The measured values, real.
    shape : tuple of int
        (m, n) of X.
    rank : int
        Columns of the factors, 1…min(m, n). With "l1" it may be anything above the rank of X, up to full.
    loss : {"l1", "l2"}
        "l1" minimises ``Σ |residual|`` and withstands outliers; "l2" least squares, for data without them.
    symmetric : bool
        Find a positive semidefinite ``X = U Uᵀ``.
    init_scale : float, optional
        Size of the start relative to the root of the answer, 1e-9 with "l1" and at most 0.5, 0.1 with "l2" and
        at most 1. The step schedule follows from it and from the data. Not with `optimum` or `preconditioned`, which
        start from a spectral estimate.
    rebalance : {"auto", True, False}
        With "l2": whether the factors are rebalanced once, which makes the rate independent of `init_scale`. False is
        plain gradient descent. Not with "l1" or `preconditioned`.
    preconditioned : bool
        Gradients in the metric of the other factor, for ill-conditioned X.
    optimum : float or "median", optional
        With "l1": the mean absolute residual at the true X where it is known, 0 if no value is spoilt. Steps are then
        Polyak's. Quadratic forms take 0 only, since they are compared in pairs. "median", with `preconditioned`, takes
        half of the median residual for the excess of the loss: for measurements that all see X alike, not for entries.
    truncate : float, optional
        Residuals above `truncate` times their median count for nothing. With "l2" and `preconditioned`: after a limit
        of ten medians that falls to that by 3 % a step, which withstands outliers that are large, at the true rank;
        ``info.converged`` is None where values are not met exactly, since smaller ones may have stayed in. With "l1",
        without `preconditioned` and `optimum`: from the second step on, which helps where `rank` is too large and many
        values are spoilt.
    tol : float, optional
        With "l1" the size of the last step, relative to the factors, which bounds the relative change of the loss in
        it; with `optimum` or `preconditioned` the gap of the loss to its optimum or estimated optimum relative to the
        first ("median": to the median of ``|y|``); with "l2" the relative change of the squared loss in a step.
        Defaults 1e-9, in single precision 1e-6, and 1e-7 with "l2". 0 runs all of `maxiter`.
    maxiter : int, optional
        Steps at most. By default 200 000 with "l1", whose schedule ends after some thousands as a rule; 5000 for steps
        from the loss and 10 000 with "l2".
    rng : optional
        Seed or generator of the start of "l2".
    callback : callable, optional
        Called once a step with ``iteration`` and ``loss`` ("l1") or ``residual`` ("l2"); True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens where ``info.converged`` is False.
    check_finite : bool
        Refuse NaN and infinite values.

    Returns
    -------
    RecoverResult
        ``U`` (m, k) with ``X ≈ U Uᵀ`` where `symmetric`, else ``U, V`` with ``X ≈ U Vᵀ``, in the namespace, dtype and
        device of `y`. ``info.error`` is None: the measurements alone don't tell it. ``info.converged`` is
        None where steps from an estimated level ended and noise hides whether at an optimum. ``info.residual`` is the
        mean absolute residual ("l1") or its root mean square ("l2") relative to that of `y`, ``info.median_residual``
        the median of the absolute residuals relative to that of `y`, at rounding where most values are exact.
        ``info.history`` holds the loss before each step.

    Raises
    ------
    ValueError
        If shapes don't fit, values are not finite, a place comes twice, or an argument is out of range.
    TypeError
        If `measure` is nothing of the above, data are complex, record gradients or belong to another library.
    ConvergenceError
        If the answer falls short and ``on_failure="raise"``.

    Notes
    -----
    "l1" is the sub-gradient method from a small start [1]_, with steps that shrink geometrically. Its schedule is read
    off the image C of the signs of `y`: λ being the weakest of its singular values that stand out of the noise,
    ``1 - q = h λ / (g ‖C‖)`` with the first step h and the growth ``g = 1.2 log(1/init_scale) + 1``, 14 or more, that
    lets this direction arrive. Where the averaged signs of the final residuals show directions that are missing,
    another round starts for them. ``info.converged`` is True when the schedule has come to its end, and nothing is left
    that the data show. Schedule and search presume measurements that see all matrices more or less alike, not of one
    sign or of rows and columns of very unequal size: where most values are not met and the largest squared singular
    value of the measurements over the mean one is above four times ``(1 + √(D/N))²``, D being the free entries of X,
    ``info.converged`` is False. Comparing values in pairs takes out what all ``A_i`` have in common. With exact inliers
    the error falls with `init_scale`; in Gaussian noise of standard deviation ν it is 1.2 to 1.3 times
    ``ν √(d r / N)`` in the median and was 1.9 times at most, for any `rank` above that of X (d×d, Gaussian
    measurements, measured).

    "l2" runs gradient descent from a random start [2]_: of U alone where `symmetric` and not `rebalance`, which is slow
    where `rank` is too large; of both factors; or of both with one rebalancing when 15% of the residual are left. It
    ends where the loss stops falling, which says nothing about the fit: see ``info.residual``. Steps are halved where
    they diverge. `preconditioned` is scaled gradient descent from the spectral estimate [3]_, and with "l1" the scaled
    sub-gradient method [4]_, whose level is estimated where `optimum` is not known.

    A step reads an array of measurements once with "l1" on the host, both products sharing the read, and makes nothing
    larger than an m×n matrix and vectors of length N beyond the input; entries and rank-one measurements never form an
    m×n matrix in a step. Quadratic forms are compared in pairs, which halves their number. Half precision is worked in
    single.

    References
    ----------
    .. [1] ma_fattahi_2023
    .. [2] xiong_ding_du_2024
    .. [3] tong_ma_chi_2021
    .. [4] tong_ma_chi_2021_nonsmooth

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> generator = np.random.default_rng(0)
    >>> u = np.linalg.qr(generator.standard_normal((10, 2)))[0]
    >>> A = generator.standard_normal((400, 10, 10))
    >>> y = np.einsum("pij,ij->p", A, u @ u.T)
    >>> y[:40] += 10 * generator.standard_normal(40)
    >>> result = lr.recover(A, y, (10, 10), 10, symmetric=True)
    >>> bool(np.linalg.norm(result.U @ result.U.T - u @ u.T) < 1e-6)
    True
    """
    options = checked_options(
        loss, symmetric, init_scale, rebalance, preconditioned, optimum, truncate, tol, on_failure
    )
    check_finite = be.check_flag("check_finite", check_finite)
    limit = LIMIT.get(options.method, _DESCENTS)
    maxiter = be.check_count("maxiter", limit if maxiter is None else maxiter)
    watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), "recover")
    with be.single_blas(), watch:
        measurement, y, source = read_measurements(measure, y, shape, options.symmetric, check_finite)
        if options.optimum not in (None, 0.0, MEDIAN) and isinstance(measurement, PairedMeasurement):
            raise ValueError(
                "optimum must be 0 with quadratic forms, which are compared in pairs; leave it out otherwise"
            )
        rank, key = be.check_rank(rank, measurement.shape, "X"), be.resolve_rng(rng)
        measurement, y, exponent = at_safe_scale(measurement, y)
        task = Task(measurement, y, rank, options.symmetric, key, options.truncate)
        found = _run(task, options.scaled_by(y, exponent, measurement), watch)
        doubt_lines(task, found)
        result = _assembled(task, found, options, watch, source, exponent)
    settle(result.info, on_failure, _ADVICE)
    return result


def _run(task, options, watch):
    xp = be.namespace(task.y)
    if float(xp.max(xp.abs(task.y))) == 0.0:
        device = be.device(task.y)
        U, V = (xp.zeros((n, task.rank), dtype=task.y.dtype, device=device) for n in task.measurement.shape)
        return Found(U, V, True, "all values are zero, and so is the answer")
    if options.method == "subgradient":
        return subgradient(task, options.init_scale, options.tol, watch)
    if options.method == "polyak":
        return polyak(task, options.optimum, options.preconditioned, options.tol, watch)
    return descend(task, options.method, options.init_scale, options.tol, watch)


def _assembled(task, found, options, watch, source, exponent):
    xp = be.namespace(task.y)
    z = task.measurement.forward(found.U, found.V) - task.y
    squares = options.method not in LIMIT
    size = be.fro_norm if squares else (lambda x: float(xp.sum(xp.abs(x))))
    medians = [median(x) for x in (z, task.y)]
    details = {
        "residual": _ratio(size(z), size(task.y)),
        "median_residual": _ratio(*medians),
        "history": found.history,
        "symmetric": task.symmetric,
        **found.details,
    }
    root = 2.0 ** (exponent / 2)
    U = found.U * root
    V = U if task.symmetric else found.V * root
    if be.is_half(source):
        U = xp.astype(U, source)
        V = U if task.symmetric else xp.astype(V, source)
    info = Info(
        converged=found.converged, reason=found.reason, iterations=watch.count,
        method=found.method or options.method,
        rng=task.key.record, details=details,
    )  # fmt: skip
    return RecoverResult(U, V, info)


def _ratio(part, whole):
    return part / whole if whole > 0.0 else part
