"""From what a method found to the answer: how good it is, and whether that is what was asked for."""

from dataclasses import replace

from .. import _backend as be
from ..results import Info
from . import biased
from .answer import CompletionResult, balanced
from .oversized import oversized

_CONTRADICTION = 10.0  # an error on entries kept back that is so many times the residual contradicts it
_ROUNDED = 1.0 + 1e-3


def assembled(problem, outcome, held, call):
    """`CompletionResult` of an `Outcome`.

    Parameters
    ----------
    problem : Problem
    outcome : Outcome
    held : HeldOut or None
    call : Call
    """
    U, V = biased.whole(problem, outcome.U, outcome.V) if problem.form == "biases" else (outcome.U, outcome.V)
    train = problem.misfit(U, V) if outcome.error is None else outcome.error
    error = None if held is None else held.error(U, V)
    converged, reason, advice = _verdict(problem, outcome, train, error, call)
    U, V = _at_scale(problem, outcome, call.factor)
    if be.is_half(call.source):
        U, V = (problem.xp.astype(x, call.source) for x in (U, V))
    details = {
        "train_error": train,
        "heldout_error": error,
        "history": list(outcome.history),
        "oversampling": problem.oversampling,
        "regularization": call.row_penalty,
        "advice": advice,
        **_form_details(problem, call),
        **outcome.details,
    }
    info = Info(
        error=error,
        error_kind=None if error is None else "estimate",
        converged=converged,
        reason=reason,
        iterations=call.watch.count,
        method=call.method,
        rng=call.settings.key.record,
        details=details,
    )
    return CompletionResult(U, V, info)


def _at_scale(problem, outcome, factor):
    """The factors of the answer for values that were divided by `factor`."""
    U, V = outcome.U, outcome.V
    if problem.form == "biases":
        return biased.whole(problem, U, V, factor)
    if not problem.regularized and problem.form != "nonnegative":
        U, V = balanced(U, V)
    return tuple(x * factor**0.5 for x in (U, V))


def _form_details(problem, call):
    """What `transform` and `biases` have to know."""
    if problem.form == "factors":
        return {}
    details = {"form": problem.form}
    if problem.form == "biases":
        details["mean"] = problem.xp.asarray(
            problem.mean * call.factor, dtype=problem.dtype, device=problem.observed.device
        )
    if problem.form == "implicit" and call.form.array is None:
        details["confidence"] = call.form.confidence
    return details


def _verdict(problem, outcome, train, error, call):
    """``(converged, reason, advice)``."""
    tol = call.settings.tol
    if not outcome.converged:
        stopped = "let the callback return False to go on" if call.watch.stopped else "allow a larger maxiter"
        return False, outcome.reason, stopped
    if problem.form == "implicit":
        return True, outcome.reason, None
    found = None if problem.regularized else _unproven(problem, outcome, train, tol)
    if found is None and error is not None and error > _CONTRADICTION * max(train, tol):
        reason = f"the fit is {train:.1e} but the error on entries kept back {error:.1e}"
        more = "raise regularization" if problem.regularized else "pass regularization"
        found = reason, f"entries are too few for this rank: lower it, {more}, or observe more"
    return (True, outcome.reason, None) if found is None else (False, *found)


def _unproven(problem, outcome, train, tol):
    """``(reason, advice)`` where the fitted entries alone speak against the answer, else None."""
    if not train <= tol * _ROUNDED:
        advice = (
            "where the data are noisy that is the size of the noise: set tol to it, or pass regularization; else raise "
            "rank, or try another method"
        )
        return f"{outcome.reason} at {train:.1e}, above tol={tol:g}", advice
    rank = outcome.details.get("numerical_rank", problem.rank)
    if replace(problem, rank=rank).oversampling < 1.0:
        return "fewer entries than a matrix of this rank has parameters", "lower rank, or pass regularization"
    if oversized(problem, outcome.U, outcome.V, tol):
        reason = "rows or columns of the answer are far larger than their entries say"
        return reason, "leave tol at its default and read the residual, pass regularization, or observe more"
    return None
