"""When a method of robust principal component analysis has come to its end."""

import math

from .. import _backend as be

_STALLED, _WINDOW = 0.9, 8
_ROUNDING = 32.0


class Ending:
    """When an iteration ends: ‖W‖ at `tol` of the data and of L, or neither residual nor threshold falling any more.

    Rounding is that of the clean entries, whose size `gauges` tell: outliers, however large, leave ‖W‖ alone.

    Attributes
    ----------
    history : list of float
        ‖W‖ over the norm of the data.
    relative : float
        ‖W‖ over the norm of L, or of as many clean entries where that is larger.
    reason : str
        Empty while the iteration goes on.
    """

    def __init__(self, data, tol, *gauges):
        self.norm, self.tol, self.eps = data.norm, tol, be.eps(data.dtype)
        self.clean = math.hypot(*(gauge.clean_norm() for gauge in gauges)) or data.norm
        self.history, self.limits, self.reason, self.relative = [], [], "", math.inf

    def after(self, norm, limit, size, watch):
        """Take in ‖W‖, the threshold and ‖L‖; `watch` is given where no further iteration is allowed."""
        self.history.append(norm / self.norm)
        self.limits.append(limit)
        reference = min(max(size, self.clean), self.norm)
        self.relative = norm / reference
        if norm <= max(self.tol * min(size, self.norm), _ROUNDING * self.eps * reference):
            self.reason = "tolerance met"
        elif watch is not None or self._stalled():
            met = self.relative <= self.tol
            stalled = "the residual no longer falls" if watch is None else watch.reason
            self.reason = "tolerance met" if met else stalled
        return bool(self.reason)

    def _stalled(self):
        if len(self.history) <= _WINDOW:
            return False
        return all(values[-1] > _STALLED * values[-1 - _WINDOW] for values in (self.history, self.limits))
