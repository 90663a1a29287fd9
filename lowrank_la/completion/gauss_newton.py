"""Gauss-Newton steps on both factors at once."""

from .. import _backend as be
from ..factor.iteration import Watch
from ..solve.lsqr import lsqr
from .halting import Halting
from .problem import Outcome
from .tangent import truncated

_LSQR_STEPS = 1000
_LOOSEST = 1e-5
_TIGHTEST = 4.0  # units of roundoff


def gauss_newton(problem, U, V, settings, watch):
    """Replace balanced factors by the factors of least norm that fit the entries linearised in both.

    Notes
    -----
    Zilber and Nadler (2022), the variant "setting"; Bauch, Nadler and Zilber (2021) average instead. The tolerance of
    LSQR falls with the square of the residual: with fixed or loose ones the iteration halts on ill-conditioned
    matrices. That LSQR ends early is also what keeps the first steps short: solved exactly they lead astray.
    """
    halting, rank = Halting(settings.tol), U.shape[1]
    residual, steps, best = problem.misfit(U, V), 0, (U, V)
    while True:
        U, s, V = truncated(U, V, rank)
        root = problem.xp.sqrt(problem.xp.abs(s))
        linear = Linearised(problem.observed, *(X * problem.xp.astype(root, X.dtype)[None, :] for X in (U, V)))
        goal = max(_TIGHTEST * be.eps(problem.dtype), min(_LOOSEST, residual**2))
        inner = Watch(_LSQR_STEPS)
        U, V = linear.split(lsqr(linear, linear.target[:, None], goal, linear.norm(s), inner)[:, 0])
        steps += inner.count
        residual = problem.misfit(U, V)
        best = (U, V) if not halting.history or residual <= min(halting.history) else best
        enough = halting.after(residual)
        if watch.tick(residual=residual) or enough:
            return Outcome(*best, enough, halting.reason or watch.reason, halting.history, {"lsqr_steps": steps})


class Linearised:
    """The map from factors `P` (m, k) and the conjugate of `Q` (n, k) to the entries of ``P Vᴴ + U Qᴴ``."""

    def __init__(self, observed, U, V):
        self.observed, self.U, self.V = observed, U, V
        self.xp = be.namespace(U)
        self.conj = self.xp.conj if be.is_complex(U.dtype) else lambda x: x

    @property
    def target(self):
        """What the entries of ``P Vᴴ + U Qᴴ`` are to be for `P` and `Q` to be the next factors, (N,)."""
        return self.observed.values + self.observed.dots(self.U, self.V)

    def norm(self, s):
        """About the norm of the map, for the singular values `s` of ``U Vᴴ``."""
        share = self.observed.count / (self.observed.shape[0] * self.observed.shape[1])
        return (2.0 * share * float(self.xp.max(self.xp.abs(s)))) ** 0.5

    def matmat(self, X):
        """Entries (N, 1) of the factors in a column of (m + n) k numbers."""
        P, Q = self.split(X[:, 0])
        left, right = self.xp.concat([P, self.U], axis=1), self.xp.concat([self.V, Q], axis=1)
        return self.observed.dots(left, right)[:, None]

    def rmatmat(self, Z):
        """The adjoint of `matmat`."""
        P, Q = self.observed.times(Z[:, 0], self.V), self.observed.adjoint_times(Z[:, 0], self.U)
        return self.xp.reshape(self.xp.concat([P, self.conj(Q)], axis=0), (-1, 1))

    def split(self, x):
        """`P` and `Q` from one vector."""
        both = self.xp.reshape(x, (-1, self.U.shape[1]))
        return both[: self.U.shape[0], :], self.conj(both[self.U.shape[0] :, :])
