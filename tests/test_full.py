"""Every result that stands for a matrix can be formed, and says so where it can't."""

import numpy as np
import pytest
import scipy.sparse
from strategies import random_array

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.blocks import block_source


def _tall(dtype):
    return random_array((12, 3), dtype, 1) @ random_array((3, 8), dtype, 2) + 1


def _definite(dtype):
    F = random_array((9, 3), dtype, 3)
    return F @ F.conj().T


def _anchors(A):
    return lr.anchor_estimate(A[:4, :], A[:, :5], A[:4, :5])


def _sketched(A):
    return lr.SinglePassSketch(A.shape, 2, rng=0).partial_fit(A).result()


MAKERS = {
    "svd": (_tall, lambda A: lr.svd(A, 2, rng=0)),
    "centred svd": (_tall, lambda A: lr.svd(A, 2, center=True, rng=0)),
    "qb": (_tall, lambda A: lr.qb(A, 2, rng=0)),
    "eigh": (_definite, lambda A: lr.eigh(A, 2, rng=0)),
    "nystrom": (_definite, lambda A: lr.nystrom(A, 2, rng=0)),
    "rpcholesky": (_definite, lambda A: lr.rpcholesky(A, 2, rng=0)),
    "columns": (_tall, lambda A: lr.interpolative(A, 2, rng=0)),
    "rows": (_tall, lambda A: lr.interpolative(A, 2, axis=0, rng=0)),
    "cur": (_tall, lambda A: lr.cur(A, 2, rng=0)),
    "completion": (_tall, lambda A: lr.complete(A, 1, rng=0, maxiter=2, on_failure="warn")),
    "robust pca": (_tall, lambda A: lr.robust_pca(A, 2, rng=0)),
    "anchors": (_tall, _anchors),
    "single-pass sketch": (_tall, _sketched),
}
pytestmark = pytest.mark.filterwarnings("ignore::lowrank_la.ConvergenceWarning", "ignore::lowrank_la.RankWarning")


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_formed_is_the_product_with_the_identity(name, backend):
    matrix, make = MAKERS[name]
    for dtype in backend.dtypes:
        if name == "robust pca" and dtype.startswith("complex"):
            continue
        A = backend.asarray(matrix(dtype))
        result = make(A)
        eye = backend.asarray(np.eye(A.shape[1], dtype=dtype))
        expected = backend.to_numpy(result @ eye)
        if getattr(result, "mean", None) is not None:
            expected = expected + backend.to_numpy(result.mean)
        found = result.full()
        assert backend.holds(found)
        assert found.dtype == A.dtype
        gap = np.max(np.abs(backend.to_numpy(found) - expected))
        assert gap <= 50 * be.eps(A.dtype) * np.linalg.norm(expected)


@pytest.mark.parametrize("make", [lr.interpolative, lr.cur, lambda A, k, **kw: lr.interpolative(A, k, axis=0, **kw)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_skeletons_of_a_sparse_matrix_are_formed_dense(make, dtype):
    A = _tall(dtype) * (np.random.default_rng(0).random((12, 8)) < 0.7)
    result = make(scipy.sparse.csr_array(A), 8, rng=0)
    assert type(result.full()) is np.ndarray
    np.testing.assert_allclose(result.full(), A, rtol=0, atol=1e-12)


def test_a_centred_decomposition_gives_the_matrix_with_its_mean():
    A = _tall("float64")
    result = lr.svd(A, 3, center=True, rng=0)
    np.testing.assert_allclose(result.full(), A, rtol=0, atol=100 * np.finfo(float).eps * np.linalg.norm(A))


def test_half_precision_comes_back_in_half_precision():
    A = _tall("float32").astype("float16")
    assert lr.svd(A, 2, rng=0).full().dtype == np.float16


def test_left_vectors_that_wait_in_blocks_are_read():
    A = _tall("float64")
    result = lr.svd(block_source(A, rows=4), 3, rng=0)
    np.testing.assert_allclose(result.full(), result @ np.eye(8), rtol=0, atol=1e-13)


def test_gradients_flow_through_the_formed_matrix():
    torch = pytest.importorskip("torch")
    A = torch.tensor(_tall("float64"), requires_grad=True)
    torch.sum(lr.svd(A, 2, rng=0).full() ** 2).backward()
    assert bool(torch.any(A.grad != 0))


def test_what_stands_for_no_matrix_says_so():
    result = lr.leverage_scores(_tall("float64"), rank=2)
    with pytest.raises(TypeError, match="LeverageResult does not stand for a matrix"):
        result.full()
    with pytest.raises(TypeError, match=r"LeverageResult is not an array: unpack it or take its fields$"):
        np.asarray(result)


def test_a_result_is_not_taken_for_an_array():
    with pytest.raises(TypeError, match=r"SVDResult is not an array: unpack it.*full\(\)"):
        np.asarray(lr.svd(_tall("float64"), 2, rng=0))


def test_rows_that_are_read_once_are_formed_in_one_read():
    A = _tall("float64")
    np.testing.assert_array_equal(lr.as_operator(iter([A[:5], A[5:]])).todense(), A)


def test_products_alone_are_formed_in_panels_of_the_identity(monkeypatch):
    monkeypatch.setattr("lowrank_la.operators.base._IDENTITY", 24)
    A, widths = _tall("float64"), []

    def times(X):
        widths.append(X.shape[1])
        return A @ X

    one_sided = lr.operator(times, None, A.shape, A.dtype)
    np.testing.assert_array_equal(one_sided.todense(), A)
    assert widths == [3, 3, 2]
    np.testing.assert_array_equal(one_sided.H.todense(), A.T)
