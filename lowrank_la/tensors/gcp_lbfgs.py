"""The bounded quasi-Newton method for generalised CP decompositions."""

import math

import numpy as np

from .. import _backend as be

_STEPS = 5  # that have to leave the fit as it is, since a single one may be short
_ROUNDING = 4.0
_PAIRS = 20  # pairs of steps and gradients that are kept
_LOOKS = 20  # evaluations of the loss, in multiples of the steps allowed
_FLAT = 1e-6  # slope along the factors, over the loss, that counts as none
_STEEP = 1e-2  # the same, above which a loss falls further than the line search that gave up says


class Fit:
    """One less the root of the deviance, relative to that of the `reference`, after each step.

    The deviance is the loss less the least one that single entries allow. The fit stands still where the last steps
    together have changed it by less than `tol`, or lowered the loss by rounding alone; `losses` are the sums so far.
    """

    def __init__(self, least, reference, tol, eps):
        self.least, self.tol, self.eps = least, tol, eps
        self.size = max(reference - least, 0.0) or abs(least) or 1.0
        self.losses = []

    @property
    def stands_still(self):
        """Whether it does after the steps whose sums are in `losses`."""
        if len(self.losses) <= _STEPS:
            return False
        before, loss = self.losses[-1 - _STEPS], self.losses[-1]
        rounding = _ROUNDING * self.eps * max(abs(before), abs(self.least))
        return self._missed(before) - self._missed(loss) < self.tol or before - loss <= rounding

    def _missed(self, loss):
        return math.sqrt(max(loss - self.least, 0.0) / self.size)


def quasi_newton(task, factors, plain, tol, watch):
    """Factors that minimise the losses of `task`, and what there is to say of it: loss, history, converged, reason.

    `plain` are random factors, whose deviance `tol` is relative to where that of the start is larger. Exponentials make
    that of both as large as can be: for losses with them it is at most that of no terms at all.
    """
    from scipy.optimize import minimize

    objective, source = task.objective(), task.source
    shapes = [tuple(factor.shape) for factor in factors]
    cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]

    def unpacked(vector):
        parts = zip(np.split(vector, cuts), shapes, strict=True)
        return [be.from_numpy(part.reshape(shape), source.xp, source.device, source.dtype) for part, shape in parts]

    def scaled(vector):
        value, gradients = objective(unpacked(vector))
        return value / scale, _packed(gradients) / scale

    def after(intermediate_result):
        fit.losses.append(float(intermediate_result.fun) * scale)
        history.append(task.reported(fit.losses[-1] / objective.count))
        if watch.tick(loss=history[-1]) or fit.stands_still:
            raise StopIteration

    start, history = _packed(factors), []
    first = objective(factors)[0]
    scale, reference = abs(first) or 1.0, first if plain is factors else min(first, objective(plain)[0])
    if not (task.loss.same_scale or task.loss.nonneg):
        reference = min(reference, objective([factor * 0 for factor in factors])[0])
    fit = Fit(task.least, reference, tol, be.eps(source.dtype))
    options = {"maxiter": watch.maxiter, "maxfun": _LOOKS * watch.maxiter, "maxcor": _PAIRS, "ftol": 0.0, "gtol": 0.0}
    bounds = [(0.0, None)] * start.shape[0] if task.loss.nonneg else None
    found = minimize(scaled, start, jac=True, method="L-BFGS-B", bounds=bounds, callback=after, options=options)
    converged, reason = _outcome(found, watch, fit.stands_still)
    if converged and float(found.fun) * scale > reference + _ROUNDING * fit.eps * abs(reference):
        converged, reason = False, "the loss ends above that of a random start or of no terms"
    size = max(abs(float(found.fun)), abs(task.least) / scale, abs(reference) / scale)
    if converged and not fit.stands_still and _slope(found, bounds) > _STEEP * size:
        converged, reason = False, "no step lowers the loss, which is not flat"
    value = task.reported(float(found.fun) * scale / objective.count)
    return unpacked(found.x), {"loss": value, "history": history, "converged": converged, "reason": reason}


def _slope(found, bounds):
    """Slope along the factors, without what the bounds hold."""
    held = (found.x <= 0.0) & (found.jac > 0.0) if bounds else np.zeros(found.x.shape, bool)
    return np.linalg.norm(np.where(held, 0.0, found.jac)) * np.linalg.norm(found.x)


def _packed(arrays):
    return np.concatenate([be.to_numpy(part).reshape(-1).astype(np.float64) for part in arrays])


def _outcome(found, watch, still):
    """``(converged, reason)``."""
    if watch.stopped:
        return False, watch.reason
    if not (math.isfinite(float(found.fun)) and np.isfinite(found.x).all()):
        return False, "the loss is no longer finite"
    if still or found.status == 0:
        return True, "the fit no longer changes" if still else "the loss falls no further"
    if found.status == 2 and (watch.count or np.linalg.norm(found.jac) * np.linalg.norm(found.x) <= _FLAT):
        return True, "the loss falls no further"
    if found.status == 2:
        return False, "no step from the start lowers the loss"
    return False, watch.reason if watch.over else f"{_LOOKS * watch.maxiter} evaluations of the loss"
