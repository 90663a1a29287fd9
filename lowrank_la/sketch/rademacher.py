"""Random signs."""

from .. import _backend as be
from .base import DenseSketch


class Rademacher(DenseSketch):
    """Independent entries ±1/√d, for complex dtypes (±1 ± i)/√(2d): as good as Gaussian and cheaper to draw.

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
