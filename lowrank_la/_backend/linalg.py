"""Small dense factorisations under one policy.

Every input is checked for finiteness, every output too (some libraries report failure by NaN alone), and a second
driver is tried before an error is raised. Half precision never arrives here (see `dtypes`).
"""

import numpy as np

from .blas import solve_rows_in_place
from .namespace import kind, namespace
from .products import mH
from .threads import fixed_partition, map_blocks, single_blas

_SMALL = 240  # up to this size all eigenpairs cost no more than some
_ONE_BLOCK = 2048  # rows up to which a triangular solve is not worth dealing out


def all_finite(x):
    """Whether every entry of `x` is finite."""
    xp = namespace(x)
    return bool(xp.all(xp.isfinite(x)))


def small_svd(M):
    """Thin SVD ``U, s, Vh`` of a small matrix."""
    _require_decomposable(M)
    for driver in (_svd, _second_svd):
        factors = _attempt(driver, M)
        if factors is not None and all_finite(factors[1]):
            return factors
    raise np.linalg.LinAlgError("the singular value decomposition of a small core did not converge with either driver")


def small_eigh(M):
    """Eigenvalues (ascending) and eigenvectors of a small Hermitian matrix."""
    _require_decomposable(M)
    xp = namespace(M)
    for driver in (xp.linalg.eigh, _second_eigh):
        pair = _attempt(driver, M)
        if pair is not None and all_finite(pair[0]):
            return pair[0], pair[1]
    raise np.linalg.LinAlgError("the eigenvalue decomposition of a small core did not converge with either driver")


def top_eigh(M, count):
    """The `count` largest eigenvalues (ascending) of a Hermitian matrix, with their eigenvectors."""
    n = M.shape[0]
    if isinstance(M, np.ndarray) and count < n // 4 and n > _SMALL:
        from scipy.linalg import eigh

        _require_decomposable(M)
        pair = _attempt(lambda M: eigh(M, subset_by_index=[n - count, n - 1], check_finite=False), M)
        if pair is not None and all_finite(pair[0]):
            return pair
    w, V = small_eigh(M)
    return w[n - count :], V[:, n - count :]


def cholesky_upper(G):
    """Upper triangular `R` with ``Rᴴ R = G``, or None when `G` is not numerically positive definite."""
    xp = namespace(G)
    L = _attempt(xp.linalg.cholesky, G)
    return mH(L) if L is not None and all_finite(L) else None


def householder_qr(M):
    """Thin QR by Householder reflections."""
    xp = namespace(M)
    Q, R = xp.linalg.qr(M, mode="reduced")
    return Q, R


def householder_triangle(M):
    """The factor `R` of `householder_qr` alone, at half the cost where the library can leave `Q` out."""
    xp = namespace(M)
    name = kind(xp)
    if name == "numpy":
        return np.linalg.qr(M, mode="r")
    if name == "cupy":
        import cupy

        return cupy.linalg.qr(M, mode="r")
    if name == "torch":
        import torch

        return torch.linalg.qr(M, mode="r")[1]
    return householder_qr(M)[1]


def solve_upper(R, B):
    """``R⁻¹ B`` for upper triangular `R`."""
    xp = namespace(R, B)
    name = kind(xp)
    if name == "numpy":
        from scipy.linalg import solve_triangular

        return solve_triangular(R, B, check_finite=False)
    if name == "torch":
        import torch

        return torch.linalg.solve_triangular(R, B, upper=True)
    if name == "cupy":
        from cupyx.scipy.linalg import solve_triangular

        return solve_triangular(R, B, check_finite=False)
    return xp.linalg.solve(R, B)


def right_solve_upper(M, R):
    """``M R⁻¹`` for tall `M` and upper triangular `R`, by rows: backward stable row by row."""
    xp = namespace(M, R)
    name = kind(xp)
    if name == "numpy":
        out = np.array(M, dtype=np.result_type(M, R), order="C")
        R = np.ascontiguousarray(R, dtype=out.dtype)
        if out.shape[0] <= _ONE_BLOCK:
            with single_blas():
                return solve_rows_in_place(out, R)
        block = max(1024, -(-out.shape[0] // 64))
        map_blocks(lambda rows: solve_rows_in_place(out[rows], R), fixed_partition(out.shape[0], block))
        return out
    if name == "torch":
        import torch

        return torch.linalg.solve_triangular(R, M, upper=True, left=False)
    if name == "cupy":
        from cupyx.scipy.linalg import solve_triangular

        return mH(solve_triangular(R, mH(M), trans="C", check_finite=False))
    return mH(xp.linalg.solve(mH(R), mH(M)))


def require_finite(M, what):
    """ValueError unless every entry of `M` is finite."""
    if not all_finite(M):
        raise ValueError(f"{what} holds NaN or infinite values")


def _require_decomposable(M):
    if not all_finite(M):
        raise ValueError(
            "a matrix formed from A holds NaN or infinite values: A holds them, which check_finite=False lets pass, "
            "or its products do"
        )


def _svd(M):
    return namespace(M).linalg.svd(M, full_matrices=False)


def _second_svd(M):
    if isinstance(M, np.ndarray):
        from scipy.linalg import svd

        return svd(M, full_matrices=False, lapack_driver="gesvd", check_finite=False)
    V, s, Uh = _svd(mH(M))
    return mH(Uh), s, mH(V)


def _second_eigh(M):
    if isinstance(M, np.ndarray):
        from scipy.linalg import eigh

        return eigh(M, driver="ev", check_finite=False)
    w, V = namespace(M).linalg.eigh(-M)
    xp = namespace(M)
    return xp.flip(-w, axis=0), xp.flip(V, axis=1)


def _attempt(factorise, M):
    try:
        return factorise(M)
    except (np.linalg.LinAlgError, RuntimeError):  # torch.linalg.LinAlgError is a RuntimeError
        return None
