"""Columns of a block of vectors: their norms on the host, and multiples of them."""

import numpy as np

from .. import _backend as be


def column_norms(X):
    """Norms of the columns, float64 on the host, at any scale that entries can have."""
    xp, scales = be.namespace(X), powers_of_two(largest_moduli(X))
    shrunk = xp.abs(times_powers(X, 1.0 / scales))
    return scales * np.sqrt(on_host(xp.sum(shrunk * shrunk, axis=0, dtype=be.widest_real(xp, be.device(X)))))


def largest_moduli(X):
    """Largest modulus in each column, float64 on the host."""
    xp = be.namespace(X)
    return on_host(xp.max(xp.abs(X), axis=0)) if X.shape[0] else np.zeros(X.shape[1])


def powers_of_two(sizes):
    """The power of two above each size, 1 where that is zero or no number."""
    usable = np.isfinite(sizes) & (sizes > 0)
    return np.where(usable, 2.0 ** np.clip(np.frexp(np.where(usable, sizes, 1.0))[1], -1022, 1023), 1.0)


def times_powers(X, factors):
    """`X` with its columns multiplied by powers of two, in two steps since a factor may lie out of range."""
    exponents = np.log2(factors)
    half = np.trunc(exponents / 2)
    for part in (half, exponents - half):
        X = times_columns(X, 2.0**part)
    return X


def times_columns(X, factors):
    """`X` with its columns multiplied by the numbers `factors` of the host."""
    return X * as_row(factors, X)


def as_row(factors, X):
    """The numbers `factors` of the host as a row in the dtype, namespace and device of `X`."""
    xp = be.namespace(X)
    real = be.dtype_name(be.real_dtype(xp, X.dtype))
    row = be.from_numpy(np.asarray(factors).astype(real), xp, be.device(X))
    return xp.astype(row, X.dtype)[None, :]


def on_host(x):
    """`x` as float64 of NumPy."""
    return np.asarray(be.to_numpy(x), dtype=np.float64)
