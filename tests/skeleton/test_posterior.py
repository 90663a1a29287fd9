"""What `NystromPosterior` promises: the exact posterior on all points, close to it on few inducing points."""

import numpy as np
import pytest
from factor.oracles import eps

import lowrank_la as lr
from lowrank_la import _backend as be


def gaussian(x, y):
    xp = be.namespace(x)
    return xp.exp(-2.0 * (x[:, None] - y[None, :]) ** 2)


def observed(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 4, n))
    return x, np.sin(2 * x) + 0.1 * rng.standard_normal(n), rng.integers(1, 5, n).astype(float)


def exact(x, y, counts, ridge, at):
    """Mean and standard deviation by the formulas of Gaussian process regression, one row an observation."""
    x, y = np.repeat(x, counts.astype(int)), np.repeat(y, counts.astype(int))
    K = gaussian(x, x) + ridge * np.eye(len(x))
    cross = gaussian(at, x)
    mean = cross @ np.linalg.solve(K, y)
    variance = 1.0 - np.sum(cross * np.linalg.solve(K, cross.T).T, axis=1)
    return mean, np.sqrt(np.maximum(variance, 0))


def test_all_points_as_inducing_points_give_the_exact_posterior(backend):
    x, y, counts = observed()
    at = np.linspace(-1, 5, 17)
    posterior = lr.NystromPosterior(gaussian, ridge=0.01, budget=1e6, rng=0)
    posterior.fit(*(backend.asarray(part) for part in (x, y, counts)))
    assert len(posterior.inducing) == 40
    mean, std = posterior.predict(backend.asarray(at))
    assert backend.holds(mean)
    assert backend.holds(std)
    # The shift that makes the Cholesky factor exist, 10 n eps, is felt through its square root.
    atol = 30 * np.sqrt(40 * eps(mean.dtype))
    for found, expected in zip((mean, std), exact(x, y, counts, 0.01, at), strict=True):
        np.testing.assert_allclose(backend.to_numpy(found), expected, rtol=0, atol=atol)


def test_counts_stand_for_repeated_observations():
    x, y, counts = observed(12)
    repeated = lr.NystromPosterior(gaussian, ridge=0.1, budget=1e6, rng=0)
    repeated.fit(np.repeat(x, counts.astype(int)), np.repeat(y, counts.astype(int)))
    counted = lr.NystromPosterior(gaussian, ridge=0.1, budget=1e6, rng=0).fit(x, y, counts)
    at = np.linspace(0, 4, 9)
    for a, b in zip(repeated.predict(at), counted.predict(at), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_the_prior_is_what_is_known_before_the_first_observation():
    mean, std = lr.NystromPosterior(gaussian, ridge=0.1, budget=2).predict(np.linspace(0, 1, 5))
    np.testing.assert_array_equal(mean, np.zeros(5))
    np.testing.assert_array_equal(std, np.ones(5))


def test_far_from_all_points_the_prior_comes_back():
    x, y, _ = observed()
    mean, std = lr.NystromPosterior(gaussian, ridge=0.01, budget=3, rng=0).fit(x, y).predict(np.array([50.0]))
    assert abs(mean[0]) < 1e-12
    assert std[0] == pytest.approx(1.0)


def test_few_inducing_points_give_the_variance_within_a_factor():
    x, y, counts = observed(300)
    at = np.linspace(0, 4, 60)
    expected = exact(x, y, counts, 0.05, at)[1]
    for seed in range(5):
        posterior = lr.NystromPosterior(gaussian, ridge=0.05, budget=4.0, diag=1.0, rng=seed)
        for _ in range(4):
            posterior.fit(x, y, counts)
        ratio = posterior.predict(at)[1] / expected
        assert len(posterior.inducing) < 100
        assert ratio.min() >= 0.7
        assert ratio.max() <= 1.5


def test_fitting_again_needs_fewer_inducing_points_than_the_prior_did():
    x, y, _ = observed(400)
    posterior = lr.NystromPosterior(gaussian, ridge=0.1, budget=2.0, rng=0).fit(x, y)
    first = len(posterior.inducing)
    sizes = [len(posterior.fit(x, y).inducing) for _ in range(10)]
    K = gaussian(x, x)
    dimension = np.trace(np.linalg.solve(K + 0.1 * np.eye(400), K))
    assert first == 400
    assert np.mean(sizes) == pytest.approx(2.0 * dimension, rel=0.5)


def test_points_are_kept_with_the_probability_of_their_variance():
    x, y, counts = observed(30)
    posterior = lr.NystromPosterior(gaussian, ridge=0.5, budget=1.0, rng=0).fit(x, y, counts)
    kept, trials = np.zeros(30), 1500
    variance = exact(x, y, counts, 0.5, x)[1] ** 2
    for seed in range(trials):
        again = lr.NystromPosterior(gaussian, ridge=0.5, budget=1e6, rng=seed).fit(x, y, counts)
        again.budget = 1.0
        kept[again.fit(x, y, counts).inducing] += 1
    p = np.minimum(1.0, counts * variance / 0.5)
    z = (kept - trials * p) / np.sqrt(trials * p * (1 - p) + 1e-9)
    assert np.abs(z[(p > 0.01) & (p < 0.99)]).max() < 4.8
    assert posterior.inducing


def test_the_same_seed_gives_the_same_posterior():
    x, y, _ = observed(100)
    first, second = (
        lr.NystromPosterior(gaussian, ridge=0.3, budget=1.0, rng=4).fit(x, y).fit(x, y).predict(x) for _ in range(2)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_draws_without_a_seed_are_repeated_by_their_record():
    x, y, _ = observed(100)
    first = lr.NystromPosterior(gaussian, ridge=0.3, budget=1.0).fit(x, y).fit(x, y)
    again = lr.NystromPosterior(gaussian, ridge=0.3, budget=1.0, rng=first.last_rng).fit(x, y).fit(x, y)
    assert again.inducing == first.inducing
    assert again.last_rng == first.last_rng


def test_points_in_several_dimensions_and_lists_are_taken():
    X = np.random.default_rng(0).standard_normal((20, 3))

    def linear(a, b):
        return a @ b.T

    mean, _ = lr.NystromPosterior(linear, ridge=1e-6, budget=1e9, rng=0).fit(X, X @ np.ones(3)).predict(X)
    np.testing.assert_allclose(mean, X @ np.ones(3), atol=1e-4)
    assert lr.NystromPosterior(gaussian, ridge=1.0, budget=2).fit([0.0, 1.0], [1.0, 2.0]).inducing


def test_a_first_fit_of_many_points_asks_for_few_entries_of_the_kernel():
    asked = []

    def counted(a, b):
        asked.append(a.shape[0] * b.shape[0])
        return gaussian(a, b)

    x, y, counts = observed(2500)
    posterior = lr.NystromPosterior(counted, ridge=0.1, budget=2.0, diag=1.0, rng=0).fit(x, y, counts)
    assert len(posterior.inducing) < 300
    assert sum(asked) < 2500 * 2500 / 2
    at = np.linspace(0, 4, 9)
    K = gaussian(x, x)
    found, std = posterior.predict(at)
    solved = np.linalg.solve(K + np.diag(0.1 / counts), np.column_stack([y, gaussian(x, at)]))
    np.testing.assert_allclose(found, gaussian(at, x) @ solved[:, 0], rtol=0, atol=0.01)
    exact_std = np.sqrt(1.0 - np.sum(gaussian(x, at) * solved[:, 1:], axis=0))
    np.testing.assert_allclose(std, exact_std, rtol=0.2)


def test_repeated_points_are_taken_for_what_they_are():
    x, y, _ = observed(20)
    again = lr.NystromPosterior(gaussian, ridge=0.1, budget=1e9, rng=0).fit(np.tile(x, 3), np.tile(y, 3))
    at = np.linspace(0, 4, 9)
    for found, expected in zip(again.predict(at), exact(x, y, np.full(20, 3.0), 0.1, at), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_kernel_that_is_not_finite_away_from_the_data_is_refused():
    def kernel(a, b):
        return np.where(np.maximum(a[:, None], b[None, :]) > 10, np.nan, gaussian(a, b))

    posterior = lr.NystromPosterior(kernel, ridge=1.0, budget=9.0, diag=1.0, rng=0).fit(np.arange(5.0), np.ones(5))
    with pytest.raises(ValueError, match="NaN or infinite"):
        posterior.predict(np.array([1.0, 11.0]))


@pytest.mark.parametrize(
    ("make", "error", "name"),
    [
        (lambda: lr.NystromPosterior(3, ridge=1, budget=1), TypeError, "kernel"),
        (lambda: lr.NystromPosterior(gaussian, ridge=0, budget=1), ValueError, "ridge"),
        (lambda: lr.NystromPosterior(gaussian, ridge=1, budget=-1), ValueError, "budget"),
        (lambda: lr.NystromPosterior(gaussian, ridge="1", budget=1), TypeError, "ridge"),
        (lambda: fitted(y=np.ones(4)), ValueError, "y"),
        (lambda: fitted(y=np.full(5, np.nan)), ValueError, "y"),
        (lambda: fitted(y=np.ones(5) * 1j), TypeError, "y"),
        (lambda: fitted(counts=np.zeros(5)), ValueError, "counts"),
        (lambda: fitted(x=np.array([0, 1, 2, 3, np.inf])), ValueError, "points"),
        (lambda: fitted(x="points"), TypeError, "points"),
        (lambda: fitted(kernel=lambda a, b: -gaussian(a, b)), ValueError, "positive semidefinite"),
        (lambda: fitted(kernel=lambda a, b: gaussian(a, b)[:, :0]), ValueError, "shape"),
        (lambda: fitted(kernel=lambda a, b: gaussian(a, b) + (a[:, None] > b)), ValueError, "not Hermitian"),
        (lambda: fitted(kernel=lambda a, b: np.nan * gaussian(a, b)), ValueError, "NaN"),
        (lambda: fitted(diag=-1.0), ValueError, "diag"),
        (lambda: fitted(diag=np.inf), ValueError, "diag"),
        (lambda: lr.NystromPosterior(gaussian, ridge=1, budget=1, diag=-1.0).predict(np.ones(2)), ValueError, "diag"),
    ],
)
def test_arguments_are_checked_by_name(make, error, name):
    with pytest.raises(error, match=name):
        make()


def fitted(x=None, y=None, counts=None, kernel=gaussian, diag=None):
    x = np.arange(5.0) if x is None else x
    return lr.NystromPosterior(kernel, ridge=1.0, budget=1.0, diag=diag, rng=0).fit(
        x, np.ones(5) if y is None else y, counts
    )
