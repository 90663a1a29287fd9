"""Numbers that the Philox kernels and their NumPy twin share.

Logarithm, sine and cosine are evaluated by the polynomials below rather than by a mathematics library: they vectorise,
and the same key gives the same bits on every machine.
"""

import math

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10

#: log((1 + s) / (1 - s)) - 2 s = s * Σ LOG[k] s^(2k + 2); |s| ≤ 0.172 leaves a remainder below 1e-18.
LOG = tuple(2.0 / (2 * k + 3) for k in range(11))
#: sin(π x / 2) = x * Σ SIN[k] x^(2k) and cos(π x / 2) = Σ COS[k] x^(2k) for |x| ≤ 1/2, remainders below 1e-19.
SIN = tuple((-1) ** k * (math.pi / 2) ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(9))
COS = tuple((-1) ** k * (math.pi / 2) ** (2 * k) / math.factorial(2 * k) for k in range(10))
LOG_2 = math.log(2.0)
SQRT_2 = math.sqrt(2.0)
EXPONENT_BIAS = 1023.0 + 53.0
ULP_BELOW_ONE = 2.0**-53
