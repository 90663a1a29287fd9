"""Row trimming: bases of the factors with their long rows shortened, and the tangent step from there."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .tangent_step import retracted

SLACK = 1e-3  # by which a row may exceed the bound: near the answer its longest rows stay as they are


def shortened_rows(Q, incoherence):
    """`Q` (m, k) with rows of at most ``√(incoherence k / m)``, or None where no row is longer."""
    xp, (m, k) = be.namespace(Q), Q.shape
    bound = (incoherence * k / m) ** 0.5
    length = xp.linalg.vector_norm(Q, axis=1)
    long = length > bound * (1.0 + SLACK)
    if not bool(xp.any(long)):
        return None
    factor = xp.where(long, bound / xp.where(long, length, xp.ones_like(length)), xp.ones_like(length))
    return Q * xp.astype(factor, Q.dtype)[:, None]


def trimmed_bases(U, V, incoherence):
    """Orthonormal bases of the columns of `U` and `V` with their long rows shortened, or None where there are none.

    These are the singular spaces of the trimmed matrix of Cai, Cai and Wei (2019) as long as no singular value is zero,
    and its tangent space is theirs.
    """
    shortened = [shortened_rows(Q, incoherence) for Q in (U, V)]
    if all(Q is None for Q in shortened):
        return None
    return tuple(old if new is None else orthonormalize(new)[0] for old, new in zip((U, V), shortened, strict=True))


def retracted_at(bases, U, s, V, right, left):
    """As `tangent_step.retracted`, on the tangent space at other bases P and Q; `right` and `left` are W Q and Wᴴ P."""
    P, Q = bases
    xp = be.namespace(U)
    weights = xp.astype(s, U.dtype)[None, :]
    right = be.matmul(U * weights, be.adjoint_matmul(V, Q)) + right
    left = be.matmul(V * weights, be.adjoint_matmul(U, P)) + left
    return retracted(P, xp.zeros_like(s), Q, right, left)
