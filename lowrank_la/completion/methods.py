"""The methods by name, and what "auto" makes of them."""

from dataclasses import replace
from functools import partial
from importlib import import_module
from operator import itemgetter

from .. import _backend as be
from .oversized import NOISY, oversized
from .rank import grown_start, reduced

METHODS = {
    "altmin": "altmin",
    "irls": "irls",
    "gauss_newton": "gauss_newton",
    "scaled_gd": "scaled_gd",
    "riemannian": "riemannian",
    "soft_impute": "soft_impute",
    "lmafit": "lmafit",
}
"""Each method is a function of that name in the module of this package."""

_ONLY_ALTMIN = {"biases": "bias", "implicit": "confidence", "nonnegative": "nonneg"}
_FEW = 2.2  # oversampling below which alternating minimisation mostly gets stuck
_EXACT = 1e-6  # the tolerance of a search for all that there is
_CREEPING = 1e-2  # fall of the residual a sweep below which a look at the factors is due
_STARTS = 3  # beyond the first
_SAME = 0.02  # two residuals closer than this are those of one minimum


def run(problem, method, U, V, settings, watch):
    """``(outcome, name)`` of the method asked for, or of those that "auto" takes one after the other."""
    if method != "auto":
        _require_taken(problem, method)
        return _method(method)(problem, U, V, settings, watch), method
    if not problem.plain:
        return _method("altmin")(problem, U, V, settings, watch), "altmin"
    if problem.oversampling < _FEW:
        return _method("irls")(problem, U, V, settings, watch), "irls"
    return _searched(problem, U, V, settings, watch)


def _require_taken(problem, method):
    """Refuse what `method` can't do."""
    if problem.plain or method == "altmin":
        return
    if problem.form != "factors":
        raise ValueError(f"method={method!r} does not take {_ONLY_ALTMIN[problem.form]}; use 'altmin'")
    if method != "soft_impute":
        raise ValueError(f"method={method!r} takes neither weights nor regularization; use 'altmin'")
    numbers = all(isinstance(part, float) and part > 0.0 for part in problem.regularization)
    if problem.weights is not None or not numbers:
        raise ValueError(
            "method='soft_impute' takes no weights, and as regularization one positive number, or one for all rows and "
            "one for all columns; use 'altmin'"
        )


def _searched(problem, U, V, settings, watch):
    """Alternating minimisation, where it gets stuck from other starts, and where they disagree IRLS.

    Two starts that end with one residual above `tol`, and no line out of hand, found what there is: the rest is noise.
    Where `tol` is met by lines that their entries deny, the search is for all that there is instead; where it is met
    but not by half, which noise makes hard, the better one of two starts is taken.
    """
    outcome = _patient(problem, U, V, settings, watch)
    if watch.over or not outcome.converged:
        return outcome, "altmin"
    first = problem.error_of(outcome)
    if first <= settings.tol and oversized(problem, outcome.U, outcome.V, settings.tol):
        settings = replace(settings, tol=_EXACT)
    elif first <= _goal(settings):
        return reduced(problem, outcome, settings), "altmin"
    found = [(*_doubt(problem, outcome), outcome)]
    for turn in range(_STARTS):
        U, V = _shaken(problem, found[0][2], settings.key.child(turn)) if turn else grown_start(problem, settings)
        other = _patient(problem, U, V, settings, watch)
        found = sorted([*found, (*_doubt(problem, other), other)], key=itemgetter(0, 1))
        (wild, least, best), (next_wild, second, _) = found[:2]
        same = second - least <= _SAME * least and not next_wild
        if watch.over or (not wild and (least <= settings.tol or same)):
            return _joined(best, outcome), "altmin"
        if not next_wild:
            break
    other = _method("irls")(problem, best.U, best.V, settings, watch)
    return _joined(min(best, other, key=partial(_doubt, problem)), outcome), "altmin+irls"


def _shaken(problem, outcome, key):
    """The factors of an outcome and half as much noise."""
    shaken = []
    for name, X in (("rows", outcome.U), ("columns", outcome.V)):
        lines, columns = (slice(0, size) for size in X.shape)
        noise = be.gaussian(key.child(name), lines, columns, be.dtype_name(X.dtype), problem.xp, be.device(X))
        shaken.append(X + noise * (0.5 * be.fro_norm(X) / (X.shape[0] * X.shape[1]) ** 0.5))
    return shaken


def _patient(problem, U, V, settings, watch):
    """Alternating minimisation that creeps on only where no line of its factors is out of hand.

    A residual that falls by less than a hundredth a sweep is that of noise nearly fitted, or of a line that wanders
    off: then hundreds of sweeps don't help, and another start does. Where `tol` is of the size of noise the sweeps go
    on to half of it: the residual meets it long before the factors are as good as the entries allow.
    """
    outcome = _method("altmin")(problem, U, V, replace(settings, tol=_goal(settings), stalled=_CREEPING), watch)
    error = problem.error_of(outcome)
    if watch.over or not outcome.converged or error <= settings.tol or oversized(problem, outcome.U, outcome.V, error):
        return outcome
    return _joined(_method("altmin")(problem, outcome.U, outcome.V, settings, watch), outcome)


def _goal(settings):
    """The residual that sweeps go on to."""
    return settings.tol * (0.5 if settings.tol >= NOISY else 1.0)


def _doubt(problem, outcome):
    """What speaks against an outcome: lines that their entries deny, then its residual."""
    error = problem.error_of(outcome)
    return oversized(problem, outcome.U, outcome.V, error), error


def _joined(outcome, before):
    """`outcome` with the history of the attempt before it."""
    if outcome is before:
        return outcome
    return replace(outcome, history=[*before.history, *outcome.history])


def _method(name):
    return getattr(import_module(f".{METHODS[name]}", __package__), name)
