"""Gaussian test matrix."""

from .. import _backend as be
from .base import DenseSketch


class Gaussian(DenseSketch):
    """Independent normal entries of variance 1/d: the reference among sketches, 2dnp operations on an n×p matrix.

    Parameters
    ----------
    d, n : int
        Rows of the sketch, and length of the vectors that it takes.
    rng : optional
        Seed, generator or `Key`.
    dtype : optional
        A complex dtype makes the entries complex.

    References
    ----------
    .. [1] halko_martinsson_tropp_2011

    Examples
    --------
    >>> import numpy as np
    >>> import lowrank_la as lr
    >>> S = lr.sketch.Gaussian(20, 1000, rng=0)
    >>> S.apply(np.ones((1000, 3))).shape
    (20, 3)
    """

    _draw = staticmethod(be.gaussian)
