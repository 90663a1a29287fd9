"""The subsampled randomized Hadamard transform."""

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.sketch import srht


def test_rows_come_from_an_orthogonal_matrix_and_none_twice():
    S = lr.sketch.SRHT(30, 64, rng=0).todense()
    np.testing.assert_allclose(S @ S.T, 64 / 30 * np.eye(30), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("d", "n"), [(1, 1), (5, 1), (7, 3), (3, 100), (64, 64), (40, 33)])
def test_odd_sizes_agree_with_the_dense_matrix(d, n):
    S, A = lr.sketch.SRHT(d, n, rng=1), np.random.default_rng(0).standard_normal((n, 4))
    np.testing.assert_allclose(S.apply(A), S.todense() @ A, rtol=0, atol=1e-13)
    np.testing.assert_allclose(S.rapply(A.T), A.T @ S.todense().T, rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [1000, 1024, 3000])
@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
def test_the_trimmed_transform_gives_the_rows_of_the_full_one(n, dtype, monkeypatch):
    monkeypatch.setattr(srht, "_BLOCK", 16)
    monkeypatch.setattr(srht, "_ENTRIES", 200)
    S = lr.sketch.SRHT(9, n, rng=2)
    A = np.random.default_rng(0).standard_normal((n, 3)).astype(dtype)
    error = np.max(np.abs(S.apply(A) - S.todense() @ A))
    assert error <= 100 * be.eps(dtype) * np.linalg.norm(A)


def test_a_subspace_of_many_columns_keeps_its_lengths_within_the_bounds():
    n, k = 4096, 16
    d = int(np.ceil(4 * (np.sqrt(k) + np.sqrt(8 * np.log(k * n))) ** 2 * np.log(k)))
    for rng in range(10):
        V = np.eye(n)[:, :k] if rng % 2 else np.linalg.qr(np.random.default_rng(rng).standard_normal((n, k)))[0]
        s = np.linalg.svd(lr.sketch.SRHT(d, n, rng).apply(V), compute_uv=False)
        assert 0.40 <= s[-1] <= s[0] <= 1.48


def test_without_signs_a_coherent_matrix_is_lost(monkeypatch):
    """The mutation: without D one column of H is mapped to a single number, which is seldom among the rows."""
    column = lr.hadamard(1024)[:, [5]].astype(float)
    kept = np.linalg.norm(lr.sketch.SRHT(64, 1024, 0).apply(column)) / np.linalg.norm(column)
    assert 0.4 < kept < 1.6
    monkeypatch.setattr(lr.sketch.SRHT, "_host_signs", lambda _self, start, stop: np.ones(stop - start, np.int8))
    lost = np.linalg.norm(lr.sketch.SRHT(64, 1024, 0).apply(column)) / np.linalg.norm(column)
    assert not 0.4 < lost < 1.6


def test_many_rows_of_a_long_transform_are_all_different():
    for d, n in ((5000, 100_000), (900, 1000)):
        rows = lr.sketch.SRHT(d, n, rng=3)._rows
        assert len(set(rows.tolist())) == d
        assert rows.min() >= 0
        assert rows.max() < 1 << (n - 1).bit_length()
