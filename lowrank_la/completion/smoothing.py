"""How fast the smoothing of iteratively reweighted least squares may fall."""

import math

from .. import _backend as be

_DECAY = 0.9
_GAP = 1e-3
_PATIENCE = 25
_PROGRESS = 0.5
_HEAT = 50.0
_REHEATS = 4
_CLEAR = 1.0 + 1e-4


class Smoothing:
    """The smoothing ε, which follows the singular value after the wanted ones, gently while that is not yet small.

    Attributes
    ----------
    eps : float
        Singular values above ε count by their logarithm, those below by their square.
    reheats : int
        How often ε was raised again.
    stuck : bool
        ε is at rounding, or no longer falls although it has been raised.

    Notes
    -----
    Taking ε to ``σ_{r+1}`` at once, as published, ends in false limits where entries are few: weak directions are
    decided before strong ones are right. A fall by no more than a tenth a step costs steps and finds the matrix from
    half as many surplus entries. Once ``σ_{r+1}`` is below a thousandth of ``σ_r`` the rank is decided and ε follows at
    once, which makes the end superlinear. Where ε halts, it is raised fiftyfold and falls again, at half the pace.
    """

    def __init__(self, rank, floor):
        self.rank, self.floor = rank, floor
        self.eps, self.first = math.inf, math.inf
        self.reheats, self.stuck = 0, False
        self._decay, self._past = _DECAY, []

    def lower(self, s):
        """Take in the singular values (NumPy, descending, more than the rank where there are) of the new iterate."""
        beyond = float(s[self.rank]) if s.shape[0] > self.rank else 0.0
        decided = beyond <= _GAP * float(s[self.rank - 1])
        if math.isinf(self.eps):
            self.eps = self.first = beyond
        else:
            self.eps = min(self.eps, beyond if decided else max(beyond, self._decay * self.eps))
        lowest = self.floor * float(s[0])
        if self.eps <= lowest:
            self.eps, self.stuck = lowest, True
            return
        self._past.append(self.eps)
        if len(self._past) > _PATIENCE and self.eps > _PROGRESS * self._past[-_PATIENCE]:
            self._reheat()

    def _reheat(self):
        self.stuck = self.reheats == _REHEATS
        if not self.stuck:
            self.eps, self._past = min(_HEAT * self.eps, self.first), []
            self._decay, self.reheats = self._decay**0.5, self.reheats + 1

    def above(self, s):
        """How many of the values `s` exceed ε, at least 1."""
        return max(1, int((s > _CLEAR * self.eps).sum()))

    def weights(self, s, least=0.0):
        """Weights of the pairs (R, R) and of the single values (R,) of the array `s`, none of them below `least`."""
        xp, eps = be.namespace(s), self.eps
        s = xp.clip(s, _CLEAR * eps, None)
        pairs, singles = eps**2 / (s[:, None] * s[None, :] - eps**2), eps / (s - eps)
        return xp.clip(pairs, least, None), xp.clip(singles, least, None)
