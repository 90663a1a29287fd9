"""What `ChebTuck.fit` is given."""

import numpy as np

from .. import _backend as be
from . import chebyshev


def is_kruskal(f):
    """Whether `f` is a sum of separable terms: weights and factors."""
    if hasattr(f, "weights") and hasattr(f, "factors"):
        return True
    return isinstance(f, tuple) and len(f) == 2 and isinstance(f[1], tuple | list)


def degrees_of(degree, bounds):
    """One degree a mode, or None."""
    if degree is None:
        return None
    degrees = list(degree) if isinstance(degree, tuple | list) else [degree] * len(bounds)
    if len(degrees) != len(bounds):
        raise ValueError(f"degree must be one int or {len(bounds)} of them, got {degree!r}")
    return [be.check_count("degree", one, 0, chebyshev.LARGEST_DEGREE) for one in degrees]


def like_domain(domain):
    """An empty real array in the library, on the device and in the precision of `domain`."""
    if not be.is_array(domain):
        return np.empty(0)
    xp, place = be.namespace(domain), be.device(domain)
    return xp.empty(0, dtype=be.compute_dtype(xp, domain.dtype, place), device=place)
