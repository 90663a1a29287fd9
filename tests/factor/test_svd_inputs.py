"""`svd` of everything that holds a matrix: sparse, centred, implicit, half precision, integers, any memory layout."""

import numpy as np
import pytest
import scipy.sparse
from factor import oracles
from hypothesis import given, settings
from strategies import dtypes, layouts, random_array, ranks, seeds
from strategies import lay_out as laid_out

import lowrank_la as lr
from lowrank_la import testing


@pytest.mark.parametrize("make", ["csr_array", "csc_array", "coo_array", "csr_matrix"])
def test_sparse_matrices_have_the_triplets_of_their_dense_twins(make):
    S = testing.sparse_tfidf(300, 120, 2400, rng=9)
    r = lr.svd(getattr(scipy.sparse, make)(S), 5, accuracy=1e-9, rng=0)
    expected = np.linalg.svd(S.toarray(), compute_uv=False)
    np.testing.assert_allclose(r.s, expected[:5], rtol=0, atol=1e-9)
    assert abs(r.info.error - oracles.true_error(S.toarray(), r)) <= 1e-9
    assert oracles.residuals(S.toarray(), *r).max() <= 1.1e-9 * expected[0]


@pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta")
@pytest.mark.parametrize("layout", ["to_sparse_coo", "to_sparse_csr", "to_sparse_csc"])
def test_sparse_torch_tensors_have_the_triplets_of_their_dense_twins(layout):
    torch = pytest.importorskip("torch")
    dense = testing.sparse_tfidf(300, 120, 2400, rng=9).toarray()
    r = lr.svd(getattr(torch.from_numpy(dense), layout)(), 5, accuracy=1e-9, rng=0)
    assert isinstance(r.s, torch.Tensor)
    np.testing.assert_allclose(r.s.numpy(), np.linalg.svd(dense, compute_uv=False)[:5], rtol=0, atol=1e-9)


def test_centring_returns_the_mean_and_the_triplets_of_what_is_left(backend):
    for dtype in backend.dtypes:
        host = testing.matrix(80, 30, "exponential_medium", dtype=dtype)
        host = (host + 2.0).astype(dtype)
        r = lr.svd(backend.asarray(host), 4, center=True, rng=0)
        centred = oracles.wide(host) - oracles.wide(host).mean(axis=0)
        expected = np.linalg.svd(centred, compute_uv=False)
        c = 200 * oracles.eps(dtype) * np.linalg.norm(host)
        assert np.max(np.abs(backend.to_numpy(r.mean) - oracles.wide(host).mean(axis=0))) <= c
        assert np.max(np.abs(oracles.wide(r.s) - expected[:4])) <= max(c, 1e-6 * expected[0])
        assert abs(r.info.error - oracles.true_error(centred, r)) <= 1e-3 * r.info.error + 200 * oracles.eps(dtype)


def test_a_centred_sparse_matrix_agrees_with_the_dense_centred_one():
    S = testing.sparse_tfidf(400, 150, 4000, rng=10)
    r, t = (lr.svd(A, 6, center=True, accuracy=1e-9, rng=0) for A in (S, S.toarray()))
    np.testing.assert_allclose(r.s, t.s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(r.mean, t.mean, rtol=0, atol=1e-15)
    np.testing.assert_allclose(np.abs(np.sum(r.Vh * t.Vh, axis=1)), 1.0, rtol=0, atol=1e-6)
    assert abs(r.info.error - t.info.error) <= 1e-9


def test_without_centring_there_is_no_mean():
    assert lr.svd(np.eye(4), 2, rng=0).mean is None


def test_an_operator_is_enough():
    A = testing.matrix(90, 60, "polynomial_one", dtype="complex128", rng=17)
    op = lr.operator(lambda X: A @ X, lambda Y: A.conj().T @ Y, A.shape, A.dtype)
    r = lr.svd(op, 5, rng=0)
    assert oracles.residuals(A, *r).max() <= 1.1e-6
    assert r.info.error_kind == "estimate"
    assert 0.5 <= r.info.error / oracles.true_error(A, r) <= 2.0


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_gives_half_vectors_and_single_values(half):
    if half == "bfloat16":
        torch = pytest.importorskip("torch")
        A = torch.from_numpy(testing.matrix(40, 30, "exponential_medium", rng=18)).to(torch.bfloat16)
        host, single = A.double().numpy(), torch.float32
    else:
        A = testing.matrix(40, 30, "exponential_medium", dtype="float16", rng=18)
        host, single = A.astype(np.float64), np.dtype("float32")
    r = lr.svd(A, 4, rng=0)
    assert r.U.dtype == r.Vh.dtype == A.dtype
    assert r.s.dtype == single
    expected = np.linalg.svd(host, compute_uv=False)
    assert np.max(np.abs(np.asarray(r.s, dtype=np.float64) - expected[:4])) <= 1e-5


def test_half_precision_beyond_the_range_of_its_squares_is_no_trouble():
    A = np.full((50, 40), 6e4, dtype=np.float16)
    r = lr.svd(A, 1, rng=0)
    assert abs(float(r.s[0]) / (6e4 * 2000**0.5) - 1) <= 1e-3
    assert np.isfinite(r.info.error)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "bool"])
def test_integers_are_promoted(dtype):
    A = (np.arange(48).reshape(8, 6) % 5).astype(dtype)
    U, s, _ = lr.svd(A, 3, rng=0)
    assert U.dtype == s.dtype == np.float64
    np.testing.assert_allclose(s, np.linalg.svd(A.astype(float), compute_uv=False)[:3], rtol=0, atol=1e-12)


def test_nested_lists_are_arrays():
    assert abs(float(lr.svd([[3, 0], [0, 4]], 1, rng=0).s[0]) - 4.0) <= 4e-15


@settings(max_examples=40)
@given(shape_seed=seeds(), dtype=dtypes(), layout=layouts(), rank=ranks((18, 11)))
def test_memory_layout_makes_no_difference_beyond_rounding(shape_seed, dtype, layout, rank):
    a = random_array((18, 11), dtype, shape_seed)
    r, t = lr.svd(laid_out(a, layout), rank, rng=0), lr.svd(a, rank, rng=0)
    assert np.max(np.abs(r.s - t.s)) <= 100 * oracles.eps(dtype) * t.s[0]
