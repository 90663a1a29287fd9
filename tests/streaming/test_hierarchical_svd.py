"""A tree of small decompositions: the tolerance is met, the error bounded, the basis near-minimal."""

import numpy as np
import pytest
from streaming import block_sets

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing


def cut(M, count):
    return np.array_split(M, count, axis=1)


@pytest.mark.parametrize("seed", range(40))
def test_the_error_is_bounded_and_the_tolerance_met(seed):
    generator = np.random.default_rng(seed)
    m, count = int(generator.integers(5, 60)), int(generator.integers(1, 40))
    n = count * int(generator.integers(1, 12))
    spectrum = np.logspace(0, -generator.uniform(0, 9), min(m, n))
    blocks = cut(testing.matrix(m, n, spectrum, rng=seed), count)
    tol = 10.0 ** -generator.uniform(0.3, 6)
    result = lr.hierarchical_svd(iter(blocks), tol=tol)
    k = result.s.shape[0]
    assert block_sets.projection_error(blocks, result.basis) <= result.info.error <= tol
    assert result.lower <= block_sets.optimal_error(blocks, k)
    assert k == 1 or block_sets.optimal_error(blocks, k - 1) > 0.9 * tol


@pytest.mark.parametrize("count", [1, 3, 4, 5, 16, 17, 100])
def test_singular_values_lie_between_their_bounds(count):
    M = testing.matrix(50, 400, np.arange(1, 51.0) ** -1, rng=count)
    result = lr.hierarchical_svd(cut(M, count), 8)
    truth = np.linalg.svd(M, compute_uv=False)[:8]
    assert np.all(result.s <= truth * (1 + 1e-13))
    assert np.all(truth <= np.hypot(result.s, result.info.gap) * (1 + 1e-13))
    assert np.linalg.norm(result.basis.T @ result.basis - np.eye(8)) < 1e-13
    assert result.info.blocks == count


def test_exact_rank_is_recovered_to_rounding():
    M = testing.matrix(80, 500, np.linspace(1.0, 0.1, 6), rng=0)
    result = lr.hierarchical_svd(cut(M, 37), tol=1e-10)
    assert result.s.shape == (6,)
    assert block_sets.projection_error([M], result.basis) < 1e-14
    assert result.info.error < 1e-12


def test_a_bound_that_forgets_the_inner_nodes_is_wrong():
    """The mutation: only what the root drops is counted."""
    M = testing.matrix(40, 600, np.arange(1, 41.0) ** -0.5, rng=0)
    tol, blocks = 0.3, cut(M, 60)
    result = lr.hierarchical_svd(blocks, tol=tol)
    truth = block_sets.projection_error(blocks, result.basis)
    total = np.linalg.norm(M) ** 2
    kept = float(np.sum(result.s**2))
    assert truth <= result.info.error
    assert np.sqrt((total - kept) / total) <= result.info.error * (1 + 1e-12)
    rank_only = lr.hierarchical_svd(blocks, 5)
    dropped_in_root = np.sqrt(max(rank_only.info.error**2 - rank_only.info.gap**2 / total, 0.0))
    assert dropped_in_root < block_sets.projection_error(blocks, rank_only.basis) <= rank_only.info.error


def test_a_rank_that_cannot_reach_the_tolerance_is_reported():
    M = testing.matrix(30, 90, np.ones(30), rng=0)
    with pytest.warns(lr.ConvergenceWarning, match="columns leave"):
        result = lr.hierarchical_svd(cut(M, 9), 5, tol=0.1)
    assert result.info.converged is False
    with pytest.raises(lr.ConvergenceError):
        lr.hierarchical_svd(cut(M, 9), 5, tol=0.1, on_failure="raise")


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_blocks_one_above_the_other_give_right_singular_vectors(dtype):
    M = testing.matrix(300, 40, np.logspace(0, -3, 40), dtype=dtype, rng=0)
    result = lr.hierarchical_svd(np.array_split(M, 20, axis=0), 6, axis=0)
    V = result.basis
    assert np.linalg.norm(M - M @ V @ V.conj().T) <= result.info.error * np.linalg.norm(M)
    truth = np.linalg.svd(M)[2][:6].conj().T
    assert np.linalg.norm(truth - V @ (V.conj().T @ truth)) < 0.05


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_scale_does_not_matter(scale):
    M = testing.matrix(30, 200, np.logspace(0, -4, 30), rng=0)
    plain, scaled = (lr.hierarchical_svd(cut(M * c, 25), tol=1e-2) for c in (1.0, scale))
    assert plain.s.shape == scaled.s.shape
    assert np.allclose(scaled.s / scale, plain.s, rtol=1e-12)
    late = [block * (1e-140 if j < 12 else 1e140) for j, block in enumerate(cut(M, 25))]
    assert block_sets.projection_error(late, lr.hierarchical_svd(late, tol=1e-2).basis) <= 1e-2


def test_zero_blocks_single_columns_and_one_block_have_answers():
    zero = lr.hierarchical_svd([np.zeros((6, 2))] * 9, tol=0.1)
    assert zero.s.tolist() == [0.0]
    assert zero.info.error == 0.0
    columns = np.random.default_rng(0).standard_normal((5, 30))
    assert lr.hierarchical_svd(cut(columns, 30), 5).s.shape == (5,)
    assert np.allclose(lr.hierarchical_svd([columns], 5).s, np.linalg.svd(columns, compute_uv=False))


@pytest.mark.parametrize(
    ("blocks", "options", "error"),
    [
        ([], {"rank": 1}, ValueError),
        ([np.ones((3, 2))], {}, ValueError),
        ([np.ones((3, 2)), np.ones((4, 2))], {"rank": 1}, ValueError),
        ([np.ones((3, 2)), np.ones((3, 2), "float32")], {"rank": 1}, ValueError),
        ([np.ones((3, 2)), np.full((3, 2), np.nan)], {"rank": 1}, ValueError),
        ([np.ones((3, 2))], {"rank": 0}, ValueError),
        ([np.ones((3, 2))], {"tol": 1.5}, ValueError),
        ([np.ones(3)], {"rank": 1}, ValueError),
        (["a"], {"rank": 1}, TypeError),
    ],
)
def test_bad_arguments_are_named(blocks, options, error):
    with pytest.raises(error, match=r"\w+ \w+"):
        lr.hierarchical_svd(blocks, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_all_backends_agree(dtype, backend):
    dtype = backend.nearest(dtype)
    M = testing.matrix(20, 120, np.logspace(0, -2, 20), dtype=dtype, rng=0)
    expected = lr.hierarchical_svd(cut(M, 11), 4)
    result = lr.hierarchical_svd([backend.asarray(block) for block in cut(M, 11)], 4)
    assert backend.holds(result.basis)
    assert be.dtype_name(result.basis.dtype) == dtype
    eps = be.eps(expected.basis.dtype)
    assert np.max(np.abs(backend.to_numpy(result.s) - expected.s)) <= 100 * eps
    assert np.max(np.abs(backend.to_numpy(result.basis) - expected.basis)) <= 1e3 * eps


def test_too_large_a_rank_and_what_is_no_sequence_are_named():
    with pytest.raises(ValueError, match=r"rank must be .*3.*got 4"):
        lr.hierarchical_svd([np.ones((3, 9))], 4)
    with pytest.raises(TypeError, match=r"blocks must be .*got int"):
        lr.hierarchical_svd(7, 1)
    with pytest.raises(TypeError, match="block 1 is a masked array"):
        lr.hierarchical_svd([np.ones((3, 2)), np.ma.masked_array(np.ones((3, 2)))], 1)
