"""Estimators in the conventions of scikit-learn, over the functions of this library.

They need the package scikit-learn: ``pip install "lowrank_la[sklearn]"``.
"""

from importlib.util import find_spec as _find_spec

if _find_spec("sklearn") is None:
    raise ImportError('lowrank_la.estimators needs scikit-learn: pip install "lowrank_la[sklearn]"')

from .column_selector import ColumnSelector
from .incremental_pca import IncrementalPCA
from .matrix_completion import MatrixCompletion
from .nystroem import Nystroem
from .pca import PCA
from .robust_pca import RobustPCA
from .truncated_svd import TruncatedSVD

__all__ = [
    "PCA",
    "ColumnSelector",
    "IncrementalPCA",
    "MatrixCompletion",
    "Nystroem",
    "RobustPCA",
    "TruncatedSVD",
]
