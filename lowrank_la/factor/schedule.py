"""When an iteration is worth testing for convergence: a test costs a small decomposition."""

import math

import numpy as np

_ALWAYS_BELOW = 120
_LONGEST = 0.34
_CLUSTER = 4.0


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
    """Suspects values repeated more often than a block is wide, and asks for fresh columns.

    A Krylov space holds no more copies of a value than its block has columns. Where some are missing, the values found
    hold a cluster as large as the block; `needed` says so until fresh columns leave the values as they are.
    """

    def __init__(self, width, accuracy):
        self.width, self.accuracy = width, accuracy
        self.before = None

    def suspects(self, values):
        """Whether the host array `values` holds a cluster as large as a block."""
        if len(values) < self.width:
            return False
        ordered = np.sort(values)
        spread = ordered[self.width - 1 :] - ordered[: len(ordered) - self.width + 1]
        return bool((spread <= _CLUSTER * self.accuracy * abs(values).max()).any())

    def needed(self, values):
        """Whether the converged host array `values` may lack copies and fresh columns have not been tried in vain."""
        if not self.suspects(values):
            return False
        top = abs(values).max()
        known = self.before is not None and len(self.before) == len(values)
        same = known and abs(values - self.before).max() <= _CLUSTER * self.accuracy * top
        self.before = values
        return not same
