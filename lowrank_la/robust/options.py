"""The options of `recover`, and which method they ask for."""

import math
from dataclasses import dataclass, replace

from .. import _backend as be

LIMIT = {"subgradient": 200_000, "polyak": 5_000}
"""Steps at most of the methods for the sum of absolute residuals."""
MEDIAN = "median"
"""In place of `optimum`: the median residual tells how far the loss is above it."""
_SMALL = 1e-9
_LARGEST = 0.5
_START = 0.1


@dataclass(frozen=True)
class Options:
    """What of its arguments decides how `recover` goes about it."""

    method: str
    symmetric: bool
    init_scale: float
    optimum: float | str | None
    preconditioned: bool
    truncate: float | None
    tol: float | None

    def scaled_by(self, y, exponent, measurement):
        """The options with the default tolerance of the dtype, and the optimum in the scale of `y`."""
        squares = self.method not in LIMIT
        tol = (1e-7 if squares else 1e-9 if be.is_double(y.dtype) else 1e-6) if self.tol is None else self.tol
        optimum = self.optimum
        if optimum is not None and optimum != MEDIAN:
            factor = getattr(measurement, "factor", 1.0)
            optimum = _times_power(optimum * factor, -exponent)
        return replace(self, tol=tol, optimum=optimum)


def _times_power(value, exponent):
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.inf


def checked_options(loss, symmetric, init_scale, rebalance, preconditioned, optimum, truncate, tol, on_failure):
    """`Options` from the arguments of those names; what a method has no use for is refused."""
    be.check_option("loss", loss, ("l1", "l2"))
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    symmetric = be.check_flag("symmetric", symmetric)
    preconditioned = be.check_flag("preconditioned", preconditioned)
    if not isinstance(rebalance, bool):
        be.check_option("rebalance", rebalance, ("auto", True, False))
    optimum = _checked_optimum(optimum, loss, preconditioned)
    truncate = None if truncate is None else be.check_positive("truncate", truncate)
    if truncate is not None and truncate < 1.0:
        raise ValueError(f"truncate must be at least 1, the median itself; got {truncate}")
    if truncate is not None and not (preconditioned if loss == "l2" else not preconditioned and optimum is None):
        raise ValueError(
            "truncate goes with loss='l2', preconditioned=True, since a random start does not tell outliers apart, and "
            "with loss='l1' without preconditioned and optimum, whose steps come from the whole loss"
        )
    tol = None if tol is None else be.check_positive("tol", tol, zero=True)
    if tol is not None and tol >= 1.0:
        raise ValueError(f"tol must lie in [0, 1), got {tol}")
    if loss == "l1":
        method = "polyak" if preconditioned or optimum is not None else "subgradient"
    elif preconditioned:
        method = "scaled_gradient"
    else:
        method = "rebalanced" if rebalance else "symmetric" if symmetric else "asymmetric"
    scale = (_SMALL if loss == "l1" else _START) if init_scale is None else be.check_positive("init_scale", init_scale)
    most = _LARGEST if loss == "l1" else 1.0
    if scale > most:
        raise ValueError(
            f"init_scale must lie in (0, {most}] with loss={loss!r}, relative to the size of the answer; got {scale}"
        )
    if init_scale is not None and method in ("polyak", "scaled_gradient"):
        raise ValueError(
            "init_scale has no effect with optimum or preconditioned, which start from a spectral estimate"
        )
    if rebalance != "auto" and method not in ("rebalanced", "symmetric", "asymmetric"):
        raise ValueError("rebalance goes with loss='l2' and without preconditioned: leave it at 'auto'")
    return Options(method, symmetric, scale, optimum, preconditioned, truncate, tol)


def _checked_optimum(optimum, loss, preconditioned):
    if optimum is None:
        return None
    if isinstance(optimum, str):
        if optimum != MEDIAN:
            raise ValueError(f"optimum must be a number ≥ 0 or {MEDIAN!r}, got {optimum!r}")
    else:
        optimum = be.check_positive("optimum", optimum, zero=True)
    if loss != "l1":
        raise ValueError("optimum is the value of the sum of absolute residuals: pass loss='l1'")
    if optimum == MEDIAN and not preconditioned:
        raise ValueError("optimum='median' goes with preconditioned=True: without, it ends before weak directions do")
    return optimum
