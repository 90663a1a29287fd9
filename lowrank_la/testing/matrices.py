"""Matrices of known spectrum, and hard cases."""

import numpy as np
import scipy.fft
import scipy.sparse
import scipy.spatial.distance

from .. import _backend as be
from .spectra import one_to, spectrum_values

_FLOATING = ("float16", "float32", "float64", "complex64", "complex128")


def generator_of(rng):
    """The NumPy generator that a seed stands for."""
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.Generator(np.random.Philox(be.check_count("rng", rng, 0)))


def _placed(host, dtype, xp, device):
    host = host.astype(dtype, copy=False)
    return host if xp is None else be.from_numpy(host, xp, device)


def _dtype_name(dtype):
    name = str(np.dtype(dtype)) if isinstance(dtype, (str, type, np.dtype)) else str(dtype).rsplit(".", 1)[-1]
    if name not in _FLOATING:
        raise TypeError(f"dtype must be one of {', '.join(_FLOATING)}; got {dtype!r}")
    return name


def _shape(m, n):
    return be.check_count("m", m), be.check_count("n", n)


def _phases(generator, n, is_complex):
    if is_complex:
        return np.exp(2j * np.pi * generator.random(n))
    return generator.integers(0, 2, n) * 2.0 - 1.0


def _rotate(M, phases, axis):
    """Apply ``C·diag(phases[1])·C·diag(phases[0])`` along `axis` of `M`, with `C` the DCT; overwrites `M`."""
    for phase in phases:
        M *= phase[:, None] if axis == 0 else phase
        M = scipy.fft.dct(M, axis=axis, norm="ortho", overwrite_x=True)
    return M


def _start(m, n, values, is_complex):
    M = np.zeros((m, n), dtype=np.complex128 if is_complex else np.float64)
    M[np.arange(values.size), np.arange(values.size)] = values
    return M


def matrix(m, n, spectrum, *, dtype="float64", rng=0, xp=None, device=None):
    """Dense matrix whose singular values are known exactly.

    Parameters
    ----------
    m, n : int
        Shape.
    spectrum : str or array
        A key of `spectra`, or at most min(m, n) nonnegative values; missing ones are zero.
    dtype : str or dtype, default "float64"
        Real or complex floating type; complex matrices have complex singular vectors.
    rng : int or numpy.random.Generator, default 0
        Chooses the singular vectors.
    xp : array namespace, optional
        Where the matrix lives; NumPy when not given.
    device : optional
        Device of `xp`.

    Returns
    -------
    array, shape (m, n)
        ``U diag(spectrum) Vh`` with dense, incoherent `U` and `V`; singular values are right to a few units of
        roundoff of the largest.

    Notes
    -----
    Each side of a diagonal matrix is multiplied twice by random signs (phases) and an orthonormal discrete cosine
    transform: O(mn log mn) operations, one extra copy of the matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la import testing
    >>> A = testing.matrix(40, 30, "exponential_medium")
    >>> bool(np.allclose(np.linalg.svd(A)[1], testing.spectra["exponential_medium"](30), atol=1e-14))
    True
    """
    (m, n), generator, name = _shape(m, n), generator_of(rng), _dtype_name(dtype)
    is_complex = name.startswith("complex")
    left = [_phases(generator, m, is_complex) for _ in range(2)]
    right = [_phases(generator, n, is_complex) for _ in range(2)]
    M = _start(m, n, spectrum_values("spectrum", spectrum, min(m, n)), is_complex)
    return _placed(_rotate(_rotate(M, left, 0), right, 1), name, xp, device)


def hermitian(n, eigenvalues, *, dtype="float64", rng=0, xp=None, device=None):
    """Hermitian matrix whose eigenvalues are known exactly.

    Parameters
    ----------
    n : int
        Rows and columns.
    eigenvalues : str or array
        A key of `spectra`, or at most `n` real values of any sign; missing ones are zero.
    dtype, rng, xp, device
        As for `matrix`.

    Returns
    -------
    array, shape (n, n)
        Equal to its conjugate transpose bit for bit. The cost is that of `matrix`.
    """
    n, generator, name = be.check_count("n", n), generator_of(rng), _dtype_name(dtype)
    is_complex = name.startswith("complex")
    phases = [_phases(generator, n, is_complex) for _ in range(2)]
    M = _start(n, n, spectrum_values("eigenvalues", eigenvalues, n, signed=True), is_complex)
    M = _rotate(_rotate(M, phases, 0), [np.conj(phase) for phase in phases], 1)
    return _placed((M + M.conj().T) / 2, name, xp, device)


def kahan(n, *, angle=1.2):
    """Kahan's upper triangular matrix, on which column-pivoted QR misjudges the smallest singular value.

    Parameters
    ----------
    n : int
        Rows and columns.
    angle : float
        In (0, π/2); row i is scaled by ``sin(angle)**i``, and ``-cos(angle)`` stands above the diagonal.

    Returns
    -------
    NumPy array, shape (n, n)
    """
    scale = np.sin(be.check_positive("angle", angle)) ** np.arange(be.check_count("n", n))
    return scale[:, None] * (np.eye(n) - np.cos(angle) * np.triu(np.ones((n, n)), 1))


def heavy_row(m, n, *, weight=1e4, rng=0):
    """Gaussian matrix with one row, at a random place, scaled by `weight`.

    Parameters
    ----------
    m, n : int
        Shape.
    weight : float
    rng : int or numpy.random.Generator, default 0

    Returns
    -------
    NumPy array, shape (m, n)
    """
    (m, n), generator = _shape(m, n), generator_of(rng)
    A = generator.standard_normal((m, n))
    A[generator.integers(m)] *= weight
    return A


def bad_cholesky_qr(m, n, *, small=1e-8):
    """A row of ones over ``small`` times the identity: its Gram matrix is singular in working precision.

    Parameters
    ----------
    m, n : int
        Shape.
    small : float
        Below the root of the unit roundoff, so that its square is lost beside one.

    Returns
    -------
    NumPy array, shape (m, n)
    """
    A = np.zeros(_shape(m, n))
    A[0] = 1.0
    A[np.arange(1, min(m, n + 1)), np.arange(min(m - 1, n))] = small
    return A


def hilbert(n):
    """Hilbert matrix, ``1 / (i + j + 1)``.

    Parameters
    ----------
    n : int
        Rows and columns.

    Returns
    -------
    NumPy array, shape (n, n)
    """
    n = be.check_count("n", n)
    return 1.0 / (np.arange(n)[:, None] + np.arange(n) + 1.0)


def cauchy(m, n, *, rng=0):
    """Cauchy matrix ``1 / (x_i + y_j)`` of random nodes in (0, 1), whose singular values fall geometrically.

    Parameters
    ----------
    m, n : int
        Shape.
    rng : int or numpy.random.Generator, default 0

    Returns
    -------
    NumPy array, shape (m, n)
    """
    (m, n), generator = _shape(m, n), generator_of(rng)
    return 1.0 / (generator.uniform(1e-3, 1.0, m)[:, None] + generator.uniform(1e-3, 1.0, n))


def sparse_tfidf(m, n, nnz, rng=0):
    """Sparse matrix like the tf-idf matrix of a text collection.

    Parameters
    ----------
    m, n : int
        Documents and terms.
    nnz : int
        Number of stored values, at most a quarter of ``m * n``.
    rng : int or numpy.random.Generator, default 0

    Returns
    -------
    scipy.sparse.csr_array, shape (m, n)
        Terms follow Zipf's law; counts are weighted by the inverse document frequency and every row has norm 1
        (or is empty).
    """
    m, n = _shape(m, n)
    nnz, generator = be.check_count("nnz", nnz, 0, m * n // 4), generator_of(rng)
    law = np.cumsum(1.0 / one_to(n))
    tokens = np.empty(0, dtype=np.int64)
    first = tokens
    while first.size < nnz:
        drawn = max(nnz, 1024)
        terms = np.searchsorted(law, generator.random(drawn) * law[-1])
        tokens = np.concatenate([tokens, generator.integers(0, m, drawn) * n + np.minimum(terms, n - 1)])
        first = np.sort(np.unique(tokens, return_index=True)[1])
    cells, counts = np.unique(tokens[: first[nnz - 1] + 1] if nnz else tokens, return_counts=True)
    rows, cols = np.divmod(cells, n)
    idf = np.log((1.0 + m) / (1.0 + np.bincount(cols, minlength=n))) + 1.0
    values = counts * idf[cols]
    values /= np.sqrt(np.bincount(rows, weights=values**2, minlength=m))[rows]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=m))])
    return scipy.sparse.csr_array((values, cols.astype(np.int32), starts.astype(np.int32)), shape=(m, n))


def rbf_kernel(n, *, dim=3, length=0.25, rng=0):
    """Kernel matrix ``exp(-‖x - y‖² / (2 length²))`` of `n` uniform points in the unit cube of `dim` dimensions.

    Parameters
    ----------
    n : int
        Number of points.
    dim : int
    length : float
        Length scale, above zero.
    rng : int or numpy.random.Generator, default 0

    Returns
    -------
    NumPy array, shape (n, n)
    """
    length = be.check_positive("length", length)
    X = generator_of(rng).random((be.check_count("n", n), be.check_count("dim", dim)))
    K = scipy.spatial.distance.cdist(X, X, "sqeuclidean")
    K *= -0.5 / length**2
    return np.exp(K, out=K)
