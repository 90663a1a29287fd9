"""Random test matrices: a distribution, a shape and a key."""

from .base import Sketch, sketch_class
from .count_sketch import CountSketch
from .fastfood import Fastfood
from .gaussian import Gaussian
from .khatri_rao import KhatriRao
from .rademacher import Rademacher
from .sparse_sign import SparseSign
from .srht import SRHT

__all__ = [
    "SRHT",
    "CountSketch",
    "Fastfood",
    "Gaussian",
    "KhatriRao",
    "Rademacher",
    "Sketch",
    "SparseSign",
    "sketch_class",
]
