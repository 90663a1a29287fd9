"""The methods by name, and what "auto" makes of them."""

from dataclasses import replace
from importlib import import_module

from .oversized import oversized
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

_WEIGHTED = ("altmin",)
_FEW = 2.2  # oversampling below which alternating minimisation mostly gets stuck
_EXACT = 1e-6  # the tolerance of a search for all that there is
_SAME = 0.02  # two residuals closer than this are those of one minimum


def run(problem, method, U, V, settings, watch):
    """``(outcome, name)`` of the method asked for, or of those that "auto" takes one after the other."""
    if method != "auto":
        if not problem.plain and method not in _WEIGHTED:
            raise ValueError(f"method={method!r} takes neither weights nor regularization; use {', '.join(_WEIGHTED)}")
        return _method(method)(problem, U, V, settings, watch), method
    if not problem.plain:
        return _method("altmin")(problem, U, V, settings, watch), "altmin"
    if problem.oversampling < _FEW:
        return _method("irls")(problem, U, V, settings, watch), "irls"
    return _searched(problem, U, V, settings, watch)


def _searched(problem, U, V, settings, watch):
    """Alternating minimisation, where it gets stuck from another start, and where the two disagree IRLS.

    Two starts that end with one residual above `tol` found what there is: the rest is noise. Where `tol` is met by
    lines that their entries deny, the search is for all that there is instead.
    """
    outcome = _method("altmin")(problem, U, V, settings, watch)
    first = problem.error_of(outcome)
    if watch.over or not outcome.converged:
        return outcome, "altmin"
    if first <= settings.tol:
        if not oversized(problem, outcome.U, outcome.V, settings.tol):
            return reduced(problem, outcome, settings), "altmin"
        farther, name = _searched(problem, U, V, replace(settings, tol=_EXACT), watch)
        return _joined(farther, outcome), name
    again = _method("altmin")(problem, *grown_start(problem, settings), settings, watch)
    second = problem.error_of(again)
    best = min(((outcome, first), (again, second)), key=lambda found: _doubt(problem, *found))[0]
    if watch.over or second <= settings.tol or abs(second - first) <= _SAME * first:
        return _joined(best, outcome), "altmin"
    other = _method("irls")(problem, best.U, best.V, settings, watch)
    better = problem.error_of(other) < min(first, second)
    return _joined(other if better else best, outcome), "altmin+irls"


def _doubt(problem, outcome, error):
    """What speaks against an outcome: lines that their entries deny, then its residual."""
    return oversized(problem, outcome.U, outcome.V, error), error


def _joined(outcome, before):
    """`outcome` with the history of the attempt before it."""
    if outcome is before:
        return outcome
    return replace(outcome, history=[*before.history, *outcome.history])


def _method(name):
    return getattr(import_module(f".{METHODS[name]}", __package__), name)
