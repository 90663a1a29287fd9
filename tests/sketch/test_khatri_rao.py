"""Khatri-Rao sketches."""

import math
import tracemalloc
from functools import reduce

import numpy as np
import pytest
import scipy.sparse
from strategies import random_array

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.sketch import KhatriRao, khatri_rao

SIZES = [5, (5,), (1,), (2, 3), (3, 1, 4), (1, 1), (1, 30), (30, 1), (7, 2, 3, 2), (2,) * 7, [4, 6]]


def factors_of(S):
    """ω_k for every k, the first one over √d."""
    every = slice(0, S.shape[0])
    return [S._factor(k, every, slice(0, n)) for k, n in enumerate(S.sizes)]


def kron(vectors):
    return reduce(np.kron, vectors)


def matrices(sizes, columns, dtype, seed=0):
    return [random_array((n, columns), dtype, seed + k) for k, n in enumerate(sizes)]


def columnwise(factors):
    return np.stack([kron([A[:, r] for A in factors]) for r in range(factors[0].shape[1])], axis=1)


def unit(generator, n):
    x = generator.standard_normal(n)
    return x / np.linalg.norm(x)


def within(got, expected, dtype="float64", factor=100.0):
    scale = np.max(np.abs(expected), initial=1.0)
    return got.shape == expected.shape and np.max(np.abs(got - expected), initial=0.0) <= factor * be.eps(dtype) * scale


@pytest.mark.parametrize("dtype", [None, "complex128"])
@pytest.mark.parametrize("n", SIZES)
def test_rows_are_kronecker_products_of_rows_of_the_factors(n, dtype):
    S = KhatriRao(4, n, 1, dtype=dtype)
    drawn = factors_of(S)
    expected = np.stack([kron([omega[i] for omega in drawn]) for i in range(4)])
    assert S.shape == (4, math.prod(S.sizes))
    assert S.todense().dtype == (dtype or "float64")
    assert within(S.todense(), expected, factor=8.0)


@pytest.mark.parametrize("dtype", [None, "complex128"])
def test_rows_of_the_factors_lie_on_spheres(dtype):
    S = KhatriRao(50, (3, 40), 2, dtype=dtype)
    first, second = (np.linalg.norm(omega, axis=1) for omega in factors_of(S))
    np.testing.assert_allclose(first, np.sqrt(3 / 50), rtol=1e-14)
    np.testing.assert_allclose(second, np.sqrt(40), rtol=1e-14)


def test_factors_are_independent_of_each_other():
    first, second = factors_of(KhatriRao(4000, (6, 6), 3))
    assert np.max(np.abs(first.T @ second / np.sqrt(4000))) < 5 / np.sqrt(4000)
    assert not np.allclose(first * np.sqrt(4000), second)


def moment(S, x):
    """Mean of d²|S x|⁴ over the rows of a unit vector x, and its standard deviation."""
    fourths = np.abs(np.sqrt(S.shape[0]) * S.apply(x)) ** 4
    return np.mean(fourths), np.std(fourths) / np.sqrt(S.shape[0])


def kronecker_moment(sizes, dtype):
    return math.prod(3 * n / (n + 2) if dtype is None else 2 * n / (n + 1) for n in sizes)


@pytest.mark.parametrize("dtype", [None, "complex128"])
@pytest.mark.parametrize("sizes", [(4,), (3, 5), (2, 2, 2), (2, 3, 4)])
def test_the_variance_of_lengths_of_kronecker_vectors_is_that_of_the_documentation(sizes, dtype):
    generator = np.random.default_rng(0)
    S = KhatriRao(100_000, sizes, 5, dtype=dtype)
    for _ in range(3):
        mean, deviation = moment(S, kron([unit(generator, n) for n in sizes]))
        assert abs(mean - kronecker_moment(sizes, dtype)) <= 5 * deviation
        assert deviation <= 0.05 * mean


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_the_variance_of_lengths_of_matrices_falls_with_their_rank(rank):
    """Nine pairings of four factors in two modes: three meet ‖X‖_F⁴, and six meet ‖XᵀX‖_F²."""
    n, m = 5, 6
    X = random_array((n, rank), "float64", 1) @ random_array((rank, m), "float64", 2)
    X /= np.linalg.norm(X)
    expected = 3 * n / (n + 2) * m / (m + 2) * (1 + 2 * np.linalg.norm(X.T @ X) ** 2)
    mean, deviation = moment(KhatriRao(100_000, (n, m), 6), X.reshape(-1))
    assert abs(mean - expected) <= 5 * deviation


@pytest.mark.parametrize("dtype", [None, "complex128"])
def test_no_vector_has_a_larger_variance_than_the_bound(dtype):
    sizes, generator = (2, 3, 2), np.random.default_rng(3)
    S = KhatriRao(20_000, sizes, 7, dtype=dtype)
    for _ in range(20):
        x = generator.standard_normal(12) + 1j * generator.standard_normal(12)
        mean, deviation = moment(S, x / np.linalg.norm(x))
        assert mean <= kronecker_moment(sizes, dtype) + 5 * deviation


@pytest.mark.parametrize("wrong", ["gaussian", "signs", "shared"])
def test_other_laws_of_the_factors_fail_the_test_of_the_variance(wrong, monkeypatch):
    def factor(S, k, rows, cols):
        scale = S.shape[0] ** -0.5 if k == 0 else 1.0
        if wrong == "shared":
            drawn = be.gaussian(S.key, rows, slice(0, 3))
            return scale * np.sqrt(3) * (drawn / np.linalg.norm(drawn, axis=1, keepdims=True))[:, cols]
        return scale * (be.gaussian if wrong == "gaussian" else be.rademacher)(S.key.child(k), rows, cols)

    monkeypatch.setattr(KhatriRao, "_factor", factor)
    x = kron([np.array([0.6, 0.8, 0.0])] * 3)
    mean, deviation = moment(KhatriRao(100_000, (3, 3, 3), 5), x)
    assert abs(mean - kronecker_moment((3, 3, 3), None)) > 5 * deviation


def test_signs_lose_vectors_that_spheres_keep():
    x = kron([np.array([1.0, 1.0]) / np.sqrt(2)] * 4)
    signs = reduce(
        lambda a, b: (a[:, :, None] * b[:, None, :]).reshape(64, -1),
        [be.rademacher(be.Key(k), slice(0, 64), slice(0, 2)) for k in range(4)],
    )
    assert np.mean(signs @ x == 0.0) > 0.8
    assert np.all(KhatriRao(64, (2,) * 4, 1).apply(x) != 0.0)


@pytest.mark.parametrize("entries", [None, 30])
@pytest.mark.parametrize("columns", [0, 1, 3, 70])
@pytest.mark.parametrize("n", SIZES)
def test_products_agree_with_the_dense_matrix(n, columns, entries, monkeypatch):
    if entries:
        monkeypatch.setattr(khatri_rao, "_ENTRIES", entries)
    for drawn_as, dtype in ((None, "float64"), (None, "complex64"), ("complex128", "float32")):
        S = KhatriRao(9, n, 4, dtype=drawn_as)
        A, D = random_array((S.shape[1], columns), dtype), S.todense()
        for given in (A, np.asfortranarray(A)):
            before = given.copy()
            assert within(S.apply(given), D @ A, dtype)
            assert within(S.rapply(given.conj().T), A.conj().T @ D.conj().T, dtype)
            np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("dtype", [None, "complex128"])
@pytest.mark.parametrize("n", [6, (2, 5), (3, 1, 4), (2, 2, 2, 2)])
def test_any_cut_into_blocks_of_columns_gives_the_same_bits(n, dtype):
    S = KhatriRao(5, n, 2, dtype=dtype)
    D = S.todense()
    for low in range(S.shape[1] + 1):
        for high in range(low, S.shape[1] + 1):
            np.testing.assert_array_equal(S.block(slice(low, high)), D[:, low:high])
    np.testing.assert_array_equal(S.todense(dtype="float32"), D.astype(S._joint_dtype("float32")))


def test_long_columns_are_drawn_in_parts_with_the_same_law(monkeypatch):
    whole = KhatriRao(3, (4, 50), 1)
    expected = whole.todense()
    monkeypatch.setattr(khatri_rao, "_ENTRIES", 20)
    np.testing.assert_allclose(KhatriRao(3, (4, 50), 1).todense(), expected, rtol=1e-14)


@pytest.mark.parametrize("n", SIZES)
def test_factored_columns_give_what_their_product_gives_on_every_backend(n, backend):
    for drawn_as, dtype in ((None, "float32"), (None, "float64"), (None, "complex128"), ("complex128", "float64")):
        wide = "complex128" if drawn_as else dtype
        if dtype not in backend.dtypes or wide not in backend.dtypes:
            continue
        S = KhatriRao(7, n, 3, dtype=drawn_as)
        factors = matrices(S.sizes, 3, dtype)
        got = S.apply_factored([backend.asarray(A) for A in factors])
        assert backend.holds(got)
        assert be.eps(got.dtype) == be.eps(dtype)
        assert within(backend.to_numpy(got), S.todense() @ columnwise(factors), dtype)
        vector = S.apply_factored(tuple(backend.asarray(A[:, 0]) for A in factors))
        assert within(backend.to_numpy(vector), S.todense() @ columnwise(factors)[:, 0], dtype)


def test_factored_columns_are_taken_in_blocks_and_left_alone(monkeypatch):
    S, factors = KhatriRao(7, (40, 30), 3), matrices((40, 30), 2, "float64")
    expected, before = S.apply_factored(factors), [A.copy() for A in factors]
    monkeypatch.setattr(khatri_rao, "_ENTRIES", 50)
    assert within(S.apply_factored(factors), expected)
    for A, copy in zip(factors, before, strict=True):
        np.testing.assert_array_equal(A, copy)


def test_factored_columns_of_integers_and_half_precision_are_promoted():
    S = KhatriRao(5, (3, 2), 0)
    whole = [np.arange(6).reshape(3, 2), np.arange(4).reshape(2, 2)]
    assert S.apply_factored(whole).dtype == np.float64
    assert S.apply_factored([A.astype("float16") for A in whole]).dtype == np.float32
    assert within(S.apply_factored([A.tolist() for A in whole]), S.todense() @ columnwise(whole))


def test_a_sum_of_rank_one_tensors_of_more_entries_than_memory_is_sketched():
    sizes = (1000,) * 6
    S, factors = KhatriRao(40, sizes, 1), matrices(sizes, 4, "float64")
    norm = np.sqrt(np.sum(reduce(np.multiply, [A.T @ A for A in factors])))
    found = np.linalg.norm(S.apply_factored(factors) @ np.ones(4)) / norm
    assert S.shape == (40, 10**18)
    assert 0.1 < found < 3.0  # E found² = 1
    rows = S.block(slice(10**17, 10**17 + 5))
    assert rows.shape == (40, 5)
    assert np.all(np.isfinite(rows))


def test_the_result_of_cp_is_sketched_by_its_factors():
    X = columnwise(matrices((8, 7, 6), 2, "float64")).sum(axis=1).reshape(8, 7, 6)
    result = lr.cp(X, 2, rng=0)
    S = KhatriRao(30, X.shape, 0)
    found = S.apply_factored(result.factors) @ result.weights
    assert np.linalg.norm(found - S.apply(X.reshape(-1))) <= 1e-6 * np.linalg.norm(S.apply(X.reshape(-1)))


def test_products_need_little_memory():
    sizes, d = (60, 50, 40), 100
    S, X = KhatriRao(d, sizes, 0), np.random.default_rng(0).standard_normal((120_000, 4))
    sparse = scipy.sparse.random_array((120_000, 4), density=1e-4, rng=np.random.default_rng(0), format="csr")
    for call in (lambda: S.apply(X), lambda: S.rapply(X.T), lambda: S.apply(sparse)):
        call()
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < min(4 * khatri_rao._ENTRIES * 8, 0.9 * d * 120_000 * 8)


def test_a_tensor_of_low_rank_is_found_by_the_range_of_its_sketched_unfolding():
    factors = matrices((12, 20, 30), 4, "float64")
    X = columnwise(factors).sum(axis=1).reshape(12, 600)
    Q = np.linalg.qr(KhatriRao(4, (20, 30), 2).rapply(X))[0]
    assert np.linalg.norm(X - Q @ (Q.T @ X)) <= 1e-12 * np.linalg.norm(X)


def test_one_factor_is_what_an_int_gives():
    np.testing.assert_array_equal(KhatriRao(5, 30, 1).todense(), KhatriRao(5, (30,), 1).todense())
    assert "(5, 30, rng=" in repr(KhatriRao(5, (30,), 1))
    assert "(5, (3, 10), rng=" in repr(KhatriRao(5, [3, 10], 1))


BAD = {
    "no size": ((3, ()), ValueError, "n must be an int or a tuple of one size or more"),
    "a size of zero": ((3, (2, 0)), ValueError, r"n\[1\] must be at least 1, got 0"),
    "a negative size": ((3, (-2, 4)), ValueError, r"n\[0\] must be at least 1, got -2"),
    "a float": ((3, (2.0, 4)), TypeError, r"n\[0\] must be an integer, got 2.0"),
    "a word": ((3, "ab"), TypeError, "n must be an integer"),
    "too long": ((3, (2**32, 2**31)), ValueError, r"fewer than 2\*\*63 columns: sketch some modes at a time"),
    "no rows": ((0, (2, 3)), ValueError, "d must be at least 1, got 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_sizes_say_what_is_wrong(case):
    args, error, message = BAD[case]
    with pytest.raises(error, match=message):
        KhatriRao(*args)


WRONG_FACTORS = {
    "an array": (np.ones((2, 2)), ValueError, r"a list of 2 arrays, for n=\(2, 3\), got ndarray"),
    "too few": ([np.ones(2)], ValueError, "a list of 2 arrays, .* got 1"),
    "another length": ([np.ones(2), np.ones(4)], ValueError, r"factors\[1\] must have 3 rows"),
    "other columns": ([np.ones((2, 2)), np.ones((3, 1))], ValueError, "as many columns"),
    "a vector and a matrix": ([np.ones((2, 1)), np.ones(3)], ValueError, "or none"),
    "three modes": ([np.ones((2, 1, 1)), np.ones((3, 1, 1))], ValueError, r"factors\[0\]"),
    "a number": ([1.0, np.ones(3)], TypeError, r"factors\[0\] must be an array"),
    "words": ([np.ones(2), "abc"], TypeError, r"factors\[1\] must be an array"),
}


@pytest.mark.parametrize("case", WRONG_FACTORS)
def test_wrong_factors_say_what_is_wrong(case):
    factors, error, message = WRONG_FACTORS[case]
    with pytest.raises(error, match=message):
        KhatriRao(4, (2, 3), 0).apply_factored(factors)


def test_factors_of_two_libraries_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="one library, got numpy, torch"):
        KhatriRao(4, (2, 3), 0).apply_factored([np.ones(2), torch.ones(3)])
