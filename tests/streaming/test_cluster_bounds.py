"""The three bounds of the error of blocks side by side hold in every trial, and their plausible wrong forms do not."""

import numpy as np
import pytest
from streaming import block_sets

from lowrank_la.streaming.cluster_bounds import ESTIMATORS, Residual, Weyl
from lowrank_la.streaming.concatenation import joined, kept_of

TRIALS = 150


def estimated(name, blocks, rank, **options):
    estimator = ESTIMATORS[name].first(blocks[0], rank, **options)
    for block in blocks[1:]:
        estimator = estimator.extended(block)
    return estimator


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_the_truth_lies_between_the_bounds(name, dtype):
    for seed in range(TRIALS):
        blocks, rank = block_sets.random_blocks(seed, dtype)
        low, high = estimated(name, blocks, rank).bounds()
        assert low <= block_sets.optimal_error(blocks, rank) <= high


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_the_truth_lies_between_the_bounds_in_ten_thousand_sets(name):
    for seed in range(10_000):
        blocks, rank = block_sets.random_blocks(seed + 1000)
        low, high = estimated(name, blocks, rank).bounds()
        assert low <= block_sets.optimal_error(blocks, rank) <= high


def test_the_upper_bound_of_the_incremental_estimate_holds_for_its_own_basis():
    for seed in range(TRIALS):
        blocks, rank = block_sets.random_blocks(seed)
        estimator = estimated("incremental", blocks, rank, extra=0)
        assert block_sets.projection_error(blocks, estimator.kept.U[:, :rank]) <= estimator.bounds()[1]


def test_the_two_sided_estimate_is_close_where_little_was_dropped():
    for seed in range(50):
        blocks, _ = block_sets.families(rng=seed, kinds=1)
        low, high = estimated("incremental", blocks, 5).bounds()
        truth = block_sets.optimal_error(blocks, 5)
        assert truth <= high <= 1.01 * truth
        assert low >= 0.5 * truth


def test_errors_far_below_the_root_of_rounding_are_seen():
    generator = np.random.default_rng(0)
    span, rest = np.split(np.linalg.qr(generator.standard_normal((40, 8)))[0], [4], axis=1)
    blocks = [
        span @ generator.standard_normal((4, 9)) + 1e-12 * rest @ generator.standard_normal((4, 9)) for _ in range(6)
    ]
    low, high = estimated("incremental", blocks, 4).bounds()
    assert 1e-13 < high < 1e-11
    assert low <= block_sets.optimal_error(blocks, 4) <= high


def test_the_whole_energy_of_a_block_wider_than_the_rank_is_no_bound():
    """The mutation: a first block counted whole claims an error below the true one."""
    broken = 0
    for seed in range(TRIALS):
        blocks, rank = block_sets.random_blocks(seed)
        energies = [np.sum(np.abs(block) ** 2) for block in blocks]
        wrong = np.sqrt(max(1.0 - max(energies) / sum(energies), 0.0))
        broken += wrong < block_sets.optimal_error(blocks, rank) * (1 - 1e-12)
    assert broken > 0


def test_values_of_residuals_bound_in_sum_and_not_one_by_one():
    blocks = [np.array([[1.0], [0.0]]), np.array([[5.0], [1.0]])]
    estimator = estimated("residual", blocks, 2)
    pooled, gathered = estimator.squares, np.sort(estimator.energies)[::-1]
    truth = np.linalg.svd(np.hstack(blocks), compute_uv=False) ** 2
    assert pooled[1] > truth[1]
    assert np.all(np.cumsum(gathered) <= np.cumsum(truth) * (1 + 1e-12))
    assert np.sum(pooled) < np.sum(gathered)


def test_blocks_with_as_many_columns_as_the_rank_in_sum_are_without_error():
    generator = np.random.default_rng(0)
    blocks = [generator.standard_normal((30, c)) for c in (3, 4, 5)]
    for name in ESTIMATORS:
        assert estimated(name, blocks, 12).bounds()[1] < 1e-6


def test_the_residual_estimate_counts_no_direction_twice():
    block = np.random.default_rng(0).standard_normal((20, 6))
    estimator = Residual.first(block, 10).extended(block).extended(3.0 * block)
    assert estimator.Q.shape == (20, 6)
    assert np.allclose(estimator.Q.T @ estimator.Q, np.eye(6), atol=1e-13)


def test_the_weyl_estimate_takes_the_largest_value_of_each_place():
    blocks = [np.diag([3.0, 1.0, 0.0]), np.diag([2.0, 2.0, 2.0])]
    low, high = Weyl.first(blocks[0], 2).extended(blocks[1]).bounds()
    assert abs(high - np.sqrt(1 - (9 + 4) / 22)) < 1e-12
    assert abs(low - np.sqrt(1 - (10 + 8) / 22)) < 1e-12


def test_parts_that_are_joined_keep_all_energy():
    for seed in range(100):
        blocks, rank = block_sets.random_blocks(seed)
        whole = joined([kept_of(block, rank) for block in blocks], rank)
        energy = sum(np.sum(block**2) for block in blocks)
        assert abs(np.sum(whole.s**2) + whole.dropped - energy) <= 1e-13 * energy
        truth = np.linalg.svd(np.hstack(blocks), compute_uv=False)[: whole.s.shape[0]]
        slack = 1e-13 * truth[0] ** 2
        assert np.all(whole.s**2 <= truth**2 + slack)
        assert np.all(truth**2 <= whole.s**2 + whole.spectral + slack)
