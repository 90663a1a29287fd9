"""Chebyshev polynomials along one mode: nodes, coefficients, values, derivatives, integrals, and splines to nodes.

Matrices that depend on lengths alone are made on the host in double precision and moved to the caller's library.
"""

from functools import lru_cache

import numpy as np

from .. import _backend as be

LARGEST_DEGREE = 4096
"""Matrices of higher degrees would be larger than the data they are for."""
_CACHED = 16
_KEPT = 600  # nodes up to which matrices are kept for the next call
_LARGEST_SPLINE = 1 << 22  # entries of a spline matrix that is kept whole


@lru_cache(_CACHED)
def nodes(m):
    """The `m` Chebyshev points ``cos(πj / (m - 1))``, descending and exactly symmetric; zero for one."""
    return _fixed(np.sin(np.pi * np.arange(m - 1, -m, -2) / (2.0 * max(m - 1, 1))))


def coefficient_matrix(m):
    """Matrix (m, m) from values at the nodes to Chebyshev coefficients of the interpolating polynomial."""
    return _kept_matrix(m) if m <= _KEPT else _cosines(m)


@lru_cache(_CACHED)
def _kept_matrix(m):
    return _cosines(m)


def _cosines(m):
    if m == 1:
        return _fixed(np.ones((1, 1)))
    j = np.arange(m)
    half = np.where((j == 0) | (j == m - 1), 0.5, 1.0)
    angle = np.outer(j, j) % (2 * (m - 1)) * (np.pi / (m - 1))
    return _fixed(np.cos(angle) * half[:, None] * half[None, :] * (2.0 / (m - 1)))


def derivative_matrix(m):
    """Matrix (m, m) from the coefficients of a polynomial to those of its derivative; the last is zero."""
    j, k = np.arange(m)[:, None], np.arange(m)[None, :]
    matrix = np.where((k > j) & ((k - j) % 2 == 1), 2.0 * k, 0.0)
    matrix[0] /= 2.0
    return _fixed(matrix)


def integrals(m):
    """Integrals (m,) of the first `m` Chebyshev polynomials over [-1, 1]."""
    k = np.arange(m)
    return np.where(k % 2 == 0, 2.0 / (1.0 - np.where(k % 2 == 0, k, 0) ** 2.0), 0.0)


def cell_centres(n):
    """Centres (n,) of `n` equal cells of [-1, 1]."""
    return (2.0 * np.arange(n) + 1.0 - n) / n


def clenshaw(coefficients, x):
    """Values (p, r) at `x` (p,) in [-1, 1] of polynomials whose coefficients are the columns of a matrix (m, r)."""
    xp = be.namespace(coefficients, x)
    m = coefficients.shape[0]
    x = xp.astype(x, coefficients.dtype, copy=False)[:, None]
    ahead = xp.zeros((x.shape[0], coefficients.shape[1]), dtype=coefficients.dtype, device=be.device(coefficients))
    here = ahead + coefficients[m - 1, :][None, :]
    if m == 1:
        return here
    twice = 2.0 * x
    for k in range(m - 2, 0, -1):
        here, ahead = twice * here - ahead + coefficients[k, :][None, :], here
    return x * here - ahead + coefficients[0, :][None, :]


def at_angles(coefficients, angles):
    """What `clenshaw` gives at the cosines of `angles` (p,), a NumPy array: for few points, by one product."""
    return be.matmul(like(np.cos(np.outer(angles, np.arange(coefficients.shape[0]))), coefficients), coefficients)


def spline_values(values, m):
    """Not-a-knot cubic splines through the columns of `values` (n, c), given at cell centres, at the `m` nodes: (m, c).

    The outermost nodes lie half a cell beyond the outermost centres. With three values or fewer the splines are
    polynomials. Memory: one (m, n) matrix, or row panels of it.
    """
    n = values.shape[0]
    if n * m <= _LARGEST_SPLINE:
        return be.matmul(like(spline_matrix(n, m), values), values)
    xp, rows = be.namespace(values), be.fixed_partition(m, max(1, _LARGEST_SPLINE // n))
    return xp.concat([be.matmul(like(_spline_rows(n, nodes(m)[part]), values), values) for part in rows], axis=0)


@lru_cache(4)
def spline_matrix(n, m):
    """Matrix (m, n) from values at cell centres to the not-a-knot spline at the nodes."""
    return _fixed(_spline_rows(n, nodes(m)))


def _spline_rows(n, x):
    centres = cell_centres(n)
    if n < 4:
        powers = np.arange(n)
        return x[:, None] ** powers @ np.linalg.inv(centres[:, None] ** powers)
    from scipy.interpolate import BSpline
    from scipy.sparse.linalg import splu

    knots = np.concatenate([[centres[0]] * 4, centres[2:-2], [centres[-1]] * 4])
    at_centres = BSpline.design_matrix(centres, knots, 3)
    at_x = BSpline.design_matrix(x, knots, 3, extrapolate=True)
    return np.ascontiguousarray(splu(at_centres.T.tocsc()).solve(at_x.T.toarray()).T)


def like(matrix, array):
    """The NumPy `matrix` in the library, device and real precision of `array`."""
    xp = be.namespace(array)
    return be.from_numpy(matrix, xp, be.device(array), be.real_dtype(xp, array.dtype))


def _fixed(array):
    array.flags.writeable = False
    return array
