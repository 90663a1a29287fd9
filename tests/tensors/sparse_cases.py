"""Sparse tensors with the dense ones that they stand for."""

from string import ascii_lowercase

import numpy as np
import scipy.sparse as sp

SHAPES = [(5, 4), (7, 6, 5), (6, 9, 2), (3, 4, 5, 6), (2, 1, 3, 2, 4, 3), (1, 8, 3)]


def numbers(generator, shape, dtype):
    drawn = generator.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        drawn = drawn + 1j * generator.standard_normal(shape)
    return drawn.astype(dtype)


def entries(shape, dtype="float64", count=60, seed=0):
    """Coordinates (count, N) with repetitions, values, and the dense tensor."""
    generator = np.random.default_rng(seed)
    coords = np.stack([generator.integers(0, n, count) for n in shape], axis=1)
    values = numbers(generator, count, dtype)
    dense = np.zeros(shape, dtype)
    np.add.at(dense, tuple(coords.T), values)
    return coords, values, dense


def coo(shape, dtype="float64", count=60, seed=0):
    """A SciPy array with repeated places, and the dense tensor."""
    coords, values, dense = entries(shape, dtype, count, seed)
    return sp.coo_array((values, tuple(coords.T)), shape=shape), dense


def factors_of(shape, rank, dtype="float64", seed=1):
    generator = np.random.default_rng(seed)
    return [numbers(generator, (n, rank), dtype) for n in shape]


def model(weights, factors):
    letters = ascii_lowercase[: len(factors)]
    operands = ",".join(letter + "z" for letter in letters)
    return np.einsum(f"{operands},z->{letters}", *factors, weights)


def mttkrp(dense, factors, k):
    letters = ascii_lowercase[: dense.ndim]
    others = [j for j in range(dense.ndim) if j != k]
    operands = ",".join(letters[j] + "z" for j in others)
    return np.einsum(f"{letters},{operands}->{letters[k]}z", dense, *(factors[j].conj() for j in others))
