"""Alternating minimisation with over-relaxed sweeps."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from .. import _backend as be
from .biased import Biased
from .factors import Factors
from .implicit import Implicit
from .nonnegative import Nonnegative
from .penalties import path_to
from .problem import Outcome
from .replenish import replenished
from .row_solvers import Effort, kernel_pays

_LARGEST_RELAXATION = 1.9
_EXACT = 0.01  # lines are solved to this part of what a half sweep is expected to gain
_MOST_STEPS = 60
_PATIENCE = 5
_SINGLE = 1e-5  # relative residual down to which sweeps run in single precision
_SINGLE_FROM = 1 << 21  # entries times rank
_REVIVALS = 10
_SLOWEST = 0.9  # ratio of two falls of the objective that is still taken for the rate of those to come
_ROUGH = 1e-3  # relative fall of the objective that ends a stage of the path to a small λ
_FORMS: dict[str, Any] = {"factors": Factors, "biases": Biased, "implicit": Implicit, "nonnegative": Nonnegative}


def altmin(problem, U, V, settings, watch):
    """Least squares for the columns, then for the rows, until the residual is met or no longer falls.

    Each half sweep starts from orthonormal factors on the fixed side, so that its normal equations are as well
    conditioned as the places allow, whatever the spectrum; `relax` times its step is taken. The forms of a problem
    that differ in that are classes with a method ``sweep(U, V, relax, effort)``, which gives the factors, the squared
    residual and, where that is what falls, the penalised objective.
    """
    model = _FORMS[problem.form](problem, settings.solver)
    pace = _Pace(settings.tol, settings.stalled, prior=0.8 / problem.oversampling**0.5)
    pace.slowest = _SLOWEST if problem.form in ("factors", "biases") else 0.0
    search = None
    if _single_pays(problem) and settings.tol < _SINGLE:
        search = "single"
        U, V = _sweeps(_FORMS[problem.form](_in_single(problem), settings.solver), U, V, pace, _SINGLE, watch)
        U, V = (problem.xp.astype(factor, problem.dtype) for factor in (U, V))
        pace.waited = 0
    for stage in () if settings.warm else path_to(problem, V):
        if watch.over:
            break
        rough = replace(pace, tol=_ROUGH, objectives=[])
        U, V = _sweeps(_FORMS[problem.form](stage, settings.solver), U, V, rough, _ROUGH, watch)
    exact = not (watch.over and pace.history)
    if exact:
        U, V = _sweeps(model, U, V, pace, settings.tol, watch)
        U, V = _completed(model, U, V, pace, settings, watch)
    details = {"solver": model.solver, "relaxation": pace.relax, "search": search}
    if pace.objectives:
        details["objectives"] = pace.objectives
    error = pace.history[-1] if exact else None
    return Outcome(U, V, pace.done, pace.reason or watch.reason, pace.history, details, error)


def _completed(model, U, V, pace, settings, watch):
    """The sweeps after each time that columns which a penalty has wiped out have something to say again."""
    for turn in range(_REVIVALS if model.problem.regularized and pace.done else 0):
        found = None if watch.over else replenished(model.problem, U, V, settings.key.child(f"revived {turn}"))
        if found is None:
            break
        pace.again()
        U, V = _sweeps(model, found[0], found[1], pace, settings.tol, watch)
    return U, V


def _single_pays(problem):
    large = kernel_pays(problem) and problem.observed.count * problem.rank >= _SINGLE_FROM
    return large and problem.plain and be.is_double(problem.dtype)


def _in_single(problem):
    """The problem in single precision: the first sweeps need no more."""
    values = problem.xp.astype(problem.observed.values, be.single_dtype(problem.xp, problem.dtype))
    return replace(problem, observed=problem.observed.with_values(values))


def _sweeps(model, U, V, pace, tol, watch):
    """Factors after the sweeps that bring the residual to `tol`, or to where it no longer falls."""
    U, V = (model.problem.xp.astype(factor, model.problem.dtype, copy=False) for factor in (U, V))
    while True:
        found = model.sweep(U, V, pace.relax, pace.effort)
        if pace.rises(found[3]):
            found = model.sweep(U, V, pace.relax, pace.effort)
        U, V, square, objective = found
        residual = math.sqrt(square) / model.norm if model.norm > 0.0 else 0.0
        enough = pace.after(residual, tol, objective, max(model.floor, 4 * be.eps(model.problem.dtype)))
        if watch.tick(residual=residual) or enough:
            return U, V


@dataclass
class _Pace:
    """Over-relaxation by Young's formula, and when to stop.

    Near a solution a sweep of two blocks multiplies the error by λ, and ``(λ + ω - 1)² = λ ω² μ²`` ties that to the
    relaxation ω and to a number μ of the problem; the best ω is ``2 / (1 + √(1 - μ²))``. The first sweeps go by
    `prior`, a guess of μ².
    """

    tol: float
    stalled: float
    prior: float
    slowest: float = 0.0
    relax: float = 1.0
    ratio: float = 0.5
    best: float = math.inf
    fall: float = math.inf
    waited: int = 0
    done: bool = False
    reason: str = ""
    history: list = field(default_factory=list)
    objectives: list = field(default_factory=list)

    @property
    def effort(self):
        """How exactly the lines of the next sweep are solved."""
        return Effort(_EXACT * self.ratio, _MOST_STEPS)

    def after(self, residual, tol, objective=None, floor=0.0):
        """Take in the residual after a sweep; whether `tol` is met or the residual no longer falls.

        With an `objective` that is what has to fall, by more than the part `tol` of it, what the falls so far say of
        those to come included, and by more than `floor`.
        """
        last = self.history[-1] if self.history else math.inf
        self.history.append(residual)
        if objective is not None:
            return self._after_objective(objective, tol, floor)
        self.waited = 0 if residual < (1.0 - self.stalled) * self.best else self.waited + 1
        self.best = min(self.best, residual)
        stuck = self.waited >= _PATIENCE
        self.done = residual <= self.tol or stuck
        self.reason = "tolerance met" if residual <= self.tol else "the residual no longer falls" if stuck else ""
        if math.isfinite(last) and last > 0.0:
            self._adapt(residual / last)
        return residual <= tol or stuck

    def rises(self, objective):
        """Whether an over-relaxed step has raised the objective; the next one is then a plain one."""
        risen = objective is not None and self.relax > 1.0 and objective > self.best
        if risen:
            self.relax = 1.0
        return risen

    def again(self):
        """Go on after the iteration was done."""
        self.waited, self.done, self.reason, self.relax, self.fall = 0, False, "", 1.0, math.inf

    def _after_objective(self, objective, tol, floor):
        self.objectives.append(objective)
        fall = (self.best - objective) / objective if objective > 0.0 else 0.0
        ratio = min(fall / self.fall, self.slowest) if 0.0 < fall < math.inf else 0.0
        self.waited = self.waited + 1 if fall <= max(tol * (1.0 - ratio), floor) else 0
        if 0.0 < fall < math.inf and self.fall < math.inf:
            self._adapt((fall / self.fall) ** 0.5)
        self.best, self.fall = min(self.best, objective), fall if fall > 0.0 else math.inf
        self.done = self.waited >= 2
        self.reason = "the penalised residual no longer falls" if self.done else ""
        return self.done

    def _adapt(self, ratio):
        """Choose ω for the next sweep from the fall of the residual in the last one.

        Beyond the best ω every component falls by ω - 1 a sweep, and the formula says nothing: ω then shrinks a little.
        """
        self.ratio = min(max(ratio, 1e-3), 1.0)
        excess = self.relax - 1.0
        if ratio >= 1.0:
            self.relax = 1.0 + 0.5 * excess
        elif len(self.history) < 4:
            self.relax = _best_relaxation(self.prior)
        elif ratio <= 1.15 * excess:
            self.relax = 1.0 + 0.9 * excess
        else:
            best = _best_relaxation((ratio + excess) ** 2 / (ratio * self.relax**2))
            self.relax += 0.5 * (best - self.relax)


def _best_relaxation(square):
    return min(2.0 / (1.0 + math.sqrt(max(0.0, 1.0 - square))), _LARGEST_RELAXATION)
