"""Nesterov's extrapolation between sweeps, restarted whenever the error rises."""

_FROM = 3  # sweeps before the first extrapolation
_SLOW = 0.5  # ratio of two falls of the error from which on sweeps count as slow


class Momentum:
    """Moves the factors on along the step from the sweep before, by ``(k - 1) / (k + 2)`` of it after k such steps.

    A sweep that ends with a larger error than the one before is undone, and k starts again from nothing. The first
    steps wait until sweeps have become slow: problems that are quickly solved are left alone. Where steps overshoot the
    fit stands still for a moment that is no end: before that is believed, a sweep is taken without them.
    """

    def __init__(self, state):
        self.state = state
        self.steps, self.restarts, self.moves = 0, 0, 0
        self._last, self._moved = None, False

    def undone(self, error, errors):
        """Whether the sweep that ended with `error` had to be undone."""
        if self.steps == 0 or not errors or error <= errors[-1]:
            return False
        self.state.set_factors(self._last)
        self._restart()
        self.restarts += 1
        return True

    def rested(self):
        """Whether the last sweep began where the one before had ended; if not, the next one will."""
        plain = not self._moved
        if self._moved:
            self._restart()
        return plain

    def move(self, errors):
        """Extrapolate for the next sweep."""
        if self.steps == 0 and not _is_slow(errors):
            self._last = None
            return
        factors, last = self.state.absorbed(), self._last
        self._last, self._moved = factors, False
        if last is None:
            return
        self.steps += 1
        share = (self.steps - 1) / (self.steps + 2)
        if share > 0.0:
            self.moves, self._moved = self.moves + 1, True
            self.state.move_to([new + share * (new - old) for new, old in zip(factors, last, strict=True)])

    def _restart(self):
        self.steps, self._last, self._moved = 0, None, False


def _is_slow(errors):
    if len(errors) < _FROM:
        return False
    before, last = errors[-3] - errors[-2], errors[-2] - errors[-1]
    return last > _SLOW * before > 0.0
