"""Clusters of matrices that one basis serves: never above the tolerance, and few where there are families."""

import warnings

import numpy as np
import pytest
from streaming import block_sets

import lowrank_la as lr
from lowrank_la import _backend as be

METHODS = ("incremental", "residual", "weyl")


def check(blocks, rank, tol, result, axis=1):
    """Every cluster is within the tolerance, in truth and for its basis, and within its bounds."""
    labels, singles = np.asarray(be.to_numpy(result.labels)), 0
    lower, upper = (be.to_numpy(x) for x in (result.lower, result.upper))
    assert set(labels) == set(range(upper.shape[0]))
    for cluster in range(upper.shape[0]):
        members = [be.to_numpy(block) for block, label in zip(blocks, labels, strict=True) if label == cluster]
        members = members if axis == 1 else [block.T for block in members]
        basis = be.to_numpy(result.basis(cluster))
        basis = basis if axis == 1 else basis.conj()
        assert basis.shape[1] <= rank
        assert lower[cluster] <= block_sets.optimal_error(members, rank) <= upper[cluster]
        assert block_sets.projection_error(members, basis) <= upper[cluster]
        singles += upper[cluster] > tol
        assert upper[cluster] <= tol or len(members) == 1
    return singles


@pytest.mark.parametrize("order", ["residual", "norm"])
@pytest.mark.parametrize("method", METHODS)
def test_no_cluster_exceeds_the_tolerance(method, order):
    for seed in range(30):
        blocks, rank = block_sets.random_blocks(seed)
        tol = 10.0 ** np.random.default_rng(seed).uniform(-4, -0.2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lr.ConvergenceWarning)
            result = lr.cluster_matrices(blocks, rank, tol, method=method, order=order)
        assert (check(blocks, rank, tol, result) == 0) == result.info.converged


def test_families_are_found():
    for seed in range(3):
        blocks, kind = block_sets.families(rng=seed)
        result = lr.cluster_matrices(blocks, 5, 0.05)
        assert result.upper.shape == (4,)
        assert len({(a, b) for a, b in zip(kind, result.labels, strict=True)}) == 4
        check(blocks, 5, 0.05, result)
        assert result.info.ratio > 2


def test_candidates_by_residual_give_no_more_clusters_than_by_norm():
    counts = []
    for seed in range(4):
        blocks, _ = block_sets.families(rng=seed, noise=0.1)
        counts.append(
            [lr.cluster_matrices(blocks, 5, 0.2, order=order).upper.shape[0] for order in ("residual", "norm")]
        )
    assert all(residual <= norm for residual, norm in counts)
    assert any(residual < norm for residual, norm in counts)


def test_going_on_after_a_failure_gives_no_more_clusters():
    blocks, _ = block_sets.families(noise=0.1)
    plain = lr.cluster_matrices(blocks, 5, 0.2, order="norm")
    on = lr.cluster_matrices(blocks, 5, 0.2, order="norm", skip=True)
    assert on.upper.shape[0] <= plain.upper.shape[0]
    check(blocks, 5, 0.2, on)


def test_after_a_few_barren_clusters_no_more_candidates_are_tried():
    generator = np.random.default_rng(0)
    blocks = [generator.standard_normal((40, 10)) for _ in range(30)]
    hopeful = lr.cluster_matrices(blocks, 10, 0.01, patience=30)
    resigned = lr.cluster_matrices(blocks, 10, 0.01, patience=3)
    assert hopeful.upper.shape == resigned.upper.shape == (30,)
    assert resigned.info.trials < hopeful.info.trials / 5


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_blocks_one_above_the_other_share_rows(dtype):
    blocks, _ = block_sets.families()
    blocks = [(block * (1 if dtype == "float64" else np.exp(1j * np.arange(60))[:, None])).T for block in blocks]
    result = lr.cluster_matrices(blocks, 5, 0.05, axis=0)
    check(blocks, 5, 0.05, result, axis=0)
    V, label = result.basis(0), result.labels.tolist().index(0)
    assert np.linalg.norm(blocks[label] - blocks[label] @ V @ V.conj().T) <= 0.1 * np.linalg.norm(blocks[label])


def test_a_block_too_hard_alone_is_a_cluster_of_its_own_and_reported():
    blocks, _ = block_sets.families()
    blocks.append(10 * np.random.default_rng(1).standard_normal((60, 40)))
    with pytest.warns(lr.ConvergenceWarning, match="1 blocks exceed"):
        result = lr.cluster_matrices(blocks, 5, 0.05)
    assert check(blocks, 5, 0.05, result) == 1
    assert not result.info.converged
    with pytest.raises(lr.ConvergenceError, match="raise rank or tol"):
        lr.cluster_matrices(blocks, 5, 0.05, on_failure="raise")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_scale_does_not_matter(method, scale):
    blocks, _ = block_sets.families(members=3)
    plain = lr.cluster_matrices(blocks, 5, 0.05, method=method)
    scaled = lr.cluster_matrices([block * scale for block in blocks], 5, 0.05, method=method)
    assert plain.labels.tolist() == scaled.labels.tolist()
    assert np.allclose(plain.upper, scaled.upper, rtol=1e-9, atol=1e-13)
    mixed = [block * (scale if j % 2 else 1.0) for j, block in enumerate(blocks)]
    check(mixed, 5, 0.05, lr.cluster_matrices(mixed, 5, 0.05, method=method))


def test_zero_blocks_single_columns_and_one_block_have_answers():
    zeros = [np.zeros((5, 3)) for _ in range(3)]
    result = lr.cluster_matrices(zeros, 2, 0.1)
    assert result.upper.tolist() == [0.0]
    assert lr.cluster_matrices([np.ones((5, 1))], 1, 0.1).labels.tolist() == [0]
    columns = [np.random.default_rng(j).standard_normal((4, 1)) for j in range(9)]
    check(columns, 4, 0.1, lr.cluster_matrices(columns, 4, 0.1))
    assert lr.cluster_matrices(columns, 4, 0.1).upper.shape == (1,)


@pytest.mark.parametrize(
    ("blocks", "options", "error"),
    [
        ([], {}, ValueError),
        (7, {}, TypeError),
        ([np.ones((3, 2)), np.ones((4, 2))], {}, ValueError),
        ([np.ones((3, 2)), np.full((3, 2), np.nan)], {}, ValueError),
        ([np.ones((3, 2)), np.full((3, 2), np.inf)], {}, ValueError),
        ([np.ones((3, 0))], {}, ValueError),
        ([np.ones(3)], {}, ValueError),
        (["a"], {}, TypeError),
        ([np.ones((3, 2))], {"rank": 4}, ValueError),
        ([np.ones((3, 2))], {"rank": 1.0}, TypeError),
        ([np.ones((3, 2))], {"tol": 0.0}, ValueError),
        ([np.ones((3, 2))], {"method": "brand"}, ValueError),
        ([np.ones((3, 2))], {"order": "random"}, ValueError),
        ([np.ones((3, 2))], {"axis": 2}, ValueError),
        ([np.ones((3, 2))], {"patience": 0}, ValueError),
    ],
)
def test_bad_arguments_are_named(blocks, options, error):
    with pytest.raises(error, match=r"\w+ \w+"):
        lr.cluster_matrices(blocks, **{"rank": 1, "tol": 0.1, **options})


@pytest.mark.parametrize("method", METHODS)
def test_all_backends_agree(method, backend):
    blocks, _ = block_sets.families(members=4, m=30, noise=0.05)
    expected = lr.cluster_matrices(blocks, 5, 0.1, method=method)
    given = [backend.asarray(block) for block in blocks]
    result = lr.cluster_matrices(given, 5, 0.1, method=method)
    assert all(backend.holds(x) for x in (result.labels, result.upper, result.lower, result.bases))
    if "float64" in backend.dtypes:
        assert be.to_numpy(result.labels).tolist() == expected.labels.tolist()
        assert np.allclose(be.to_numpy(result.upper), expected.upper, rtol=1e-9, atol=1e-14)
    check([be.to_numpy(block) for block in given], 5, 0.1, result)


def test_a_result_survives_a_file(tmp_path):
    blocks, _ = block_sets.families(members=2)
    result = lr.cluster_matrices(blocks, 5, 0.1)
    result.save(tmp_path / "clusters.npz")
    back = lr.load(tmp_path / "clusters.npz")
    assert np.array_equal(back.basis(1), result.basis(1))
    assert back.info.ratio == result.info.ratio
