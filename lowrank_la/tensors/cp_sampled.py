"""Alternating least squares on sampled rows: by leverage scores, or uniformly from a mixed tensor."""

import math

from .. import _backend as be
from ..transforms.dct import dct
from .cp_als import Fitted, Sweeps
from .dimension_tree import DimensionTree
from .krp_sampler import RowTree, draw_rows
from .normal_solve import solve_normal

_EPOCH = 3  # sweeps between looks at the fit
_PATIENCE = 2  # epochs without a gain before the end
_GAIN = 1e-4  # of the estimated fit
_PROBES = 1 << 14  # entries that the fit is estimated from
_ROWS = 8  # rows drawn, in multiples of R log₂(2R)
_SLAB = 1 << 22  # entries that are mixed at a time


def leverage_als(tensor, factors, tol, watch, key):
    """Alternating least squares on rows drawn by the leverage scores of the Khatri-Rao product.

    Parameters
    ----------
    tensor : DenseTensor, real
    factors : list of arrays, shapes (n_k, R)
    tol : float
        Gain of the estimated fit in an epoch that counts, never below 1e-4; so does half of an error.
    watch : Watch
    key : Key

    Returns
    -------
    Fitted
        Factors of the epoch with the best estimated fit, after one sweep over all entries.
    """
    return _completed(tensor, _sampled(tensor, factors, tol, watch, key, _ByLeverage()), watch)


def mixed_als(tensor, factors, tol, watch, key):
    """Alternating least squares on uniformly drawn rows of a tensor whose modes were mixed once.

    Each mode is multiplied by random signs and a discrete cosine transform, which makes the leverage scores nearly
    uniform [1]_; the factors are turned back at the end. Parameters and result as in `leverage_als`; the mixed tensor
    takes as much memory as the tensor.

    References
    ----------
    .. [1] battaglino_ballard_kolda_2018
    """
    signs = [be.rademacher(key.child(f"signs {k}"), slice(0, n), slice(0, 1), tensor.dtype, tensor.xp, tensor.device)
             for k, n in enumerate(tensor.shape)]  # fmt: skip
    mixed = tensor.with_array(_mixed(tensor, signs))

    start = [dct(sign * factor, axis=0) for sign, factor in zip(signs, factors, strict=True)]
    found = _sampled(mixed, start, tol, watch, key, _Uniformly(mixed))
    found.factors = [sign * dct(factor, axis=0, kind=3) for sign, factor in zip(signs, found.factors, strict=True)]
    return _completed(tensor, found, watch)


class _ByLeverage:
    """Draws rows of the Khatri-Rao product by their leverage scores."""

    def __init__(self):
        self.trees = {}

    def renew(self, k, factor):
        self.trees[k] = RowTree(factor)

    def draw(self, state, k, count, key):
        """``(indices, rows, weights)``: the weights make the sampled Gram matrix unbiased."""
        indices, rows, probability = draw_rows(self.trees, state.factors, state.grams, k, count, key)
        xp = state.xp
        known = xp.where(probability > 0, probability, xp.ones_like(probability))
        return indices, rows, xp.where(probability > 0, 1.0 / (count * known) ** 0.5, xp.zeros_like(known))


class _Uniformly:
    """Draws rows of the Khatri-Rao product uniformly; all have the same weight, which is left out."""

    def __init__(self, tensor):
        self.tensor = tensor

    def renew(self, k, factor):
        pass

    def draw(self, state, k, count, key):
        xp, indices, rows = self.tensor.xp, [None] * state.order, None
        for j in range(state.order):
            if j != k:
                indices[j] = _uniform_indices(self.tensor, j, count, key.child(j))
                picked = xp.take(state.factors[j], indices[j], axis=0)
                rows = picked if rows is None else rows * picked
        return indices, rows, None


def _sampled(tensor, factors, tol, watch, key, sampler):
    """Factors of the best epoch, with errors estimated after each one."""
    rank, order = factors[0].shape[1], len(factors)
    count = max(64, math.ceil(_ROWS * rank * math.log2(2 * rank)))
    state = Sweeps(tensor, None, factors)
    probe = _Probe(tensor, key.child("probe"))
    best, least, errors, waited = state.absorbed(), math.inf, [], 0
    for k, factor in enumerate(state.factors):
        sampler.renew(k, factor)
    while waited < _PATIENCE and not watch.over:
        for k in range(order):
            indices, rows, weight = sampler.draw(state, k, count, key.child(f"{watch.count} {k}"))
            values = _fibres(tensor, k, indices) / state.scale
            state.put(k, _least_squares(rows, values, weight))
            sampler.renew(k, state.factors[k])
        error = errors[-1] if errors else 1.0
        if (watch.count + 1) % _EPOCH == 0 or watch.last:
            error = probe.error(state)
            falls = least - error > max(tol, _GAIN) or 100.0 * be.eps(tensor.dtype) < error < least / 2.0
            if error < least:
                best, least = state.absorbed(), error
            waited = 0 if falls else waited + 1
        errors.append(error)
        watch.tick(error=error)
    best[-1] = best[-1] * state.scale
    return Fitted(None, best, errors, waited >= _PATIENCE, "", {"rows": count})


def _completed(tensor, found, watch):
    """One sweep over all entries, which also tells the error."""
    state = Sweeps(tensor, DimensionTree(tensor), [*found.factors[:-1], found.factors[-1] / tensor.norm])
    found.errors.append(state.sweep())
    found.weights, found.factors = state.weights * state.scale, state.factors
    epochs = f"the estimated fit gained less than {_GAIN:g} in {_PATIENCE} epochs"
    found.reason = epochs if found.converged else watch.reason
    return found


class _Probe:
    """The error estimated from entries drawn once, uniformly."""

    def __init__(self, tensor, key):
        xp = tensor.xp
        self.indices = [_uniform_indices(tensor, k, _PROBES, key.child(k)) for k in range(len(tensor.shape))]
        self.values = xp.take(xp.reshape(tensor.array, (-1,)), _places(tensor.shape, self.indices))

    def error(self, state):
        """Relative error of the model of `state` on the entries drawn."""
        xp = state.xp
        rows = xp.astype(state.weights * state.scale, state.tensor.dtype, copy=False)[None, :]
        for factor, index in zip(state.factors, self.indices, strict=True):
            rows = rows * xp.take(factor, index, axis=0)
        size = be.fro_norm(self.values)
        missed = be.fro_norm(self.values - xp.sum(rows, axis=1))
        return missed / size if size > 0.0 else missed / state.tensor.norm


def _uniform_indices(tensor, k, count, key):
    """Uniform indices of mode `k` in the widest integers of the device."""
    xp, place = tensor.xp, tensor.device
    drawn = be.integers(key, slice(0, count), slice(0, 1), tensor.shape[k])[:, 0]
    kind = be.widest_integer(xp, place)[0]
    if be.kind(be.namespace(drawn)) != "numpy":
        return xp.astype(drawn, kind, copy=False)
    return be.from_numpy(drawn.astype(be.dtype_name(kind)), xp, place)


def _places(shape, indices):
    """Places in C order of the entries with these indices."""
    place = 0
    for n, index in zip(shape, indices, strict=True):
        place = place * n + index
    return place


def _fibres(tensor, k, indices):
    """The fibres of mode `k` at the indices of the other modes, (J, n_k)."""
    xp, shape = tensor.xp, tensor.shape
    rest = [n for j, n in enumerate(shape) if j != k]
    place = _places(rest, [index for j, index in enumerate(indices) if j != k])
    right = math.prod(shape[k + 1 :])
    if right == 1:
        return xp.take(xp.reshape(tensor.array, (-1, shape[k])), place, axis=0)
    if k == 0:
        return xp.take(xp.reshape(tensor.array, (shape[0], right)), place, axis=1).mT
    steps = xp.arange(shape[k], dtype=place.dtype, device=tensor.device) * right
    first = (place // right) * (right * shape[k]) + place % right
    places = xp.reshape(first[:, None] + steps[None, :], (-1,))
    return xp.reshape(xp.take(xp.reshape(tensor.array, (-1,)), places), (place.shape[0], shape[k]))


def _least_squares(rows, values, weight):
    """``A`` (n, R) with the least ``‖weight (rows Aᵀ - values)‖``, by QR or, where singular, normal equations."""
    xp = be.namespace(rows)
    if weight is not None:
        rows, values = rows * weight[:, None], values * weight[:, None]
    Q, R = be.householder_qr(rows)
    pivots = xp.abs(xp.linalg.diagonal(R))
    if float(xp.min(pivots)) > 10.0 * be.eps(R.dtype) * R.shape[0] * float(xp.max(pivots)):
        return be.solve_upper(R, be.matmul(Q.mT, values)).mT
    return solve_normal(be.matmul(values.mT, rows), be.gram(rows))


def _mixed(tensor, signs):
    """The tensor with every mode multiplied by signs and transformed, a slab at a time."""
    xp, order = tensor.xp, len(tensor.shape)
    array = xp.asarray(tensor.array, copy=True)
    for k in range(order):
        across = 1 if k == 0 else 0
        form = [1] * order
        form[k] = -1
        sign = xp.reshape(signs[k], tuple(form))
        lines = max(1, _SLAB * tensor.shape[across] // math.prod(tensor.shape))
        for part in be.fixed_partition(tensor.shape[across], lines):
            place = (slice(None), part) if across else (part,)
            place = (*place, ...)
            array[place] = dct(array[place] * sign, axis=k)
    return array
