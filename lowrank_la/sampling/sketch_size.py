"""How large a sketch keeps the relative error of every leverage score below a bound."""

import math

from ..sketch import SRHT, CountSketch

_FAILURE = 0.01  # of a sketch that is not like a Gaussian one


def is_like_gaussian(sketch):
    """Whether sketches of this class have about the law of Gaussian ones on data whose rows are not few and heavy."""
    return not issubclass(sketch, SRHT | CountSketch)


def rows_for_any_data(sketch, m, n, accuracy):
    """Rows with which a sketch of `m` rows that are few and heavy keeps the scores of `n` columns to `accuracy`.

    A sample of rows of an orthonormal matrix of equal row norms (`SRHT`) follows a Chernoff bound for matrices, of the
    order n log n, and all rows keep everything; a hash to d rows (`CountSketch`) the second moment n (n + 1) / d.
    """
    below, above = accuracy / (1 + accuracy), accuracy / (1 - accuracy)
    if issubclass(sketch, CountSketch):
        d = math.ceil(n * (n + 1) / (below**2 * _FAILURE))
        if d > m:
            raise ValueError(
                f"sketch=CountSketch needs {d} rows for {n} columns at accuracy {accuracy}, A has {m}: take "
                "SparseSign, or method='qr'"
            )
        return d
    rate = min(below + (1 - below) * math.log1p(-below), (1 + above) * math.log1p(above) - above)
    return min(math.ceil(n * math.log(2 * n / _FAILURE) / rate), 1 << (m - 1).bit_length())


def degrees_of_freedom(accuracy, failure, *, both=False):
    """Least k for which one score misses its `accuracy` with probability `failure` at most.

    The sketched score over the exact one has the law of (k - 1) / χ²_k for a Gaussian sketch of the rows; with k
    Gaussian columns behind it (`both`) that of (k - 1) / k times an F variable with k and k degrees of freedom.
    """
    missed = _missed_by_both if both else _missed_by_rows
    high = 2
    while missed(high, accuracy) > failure:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if missed(middle, accuracy) > failure else (low, middle)
    return high


def _missed_by_rows(k, accuracy):
    from scipy.special import gammainc, gammaincc

    least, most = ((k - 1) / (2 * (1 + side)) for side in (accuracy, -accuracy))
    return float(gammainc(k / 2, least) + gammaincc(k / 2, most))


def _missed_by_both(k, accuracy):
    from scipy.special import fdtr, fdtrc

    share = k / (k - 1)
    return float(fdtr(k, k, (1 - accuracy) * share) + fdtrc(k, k, (1 + accuracy) * share))
