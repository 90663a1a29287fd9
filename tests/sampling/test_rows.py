"""What `sample_rows` and `embedding_distortion` promise."""

import numpy as np
import pytest
import scipy.sparse
from factor import oracles
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import random_array, seeds

import lowrank_la as lr
from lowrank_la.sampling.bernoulli import inclusion_probabilities

METHODS = ("leverage", "root_leverage", "sensitivity", "sensitivity_leverage", "lewis", "uniform")


def skewed(shape, seed=0, dtype="float64"):
    """Rows of sizes that differ by a factor of a hundred."""
    sizes = np.exp(np.random.default_rng(seed).standard_normal((shape[0], 1)))
    return (random_array(shape, dtype, seed) * sizes).astype(dtype)


def norms(A, X, p):
    return (np.abs(A @ X) ** p).sum(axis=0)


@given(st.integers(1, 60), seeds(), st.floats(0.0, 30.0))
@settings(max_examples=60)
def test_inclusion_probabilities_add_up_and_are_proportional_below_one(n, seed, spread):
    generator = np.random.default_rng(seed)
    scores = np.exp(spread * generator.standard_normal(n)) * (generator.random(n) < 0.8)
    scores[0] = 1.0
    for size in range(1, (scores > 0).sum() + 1):
        q = inclusion_probabilities(scores, size)
        assert abs(q.sum() - size) <= 1e-12 * n
        assert q.max() <= 1
        open_ = (q < 1) & (scores > 0) & (scores > 1e-250 * scores.max())
        if open_.sum() > 1:
            ratio = q[open_] / scores[open_]
            np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
        assert np.all(np.diff(q[np.argsort(scores)]) >= -1e-15)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_weights_probabilities_and_indices_fit_together(backend, method, p):
    if method == "root_leverage" and p > 2:
        pytest.skip("for p up to 2")
    A = skewed((200, 3), 1, backend.nearest("float64"))
    r = lr.sample_rows(backend.asarray(A), 60, p=p, method=method, rng=3)
    indices, weights, q = (be_part if be_part is None else oracles.wide(be_part) for be_part in r)
    assert backend.holds(r.weights)
    assert backend.holds(r.probabilities)
    assert np.all(np.diff(indices) > 0)
    assert q.shape == (200,)
    assert 0 <= q.min() <= q.max() <= 1
    np.testing.assert_allclose(weights, q[indices.real.astype(int)] ** (-1 / p), rtol=1e-5)
    assert method == "root_leverage" or abs(q.sum() - 60) <= 60 * 100 * oracles.eps(A.dtype)
    assert r.info.method == method
    assert isinstance(r.info.bound, str)
    assert len(lr.cite(r)) >= len(lr.cite())


@pytest.mark.parametrize("method", METHODS)
def test_sampled_norms_are_unbiased(method):
    """Hundreds of seeded samples, eight directions: no mean is off by four and a half standard errors."""
    A, p = skewed((40, 2), 2), 1.0
    X = random_array((2, 8), "float64", 3)
    found = []
    for seed in range(1000 if method in ("uniform", "leverage") else 300):
        indices, weights, _ = lr.sample_rows(A, 12, p=p, method=method, rng=seed)
        found.append(norms(weights[:, None] * A[indices], X, p))
    found = np.asarray(found)
    z = (found.mean(axis=0) - norms(A, X, p)) / (found.std(axis=0) / len(found) ** 0.5)
    assert np.abs(z).max() < 4.5


def test_weights_of_the_wrong_power_would_have_been_noticed():
    A, X = skewed((40, 2), 2), random_array((2, 8), "float64", 3)
    found = []
    for seed in range(300):
        indices, _, q = lr.sample_rows(A, 12, p=1, method="leverage", rng=seed)
        found.append(norms(q[indices, None] ** -0.5 * A[indices], X, 1.0))
    found = np.asarray(found)
    z = (found.mean(axis=0) - norms(A, X, 1.0)) / (found.std(axis=0) / 300**0.5)
    assert np.abs(z).max() > 10


def test_every_row_is_kept_as_often_as_its_probability_says():
    A = skewed((30, 2), 4)
    counts = np.zeros(30)
    for seed in range(1000):
        indices, _, q = lr.sample_rows(A, 9, method="leverage", rng=seed)
        counts[indices] += 1
    spread = np.sqrt(1000 * q * (1 - q))
    free = spread > 0
    assert np.abs((counts - 1000 * q)[free] / spread[free]).max() < 4.5
    assert np.all(counts[~free] == 1000 * q[~free])


@pytest.mark.parametrize(
    ("p", "method"), [(1, "sensitivity_leverage"), (2, "leverage"), (3, "sensitivity_leverage"), (0.5, None)]
)
def test_auto_names_its_choice_and_its_bound(p, method):
    r = lr.sample_rows(skewed((200, 3)), 50, p=p, rng=0)
    assert r.info.method == (method or "sensitivity_leverage")
    assert r.info.bound.startswith("none" if p < 1 else "ε⁻²")


@pytest.mark.parametrize(
    ("p", "method", "size", "key"),
    [
        (1.5, "sensitivity", lambda d, S: d**0.25 * S, "chen_derezinski_2021"),
        (1.5, "sensitivity_leverage", lambda d, S: S + d, "munteanu_omlor_2024"),
        (3.0, "sensitivity", lambda d, S: S ** (4 / 3), "woodruff_yasuda_2023"),
        (3.0, "lewis", lambda d, S: d**1.5, "cohen_peng_2015"),
        (2.0, "leverage", lambda d, S: d, "drineas_et_al_2012"),
    ],
)
def test_the_bound_is_the_corrected_one(p, method, size, key):
    r = lr.sample_rows(skewed((300, 4)), 80, p=p, method=method, rng=0)
    assert np.isclose(r.info.bound_size, size(4, r.info.total_sensitivity))
    assert key in r.info.references
    assert key in lr.cite(r)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_estimated_sensitivities_are_near_the_brackets(p):
    A = skewed((3000, 4), 5)
    r = lr.sample_rows(A, 100, p=p, method="sensitivity", rng=0)
    total = lr.lp_sensitivities(A, p, tol=0.1, rng=0).total
    assert 0.8 * total[0] <= r.info.total_sensitivity <= 1.25 * total[1]


@pytest.mark.parametrize("method", METHODS)
def test_zero_rows_are_not_sampled_unless_uniformly(method):
    A = skewed((60, 3), 6)
    A[10:20] = 0.0
    r = lr.sample_rows(A, 30, p=1.5, method=method, rng=0)
    assert (r.probabilities[10:20] > 0).any() == (method == "uniform")


def test_as_many_rows_as_there_are_means_all_of_them():
    A = skewed((30, 3))
    r = lr.sample_rows(A, 30, p=1.5, rng=0)
    assert np.array_equal(r.indices, np.arange(30))
    assert np.all(r.weights == 1)


def test_sparse_data_and_a_deficient_rank():
    S = skewed((200, 5)) * (np.random.default_rng(5).random((200, 5)) < 0.4)
    first, second = (lr.sample_rows(M, 40, p=1.5, rng=1) for M in (S, scipy.sparse.csr_array(S)))
    np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-8)
    D = S @ random_array((5, 8), "float64", 3)
    assert lr.sample_rows(D, 40, p=1.5, rng=1).info.rank == 5


def test_one_seed_draws_the_same_rows_on_every_backend(backend):
    A = skewed((300, 3))
    expected = lr.sample_rows(A, 50, p=3, method="lewis", rng=5)
    r = lr.sample_rows(backend.asarray(A), 50, p=3, method="lewis", rng=5)
    eps = oracles.eps(backend.nearest("float64"))
    np.testing.assert_allclose(oracles.wide(r.probabilities), expected.probabilities, rtol=0, atol=1000 * eps)
    same = len(set(oracles.wide(r.indices).astype(int)) ^ set(expected.indices))
    assert same <= (0 if "float64" in backend.dtypes else 2)
    again = lr.sample_rows(backend.asarray(A), 50, p=3, method="lewis", rng=r.info.rng)
    assert np.array_equal(oracles.wide(again.indices), oracles.wide(r.indices))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": 31}, ValueError, "size must be at most the number of rows, 30"),
        ({"size": 25}, ValueError, "size must be at most 20"),
        ({"size": 0}, ValueError, "size must be at least 1"),
        ({"size": 3.0}, TypeError, "size must be an integer"),
        ({"size": 5, "p": -1}, ValueError, "p must be positive"),
        ({"size": 5, "p": 3, "method": "root_leverage"}, ValueError, "is for p up to 2"),
        ({"size": 5, "method": "volume"}, ValueError, "method must be one of"),
    ],
)
def test_arguments_that_do_not_fit_are_named(options, error, message):
    A = skewed((30, 3))
    A[:10] = 0.0
    with pytest.raises(error, match=message):
        lr.sample_rows(A, **options)


def ratios(A, indices, weights, X, p):
    return (norms(weights[:, None] * A[indices], X, p) / norms(A, X, p)) ** (1 / p)


def test_distortion_at_two_is_that_of_singular_values(backend):
    A = skewed((300, 4), 7, backend.nearest("float64"))
    sample = lr.sample_rows(backend.asarray(A), 60, rng=0)
    r = lr.embedding_distortion(backend.asarray(A), sample.indices, sample.weights)
    Q = np.linalg.qr(oracles.wide(A))[0]
    chosen = oracles.wide(sample.indices).astype(int)
    s = np.linalg.svd(oracles.wide(sample.weights)[:, None] * Q[chosen], compute_uv=False)
    eps = oracles.eps(A.dtype)
    assert abs(r.low - s[-1]) <= 200 * eps
    assert abs(r.high - s[0]) <= 200 * eps
    assert r.info.error_kind == "exact"
    assert backend.holds(r.directions)


@pytest.mark.parametrize("p", [0.7, 1.0, 1.5, 3.0, 5.0])
def test_in_the_plane_the_worst_of_all_directions_is_found(p):
    A = skewed((200, 2), 8)
    sample = lr.sample_rows(A, 30, p=p, method="lewis", rng=1)
    angle = np.linspace(0, np.pi, 20_000, endpoint=False)
    truth = ratios(A, sample.indices, sample.weights, np.stack([np.cos(angle), np.sin(angle)]), p)
    r = lr.embedding_distortion(A, sample.indices, sample.weights, p=p, rng=0)
    assert r.low <= truth.min() * 1.002
    assert r.high >= truth.max() * 0.998


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_the_extremes_are_attained_and_beyond_those_of_random_directions(p):
    A = skewed((2000, 6), 9)
    sample = lr.sample_rows(A, 150, p=p, rng=1)
    r = lr.embedding_distortion(A, sample.indices, sample.weights, p=p, rng=0)
    attained = ratios(A, sample.indices, sample.weights, r.directions, p)
    np.testing.assert_allclose(attained, [r.low, r.high], rtol=1e-9)
    random = ratios(A, sample.indices, sample.weights, random_array((6, 500), "float64", 3), p)
    assert r.low < random.min()
    assert r.high > random.max()


def test_a_row_left_out_that_alone_fills_a_direction_is_found():
    A = skewed((500, 3), 10)
    A[:, 2] = 0.0
    A[123, 2] = 1e-3
    keep = np.delete(np.arange(500), 123)
    r = lr.embedding_distortion(A, keep, np.ones(499), p=1, rng=0)
    assert r.low <= 100 * oracles.eps("float64")
    random = ratios(A, keep, np.ones(499), random_array((3, 300), "float64", 0), 1.0)
    assert random.min() > 0.5


def test_the_whole_matrix_is_not_distorted():
    A = skewed((100, 3))
    r = lr.embedding_distortion(A, np.arange(100), np.ones(100), p=1, rng=0)
    assert r.info.error <= 1e-12


@pytest.mark.parametrize("method", ["sensitivity_leverage", "lewis", "root_leverage"])
def test_scores_that_know_the_data_distort_less_than_uniform_ones(method):
    A = random_array((3000, 4), "float64", 11)
    A[:5] *= 3e3
    worst = {}
    for name in (method, "uniform"):
        sample = lr.sample_rows(A, 250, p=1, method=name, rng=2)
        worst[name] = lr.embedding_distortion(A, sample.indices, sample.weights, p=1, rng=0).info.error
    assert worst[method] < 0.4
    assert worst["uniform"] > 0.7


@pytest.mark.parametrize(
    ("indices", "weights", "error", "message"),
    [
        ([0, 40], np.ones(2), IndexError, "must lie in"),
        ([0, 1], np.ones(3), ValueError, "one length"),
        ([0, 1], [1.0, 1.0], TypeError, "weights must be a vector"),
    ],
)
def test_samples_that_do_not_fit_are_named(indices, weights, error, message):
    with pytest.raises(error, match=message):
        lr.embedding_distortion(skewed((40, 3)), indices, weights)


def test_rounds_that_keep_no_row_give_an_empty_sample():
    A = np.random.default_rng(20).standard_normal((1000, 3))
    sizes = [lr.sample_rows(A, 1, p=1, method="root_leverage", rng=seed).indices.shape[0] for seed in range(100)]
    assert 0 in sizes
    assert max(sizes) > 0


def test_rounds_refuse_more_rows_than_have_a_score():
    A = np.zeros((1000, 3))
    A[:50] = np.random.default_rng(21).standard_normal((50, 3))
    with pytest.raises(ValueError, match="size must be at most 50"):
        lr.sample_rows(A, 100, p=1, method="root_leverage", rng=0)


def test_weights_that_overflow_are_refused():
    with pytest.raises(ValueError, match=r"overflow at p=0\.01"):
        lr.sample_rows(np.random.default_rng(22).standard_normal((20_000, 3)), 5, p=0.01, method="uniform", rng=0)


def test_weights_that_overflow_in_a_round_are_refused():
    with pytest.raises(ValueError, match="overflow at p=0"):
        lr.sample_rows(random_array((20_000, 3), "float64", 22), 5, p=0.01, method="root_leverage", rng=0)


def test_a_zero_matrix_has_no_rows_to_draw_in_rounds():
    with pytest.raises(ValueError, match="size must be at most 0"):
        lr.sample_rows(np.zeros((50, 3)), 10, p=1, method="root_leverage", rng=0)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_an_empty_sample_keeps_nothing(backend, p):
    A = backend.asarray(skewed((40, 3), 12, backend.nearest("float64")))
    indices, weights, _ = lr.sample_rows(A, 5, p=1, rng=0)
    r = lr.embedding_distortion(A, indices[:0], weights[:0], p=p, rng=0)
    assert (r.low, r.high, r.info.error) == (0.0, 0.0, 1.0)
    assert backend.holds(r.directions)
    assert r.directions.shape == (3, 2)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (np.ones(2) * 1j, TypeError, "weights must be real"),
        (np.asarray([1.0, np.nan]), ValueError, "weights hold NaN"),
        (np.asarray([1.0, np.inf]), ValueError, "weights hold NaN"),
    ],
)
@pytest.mark.parametrize("p", [1.0, 2.0])
def test_weights_that_are_not_real_and_finite_are_named(weights, error, message, p):
    with pytest.raises(error, match=message):
        lr.embedding_distortion(skewed((40, 3)), [0, 1], weights, p=p)


@pytest.mark.parametrize(
    ("draw", "key"),
    [
        (lambda A: lr.lewis_weights(A, 1), "cohen_peng_2015"),
        (lambda A: lr.lewis_weights(A, 6), "cohen_cousins_lee_yang_2019"),
        (lambda A: lr.lp_sensitivities(A, 1, rng=0), "padmanabhan_woodruff_zhang_2023"),
        (lambda A: lr.leverage_scores(A, method="sketched", rng=0), "drineas_et_al_2012"),
        (lambda A: lr.volume_sample(A, 5, rng=0), "derezinski_warmuth_2018"),
        (lambda A: lr.volume_rescaled_sample(A, 5, rng=0), "derezinski_warmuth_hsu_2018"),
        (lambda A: lr.DPP(factor=A), "hough_et_al_2006"),
        (lambda A: lr.KDPP(2, factor=A), "kulesza_taskar_2012"),
        (lr.ProjectionDPP, "barthelme_tremblay_amblard_2023"),
    ],
)
def test_what_a_user_holds_cites_its_sources(draw, key):
    assert key in lr.cite(draw(skewed((60, 3))))
