"""Everything that the library offers can be cited: names, results of every method, estimators, sketches."""

import re
import warnings

import numpy as np
import pytest
import scipy.sparse

import lowrank_la as lr
from lowrank_la.references import METHODS, SOFTWARE, bibliography

G = np.random.default_rng(0)
A = G.standard_normal((30, 8))
SQUARE = A.T @ A + np.eye(8)
LOW = G.standard_normal((30, 2)) @ G.standard_normal((2, 12))
HOLES = np.where(G.random(LOW.shape) < 0.2, np.nan, LOW)
TENSOR = G.random((6, 5, 4))
COUNTS = scipy.sparse.coo_array(np.floor(3 * G.random((6, 5, 4))))
FILTERS = G.standard_normal((6, 5, 3, 3))
FORMS = G.standard_normal((200, 6, 6))
VALUES = FORMS.reshape(200, -1) @ np.outer(np.arange(6.0), np.arange(6.0)).ravel() / 30.0
SPECTRUM = lr.fwht(np.eye(1, 256, 3)[0])


BY_METHOD = {  # a call that takes the method
    "svd": lambda m: lr.svd(SQUARE, 2, method=m, rng=0),
    "eigh": lambda m: lr.eigh(SQUARE, 2, method=m, rng=0),
    "nystrom": lambda m: lr.nystrom(SQUARE, 2, method=m, rng=0),
    "interpolative": lambda m: lr.interpolative(A, 2, method=m, rng=0),
    "cur": lambda m: lr.cur(A, 2, method=m, rng=0),
    "leverage_scores": lambda m: lr.leverage_scores(A, rank=3 if m == "svd" else None, method=m, rng=0),
    "sample_rows": lambda m: lr.sample_rows(A[:, :4], 10, method=m, rng=0),
    "lstsq": lambda m: lr.lstsq(A[:, :4], A[:, 5], method=m, rng=0),
    "weighted_lstsq": lambda m: lr.weighted_lstsq(lr.Legendre(3), np.cos, 6, method=m, rng=0),
    "complete": lambda m: lr.complete(HOLES, 2, method=m, rng=0),
    "robust_pca": lambda m: lr.robust_pca(LOW, 2, method=m, rng=0),
    "select_anchors": lambda m: lr.select_anchors(A, 3, method=m, rng=0),
    "cluster_matrices": lambda m: lr.cluster_matrices([A, 2 * A], 2, 0.9, method=m),
    "cp": lambda m: lr.cp(TENSOR, 2, method=m, rng=0),
    "gcp": lambda m: lr.gcp(COUNTS, 2, loss="poisson", method=m, mask="stored" if m == "lbfgs" else None, rng=0),
    "tucker": lambda m: lr.tucker(TENSOR, (2, 2, 2), method=m, rng=0),
    "decompose_conv": lambda m: lr.decompose_conv(FILTERS, method=m, rank=2 if m == "cp" else (2, 2)),
    "sparse_wht": lambda m: lr.sparse_wht(SPECTRUM, 8, 1, method=m, rng=0),
    "ridge_nystrom": lambda m: lr.ridge_nystrom(SQUARE, 0.1, method=m, rng=0),
    "OjaPCA": lambda m: lr.OjaPCA(1, method=m, rng=0).partial_fit(A).result(),
    "IncrementalSVD": lambda m: lr.IncrementalSVD(2, method=m).partial_fit(A).result(),
}
ONE_WAY = {  # calls without a choice of the method, or whose options make it
    "qb": lambda: lr.qb(A, 2, rng=0),
    "tall_qr": lambda: lr.tall_qr(A),
    "rpcholesky": lambda: lr.rpcholesky(SQUARE, 2, rng=0),
    "lewis_weights": lambda: lr.lewis_weights(A, 1),
    "lp_sensitivities": lambda: lr.lp_sensitivities(A[:, :2], 1),
    "volume_sample": lambda: lr.volume_sample(A, 8, rng=0),
    "volume_rescaled_sample": lambda: lr.volume_rescaled_sample(A, 8, rng=0),
    "anchor_estimate": lambda: lr.anchor_estimate(A[:3], A[:, :3], A[:3, :3], rank=2),
    "recover, l1": lambda: lr.recover(FORMS, VALUES, (6, 6), 1, rng=0),
    "recover, l2": lambda: lr.recover(FORMS, VALUES, (6, 6), 1, loss="l2", rng=0),
    "hierarchical_svd": lambda: lr.hierarchical_svd([A, A], 2),
    "FrequentDirections": lambda: lr.FrequentDirections(4).partial_fit(A).result(),
    "SinglePassSketch": lambda: lr.SinglePassSketch((30, 8), 2, rng=0).partial_fit(A).result(),
    "TopEigenvector, random": lambda: lr.TopEigenvector("random", rng=0).partial_fit(A).result(),
    "TopEigenvector, arbitrary": lambda: lr.TopEigenvector("arbitrary", rng=0).partial_fit(A).result(),
    "TuckerSketch": lambda: lr.TuckerSketch((6, 5, 4), (2, 2, 2), rng=0).update(TENSOR, 0).result(),
    "suggest_rank": lambda: lr.suggest_rank(TENSOR, 2, rng=0),
    "ChebTuck": lambda: lr.ChebTuck.fit(lambda x: np.exp(x.sum(axis=1)), [(-1, 1)] * 2),
    "newton_kernel": lambda: lr.newton_kernel(32, terms=12),
    "FunctionalTucker": lambda: lr.FunctionalTucker(1).fit(G.random((40, 2)), G.random(40), rng=0),
    "cp, nonneg": lambda: lr.cp(TENSOR, 2, nonneg=True, rng=0),
    "cp, mask": lambda: lr.cp(TENSOR, 2, mask=TENSOR > 0.1, rng=0),
}
TEXTBOOK = {  # methods without a source of their own
    ("SVDResult", "dense"), ("SVDResult", "gram"), ("EighResult", "dense"), ("LeverageResult", "qr"),
    ("LeverageResult", "svd"), ("RowSample", "uniform"), ("LstsqResult", "qr"), ("SparseWHTResult", "dense"),
    ("IncrementalSVDResult", "gram"), ("IncrementalSVDResult", "qr"), ("TallQRResult", "householder"),
    ("WeightedLstsqResult", "iid"),
}  # fmt: skip


def keys(thing):
    """Keys of what is cited, the library's own left out after it was looked for."""
    text = lr.cite(thing)
    found = re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE)
    assert text.count("@") - text.count("\\@") >= len(found) > 0
    assert set(found) <= set(bibliography())
    assert found[-1] == SOFTWARE
    assert len(set(found)) == len(found)
    return found[:-1]


def answered(call, *method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*method)


def options(name):
    """Values of `method` that a function offers, by its own message."""
    with pytest.raises((ValueError, TypeError)) as refusal:
        BY_METHOD[name]("?")
    return re.findall(r"'(\w+)'", str(refusal.value).partition("; got")[0])


PUBLIC = [name for name in lr.__all__ if name not in ("__version__", *lr._SUBMODULES)]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_cited_with_known_sources(name):
    keys(getattr(lr, name))


@pytest.mark.parametrize("name", BY_METHOD)
def test_a_result_of_every_method_is_cited_by_sources_of_its_function(name):
    offered = options(name)
    assert len(offered) > 1
    for method in offered:
        result = answered(BY_METHOD[name], method)
        found = keys(result)
        assert found or (type(result).__name__, result.info.method) in TEXTBOOK, (method, result.info.method)


@pytest.mark.parametrize("name", ONE_WAY)
def test_every_other_result_is_cited_by_a_source(name):
    result = answered(ONE_WAY[name])
    assert keys(result) or (type(result).__name__, result.info.method) in TEXTBOOK


def test_methods_of_one_name_in_different_fields_have_different_sources():
    names = [[key for key, of in METHODS.items() if method in of] for method in ("gauss_newton", "sketched", "krylov")]
    assert all(len(kinds) > 1 for kinds in names)
    first, second = (answered(BY_METHOD[name], "gauss_newton") for name in ("cp", "complete"))
    assert not set(keys(first)) & set(keys(second))


def test_kinds_of_results_in_the_table_exist():
    results = {type(answered(call)).__name__ for call in ONE_WAY.values()}
    results |= {type(answered(BY_METHOD[name], options(name)[-1])).__name__ for name in BY_METHOD}
    assert set(METHODS) <= results


@pytest.mark.parametrize("name", [name for name in lr.sketch.__all__ if name not in ("Sketch", "sketch_class")])
def test_every_sketch_is_cited_by_a_source(name):
    assert keys(getattr(lr.sketch, name))


def test_every_estimator_is_cited_by_a_source_fitted_or_not():
    estimators = pytest.importorskip("lowrank_la.estimators", exc_type=ImportError)
    for name in estimators.__all__:
        kind = getattr(estimators, name)
        assert keys(kind)
        assert keys(kind()) == keys(kind)
