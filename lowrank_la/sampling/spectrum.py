"""Eigenvectors of a positive semidefinite kernel with the logarithms of its positive eigenvalues."""

import math
from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from ..operators import LowRank, as_operator
from .span import dense_columns

_HERMITIAN = 100.0  # units of eps^0.75 of the kernel's norm
_NEGATIVE = 100.0  # units of n·eps of the largest eigenvalue
_RANGE = 100  # binary exponents beyond which a kernel is rescaled


@dataclass(frozen=True)
class Spectrum:
    """``L = Σ exp(log_values[j]) u_j u_jᴴ`` with the u_j as the rows of `vectors` (r, n), conjugated nowhere."""

    vectors: object
    log_values: np.ndarray
    log_dropped: float = -math.inf
    """Logarithm up to which the eigenvalues that count as zero may reach; -inf where there are none."""

    @property
    def rank(self):
        """Number of positive eigenvalues."""
        return self.log_values.shape[0]

    def columns(self, chosen):
        """The eigenvectors `chosen` (host integers) as columns."""
        xp = be.namespace(self.vectors)
        index = be.index_array(chosen, self.rank, xp, be.device(self.vectors))
        return xp.take(self.vectors, index, axis=0).mT


def spectrum_of(L, factor, name):
    """`Spectrum` of a kernel `L` or of ``factor @ factorᴴ``; exactly one of the two is given."""
    if (L is None) == (factor is None):
        raise ValueError(f"{name} needs either L, the kernel, or factor, a matrix B with L = B Bᴴ")
    with be.single_blas():
        if factor is not None:
            return _of_factor(dense_columns(factor, name), name)
        op = as_operator(L)
        if op.shape[0] != op.shape[1] or op.shape[0] == 0:
            raise ValueError(f"{name} needs a square kernel L, got shape {op.shape[0]}×{op.shape[1]}; is it a factor?")
        return _of_low_rank(op, name) if isinstance(op, LowRank) else _of_kernel(dense_columns(op, name), name)


def _of_kernel(L, name):
    L, exponent = _safe(L, name)
    _require_hermitian(L, name)
    w, U = be.small_eigh((L + be.mH(L)) / 2)
    return _positive(w, U, exponent, L.shape[0], name)


def _of_low_rank(op, name):
    """``L = U diag(s) Vᴴ`` is Hermitian, hence its own projection on the span of `U`."""
    left, exponent = _safe(op._left(), name)
    Q, R = orthonormalize(left)
    core = be.matmul(R, be.matmul(op.Vh, Q))
    missed = be.fro_norm(op.Vh - be.matmul(be.matmul(op.Vh, Q), be.mH(Q)))
    if missed > _HERMITIAN * be.eps(op.dtype) ** 0.75 * be.fro_norm(op.Vh):
        raise ValueError(f"{name} needs a Hermitian kernel L; rows and columns of this one span different spaces")
    core, more = _safe(core, name)
    _require_hermitian(core, name)
    w, Y = be.small_eigh((core + be.mH(core)) / 2)
    return _positive(w, be.matmul(Q, Y), exponent + more, op.shape[0], name)


def _of_factor(B, name):
    if 0 in B.shape:
        raise ValueError(f"{name} got an empty factor of shape {B.shape[0]}×{B.shape[1]}")
    B, exponent = _safe(B, name)
    if B.shape[0] >= B.shape[1]:
        Q, R = orthonormalize(B)
        u, s, _ = be.small_svd(R)
        U = be.matmul(Q, u)
    else:
        U, s, _ = be.small_svd(be.mH(orthonormalize(be.mH(B))[1]))
    s = be.to_numpy(s).astype(float)
    unit = 8.0 * min(B.shape) * be.eps(B.dtype) * float(s[0])
    return _selected(U, s, unit, exponent, power=2.0)


def _positive(w, U, exponent, n, name):
    """Drop eigenvalues that rounding can't tell from zero; ValueError for negative ones."""
    w = be.to_numpy(w).astype(float)
    unit = n * be.eps(U.dtype) * float(np.max(np.abs(w)))
    if w.min() < -_NEGATIVE * unit:
        raise ValueError(
            f"{name} needs a positive semidefinite kernel, but an eigenvalue is {w.min() / np.max(np.abs(w)):.2e} "
            "times the largest in modulus; add a ridge if that is noise"
        )
    return _selected(U, w, unit, exponent)


def _selected(U, values, unit, exponent, power=1.0):
    """`Spectrum` of the `values` above `unit`, to a `power` and at their scale."""
    xp, kept, shift = be.namespace(U), values > unit, exponent * math.log(2.0)
    log_values = power * (np.log(values[kept]) + shift)
    dropped = power * (math.log(unit) + shift) if unit > 0 and not kept.all() else -math.inf
    index = be.index_array(np.flatnonzero(kept), U.shape[1], xp, be.device(U))
    vectors = xp.take(U, index, axis=1).mT
    return Spectrum(np.ascontiguousarray(vectors) if isinstance(vectors, np.ndarray) else vectors, log_values, dropped)


def _safe(M, name):
    """``(M · 2^-e, e)`` with e = 0 unless squares would leave the range; ValueError where `M` is not finite."""
    xp = be.namespace(M)
    largest = float(xp.max(xp.abs(M)))
    if not math.isfinite(largest):
        raise ValueError(f"{name} got NaN or infinite values; clean them first")
    exponent = math.frexp(largest)[1] if largest > 0.0 else 0
    if abs(exponent) <= (_RANGE if be.eps(M.dtype) < 1e-12 else _RANGE // 10):
        return M, 0
    half = exponent // 2
    return M * 2.0**-half * 2.0 ** (half - exponent), exponent


def _require_hermitian(L, name):
    if be.fro_norm(L - be.mH(L)) > _HERMITIAN * be.eps(L.dtype) ** 0.75 * be.fro_norm(L):
        raise ValueError(f"{name} needs a Hermitian kernel L; pass (L + L.T) / 2 if the difference is noise")
