"""Functions with few Walsh-Hadamard coefficients, and the question whether an answer is theirs."""

import numpy as np

import lowrank_la as lr


def planted(n, count, seed, *, signs=False, weight=None):
    """Different frequencies in ascending order, and normal coefficients or signs; `weight` bits each where given."""
    generator = np.random.default_rng(seed)
    if weight is None:
        rows = generator.integers(0, 2, (count, n), dtype=np.uint8)
    else:
        rows = np.zeros((count, n), np.uint8)
        for row in rows:
            row[generator.choice(n, weight, replace=False)] = 1
    rows = np.unique(rows, axis=0)
    values = generator.standard_normal(rows.shape[0])
    return rows, np.sign(values) if signs else values


def subspace(n, dimension, seed):
    """The frequencies of a random subspace, or fewer where its basis is dependent, and normal coefficients."""
    generator = np.random.default_rng(seed)
    basis = generator.integers(0, 2, (dimension, n), dtype=np.uint8)
    combinations = (np.arange(1 << dimension)[:, None] >> np.arange(dimension)) & 1
    rows = np.unique((combinations @ basis % 2).astype(np.uint8), axis=0)
    return rows, generator.standard_normal(rows.shape[0])


def function(rows, values, sigma=0.0, seed=0):
    """The function of bits with these coefficients, with fresh normal noise."""
    generator = np.random.default_rng(seed)

    def f(bits):
        shared = bits.astype(np.float64) @ rows.T.astype(np.float64)
        clean = (1.0 - 2.0 * (shared % 2.0)) @ values
        return clean + sigma * generator.standard_normal(clean.shape) if sigma else clean

    return f


def stored(rows, values):
    """The vector of all its values."""
    n = rows.shape[1]
    X = np.zeros(1 << n, np.asarray(values).dtype)
    X[rows.astype(np.int64) @ (1 << np.arange(n - 1, -1, -1))] = values
    return lr.fwht(X)


def is_right(result, rows, values, tol=1e-9):
    """Whether frequencies are the same and coefficients within `tol` times the largest."""
    found = np.asarray(result.coefficients)
    if found.shape != values.shape or not np.array_equal(np.asarray(result.indices), rows):
        return False
    return not found.size or bool(np.max(np.abs(found - values)) <= tol * np.max(np.abs(values)))


def has_right_support(result, rows):
    return np.array_equal(np.asarray(result.indices), rows)
