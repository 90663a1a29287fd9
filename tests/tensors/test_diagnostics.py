"""Figures that judge a CP decomposition and its rank."""

from itertools import permutations

import numpy as np
import pytest
import scipy.sparse as sp
from tensors import sparse_cases as cases

import lowrank_la as lr
from lowrank_la.tensors import core_consistency as module

SHAPE = (8, 7, 6)


def exact(rank=3, shape=SHAPE, dtype="float64"):
    factors = cases.factors_of(shape, rank, dtype)
    weights = np.linspace(2.0, 1.0, rank).astype(np.dtype(dtype).type(0).real.dtype)
    return cases.model(weights, factors).astype(dtype), (weights, factors)


def emissions(rank=3, noise=0.01, seed=0):
    """Spectra that overlap, as fluorescence data have them: concentrations, emission and excitation, with noise."""
    generator = np.random.default_rng(seed)
    grid = np.linspace(0, 1, 40)[:, None]
    peaks = [np.exp(-(((grid - np.linspace(0.2, 0.8, rank)) / width) ** 2)) for width in (0.15, 0.2)]
    X = cases.model(np.ones(rank), [generator.uniform(0.2, 1.0, (16, rank)), *peaks])
    return X + noise * np.abs(X).mean() * generator.standard_normal(X.shape)


def by_pseudo_inverse(X, weights, factors):
    spread = [factor * weights ** (1 / X.ndim) for factor in factors]
    core = X
    for k, factor in enumerate(spread):
        core = np.moveaxis(np.tensordot(np.linalg.pinv(factor), core, axes=(1, k)), 0, k)
    ideal = np.zeros(core.shape)
    np.fill_diagonal(ideal, 1.0)
    return 100 * (1 - np.linalg.norm(core - ideal) ** 2 / core.shape[0])


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
def test_core_consistency_of_an_exact_model_is_a_hundred(dtype):
    X, model = exact(dtype=dtype)
    assert lr.core_consistency(X, model) == pytest.approx(100.0, abs=1e5 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("shape", [(8, 7, 6), (5, 6, 4, 7), (6, 5)])
def test_core_consistency_is_that_of_the_pseudo_inverses(shape):
    generator = np.random.default_rng(0)
    X, (weights, factors) = exact(2, shape)
    X = X + 0.5 * generator.standard_normal(shape)
    expected = by_pseudo_inverse(X, weights, factors)
    assert lr.core_consistency(X, (weights, factors)) == pytest.approx(expected, rel=1e-9)


def test_core_consistency_of_a_sparse_tensor_is_that_of_the_dense_one(monkeypatch):
    X, dense = cases.coo((6, 5, 7))
    model = np.array([1.0, 0.5]), cases.factors_of((6, 5, 7), 2)
    expected = lr.core_consistency(dense, model)
    assert lr.core_consistency(X, model) == pytest.approx(expected, rel=1e-10)
    monkeypatch.setattr(module, "_COLUMNS", 1)
    assert lr.core_consistency(X, model) == pytest.approx(expected, rel=1e-10)


def test_core_consistency_does_not_depend_on_scale_sign_and_order():
    X, (weights, factors) = exact()
    X = X + 0.1 * np.random.default_rng(0).standard_normal(SHAPE)
    expected = lr.core_consistency(X, (weights, factors))
    turned = [factors[0][:, [2, 0, 1]] * -1, factors[1][:, [2, 0, 1]] * 4, factors[2][:, [2, 0, 1]] / 4]
    assert lr.core_consistency(X, (-weights[[2, 0, 1]], turned)) == pytest.approx(expected, rel=1e-8)


def test_core_consistency_collapses_above_the_rank():
    X = emissions()
    figures = [
        lr.core_consistency(X, lr.cp(X, rank, rng=0, maxiter=3000, tol=1e-10, on_failure="warn")) for rank in (2, 3, 4)
    ]
    assert min(figures[:2]) > 90
    assert figures[2] < 60


def test_core_consistency_is_nan_where_the_best_core_is_not_unique():
    X, model = exact(3, (5, 4, 2))
    with pytest.warns(lr.RankWarning, match="not unique"):
        assert np.isnan(lr.core_consistency(X, model))
    X, (weights, factors) = exact(2)
    factors[0][:, 1] = factors[0][:, 0]
    with pytest.warns(lr.RankWarning):
        assert np.isnan(lr.core_consistency(X, (weights, factors)))


def test_all_backends_agree_on_the_figures(backend):
    X, (weights, factors) = exact()
    X = X + 0.1
    given = backend.asarray(weights), [backend.asarray(factor) for factor in factors]
    other = given[0], [given[1][0], given[1][1], backend.asarray(factors[2] + 0.3)]
    rel = 1e-3 if given[0].dtype == backend.dtype("float32") else 1e-9
    host = weights, [*factors[:2], factors[2] + 0.3]
    found = lr.core_consistency(backend.asarray(X), given)
    assert found == pytest.approx(lr.core_consistency(X, (weights, factors)), rel=rel)
    expected = lr.factor_match_score((weights, factors), host)
    assert lr.factor_match_score(given, other) == pytest.approx(expected, rel=rel)
    assert backend.holds(lr.congruence(given))


def test_the_score_finds_permuted_and_rescaled_terms():
    _, (weights, factors) = exact()
    order = [1, 2, 0]
    turned = [-factors[0][:, order] * 2, factors[1][:, order] / 2, factors[2][:, order]]
    assert lr.factor_match_score((weights, factors), (weights[order], turned)) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_score_is_the_best_over_all_permutations(dtype, weighted):
    one, two = (cases.factors_of(SHAPE, 4, dtype, seed=seed) for seed in (1, 2))
    generator = np.random.default_rng(0)
    a, b = ((generator.uniform(0.5, 2, 4), [f / np.linalg.norm(f, axis=0) for f in factors]) for factors in (one, two))
    best = 0.0
    for order in permutations(range(4)):
        total = 0.0
        for r, s in enumerate(order):
            cosine = np.prod([abs(np.vdot(f[:, r], g[:, s])) for f, g in zip(a[1], b[1], strict=True)])
            penalty = 1 - abs(a[0][r] - b[0][s]) / max(a[0][r], b[0][s]) if weighted else 1.0
            total += penalty * cosine
        best = max(best, total / 4)
    assert lr.factor_match_score(a, b, weights=weighted) == pytest.approx(best, rel=1e-10)


def test_a_term_without_partner_counts_zero():
    _, (weights, factors) = exact()
    fewer = weights[:2], [factor[:, :2] for factor in factors]
    assert lr.factor_match_score((weights, factors), fewer) == pytest.approx(2 / 3)
    assert lr.factor_match_score(fewer, (weights, factors)) == pytest.approx(2 / 3)


def test_modes_can_be_left_out_of_the_score():
    _, (weights, factors) = exact()
    other = [cases.factors_of(SHAPE, 3, seed=9)[0], *factors[1:]]
    assert lr.factor_match_score((weights, factors), (weights, other), weights=False, skip=(0,)) == pytest.approx(1.0)
    assert lr.factor_match_score((weights, factors), (weights, other)) < 0.9


def test_congruence_shows_terms_that_cancel():
    _, (weights, factors) = exact(2)
    for k, factor in enumerate(factors):
        factor[:, 1] = (-1.0 if k == 0 else 1.0) * factor[:, 0] + 1e-3 * factor[:, 1]
    found = lr.congruence((weights, factors))
    assert found[0, 1] < -0.85
    np.testing.assert_allclose(np.diag(found), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (3.0, None, TypeError, "result of cp or a pair"),
        ((np.ones(2), [np.ones((3, 1))]), None, ValueError, "one weight a column"),
        ((np.ones(2), [np.ones((3, 2)), np.ones((3, 1))]), None, ValueError, "shapes"),
        ((np.ones(1), [np.ones((3, 1))] * 2), (np.ones(1), [np.ones((4, 1))] * 2), ValueError, "one shape"),
    ],
)
def test_arguments_that_are_no_decompositions_are_refused(a, b, error, message):
    with pytest.raises(error, match=message):
        lr.congruence(a, b)


def test_factors_of_another_shape_are_refused():
    X, model = exact()
    with pytest.raises(ValueError, match="shape"):
        lr.core_consistency(X[1:], model)
    with pytest.raises(ValueError, match="leaves out all"):
        lr.factor_match_score(model, model, skip=(0, 1, 2))


def test_halves_of_a_true_model_agree_and_those_of_too_large_a_rank_do_not():
    X = emissions(noise=0.05)
    scores = [lr.split_half(X, rank, splits=2, starts=2, rng=0, maxiter=1000).scores.mean() for rank in (3, 5)]
    assert scores[0] > 0.95
    assert scores[1] < 0.85


def test_the_rank_of_overlapping_spectra_is_suggested():
    found = lr.suggest_rank(emissions(), 5, splits=1, starts=2, rng=0, maxiter=1000)
    assert found.rank == 3
    assert (np.diff(found.errors) < 0).all()
    assert found.consistency[:3].min() > 50
    assert found.info.error == found.errors[2]


def test_a_rank_is_suggested_without_halves():
    found = lr.suggest_rank(emissions(2), 3, axis=None, starts=1, rng=0, maxiter=1000)
    assert found.rank == 2
    assert np.isnan(found.agreement).all()


def test_results_survive_a_file_and_seeds_reproduce(tmp_path):
    X = emissions()
    runs = [lr.split_half(X, 2, splits=2, starts=1, rng=3).scores for _ in range(2)]
    np.testing.assert_array_equal(*runs)
    found = lr.suggest_rank(X, 2, splits=1, starts=1, rng=3)
    found.save(tmp_path / "rank.npz")
    again = lr.load(tmp_path / "rank.npz")
    assert again.rank == found.rank
    np.testing.assert_array_equal(again.consistency, found.consistency)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lr.split_half(np.ones((3, 3)), 1), "three or more modes"),
        (lambda: lr.split_half(np.ones((1, 3, 3)), 1), "two or more lines"),
        (lambda: lr.split_half(np.ones((4, 3, 3)), 1, axis=3), "axis"),
        (lambda: lr.suggest_rank(np.ones((3, 3)), 2), "three or more modes"),
        (lambda: lr.suggest_rank(np.full((3, 3, 3), np.nan), 2), "NaN"),
    ],
)
def test_calls_without_sense_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_sparse_tensors_are_refused_by_name():
    with pytest.raises(TypeError, match="a dense X"):
        lr.suggest_rank(sp.coo_array(np.eye(3)), 2)


def test_a_mask_leaves_the_rank_to_the_split_halves():
    X = emissions()
    X[np.random.default_rng(1).random(X.shape) < 0.05] = np.nan
    found = lr.suggest_rank(X, 3, mask="finite", splits=1, starts=1, rng=0)
    assert found.rank == 3
    assert np.isnan(found.consistency).all()
    assert found.info.method == "split halves"
    with pytest.raises(ValueError, match="give the axis"):
        lr.suggest_rank(X, 2, mask="finite", axis=None)


@pytest.mark.parametrize("options", [{"mask": np.ones(SHAPE, bool)}, {"weights": np.ones(SHAPE)}, {"init": exact()[1]}])
def test_arrays_that_halves_do_not_fit_are_refused(options):
    for function in (lr.suggest_rank, lr.split_half):
        with pytest.raises(ValueError, match=f"{next(iter(options))} must fit the parts that {function.__name__}"):
            function(exact()[0], 2, **options)


def test_a_score_is_at_most_one_and_one_mode_may_be_left_out():
    pair = exact()[1]
    assert 1 - 1e-14 < lr.factor_match_score(pair, pair, skip=1) <= 1.0


def test_arrays_of_two_libraries_and_nan_are_refused():
    torch = pytest.importorskip("torch")
    X, (weights, factors) = exact()
    other = torch.tensor(weights), [torch.tensor(factor) for factor in factors]
    for call in (lr.congruence, lr.factor_match_score):
        with pytest.raises(TypeError, match="one library"):
            call((weights, factors), other)
    with pytest.raises(TypeError, match="library of X"):
        lr.core_consistency(X, other)
    with pytest.raises(ValueError, match="a factor of b holds NaN"):
        lr.factor_match_score((weights, factors), (weights, [factor * np.nan for factor in factors]))


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_the_score_does_not_depend_on_a_scale_whose_products_leave_the_range(scale):
    _, (weights, factors) = exact()
    order = [2, 0, 1]
    here = weights, [factor * scale for factor in factors]
    there = weights[order], [factor[:, order] * scale for factor in factors]
    assert lr.factor_match_score(here, there) == pytest.approx(1.0, abs=1e-12)
    half = weights / 2, here[1]
    assert lr.factor_match_score(here, half) == pytest.approx(0.5, abs=1e-12)


def test_terms_without_mass_match_each_other_and_no_others():
    _, (weights, factors) = exact(2)
    empty = np.zeros(2), factors
    assert lr.factor_match_score(empty, empty) == pytest.approx(1.0, abs=1e-14)
    assert lr.factor_match_score(empty, (weights, factors)) == 0.0


def test_numbers_of_a_decomposition_that_mean_nothing_are_refused_by_name():
    X, (weights, factors) = exact()
    for call in (
        lambda pair: lr.core_consistency(X, pair),
        lr.congruence,
        lambda pair: lr.factor_match_score(pair, pair),
    ):
        with pytest.raises(ValueError, match=r"weights of .* NaN"):
            call((weights * np.nan, factors))
        with pytest.raises(ValueError, match=r"a factor of .* NaN"):
            call((weights, [factors[0] * np.inf, *factors[1:]]))
        with pytest.raises(TypeError, match="must be real, got complex128"):
            call((weights * 1j, factors))
    with pytest.raises(TypeError, match="complex factors of a real X"):
        lr.core_consistency(X, (weights, [factor * 1j for factor in factors]))


def test_rows_of_unequal_lengths_are_refused_by_name():
    for call in (lr.cp, lr.gcp, lr.tucker, lr.split_half, lambda X, rank: lr.cp(X, rank, mask="finite")):
        with pytest.raises(ValueError, match="X must be an array or lists of equal lengths"):
            call([[1.0, 2.0], [3.0]], 1)
