"""Factored matrices: what stays factored, and norms under cancellation."""

import numpy as np
import pytest
import scipy.sparse
from strategies import random_array

import lowrank_la as lr

EPS = np.finfo("float64").eps


def factors(m=30, n=20, k=3, dtype="float64", seed=0):
    return random_array((m, k), dtype, seed), np.arange(1.0, k + 1), random_array((k, n), dtype, seed + 1)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_algebra_of_factored_matrices_stays_factored(dtype):
    A, B = lr.LowRank(*factors(dtype=dtype)), lr.LowRank(*factors(k=2, dtype=dtype, seed=5))
    a, b = A.todense(), B.todense()
    dense = random_array((20, 11), dtype, 9)
    for made, expected, rank in (
        (A + B, a + b, 5),
        (A - B, a - b, 5),
        (-A, -a, 3),
        (2.5 * A, 2.5 * a, 3),
        (2j * A, 2j * a, 3),
        (A.H, a.conj().T, 3),
        (A @ B.H, a @ b.conj().T, 2),
        (B @ A.H, b @ a.conj().T, 2),
        (A @ lr.as_operator(dense), a @ dense, 3),
    ):
        assert isinstance(made, lr.LowRank)
        assert made.rank == rank
        np.testing.assert_allclose(made.todense(), expected, rtol=0, atol=100 * EPS * np.linalg.norm(expected))


def test_weights_of_ones_need_not_be_given():
    U, _, Vh = factors()
    total = lr.LowRank(U, None, Vh) + lr.LowRank(U, None, Vh)
    assert total.s is None
    np.testing.assert_array_equal(lr.LowRank(U, None, Vh).todense(), lr.LowRank(U, np.ones(3), Vh).todense())


def test_the_norm_survives_terms_that_nearly_cancel():
    U, s, Vh = factors()
    change = 1e-9
    A = lr.LowRank(U, s, Vh) - lr.LowRank(U, s * (1 + change), Vh)
    expected = change * np.linalg.norm((U * s) @ Vh)
    assert abs(A.fro_norm() - expected) <= 1e-6 * expected


def test_expanding_the_square_would_lose_that_norm():
    U, s, Vh = factors()
    first, second = (U * s) @ Vh, (U * (s * (1 + 1e-9))) @ Vh
    square = np.vdot(first, first) + np.vdot(second, second) - 2 * np.vdot(first, second)
    expected = 1e-9 * np.linalg.norm(first)
    assert abs(np.sqrt(max(square, 0.0)) - expected) > 1e-2 * expected


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1.0, 1e150, 1e200])
def test_norms_neither_overflow_nor_underflow(scale):
    U, s, Vh = factors()
    A = lr.LowRank(U, s * scale, Vh)
    expected = np.linalg.norm((U * s) @ Vh)
    assert abs(A.fro_norm() / scale - expected) <= 50 * EPS * expected


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (1, 5), (5, 1)])
def test_more_terms_than_rows_are_allowed(shape):
    U, s, Vh = factors(*shape, k=7)
    A = lr.LowRank(U, s, Vh)
    assert abs(A.fro_norm() - np.linalg.norm((U * s) @ Vh)) <= 100 * EPS * A.fro_norm()
    assert A.diag().shape == (min(shape),)


def test_half_precision_factors_are_promoted():
    U, s, Vh = (part.astype("float16") for part in factors())
    A = lr.LowRank(U, s, Vh)
    assert A.dtype == np.float32
    assert A.source_dtype == np.float16
    assert (A @ np.ones(20)).dtype == np.float64


@pytest.mark.parametrize(
    "change",
    [
        lambda U, s, Vh: (U[:, :2], s, Vh),
        lambda U, s, Vh: (U, s[:2], Vh),
        lambda U, s, Vh: (U, s[:, None], Vh),
        lambda U, s, Vh: (U[:, 0], s, Vh),
        lambda U, s, Vh: (U, s, Vh[0]),
    ],
)
def test_factors_that_do_not_fit_are_named(change):
    with pytest.raises(ValueError, match="shapes"):
        lr.LowRank(*change(*factors()))


def test_complex_weights_and_lists_are_refused():
    U, s, Vh = factors()
    with pytest.raises(TypeError, match="real"):
        lr.LowRank(U, s * 1j, Vh)
    with pytest.raises(TypeError, match="list"):
        lr.LowRank(U.tolist(), s, Vh)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_norm_of_a_sum_with_a_sparse_matrix_survives_cancellation(dtype):
    U, V = random_array((40, 2), dtype, 1), random_array((30, 2), dtype, 2)
    L = U @ V.conj().T
    for change in (1.0, 1e-3, 1e-9):
        S = scipy.sparse.csr_array(-L * (1 + change))
        A = lr.SparsePlusLowRank(U, V, S)
        expected = np.linalg.norm(L + S.toarray())
        assert abs(A.fro_norm() - expected) <= 1e-6 * expected


def test_the_norm_of_a_sum_with_a_sparse_matrix_keeps_extreme_scales():
    U, V = random_array((40, 2), "float64", 1), random_array((30, 2), "float64", 2)
    S = scipy.sparse.random_array((40, 30), density=0.1, rng=1)
    expected = np.linalg.norm(U @ V.T + S.toarray())
    for scale in (1e-170, 1e170):
        A = lr.SparsePlusLowRank(U * scale, V, S * scale)
        assert abs(A.fro_norm() / scale - expected) <= 50 * EPS * expected


def test_a_zero_sum_has_norm_zero():
    zero = np.zeros((4, 1))
    assert lr.SparsePlusLowRank(zero, zero[:3], scipy.sparse.csr_array((4, 3))).fro_norm() == 0.0
