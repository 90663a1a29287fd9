"""Matrices of known spectrum, hard cases and the dot test, for tests and benchmarks."""

import numpy as np
import scipy.fft
import scipy.sparse
import scipy.spatial.distance

from . import _backend as be


def _generator(rng):
    return rng if isinstance(rng, np.random.Generator) else np.random.Generator(np.random.Philox(rng))


def _placed(host, dtype, xp, device):
    host = host.astype(dtype, copy=False)
    return host if xp is None else be.from_numpy(host, xp, device)


def _dtype_name(dtype):
    return str(np.dtype(dtype)) if isinstance(dtype, (str, type, np.dtype)) else str(dtype).rsplit(".", 1)[-1]


def _index(n):
    return np.arange(1.0, n + 1.0)


def _steps(n, width, factor, floor=0.0):
    return np.maximum(factor ** (np.arange(n) // width), floor)


def _spiked_flat(n, spikes=10):
    values = np.ones(n)
    top = min(spikes, n)
    values[:top] = np.linspace(10.0, 5.0, top)
    return values


def _close_pair(n, cut=10, gap=1e-3):
    values = 1e-2 * 0.99 ** np.arange(n)
    values[:cut] = 1.0
    values[cut : cut + 1] = 1.0 - gap
    return values


def _low_rank_noise(n, rank=10, noise=1e-2):
    """Ones above ``noise·G Gᴴ/n``, whose eigenvalues are squares of quarter-circle quantiles."""
    x = np.linspace(0.0, 2.0, 4001)
    law = (x * np.sqrt(4.0 - x**2) / 2.0 + 2.0 * np.arcsin(x / 2.0)) / np.pi
    values = noise * np.interp((n - _index(n) + 0.5) / n, law, x) ** 2
    values[:rank] += 1.0
    return values


def _exact_rank(n, rank=10):
    values = np.zeros(n)
    top = min(rank, n)
    values[:top] = np.linspace(1.0, 0.1, top)
    return values


spectra = {
    "polynomial_half": lambda n: _index(n) ** -0.5,
    "polynomial_one": lambda n: _index(n) ** -1.0,
    "polynomial_two": lambda n: _index(n) ** -2.0,
    "exponential_slow": lambda n: 10.0 ** (-0.01 * (_index(n) - 1.0)),
    "exponential_medium": lambda n: 10.0 ** (-0.1 * (_index(n) - 1.0)),
    "exponential_fast": lambda n: 10.0 ** (-0.5 * (_index(n) - 1.0)),
    "linear": lambda n: (n - _index(n) + 1.0) / n,
    "flat": np.ones,
    "staircase": lambda n: _steps(n, max(n // 10, 1), 0.5),
    "devil": lambda n: _steps(n, 20, 10.0**-0.6, floor=1e-15),
    "spiked_flat": _spiked_flat,
    "close_pair": _close_pair,
    "low_rank_noise": _low_rank_noise,
    "exact_rank": _exact_rank,
}
"""Standard spectra: each takes a length and returns that many descending values.

Polynomial i^(-1/2), i^-1, i^-2; exponential 10^(-q i) with q = 0.01, 0.1, 0.5; ``staircase`` halves ten times,
``devil`` falls by 10^0.6 every 20 values; ``spiked_flat`` is 10 spikes over ones, ``close_pair`` a near tie at the cut
10, ``low_rank_noise`` 10 ones over a noise bulk, ``exact_rank`` 10 nonzero values.
"""


def _values(spectrum, n):
    if isinstance(spectrum, str):
        if spectrum not in spectra:
            raise ValueError(f"spectrum must be an array or one of {', '.join(spectra)}; got {spectrum!r}")
        return spectra[spectrum](n)
    values = np.asarray(spectrum, dtype=np.float64)
    if values.ndim != 1 or values.size > n:
        raise ValueError(f"spectrum must be one-dimensional with at most {n} values; got shape {values.shape}")
    return values


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
    >>> A = matrix(40, 30, "exponential_medium")
    >>> bool(np.allclose(np.linalg.svd(A)[1], spectra["exponential_medium"](30), atol=1e-14))
    True
    """
    generator, name = _generator(rng), _dtype_name(dtype)
    is_complex = name.startswith("complex")
    left = [_phases(generator, m, is_complex) for _ in range(2)]
    right = [_phases(generator, n, is_complex) for _ in range(2)]
    M = _start(m, n, _values(spectrum, min(m, n)), is_complex)
    return _placed(_rotate(_rotate(M, left, 0), right, 1), name, xp, device)


def hermitian(n, eigenvalues, *, dtype="float64", rng=0, xp=None, device=None):
    """Hermitian matrix whose eigenvalues are known exactly.

    Arguments and cost are those of `matrix`, with at most `n` real `eigenvalues` of any sign; the result equals its
    conjugate transpose bit for bit.
    """
    generator, name = _generator(rng), _dtype_name(dtype)
    is_complex = name.startswith("complex")
    phases = [_phases(generator, n, is_complex) for _ in range(2)]
    M = _start(n, n, _values(eigenvalues, n), is_complex)
    M = _rotate(_rotate(M, phases, 0), [np.conj(phase) for phase in phases], 1)
    return _placed((M + M.conj().T) / 2, name, xp, device)


def kahan(n, *, angle=1.2):
    """Kahan's upper triangular matrix, on which column-pivoted QR misjudges the smallest singular value."""
    scale = np.sin(angle) ** np.arange(n)
    return scale[:, None] * (np.eye(n) - np.cos(angle) * np.triu(np.ones((n, n)), 1))


def heavy_row(m, n, *, weight=1e4, rng=0):
    """Gaussian matrix with one row, at a random place, scaled by `weight`."""
    generator = _generator(rng)
    A = generator.standard_normal((m, n))
    A[generator.integers(m)] *= weight
    return A


def bad_cholesky_qr(m, n, *, small=1e-8):
    """A row of ones over ``small`` times the identity: its Gram matrix is singular in working precision."""
    A = np.zeros((m, n))
    A[0] = 1.0
    A[np.arange(1, min(m, n + 1)), np.arange(min(m - 1, n))] = small
    return A


def hilbert(n):
    """Hilbert matrix, ``1 / (i + j + 1)``."""
    return 1.0 / (np.arange(n)[:, None] + np.arange(n) + 1.0)


def cauchy(m, n, *, rng=0):
    """Cauchy matrix ``1 / (x_i + y_j)`` of random nodes in (0, 1), whose singular values fall geometrically."""
    generator = _generator(rng)
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
    if not 0 <= nnz <= m * n // 4:
        raise ValueError(f"nnz must be between 0 and m * n // 4 = {m * n // 4}; got {nnz}")
    generator = _generator(rng)
    law = np.cumsum(1.0 / _index(n))
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
    """Kernel matrix ``exp(-‖x - y‖² / (2 length²))`` of `n` uniform points in the unit cube of `dim` dimensions."""
    X = _generator(rng).random((n, dim))
    K = scipy.spatial.distance.cdist(X, X, "sqeuclidean")
    K *= -0.5 / length**2
    return np.exp(K, out=K)


def dot_test(op, rng=0, *, columns=3, factor=200.0):
    """Check that ``rmatmat`` of an operator is the adjoint of its ``matmat``.

    Parameters
    ----------
    op : LinearOperator
        Operator of any namespace, dtype and device.
    rng : int or numpy.random.Generator, default 0
    columns : int, default 3
        Number of random vectors on each side.
    factor : float, default 200
        Discrepancy allowed, in units of roundoff.

    Returns
    -------
    float
        Largest ``|⟨A x, y⟩ - ⟨x, Aᴴ y⟩|`` relative to ``‖A x‖ ‖y‖ + ‖x‖ ‖Aᴴ y‖``.

    Raises
    ------
    AssertionError
        If a product has the wrong shape or dtype, or the discrepancy is larger than ``factor * eps``.
    """
    generator, (m, n) = _generator(rng), op.shape
    is_complex = be.is_complex(op.dtype)

    def draw(size):
        values = generator.standard_normal((size, columns))
        values = values + 1j * generator.standard_normal((size, columns)) if is_complex else values
        return be.from_numpy(values, op.xp, op.device, op.dtype)

    X, Y = draw(n), draw(m)
    AX, AhY = op.matmat(X), op.rmatmat(Y)
    assert tuple(AX.shape) == (m, columns), f"matmat returned shape {tuple(AX.shape)} instead of {(m, columns)}"
    assert tuple(AhY.shape) == (n, columns), f"rmatmat returned shape {tuple(AhY.shape)} instead of {(n, columns)}"
    for product in (AX, AhY):
        assert product.dtype == op.dtype, f"a product has dtype {product.dtype} instead of {op.dtype}"
    X, Y, AX, AhY = (be.to_numpy(block).astype(np.complex128) for block in (X, Y, AX, AhY))
    gap = np.abs(Y.conj().T @ AX - AhY.conj().T @ X)
    x, y, ax, ahy = (np.linalg.norm(block, axis=0) for block in (X, Y, AX, AhY))
    scale = y[:, None] * ax + ahy[:, None] * x
    worst = float(np.max(gap / np.maximum(scale, np.finfo(np.float64).tiny), initial=0.0))
    limit = factor * be.eps(op.dtype)
    assert worst <= limit, f"rmatmat is not the adjoint of matmat: relative discrepancy {worst:.1e} > {limit:.1e}"
    return worst
