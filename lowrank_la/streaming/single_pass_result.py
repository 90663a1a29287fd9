"""The low-rank approximation that the sketches of a matrix hold, and its error from a sketch apart."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..factor.signs import fix_phases
from ..factor.tall_qr import orthonormalize
from ..operators import LowRank
from ..results import Info, Result


@dataclass(frozen=True, eq=False, repr=False)
class SinglePassResult(Result):
    """``A ≈ U @ diag(s) @ Vh``, an operator itself.

    ``info.error`` estimates ‖A - Â‖_F / ‖A‖_F from a sketch that the factors have not seen; ``info.untruncated`` is the
    same for the approximation before it was truncated to the rank.
    """

    U: object
    s: object
    Vh: object
    info: Info

    _unpack = ("U", "s", "Vh")

    def __lowrank_operator__(self):
        return LowRank(self.U, self.s, self.Vh)


def approximation(state, applied, right, sketch):
    """`SinglePassResult` of a state.

    ``applied(name, X)`` multiplies by the random matrix of that name from the left, `right` is the one of the core from
    the right, and `sketch` the estimator.
    """
    layout, scale = sketch.layout, state["scale"] or 1.0
    Q = orthonormalize(state["columns"])[0]
    P = orthonormalize(be.mH(state["rows"]))[0]
    left = _solved(applied("core", Q), state["core"])
    C = be.mH(_solved(be.matmul(right, P), be.mH(left)))
    U, s, Vh = be.small_svd(C)
    size = be.fro_norm(state["probe"])
    probed = applied("probe", Q)
    unseen = be.fro_norm(state["probe"] - be.matmul(be.matmul(probed, C), be.mH(P)))
    k, xp = sketch.rank, layout.xp
    U, s, Vh = U[:, :k], s[:k], be.matmul(Vh[:k, :], be.mH(P))
    rest = state["probe"] - be.matmul(be.matmul(probed, U) * xp.astype(s, layout.dtype)[None, :], Vh)
    U, Vh = fix_phases(be.matmul(Q, U), Vh)
    if be.is_half(layout.source):
        U, Vh = (xp.astype(x, getattr(xp, layout.source)) for x in (U, Vh))
    error = be.fro_norm(rest) / size if size > 0 else 0.0
    details = {"untruncated": unseen / size if size > 0 else 0.0, "norm": size * scale, "rows": sketch.rows_seen}
    info = Info(
        error=error, error_kind="estimate", converged=True, reason="all updates taken", passes=1,
        method="three sketches", rng=sketch.rng, details=details,
    )  # fmt: skip
    with np.errstate(over="ignore"):  # a value that is too large for the dtype is infinite
        return SinglePassResult(U, s * scale, Vh, info)


def _solved(A, B):
    """Least squares solution of ``A X = B`` for tall `A` of full column rank."""
    Q, R = be.householder_qr(A)
    return be.solve_upper(R, be.adjoint_matmul(Q, B))
