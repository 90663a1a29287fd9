"""QR of tall blocks from Cholesky factors of Gram matrices."""

from .linalg import cholesky_upper
from .namespace import namespace
from .products import gram
from .tall import solve_and_gram


def cholesky_qr2(M):
    """CholeskyQR2, or None when the Gram matrix shows condition beyond its reach.

    The second factor is left out when the Gram matrix of the first `Q` is the identity to rounding.
    """
    first = cholesky_upper(gram(M))
    if first is None or not _well_conditioned(first):
        return None
    return _finish(M, first, overwrite=False)


def shifted_cholesky_qr3(M, max_shifts=5):
    """Shifted CholeskyQR, the shift repeated until a plain Cholesky succeeds; None when it never does.

    Fukaya et al. (2020) give the shift, 11 (mn + n(n+1)) eps ‖M‖².
    """
    xp = namespace(M)
    m, n = M.shape
    identity = xp.eye(n, dtype=M.dtype, device=M.device)
    G, total = gram(M), identity
    for step in range(max_shifts):
        shift = 11.0 * (m * n + n * (n + 1)) * xp.finfo(M.dtype).eps * float(xp.linalg.trace(xp.real(G)))
        R = cholesky_upper(G + shift * identity)
        if R is None:
            return None
        M, G = solve_and_gram(M, R, overwrite=step > 0)
        total = R @ total
        R = cholesky_upper(G)
        if R is not None and _well_conditioned(R):
            pair = _finish(M, R, overwrite=True)
            return None if pair is None else (pair[0], pair[1] @ total)
    return None


def _finish(M, R, *, overwrite):
    """``M R⁻¹`` and its `R`, with one more Cholesky factor where rounding asks for it; None when that fails."""
    Q, G = solve_and_gram(M, R, overwrite=overwrite)
    xp, n = namespace(G), G.shape[0]
    gap = xp.linalg.matrix_norm(G - xp.eye(n, dtype=G.dtype, device=G.device))
    if float(gap) <= 2.0 * n * xp.finfo(G.dtype).eps:
        return Q, R
    second = cholesky_upper(G)
    return None if second is None else (solve_and_gram(Q, second, overwrite=True)[0], second @ R)


def _well_conditioned(R):
    xp = namespace(R)
    size = xp.abs(xp.linalg.diagonal(R))
    return float(xp.min(size)) > 10.0 * xp.finfo(R.dtype).eps ** 0.5 * float(xp.max(size))
