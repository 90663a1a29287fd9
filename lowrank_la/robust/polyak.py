"""Sub-gradient steps whose length comes from the loss that is left: Polyak's where the optimum is known."""

from .. import _backend as be
from .factors import product_svd
from .gradient import preconditioned
from .median_excess import MedianExcess
from .schedule import median_ratio
from .sizes import fitted, mostly_fitted, typical, within
from .subgradient import Found, emerged, parameters, points_elsewhere

_NEGLIGIBLE = 1e-7  # singular values beside the largest that don't count as rank, times ten
_PROBED, _BELOW = 100, 0.05
_FLOOR = 64.0  # units of roundoff of the values that no loss falls below
_PATIENCE = 15  # steps without enough progress after which the level is raised


def polyak(task, optimum, scaled, tol, watch):
    """Steps of length ``(f - level) / ‖g‖²``, in the metric of the other factor where `scaled`.

    Notes
    -----
    The level is the optimum where that is known (Tong, Ma and Chi 2021). Else it is the best loss found less a gap
    that is halved whenever fifteen steps have not closed half of it. With "median" in place of the optimum
    `MedianExcess` tells what is to be gained.
    """
    by_median = optimum == "median"
    if not by_median and optimum is not None and optimum * be.eps(task.y.dtype) > typical(task.y) > 0.0:
        raise ValueError(
            "optimum must not be so large beside the median of |y| that rounding hides the values that are not spoilt: "
            f"got {optimum / typical(task.y):.3g} times that; leave it out"
        )
    U, V = spectral_start(task)
    weigh = _bounded_sign(task)
    level = MedianExcess(task.y, tol) if by_median else _Level(task.y, optimum, tol)
    reason, converged, best = "", None, (float("inf"), U, V)
    history = []
    while True:
        z, image = task.residual_image(U, V, weigh)
        loss = float(be.namespace(z).sum(z * weigh(z))) / z.shape[0]
        history.append(loss)
        best = (loss, U, V) if loss < best[0] or not level.keeps_best else best
        step, over = level.after(loss, z), watch.tick(loss=loss)
        if over or level.reached:
            converged, reason = _verdict(task, level, watch, scaled, *best[1:])
            return Found(best[1], best[2], converged, reason, history, {"level": level.value})
        if level.raised:
            U, V = best[1:]
            continue
        U, V = _moved(task, U, V, image, step, scaled, loss / history[0])


def _bounded_sign(task):
    """The sign of a residual, 0 where it is so large that rounding would hide the others in the sum."""
    xp, y = be.namespace(task.y), task.y
    limit = typical(y) / be.eps(y.dtype)
    if limit == 0.0 or float(xp.max(xp.abs(y))) <= limit:
        return xp.sign
    return lambda z: xp.sign(z) * within(z, limit)


def _verdict(task, level, watch, scaled, U, V):
    """``(converged, reason)``: an estimated level is no optimum, so the fit has to speak for itself."""
    if level.tol == 0.0:
        return None, watch.reason
    if not level.reached:
        return False, watch.reason
    z = task.measurement.forward(U, V) - task.y
    exact = float(be.namespace(z).sum(fitted(z, task.y)))
    s = product_svd(U, V)[1]
    rank, count = emerged(s, _NEGLIGIBLE) if float(s[0]) > 0.0 else 0, z.shape[0]
    needed = parameters(task, rank)
    if count < needed:
        return False, f"fewer measurements than a matrix of rank {rank}, the rank found, has parameters"
    if level.optimum is not None:
        if level.optimum > 0.0 and _falls_below(task, level.optimum, U, V, scaled, needed / count):
            return False, "the loss falls clearly below `optimum`, which is too large: give another or leave it out"
        return True, "the loss is at its optimum within tol"
    if mostly_fitted(z, task.y) and exact > needed:
        return True, f"{level.ended}, and most values are met exactly"
    largest = float(s[0])
    if points_elsewhere(task, z, largest):
        return False, f"{level.ended}, and the residuals point to directions not found"
    if task.symmetric and points_elsewhere(task, z, largest, negative=True):
        return False, "the data belong to no positive semidefinite matrix"
    return None, f"{level.ended}, which need not be the optimum"


def _falls_below(task, optimum, U, V, scaled, share):
    """Whether steps towards half of `optimum` take the loss below it by more than a fit of parameters explains.

    `share` is that of the parameters among the measurements.
    """
    weigh, count, first = _bounded_sign(task), task.y.shape[0], None
    for _ in range(_PROBED):
        z, image = task.residual_image(U, V, weigh)
        loss = float(be.namespace(z).sum(z * weigh(z))) / count
        first = loss if first is None else first
        if loss < optimum * max(1.0 - _BELOW - 2.0 * share, 0.6):
            return True
        if loss <= 0.0:
            break
        U, V = _moved(task, U, V, image, loss - optimum / 2, scaled, loss / first)
    return False


class _Level:
    """The loss to aim for."""

    keeps_best, ended = True, "the loss is at its estimated level"

    def __init__(self, y, optimum, tol):
        self.optimum, self.tol, self.floor = optimum, tol, _FLOOR * be.eps(y.dtype) * typical(y)
        self.first = self.best = self.gap = None
        self.idle, self.raised, self.reached = 0, False, False

    @property
    def value(self):
        """The loss aimed for."""
        return self.optimum if self.optimum is not None else max(self.best - self.gap, 0.0)

    def after(self, loss, _):
        """Take in a loss; what is to be gained."""
        if self.first is None:
            self.first = self.best = loss
            self.gap = loss / 2
        self.raised = False
        if self.optimum is None:
            self._adapt(loss)
            self.reached = self.tol > 0.0 and self.gap <= self.tol * self.first
        else:
            self.reached = self.tol > 0.0 and loss - self.optimum <= max(self.tol * self.first, self.floor)
        return max(loss - self.value, 0.0)

    def _adapt(self, loss):
        if loss < self.best - self.gap / 2:
            self.best, self.idle = loss, 0
            return
        self.idle += 1
        if self.idle >= _PATIENCE:
            self.gap, self.idle, self.raised = self.gap / 2, 0, True


def _moved(task, U, V, image, excess, scaled, share):
    """One step; `image` belongs to the sum of absolute residuals, the loss is their mean."""
    count = task.y.shape[0]
    left, right = image.times(V), image.adjoint_times(U)
    along_left, along_right = left, right
    if scaled:
        largest = max(be.fro_norm(V), be.fro_norm(U))
        damping = min(share, 1.0) * 1e-3 * largest * largest / U.shape[1]
        along_left, along_right = preconditioned(left, V, damping), preconditioned(right, U, damping)
    xp = be.namespace(U)
    slope = float(xp.sum(left * along_left)) + float(xp.sum(right * along_right))
    if slope <= 0.0:
        return U, V
    length = excess * count / slope
    if task.symmetric:
        U = U - length * along_left
        return U, U
    return U - length * along_left, V - length * along_right


def spectral_start(task):
    """Balanced factors of the image of those data that are not large, scaled to fit half of them."""
    xp, y = be.namespace(task.y), task.y
    image = task.image(task.measurement.adjoint(y * within(y, typical(y)) / y.shape[0]))
    left, values, right = image.leading(task.rank, task.symmetric, task.key)
    values = xp.maximum(values, xp.zeros_like(values))
    size = median_ratio(y, task.measurement.forward(left * values[None, :], right))
    root = xp.sqrt(values * max(size, 0.0))[None, :]
    return left * root, right * root
