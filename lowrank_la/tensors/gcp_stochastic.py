"""Adam on samples of a sparse tensor, for losses whose sum over the zeros has no closed form."""

import math
from functools import reduce
from operator import mul

import numpy as np

from .. import _backend as be

_EPOCH = 1000
_NONZEROS, _ANYWHERE = 1024, 1024  # drawn in a step
_AT_ONCE = 50  # steps whose samples are drawn at once
_ESTIMATE = 1 << 15  # places that the loss of the zeros is estimated from, always the same
_RATE, _CUT, _FAILS = 1e-2, 0.1, 3
_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8


def descend(tensor, loss, factors, tol, watch, key, reported=float):
    """Factors that lower the sum of losses over all entries of a sparse tensor, and what there is to say of it.

    Steps are relative to the size of the starting factors. After an epoch that raises the estimated loss factors and
    moments are put back and the rate is cut; the third such epoch ends the iteration, as does a relative fall below
    `tol`. Histories and callbacks have ``reported(mean loss)``.
    """
    xp, count = tensor.xp, math.prod(tensor.shape)
    size = [be.fro_norm(factor) / math.sqrt(math.prod(factor.shape)) for factor in factors]
    state = (factors, [xp.zeros_like(f) for f in factors], [xp.zeros_like(f) for f in factors], 0)
    estimate = _estimator(tensor, loss, key.child("estimate"))
    best, history, rate, fails = estimate(factors), [], _RATE, 0
    converged, reason = False, ""
    for epoch in range(watch.maxiter):
        tried = _epoch(tensor, loss, state, [rate * s for s in size], key.child(epoch))
        value = estimate(tried[0])
        if value < best:
            small = best - value <= tol * abs(best)
            best, state = value, tried
            converged, reason = small, "the loss no longer changes" if small else ""
        else:
            fails, rate = fails + 1, rate * _CUT
            converged = fails >= _FAILS
            reason = "the loss falls no further at smaller rates" if converged else ""
        history.append(reported(best / count))
        if watch.tick(loss=history[-1]) or converged:
            break
    return state[0], {
        "loss": reported(best / count), "history": history, "converged": converged, "reason": reason or watch.reason,
    }  # fmt: skip


def _epoch(tensor, loss, state, rates, key):
    factors, first, second, steps = state
    xp = tensor.xp
    for step in range(_EPOCH):
        if step % _AT_ONCE == 0:
            stored, anywhere = draws(tensor, key.child(step), min(_AT_ONCE, _EPOCH - step), _NONZEROS, _ANYWHERE)
        gradients = sampled_gradients(tensor, loss, factors, stored[step % _AT_ONCE], anywhere[step % _AT_ONCE])
        steps += 1
        first = [_FIRST * m + (1 - _FIRST) * g for m, g in zip(first, gradients, strict=True)]
        second = [_SECOND * v + (1 - _SECOND) * g * g for v, g in zip(second, gradients, strict=True)]
        fair, fair_second = 1 - _FIRST**steps, 1 - _SECOND**steps
        factors = [
            f - (rate / fair) * m / (xp.sqrt(v / fair_second) + _TINY)
            for f, m, v, rate in zip(factors, first, second, rates, strict=True)
        ]
        if loss.nonneg:
            factors = [xp.clip(factor, 0.0, None) for factor in factors]
    return factors, first, second, steps


def draws(tensor, key, steps, nonzeros, anywhere):
    """Numbers of stored entries (steps, nonzeros) and places (steps, anywhere, N), drawn uniformly."""
    if tensor.count == 0:
        stored = np.zeros((steps, 0), np.int64)
    else:
        stored = _integers(key.child("stored"), steps * nonzeros, tensor.count).reshape(steps, nonzeros)
    return stored, _places(tensor.shape, steps * anywhere, key).reshape(steps, anywhere, len(tensor.shape))


def sampled_gradients(tensor, loss, factors, stored, anywhere):
    """Unbiased gradients of the sum of losses from some stored entries and some places drawn from all.

    A place drawn from all counts as a zero; a stored entry adds its slope less that of a zero.
    """
    xp = tensor.xp
    coords = np.concatenate([tensor.coords[stored], anywhere])
    places = be.index_arrays(coords, tensor.shape, xp, tensor.device)
    rows = [xp.take(factor, index, axis=0) for factor, index in zip(factors, places, strict=True)]
    others = [reduce(mul, rows[:k] + rows[k + 1 :]) for k in range(len(rows))]
    model = xp.sum(others[0] * rows[0], axis=1)
    known, model_there = model[: stored.shape[0]], model[stored.shape[0] :]
    index = be.index_arrays(stored[:, None], (tensor.count + 1,), xp, tensor.device)[0]
    x = xp.take(tensor.values, index) if stored.shape[0] else known
    correction = loss.slope(x, known) - loss.slope(xp.zeros_like(known), known)
    zeros = loss.slope(xp.zeros_like(model_there), model_there)
    share = tensor.count / max(1, stored.shape[0]), math.prod(tensor.shape) / anywhere.shape[0]
    slopes = xp.concat([correction * share[0], zeros * share[1]])[:, None]
    sizes = (factor.shape[0] for factor in factors)
    return [be.segment_sum(slopes * z, i, n, xp) for z, i, n in zip(others, places, sizes, strict=True)]


def _places(shape, count, key):
    columns = [_integers(key.child(f"mode {k}"), count, n) for k, n in enumerate(shape)]
    return np.stack(columns, axis=1).astype(np.int64)


def _integers(key, count, high):
    return be.to_numpy(be.integers(key, slice(0, count), slice(0, 1), high))[:, 0]


def _estimator(tensor, loss, key):
    """Sum of the losses as a function of factors: exact at the stored entries, sampled elsewhere."""
    xp = tensor.xp
    places = be.index_arrays(_places(tensor.shape, _ESTIMATE, key), tensor.shape, xp, tensor.device)
    share = math.prod(tensor.shape) / _ESTIMATE

    def estimate(factors):
        model, anywhere = tensor.entries(None, factors), be.entries_twin(places, factors, xp)
        stored = loss.value(tensor.values, model) - loss.value(xp.zeros_like(model), model)
        return float(xp.sum(stored)) + share * float(xp.sum(loss.value(xp.zeros_like(anywhere), anywhere)))

    return estimate
