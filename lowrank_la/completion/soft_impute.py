"""Nuclear norm regularisation by alternating least squares on the filled-in matrix."""

import math
from dataclasses import replace

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .problem import Outcome
from .start import leading_triplets

_PATH = 0.5  # each λ of the path over the one before
_ROUGH = 1e-3
_SWEEPS = 20
_LAST = 1e-7
_ABOVE = 0.1  # part of λ by which a singular value of the residual may be above it
_LOST = "a singular value just above the penalty is lost beside far larger ones: method='altmin' finds it"


def soft_impute(problem, U, _, settings, watch):
    """Minimise ``½ Σ |y - x|² + λ ‖X‖_*`` down a path of λ, each from the solution before.

    Notes
    -----
    Hastie, Mazumder, Lee and Zadeh (2015). λ is the geometric mean of the two of the problem, for which its factors
    have the same minimum; 0 follows the path until the residual meets the tolerance. A last step thresholds singular
    values, so that the rank shows. The minimum is over matrices of the rank of the problem: where fewer singular values
    than that are left it is the one over all matrices. Singular values a little above λ beside others some 1e5 times
    as large are lost to rounding; ``converged`` is False where the residual shows that a column without use missed one.
    """
    target = math.sqrt(problem.regularization[0] * problem.regularization[1])
    state = _Shrunk.start(problem, U)
    lam = max(target, _PATH * state.largest)
    still = min(_LAST, settings.tol) * (min(target / state.largest, 1.0) if target > 0.0 and state.largest else 1.0)
    still = max(still, 8 * be.eps(problem.dtype))
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
        elif last and change <= still:
            reason = "the factors no longer change"
        elif not last and (change <= _ROUGH or sweeps >= _SWEEPS):
            lam, sweeps = max(target, _PATH * lam), 0
    U, V = state.thresholded(lam) if target > 0.0 else state.factors
    if target > 0.0:
        if reason != watch.reason and not _is_least(problem, U, V, lam, settings.key):
            reason = _LOST
        tilt = (problem.regularization[1] / problem.regularization[0]) ** 0.25
        U, V = U * tilt, V * (1.0 / tilt)
    return Outcome(U, V, reason not in (watch.reason, _LOST), reason, history, {"path_end": lam})


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


def _is_least(problem, U, V, lam, key):
    """Whether singular values of the residual are λ for columns in use, and not above it where there are others.

    One that is belongs to a direction which a larger λ has wiped out, and which is at rounding now.
    """
    xp = problem.xp
    left = problem.observed.with_values(problem.observed.residual(U, V))
    sizes = xp.linalg.vector_norm(U, axis=0)
    unit = xp.astype(1.0 / xp.where(sizes > 0.0, sizes**2, xp.ones_like(sizes)), U.dtype)[None, :]
    image = left.times(left.values, V) * unit
    along = xp.abs(xp.sum((xp.conj(U) if be.is_complex(U.dtype) else U) * image, axis=0))
    largest = float(xp.max(along))
    if float(xp.min(sizes)) == 0.0:
        largest = max(largest, float(leading_triplets(replace(problem, observed=left), key.child("residual"))[1][0]))
    return largest <= (1.0 + _ABOVE) * lam


def _relative_change(before, after):
    """``‖A Bᴴ - A' B'ᴴ‖ / ‖A' B'ᴴ‖`` from triangles of the factors."""
    xp = be.namespace(before[0])
    left = orthonormalize(xp.concat([after[0], before[0]], axis=1))[1]
    right = orthonormalize(xp.concat([after[1], -before[1]], axis=1))[1]
    k = after[0].shape[1]
    size = be.fro_norm(be.matmul(left[:, :k], be.mH(right[:, :k])))
    return be.fro_norm(be.matmul(left, be.mH(right))) / size if size > 0.0 else 0.0
