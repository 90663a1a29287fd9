"""Functional Tucker models against dense Gaussian processes and the known figures of the synthetic experiment."""

import itertools
import warnings

import numpy as np
import pytest
from tensors.functional_cases import synthetic, waves

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.tensors import functional_fit, gp_modes, matern
from lowrank_la.tensors.core_models import FullCore, Superdiagonal

FIXED = {"length_scale": 0.3, "variance": 1.7, "noise": 0.1, "core": "superdiagonal"}


def dense_process(x, y, new, smoothness):
    """Mean, standard deviation and log evidence by dense linear algebra."""
    K = matern.covariance(smoothness, 0.3, 1.7, np.abs(x[:, None] - x)) + 0.01 * np.eye(x.size)
    cross = matern.covariance(smoothness, 0.3, 1.7, np.abs(new[:, None] - x))
    variance = 1.7 - np.einsum("ij,ji->i", cross, np.linalg.solve(K, cross.T))
    evidence = -0.5 * (y @ np.linalg.solve(K, y) + np.linalg.slogdet(K)[1] + x.size * np.log(2 * np.pi))
    return cross @ np.linalg.solve(K, y), np.sqrt(variance), evidence


def test_a_core_whose_covariance_fits_nowhere_is_refused():
    coords = np.random.default_rng(0).uniform(size=(50, 3))
    with pytest.raises(ValueError, match=r"rank=\(60, 60, 60\) makes a core of 216000 numbers.*core='superdiagonal'"):
        lr.FunctionalTucker(60).fit(coords, coords[:, 0])


@pytest.mark.parametrize("smoothness", matern.SMOOTHNESS)
def test_one_mode_is_the_dense_gaussian_process(smoothness):
    generator = np.random.default_rng(0)
    x = generator.uniform(size=30)
    x[5:9] = x[4]  # places repeat
    y = np.sin(6 * x) + 0.1 * generator.standard_normal(30)
    new = np.concatenate([generator.uniform(-0.5, 1.5, 20), x[:5]])
    result = lr.FunctionalTucker(1, smoothness=smoothness, **FIXED).fit(x, y)
    mean, std, evidence = dense_process(x, y, new, smoothness)
    found = result.predict(new)
    np.testing.assert_allclose(found[0], mean, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found[1], std, rtol=0, atol=1e-10)
    assert result.info.bound == pytest.approx(evidence, abs=1e-9)


def test_tuned_hyperparameters_maximise_the_dense_evidence():
    generator = np.random.default_rng(1)
    x = np.sort(generator.uniform(size=40))
    y = 3.0 * np.sin(7 * x) + 0.1 * generator.standard_normal(40)
    result = lr.FunctionalTucker(1, noise=0.1, core="superdiagonal").fit(x, y, tol=1e-9)
    scale, variance = float(result.length_scales[0]), float(result.variances[0])

    def evidence(scale, variance):
        K = matern.covariance(1.5, scale, variance, np.abs(x[:, None] - x)) + 0.01 * np.eye(40)
        return -0.5 * (y @ np.linalg.solve(K, y) + np.linalg.slogdet(K)[1] + 40 * np.log(2 * np.pi))

    best = evidence(scale, variance)
    assert result.info.bound == pytest.approx(best, abs=1e-8)
    assert all(evidence(scale * f, variance * g) < best for f, g in ((1.1, 1), (0.9, 1), (1, 1.2), (1, 0.8)))


@pytest.mark.parametrize("seed", range(4))
def test_the_synthetic_experiment_reaches_the_known_error(seed):
    x, y, new, truth = synthetic(seed)
    result = lr.FunctionalTucker(1, core="superdiagonal").fit(x, y, rng=seed)
    mean, _ = result.predict(new)
    assert np.sqrt(np.mean((mean - truth) ** 2)) <= 0.0042
    assert result.noise == pytest.approx(0.01, rel=0.15)


def test_intervals_cover_the_function_without_its_noise():
    covered = []
    for seed in range(12):
        x, y, new, truth = synthetic(seed)
        mean, std = lr.FunctionalTucker(1, core="superdiagonal").fit(x, y, starts=2, rng=seed).predict(new)
        covered.append(np.mean(np.abs(mean - truth) <= 1.959964 * std))
    assert 0.92 <= np.mean(covered) <= 0.98


def test_a_wide_prior_of_the_noise_would_spoil_the_coverage(monkeypatch):
    monkeypatch.setattr(functional_fit, "_update_noise", _with_unscaled_prior)
    covered = []
    for seed in range(2):
        x, y, new, truth = synthetic(seed)
        mean, std = lr.FunctionalTucker(1, core="superdiagonal").fit(x, y, starts=2, rng=seed).predict(new)
        covered.append(np.mean(np.abs(mean - truth) <= 1.959964 * std))
    assert np.mean(covered) > 0.98


def _with_unscaled_prior(state, data, settings, misfit, number):
    rate = 64.0  # one in the units of the data, which are worked at eight times their size
    state.noise_precision = (1.0 + 0.5 * data.y.shape[0]) / (rate + 0.5 * misfit)
    state.bound = -20.0 / (number + 1)  # the iteration ends after some fifty sweeps


@pytest.mark.parametrize("core", ["full", "superdiagonal"])
@pytest.mark.parametrize("rank", [1, 2])
def test_the_bound_never_falls(core, rank):
    x, y = waves()
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        lr.FunctionalTucker(rank, core=core).fit(
            x, y, starts=1, tol=1e-12, maxiter=60, rng=0, callback=lambda state: bool(seen.append(state.bound))
        )
    assert len(seen) > 5
    assert min(np.diff(seen)) >= -1e-9 * abs(seen[-1])


def per_entry(model, moments, k, y):
    """Precision and shift from every datum alone, by summing over all index tuples of the core."""
    ranks, N = model.ranks, y.shape[0]
    W, C = model.mean.reshape(ranks), model.covariance
    square = (C + np.outer(model.mean, model.mean)).reshape(*ranks, *ranks)
    precision, shift = np.zeros((N, ranks[k], ranks[k])), np.zeros((N, ranks[k]))
    indices = list(itertools.product(*map(range, ranks)))
    for n in range(N):
        for a in indices:
            shift[n, a[k]] += y[n] * W[a] * np.prod([moments[j][0][n, a[j]] for j in range(len(ranks)) if j != k])
            for b in indices:
                others = [moments[j][1][n, a[j], b[j]] for j in range(len(ranks)) if j != k]
                precision[n, a[k], b[k]] += square[*a, *b] * np.prod(others)
    return precision, shift


def random_model(ranks, seed=0):
    generator = np.random.default_rng(seed)
    P = int(np.prod(ranks))
    L = generator.standard_normal((P, P))
    return FullCore(ranks, generator.standard_normal(P), L @ L.T, 1.0)


def random_moments(ranks, count, seed=1):
    generator = np.random.default_rng(seed)
    pairs = []
    for R in ranks:
        m, L = generator.standard_normal((count, R)), generator.standard_normal((count, R, R))
        pairs.append((m, L @ L.transpose(0, 2, 1) + m[:, :, None] * m[:, None, :]))
    return pairs


@pytest.mark.parametrize("k", [0, 1, 2])
def test_sums_by_node_equal_messages_by_entry(k, monkeypatch):
    from lowrank_la.tensors import core_models

    monkeypatch.setattr(core_models, "_AT_ONCE", 100)  # several chunks of data
    ranks, count, nodes = (2, 3, 2), 11, 4
    model, moments = random_model(ranks), random_moments(ranks, count)
    y, index = np.random.default_rng(2).standard_normal(count), np.arange(count) % nodes
    precision, shift = model.factors(k, *model.sums(moments, k, y, index, nodes))
    entry_precision, entry_shift = per_entry(model, moments, k, y)
    for node in range(nodes):
        own = index == node
        np.testing.assert_allclose(precision[node], entry_precision[own].sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(shift[node], entry_shift[own].sum(axis=0), rtol=1e-11, atol=1e-12)


def test_the_core_is_the_bayesian_regression_on_products_of_functions():
    ranks, count = (2, 3, 2), 30
    model, moments = random_model(ranks), random_moments(ranks, count)
    y = np.random.default_rng(2).standard_normal(count)
    z = np.stack([np.kron(np.kron(moments[0][0][n], moments[1][0][n]), moments[2][0][n]) for n in range(count)])
    zz = sum(np.kron(np.kron(moments[0][1][n], moments[1][1][n]), moments[2][1][n]) for n in range(count))
    covariance = np.linalg.inv(np.eye(12) + 2.5 * zz)
    for k in range(3):
        first, second = model.sums(moments, k, y, np.arange(count), count)
        core, linear, quadratic = model.updated(k, moments[k], first, second, 2.5)
        np.testing.assert_allclose(core.covariance, covariance, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(core.mean, 2.5 * covariance @ z.T @ y, rtol=1e-9, atol=1e-12)
        assert linear == pytest.approx(core.mean @ z.T @ y)
        assert quadratic == pytest.approx(np.sum((covariance + np.outer(core.mean, core.mean)) * zz))


@pytest.mark.parametrize("kind", ["full", "superdiagonal"])
def test_predicted_moments_are_those_of_draws_from_the_posterior(kind):
    ranks = (2, 3) if kind == "full" else (2, 2)
    model = random_model(ranks) if kind == "full" else Superdiagonal(ranks)
    generator = np.random.default_rng(0)
    moments = [(m, 0.1 * (s - m[:, :, None] * m[:, None, :])) for m, s in random_moments(ranks, 1)]
    draws = 200_000
    functions = [generator.multivariate_normal(m[0], s[0], draws) for m, s in moments]
    if kind == "full":
        W = generator.multivariate_normal(model.mean, model.covariance, draws).reshape(draws, *ranks)
        values = np.einsum("nij,ni,nj->n", W, *functions)
    else:
        values = np.sum(functions[0] * functions[1], axis=1)
    mean, variance = (float(x[0]) for x in model.predicted(moments))
    assert abs(values.mean() - mean) <= 5 * np.sqrt(variance / draws)
    assert values.var() == pytest.approx(variance, rel=0.05)


def test_places_between_nodes_are_nodes_without_data():
    generator = np.random.default_rng(0)
    nodes, new = np.sort(generator.uniform(size=12)), np.array([-0.3, 0.4, 0.41, 0.9, 1.4])
    L = generator.standard_normal((12, 2, 2))
    precision, shift = L @ L.transpose(0, 2, 1), generator.standard_normal((12, 2))
    process = gp_modes.Process(nodes, 2.5, 0.3, 1.2)
    mean, spread = gp_modes.at(process, process.condition(precision, shift), new, 2)
    together, where = (
        np.unique(np.concatenate([nodes, new])),
        np.searchsorted(np.sort(np.concatenate([nodes, new])), new),
    )
    own = np.searchsorted(together, nodes)
    wide, pull = np.zeros((17, 2, 2)), np.zeros((17, 2))
    wide[own], pull[own] = precision, shift
    expected = gp_modes.Process(together, 2.5, 0.3, 1.2).condition(wide, pull)
    np.testing.assert_allclose(mean, expected.mean[where], rtol=0, atol=1e-13)
    np.testing.assert_allclose(spread, expected.spread[where], rtol=0, atol=1e-13)


@pytest.mark.parametrize("smoothness", matern.SMOOTHNESS)
def test_transitions_compose_and_keep_the_stationary_covariance(smoothness):
    A, B, C = matern.transitions(smoothness, 0.7, np.array([0.2, 0.3, 0.5]))
    np.testing.assert_allclose(B @ A, C, rtol=0, atol=1e-14)
    P = matern.stationary(smoothness, 2.0, np.zeros(1))
    distance = np.array([0.5])
    np.testing.assert_allclose((C @ P)[0, 0], matern.covariance(smoothness, 0.7, 2.0, distance)[0], rtol=1e-13)
    assert np.all(np.linalg.eigvalsh(matern.noises(A[None], P)[0]) > 0)


@pytest.mark.parametrize("core", ["full", "superdiagonal"])
def test_every_library_finds_the_same_posterior(backend, core, monkeypatch):
    monkeypatch.setattr(functional_fit, "_TRIED", 5)  # two of them tune, and the noise is free in the two that follow
    x, y = waves(15, 2)
    new = np.random.default_rng(3).uniform(size=(6, 2))
    model = lr.FunctionalTucker(2, core=core, length_scale=[None, 0.4], variance=[1.0, 1.0])
    fit = {"starts": 1, "maxiter": 2, "rng": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        found = model.fit(backend.asarray(x), backend.asarray(y), **fit).predict(backend.asarray(new))
        expected = model.fit(x, y, **fit).predict(new)
    eps = be.eps(found[0].dtype)
    for a, b in zip(found, expected, strict=True):
        assert backend.holds(a)
        np.testing.assert_allclose(backend.to_numpy(a), b, rtol=0, atol=1e-10 if eps < 1e-12 else 0.02)


@pytest.mark.parametrize("core", ["full", "superdiagonal"])
def test_a_change_of_units_changes_the_answer_by_these_units_to_the_last_bit(core):
    x, y = waves(40, 2)
    model = lr.FunctionalTucker(2, core=core)
    one, other = model.fit(x, y, rng=0), model.fit(x, 2.0**300 * y, rng=0)
    for a, b in zip(one.predict(x[:7]), other.predict(x[:7]), strict=True):
        np.testing.assert_array_equal(a, b / 2.0**300)
    assert other.noise == one.noise * 2.0**300


def test_the_reported_error_is_that_at_the_data():
    x, y = waves(40, 2)
    for core in ("full", "superdiagonal"):
        result = lr.FunctionalTucker(2, core=core).fit(x, y, rng=0)
        mean, _ = result.predict(x)
        assert result.info.error == pytest.approx(np.linalg.norm(mean - y) / np.linalg.norm(y), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_twenty_data_do_not_collapse_for_want_of_a_start(seed):
    x = np.random.default_rng(4).uniform(size=(20, 2))
    y = np.sin(5 * x[:, 0]) * np.cos(3 * x[:, 1])
    result = lr.FunctionalTucker(1).fit(x, y, rng=seed)
    assert result.info.converged
    assert result.info.error <= 0.2


@pytest.mark.parametrize("offset", [0.0, 100.0, -1e4])
def test_centred_values_are_those_about_their_mean(offset, tmp_path):
    generator = np.random.default_rng(3)
    x = generator.uniform(size=(80, 2))
    y = np.sin(6 * x[:, 0]) * np.cos(4 * x[:, 1]) + 0.05 * generator.standard_normal(80)
    new = generator.uniform(size=(40, 2))
    about = lr.FunctionalTucker(1, core="superdiagonal").fit(x, y - y.mean(), rng=0).predict(new)
    result = lr.FunctionalTucker(1, core="superdiagonal", center=True).fit(x, y + offset, rng=0)
    rounded = np.finfo(float).eps * max(1.0, abs(offset))  # and carried on by the sweeps
    np.testing.assert_allclose(result.predict(new)[0], about[0] + y.mean() + offset, rtol=0, atol=1e7 * rounded)
    np.testing.assert_allclose(result.predict(new)[1], about[1], rtol=1e-6)
    result.save(tmp_path / "r.npz")
    np.testing.assert_array_equal(lr.load(tmp_path / "r.npz").predict(new)[0], result.predict(new)[0])


@pytest.mark.parametrize("core", ["full", "superdiagonal"])
@pytest.mark.parametrize("seed", range(3))
def test_noise_that_is_told_serves_as_well_as_noise_that_is_inferred(core, seed):
    generator = np.random.default_rng(seed)
    x, new = generator.uniform(size=(200, 3)), generator.uniform(size=(300, 3))
    y, truth = (np.sin(6 * part[:, 0]) * part[:, 1] + 0.5 * part[:, 2] for part in (x, new))
    y = y + 0.05 * generator.standard_normal(200)
    found = []
    for noise in (None, 0.05):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lr.ConvergenceWarning)
            result = lr.FunctionalTucker(2, core=core, noise=noise).fit(x, y, maxiter=100, rng=0)
        mean, std = result.predict(new)
        found.append(np.sqrt(np.mean((mean - truth) ** 2)))
        assert np.mean(np.abs(mean - truth) <= 1.96 * std) >= 0.92
    assert found[1] <= 1.2 * found[0]
