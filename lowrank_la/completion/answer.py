"""The completed matrix."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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
            In the dtype of the factors, half precision too; `transform` and ``result @ x`` are single precision then.

        Raises
        ------
        IndexError
            If a place lies outside the matrix.
        ValueError
            If `rows` and `cols` are not one-dimensional and of one length.
        """
        U, V = self._working()
        xp, device = be.namespace(U), be.device(U)
        for name, x in (("rows", rows), ("cols", cols)):
            if (x.ndim if hasattr(x, "ndim") else np.ndim(x)) != 1:
                raise ValueError(f"{name} must be a one-dimensional array or sequence of integers, got {x!r}")
        places = [
            be.index_array(be.host_indices(x, size), size, xp, device)
            for x, size in ((rows, U.shape[0]), (cols, V.shape[0]))
        ]
        if places[0].shape != places[1].shape:
            raise ValueError(f"rows and cols must be of one length, got {places[0].shape[0]} and {places[1].shape[0]}")
        return xp.astype(entries_at(U, V, *places), self.U.dtype, copy=False)

    @property
    def biases(self):
        """``(mean, rows, columns)`` of a fit with biases, a `Biases` with arrays (m,) and (n,); None otherwise.

        They are ``U[:, -2] - mean`` and ``conj(V[:, -1])``: `U` ends with the columns ``mean + rows, 1`` and `V` with
        ``1, conj(columns)``.
        """
        if self.info.details.get("form") != "biases":
            return None
        from .biased import Biases

        mean = (complex if be.is_complex(self.U.dtype) else float)(self.info.mean)
        last = self.V[:, -1]
        return Biases(mean, self.U[:, -2] - mean, be.namespace(last).conj(last) if be.is_complex(last.dtype) else last)

    def transform(self, new_rows, *, shape=None, regularization=None, confidence=None):
        """Factors of rows that the fit has not seen, from the entries that are known of them.

        Parameters
        ----------
        new_rows : as for `complete`, of shape (p, n)
        shape : tuple of int, optional
            Of triples.
        regularization : float, optional
            λ of ``Σ |y - u Vᴴ|² + λ ‖u‖²``, by default that of the rows of the fit; needed where these had different
            ones.
        confidence : float or array, optional
            As for `complete`, for an answer that was fitted with it; the number of the fit by default.

        Returns
        -------
        array, shape (p, k)
            ``transform(X) @ V.mH`` completes `X`. What the fit minimised is minimised: with biases that of the row is
            found too and the answer ends with the columns ``mean + bias, 1``; nothing is negative after a fit with
            ``nonneg=True``. A row without entries is zero, or mean and one; one with fewer than k has (nearly) the
            factor of least norm.
        """
        from .fold_in import fold_in

        details = self.info.details
        given = details.get("regularization") if regularization is None else regularization
        if given is None:
            raise ValueError("rows of the fit had different penalties: pass regularization= for the new rows")
        penalty = be.check_positive("regularization", given, zero=True)
        confidence = _confidence_of(details, confidence)
        return fold_in(self._working()[1], new_rows, shape, penalty, details, confidence)

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


def _confidence_of(details, confidence):
    """The confidence of new rows, given or that of the fit."""
    if details.get("form") != "implicit":
        if confidence is not None:
            raise ValueError("confidence belongs to answers that were fitted with it; leave it out")
        return None
    confidence = details.get("confidence") if confidence is None else confidence
    if confidence is None:
        raise ValueError("the fit had an array of confidences: pass confidence= for the new rows")
    array = be.is_sparse(confidence) or getattr(confidence, "ndim", 0) or isinstance(confidence, list | tuple)
    return confidence if array else be.check_positive("confidence", confidence)


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
