"""How large residuals and values are, whatever a few of them are; and which values are met."""

from .. import _backend as be

_EXACT = 1e-5  # residuals relative to the values, below which these are met exactly


def median(z):
    """The middle of the moduli."""
    xp = be.namespace(z)
    return float(xp.sort(xp.abs(z))[z.shape[0] // 2])


def typical(y):
    """The middle of the moduli of values, of those that are not zero where most of them are."""
    return spread(y, y)


def spread(z, y):
    """The middle of the moduli of residuals, of those of values that are not zero where most of `y` are.

    Zero answers meet zeros, which say nothing of the others.
    """
    xp = be.namespace(z)
    return median(z if median(y) > 0.0 or not bool(xp.any(xp.abs(y) > 0)) else z[xp.abs(y) > 0])


def fitted(z, y):
    """Which values are met exactly, one or zero."""
    return within(z, max(_EXACT, be.eps(y.dtype) ** 0.5) * typical(y))


def mostly_fitted(z, y):
    """Whether more than half of the values are met exactly, of those that are not zero where most of them are."""
    return spread(z, y) <= max(_EXACT, be.eps(y.dtype) ** 0.5) * typical(y)


def within(z, limit):
    """One where a modulus is at most `limit`, zero elsewhere."""
    xp = be.namespace(z)
    return xp.astype(xp.abs(z) <= limit, z.dtype)


def telling(y):
    """Which values count where most of them are zero, one or zero: those that are not; all of them elsewhere."""
    xp = be.namespace(y)
    return xp.ones_like(y) if median(y) > 0.0 else xp.astype(xp.abs(y) > 0, y.dtype)
