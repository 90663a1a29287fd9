"""NumPy twin of the Philox kernels: the same numbers to the last bit, without Numba.

It serves draws too small to be worth loading a compiler for, and it is what the kernels are tested against.
"""

import numpy as np

from .._kernels import philox_constants as constants

_LOW = np.uint64(0xFFFFFFFF)
_BIT = np.uint64(1)
_S11, _S16, _S32, _S52 = (np.uint64(shift) for shift in (11, 16, 32, 52))


def philox_words(c0, c1, c2, c3, key0, key1):
    """The two 64-bit words of each block; counters and key are ``uint64`` below 2**32."""
    m0, m1 = (np.uint64(m) for m in constants.MULTIPLIERS)
    w0, w1 = (np.uint64(w) for w in constants.WEYL)
    for _ in range(constants.ROUNDS):
        product0, product1 = m0 * c0, m1 * c2
        c0, c2 = (product1 >> _S32) ^ c1 ^ key0, (product0 >> _S32) ^ c3 ^ key1
        c1, c3 = product1 & _LOW, product0 & _LOW
        key0, key1 = (key0 + w0) & _LOW, (key1 + w1) & _LOW
    return c0 | (c1 << _S32), c2 | (c3 << _S32)


def _draw(key, rows, first_block, blocks):
    heights = rows[:, None]
    index = np.arange(first_block, first_block + blocks, dtype=np.uint64)[None, :]
    shape = (rows.shape[0], blocks)
    c0 = np.broadcast_to(index & _LOW, shape)
    c1 = np.broadcast_to(heights & _LOW, shape)
    c2 = key[2] ^ (index >> _S32) ^ ((heights >> _S32) << _S16)
    c3 = np.full(shape, key[3])
    return philox_words(c0, c1, c2, c3, key[0], key[1])


def _pairs(transform, width, key, rows, first):
    first_block = first // 2
    blocks = (first + width + 1) // 2 - first_block
    pairs = transform(*_draw(key, rows, first_block, blocks))
    columns = np.stack(pairs, axis=2).reshape(rows.shape[0], 2 * blocks)
    return columns[:, first % 2 : first % 2 + width]


def _horner(coefficients, z):
    value = np.full_like(z, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * z + coefficient
    return value


def _box_muller(word0, word1):
    bits = ((word0 >> _S11) + _BIT).astype(np.float64).view(np.uint64)
    mantissa = ((bits & np.uint64((1 << 52) - 1)) | np.uint64(1023 << 52)).view(np.float64)
    exponent = (bits >> _S52).astype(np.float64) - constants.EXPONENT_BIAS
    above = mantissa > constants.SQRT_2
    mantissa = np.where(above, mantissa * 0.5, mantissa)
    exponent = np.where(above, exponent + 1.0, exponent)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    radius = np.sqrt(-2.0 * (exponent * constants.LOG_2 + (2.0 * s + s * z * _horner(constants.LOG, z))))

    turn = (word1 >> _S11).astype(np.float64) * (4.0 * constants.ULP_BELOW_ONE)
    quarter = np.floor(turn + 0.5)
    x = turn - quarter
    z = x * x
    sine, cosine = _horner(constants.SIN, z) * x, _horner(constants.COS, z)
    odd = quarter * 0.5 != np.floor(quarter * 0.5)
    radius = np.where((quarter == 2.0) | (quarter == 3.0), -radius, radius)
    return radius * np.where(odd, -sine, cosine), radius * np.where(odd, cosine, sine)


def _uniform(*words):
    return tuple(((word >> _S11) + _BIT).astype(np.float64) * constants.ULP_BELOW_ONE for word in words)


def philox_gaussian(out, key, rows, first, start, stop):
    """Standard normals; columns 2c and 2c + 1 of a row come from one block."""
    out[start:stop] = _pairs(_box_muller, out.shape[1], key, rows[start:stop], first)


def philox_uniform(out, key, rows, first, start, stop):
    """Multiples of 2**-53 in (0, 1]."""
    out[start:stop] = _pairs(_uniform, out.shape[1], key, rows[start:stop], first)


def philox_integers(out, key, rows, first, high, start, stop):
    """Integers in [0, high), high ≤ 2**32, biased by less than high / 2**64."""

    def scale(*words):
        return tuple(((w >> _S32) * high + (((w & _LOW) * high) >> _S32)) >> _S32 for w in words)

    out[start:stop] = _pairs(scale, out.shape[1], key, rows[start:stop], first)


def philox_signs(out, key, rows, first, start, stop):
    """Signs +1 and -1, 128 columns a block, lowest bit first; a set bit is -1."""
    width = out.shape[1]
    first_block = first // 128
    blocks = (first + width + 127) // 128 - first_block
    words = np.stack(_draw(key, rows[start:stop], first_block, blocks), axis=2)
    bits = (words[..., None] >> np.arange(64, dtype=np.uint64)) & _BIT
    signs = 1.0 - 2.0 * bits.reshape(stop - start, 128 * blocks).astype(np.float64)
    out[start:stop] = signs[:, first % 128 : first % 128 + width]
