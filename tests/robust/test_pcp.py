"""Principal component pursuit: the conditions that its minimiser meets."""

import tracemalloc

import numpy as np
import pytest
from robust.matrices import corrupted, low_rank_error

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la._backend import thresholds
from lowrank_la.robust.panels import Data, kept


def objective(L, M):
    weight = 1.0 / np.sqrt(max(M.shape))
    return np.linalg.norm(L, "nuc") + weight * abs(M - L).sum()


def by_full_decompositions(M, iterations=200):
    """The minimiser by an augmented Lagrangian with slowly growing penalty and full decompositions."""
    weight, norm = 1.0 / np.sqrt(max(M.shape)), np.linalg.norm(M, 2)
    L, Y, penalty = np.zeros_like(M), M / max(norm, abs(M).max() / weight), 1.25 / norm
    for _ in range(iterations):
        E = M - L + Y / penalty
        E = np.sign(E) * np.maximum(abs(E) - weight / penalty, 0.0)
        U, s, Vh = np.linalg.svd(M - E + Y / penalty, full_matrices=False)
        L = U * np.maximum(s - 1.0 / penalty, 0.0) @ Vh
        Y += penalty * (M - L - E)
        penalty *= 1.1
    return L


def test_the_objective_is_that_of_the_minimiser():
    L, S = corrupted(60, 50, 4, 0.25, size=3.0)
    M = L + S
    with pytest.warns(lr.ConvergenceWarning, match="called outliers"):
        result = lr.robust_pca(M, method="pcp", rng=0, tol=1e-9)
    found, least = objective(result.U * result.s @ result.Vh, M), objective(by_full_decompositions(M), M)
    assert found < (1 + 2e-3) * least


def test_the_parts_are_recovered_exactly():
    L, S = corrupted(300, 260, 6, 0.1)
    result = lr.robust_pca(L + S, method="pcp", rng=0)
    assert result.info.converged
    assert result.info.iterations <= 35
    assert result.info.rank == 6
    assert low_rank_error(result, L) < 1e-6
    assert np.linalg.norm(result.S.toarray() - S) < 1e-6 * np.linalg.norm(S)


def test_the_rank_given_is_the_most_that_the_low_rank_part_has():
    M = np.random.default_rng(0).standard_normal((40, 30))
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.robust_pca(M, 2, method="pcp", rng=0, maxiter=30)
    assert result.s.shape[0] <= 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("masked", [False, True])
def test_compiled_panels_agree_with_array_operations(dtype, masked):
    generator = np.random.default_rng(0)
    data, product, work = generator.standard_normal((3, 150, 200)).astype(dtype)
    known = generator.random(data.shape) < 0.7 if masked else None
    for name, inputs in (("keep_small", (0.5,)), ("clip_step", (0.4, 0.3))):
        arrays = (product,) if name == "keep_small" else (product, work)
        expected = getattr(thresholds, name + "_twin")(data, known, *arrays, *inputs)
        found = getattr(be, name)(data, known, *(x.copy() for x in arrays), *inputs)
        for a, b in zip(expected, found, strict=True):
            assert abs(a - b).max() <= 4 * np.finfo(dtype).eps * abs(b).max()


def test_a_pass_forms_nothing_of_the_size_of_the_data():
    M = np.random.default_rng(0).standard_normal((3000, 1500))
    U, V = np.ones((3000, 2)), np.ones((1500, 2))
    kept(Data(M, None, 1.0), U, np.ones(2), V, 1.0)
    tracemalloc.start()
    kept(Data(M, None, 1.0), U, np.ones(2), V, 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.3 * M.nbytes
