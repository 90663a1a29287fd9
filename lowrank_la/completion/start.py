"""Where methods start: leading singular vectors of the entries with zeros in between."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize

_STEPS = 3
_SPARE = 4


def spectral_start(problem, key, steps=_STEPS):
    """Factors of the leading part of ``P*(y) / p``, by block power iteration.

    Rows and columns with more than twice the mean number of entries are scaled down to twice the mean: otherwise they
    carry the leading singular vectors alone.

    Returns
    -------
    U, V : arrays (m, k) and (n, k)
        ``U`` orthonormal, ``V`` with the scale of the values.
    """
    U, s, V = _leading(problem, key, steps)
    m, n = problem.shape
    share = m * n / max(problem.observed.count, 1)
    k = problem.rank
    return U[:, :k], V[:, :k] * problem.xp.astype(share * s[None, :k], V.dtype)


def leading_values(problem, key, steps=2 * _STEPS):
    """The leading singular values of ``P*(y)``, descending: those of the rank and a few more, approximately."""
    return _leading(problem, key, steps)[1]


def leading_triplets(problem, key, steps=_STEPS):
    """The leading singular triplets ``(u, σ, v)`` of the entries, as many as the rank, approximately."""
    U, s, V = _leading(problem, key, steps, trimmed=False)
    k = problem.rank
    return U[:, :k], s[:k], V[:, :k]


def _leading(problem, key, steps, trimmed=True):
    observed, xp = problem.observed, problem.xp
    m, n = problem.shape
    z = observed.values if problem.weights is None else observed.values * problem.weights
    left, right = (
        _trimming(counts, xp, z.dtype) if trimmed else None for counts in (observed.row_counts, observed.column_counts)
    )
    width = min(m, n, problem.rank + _SPARE + (-problem.rank % 4))
    V = be.gaussian(key.child("start"), slice(0, n), slice(0, width), be.dtype_name(z.dtype), xp, observed.device)
    for _ in range(steps):
        U = orthonormalize(_scaled(left, observed.times(z, _scaled(right, V))))[0]
        V, core = orthonormalize(_scaled(right, observed.adjoint_times(z, _scaled(left, U))))
    left_turn, values, right_turn = be.small_svd(be.mH(core))
    return be.matmul(U, left_turn), values, be.matmul(V, be.mH(right_turn))


def _trimming(counts, xp, dtype):
    """A factor for each line, None where all are one."""
    real = be.real_dtype(xp, dtype)
    counts = xp.astype(counts, real)
    limit = 2.0 * float(xp.mean(counts))
    if float(xp.max(counts)) <= limit:
        return None
    return xp.astype(
        xp.where(counts > limit, limit / xp.where(counts > limit, counts, counts + 1), xp.ones_like(counts)), dtype
    )


def _scaled(factors, X):
    return X if factors is None else factors[:, None] * X
