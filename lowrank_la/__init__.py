"""Low-rank structure of large matrices: small factored answers that carry their error.

The names below load on first use, so that ``import lowrank_la`` stays as light as a NumPy script.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lowrank_la import datasets, plot, sketch, testing
    from lowrank_la.blocks.sources import block_source
    from lowrank_la.completion.complete import complete
    from lowrank_la.exceptions import CapabilityError, ConvergenceError, ConvergenceWarning, RankWarning
    from lowrank_la.factor.eigh import eigh
    from lowrank_la.factor.nystrom import nystrom
    from lowrank_la.factor.qb import qb
    from lowrank_la.factor.svd import svd
    from lowrank_la.factor.tall_qr import tall_qr
    from lowrank_la.operators import LowRank, SparsePlusLowRank, as_operator, operator
    from lowrank_la.references import cite
    from lowrank_la.results import load
    from lowrank_la.robust.anchors import anchor_estimate
    from lowrank_la.robust.rank_one import RankOne
    from lowrank_la.robust.recover import recover
    from lowrank_la.robust.robust_pca import robust_pca
    from lowrank_la.robust.select_anchors import select_anchors
    from lowrank_la.sampling.dpp import DPP, KDPP
    from lowrank_la.sampling.embedding import embedding_distortion
    from lowrank_la.sampling.leverage import leverage_scores
    from lowrank_la.sampling.lewis import lewis_weights
    from lowrank_la.sampling.projection_dpp import ProjectionDPP
    from lowrank_la.sampling.rows import sample_rows
    from lowrank_la.sampling.sensitivity import lp_sensitivities
    from lowrank_la.sampling.volume import volume_rescaled_sample, volume_sample
    from lowrank_la.skeleton.cur import cur
    from lowrank_la.skeleton.interpolative import interpolative
    from lowrank_la.skeleton.kernel_matrix import KernelMatrix
    from lowrank_la.skeleton.posterior import NystromPosterior
    from lowrank_la.skeleton.ridge_nystrom import ridge_nystrom
    from lowrank_la.skeleton.rpcholesky import rpcholesky
    from lowrank_la.solve.features import Chebyshev, Hermite, Legendre
    from lowrank_la.solve.lstsq import lstsq
    from lowrank_la.solve.weighted import weighted_lstsq
    from lowrank_la.streaming.cluster_matrices import cluster_matrices
    from lowrank_la.streaming.frequent_directions import FrequentDirections
    from lowrank_la.streaming.hierarchical_svd import hierarchical_svd
    from lowrank_la.streaming.incremental_svd import IncrementalSVD
    from lowrank_la.streaming.oja_pca import OjaPCA
    from lowrank_la.streaming.single_pass_sketch import SinglePassSketch
    from lowrank_la.streaming.sliding_window import SlidingWindow
    from lowrank_la.streaming.top_eigenvector import TopEigenvector
    from lowrank_la.tensors.chebtuck import ChebTuck
    from lowrank_la.tensors.congruence import congruence, factor_match_score
    from lowrank_la.tensors.core_consistency import core_consistency
    from lowrank_la.tensors.cp import cp
    from lowrank_la.tensors.decompose_conv import decompose_conv
    from lowrank_la.tensors.functional_tucker import FunctionalTucker
    from lowrank_la.tensors.gcp import gcp
    from lowrank_la.tensors.newton_kernel import newton_kernel
    from lowrank_la.tensors.split_half import split_half
    from lowrank_la.tensors.suggest_rank import suggest_rank
    from lowrank_la.tensors.tucker import tucker
    from lowrank_la.tensors.tucker_sketch import TuckerSketch
    from lowrank_la.transforms.dct import dct
    from lowrank_la.transforms.fwht import fwht
    from lowrank_la.transforms.hadamard import hadamard
    from lowrank_la.transforms.sparse_wht import sparse_wht
    from lowrank_la.transforms.strongest import strongest_columns
    from lowrank_la.versions import show_versions

__version__ = "0.1.0"

_SUBMODULES = frozenset({"datasets", "plot", "sketch", "testing"})
_BESIDE = frozenset({"blocks", "estimators"})  # packages of their own: reached by name, not part of a star import
_HOME = {
    "CapabilityError": "exceptions",
    "ChebTuck": "tensors.chebtuck",
    "Chebyshev": "solve.features",
    "ConvergenceError": "exceptions",
    "ConvergenceWarning": "exceptions",
    "DPP": "sampling.dpp",
    "FrequentDirections": "streaming.frequent_directions",
    "FunctionalTucker": "tensors.functional_tucker",
    "Hermite": "solve.features",
    "IncrementalSVD": "streaming.incremental_svd",
    "KDPP": "sampling.dpp",
    "KernelMatrix": "skeleton.kernel_matrix",
    "Legendre": "solve.features",
    "LowRank": "operators",
    "NystromPosterior": "skeleton.posterior",
    "OjaPCA": "streaming.oja_pca",
    "ProjectionDPP": "sampling.projection_dpp",
    "RankOne": "robust.rank_one",
    "RankWarning": "exceptions",
    "SinglePassSketch": "streaming.single_pass_sketch",
    "SlidingWindow": "streaming.sliding_window",
    "SparsePlusLowRank": "operators",
    "TopEigenvector": "streaming.top_eigenvector",
    "TuckerSketch": "tensors.tucker_sketch",
    "anchor_estimate": "robust.anchors",
    "as_operator": "operators",
    "block_source": "blocks.sources",
    "cite": "references",
    "cluster_matrices": "streaming.cluster_matrices",
    "complete": "completion.complete",
    "congruence": "tensors.congruence",
    "core_consistency": "tensors.core_consistency",
    "cp": "tensors.cp",
    "cur": "skeleton.cur",
    "dct": "transforms.dct",
    "decompose_conv": "tensors.decompose_conv",
    "eigh": "factor.eigh",
    "embedding_distortion": "sampling.embedding",
    "factor_match_score": "tensors.congruence",
    "fwht": "transforms.fwht",
    "gcp": "tensors.gcp",
    "hadamard": "transforms.hadamard",
    "hierarchical_svd": "streaming.hierarchical_svd",
    "interpolative": "skeleton.interpolative",
    "leverage_scores": "sampling.leverage",
    "lewis_weights": "sampling.lewis",
    "load": "results",
    "lp_sensitivities": "sampling.sensitivity",
    "lstsq": "solve.lstsq",
    "newton_kernel": "tensors.newton_kernel",
    "nystrom": "factor.nystrom",
    "operator": "operators",
    "qb": "factor.qb",
    "recover": "robust.recover",
    "ridge_nystrom": "skeleton.ridge_nystrom",
    "robust_pca": "robust.robust_pca",
    "rpcholesky": "skeleton.rpcholesky",
    "sample_rows": "sampling.rows",
    "select_anchors": "robust.select_anchors",
    "show_versions": "versions",
    "sparse_wht": "transforms.sparse_wht",
    "split_half": "tensors.split_half",
    "strongest_columns": "transforms.strongest",
    "suggest_rank": "tensors.suggest_rank",
    "svd": "factor.svd",
    "tall_qr": "factor.tall_qr",
    "tucker": "tensors.tucker",
    "volume_rescaled_sample": "sampling.volume",
    "volume_sample": "sampling.volume",
    "weighted_lstsq": "solve.weighted",
}

__all__ = [  # noqa: RUF022  in the order of the alphabet, classes in capitals too
    "CapabilityError",
    "ChebTuck",
    "Chebyshev",
    "ConvergenceError",
    "ConvergenceWarning",
    "DPP",
    "FrequentDirections",
    "FunctionalTucker",
    "Hermite",
    "IncrementalSVD",
    "KDPP",
    "KernelMatrix",
    "Legendre",
    "LowRank",
    "NystromPosterior",
    "OjaPCA",
    "ProjectionDPP",
    "RankOne",
    "RankWarning",
    "SinglePassSketch",
    "SlidingWindow",
    "SparsePlusLowRank",
    "TopEigenvector",
    "TuckerSketch",
    "__version__",
    "anchor_estimate",
    "as_operator",
    "block_source",
    "cite",
    "cluster_matrices",
    "complete",
    "congruence",
    "core_consistency",
    "cp",
    "cur",
    "datasets",
    "dct",
    "decompose_conv",
    "eigh",
    "embedding_distortion",
    "factor_match_score",
    "fwht",
    "gcp",
    "hadamard",
    "hierarchical_svd",
    "interpolative",
    "leverage_scores",
    "lewis_weights",
    "load",
    "lp_sensitivities",
    "lstsq",
    "newton_kernel",
    "nystrom",
    "operator",
    "plot",
    "qb",
    "recover",
    "ridge_nystrom",
    "robust_pca",
    "rpcholesky",
    "sample_rows",
    "select_anchors",
    "show_versions",
    "sketch",
    "sparse_wht",
    "split_half",
    "strongest_columns",
    "suggest_rank",
    "svd",
    "tall_qr",
    "testing",
    "tucker",
    "volume_rescaled_sample",
    "volume_sample",
    "weighted_lstsq",
]


def __getattr__(name: str):
    if name in _SUBMODULES | _BESIDE:
        return _import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_BESIDE} - {"TYPE_CHECKING", "annotations"})
