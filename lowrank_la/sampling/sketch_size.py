"""How large a sketch keeps the relative error of every leverage score below a bound."""


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
