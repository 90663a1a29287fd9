"""What `leverage_scores` promises."""

import numpy as np
import pytest
import scipy.sparse
from factor import oracles
from hypothesis import given, settings
from strategies import dtypes, lay_out, layouts, random_array, seeds, shapes

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.sampling.sketch_size import degrees_of_freedom


def exact(A, rank=None):
    """Leverage scores by LAPACK in double precision, of the columns at one scale."""
    A = oracles.wide(A)
    size = np.abs(A).max(axis=0) if rank is None else np.ones(A.shape[1])
    U, s, _ = np.linalg.svd(A / np.where(size > 0, size, 1), full_matrices=False)
    count = int((s > 1e-10 * s.max(initial=0)).sum()) if rank is None else rank
    return (np.abs(U[:, :count]) ** 2).sum(axis=1)


def with_ridge(A, ridge):
    """Diagonal of A (AᴴA + λI)⁻¹ Aᴴ from the augmented matrix."""
    A = oracles.wide(A)
    R = np.linalg.qr(np.concatenate([A, ridge**0.5 * np.eye(A.shape[1])]))[1]
    return (np.abs(np.linalg.solve(R.T, A.T)) ** 2).sum(axis=0)


@pytest.mark.parametrize("shape", [(300, 6), (40, 9), (7, 7), (4, 9), (1, 5), (5, 1), (1, 1)])
def test_scores_are_squared_row_norms_of_an_orthonormal_basis(backend, shape):
    for dtype in backend.dtypes:
        A = random_array(shape, dtype, 1)
        r = lr.leverage_scores(backend.asarray(A))
        assert backend.holds(r.scores)
        assert r.scores.dtype == backend.dtype({"complex64": "float32", "complex128": "float64"}.get(dtype, dtype))
        np.testing.assert_allclose(oracles.wide(r.scores), exact(A), rtol=0, atol=100 * oracles.eps(dtype))


@given(shapes(1, 30), dtypes(), layouts(), seeds())
@settings(max_examples=40)
def test_scores_lie_between_zero_and_one_and_add_up_to_the_rank(shape, dtype, layout, seed):
    A = random_array(shape, dtype, seed)
    r = lr.leverage_scores(lay_out(A, layout))
    eps = oracles.eps(dtype)
    assert r.scores.min() >= 0
    assert r.scores.max() <= 1
    assert abs(r.scores.sum(dtype=float) - r.info.rank) <= 50 * eps * min(shape)
    assert r.info.rank == min(shape)


@pytest.mark.parametrize("rank", [0, 1, 3])
@pytest.mark.parametrize("shape", [(200, 8), (20, 8), (8, 20)])
def test_deficient_rank_is_found_and_cut(shape, rank):
    m, n = shape
    A = random_array((m, rank), "float64", 1) @ random_array((rank, n), "float64", 2)
    r = lr.leverage_scores(A)
    assert r.info.rank == rank
    expected = exact(A) if rank else np.zeros(m)
    np.testing.assert_allclose(r.scores, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("deficient", [False, True])
@pytest.mark.parametrize("rows", [700, 4800])
def test_scores_of_many_columns_are_right_with_and_without_full_rank(rows, deficient):
    A = random_array((rows, 560), "float64", 5)
    A[:, :200] *= 1e-6
    if deficient:
        A[:, 300] = A[:, 301] - A[:, 302]
    found = lr.leverage_scores(A)
    Q = np.linalg.qr(np.delete(A, 300, axis=1) if deficient else A)[0]
    assert found.info.rank == Q.shape[1]
    np.testing.assert_allclose(found.scores, np.sum(Q**2, axis=1), rtol=0, atol=1e-10)


@pytest.mark.parametrize("condition", [1e4, 1e8, 1e12])
def test_an_ill_conditioned_matrix_keeps_the_sum(condition):
    values = np.logspace(0, -np.log10(condition), 10)
    A = testing.matrix(2000, 10, values, rng=3)
    r = lr.leverage_scores(A)
    assert r.info.rank == 10
    assert abs(r.scores.sum() - 10) <= 1e-12
    U = np.linalg.qr(A)[0]
    np.testing.assert_allclose(r.scores, (U**2).sum(axis=1), rtol=0, atol=1e-15 * condition)


def test_a_gram_inverse_would_have_been_noticed():
    A = testing.matrix(2000, 10, np.logspace(0, -7, 10), rng=3)
    mutant = ((A @ np.linalg.inv(A.T @ A)) * A).sum(axis=1)
    assert abs(mutant.sum() - 10) > 1e-6


def test_the_scale_of_columns_does_not_matter():
    A = random_array((500, 6), "float64", 4)
    scaled = A * np.logspace(-120, 120, 6)
    np.testing.assert_allclose(lr.leverage_scores(scaled).scores, exact(A), rtol=0, atol=1e-13)


@pytest.mark.parametrize("exponent", [-150, -300, 150, 300])
def test_extreme_scales_are_harmless(exponent):
    A = random_array((100, 4), "float64", 5)
    np.testing.assert_allclose(lr.leverage_scores(A * 10.0**exponent).scores, exact(A), rtol=0, atol=1e-13)


def test_rows_that_a_sketch_may_miss_keep_their_scores():
    A = np.zeros((4000, 20))
    A[np.arange(20) * 199, np.arange(20)] = np.logspace(0, -10, 20)
    r = lr.leverage_scores(A)
    np.testing.assert_allclose(r.scores[np.arange(20) * 199], 1.0, rtol=0, atol=1e-14)
    assert abs(r.scores.sum() - 20) <= 1e-13


def test_one_heavy_row_is_harmless():
    A = testing.heavy_row(2000, 5, weight=1e8, rng=5)
    np.testing.assert_allclose(lr.leverage_scores(A).scores, exact(A), rtol=0, atol=1e-7)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_sparse_matrices_and_operators_give_the_scores_of_their_entries(layout):
    A = random_array((900, 12), "float64", 6) * (np.random.default_rng(7).random((900, 12)) < 0.2)
    A[17] = 0.0
    S = getattr(scipy.sparse, f"{layout}_array")(A)
    for data in (S, lr.as_operator(S) + A, lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)):
        r = lr.leverage_scores(data)
        np.testing.assert_allclose(r.scores, exact(A), rtol=0, atol=1e-13)
        assert r.scores[17] == 0.0


@pytest.mark.parametrize("ridge", [1e-8, 1.0, 1e6])
@pytest.mark.parametrize("shape", [(400, 6), (5, 9)])
def test_ridge_scores_are_those_of_the_augmented_matrix(backend, ridge, shape):
    for dtype in backend.dtypes:
        A = random_array(shape, dtype, 8)
        r = lr.leverage_scores(backend.asarray(A), ridge=ridge)
        np.testing.assert_allclose(oracles.wide(r.scores), with_ridge(A, ridge), rtol=0, atol=200 * oracles.eps(dtype))


def test_scores_of_a_leading_space_are_those_of_its_singular_vectors():
    A = testing.matrix(300, 40, 2.0 ** -np.arange(40.0), rng=9)
    r = lr.leverage_scores(A, rank=5, accuracy=1e-12, rng=0)
    np.testing.assert_allclose(r.scores, exact(A, 5), rtol=0, atol=1e-11)
    assert abs(r.info.gap - (2.0**-4 - 2.0**-5)) <= 1e-10
    assert r.info.error <= 1e-9


def test_a_space_without_a_gap_has_no_certain_scores():
    A = testing.matrix(100, 20, np.ones(20), rng=9)
    r = lr.leverage_scores(A, rank=5, rng=0)
    assert r.info.error == np.inf
    assert not r.info.converged


@pytest.mark.parametrize("last", [0.0, 1e-17])
def test_a_rank_above_the_numerical_one_is_warned_of(last):
    U, V = (np.linalg.qr(random_array((m, 5), "float64", m))[0] for m in (60, 5))
    with pytest.warns(lr.RankWarning, match="numerical rank 4, less than rank=5"):
        r = lr.leverage_scores((U * [1, 1, 1, 1, last]) @ V.T, rank=5)
    assert r.info.error == np.inf
    assert not r.info.converged


def test_a_column_that_is_the_sum_of_two_others_adds_no_certain_direction():
    A = random_array((60, 4), "float64", 21)
    with pytest.warns(lr.RankWarning, match="pass rank=4 at most"):
        assert lr.leverage_scores(np.c_[A, A[:, 0] + A[:, 1]], rank=5).info.error == np.inf


def test_the_leading_space_of_a_zero_matrix_is_any():
    with pytest.warns(lr.RankWarning, match="zero matrix"):
        assert lr.leverage_scores(np.zeros((9, 3)), rank=1).info.error == np.inf


@pytest.mark.parametrize("accuracy", [0.3, 0.5, 0.9])
def test_sketched_scores_miss_the_accuracy_in_one_of_a_hundred_draws_at_most(accuracy):
    """A hundred seeds at a failure probability of 0.01: three misses would have a probability of 0.08."""
    A = random_array((2000, 10), "float64", 10)
    tau = exact(A)
    worst = [
        np.abs(lr.leverage_scores(A, method="sketched", accuracy=accuracy, rng=seed).scores / tau - 1).max()
        for seed in range(100)
    ]
    assert np.sum(np.asarray(worst) > accuracy) <= 2


def test_the_normal_approximation_of_the_sketch_size_would_have_been_noticed():
    A, needed = random_array((2000, 10), "float64", 10), int(4 * np.log(2 * 2000 / 0.01) / 0.9**2)
    tau, misses = exact(A), 0
    for seed in range(100):
        S = np.random.default_rng(seed).standard_normal((10 + needed, 2000)) @ A
        mutant = (np.linalg.solve(np.linalg.qr(S)[1].T, A.T) ** 2).sum(axis=0) * needed
        misses += np.abs(mutant / tau - 1).max() > 0.9
    assert misses > 10


@pytest.mark.parametrize("accuracy", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("both", [False, True])
def test_the_sketch_size_is_the_least_that_the_law_of_the_scores_allows(accuracy, both):
    """Twenty thousand simulated scores: their misses stay within four standard errors of the failure allowed."""
    k, generator = degrees_of_freedom(accuracy, 0.02, both=both), np.random.default_rng(0)
    ratio = (k - 1) / generator.chisquare(k, 20_000) * (generator.chisquare(k, 20_000) / k if both else 1.0)
    missed = np.mean(np.abs(ratio - 1) > accuracy)
    assert abs(missed - 0.02) <= 4 * (0.02 / 20_000) ** 0.5 + 0.05 * 0.02
    assert degrees_of_freedom(accuracy, 0.01, both=both) > k


def test_sketched_scores_with_fewer_columns_are_within_the_accuracy():
    A = scipy.sparse.random_array((3000, 700), density=0.02, rng=np.random.default_rng(3)).tocsr()
    r = lr.leverage_scores(A, method="sketched", accuracy=0.9, rng=1)
    assert r.info.sketch_columns is not None
    assert np.abs(r.scores / exact(A.toarray()) - 1).max() <= 0.9


def test_a_sketch_a_quarter_as_high_would_have_been_noticed():
    A = random_array((3000, 15), "float64", 10)
    S = lr.sketch.SparseSign(30, 3000, 1).apply(A)
    mutant = (np.linalg.solve(np.linalg.qr(S)[1].T, A.T) ** 2).sum(axis=0)
    assert np.abs(mutant / exact(A) - 1).max() > 0.7


def test_half_precision_is_scored_in_single():
    A = random_array((50, 4), "float64", 11).astype(np.float16)
    r = lr.leverage_scores(A)
    assert r.scores.dtype == np.float32
    np.testing.assert_allclose(r.scores, exact(A.astype(float)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 2, "ridge": 1.0}, "rank or ridge, not both"),
        ({"rank": 2, "method": "qr"}, "rank goes with"),
        ({"method": "svd"}, "rank goes with"),
        ({"ridge": 1.0, "method": "sketched"}, "ridge goes with"),
        ({"ridge": -1.0}, "ridge must be positive"),
        ({"rank": 7}, "at most min"),
        ({"method": "lu"}, "method must be one of"),
        ({"method": "sketched", "accuracy": 2.0}, "accuracy must lie in"),
    ],
)
def test_arguments_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        lr.leverage_scores(random_array((20, 5), "float64"), **options)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_entries_that_are_not_finite_are_refused(bad):
    A = random_array((2000, 5), "float64")
    A[1234, 2] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        lr.leverage_scores(A)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_matrices_are_refused(shape):
    with pytest.raises(ValueError, match="is empty"):
        lr.leverage_scores(np.zeros(shape))


@pytest.mark.parametrize(("exponents", "fits"), [((-200, -100, 100, 200), False), ((-150, -50, 50, 140), True)])
def test_columns_that_no_scale_holds_are_named(exponents, fits):
    A = np.random.default_rng(6).standard_normal((30, 4)) * 10.0 ** np.asarray(exponents)
    if fits:
        assert lr.leverage_scores(A).info.rank == 4
        return
    for data in (A, scipy.sparse.csr_array(A)):
        with pytest.raises(ValueError, match=r"columns of A differ in size by more than float64 holds: column 0 has"):
            lr.leverage_scores(data)
