"""Fastfood."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

import lowrank_la as lr


def test_rows_are_as_long_as_those_of_a_gaussian_matrix():
    n, d = 64, 6400
    lengths = np.sum(lr.sketch.Fastfood(d, n, rng=0).todense() ** 2, axis=1) * d
    assert np.mean(lengths) == pytest.approx(n, rel=6 * np.sqrt(2 / n / d))
    assert np.var(lengths) == pytest.approx(2 * n, rel=0.2)


def test_entries_have_the_moments_of_a_gaussian_matrix():
    d, n = 4096, 32
    S = lr.sketch.Fastfood(d, n, rng=1).todense() * np.sqrt(d)
    assert abs(S.mean()) < 0.02
    assert np.mean(S**2) == pytest.approx(1.0, abs=0.02)
    assert np.mean(S**4) == pytest.approx(3.0, abs=0.25)


def test_random_features_stand_for_the_gaussian_kernel_and_improve_with_their_number():
    n, count, sigma = 20, 30, 3.0
    X = np.random.default_rng(0).standard_normal((count, n))
    distances = np.sum((X[:, None] - X[None]) ** 2, axis=2)
    kernel, errors = np.exp(-distances / (2 * sigma**2)), []
    for D in (256, 4096):
        squares = []
        for rng in range(8):
            V = lr.sketch.Fastfood(D, n, rng).apply(X.T) * np.sqrt(D) / sigma
            shift = np.random.default_rng(rng).uniform(0, 2 * np.pi, (D, 1))
            features = np.sqrt(2 / D) * np.cos(V + shift)
            squares.append(np.mean((features.T @ features - kernel) ** 2))
        errors.append(np.sqrt(np.mean(squares)))
    assert errors[1] < 0.02
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.4)


@pytest.mark.parametrize(("d", "n"), [(1, 1), (3, 1), (5, 8), (100, 7), (8, 100)])
def test_odd_sizes_agree_with_the_dense_matrix(d, n):
    S, A = lr.sketch.Fastfood(d, n, rng=1), np.random.default_rng(0).standard_normal((n, 4))
    assert S.todense().shape == (d, n)
    np.testing.assert_allclose(S.apply(A), S.todense() @ A, rtol=0, atol=1e-13)


def test_products_with_sparse_matrices_work_in_blocks_of_columns():
    A = scipy.sparse.random_array((3000, 5), density=0.01, rng=np.random.default_rng(0), format="csr")
    S = lr.sketch.Fastfood(20, 3000, 0)
    tracemalloc.start()
    found = S.apply(A)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found, S.apply(A.toarray()), rtol=0, atol=1e-12)
    assert peak < 3000 * 3000 * 8
