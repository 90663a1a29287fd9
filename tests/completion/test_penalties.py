"""What penalties do: at extreme scales, on one side, with a rank that is too large; and what new rows get."""

import numpy as np
import pytest
from completion.matrices import sampled

import lowrank_la as lr


def biased_matrix(scale=1.0):
    A, (rows, columns, _) = sampled(40, 30, 2, 4.0)
    generator = np.random.default_rng(4)
    A = A + 3.0 + generator.standard_normal((40, 1)) + generator.standard_normal((1, 30))
    return A * scale, (rows, columns, A[rows, columns] * scale)


@pytest.mark.parametrize(("power", "ridge"), [(-30, 0.1), (-30, 2.0**-30), (21, 2.0**17), (30, 2.0**28), (30, 1.0)])
def test_biases_are_penalised_by_what_was_given_at_every_scale(power, ridge):
    A, (rows, columns, values) = biased_matrix(2.0**power)
    given = rows, columns, values
    result = lr.complete(
        given, 2, shape=A.shape, bias=True, regularization=ridge, tol=1e-14, maxiter=5000, holdout=0, rng=0
    )
    assert result.info.converged
    mean, b, c = result.biases
    U, V = result.U[:, :2], result.V[:, :2]
    R = np.zeros(A.shape)
    R[rows, columns] = values - mean - b[rows] - c[columns] - np.einsum("pk,pk->p", U[rows], V[columns])
    residual, root = np.linalg.norm(R), 2.0 ** (power / 2)
    assert np.linalg.norm(R.sum(1) - ridge * b) <= 1e-5 * residual
    assert np.linalg.norm(R.sum(0) - ridge * c) <= 1e-5 * residual
    assert np.linalg.norm(R @ V - ridge * U) <= 1e-5 * residual * root
    assert np.linalg.norm(R.T @ U - ridge * V) <= 1e-5 * residual * root


def test_biases_with_penalties_are_refused_where_they_would_be_nothing_or_all():
    A, given = biased_matrix(1e100)
    with pytest.raises(ValueError, match="needs values whose largest is between"):
        lr.complete(given, 2, shape=A.shape, bias=True, regularization=1.0)


@pytest.mark.parametrize("scale", [1e40, 1e-40, 1e150, 1e-150])
def test_new_rows_of_a_fit_with_biases_are_found_at_every_scale(scale):
    A, given = biased_matrix(scale)
    result = lr.complete(given, 2, shape=A.shape, bias=True, tol=1e-10, holdout=0, rng=0)
    filled = result.transform(A[:5]) @ result.V.T
    np.testing.assert_allclose(filled / scale, A[:5] / scale, atol=1e-6)


def test_new_rows_need_a_penalty_where_those_of_the_fit_differ(tmp_path):
    A, given = sampled(50, 40, 2, 6.0)
    options = {"shape": A.shape, "rng": 0}
    differing = lr.complete(given, 2, regularization=(np.linspace(1, 2, 50), np.ones(40)), **options)
    assert differing.info.regularization is None
    differing.save(tmp_path / "x.npz")
    for result in (differing, lr.load(tmp_path / "x.npz")):
        with pytest.raises(ValueError, match="pass regularization="):
            result.transform(A[:2])
        assert result.transform(A[:2], regularization=1.0).shape == (2, 2)
    equal = lr.complete(given, 2, regularization=(np.full(50, 2.0), np.ones(40)), **options)
    assert equal.info.regularization == 2.0
    np.testing.assert_array_equal(equal.transform(A[:2]), equal.transform(A[:2], regularization=2.0))


@pytest.mark.parametrize("options", [{}, {"bias": True}, {"nonneg": True}])
def test_a_penalised_fit_that_entries_kept_back_contradict_has_not_converged(options):
    N = np.random.default_rng(0).standard_normal((100, 100))
    known = np.where(np.random.default_rng(1).random(N.shape) < 0.3, N**2 if options.get("nonneg") else N, np.nan)
    with pytest.warns(lr.ConvergenceWarning, match=r"error on entries kept back .* raise regularization"):
        result = lr.complete(known, 13, regularization=1e-4, rng=0, maxiter=1500, tol=1e-2, **options)
    assert not result.info.converged
    assert result.info.error > 10 * result.info.train_error


def test_a_penalised_fit_of_noisy_ratings_converges():
    A, (rows, columns, values) = sampled(150, 100, 2, 4.0)
    noisy = values + np.random.default_rng(0).standard_normal(values.size)
    result = lr.complete((rows, columns, noisy), 5, shape=A.shape, regularization=3.0, rng=0)
    assert result.info.converged
    assert result.info.error > 1.1 * result.info.train_error


def spectrum(values, m=60, n=40):
    generator = np.random.default_rng(0)
    Q, W = (np.linalg.qr(generator.standard_normal((size, len(values))))[0] for size in (m, n))
    return (Q * np.array(values)) @ W.T


@pytest.mark.parametrize(
    ("values", "ridge", "rank"),
    [((1e6, 100.0, 1.1), 1.0, 3), ((1e6, 100.0, 1.1), 1.0, 6), ((100.0, 10.0, 1.0, 0.1), 0.05, 7)],
)
def test_a_rank_that_is_too_large_loses_no_singular_value_above_the_penalty(values, ridge, rank):
    result = lr.complete(spectrum(values), rank, regularization=ridge, rng=0, holdout=0)
    assert result.info.converged
    assert result.info.iterations <= 100
    expected = np.zeros(rank)
    expected[: len(values)] = np.maximum(np.array(values) - ridge, 0.0)
    np.testing.assert_allclose(result.svd().s, expected, atol=1e-3 * ridge + 1e-12 * values[0])


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_directions_lost_to_larger_penalties_come_back(weighted, lines, backend):
    values, ridge = (1e4, 30.0, 2.0), 1.0
    A = spectrum(values)
    options = {"weights": backend.asarray(np.full(A.shape, 4.0))} if weighted else {}
    ridge = ridge * (4.0 if weighted else 1.0)
    penalty = tuple(backend.asarray(np.full(size, ridge)) for size in A.shape) if lines else ridge
    result = lr.complete(backend.asarray(A), 3, regularization=penalty, rng=0, holdout=0, tol=1e-6, **options)
    found = np.linalg.svd(backend.to_numpy(result.U) @ backend.to_numpy(result.V).T, compute_uv=False)[:3]
    single = backend.nearest("float64") == "float32"
    np.testing.assert_allclose(found, np.array(values) - 1.0, atol=1.0 if single else 0.01)


def test_the_objective_is_as_small_as_a_long_iteration_makes_it():
    A, (rows, columns, values) = sampled(100, 80, 3, 3.0)
    noisy = values + 0.3 * np.random.default_rng(0).standard_normal(values.size)
    for ridge, rank in ((0.1, 3), (3.0, 10), (30.0, 10)):
        options = {"shape": A.shape, "regularization": ridge, "rng": 0, "holdout": 0}
        result = lr.complete((rows, columns, noisy), rank, **options)
        longer = lr.complete((rows, columns, noisy), rank, tol=1e-12, maxiter=4000, **options)
        assert result.info.objectives[-1] <= (1 + 3e-5) * longer.info.objectives[-1]


def test_soft_impute_keeps_a_singular_value_just_above_the_penalty_or_says_that_it_is_lost():
    options = {"method": "soft_impute", "regularization": 1.0, "rng": 0, "holdout": 0}
    result = lr.complete(spectrum((1e4, 1.5)), 2, **options)
    assert result.info.converged
    np.testing.assert_allclose(result.svd().s, [1e4 - 1.0, 0.5], atol=1e-3)
    with pytest.warns(lr.ConvergenceWarning, match="method='altmin' finds it"):
        lr.complete(spectrum((1e6, 1.5)), 2, **options)
    found = lr.complete(spectrum((1e6, 1.5)), 2, regularization=1.0, rng=0, holdout=0)
    np.testing.assert_allclose(found.svd().s, [1e6 - 1.0, 0.5], atol=1e-3)


@pytest.mark.parametrize("pair", [(0.0, 1.0), (1.0, 0.0), (np.zeros(50), 1.0)])
def test_a_penalty_of_one_side_alone_is_refused(pair):
    A, given = sampled(50, 40, 2, 6.0)
    with pytest.raises(ValueError, match="positive on both sides"):
        lr.complete(given, 2, shape=A.shape, regularization=pair)
