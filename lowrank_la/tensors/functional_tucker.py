"""Tucker models whose factors are functions of continuous coordinates, with Gaussian process priors."""

import math

import numpy as np

from .. import _backend as be
from ..factor.iteration import Watch, settle
from ..results import Info
from . import matern
from .functional_fit import Data, Settings, fitted, is_noise_alone
from .functional_posterior import FunctionalTuckerResult
from .gp_modes import Posterior
from .scattered import distinct, read_coordinates, read_values

_CORES = ("full", "superdiagonal")
_STARTS = 4
_NOISE_ALONE = (
    "the evidence is no better than that of noise alone, which the zero function with a narrow std stands for"
)
_LARGEST_CORE = 1 << 13
_MORE = (
    "give more data, or tell what is known of variance, length_scale and noise (core='superdiagonal' takes all three)"
)


@be.supports(sparse=False, operators=False, complex=False)
class FunctionalTucker:
    r"""Tucker model ``y ≈ Σ W[i, j, …] u_i(x_1) v_j(x_2) …`` of scattered data with continuous coordinates.

    Parameters
    ----------
    rank : int or K ints
        Number of functions of each mode.
    smoothness : {0.5, 1.5, 2.5}
        Of the Matérn processes.
    length_scale : float or K of them, optional
        In units of the coordinates; None, also for single modes, is tuned by evidence.
    variance : float or K of them, optional
        Prior variance of the functions; None is tuned by evidence. That of a full core is always tuned.
    noise : float, optional
        Standard deviation of the noise; None is inferred.
    core : {"full", "superdiagonal"}
        A dense core with a Gaussian prior, or ones on the superdiagonal: a sum of `rank` products.
    center : bool
        Fit what is left of the mean of the values, and add it to predictions. The prior has mean zero, so values far
        from zero without it look like large functions that hardly vary, and intervals are far too narrow.

    Notes
    -----
    The model of [1]_. Functions of one mode are independent Matérn processes, in their state-space form [2]_ with a
    cost linear in the number of coordinates. The posterior is approximated by independent factors for the core, the
    noise and all functions of one mode together. These are updated in turn, each exactly, so a bound of the log
    evidence never falls; data enter through sums at the distinct coordinates. Length scales and variances are
    raised along the evidence of their mode between updates. The smoother is the adjoint form of [3]_, which
    inverts no predicted covariance. For one mode with a fixed core and noise the result is the Gaussian process
    posterior. The precision of the noise has a gamma prior of shape 1e-3 and of the rate 1e-3 times the mean square of
    `y`: weak, yet it keeps the noise inferred from N data without any above about √(2e-3/N) of their root mean square.

    A sweep costs ``O(N (∏R_k / min R)² + Σ D_k s³ R_k³ + ∏R_k³)`` for N data, D_k distinct coordinates and s state
    components; memory ``O(Σ D_k (s R_k)² + ∏R_k²)``. Independence between modes makes intervals narrower than those of
    the exact posterior, a prior rougher than the truth makes them wider: check coverage where it matters.

    References
    ----------
    .. [1] fang_yu_wang_li_kirby_zhe_2024
    .. [2] hartikainen_sarkka_2010
    .. [3] bierman_1973

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> x = np.random.default_rng(0).uniform(size=(300, 2))
    >>> y = np.sin(6 * x[:, 0]) * np.cos(4 * x[:, 1])
    >>> mean, std = lr.FunctionalTucker(1, core="superdiagonal").fit(x, y, rng=0).predict([[0.25, 0.5]])
    >>> bool(abs(mean[0] - np.sin(1.5) * np.cos(2.0)) < 0.01)
    True
    """

    def __init__(
        self, rank, *, smoothness=1.5, length_scale=None, variance=None, noise=None, core="full", center=False
    ):
        ranks = rank if isinstance(rank, tuple | list) else [rank]
        self.rank = tuple(be.check_count("rank", one) for one in ranks)
        self.smoothness = be.check_option("smoothness", smoothness, matern.SMOOTHNESS)
        self.core = be.check_option("core", core, _CORES)
        self.length_scale = _positive_or_none("length_scale", length_scale)
        self.variance = _positive_or_none("variance", variance)
        self.noise = None if noise is None else be.check_positive("noise", noise)
        self.center = be.check_flag("center", center)
        if core == "superdiagonal" and len(set(self.rank)) > 1:
            raise ValueError(f"rank must be one number for core='superdiagonal', got {rank}")

    def __repr__(self):
        names = ("smoothness", "length_scale", "variance", "noise", "core", "center")
        options = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"FunctionalTucker({self.rank if len(self.rank) > 1 else self.rank[0]}, {options})"

    def fit(
        self,
        coords,
        y,
        *,
        tol=1e-5,
        maxiter=300,
        starts=_STARTS,
        rng=None,
        callback=None,
        progress=False,
        on_failure="warn",
        check_finite=True,
    ):
        """Posterior given values at scattered coordinates.

        Parameters
        ----------
        coords : array, shape (N, K), or (N,) for one mode
            Places repeat as they like; the work depends on the distinct coordinates of each mode.
        y : array, shape (N,)
            Real. Its library, device and dtype are those of predictions; all work is done in the widest precision of
            the device.
        tol : float
            Rise of the evidence bound per datum in a sweep that ends the iteration.
        maxiter : int
            Sweeps at most, after ten (few data: forty) with which starts are compared.
        starts : int
            Random starts. Of up to 24 data twice as many, unless it is one, and these are run for longer before
            they are compared.
        rng : optional
            Seed or generator of the starts.
        callback : callable, optional
            Called once a sweep with ``iteration``, ``bound`` and ``noise``; True stops.
        progress : bool
            Show a progress bar.
        on_failure : {"warn", "raise"}
            What happens where `maxiter` ends the iteration, or noise alone explains the data as well.
        check_finite : bool
            Refuse NaN and infinite values.

        Returns
        -------
        FunctionalTuckerResult
            ``info.error`` is ‖y - mean‖ / ‖y‖ at the data (of the centred values), which the noise keeps from zero;
            ``info.bound`` the lower bound of the log evidence, equal to it for one mode with fixed core and noise.
            ``info.converged`` is False where that bound is no better than noise without a function reaches, as five
            data hardly allow more: the answer is the zero function then.

        Raises
        ------
        ValueError
            If shapes don't fit, an option is out of range, or values are not finite.
        TypeError
            If arguments are no real arrays.
        """
        tol = be.check_tol(tol)
        maxiter, starts = be.check_count("maxiter", maxiter), be.check_count("starts", starts)
        be.check_option("on_failure", on_failure, ("warn", "raise"))
        be.check_callback(callback)
        key = be.resolve_rng(rng)
        values, given, exponent = read_values(y, be.check_flag("check_finite", check_finite))
        places = read_coordinates(coords, None, values)
        if places.shape[0] != values.shape[0]:
            raise ValueError(f"coords and y must have as many rows: {places.shape[0]} and {values.shape[0]} differ")
        offset = float(be.namespace(values).mean(values)) if self.center else 0.0
        values = values - offset if offset else values
        order = places.shape[1]
        settings = self._settings(order, exponent)
        nodes, indices = zip(*(distinct(places[:, k]) for k in range(order)), strict=True)
        data = Data(values, list(nodes), list(indices))
        watch = Watch(maxiter, callback, progress, "FunctionalTucker")
        with be.single_blas(), watch:
            state, converged = fitted(data, settings, starts if order > 1 else 1, tol, watch, key)
            reason = "tolerance met" if converged else watch.reason
            if converged and is_noise_alone(state, data, settings, tol):
                converged, reason = False, _NOISE_ALONE
            scale = given, exponent, math.ldexp(offset, exponent)
            result = self._report(state, data, settings, scale, (converged, reason), watch, key)
        settle(result.info, on_failure, _MORE if reason == _NOISE_ALONE else "raise maxiter or tol")
        return result

    def _settings(self, order, exponent):
        """`Settings` for values divided by ``2^exponent``: the first mode, or the core, carries the scale."""
        ranks = self.rank if len(self.rank) > 1 else self.rank * order
        if len(ranks) != order:
            raise ValueError(f"rank has {len(ranks)} entries, the coordinates have {order} columns")
        superdiagonal = self.core == "superdiagonal"
        if not superdiagonal and math.prod(ranks) > _LARGEST_CORE:
            raise ValueError(
                f"rank={tuple(ranks)} makes a core of {math.prod(ranks)} numbers, and the covariance of a full core is "
                f"kept for {_LARGEST_CORE} at most: give smaller ranks, or core='superdiagonal'"
            )
        variances = _one_a_mode("variance", self.variance, order)
        if superdiagonal and variances[0] is not None:
            variances[0] = math.ldexp(variances[0], -2 * exponent)
        noise = None if self.noise is None else math.ldexp(self.noise, -exponent)
        scales = _one_a_mode("length_scale", self.length_scale, order)
        return Settings(tuple(ranks), self.smoothness, scales, variances, noise, superdiagonal)

    def _report(self, state, data, settings, scale, outcome, watch, key):
        given, exponent, offset = scale
        xp, place = be.namespace(data.y), be.device(data.y)
        means = [xp.take(p.mean, i, axis=0) for p, i in zip(state.posteriors, data.indices, strict=True)]
        missed = be.fro_norm(data.y - state.core.expected(means))
        size = math.sqrt(data.square)
        posteriors = [
            _scaled(p, exponent if settings.superdiagonal and k == 0 else 0) for k, p in enumerate(state.posteriors)
        ]
        variances = [p.variance for p in state.processes]
        if settings.superdiagonal:
            variances[0] = math.ldexp(variances[0], 2 * exponent)
            core = xp.ones((settings.ranks[0],), dtype=data.y.dtype, device=place)
            covariance = xp.zeros((0, 0), dtype=data.y.dtype, device=place)
        else:
            core = xp.reshape(state.core.mean, settings.ranks) * 2.0**exponent
            covariance = state.core.covariance * 2.0**exponent * 2.0**exponent
        bound = state.bound - data.y.shape[0] * exponent * math.log(2.0)
        info = Info(
            error=missed / size if size > 0 else missed, error_kind="exact", converged=outcome[0],
            reason=outcome[1], iterations=watch.count, rng=key.record,
            method=f"variational, {self.core} core", details={"bound": bound},
        )  # fmt: skip
        noise = math.ldexp(state.noise_precision**-0.5, exponent)
        parts = (
            [getattr(p, name) for p in posteriors]
            for name in ("mean", "filtered_mean", "filtered_covariance", "slope", "bend")
        )
        factors, filtered, covariances, slopes, bends = map(tuple, parts)
        scales = np.asarray([p.length_scale for p in state.processes])
        return FunctionalTuckerResult(
            core, factors, tuple(data.nodes), covariance, scales, np.asarray(variances), noise, self.smoothness, given,
            filtered, covariances, slopes, bends, offset, info,
        )  # fmt: skip


def _scaled(posterior, exponent):
    """The posterior of the functions times ``2^exponent``."""
    if exponent == 0:
        return posterior
    up, down = 2.0**exponent, 2.0**-exponent
    p = posterior
    return Posterior(
        p.mean * up, p.spread * up * up, p.filtered_mean * up, p.filtered_covariance * up * up, p.slope * down,
        p.bend * down * down, p.divergence,
    )  # fmt: skip


def _positive_or_none(name, value):
    if value is None:
        return None
    if isinstance(value, tuple | list) or getattr(value, "ndim", 0) == 1:
        return [None if one is None else be.check_positive(name, one) for one in value]
    return be.check_positive(name, value)


def _one_a_mode(name, value, order):
    values = list(value) if isinstance(value, list) else [value] * order
    if len(values) != order:
        raise ValueError(f"{name} has {len(values)} entries, the coordinates have {order} columns")
    return values
