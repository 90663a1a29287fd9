"""Sets of at most t places from their syndrome, over the field of 2**m elements."""

import numpy as np

from ._jit import jit


@jit(leaf=True)
def _times(a, b, exps, logs):
    if a == 0 or b == 0:
        return 0
    total = logs[a] + logs[b]
    order = exps.size
    return exps[total - order if total >= order else total]


@jit(leaf=True)
def _syndromes(z, m, degree, exps, logs, S):
    """Power sums 1 to 2 `degree` from the bits of the odd ones; gives whether any is not zero."""
    some = False
    for i in range(degree):
        value = 0
        for j in range(m):
            place = i * m + j
            value |= np.int64((z[place >> 6] >> np.uint64(place & 63)) & np.uint64(1)) << j
        S[2 * i + 1] = value
        some = some or value != 0
    for i in range(1, degree + 1):
        S[2 * i] = _times(S[i], S[i], exps, logs)
    return some


@jit(leaf=True)
def _locator(S, degree, exps, logs, C, B, T):
    """Berlekamp and Massey: coefficients of the error locator in `C`; gives its length."""
    order = exps.size
    C[:], B[:] = 0, 0
    C[0], B[0] = 1, 1
    length, shift, last = 0, 1, 1
    for r in range(2 * degree):
        gap = S[r + 1]
        for i in range(1, min(length, r) + 1):
            gap ^= _times(C[i], S[r + 1 - i], exps, logs)
        if gap == 0:
            shift += 1
            continue
        ratio = exps[(logs[gap] - logs[last] + order) % order]
        for i in range(C.size):
            T[i] = C[i]
        for i in range(C.size - shift):
            C[i + shift] ^= _times(ratio, B[i], exps, logs)
        if 2 * length <= r:
            length, last, shift = r + 1 - length, gap, 1
            for i in range(T.size):
                B[i] = T[i]
        else:
            shift += 1
    return length


@jit(leaf=True)
def _bits_of(exps):
    """The degree of the field."""
    m = 1
    while (1 << m) - 1 < exps.size:
        m += 1
    return m


@jit(leaf=True)
def places_of_syndrome(z, degree, exps, logs, n, key, work):
    """Set in `key` the at most `degree` places whose syndrome is `z`; False where there are none.

    Parameters
    ----------
    z : uint64 array
        Bits of the syndrome: bit j of the power sum 2 i + 1 at i m + j.
    degree : int
    exps, logs : int64 arrays (2**m - 1,) and (2**m,)
        Powers of a primitive element, and their exponents.
    n : int
        Places are 0 to n - 1.
    key : uint64 array
        Last place at the least significant bit of the first word.
    work : int64 array (4, 2 degree + 2)
    """
    key[:] = 0
    S, C = work[3], work[0]
    if not _syndromes(z, _bits_of(exps), degree, exps, logs, S):
        return True
    length = _locator(S, degree, exps, logs, C, work[1], work[2])
    if length > degree:
        return False
    order, found = exps.size, 0
    for q in range(n):
        value = 1
        for i in range(1, length + 1):
            if C[i] != 0:
                value ^= exps[(logs[C[i]] + i * (order - q)) % order]
        if value == 0:
            found += 1
            key[(n - 1 - q) >> 6] |= np.uint64(1) << np.uint64((n - 1 - q) & 63)
    return found == length
