"""Small finite fields: just enough arithmetic for quadratic residues."""

from functools import lru_cache
from itertools import product

import numpy as np


def prime_power(q):
    """``(p, k)`` with ``q = p**k`` and p prime, or None."""
    if q < 2:
        return None
    p = next((d for d in range(2, int(q**0.5) + 1) if q % d == 0), q)
    k = 0
    while q % p == 0:
        q, k = q // p, k + 1
    return (p, k) if q == 1 else None


@lru_cache(maxsize=32)
def difference_characters(q):
    """Quadratic character of ``x - y`` for all pairs of elements of the field of `q` elements, q an odd prime power.

    Returns
    -------
    int8 array, shape (q, q)
        Zero on the diagonal, 1 where the difference is a square, -1 elsewhere. Element number i has the digits of i in
        base p as its coefficients; number 0 is zero.
    """
    p, k = prime_power(q)
    digits = np.stack([np.arange(q) // p**i % p for i in range(k)], axis=1)
    character = np.full(q, -1, np.int8)
    character[_numbers(_products(digits, digits, p, k), p)] = 1
    character[0] = 0
    return character[_numbers((digits[:, None, :] - digits[None, :, :]) % p, p)]


def negatives(q):
    """Number of ``-x`` for every element x of the field of `q` elements."""
    p, k = prime_power(q)
    digits = np.stack([np.arange(q) // p**i % p for i in range(k)], axis=1)
    return _numbers(-digits % p, p)


def _numbers(digits, p):
    return digits @ p ** np.arange(digits.shape[-1])


def _products(x, y, p, k):
    """Products of rows of coefficients, lowest first, modulo an irreducible polynomial."""
    full = np.zeros((x.shape[0], 2 * k - 1), np.int64)
    for i in range(k):
        full[:, i : i + k] += x[:, i : i + 1] * y
    return _remainder(full % p, _irreducible(p, k), p)


def _remainder(polynomials, divisor, p):
    """Remainders of rows of coefficients by one monic polynomial of degree k, given without its leading 1."""
    k = len(divisor)
    rest = polynomials.copy()
    for i in reversed(range(k, rest.shape[1])):
        rest[:, i - k : i] = (rest[:, i - k : i] - rest[:, i : i + 1] * divisor) % p
    return rest[:, :k]


@lru_cache(maxsize=32)
def _irreducible(p, k):
    """Lower coefficients of a monic irreducible polynomial of degree k over the integers modulo p."""
    for lower in product(range(p), repeat=k):
        candidate = np.asarray([[*lower, 1]], np.int64)
        divisors = (
            np.asarray(d, np.int64) for degree in range(1, k // 2 + 1) for d in product(range(p), repeat=degree)
        )
        if all(_remainder(candidate, divisor, p).any() for divisor in divisors):
            return np.asarray(lower, np.int64)
    raise AssertionError("irreducible polynomials of every degree exist")
