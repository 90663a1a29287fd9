"""The bounded quasi-Newton method for generalised CP decompositions."""

import math

import numpy as np

from .. import _backend as be

_PAIRS = 20  # pairs of steps and gradients that are kept
_LOOKS = 20  # evaluations of the loss, in multiples of the steps allowed
_FLAT = 1e-6  # slope along the factors, over the loss, that counts as none


def quasi_newton(task, factors, tol, watch):
    """Factors that minimise the losses of `task`, and what there is to say of it: loss, history, converged, reason."""
    from scipy.optimize import minimize

    objective, source = task.objective(), task.source
    shapes = [tuple(factor.shape) for factor in factors]
    cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]

    def unpacked(vector):
        parts = zip(np.split(vector, cuts), shapes, strict=True)
        return [be.from_numpy(part.reshape(shape), source.xp, source.device, source.dtype) for part, shape in parts]

    start, history = _packed(factors), []
    scale = abs(objective(factors)[0]) or 1.0

    def scaled(vector):
        value, gradients = objective(unpacked(vector))
        return value / scale, _packed(gradients) / scale

    def after(intermediate_result):
        history.append(task.reported(float(intermediate_result.fun) * scale / objective.count))
        if watch.tick(loss=history[-1]):
            raise StopIteration

    limit = max(tol, 4 * be.eps(source.dtype))
    options = {"maxiter": watch.maxiter, "maxfun": _LOOKS * watch.maxiter, "maxcor": _PAIRS, "ftol": limit, "gtol": 0.0}
    bounds = [(0.0, None)] * start.shape[0] if task.loss.nonneg else None
    found = minimize(scaled, start, jac=True, method="L-BFGS-B", bounds=bounds, callback=after, options=options)
    converged, reason = _outcome(found, watch)
    value = task.reported(float(found.fun) * scale / objective.count)
    return unpacked(found.x), {"loss": value, "history": history, "converged": converged, "reason": reason}


def _packed(arrays):
    return np.concatenate([be.to_numpy(part).reshape(-1).astype(np.float64) for part in arrays])


def _outcome(found, watch):
    """``(converged, reason)``."""
    if watch.stopped:
        return False, watch.reason
    if not (math.isfinite(float(found.fun)) and np.isfinite(found.x).all()):
        return False, "the loss is no longer finite"
    if found.status == 0:
        return True, "the loss no longer changes"
    if found.status == 2 and (watch.count or np.linalg.norm(found.jac) * np.linalg.norm(found.x) <= _FLAT):
        return True, "the loss falls no further"
    if found.status == 2:
        return False, "no step from the start lowers the loss"
    return False, watch.reason if watch.over else f"{_LOOKS * watch.maxiter} evaluations of the loss"
