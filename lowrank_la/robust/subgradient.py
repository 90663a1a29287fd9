"""The sub-gradient method from a small start, for the sum of absolute residuals."""

from dataclasses import dataclass, field
from typing import Any

from .. import _backend as be
from .factors import product_svd
from .isotropy import far_from_isotropic
from .schedule import schedule_for, start_from
from .sizes import fitted, mostly_fitted, spread, within

_FIRST = 0.5  # first step, relative to the size of the sub-gradient
_SHORT = 0.25  # the same from a large start, whose excess has to be taken down
_LARGE = 1e-2
_ROUNDS = 4
_EMERGED = 10.0  # times the initial scale, relative to the largest: what has grown to be a part of the answer
_AT_MOST = 0.05
_NEGLIGIBLE = 1e-3  # size beside the largest direction below which none is looked for
_AVERAGED = 64  # last steps of a round whose signs are averaged
_OF_SOME_SIZE = 0.02
_MAJORITY = 0.6  # values that have to be within `truncate` medians in the end
_LEFT_OVER = 1.5  # how far a direction that is left over has to stand out of the noise


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be recovered.

    Attributes
    ----------
    measurement : Measurement
    y : array
        At a safe scale.
    rank : int
    symmetric : bool
        Find ``U Uᵀ`` instead of ``U Vᵀ``.
    key : Key
    truncate : float or None
        Residuals above that many medians count for nothing.
    """

    measurement: Any
    y: Any
    rank: int
    symmetric: bool
    key: Any
    truncate: float | None = None

    def image(self, image):
        """The image, its symmetric part where that is what counts."""
        return image.symmetrized() if self.symmetric else image

    def residual_image(self, U, V, weigh):
        """``z = A(U Vᵀ) - y`` and the image of ``weigh(z)``."""
        z, image = self.measurement.residual_image(U, V, self.y, weigh)
        return z, self.image(image)

    def zero(self):
        """Factors of the zero matrix."""
        zeros, y = be.namespace(self.y).zeros, self.y
        return (zeros((side, self.rank), dtype=y.dtype, device=be.device(y)) for side in self.measurement.shape)


@dataclass(eq=False)
class Found:
    """Factors that a method found, and what it knows about them."""

    U: Any
    V: Any
    converged: bool | None
    reason: str
    history: list = field(default_factory=list)
    details: dict = field(default_factory=dict)
    method: str | None = None


def subgradient(task, init_scale, tol, watch):
    """Rounds of sub-gradient steps, each from a small start in the directions that are still missing.

    Notes
    -----
    Ma and Fattahi (2023): ``U ← U - h Q U`` with Q the image of the signs of the residual, h falling geometrically. One
    round finds the directions that stand out of the noise in the image of the signs of `y`. Weak ones may be hidden by
    the strong ones: the signs of the residual show them after the round, and the next round is for them.
    """
    xp, y = be.namespace(task.y), task.y
    image = task.image(task.measurement.adjoint(xp.sign(y) / y.shape[0]))
    start = start_from(image, task.measurement, y, task.rank, task.symmetric, task.key)
    U, V = task.zero()
    if start.size <= 0.0 or float(start.values[0]) <= 0.0:
        return Found(U, V, False, "the signs of y point to no matrix", details={"rounds": 0})
    U, V = start.factors(init_scale)
    run, left, hidden = _Run(task, tol, watch), None, start.count == 0
    longest = first = _FIRST if init_scale < _LARGE else _SHORT
    for _ in range(_ROUNDS):
        U, V = run.round(U, V, schedule_for(start, init_scale, first))
        left = run.left_over(U, V, init_scale)
        if left is None:
            break
        start, first = left.start, longest * left.share
        U, V = left.factors(init_scale, task.rank)
    rank = emerged(product_svd(U, V)[1], init_scale)
    details = {"rounds": len(run.decays), "decay": run.decays[0], "numerical_rank": rank}
    converged, reason = _verdict(run, hidden, left, rank, U, V)
    return Found(U, V, converged, reason, run.history, details)


class _Run:
    """Rounds of one call, and what they leave behind for the next."""

    def __init__(self, task, tol, watch):
        self.task, self.tol, self.watch = task, tol, watch
        self.history, self.decays = [], []
        self.done, self.z, self.signs = False, None, None

    def round(self, U, V, schedule):
        """The factors after one round; the signs of its last residuals are averaged."""
        task, xp, count = self.task, be.namespace(self.task.y), self.task.y.shape[0]
        self.decays.append(schedule.decay)
        steps = schedule.steps(self.tol) if self.tol > 0.0 else None
        t, self.done, self.signs, limit = 0, False, None, None
        while not self.done:
            weigh = _signs_within(limit)
            z, image = task.residual_image(U, V, weigh)
            limit = None if task.truncate is None else task.truncate * spread(z, task.y)
            self.history.append(float(xp.sum(xp.abs(z))) / count)
            step = schedule.step(t) / image.norm if image.norm > 0.0 else 0.0
            U, V = self._moved(U, V, image, step)
            t += 1
            self.done = step == 0.0 or (steps is not None and t >= steps)
            if self.done or (steps is not None and t > steps - _AVERAGED):
                self.z, self.signs = z, weigh(z) if self.signs is None else self.signs + weigh(z)
            if self.watch.tick(loss=self.history[-1], step=schedule.step(t)):
                break
        return U, V

    def _moved(self, U, V, image, step):
        if self.task.symmetric:
            U = U - step * image.times(U)
            return U, U
        return U - step * image.times(V), V - step * image.adjoint_times(U)

    @property
    def fitted(self):
        """Whether half of the values are met exactly."""
        if self.z is None:
            return False
        return mostly_fitted(self.z, self.task.y)

    def left_over(self, U, V, init_scale):
        """`LeftOver`, or None where the round was cut short or nothing is left over that the data can show.

        At a minimum the averaged signs have an image that is zero in the directions found, and noise in the others.
        """
        if not self.done or self.watch.over or self.signs is None:
            return None
        task, xp = self.task, be.namespace(U)
        size = float(xp.max(xp.abs(self.signs)))
        if size == 0.0 or self.fitted:
            return None
        image = task.image(task.measurement.adjoint(self.signs * (-1.0 / (size * task.y.shape[0]))))
        start = start_from(image, task.measurement, -self.z, task.rank, task.symmetric, task.key, _LEFT_OVER)
        if start.count == 0 or start.size <= 0.0:
            return None
        L, s, R = product_svd(U, V)
        largest, taken = float(s[0]), emerged(s, init_scale)
        share = min(1.0, start.size * float(start.values[0]) / largest) if largest > 0.0 else 1.0
        if share <= max(self.tol, _NEGLIGIBLE):
            return None
        roots = xp.sqrt(s[:taken])[None, :]
        left, right = L[:, :taken] * roots, R[:, :taken] * roots
        return LeftOver(start, left, left if task.symmetric else right, share)


def _signs_within(limit):
    """The signs of residuals, zero beyond `limit`, which the step before has told."""

    def weigh(z):
        xp = be.namespace(z)
        return xp.sign(z) if limit is None else xp.sign(z) * within(z, limit)

    return weigh


@dataclass(frozen=True, eq=False)
class LeftOver:
    """Directions that a round left at zero: where to start, the factors to keep, and their size beside them."""

    start: Any
    left: Any
    right: Any
    share: float

    def factors(self, init_scale, rank):
        """The factors that were found, and a small start in the columns that are free."""
        xp, free = be.namespace(self.left), rank - self.left.shape[1]
        U, V = self.start.factors(init_scale)
        if free <= 0:
            return self.left, self.right
        return xp.concat([self.left, U[:, :free]], axis=1), xp.concat([self.right, V[:, :free]], axis=1)


def points_elsewhere(task, z, largest, negative=False):
    """Whether the signs of the residuals that are not met have an image that stands out of noise, and is of some size.

    Some size is a fiftieth of `largest`, the largest singular value of the answer. With `negative` in the directions
    that a positive semidefinite matrix can't take.
    """
    xp = be.namespace(z)
    signs = xp.sign(z) * (1.0 - fitted(z, task.y)) / z.shape[0]
    if not negative:
        z, signs = -z, -signs
    image = task.image(task.measurement.adjoint(signs))
    start = start_from(image, task.measurement, z, task.rank, task.symmetric, task.key, _LEFT_OVER)
    return start.count > 0 and start.size * float(start.values[0]) > _OF_SOME_SIZE * largest


def doubt_truncation(task, z, largest, rank):
    """Why residuals beyond `truncate` medians look like a part of the answer; None where they do not."""
    share = float(be.namespace(z).sum(within(z, task.truncate * spread(z, task.y)))) / z.shape[0]
    if share * z.shape[0] < parameters(task, rank):
        return f"fewer values within `truncate` medians than a matrix of rank {rank}, the rank found, has"
    if share < _MAJORITY:
        return f"only {share:.0%} of the values are within `truncate` medians"
    if points_elsewhere(task, z, largest):
        return "the values beyond `truncate` medians point to directions not found"
    return None


def emerged(values, init_scale):
    """How many singular values of the product have left the size of the start."""
    floor = min(_EMERGED * init_scale, _AT_MOST) * float(values[0])
    return max(1, sum(1 for value in values if float(value) > floor))


def parameters(task, rank):
    """How many numbers determine a matrix of that rank."""
    m, n = task.measurement.shape
    return rank * (2 * n - rank + 1) // 2 if task.symmetric else rank * (m + n - rank)


def _verdict(run, hidden, left, rank, U, V):
    """``(converged, reason)``."""
    if run.tol == 0.0:
        return None, run.watch.reason
    if not run.done:
        return False, run.watch.reason
    if run.task.y.shape[0] < parameters(run.task, rank):
        return False, f"fewer measurements than a matrix of rank {rank}, the rank found, has parameters"
    doubt = None if run.fitted else far_from_isotropic(run.task)
    if doubt:
        return False, doubt
    if hidden and not run.fitted:
        return False, "no direction of the data stands out of what spoilt measurements alone would show"
    if left is not None:
        return False, "directions were still missing after the last round"
    largest = float(product_svd(U, V)[1][0])
    if run.task.symmetric and not run.fitted and points_elsewhere(run.task, run.z, largest, negative=True):
        return False, "the data belong to no positive semidefinite matrix"
    cut_off = None if run.task.truncate is None or run.fitted else doubt_truncation(run.task, run.z, largest, rank)
    return (False, cut_off) if cut_off else (True, "the schedule came to its end")
