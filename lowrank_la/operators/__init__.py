"""Linear operators: the one protocol that algorithms work on."""

from .algebra import AdjointOperator, ProductOperator, ScaledOperator, SumOperator
from .base import Cost, LinearOperator
from .blocks import BlockOperator
from .centred import CentredOperator, column_means
from .convert import as_operator
from .dense import DenseOperator
from .diagonal import DiagonalOperator
from .functions import FunctionOperator, ScipyOperator, operator
from .low_rank import LowRank
from .low_rank_plus_sparse import SparsePlusLowRank
from .mapped import MappedOperator
from .metered import MeteredOperator
from .stacked import StackedOperator

__all__ = [
    "AdjointOperator",
    "BlockOperator",
    "CentredOperator",
    "Cost",
    "DenseOperator",
    "DiagonalOperator",
    "FunctionOperator",
    "LinearOperator",
    "LowRank",
    "MappedOperator",
    "MeteredOperator",
    "ProductOperator",
    "ScaledOperator",
    "ScipyOperator",
    "SparsePlusLowRank",
    "StackedOperator",
    "SumOperator",
    "as_operator",
    "column_means",
    "operator",
]
