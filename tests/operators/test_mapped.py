"""A memory map is read in slabs by whoever knows how, and stays an array to all others."""

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la import operators as ops
from lowrank_la.factor.lazy import in_memory


def mapped(folder, array):
    np.save(folder / "array.npy", array)
    return np.load(folder / "array.npy", mmap_mode="r")


@pytest.fixture
def A():
    return np.random.default_rng(0).standard_normal((200, 12))


@pytest.mark.parametrize("dtype", ["float64", "complex64", ">f8", "int16", "float16"])
def test_products_and_entries_are_those_of_the_array(tmp_path, A, dtype):
    array = (10 * A).astype(dtype)
    op, dense = lr.as_operator(mapped(tmp_path, array)), lr.as_operator(array)
    assert isinstance(op, ops.BlockOperator)
    X, Y = np.eye(12, 3, dtype=op.dtype), np.eye(200, 3, dtype=op.dtype)
    np.testing.assert_array_equal(op.array, dense.array)
    np.testing.assert_allclose(op.matmat(X), dense.matmat(X))
    np.testing.assert_allclose(op.rmatmat(Y), dense.rmatmat(Y))
    for name in ("gram", "outer_gram", "diag", "fro_norm"):
        np.testing.assert_allclose(getattr(op, name)(), getattr(dense, name)(), rtol=1e-5)
    np.testing.assert_array_equal(op.take_rows([5, 3]), dense.take_rows([5, 3]))
    np.testing.assert_array_equal(op.take_cols([5, 3]), dense.take_cols([5, 3]))


def test_a_map_of_working_precision_is_not_copied(tmp_path, A):
    M = mapped(tmp_path, A)
    assert np.shares_memory(lr.as_operator(M).array, M)


def test_a_map_is_promoted_only_when_its_array_is_asked_for(tmp_path, A):
    op = lr.as_operator(mapped(tmp_path, A.astype("float16")))
    lr.svd(op, 3, rng=0)
    lr.lstsq(op, np.ones(200, "float32"))
    lr.leverage_scores(op)
    assert "whole" not in vars(op)


@pytest.mark.parametrize("method", ["krylov", "dense", "subspace", "gram", "fused", "auto"])
def test_every_method_takes_a_map(tmp_path, A, method):
    result = lr.svd(mapped(tmp_path, A), 3, method=method, accuracy=1e-10, rng=0)
    np.testing.assert_allclose(result.s, np.linalg.svd(A, compute_uv=False)[:3], rtol=1e-12)
    assert (result.info.passes == 1) == (method in ("gram", "auto"))
    assert in_memory(result.U).shape == (200, 3)


@pytest.mark.parametrize("method", ["auto", "cholesky", "sketched", "spir", "qr", "lsqr"])
def test_least_squares_with_a_map_takes_every_method(tmp_path, A, method):
    result = lr.lstsq(mapped(tmp_path, A), A @ np.ones(12), method=method, rng=0)
    np.testing.assert_allclose(result.x, 1.0, rtol=1e-10)


def test_reads_are_for_the_methods_that_take_slabs(tmp_path, A):
    with pytest.raises(ValueError, match="passes: for data in blocks only, with method 'auto', 'gram' or 'fused'"):
        lr.svd(mapped(tmp_path, A), 3, method="krylov", passes=2)


def test_functions_that_need_an_array_take_a_map(tmp_path, A):
    Q, R = lr.tall_qr(mapped(tmp_path, A))
    np.testing.assert_allclose(Q @ R, A, atol=1e-13)
    low = np.outer(A[:, 0], A[:60, 1])
    U, s, Vh, _ = lr.robust_pca(mapped(tmp_path, low), 1)
    np.testing.assert_allclose(U * s @ Vh, low, atol=1e-6 * np.linalg.norm(low))
    sketched = lr.leverage_scores(mapped(tmp_path, A), method="sketched", accuracy=0.5, rng=0)
    assert sketched.info.method == "sketched"


def test_an_explicit_block_source_of_a_map_stays_one_of_slabs(tmp_path, A):
    with pytest.raises(TypeError, match="dense array"):
        lr.tall_qr(lr.block_source(mapped(tmp_path, A)))
