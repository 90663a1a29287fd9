"""How far a loss is above its optimum, told from the median of the residuals."""

from .sizes import spread, typical

_PART = 0.5  # of the median: 0.4 to 1.5 times the excess for up to two fifths of outliers, Gaussian measurements
_FALLEN, _PATIENCE = 0.9, 20


class MedianExcess:
    """Part of the median residual, which falls to zero with the error as long as most values are right.

    The part is halved where the median has not fallen by a tenth in twenty steps: it was too large a part, or what is
    left is noise.

    Attributes
    ----------
    reached : bool
        Whether the part is at `tol` of the median of `y`.
    """

    optimum, raised, keeps_best = None, False, False
    ended = "steps by the median residual have become as small as tol"

    def __init__(self, y, tol):
        self.y, self.tol, self.least = y, tol, tol * typical(y)
        self.part, self.best, self.idle = _PART, float("inf"), 0
        self.reached, self.value = False, 0.0

    def after(self, loss, z):
        """Take in a loss and its residuals; what is to be gained."""
        size = spread(z, self.y)
        if size < _FALLEN * self.best:
            self.best, self.idle = size, 0
        else:
            self.idle += 1
        if self.idle >= _PATIENCE:
            self.part, self.best, self.idle = self.part / 2, size, 0
        excess = self.part * size
        self.reached = self.tol > 0.0 and excess <= self.least
        self.value = max(loss - excess, 0.0)
        return excess
