"""Losses between an entry x and its model m, with their slopes in m."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from .given_arrays import first_place

_CERTAIN = 40.0  # logarithm of odds that count as certain
_TINY = 1e-10  # what keeps logarithms and quotients finite at m = 0


@dataclass(frozen=True)
class Loss:
    """A loss and where it is defined.

    Attributes
    ----------
    name : str
    value, slope : functions of two arrays
        ``f(x, m)`` and ``∂f/∂m``.
    nonneg : bool
        Whether the model must not be negative; the factors then are not.
    allowed : str
        Data that it is for: "any", "nonneg", "counts", "binary" or "positive".
    same_scale : bool
        Whether m stands for x itself: the relative Frobenius error then says something.
    at_zero : str
        Which sums of ``f(0, m)`` over all entries factors tell: "square", "sum" or "".
    degree : float or None
        p where ``f(c x, c m)`` is ``c^p f(x, m)`` and what does not depend on m; None where there is no such p.
    at_scale : function, optional
        The same loss with a parameter over c; None where it has no parameter of the scale of the data.
    best : function, optional
        The model that an entry x by itself would have, or one next to it where that is infinite; x itself for None.
    parameter : float
        That of the losses that have one.
    """

    name: str
    value: Callable[[Any, Any], Any]
    slope: Callable[[Any, Any], Any]
    nonneg: bool
    allowed: str
    same_scale: bool
    at_zero: str = ""
    degree: float | None = None
    at_scale: Callable[[float], Any] | None = None
    best: Callable[[Any], Any] | None = None
    parameter: float = 0.0

    def least(self, x):
        """The least loss that any model of the single entries `x` has, to rounding."""
        return self.value(x, x if self.best is None else self.best(x))


def _xp(m):
    return be.namespace(m)


def _log(m):
    return _xp(m).log(m + _TINY)


def _sign(x):
    return _xp(x).sign(x)


def _softplus(m):
    xp = _xp(m)
    return xp.log1p(xp.exp(-xp.abs(m))) + (m + xp.abs(m)) / 2


def _logistic(m):
    xp = _xp(m)
    part = xp.exp(-xp.abs(m))
    return xp.where(m >= 0, 1 / (1 + part), part / (1 + part))


def _huber(delta):
    def value(x, m):
        xp, gap = _xp(m), _xp(m).abs(x - m)
        return xp.where(gap <= delta, gap * gap, 2 * delta * gap - delta * delta)

    def slope(x, m):
        xp = _xp(m)
        return 2 * xp.clip(m - x, -delta, delta)

    return Loss(
        "huber", value, slope, False, "any", True, degree=2.0, at_scale=lambda c: _huber(delta / c), parameter=delta
    )


def _negative_binomial(trials):
    return Loss(
        "negative_binomial",
        lambda x, m: (trials + x) * _xp(m).log1p(m) - x * _log(m),
        lambda x, m: (trials + x) / (1 + m) - x / (m + _TINY),
        True, "counts", False, best=lambda x: x / trials, parameter=trials,
    )  # fmt: skip


def _beta(power):
    if power in (0.0, 1.0):
        raise ValueError(f"parameter of the beta loss must not be 0 or 1, got {power}: take 'gamma' or 'poisson'")
    return Loss(
        "beta",
        lambda x, m: (m + _TINY) ** (power - 1) * ((m + _TINY) / power - x / (power - 1)),
        lambda x, m: (m + _TINY) ** (power - 2) * (m + _TINY - x),
        True, "positive" if power < 1.0 else "nonneg", True, degree=power, parameter=power,
    )  # fmt: skip


_PLAIN = (
    Loss("gaussian", lambda x, m: (x - m) ** 2, lambda x, m: 2 * (m - x), False, "any", True, "square", 2.0),
    Loss("poisson", lambda x, m: m - x * _log(m), lambda x, m: 1 - x / (m + _TINY), True, "nonneg", True, "sum", 1.0),
    Loss(
        "poisson_log", lambda x, m: _xp(m).exp(m) - x * m, lambda x, m: _xp(m).exp(m) - x, False, "nonneg", False,
        best=_log,
    ),
    Loss(
        "bernoulli", lambda x, m: _xp(m).log1p(m) - x * _log(m), lambda x, m: 1 / (1 + m) - x / (m + _TINY), True,
        "binary", False, best=lambda x: x / _TINY,
    ),
    Loss(
        "bernoulli_logit", lambda x, m: _softplus(m) - x * m, lambda x, m: _logistic(m) - x, False, "binary", False,
        best=lambda x: _CERTAIN * (2 * x - 1),
    ),
    Loss(
        "gamma", lambda x, m: x / (m + _TINY) + _log(m),
        lambda x, m: (1 - x / (m + _TINY)) / (m + _TINY), True, "positive", True, degree=0.0,
    ),
    Loss(
        "rayleigh", lambda x, m: 2 * _log(m) + math.pi / 4 * (x / (m + _TINY)) ** 2,
        lambda x, m: (2 - math.pi / 2 * (x / (m + _TINY)) ** 2) / (m + _TINY), True, "positive", True, degree=0.0,
        best=lambda x: math.sqrt(math.pi) / 2 * x,
    ),
)  # fmt: skip
_SHIFTS = {
    "poisson": lambda c, x: -c * math.log(c) * x,
    "gamma": lambda c, _: math.log(c),
    "rayleigh": lambda c, _: 2 * math.log(c),
}  # what f(c x, c m) is more than c^p f(x, m), for a mean x
_BY_NAME = {loss.name: loss for loss in _PLAIN}
_WITH_PARAMETER = {"huber": (_huber, 1.0), "negative_binomial": (_negative_binomial, 1.0), "beta": (_beta, 0.5)}
LOSSES = (*_BY_NAME, *_WITH_PARAMETER)
"""Names of all losses."""


def loss_called(name, parameter=None):
    """The `Loss` of that name; `parameter` is for those that have one."""
    be.check_option("loss", name, LOSSES)
    if name in _BY_NAME:
        if parameter is not None:
            raise ValueError(f"parameter goes with {', '.join(_WITH_PARAMETER)}; the loss {name!r} has none")
        return _BY_NAME[name]
    make, default = _WITH_PARAMETER[name]
    if parameter is None:
        return make(default)
    return make(be.check_positive("parameter", parameter))


def at_scale(loss, value, scale, mean, weight):
    """A mean loss of data and model over `scale` as that of the data: `mean` is theirs, `weight` that of the weights.

    Both means count the weights; `mean` is that of the data over `scale`.
    """
    if scale == 1.0:
        return value
    shift = _SHIFTS[loss.name](scale, mean) if loss.name in _SHIFTS else 0.0
    return _power(scale, loss.degree) * value + shift * (1.0 if loss.name == "poisson" else weight)


def _power(scale, degree):
    try:
        return scale**degree
    except OverflowError:
        return math.inf


def require_allowed(loss, x):
    """ValueError where the numbers `x` are none that `loss` is for."""
    xp = be.namespace(x)
    wrong = {
        "nonneg": lambda: x < 0,
        "counts": lambda: (x < 0) | (x != xp.round(x)),
        "binary": lambda: (x != 0) & (x != 1),
        "positive": lambda: x <= 0,
    }
    says = {
        "nonneg": "numbers that are not negative",
        "counts": "counts 0, 1, 2, …",
        "binary": "zeros and ones",
        "positive": "positive numbers",
    }
    found = wrong[loss.allowed]() if loss.allowed in wrong else None
    if found is not None and bool(xp.any(found)):
        example = float(x[first_place(found)])
        raise ValueError(
            f"the loss {loss.name!r} is for {says[loss.allowed]}; X holds others, such as {example:g}: mask them or "
            "take another loss"
        )
