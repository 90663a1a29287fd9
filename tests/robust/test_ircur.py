"""Iterated robust CUR: what it reads, and what it says of what it has not read."""

import tracemalloc

import numpy as np
import pytest
from robust.matrices import corrupted, low_rank_error

import lowrank_la as lr


def test_memory_is_that_of_the_cross():
    n, rank = 2000, 3
    L, S = corrupted(n, n, rank, 0.2)
    M = L + S
    lr.robust_pca(M, rank, method="ircur", rng=0)
    tracemalloc.start()
    result = lr.robust_pca(M, rank, method="ircur", rng=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert low_rank_error(result, L) < 1e-6
    assert peak < 12 * 8 * 3 * rank * n * np.log(n)
    assert peak < 0.5 * M.nbytes
    assert result.info.rows_read + result.info.columns_read < 0.1 * n * 2


def test_a_fit_that_does_not_hold_elsewhere_has_not_converged():
    generator = np.random.default_rng(0)
    M = generator.standard_normal((400, 400))
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.robust_pca(M, 2, method="ircur", rng=0)
    assert not result.info.converged


def test_seeds_repeat_and_other_seeds_agree():
    L, S = corrupted(500, 400, 4, 0.2)
    one, same, other = (lr.robust_pca(L + S, 4, method="ircur", rng=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.U, same.U)
    assert low_rank_error(other, L) < 1e-6
    assert abs(one.s - other.s).max() < 1e-6 * one.s[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_entry_that_is_no_number_is_refused_wherever_it_is(bad):
    L, S = corrupted(900, 900, 2, 0.05)
    M = L + S
    M[3, 4] = bad
    for seed in range(3):
        with pytest.raises(ValueError, match="NaN or infinite"):
            lr.robust_pca(M, 2, method="ircur", rng=seed)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("n", [300, 1500])
def test_small_ranks_are_no_harder(rank, n):
    for seed in range(4):
        L, S = corrupted(n, n, rank, 0.05, seed)
        result = lr.robust_pca(L + S, rank, method="ircur", rng=0)
        assert result.info.converged
        assert low_rank_error(result, L) < 1e-6


@pytest.mark.parametrize("size", [0.3, 1.0, 1e6])
def test_four_in_ten_entries_may_be_wrong(size):
    for seed in range(2):
        L, S = corrupted(800, 700, 5, 0.4, seed, size=size)
        result = lr.robust_pca(L + S, 5, method="ircur", rng=seed)
        assert result.info.converged
        assert low_rank_error(result, L) < 1e-6


def test_thresholds_begin_where_the_misfits_do():
    L, S = corrupted(1500, 1500, 5, 0.2)
    limits = []
    lr.robust_pca(L + S, 5, method="ircur", rng=0, callback=lambda state: limits.append(state.threshold))
    largest = abs(L).max() + abs(S).max()
    assert sum(limit > largest for limit in limits) <= 3
    assert len(limits) <= 27
