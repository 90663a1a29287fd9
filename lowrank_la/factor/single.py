"""When a subspace may be looked for in single precision, at half the cost, and when that search is hopeless.

The subspace is judged in double precision: an unsquared Rayleigh-Ritz pass, and residuals measured with `A`. Rounding
of ``AᴴA`` moves its eigenvectors by ``eps σ₁² / σ_k²``, which leaves a residual of about ``eps σ₁ / 2σ_k`` (relative
to σ₁). Columns that just fall short are multiplied by ``AᴴA`` in double precision once; what still falls short is found
again in double precision.
"""

from .. import _backend as be

_EPS = 2.0**-23
_LEAST_ACCURACY = 4 * _EPS
_SAFE_NORM = 1e8  # its fourth power is a single precision number, and so is that of its inverse
_SHARE = 0.7  # of the accuracy asked, left to the iteration; rounding takes its own
_HOPE = 2.0
_PATIENCE = 20


def admits(A, request):
    """Whether `A` and what is asked of it leave room for single precision."""
    known = request.norm is not None and 1 / _SAFE_NORM < request.norm < _SAFE_NORM
    return (
        known
        and request.tol is None
        and request.accuracy >= _LEAST_ACCURACY
        and be.is_double(A.dtype)
        and not be.on_accelerator(A.xp, A.device)
    )


def floor(w, rank):
    """Residual, relative to σ₁, that single precision leaves on the `rank` largest of the ascending squares `w`."""
    largest, least = float(w[-1]), float(w[-min(rank, w.shape[0])])
    return 0.5 * _EPS * (largest / least) ** 0.5 if least > 0 else float("inf")


class Trial:
    """The caller's watch during an attempt in single precision, which it ends where that can't get there."""

    def __init__(self, watch, accuracy):
        self.watch, self.accuracy = watch, accuracy
        self.hopeless = False
        self._best, self._since = float("inf"), 0

    @property
    def count(self):
        """Iterations so far."""
        return self.watch.count

    @property
    def last(self):
        """Whether the iteration under way is the last one allowed."""
        return self.watch.last

    def tick(self, **state):
        """Report one iteration; True when no other may follow."""
        return self.watch.tick(**state) or self.hopeless

    def judged(self, top, residuals, w, rank):
        """Scale and residuals for the stopping test, which is met where rounding starts to show in them."""
        least = floor(w, rank)
        worst = float(be.namespace(residuals).max(residuals[-rank:]))
        if worst < 0.5 * self._best:
            self._best, self._since = worst, self.count
        self.hopeless = least > _HOPE * self.accuracy or self.count > self._since + _PATIENCE
        return top * max(_SHARE, least / self.accuracy), residuals
