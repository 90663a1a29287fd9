"""When an iteration is worth testing for convergence: a test costs a small decomposition."""

import math

_ALWAYS_BELOW = 120
_LONGEST = 0.34
_SUSPECT = 1000.0


class Schedule:
    """Extrapolates the residuals seen so far and names the next step to test."""

    def __init__(self, target):
        self.target = target
        self.seen = []
        self.next = 0

    def due(self, step, size, needed):
        """Whether step `step` with a basis of `size` columns, of which `needed` are wanted, deserves a test."""
        return size >= needed and (step >= self.next or size <= _ALWAYS_BELOW)

    def record(self, step, residual):
        """Take in the residual of a test and plan the next one."""
        self.seen.append((step, max(residual, 1e-300)))
        self.next = step + 1
        if len(self.seen) > 1:
            (step0, first), (step1, last) = self.seen[-2:]
            rate = math.log(first / last) / (step1 - step0)
            missing = math.log(max(last / self.target, 1.0))
            if rate > 0:
                longest = max(1, int(_LONGEST * step))
                self.next = step + min(longest, max(1, int(0.6 * missing / rate)))


class Recount:
    """Suspects repeated values where a residual falls to rounding at once, and asks for fresh columns.

    One block holds no more copies of a value than it has columns; the missing ones show as soon as columns are drawn
    outside the space found so far. `needed` says so until the leading values stay as they are.
    """

    def __init__(self, eps, accuracy):
        self.level, self.accuracy = _SUSPECT * eps, accuracy
        self.before = None

    def needed(self, values, residual, exhausted):
        """Whether the convergence of the host array `values` with the largest relative `residual` is suspect."""
        if not exhausted and (residual > self.level or self.accuracy < 100.0 * self.level):
            return False
        same = self.before is not None and abs(values - self.before).max() <= self.accuracy * abs(values).max()
        self.before = values
        return not same
