"""Nuclear norm regularisation by alternating least squares on the filled-in matrix."""

import math

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .problem import Outcome

_PATH = 0.5  # each λ of the path over the one before
_ROUGH = 1e-3
_SWEEPS = 20
_LAST = 1e-7


def soft_impute(problem, U, _, settings, watch):
    """Minimise ``½ Σ |y - x|² + λ ‖X‖_*`` down a path of λ, each from the solution before.

    Notes
    -----
    Hastie, Mazumder, Lee and Zadeh (2015). λ is the geometric mean of the two of the problem, for which its factors
    have the same minimum; 0 follows the path until the residual meets the tolerance. A last step thresholds singular
    values, so that the rank shows. The minimum is over matrices of the rank of the problem: where fewer singular values
    than that are left it is the one over all matrices.
    """
    target = math.sqrt(problem.regularization[0] * problem.regularization[1])
    state = _Shrunk.start(problem, U)
    lam = max(target, _PATH * state.largest)
    history, sweeps, reason = [], 0, ""
    while not reason:
        last = lam == target
        change = state.sweep(lam)
        sweeps += 1
        history.append(problem.misfit(*state.factors))
        if watch.tick(residual=history[-1], regularization=lam):
            reason = watch.reason
        elif target == 0.0 and history[-1] <= settings.tol:
            reason = "tolerance met"
        elif last and change <= min(_LAST, settings.tol):
            reason = "the factors no longer change"
        elif not last and (change <= _ROUGH or sweeps >= _SWEEPS):
            lam, sweeps = max(target, _PATH * lam), 0
    U, V = state.thresholded(lam) if target > 0.0 else state.factors
    if target > 0.0:
        tilt = (problem.regularization[1] / problem.regularization[0]) ** 0.25
        U, V = U * tilt, V * (1.0 / tilt)
    return Outcome(U, V, reason != watch.reason, reason, history, {"path_end": lam})


class _Shrunk:
    """Factors ``A = U D`` and ``B = V D`` with orthonormal `U` and `V`, and one diagonal `D`."""

    def __init__(self, problem, U, d, V):
        self.problem, self.xp = problem, problem.xp
        self.U, self.d, self.V = U, d, V

    @classmethod
    def start(cls, problem, U):
        """Orthonormal `U`, ones, and no matrix at all."""
        U = orthonormalize(U)[0]
        xp = problem.xp
        k, n = U.shape[1], problem.shape[1]
        ones = xp.ones((k,), dtype=U.dtype, device=be.device(U))
        return cls(problem, U, ones, xp.zeros((n, k), dtype=U.dtype, device=be.device(U)))

    @property
    def factors(self):
        """`A` and `B`."""
        return self.U * self.d[None, :], self.V * self.d[None, :]

    @property
    def largest(self):
        """About the largest singular value of the matrix of the entries."""
        image = self.problem.observed.adjoint_times(self.problem.observed.values, self.U)
        return float(be.small_svd(be.gram(image))[1][0]) ** 0.5

    def sweep(self, lam):
        """Both halves of a sweep; the relative change of the product."""
        before = self.factors
        observed = self.problem.observed
        A, B = before
        z = observed.residual(A, B)
        filled = observed.adjoint_times(z, A) + be.matmul(B, be.gram(A))
        self.V, turn = self._half(filled, lam)
        self.U = be.matmul(self.U, turn)
        A, B = self.factors
        z = observed.residual(A, B)
        filled = observed.times(z, B) + be.matmul(A, be.gram(B))
        self.U, turn = self._half(filled, lam)
        self.V = be.matmul(self.V, turn)
        return _relative_change(before, self.factors)

    def _half(self, filled, lam):
        """Solve for one factor and split it anew: its orthonormal part, and how the other one turns with it."""
        square = self.d**2
        Q, R = orthonormalize(filled * (self.d / (square + lam))[None, :])
        u, s, vh = be.small_svd(R)
        self.d = self.xp.astype(self.xp.sqrt(s), self.d.dtype)
        return be.matmul(Q, u), be.mH(vh)

    def thresholded(self, lam):
        """Factors of ``(P*(y - X) + X) V Vᴴ`` with its singular values reduced by λ."""
        A, B = self.factors
        image = self.problem.observed.times(self.problem.observed.residual(A, B), self.V)
        image = image + be.matmul(A, be.adjoint_matmul(B, self.V))
        Q, R = orthonormalize(image)
        u, s, vh = be.small_svd(R)
        root = self.xp.astype(self.xp.sqrt(self.xp.clip(s - lam, 0.0, None)), self.d.dtype)
        return be.matmul(Q, u) * root[None, :], be.matmul(self.V, be.mH(vh)) * root[None, :]


def _relative_change(before, after):
    """``‖A Bᴴ - A' B'ᴴ‖ / ‖A' B'ᴴ‖`` from triangles of the factors."""
    xp = be.namespace(before[0])
    left = orthonormalize(xp.concat([after[0], before[0]], axis=1))[1]
    right = orthonormalize(xp.concat([after[1], -before[1]], axis=1))[1]
    k = after[0].shape[1]
    size = be.fro_norm(be.matmul(left[:, :k], be.mH(right[:, :k])))
    return be.fro_norm(be.matmul(left, be.mH(right))) / size if size > 0.0 else 0.0
