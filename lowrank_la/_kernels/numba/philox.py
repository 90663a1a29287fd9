"""Philox4x32-10 numbers, addressed by row and column.

Every kernel fills rows ``[start, stop)`` of `out`. ``rows`` (uint64) holds their global indices and `first` is the
global index of the first column. The four words of `key` (uint64, below 2**32) are Philox's key and two that enter its
counter beside the row and the index of the block into which the column falls.
"""

import math

import numpy as np

from .. import philox_constants as constants
from ._jit import jit

_M0, _M1 = (np.uint64(m) for m in constants.MULTIPLIERS)
_W0, _W1 = (np.uint64(w) for w in constants.WEYL)
_ROUNDS = constants.ROUNDS
_LOG, _SIN, _COS = constants.LOG, constants.SIN, constants.COS
_LOG_2, _SQRT_2 = constants.LOG_2, constants.SQRT_2
_BIAS, _ULP = constants.EXPONENT_BIAS, constants.ULP_BELOW_ONE
_LOW = np.uint64(0xFFFFFFFF)
_MANTISSA = np.uint64((1 << 52) - 1)
_EXPONENT_OF_ONE = np.uint64(1023 << 52)
_BIT = np.uint64(1)
_S11, _S16, _S32, _S52 = (np.uint64(shift) for shift in (11, 16, 32, 52))
_BATCH = 256


@jit
def philox_words(counters, key0, key1, count):
    """Replace the first `count` columns of `counters` (4, n) by their two 64-bit words (rows 0 and 1)."""
    for t in range(count):
        c0, c1, c2, c3 = counters[0, t], counters[1, t], counters[2, t], counters[3, t]
        k0, k1 = key0, key1
        for _ in range(_ROUNDS):
            product0 = _M0 * c0
            product1 = _M1 * c2
            c0 = (product1 >> _S32) ^ c1 ^ k0
            c2 = (product0 >> _S32) ^ c3 ^ k1
            c1 = product1 & _LOW
            c3 = product0 & _LOW
            k0 = (k0 + _W0) & _LOW
            k1 = (k1 + _W1) & _LOW
        counters[0, t] = c0 | (c1 << _S32)
        counters[1, t] = c2 | (c3 << _S32)


@jit
def _draw(words, key, rows, row, block, first_block, blocks, stop):
    """Words of the next blocks, row by row from (`row`, `block`); gives how many fit."""
    count = 0
    while row < stop and count < _BATCH:
        height = rows[row]
        take = min(blocks - block, _BATCH - count)
        for t in range(take):
            index = np.uint64(first_block + block + t)
            words[0, count + t] = index & _LOW
            words[1, count + t] = height & _LOW
            words[2, count + t] = key[2] ^ (index >> _S32) ^ ((height >> _S32) << _S16)
            words[3, count + t] = key[3]
        count += take
        block += take
        if block == blocks:
            row, block = row + 1, 0
    philox_words(words, key[0], key[1], count)
    return count


@jit
def _place_pairs(out, values, row, block, offset, blocks, count):
    """Write two values a block into `out`, whose first column lies `offset` (0 or 1) into the first block."""
    width = out.shape[1]
    for t in range(count):
        column = 2 * block - offset
        if column >= 0:
            out[row, column] = values[0, t]
        if column + 1 < width:
            out[row, column + 1] = values[1, t]
        block += 1
        if block == blocks:
            row, block = row + 1, 0
    return row, block


@jit
def _box_muller(words, count):
    """Turn two words into two independent standard normals (rows 0 and 1, read as float64)."""
    values = words.view(np.float64)
    for t in range(count):
        values[2, t] = float(np.int64((words[0, t] >> _S11) + _BIT))
        values[3, t] = float(np.int64(words[1, t] >> _S11))
    for t in range(count):
        bits = words[2, t]
        words[0, t] = (bits & _MANTISSA) | _EXPONENT_OF_ONE
        words[2, t] = bits >> _S52
    for t in range(count):
        mantissa = values[0, t]
        exponent = float(np.int64(words[2, t])) - _BIAS
        above = mantissa > _SQRT_2
        mantissa = mantissa * 0.5 if above else mantissa
        exponent = exponent + 1.0 if above else exponent
        s = (mantissa - 1.0) / (mantissa + 1.0)
        z = s * s
        tail = _LOG[10]
        for k in range(9, -1, -1):
            tail = tail * z + _LOG[k]
        values[0, t] = math.sqrt(-2.0 * (exponent * _LOG_2 + (2.0 * s + s * z * tail)))
    for t in range(count):
        turn = values[3, t] * (4.0 * _ULP)
        quarter = np.floor(turn + 0.5)
        x = turn - quarter
        z = x * x
        sine, cosine = _SIN[8], _COS[9]
        for k in range(7, -1, -1):
            sine = sine * z + _SIN[k]
        for k in range(8, -1, -1):
            cosine = cosine * z + _COS[k]
        sine = sine * x
        odd = quarter * 0.5 != np.floor(quarter * 0.5)
        radius = -values[0, t] if quarter == 2.0 or quarter == 3.0 else values[0, t]
        values[0, t] = radius * (-sine if odd else cosine)
        values[1, t] = radius * (cosine if odd else sine)


@jit
def philox_gaussian(out, key, rows, first, start, stop):
    """Standard normals; columns 2c and 2c + 1 of a row come from one block."""
    words = np.empty((4, _BATCH), np.uint64)
    values = words.view(np.float64)
    first_block = first // 2
    blocks = (first + out.shape[1] + 1) // 2 - first_block
    row, block = start, 0
    while row < stop:
        count = _draw(words, key, rows, row, block, first_block, blocks, stop)
        _box_muller(words, count)
        row, block = _place_pairs(out, values, row, block, first % 2, blocks, count)


@jit
def philox_uniform(out, key, rows, first, start, stop):
    """Multiples of 2**-53 in (0, 1]."""
    words = np.empty((4, _BATCH), np.uint64)
    values = words.view(np.float64)
    first_block = first // 2
    blocks = (first + out.shape[1] + 1) // 2 - first_block
    row, block = start, 0
    while row < stop:
        count = _draw(words, key, rows, row, block, first_block, blocks, stop)
        for t in range(count):
            values[0, t] = float(np.int64((words[0, t] >> _S11) + _BIT)) * _ULP
            values[1, t] = float(np.int64((words[1, t] >> _S11) + _BIT)) * _ULP
        row, block = _place_pairs(out, values, row, block, first % 2, blocks, count)


@jit
def philox_integers(out, key, rows, first, high, start, stop):
    """Integers in [0, high), high ≤ 2**32, biased by less than high / 2**64."""
    words = np.empty((4, _BATCH), np.uint64)
    first_block = first // 2
    blocks = (first + out.shape[1] + 1) // 2 - first_block
    row, block = start, 0
    while row < stop:
        count = _draw(words, key, rows, row, block, first_block, blocks, stop)
        for t in range(count):
            for half in range(2):
                word = words[half, t]
                carry = ((word & _LOW) * high) >> _S32
                words[half, t] = ((word >> _S32) * high + carry) >> _S32
        row, block = _place_pairs(out, words, row, block, first % 2, blocks, count)


@jit
def philox_signs(out, key, rows, first, start, stop):
    """Signs +1 and -1, 128 columns a block, lowest bit first; a set bit is -1."""
    words = np.empty((4, _BATCH), np.uint64)
    width = out.shape[1]
    first_block = first // 128
    blocks = (first + width + 127) // 128 - first_block
    row, block = start, 0
    while row < stop:
        count = _draw(words, key, rows, row, block, first_block, blocks, stop)
        for t in range(count):
            column = 128 * (first_block + block) - first
            for c in range(max(column, 0), min(column + 128, width)):
                bit = c - column
                word = words[bit // 64, t]
                out[row, c] = 1.0 - 2.0 * float(np.int64((word >> np.uint64(bit % 64)) & _BIT))
            block += 1
            if block == blocks:
                row, block = row + 1, 0
