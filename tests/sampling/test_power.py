"""The tests of the samplers have power: what they accept is exact, and plausible wrong samplers fail them."""

import numpy as np
import pytest
from sampling import laws

import lowrank_la as lr


def exact(V, size, rng):
    return lr.ProjectionDPP(V).sample(size, rng=rng)


@pytest.mark.parametrize("name", laws.TESTS)
def test_the_exact_sampler_passes(name):
    V = laws.orthonormal(8, 3, 1) if name == "sets" else laws.orthonormal(30, 5, 1)
    assert all(laws.TESTS[name](exact(V, 20_000, seed), V) > laws.REJECT for seed in range(5))


@pytest.mark.parametrize("mutant", laws.MUTANTS)
@pytest.mark.parametrize("name", ["sets", "inclusions", "pairs"])
def test_wrong_samplers_fail(name, mutant):
    V = laws.orthonormal(8, 3, 1) if name == "sets" else laws.orthonormal(30, 5, 1)
    assert laws.TESTS[name](laws.MUTANTS[mutant](V, 20_000, 0), V) < laws.REJECT


@pytest.mark.parametrize("name", laws.TESTS)
def test_one_pass_of_gram_schmidt_in_single_precision_is_too_near_the_law_to_fail(name):
    V = laws.orthonormal(8, 3, 1) if name == "sets" else laws.orthonormal(30, 5, 1)
    assert laws.TESTS[name](laws.single_gram_schmidt(V, 20_000, 0), V) > laws.REJECT


@pytest.mark.parametrize(("n", "k"), [(30, 5), (400, 60)])
def test_what_it_drifts_is_of_the_order_of_single_rounding(n, k):
    drifts = [laws.drift(laws.orthonormal(n, k, 1), seed) for seed in range(5)]
    assert 0.0 < np.median(drifts) <= k**2 * 2.0**-24


def test_counts_in_one_group_do_not_tell_independent_rows_apart():
    V = laws.orthonormal(30, 5, 1)
    draws = laws.independent_rows(V, 20_000, 0)
    assert laws.inclusion_test(draws, V, group=20_000) > laws.REJECT > laws.inclusion_test(draws, V)


def test_independent_rows_are_betrayed_by_repeats():
    V = laws.orthonormal(30, 5, 1)
    assert laws.distinct_test(laws.independent_rows(V, 100, 0), V) == 0.0


def test_p_values_of_the_exact_sampler_are_not_too_good():
    V = laws.orthonormal(30, 5, 1)
    values = [laws.inclusion_test(exact(V, 2000, seed), V) for seed in range(40)]
    assert laws.scipy.stats.kstest(values, "uniform").pvalue > laws.REJECT
