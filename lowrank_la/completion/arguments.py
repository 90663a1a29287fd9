"""What the arguments of `complete` may be."""

from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from . import biased, implicit, nonnegative
from .answer import CompletionResult
from .start import spectral_start

_STARTS = {"biases": biased.start, "implicit": implicit.start, "nonnegative": nonnegative.start}


@dataclass(frozen=True)
class Form:
    """Which problem is asked for: see `Problem.form`, and α or an array where `confidence` was given."""

    name: str
    confidence: Any = None

    @property
    def array(self):
        """An array of confidences, or None."""
        return None if isinstance(self.confidence, float) else self.confidence


def checked_form(bias, confidence, nonneg, weights, holdout, solver):
    """The `Form` that the options ask for; combinations that nothing is known of are refused."""
    bias, nonneg = be.check_flag("bias", bias), be.check_flag("nonneg", nonneg)
    asked = [name for name, on in (("bias", bias), ("confidence", confidence is not None), ("nonneg", nonneg)) if on]
    if len(asked) > 1:
        raise ValueError(f"{' and '.join(asked)} can't be combined: leave one of them out")
    if nonneg and solver != "auto":
        raise ValueError(f"nonneg=True has a solver of its own, got solver={solver!r}; leave it out")
    if confidence is None:
        return Form("biases" if bias else "nonnegative" if nonneg else "factors")
    if weights is not None:
        raise ValueError("weights and confidence can't be combined: confidence is the weight of an entry")
    if holdout:
        raise ValueError(
            "holdout must be 0 with confidence: entries kept back would count as not observed; judge by ranking them"
        )
    array = be.is_sparse(confidence) or getattr(confidence, "ndim", 0) or isinstance(confidence, list | tuple)
    return Form("implicit", confidence if array else be.check_positive("confidence", confidence))


def checked_init(init, method, solver):
    """``"spectral"`` or a tuple of two matrices; with it, that `solver` is asked of a method that has one."""
    if solver != "auto" and method not in ("auto", "altmin"):
        raise ValueError(f"solver={solver!r} belongs to method='altmin', got method={method!r}; leave solver out")
    if isinstance(init, str):
        return be.check_option("init", init, ("spectral",))
    if not isinstance(init, tuple | list | CompletionResult) or len(init) != 2:
        raise TypeError(f"init must be 'spectral' or a pair (U, V) of arrays, got {_described(init)}")
    for x in init:
        if not be.is_array(x) or x.ndim != 2:
            raise TypeError(
                f"init must be 'spectral' or a pair (U, V) of two-dimensional arrays, got {_described(x)} in it"
            )
        be.require_untracked(x, "complete")
    return tuple(init)


def _described(x):
    kind = type(x).__name__
    if hasattr(x, "ndim"):
        return f"{kind} with {x.ndim} dimensions"
    return f"{kind} of length {len(x)}" if isinstance(x, tuple | list | dict | str) else f"{x!r} ({kind})"


def checked_rank(rank, init, shape, form):
    """`rank`, that of `init` where there is none, or None."""
    if rank is None and not isinstance(init, str):
        rank = init[0].shape[1]
        if form == "biases" and biased.is_whole(*init):
            rank -= 2
    if rank is not None:
        return be.check_rank(rank, shape)
    be.check_rank(1, shape)
    if form != "factors":
        advice = {
            "biases": "bias=True needs a rank: compare info.error for a few",
            "implicit": "confidence needs a rank: compare how a few of them rank entries left out of the fit",
            "nonnegative": "nonneg=True needs a rank: compare info.error for a few",
        }
        raise ValueError(advice[form])
    return None


def checked_share(holdout):
    """One entry in how many is kept back: None for the default, 0 for none."""
    if holdout is None or holdout == 0:
        return holdout
    return max(1, round(1.0 / be.check_tol(holdout, "holdout")))


def starting_factors(problem, init, factor, key):
    """Factors to start from in the form of the problem: those of `init`, or found from the entries."""
    if isinstance(init, str):
        return _STARTS.get(problem.form, spectral_start)(problem, key)
    U, V = _given(problem, init)
    if problem.form == "nonnegative" and min(float(problem.xp.min(X)) for X in (U, V)) < 0.0:
        raise ValueError("init must not have negative numbers with nonneg=True")
    if problem.form != "biases":
        return U, V * (1.0 / factor)
    return biased.from_given(problem, U, V, factor)


def _given(problem, init):
    """Copies of the arrays of `init` in the dtype of the problem."""
    xp, k = problem.xp, problem.rank
    if any(be.namespace(x) is not xp for x in init):
        raise TypeError(f"init must hold arrays of the namespace of the values, {be.kind(xp)!r}")
    allowed = [
        [(size, width) for size in problem.shape] for width in ((k, k + 2) if problem.form == "biases" else (k,))
    ]
    found = [tuple(x.shape) for x in init]
    if found not in allowed:
        wanted = " or ".join(f"{pair[0]} and {pair[1]}" for pair in allowed)
        raise ValueError(f"init must have the shapes {wanted}, got {found}")
    for x in init:
        be.require_finite(x, "init")
    if (problem.regularized or problem.form in ("implicit", "nonnegative")) and not bool(xp.any(init[0][:, :k] != 0)):
        raise ValueError(
            "init must have a U that is not all zero with regularization, confidence or nonneg: zeros stay; "
            "pass init='spectral', or other factors"
        )
    return tuple(xp.astype(x, problem.dtype, copy=True) for x in init)
