"""One call of `cp`: the starts, the method, and the answer with what is known about it."""

import math
from dataclasses import dataclass
from functools import partial, reduce
from operator import mul
from typing import Any

from .. import _backend as be
from ..factor.svd import svd
from ..results import Info
from . import cp_missing
from .cp_als import CANCELLED, Fitted, als
from .cp_sampled import leverage_als, mixed_als
from .cp_start import given_factors, starting_factors
from .dimension_tree import source_of
from .gauss_newton import gauss_newton
from .hals import hals_update
from .kruskal import CPResult, gauge, model_mass, model_norm

_DEGENERATE = -0.85  # product of the cosines of two terms below which they cancel
_PRECISE = {True: 1e-12, False: 1e-6}  # residual of singular triplets, in double precision or not


@dataclass(frozen=True)
class Options:
    """The arguments of `cp` that decide what is computed."""

    rank: int
    method: str
    accelerate: bool
    tol: float
    nonneg: bool
    init: Any
    key: Any


def fit_tensor(tensor, options, watches):
    """`CPResult` of a whole tensor: the best of as many starts as there are watches."""
    _require_possible(tensor, options)
    if tensor.norm == 0.0:
        factors = [tensor.xp.zeros((n, options.rank), dtype=tensor.dtype, device=tensor.device) for n in tensor.shape]
        found = Fitted(None, factors, [0.0], True, "all entries are zero", {"gradient": 0.0})
        return _answer(tensor, options, found, "zero", watches[0])
    if _is_matrix(tensor, options):
        return _of_matrix(tensor, options, watches[0])
    best = None
    for trial, watch in enumerate(watches):
        init = options.init if trial == 0 else "random"
        key = options.key if trial == 0 else options.key.child(f"trial {trial}")
        factors, start = starting_factors(tensor, options.rank, init, key, nonneg=options.nonneg)
        with watch:
            found = _METHODS[options.method](tensor, factors, options, watch, key)
        found.details["start"] = start
        if best is None or found.errors[-1] < best[0].errors[-1]:
            best = found, watch
        if watch.stopped:
            break
    found, watch = best
    found.details["gradient"] = _gradient(tensor, found)
    return _answer(tensor, options, found, "hals" if options.nonneg else options.method, watch)


def fit_observed_entries(observed, options, watches):
    """`CPResult` of the observed entries of a tensor."""
    tensor, best = observed.tensor, None
    entries = cp_missing.entries_of(observed, options.rank)
    for trial, watch in enumerate(watches):
        key = options.key if trial == 0 else options.key.child(f"trial {trial}")
        if isinstance(options.init, str) or trial:
            if not trial:
                be.check_option("init", options.init, ("auto",))
            factors = cp_missing.starting_factors(observed, options.rank, key, entries)
        else:
            factors = given_factors(tensor, options.rank, options.init)
            factors = [*factors[:-1], factors[-1] / observed.scale]
        with watch:
            found = cp_missing.fit_observed(
                observed, factors, options.tol, watch, accelerate=options.accelerate, entries=entries
            )
        if best is None or found.errors[-1] < best[0].errors[-1]:
            best = found, watch
        if watch.stopped:
            break
    found, watch = best
    weights = tensor.xp.full(options.rank, observed.scale, dtype=be.real_dtype(tensor.xp, tensor.dtype),
                             device=tensor.device)  # fmt: skip
    gradient = cp_missing.gradient(observed, entries, found.factors)
    details = {"observed": tensor.count, "unseen": observed.unseen, "gradient": gradient}
    found = Fitted(weights, found.factors, found.errors, found.converged, found.reason, details)
    measure = partial(cp_missing.relative_error, observed, entries)
    return _answer(tensor, options, found, "als of observed entries", watch, measure)


def _require_possible(tensor, options):
    if options.nonneg and be.is_complex(tensor.dtype):
        raise TypeError("nonneg=True needs real data, X is complex")
    if options.method in ("random", "leverage") and (tensor.is_sparse or be.is_complex(tensor.dtype)):
        raise TypeError(f"method={options.method!r} needs a dense real tensor; take 'als' or 'gauss_newton'")


def _als(tensor, factors, options, watch, _):
    source = source_of(tensor)
    update = hals_update if options.nonneg else None
    return als(tensor, source, factors, options.tol, watch, accelerate=options.accelerate, update=update)


_METHODS = {
    "als": _als,
    "gauss_newton": lambda tensor, factors, options, watch, _: gauss_newton(tensor, factors, options.tol, watch),
    "random": lambda tensor, factors, options, watch, key: mixed_als(tensor, factors, options.tol, watch, key),
    "leverage": lambda tensor, factors, options, watch, key: leverage_als(tensor, factors, options.tol, watch, key),
}


def _is_matrix(tensor, options):
    long = sorted(tensor.shape)[-2:]
    rest = math.prod(tensor.shape) == math.prod(long)
    return rest and not tensor.is_sparse and not options.nonneg and options.rank <= long[0]


def _of_matrix(tensor, options, watch):
    """The singular value decomposition of the two modes that are longer than one."""
    xp = tensor.xp
    long = [k for k, n in enumerate(tensor.shape) if n > 1]
    long += [k for k in range(len(tensor.shape)) if k not in long][: max(0, 2 - len(long))]
    first, second = sorted(long)
    matrix = xp.reshape(tensor.array, (tensor.shape[first], tensor.shape[second]))
    U, s, Vh = result = svd(matrix, options.rank, accuracy=_PRECISE[be.is_double(tensor.dtype)], rng=options.key)
    one = xp.ones((1, options.rank), dtype=tensor.dtype, device=tensor.device)
    factors = [U if k == first else Vh.mT if k == second else one for k in range(len(tensor.shape))]
    met = result.info.converged is not False
    reason = "a matrix has its singular value decomposition" if met else result.info.reason
    found = Fitted(s, factors, [0.0], met, reason)
    found.errors = [tensor.residual_norm(s, factors) / tensor.norm]
    found.details["gradient"] = _gradient(tensor, found)
    return _answer(tensor, options, found, "svd", watch)


def _gradient(tensor, found):
    """‖∇‖ of half the squared error, the weights spread over the modes, over ``‖X‖^(2 - 1/N)``."""
    xp, order = tensor.xp, len(tensor.shape)
    spread = xp.astype((found.weights / tensor.norm) ** (1.0 / order), tensor.dtype, copy=False)
    factors = [factor * spread[None, :] for factor in found.factors]
    grams = [be.gram(factor) for factor in factors]
    squares = 0.0
    for k, B in tensor.mttkrps(list(factors)):
        gamma = reduce(mul, grams[:k] + grams[k + 1 :])
        squares += be.vdot_real(factors[k] @ gamma.mT - B / tensor.norm)
    return math.sqrt(squares)


def _answer(tensor, options, found, method, watch, measure=None):
    xp = tensor.xp
    weights, factors = gauge(found.weights, found.factors)
    half, said = be.is_half(tensor.given_dtype), found.errors[-1]
    given = tuple(xp.astype(factor, tensor.given_dtype) for factor in factors) if half else factors
    if half:
        factors, said = tuple(xp.astype(factor, tensor.dtype) for factor in given), 0.0
    error, kind = (measure or partial(_measured, tensor, said))(weights, factors)
    details = {"fit": 1.0 - error, "degenerate": _is_degenerate(weights, factors), "errors": found.errors}
    info = Info(
        error=error, error_kind=kind, converged=found.converged, reason=found.reason, method=method,
        iterations=watch.count, rng=options.key.record, details=details | found.details,
    )  # fmt: skip
    return CPResult(weights, given, info)


def _measured(tensor, error, weights, factors):
    """``(error, kind)``: what the iteration said, or the residual itself where that would be due to rounding."""
    if tensor.norm == 0.0:
        return error, "exact"
    mass = model_mass(weights / tensor.norm, factors)
    if error**2 >= CANCELLED * be.eps(tensor.dtype) * max(1.0, mass):
        return error, "exact"
    gap, kind = tensor.residual(weights, factors)
    return gap / tensor.norm, kind


def _is_degenerate(weights, factors):
    """Whether two terms larger than the model cancel each other."""
    xp = be.namespace(weights)
    cosines = reduce(mul, map(be.gram, factors))
    cosines = xp.real(cosines) if be.is_complex(cosines.dtype) else cosines
    large = weights > model_norm(weights, factors)
    return bool(xp.any((cosines < _DEGENERATE) & large[None, :] & large[:, None]))
