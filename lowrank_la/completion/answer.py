"""The completed matrix."""

from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..factor.signs import fix_phases
from ..factor.svd import SVDResult
from ..factor.tall_qr import orthonormalize
from ..operators import LowRank
from ..results import Info, Result
from .holdout import entries_at


@dataclass(frozen=True, eq=False, repr=False)
class CompletionResult(Result):
    """``A ≈ U @ Vᴴ``, an operator itself (``result @ x``)."""

    U: Any
    V: Any
    info: Info

    _unpack = ("U", "V")

    def __lowrank_operator__(self):
        return LowRank(self.U, None, be.mH(self.V))

    def predict(self, rows, cols):
        """Entries of the completed matrix.

        Parameters
        ----------
        rows, cols : integer arrays or sequences, shape (p,)

        Returns
        -------
        array, shape (p,)

        Raises
        ------
        IndexError
            If a place lies outside the matrix.
        """
        U, V = self._working()
        xp, device = be.namespace(U), be.device(U)
        places = [
            be.index_array(be.host_indices(x, size), size, xp, device)
            for x, size in ((rows, U.shape[0]), (cols, V.shape[0]))
        ]
        if places[0].shape != places[1].shape:
            raise ValueError(f"rows and cols must be of one length, got {places[0].shape[0]} and {places[1].shape[0]}")
        return xp.astype(entries_at(U, V, *places), self.U.dtype, copy=False)

    def transform(self, new_rows, *, shape=None, regularization=None):
        """Factors of rows that the fit has not seen, from the entries that are known of them.

        Parameters
        ----------
        new_rows : as for `complete`, of shape (p, n)
        shape : tuple of int, optional
            Of triples.
        regularization : float, optional
            λ of ``Σ |y - u Vᴴ|² + λ ‖u‖²``, by default that of the rows of the fit.

        Returns
        -------
        array, shape (p, k)
            ``transform(X) @ V.mH`` completes `X`. A row without entries is zero, one with fewer than k has (nearly)
            the factor of least norm.
        """
        from .fold_in import fold_in

        given = self.info.details.get("regularization", 0.0) if regularization is None else regularization
        return fold_in(self._working()[1], new_rows, shape, be.check_positive("regularization", given, zero=True))

    def svd(self):
        """The singular value decomposition of ``U Vᴴ``, an `SVDResult`; `info` is that of the completion."""
        U, V = self._working()
        Q, s, W = balanced_parts_of(U, V)
        Q, Wh = fix_phases(Q, be.mH(W))
        back = (lambda x: be.namespace(x).astype(x, self.U.dtype)) if be.is_half(self.U.dtype) else (lambda x: x)
        return SVDResult(back(Q), s, back(Wh), self.info)

    def _working(self):
        """The factors in the precision in which they are worked with."""
        xp, device = be.namespace(self.U), be.device(self.U)
        return tuple(xp.astype(x, be.compute_dtype(xp, x.dtype, device), copy=False) for x in (self.U, self.V))


def balanced_parts_of(U, V):
    """``Q, s, W`` with orthonormal factors and ``U Vᴴ = Q diag(s) Wᴴ``."""
    (Q, R), (W, S) = orthonormalize(U), orthonormalize(V)
    left, s, right = be.small_svd(be.matmul(R, be.mH(S)))
    return be.matmul(Q, left), s, be.matmul(W, be.mH(right))


def balanced(U, V):
    """Factors with the same product and equal Gram matrices."""
    Q, s, W = balanced_parts_of(U, V)
    root = be.namespace(s).sqrt(s)[None, :]
    Q, Wh = fix_phases(Q, be.mH(W))
    xp = be.namespace(U)
    return Q * xp.astype(root, Q.dtype), be.mH(Wh) * xp.astype(root, Q.dtype)
