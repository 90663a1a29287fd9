"""Random test matrices: a distribution, a shape and a key."""

from .base import Sketch
from .count_sketch import CountSketch
from .gaussian import Gaussian
from .rademacher import Rademacher
from .sparse_sign import SparseSign

__all__ = ["CountSketch", "Gaussian", "Rademacher", "Sketch", "SparseSign"]
