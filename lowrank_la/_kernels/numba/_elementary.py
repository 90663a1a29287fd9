"""Logarithm and exponential of double precision from additions, multiplications and one division.

A mathematics library takes one number at a time; these vectorise inside of a loop. Both are within three units in the
last place.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ._jit import jit

# log((1 + s) / (1 - s)) - 2 s = s³ Σ LOG[k] s^(2k) for |s| ≤ 0.172, and exp(r) - 1 - r = r² Σ EXP[k] r^k for
# |r| ≤ 0.347: polynomials through Chebyshev points, remainders below 5e-18.
_LOG = (
    0.666666666666667, 0.39999999999899505, 0.28571428625975487, 0.2222221113479508, 0.18182889125261723,
    0.15331721600556042, 0.14616449685043406,
)  # fmt: skip
_EXP = (
    0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326136, 0.0013888888888883748, 0.00019841269874820627,
    2.4801587325547743e-05, 2.7557255400206422e-06, 2.75572736431103e-07, 2.5105217004720745e-08,
    2.0914686968086876e-09,
)  # fmt: skip
_LOG_2, _SQRT_2, _PER_LOG_2 = math.log(2.0), math.sqrt(2.0), 1.0 / math.log(2.0)
_LOG_2_HIGH, _LOG_2_LOW = float.fromhex("0x1.62e42fecp-1"), 4.236521365809284e-10  # 34 bits of log 2, and the rest
_MANTISSA, _ONE = np.int64((1 << 52) - 1), np.int64(1023 << 52)
_UNITS, _BIAS = np.int64(1075 << 52), 2.0**52 + 1023.0  # bits of 2⁵², to which an integer is added by or-ing
_ROUND = 1.5 * 2.0**52  # added and taken off: rounds to an integer, which the last bits hold in between
_LEAST, _MOST = -708.0, 709.0  # where exp is a normal number


@intrinsic
def _bits(typing_context, x):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def _number(typing_context, bits):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@jit
def log_of(x):
    """Natural logarithm of a normal number; NaN of what is not positive."""
    bits = _bits(x)
    exponent = _number((bits >> np.int64(52)) | _UNITS) - _BIAS
    mantissa = _number((bits & _MANTISSA) | _ONE)
    above = mantissa > _SQRT_2
    mantissa = mantissa * 0.5 if above else mantissa
    exponent = exponent + 1.0 if above else exponent
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    tail = _LOG[6]
    for k in range(5, -1, -1):
        tail = tail * z + _LOG[k]
    found = exponent * _LOG_2 + (2.0 * s + s * z * tail)
    found = found if x < np.inf else x
    return found if x > 0.0 else np.nan


@jit
def exp_of(x):
    """Exponential; zero below the normal numbers."""
    inside = min(max(x, _LEAST), _MOST)
    shifted = inside * _PER_LOG_2 + _ROUND
    count = shifted - _ROUND
    r = (inside - count * _LOG_2_HIGH) - count * _LOG_2_LOW
    tail = _EXP[10]
    for k in range(9, -1, -1):
        tail = tail * r + _EXP[k]
    found = _number(_bits(1.0 + (r + r * r * tail)) + (_bits(shifted) << np.int64(52)))
    found = found if x >= _LEAST else 0.0
    found = found if x <= _MOST else np.inf
    return found if x == x else x


@jit
def log_after(one_more, x, inverse):
    """``log(1 + x)`` for x ≥ 0, of which ``1 + x`` and ``1 / (1 + x)`` are known."""
    lost = (x - (one_more - 1.0)) * inverse
    return log_of(one_more) + (lost if one_more < np.inf else 0.0)
