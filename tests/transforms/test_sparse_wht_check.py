"""The points with which sparse_wht checks an answer: how they are drawn, and what can escape them."""

import itertools
import math
import warnings

import numpy as np
import pytest
from transforms.sparse_cases import function, is_right, planted, subspace

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import _kernels
from lowrank_la.transforms import sparse_check
from lowrank_la.transforms.sparse_check import CHECKS, RandomSubspaces, checks_for, dimension_for
from lowrank_la.transforms.sparse_groups import Sampler, code_of, packed, unpacked
from lowrank_la.transforms.sparse_oracle import oracle_of


def chance_to_miss(share, count):
    """The bound of the notes on the probability that no point is in a set; the last subspace may have fewer points."""
    whole, rest = divmod(count, 1 << dimension_for(count))
    of_one, of_rest = ((1.0 - share) / (1.0 - share + m * share) for m in (1 << dimension_for(count), rest))
    return of_one**whole * of_rest


def drawn_values(f, n, count, seed):
    """Values of `f` at `count` points, as the check sees them."""
    return RandomSubspaces(Sampler(oracle_of(f, n)[0], code_of(n, None, 0), be.resolve_rng(seed), 2), count).values


def test_any_two_points_of_a_subspace_are_uniform_and_independent():
    n, dimension = 2, 2
    every = np.asarray(list(itertools.product((0, 1), repeat=n * (1 + dimension))), np.uint8)
    pairs = {}
    for bits in every:
        points, tables = np.empty((4, 1), np.uint64), np.empty((1, 16, 8), np.uint64)
        _kernels.lookup("lay_out_subspaces", "numpy")(packed(bits.reshape(-1, n)), dimension, points, tables)
        names = [tuple(row) for row in unpacked(points, n)]
        for i, j in itertools.combinations(range(4), 2):
            pairs.setdefault((i, j), []).append((names[i], names[j]))
    for found in pairs.values():
        assert all(found.count(pair) == len(every) // 16 for pair in itertools.product(set(names) | {(0, 1)}, repeat=2))
        assert len(set(found)) == 16


def in_a_subspace(n, codimension):
    rows = np.random.default_rng(1).integers(0, 2, (codimension, n))
    return lambda bits: np.all(bits @ rows.T % 2 == 1, axis=1).astype(float)


def in_a_ball(n, radius):
    return lambda bits: (bits.sum(axis=1) <= radius).astype(float)


def in_a_random_set(n, share):
    weights = np.random.default_rng(2).standard_normal(n)
    return lambda bits: (np.abs(np.sin(1e6 * (bits @ weights))) < share * math.pi / 2).astype(float)


@pytest.mark.parametrize("count", [240, CHECKS])
@pytest.mark.parametrize(
    ("n", "kind", "f"),
    [
        (40, "affine subspace", in_a_subspace(40, 9)),
        (40, "faces", lambda bits: np.all(bits[:, :9] == 1, axis=1).astype(float)),
        (20, "ball", in_a_ball(20, 3)),
        (30, "random", in_a_random_set(30, 0.003)),
    ],
)
def test_sets_escape_at_most_as_often_as_the_bound_says(n, kind, f, count):
    bits = np.random.default_rng(0).integers(0, 2, (400_000, n), dtype=np.uint8)
    share, trials = float(np.mean(f(bits))), 150
    missed = sum(not drawn_values(f, n, count, seed).any() for seed in range(trials))
    bound = chance_to_miss(share, count)
    assert missed <= trials * bound + 4.0 * math.sqrt(trials * bound * (1.0 - bound)) + 1.0


def test_the_bound_is_one_in_a_thousand_where_the_notes_say_so():
    assert chance_to_miss(0.0034, CHECKS) <= 1e-3
    assert all(chance_to_miss(8.0 / count, count) <= 1e-3 for count in range(64, 3000))
    assert chance_to_miss(0.01, 0) == 1.0


def test_the_bound_is_not_much_above_that_of_independent_points():
    for count in (441, 883, CHECKS):
        assert math.log(chance_to_miss(7.0 / count, count)) <= 0.95 * count * math.log1p(-7.0 / count)


@pytest.mark.parametrize("n", [1, 5, 20, 70])
@pytest.mark.parametrize("count", [0, 1, 5, 37, CHECKS, CHECKS + 5])
def test_as_many_points_are_asked_for_as_were_wanted(n, count):
    asked = []

    def f(bits):
        asked.append(len(bits))
        return bits[:, 0].astype(float)

    assert drawn_values(f, n, count, 0).shape == (count,)
    assert sum(asked) == count


def test_known_sparsity_bounds_the_points():
    assert checks_for(None, 40, 2) == CHECKS
    assert checks_for(63, 40, 2) == CHECKS
    assert checks_for(64, 20, 2) == int(0.6 * 64 * 23)
    assert checks_for(10_000, 40, 2) == CHECKS
    assert checks_for(5, 7, 2) == 128


def one_point_away(rows, values, n, t):
    """The expansion, and one more number where the first `t` bits are ones."""
    plain = function(rows, values)
    return lambda bits: plain(bits) + np.all(bits[:, :t] == 1, axis=1)


def wrong_certificates(runs, t=8):
    """How often an answer is certified that misses a function which is zero but at a share ``2**-t`` of the points."""
    wrong = 0
    for seed in range(runs):
        rows, values = planted(40, 4, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lr.ConvergenceWarning)
            result = lr.sparse_wht(one_point_away(rows, values, 40, t), 40, 4, attempts=1, rng=seed)
        wrong += result.info.certificate and result.coefficients.size < 1 << t
    return wrong


def test_differences_at_few_points_are_seen():
    assert wrong_certificates(60) == 0


def test_without_the_check_differences_at_few_points_are_certified(monkeypatch):
    monkeypatch.setattr(sparse_check.RandomSubspaces, "doubt", lambda *arguments: None)
    assert wrong_certificates(60) > 0


def test_points_that_are_all_the_same_would_not_do(monkeypatch):
    draw = Sampler.points
    monkeypatch.setattr(Sampler, "points", lambda sampler, count: draw(sampler, count) * np.uint64(0))
    assert wrong_certificates(60) > 0


@pytest.mark.parametrize("seed", range(3))
def test_subspaces_of_frequencies_pass_the_check(seed):
    rows, values = subspace(40, 6, seed)
    result = lr.sparse_wht(function(rows, values), 40, 64, rng=seed)
    assert result.info.certificate
    assert is_right(result, rows, values)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("n", [2, 4, 10, 12])
def test_rounding_of_a_stored_cube_is_no_coefficient(n, dtype):
    X = np.zeros(1 << n, dtype)
    X[: 1 << n : max(1, (1 << n) // 3)] = 0.1
    result = lr.sparse_wht(lr.fwht(X), method="dense", rng=0)
    assert result.info.resolution > 0.0
    assert result.coefficients.size == np.count_nonzero(X)


@pytest.mark.parametrize("factor", [1e200, 1e-200, 1e-170])
def test_functions_that_are_zero_at_first_and_extreme_later_are_found_whole(factor):
    for seed in range(20):
        result = lr.sparse_wht(lambda bits: factor * bits[:, :6].prod(axis=1, dtype=float), 30, rng=seed)
        assert result.info.certificate
        assert result.coefficients.size == 64


def test_values_whose_squares_have_no_range_in_common_are_refused():
    def f(bits):
        return 1.0 + 1e200 * bits[:, :6].prod(axis=1, dtype=float)

    def look():
        for seed in range(20):
            assert lr.sparse_wht(f, 30, rng=seed).coefficients.size == 64

    with pytest.raises(ValueError, match="leave the range of double precision"):
        look()


@pytest.mark.parametrize(("n", "sparsity"), [(3, 1), (4, 2), (5, 8)])
def test_noise_that_is_seen_again_is_no_new_noise(n, sparsity):
    for seed in range(20):
        generator = np.random.default_rng(seed)
        x = lr.fwht(np.eye(1 << n)[:sparsity].sum(axis=0)) + 0.05 * generator.standard_normal(1 << n)
        with pytest.warns(lr.ConvergenceWarning):
            assert not lr.sparse_wht(x, noise="unknown", method="peeling", rng=seed).info.certificate


@pytest.mark.parametrize("n", [2, 3, 6, 11])
def test_a_small_cube_is_looked_at_whole(n):
    seen = []

    def f(bits):
        seen.append(bits)
        return np.ones(bits.shape[0])

    lr.sparse_wht(f, n, 1, method="peeling", rng=0)
    assert np.unique(seen[-1], axis=0).shape[0] == 1 << n


def test_masked_values_of_a_function_are_refused():
    with pytest.raises(TypeError, match="f must not return a masked array"):
        lr.sparse_wht(lambda bits: np.ma.masked_equal(bits[:, 0], 0), 8)
