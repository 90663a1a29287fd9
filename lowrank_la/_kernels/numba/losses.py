"""Losses of a sum of rank-one terms at all entries of a matrix, with their slopes summed along rows and columns.

The model is formed for a few rows and columns at a time, so that it, its losses and its slopes never leave the cache.
Losses and slopes are worked out in double precision.
"""

import math

import numpy as np
from numba.extending import overload

from ._elementary import exp_of, log_after, log_of
from ._jit import jit

_COLUMNS = 256
_ROWS = 4
_TINY = 1e-10  # what keeps logarithms and quotients finite at m = 0
_QUARTER_PI, _HALF_PI = math.pi / 4.0, math.pi / 2.0


def _losses(kind, parameter, x, m, values):
    """Losses of the entries `x` under the models `m` to `values`; the slopes take the place of the models.

    The length of `kind` is part of its type: of all losses the one that is meant is compiled.
    """
    raise NotImplementedError


@jit
def loss_sums(kind, parameter, X, weights, left, right, along, across, rows, columns):
    """Sum of the losses of some entries; their slopes times the terms are added to `along` and `across`.

    Parameters
    ----------
    kind : tuple of ints
        Of length 1 to 10 for Gaussian, Huber, Poisson, Poisson of the logarithm, Bernoulli, Bernoulli of the logit,
        gamma, Rayleigh, negative binomial, beta.
    parameter : float
    X : array (m, n)
        In C order, real.
    weights : array of the shape of `X`, or (0, 0)
        Factors of the losses, not negative.
    left, right : arrays (m, R) and (R, n)
        In C order; ``left @ right`` is the model.
    along, across : arrays (rows, R) and (R, columns)
        Get ``S rightᵀ`` and ``leftᵀ S`` of the slopes S of the entries in question.
    rows, columns : pairs of ints
        The entries in question, from and to.

    Returns
    -------
    float
    """
    rank, total = left.shape[1], 0.0
    for first in range(columns[0], columns[1], _COLUMNS):
        width = min(_COLUMNS, columns[1] - first)
        panel, sums = np.empty((rank, width), X.dtype), np.zeros((rank, width), X.dtype)
        model, values = np.empty((_ROWS, width), X.dtype), np.empty(width)
        panel[:] = right[:, first : first + width]
        for top in range(rows[0], rows[1], _ROWS):
            count = min(_ROWS, rows[1] - top)
            for i in range(count):
                form_model(left[top + i], panel, model[i])
                _losses(kind, parameter, X[top + i][first : first + width], model[i], values)
                if weights.size:
                    _weigh(weights[top + i][first : first + width], model[i], values)
                total += _total(values)
            if count == _ROWS:
                _four_across(model, left, top, sums)
                _four_along(model, panel, along, top - rows[0])
            else:
                _few(model, left, panel, top, count, sums, along, top - rows[0])
        at = first - columns[0]
        for r in range(rank):
            _add(sums[r], across[r][at : at + width])
    return total


@jit(reorder=True)
def form_model(coefficients, panel, out):
    """One row of a model: `coefficients` (R,) times `panel` (R, n)."""
    rank = panel.shape[0]
    out[:] = 0
    for r in range(0, rank - 3, 4):
        a, b, c, d = coefficients[r], coefficients[r + 1], coefficients[r + 2], coefficients[r + 3]
        p, q, u, v = panel[r], panel[r + 1], panel[r + 2], panel[r + 3]
        for j in range(out.size):
            out[j] += a * p[j] + b * q[j] + c * u[j] + d * v[j]
    for r in range(rank - rank % 4, rank):
        a, p = coefficients[r], panel[r]
        for j in range(out.size):
            out[j] += a * p[j]


@jit(reorder=True)
def _four_across(slopes, left, top, sums):
    s, t, u, v = slopes[0], slopes[1], slopes[2], slopes[3]
    for r in range(sums.shape[0]):
        a, b, c, d = left[top, r], left[top + 1, r], left[top + 2, r], left[top + 3, r]
        row = sums[r]
        for j in range(row.size):
            row[j] += a * s[j] + b * t[j] + c * u[j] + d * v[j]


@jit(reorder=True)
def _four_along(slopes, panel, along, at):
    zero = slopes.dtype.type(0.0)
    s, t, u, v = slopes[0], slopes[1], slopes[2], slopes[3]
    for r in range(panel.shape[0]):
        row = panel[r]
        a = b = c = d = zero
        for j in range(row.size):
            x = row[j]
            a += s[j] * x
            b += t[j] * x
            c += u[j] * x
            d += v[j] * x
        along[at, r] += a
        along[at + 1, r] += b
        along[at + 2, r] += c
        along[at + 3, r] += d


@jit(reorder=True)
def _few(slopes, left, panel, top, count, sums, along, at):
    for i in range(count):
        s = slopes[i]
        for r in range(panel.shape[0]):
            a, row, out, total = left[top + i, r], panel[r], sums[r], slopes.dtype.type(0.0)
            for j in range(row.size):
                out[j] += a * s[j]
                total += s[j] * row[j]
            along[at + i, r] += total


@jit
def _add(x, out):
    for j in range(x.size):
        out[j] += x[j]


@jit
def _weigh(weights, slopes, values):
    """Times the weights; where one is zero nothing counts, a model that overflows there neither."""
    none = slopes.dtype.type(0.0)
    for j in range(values.size):
        weight = weights[j]
        slope, value = slopes[j] * weight, values[j] * weight  # always, so that the loop runs on vectors
        slope = slope if weight > none else none
        value = value if weight > none else 0.0
        slopes[j] = slope
        values[j] = value


@jit(reorder=True)
def _total(values):
    total = 0.0
    for j in range(values.size):
        total += values[j]
    return total


@jit
def _gaussian(_, x, m, values):
    for j in range(m.size):
        gap = np.float64(m[j]) - np.float64(x[j])
        values[j] = gap * gap
        m[j] = 2.0 * gap


@jit
def _huber(delta, x, m, values):
    for j in range(m.size):
        gap = np.float64(m[j]) - np.float64(x[j])
        size = abs(gap)
        values[j] = gap * gap if size <= delta else 2.0 * delta * size - delta * delta
        m[j] = 2.0 * min(max(gap, -delta), delta) if gap == gap else gap


@jit
def _poisson(_, x, m, values):
    for j in range(m.size):
        model, data = np.float64(m[j]), np.float64(x[j])
        above = model + _TINY
        values[j] = model - data * log_of(above)
        m[j] = 1.0 - data / above


@jit
def _poisson_log(_, x, m, values):
    for j in range(m.size):
        model, data = np.float64(m[j]), np.float64(x[j])
        mean = exp_of(model)
        values[j] = mean - data * model
        m[j] = mean - data


@jit
def _bernoulli(_, x, m, values):
    for j in range(m.size):
        model, data = np.float64(m[j]), np.float64(x[j])
        above, one_more = model + _TINY, 1.0 + model
        inverse = 1.0 / one_more
        values[j] = log_after(one_more, model, inverse) - data * log_of(above)
        m[j] = inverse - data / above


@jit
def _bernoulli_logit(_, x, m, values):
    for j in range(m.size):
        model, data = np.float64(m[j]), np.float64(x[j])
        part = exp_of(-abs(model))
        one_more = 1.0 + part
        inverse = 1.0 / one_more
        values[j] = log_after(one_more, part, inverse) + 0.5 * (model + abs(model)) - data * model
        m[j] = (inverse if model >= 0.0 else part * inverse) - data


@jit
def _gamma(_, x, m, values):
    for j in range(m.size):
        data, above = np.float64(x[j]), np.float64(m[j]) + _TINY
        inverse = 1.0 / above
        share = data * inverse
        values[j] = share + log_of(above)
        m[j] = (1.0 - share) * inverse


@jit
def _rayleigh(_, x, m, values):
    for j in range(m.size):
        data, above = np.float64(x[j]), np.float64(m[j]) + _TINY
        inverse = 1.0 / above
        share = data * inverse
        values[j] = 2.0 * log_of(above) + _QUARTER_PI * (share * share)
        m[j] = (2.0 - _HALF_PI * (share * share)) * inverse


@jit
def _negative_binomial(trials, x, m, values):
    for j in range(m.size):
        model, data = np.float64(m[j]), np.float64(x[j])
        above, one_more = model + _TINY, 1.0 + model
        inverse = 1.0 / one_more
        values[j] = (trials + data) * log_after(one_more, model, inverse) - data * log_of(above)
        m[j] = (trials + data) * inverse - data / above


@jit
def _beta(power, x, m, values):
    for j in range(m.size):
        data, above = np.float64(x[j]), np.float64(m[j]) + _TINY
        raised = exp_of((power - 1.0) * log_of(above))
        values[j] = raised * (above / power - data / (power - 1.0))
        m[j] = raised / above * (above - data)


_LOSSES = (
    _gaussian, _huber, _poisson, _poisson_log, _bernoulli, _bernoulli_logit, _gamma, _rayleigh, _negative_binomial,
    _beta,
)  # fmt: skip


@overload(_losses)
def _chosen(kind, parameter, x, m, values):
    chosen = _LOSSES[kind.count - 1]

    def losses(kind, parameter, x, m, values):
        chosen(parameter, x, m, values)

    return losses
