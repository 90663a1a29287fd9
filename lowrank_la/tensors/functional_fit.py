"""Variational inference for functional Tucker models: coordinate ascent of the evidence bound."""

import math
from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from .core_models import FullCore, Superdiagonal
from .gp_modes import Posterior, Process

_PRIOR_NOISE = 1e-3  # shape of the prior of the noise precision, and its rate relative to the mean square of the data
_START_NOISE = 0.1  # variance of the noise in the first sweeps, relative to the data
_START_SCALE = 0.1  # first length scale, relative to the range of the coordinates
_WARM = 6  # sweeps with the noise of the start: with little noise random functions are fitted to the data as they are
_TRIED = 10  # sweeps after which starts are compared
_FEW = 24  # data up to which sweeps are so cheap that more starts are run on for longer before they are compared
_MORE_STARTS, _TRIED_LONGER = 2, 40
_ROUNDING = 16.0
_FIXED = 3  # of these, sweeps with the length scales of the start


@dataclass(frozen=True)
class Settings:
    """The options of the model; None is tuned."""

    ranks: tuple
    smoothness: float
    length_scales: list
    variances: list
    noise: float | None
    superdiagonal: bool

    def tunes(self, k):
        """Parameters of mode k that are tuned by evidence."""
        given = {"length_scale": self.length_scales[k], "variance": self.variances[k]}
        return [name for name, value in given.items() if value is None]


@dataclass(frozen=True)
class Data:
    """Values `y` (N,), and for each mode the ascending distinct coordinates and the number of each datum's."""

    y: Any
    nodes: list
    indices: list

    @property
    def square(self):
        """Sum of squares of the values."""
        return be.vdot_real(self.y)


@dataclass
class State:
    """The approximate posterior: processes and posteriors of the modes, core, noise; `bound` of the evidence."""

    processes: list
    posteriors: list
    core: Any
    noise_precision: float
    bound: float = -math.inf


def start(data, settings, key):
    """`State` from random smooth functions: prior draws, scaled to the data."""
    xp, place = be.namespace(data.y), be.device(data.y)
    size = math.sqrt(data.square / data.y.shape[0]) or 1.0
    order, rank = len(data.nodes), math.prod(settings.ranks)
    terms = settings.ranks[0] if settings.superdiagonal else rank
    each = (size**2 / terms) ** (1.0 / order) if settings.superdiagonal else 1.0
    processes, posteriors = [], []
    for k, nodes in enumerate(data.nodes):
        reach = float(nodes[-1]) - float(nodes[0]) or 1.0
        scale = settings.length_scales[k] or _START_SCALE * reach
        variance = settings.variances[k] or each
        processes.append(Process(nodes, settings.smoothness, scale, variance))
        mean = math.sqrt(variance) * _smooth_draw(nodes, scale, settings.ranks[k], key.child(f"mode {k}"))
        R = settings.ranks[k]
        spread = xp.zeros((nodes.shape[0], R, R), dtype=nodes.dtype, device=place)
        posteriors.append(Posterior(mean, spread, None, None, None, None, 0.0))
    if settings.superdiagonal:
        core = Superdiagonal(settings.ranks)
    else:
        draw = be.gaussian(key.child("core"), slice(0, rank), slice(0, 1), "float64")[:, 0]
        mean = be.from_numpy(draw * size / math.sqrt(rank), xp, place, data.y.dtype)
        core = FullCore(settings.ranks, mean, xp.zeros((rank, rank), dtype=mean.dtype, device=place), size**2)
    precision = 1.0 / max(_START_NOISE * size**2, 0.0 if settings.noise is None else settings.noise**2)
    return State(processes, posteriors, core, precision)


def _smooth_draw(nodes, scale, channels, key):
    """Random functions (D, R) of unit variance that vary over `scale`: sums of cosines with random frequencies."""
    waves = 32
    frequency = be.gaussian(key.child("frequency"), slice(0, waves), slice(0, channels), "float64") / scale
    phase = 2.0 * math.pi * be.uniform(key.child("phase"), slice(0, waves), slice(0, channels), "float64")
    xp, place = be.namespace(nodes), be.device(nodes)
    frequency, phase = (be.from_numpy(x, xp, place, nodes.dtype) for x in (frequency, phase))
    waved = xp.cos(nodes[:, None, None] * frequency[None, :, :] + phase[None, :, :])
    return xp.sum(waved, axis=1) * math.sqrt(2.0 / waves)


def fitted(data, settings, starts, tol, watch, key):
    """``state, converged``: the most promising start, run until the bound per datum rises by less than `tol`.

    Where that ends at noise alone, the others are run as well.
    """
    few = starts > 1 and data.y.shape[0] <= _FEW
    starts, tried = (_MORE_STARTS * starts, _TRIED_LONGER) if few else (starts, _TRIED)
    states = []
    for number in range(starts):
        state = start(data, settings, key.child(f"start {number}"))
        for done in range(tried):
            sweep(state, data, settings, done)
        states.append(state)
    first, *others = sorted(states, key=lambda state: -state.bound)
    best, converged = first, _finished(first, data, settings, tol, watch, tried)
    for other in others:
        if watch.over or few or not is_noise_alone(best, data, settings, tol):
            break
        over = _finished(other, data, settings, tol, watch, tried)
        best, converged = (other, over) if other.bound > best.bound else (best, converged)
    return best, converged


def _finished(state, data, settings, tol, watch, number):
    """Whether `state` was run to its end, in place."""
    least = max(tol * data.y.shape[0], _ROUNDING * be.eps(data.y.dtype) * abs(state.bound))
    while True:
        before = state.bound
        sweep(state, data, settings, number)
        number += 1
        over = watch.tick(bound=state.bound, noise=state.noise_precision**-0.5)
        if abs(state.bound - before) <= least:
            return True
        if over:
            return False


def is_noise_alone(state, data, settings, tol):
    """Whether the bound is no better than that of the zero function, where the model may shrink to it."""
    if data.square == 0.0 or (settings.superdiagonal and None not in settings.variances):
        return False
    fit, _ = _noise_terms(data, None if settings.noise is None else settings.noise**-2.0, data.square)
    return state.bound <= fit + tol * data.y.shape[0]


def sweep(state, data, settings, number):
    """One pass over modes, core and noise, in place; the bound never falls once the noise of the start is over."""
    last = len(data.nodes) - 1
    moments = [_gathered(p, i) for p, i in zip(state.posteriors, data.indices, strict=True)]
    for k in range(last + 1):
        nodes = data.nodes[k].shape[0]
        first, second = state.core.sums(moments, k, data.y, data.indices[k], nodes)
        precision, shift = state.core.factors(k, first, second)
        precision, shift = state.noise_precision * precision, state.noise_precision * shift
        if number >= _FIXED:
            state.processes[k] = state.processes[k].tuned(precision, shift, settings.tunes(k))
        state.posteriors[k] = state.processes[k].condition(precision, shift)
        moments[k] = _gathered(state.posteriors[k], data.indices[k])
    posterior = state.posteriors[last]
    moment = posterior.mean, _second(posterior)
    state.core, linear, quadratic = state.core.updated(last, moment, first, second, state.noise_precision)
    misfit = max(data.square - 2.0 * linear + quadratic, 0.0)
    _update_noise(state, data, settings, misfit, number)


def _gathered(posterior, index):
    """Mean and second moment of the functions of a mode at the data."""
    xp = be.namespace(posterior.mean)
    return xp.take(posterior.mean, index, axis=0), xp.take(_second(posterior), index, axis=0)


def _second(posterior):
    return posterior.spread + posterior.mean[:, :, None] * posterior.mean[:, None, :]


def _update_noise(state, data, settings, misfit, number):
    """Precision of the noise and the bound, from the expected sum of squared residuals."""
    divergence = state.core.divergence + sum(p.divergence for p in state.posteriors)
    held = None if settings.noise is None else settings.noise**-2.0
    held = state.noise_precision if number < _WARM else held
    fit, state.noise_precision = _noise_terms(data, held, misfit)
    state.bound = fit - divergence


def _noise_terms(data, held, misfit):
    """``bound, precision``: what noise of the precision `held`, None to be inferred, adds to the bound."""
    from scipy.special import digamma, gammaln

    N = data.y.shape[0]
    if held is not None:
        return 0.5 * N * (math.log(held) - math.log(2 * math.pi)) - 0.5 * held * misfit, held
    a0, b0 = _PRIOR_NOISE, _PRIOR_NOISE * (data.square / N or 1.0)
    a, b = a0 + 0.5 * N, b0 + 0.5 * misfit
    log_precision = float(digamma(a)) - math.log(b)
    fit = 0.5 * N * (log_precision - math.log(2 * math.pi)) - 0.5 * a / b * misfit
    noise = (a - a0) * float(digamma(a)) - float(gammaln(a)) + float(gammaln(a0)) + a0 * math.log(b / b0)
    return fit - noise - a * (b0 - b) / b, a / b
