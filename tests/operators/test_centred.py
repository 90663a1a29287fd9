"""Centring: accuracy under a mean far above the spread, complex means, sparse and implicit data."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from strategies import LAYOUTS, lay_out, random_array

import lowrank_la as lr
from lowrank_la import operators as ops

EPS = np.finfo("float64").eps
MEAN = 1e6


def shifted(m=3000, n=40, dtype="float64"):
    """Data of spread 0.1 around 1e6, and the same centred in extended precision."""
    a = random_array((m, n), dtype, 1) * 0.1 + MEAN * (1 + np.arange(n) / n)
    wide = a.astype("clongdouble" if a.dtype.kind == "c" else "longdouble")
    return a, wide - wide.mean(axis=0)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("m", [200, 30000])
def test_column_means_are_right_to_rounding(dtype, m):
    a, _ = shifted(m, 30, dtype)
    exact = a.astype("clongdouble" if dtype == "complex128" else "longdouble").mean(axis=0)
    gap = np.abs(ops.column_means(lr.as_operator(a)) - exact)
    assert np.max(gap) <= EPS * 2 * MEAN


def test_column_means_of_many_single_precision_rows_do_not_drift():
    a = np.full((300_000, 3), 0.1, "float32")
    assert np.all(ops.column_means(lr.as_operator(a)) == np.float32(0.1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_column_means_do_not_depend_on_the_layout(layout):
    a, _ = shifted(500, 300)
    np.testing.assert_array_equal(
        ops.column_means(lr.as_operator(lay_out(a, layout))), ops.column_means(lr.as_operator(a))
    )


def test_column_means_of_every_kind_of_operator_agree():
    a = random_array((50, 7), "complex128", 2)
    for op in (
        lr.as_operator(scipy.sparse.csr_array(a)),
        lr.as_operator(scipy.sparse.csc_array(a)),
        lr.operator(lambda X: a @ X, lambda Y: a.conj().T @ Y, a.shape, a.dtype),
        2.0 * lr.as_operator(a / 2),
    ):
        np.testing.assert_allclose(ops.column_means(op), a.mean(axis=0), rtol=0, atol=20 * EPS)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(30000, 20), (60, 5000)])
@pytest.mark.parametrize("single", [False, True])
def test_gram_matrices_lose_no_digits_to_the_mean(dtype, shape, single):
    a, centred = shifted(*shape, dtype)
    op = ops.CentredOperator(lr.as_operator(a))
    floor = (np.finfo("float32").eps if single else EPS * MEAN / 0.1) * float(
        np.linalg.norm(centred.astype(dtype))
    ) ** 2
    wanted = (centred.conj().T @ centred) if shape[0] > shape[1] else (centred @ centred.conj().T)
    got = op.gram(single) if shape[0] > shape[1] else op.outer_gram(single)
    assert np.linalg.norm((got - wanted).astype(dtype)) <= 8 * floor
    assert np.array_equal(got, got.conj().T)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("m", [300, 30000])
def test_products_reach_the_rounding_floor_of_the_data(dtype, m):
    a, centred = shifted(m, 20, dtype)
    op = ops.CentredOperator(lr.as_operator(a))
    X = random_array((20, 6), dtype, 3)
    floor = EPS * MEAN * np.sqrt(m * 20)
    norm = float(np.linalg.norm(centred.astype(dtype)))
    expected = centred @ X
    assert np.linalg.norm((op.matmat(X) - expected).astype(dtype)) <= 8 * floor * np.linalg.norm(X)
    normal = centred.conj().T @ expected
    gap = np.linalg.norm((op.normal(X) - normal).astype(dtype))
    assert gap <= 8 * floor * norm * np.linalg.norm(X)


def test_a_rank_one_correction_of_the_normal_product_would_fail_that_test():
    """The plausible wrong version: centring ``Aᴴ A X`` afterwards."""
    a, centred = shifted(3000, 20)
    X, mean = random_array((20, 6), "float64", 3), a.mean(axis=0)
    wrong = a.T @ (a @ X) - 3000 * mean[:, None] * (mean @ X)
    floor = EPS * MEAN * np.sqrt(3000 * 20)
    norm = float(np.linalg.norm(centred.astype(float)))
    assert np.linalg.norm(wrong - (centred.T @ (centred @ X)).astype(float)) > 80 * floor * norm * np.linalg.norm(X)


def test_the_norm_does_not_cancel():
    a, centred = shifted()
    expected = float(np.linalg.norm(centred.astype(float)))
    assert abs(ops.CentredOperator(lr.as_operator(a)).fro_norm() - expected) <= 1e-9 * expected
    S = scipy.sparse.csr_array(a)
    assert abs(ops.CentredOperator(lr.as_operator(S)).fro_norm() - expected) <= 1e-9 * expected


def test_the_norm_of_sparse_data_counts_the_entries_that_are_not_stored():
    a = random_array((40, 9), "complex128", 3) * (np.random.default_rng(0).random((40, 9)) < 0.2)
    mean = random_array((9,), "complex128", 4)
    for layout in ("csr", "csc", "coo"):
        op = ops.CentredOperator(lr.as_operator(scipy.sparse.coo_array(a).asformat(layout)), mean)
        assert abs(op.fro_norm() - np.linalg.norm(a - mean)) <= 20 * EPS * np.linalg.norm(a - mean)


def test_a_complex_mean_is_not_conjugated():
    a, mean = random_array((5, 3), "float64", 1), np.asarray([1j, 2.0, 3 - 1j])
    op = ops.CentredOperator(lr.as_operator(a), mean)
    assert op.dtype == np.complex128
    np.testing.assert_allclose(op @ np.eye(3), a - mean, rtol=0, atol=4 * EPS)
    np.testing.assert_allclose(op.H @ np.eye(5), (a - mean).conj().T, rtol=0, atol=8 * EPS)


def test_sparse_data_of_large_shape_are_never_formed():
    S = scipy.sparse.random_array((20_000, 5_000), density=1e-4, rng=1, format="csr")
    tracemalloc.start()
    op = ops.CentredOperator(lr.as_operator(S))
    op.normal(np.ones((5_000, 2)))
    op.fro_norm()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000 * 5_000 * 8 / 50


def test_dense_data_are_not_copied():
    a = random_array((4000, 500), "float64", 1)
    tracemalloc.start()
    op = ops.CentredOperator(lr.as_operator(a))
    op.normal(np.ones((500, 2)))
    op.fro_norm()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < a.nbytes / 2


def test_means_of_the_wrong_shape_are_refused():
    for mean in (np.ones(4), np.ones((1, 3)), np.ones(())):
        with pytest.raises(ValueError, match=r"\(3,\)"):
            ops.CentredOperator(lr.as_operator(np.ones((5, 3))), mean)
    with pytest.raises(TypeError, match="list"):
        ops.CentredOperator(lr.as_operator(np.ones((5, 3))), [0.0, 0.0, 0.0])


def test_a_matrix_without_rows_has_no_mean():
    with pytest.raises(ValueError, match="without rows"):
        ops.column_means(lr.as_operator(np.ones((0, 3))))
