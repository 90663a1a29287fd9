"""Maps P that make the columns of ``A P`` nearly orthonormal, and what builds them."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..sketch import SparseSign
from .backward_error import Spectrum
from .conditioning import conditioning
from .sample import is_small_part

_NONZEROS = 4
_SAFE_CONDITION = 100.0
_ROUNDS = 3


@dataclass(frozen=True)
class Triangle:
    """``P = R⁻¹`` for an upper triangular `R` with ``Rᴴ R ≈ Aᴴ A``."""

    R: object

    def apply(self, Y):
        """``P Y``."""
        return be.solve_upper(self.R, Y)

    def adjoint(self, G):
        """``Pᴴ G``."""
        return be.mH(be.right_solve_upper(be.mH(G), self.R))

    def right(self, M):
        """``M P``."""
        return be.right_solve_upper(M, self.R)

    def followed_by(self, L):
        """The map ``P L⁻¹`` for upper triangular `L`."""
        return Triangle(L @ self.R)

    def spectrum(self):
        """`Spectrum` of the matrix."""
        return Spectrum(self.R)


@dataclass(frozen=True)
class Basis:
    """P of numerical rank r, shape (n, r), orthogonal to the columns `null`; `R` as for `Triangle`, all columns."""

    P: object
    null: object
    R: object

    def apply(self, Y):
        """``P Y``, what rounding adds along the null space taken off."""
        X = be.matmul(self.P, Y)
        return X - be.matmul(self.null, be.adjoint_matmul(self.null, X))

    def adjoint(self, G):
        """``Pᴴ G``."""
        return be.adjoint_matmul(self.P, G)

    def right(self, M):
        """``M P``."""
        return be.matmul(M, self.P)

    def followed_by(self, L):
        """The map ``P L⁻¹`` for upper triangular `L`."""
        return Basis(be.right_solve_upper(self.P, L), self.null, self.R)

    def spectrum(self):
        """`Spectrum` of the matrix."""
        return Spectrum(self.R)


@dataclass(frozen=True)
class Prepared:
    """A preconditioner P, a first solution, rank and condition of the matrix with columns of norm one."""

    P: object
    X: object
    rank: int
    condition: float


def truncated(known, R):
    """`Basis` of triangular `R` and its `Conditioning`."""
    P, null = known.basis()
    return Basis(P, null, R)


def from_factors(R, C):
    """`Prepared` from the factorisation ``A = Q R`` and ``C = Qᴴ B``."""
    known = conditioning(R)
    if known.full:
        return Prepared(Triangle(R), be.solve_upper(R, C), known.rank, known.condition)
    P = truncated(known, R)
    return Prepared(P, P.apply(known.leading(C)), known.rank, known.condition)


def from_gram(problem):
    """Cholesky factor of ``AᴴA``, or None where it doesn't exist or its squares leave the range."""
    G, C = problem.whitened(None)
    R = be.cholesky_upper(G) if be.all_finite(G) and be.all_finite(C) and _in_range(G) else None
    if R is None:
        return None
    P, known = Triangle(R), conditioning(R)
    return Prepared(P, P.apply(P.adjoint(C)), R.shape[0], known.condition) if known.full else None


def from_sketch(problem, key):
    """Triangle of a sample of rows or, where that is no guide, of a sketch, then Cholesky factors of ``(A P)ᴴ (A P)``.

    These are read off A, until the last is near the identity; None where the sketch or a Gram matrix is not usable.
    """
    return (_from_sample(problem) if problem.sketch is None else None) or _from_sketch(problem, key)


def _from_sample(problem):
    """None unless the sample is a small part of the rows and has full rank."""
    if not is_small_part(problem.A.shape):
        return None
    R, known = problem.sample
    found = _whitened(problem, Triangle(R)) if known is not None and known.full else None
    if found is None:
        return None
    P, L, C = found
    return from_factors(P.R, be.mH(be.right_solve_upper(be.mH(C), L)))


def _from_sketch(problem, key):
    made = _sketch(problem, 2, key)
    if made is None:
        return None
    R, known = made[1], conditioning(made[1])
    found = _whitened(problem, Triangle(R) if known.full else truncated(known, R))
    if found is None:
        return None
    P, L, C = found
    return Prepared(P, P.apply(be.mH(be.right_solve_upper(be.mH(C), L))), known.rank, known.condition)


def _whitened(problem, P):
    """``P L⁻¹, L, (A P)ᴴ B`` with ``LᴴL = (A P)ᴴ (A P)``, read off A until an `L` is near the identity, else None."""
    for _ in range(_ROUNDS):
        G, C = problem.whitened(P)
        L = be.cholesky_upper(G) if be.all_finite(G) else None
        if L is None:
            return None
        P = P.followed_by(L)
        s = be.small_svd(L)[1]
        if float(s[0]) <= _SAFE_CONDITION * float(s[-1]):
            return P, L, C
    return None


def start_from_sketch(problem, aspect, key):
    """Preconditioner of a sketch of `aspect` n rows, and the solution of the sketched problem; None as above."""
    made = _sketch(problem, aspect, key)
    if made is None:
        return None
    Q, R, sketch = made
    return from_factors(R, be.adjoint_matmul(Q[: sketch.shape[0], :], sketch.apply(problem.B)))


def _sketch(problem, aspect, key):
    """``Q, R, S`` with ``Q R = [S A; √λ I]`` for a sketch S of `aspect` n rows; None unless finite."""
    (m, n), op = problem.A.shape, problem.A.inner
    d = aspect * n
    S = SparseSign(d, m, key, nnz=min(_NONZEROS, d)) if problem.sketch is None else problem.sketch(d, m, key)
    SA = S.apply(op)
    problem.A.read(n)
    if not be.all_finite(SA):
        return None
    Q, R = be.householder_qr(problem.xp.concat([SA, problem.regularized_rows()], axis=0))
    return (Q, R, S) if be.fro_norm(R) > 0 else None


def _in_range(G):
    """Whether the squares on the diagonal of `G` are far from both ends of the range."""
    xp = be.namespace(G)
    squares = np.asarray(be.to_numpy(xp.real(xp.linalg.diagonal(G))), dtype=np.float64)
    info = xp.finfo(G.dtype)
    tiny, huge = float(info.smallest_normal) / be.eps(G.dtype) ** 3, float(info.max) * be.eps(G.dtype)
    return bool(np.all((squares > tiny) & (squares < huge)))
