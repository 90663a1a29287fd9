"""Random signs."""

from .. import _backend as be
from .base import DenseSketch


class Rademacher(DenseSketch):
    """Independent entries ±1/√d, for complex dtypes (±1 ± i)/√(2d): as good as Gaussian and cheaper to draw.

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
    .. [1] achlioptas_2003

    Examples
    --------
    >>> import lowrank_la as lr
    >>> float(abs(lr.sketch.Rademacher(4, 10, rng=0).todense()).max())
    0.5
    """

    _draw = staticmethod(be.rademacher)
