"""Subspaces looked for in single precision and judged in double."""

import numpy as np
import pytest
import scipy.sparse as sp

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la.factor.fused import judged
from lowrank_la.factor.iteration import Watch
from lowrank_la.factor.request import Request
from lowrank_la.operators import CentredOperator, MeteredOperator, as_operator

SINGLE = 2.0**-23


@pytest.fixture(scope="module")
def tfidf():
    """30000×4000, 400,000 nonzeros: enough for the compiled kernel."""
    return testing.sparse_tfidf(30000, 4000, 400000, rng=0)


@pytest.fixture(scope="module")
def tall():
    """3000×800, values i^(-1/2)."""
    return testing.matrix(3000, 800, "polynomial_half", rng=1)


def true_residuals(A, result):
    right = result.Vh.conj().T
    forward = np.linalg.norm(A @ right - result.U * result.s, axis=0)
    backward = np.linalg.norm(A.conj().T @ result.U - right * result.s, axis=0)
    return np.hypot(forward, backward) / result.s[0]


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(3000, 40), (300, 700), (1, 5)])
def test_gram_in_single_is_the_gram_matrix_to_single_precision(backend, dtype, shape):
    if dtype not in backend.dtypes:
        pytest.skip("the device has no double precision")
    rng = np.random.default_rng(0)
    M = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype == "complex128" else 0.0)
    G = be.gram_in_single(backend.asarray(M.astype(dtype)))
    assert be.dtype_name(G.dtype) == dtype
    G, exact = be.to_numpy(G), M.conj().T @ M
    assert np.linalg.norm(G - exact, 2) <= 4 * SINGLE * np.linalg.norm(exact, 2)
    np.testing.assert_array_equal(G, G.conj().T)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("kind", ["csr", "csc", "complex"])
def test_the_narrowed_product_is_the_product_to_single_precision(tfidf, kind, centre):
    A = tfidf.tocsc() if kind == "csc" else tfidf * (1 + 0.5j) if kind == "complex" else tfidf
    op = CentredOperator(as_operator(A)) if centre else as_operator(A)
    X = np.random.default_rng(1).standard_normal((4000, 16)).astype(op.dtype)
    narrow = op.narrowed()
    Z = narrow.normal(X.astype(np.complex64 if kind == "complex" else np.float32))
    exact = op.normal(X)
    assert Z.dtype == (np.complex64 if kind == "complex" else np.float32)
    assert np.linalg.norm(Z - exact) <= 100 * SINGLE * np.linalg.norm(exact)


def test_single_precision_is_not_offered_where_it_gains_nothing(tfidf, tall):
    assert as_operator(tfidf.astype(np.float32)).narrowed() is None
    assert as_operator(tfidf[:100]).narrowed() is None
    assert as_operator(tall).narrowed() is None


def test_products_of_a_narrowed_operator_are_counted(tfidf):
    meter = MeteredOperator(as_operator(tfidf))
    meter.narrowed().normal(np.ones((4000, 16), np.float32))
    assert (meter.products, meter.passes) == (32, 1)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_sparse_answers_meet_the_accuracy_in_double_precision(tfidf, wide, center):
    if wide and center:
        pytest.skip("one side of a wide matrix can't be centred by rows")
    A = tfidf.T.tocsr() if wide else tfidf
    result = lr.svd(A, 20, center=center, rng=0)
    assert result.info.method == "fused"
    assert result.info.details == {"search": "single"}
    assert result.s.dtype == result.U.dtype == np.float64
    dense = A.toarray() - (result.mean[None, :] if center else 0.0)
    assert true_residuals(dense, result).max() <= 1.01e-6
    np.testing.assert_allclose(result.info.residuals / result.s[0], true_residuals(dense, result), atol=1e-12)
    gap = np.linalg.norm(result.U.T @ result.U - np.eye(20))
    assert gap <= 1e-13


def test_dense_answers_meet_the_accuracy_in_double_precision(tall):
    result = lr.svd(tall, 30, method="gram", rng=0)
    assert (result.info.method, result.info.details) == ("gram", {"search": "single"})
    assert true_residuals(tall, result).max() <= 1.01e-6
    np.testing.assert_allclose(result.s, np.arange(1, 31) ** -0.5, rtol=1e-10)


def test_an_accuracy_beyond_single_precision_does_not_try_it(tall, tfidf):
    for A, method in ((tall, "gram"), (tfidf, "fused")):
        result = lr.svd(A, 10, accuracy=1e-7, method=method, rng=0)
        assert result.info.details == {}
        assert result.info.converged


@pytest.mark.parametrize("method", ["gram", "fused"])
def test_a_spectrum_out_of_reach_is_found_in_double_precision(method):
    values = 10.0 ** (-np.arange(720) / 8)
    if method == "gram":
        A = testing.matrix(1500, 720, values, rng=2)
        rank = 24
    else:
        A = sp.diags_array(10.0 ** (-np.arange(3000) / 10)).tocsr() @ sp.random_array(
            (3000, 2000), density=0.08, rng=np.random.default_rng(0)
        )
        rank = 30
    result = lr.svd(A, rank, method=method, rng=0)
    dense = A.toarray() if method == "fused" else A
    assert result.info.converged
    assert result.info.details == {}
    assert true_residuals(dense, result).max() <= 1.5e-6
    exact = np.linalg.svd(dense, compute_uv=False)[:rank]
    np.testing.assert_allclose(result.s, exact, rtol=0, atol=1e-6 * exact[0])


@pytest.mark.parametrize("scale", [1e-30, 1e12])
def test_a_scale_beyond_single_precision_is_not_tried_in_it(tall, scale):
    result = lr.svd(tall * scale, 10, method="gram", rng=0)
    assert result.info.details == {}
    np.testing.assert_allclose(result.s, scale * np.arange(1, 11) ** -0.5, rtol=1e-9)


def test_fewer_values_than_asked_are_seen_in_single_precision_too():
    rng = np.random.default_rng(3)
    left = sp.random_array((20000, 12), density=0.2, rng=rng).tocsr()
    A = (left @ sp.random_array((12, 1500), density=0.2, rng=rng)).tocsr()
    result = lr.svd(A, 16, method="fused", rng=0)
    assert result.info.converged
    np.testing.assert_allclose(result.s[12:], 0.0, atol=1e-6 * result.s[0])
    exact = np.linalg.svd(A.toarray(), compute_uv=False)[:12]
    np.testing.assert_allclose(result.s[:12], exact, rtol=1e-9)


def test_the_callback_sees_every_iteration_and_can_end_an_attempt(tfidf):
    seen = []

    def stop(state):
        seen.append(state.iteration)
        return state.iteration == 3

    with pytest.warns(lr.exceptions.ConvergenceWarning, match="stopped by callback"):
        result = lr.svd(tfidf, 20, rng=0, callback=stop)
    assert seen == [1, 2, 3]
    assert not result.info.converged


@pytest.mark.parametrize(("noise", "met"), [(1e-9, True), (5e-6, True), (1e-3, False)])
def test_columns_that_just_fall_short_are_multiplied_once_in_double_precision(tall, noise, met):
    right = np.linalg.svd(tall, full_matrices=False)[2][:40].T
    V = np.linalg.qr(right + noise * np.random.default_rng(4).standard_normal(right.shape) / 800**0.5)[0]
    A = MeteredOperator(as_operator(tall))
    request = Request(30, None, 1e-6, 10, be.resolve_rng(0), Watch(500), np.linalg.norm(tall))
    found, columns = judged(A, V, request, "gram")
    assert found.converged == met
    assert A.passes == (6 if noise == 5e-6 else 2)
    assert (columns is V) == (noise != 5e-6)
