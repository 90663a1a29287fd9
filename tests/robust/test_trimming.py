"""Row trimming: how long rows may be, and what it leaves of an answer."""

import numpy as np
import pytest
from robust.matrices import corrupted, low_rank_error

import lowrank_la as lr
from lowrank_la.robust.tangent_step import retracted
from lowrank_la.robust.trimming import SLACK, retracted_at, shortened_rows, trimmed_bases


def incoherence(L, rank):
    U, _, Vh = np.linalg.svd(L, full_matrices=False)
    lengths = (
        (abs(U[:, :rank]) ** 2).sum(axis=1).max() * U.shape[0],
        (abs(Vh[:rank]) ** 2).sum(axis=0).max() * Vh.shape[1],
    )
    return max(lengths) / rank


def spiky(m, rank, seed=0):
    """Orthonormal columns, one row of which holds most of the first."""
    Q = np.random.default_rng(seed).standard_normal((m, rank))
    Q[7, 0] = 5.0 * m
    return np.linalg.qr(Q)[0]


def test_no_row_is_longer_than_promised_and_short_rows_stay():
    Q = spiky(60, 3)
    short = shortened_rows(Q, 2.0)
    lengths = np.linalg.norm(short, axis=1)
    bound = np.sqrt(2.0 * 3 / 60)
    assert lengths.max() <= bound * (1.0 + SLACK)
    unchanged = np.linalg.norm(Q, axis=1) <= bound
    np.testing.assert_array_equal(short[unchanged], Q[unchanged])
    assert not unchanged[7]
    np.testing.assert_allclose(short[7] / lengths[7], Q[7] / np.linalg.norm(Q[7]), atol=1e-14)


def test_bases_are_orthonormal_and_span_the_shortened_rows():
    U, V = spiky(60, 3), spiky(50, 3, 1)
    for Q, P in zip((U, V), trimmed_bases(U, V, 2.0), strict=True):
        short = shortened_rows(Q, 2.0)
        np.testing.assert_allclose(P.T @ P, np.eye(3), atol=1e-14)
        np.testing.assert_allclose(P @ (P.T @ short), short, atol=1e-13)


def test_factors_without_long_rows_are_left_alone():
    U, V = (np.linalg.qr(np.random.default_rng(i).standard_normal((80, 2)))[0] for i in (0, 1))
    assert trimmed_bases(U, V, 80.0) is None


def test_a_step_from_other_bases_is_the_truncated_projection_on_their_tangent_space():
    generator = np.random.default_rng(0)
    U, V, P, Q = (np.linalg.qr(generator.standard_normal((size, 2)))[0] for size in (9, 8, 9, 8))
    s, W = np.array([3.0, 1.0]), 0.1 * generator.standard_normal((9, 8))
    left, right = P @ P.T, Q @ Q.T
    whole = U * s @ V.T + W
    a, sigma, bh = np.linalg.svd(left @ whole + whole @ right - left @ whole @ right)
    U1, s1, V1, beyond = retracted_at((P, Q), U, s, V, W @ Q, W.T @ P)
    np.testing.assert_allclose(U1 * s1 @ V1.T, a[:, :2] * sigma[:2] @ bh[:2], atol=1e-12)
    assert beyond == pytest.approx(sigma[2], abs=1e-12)
    same = retracted_at((U, V), U, s, V, W @ V, W.T @ U)
    np.testing.assert_allclose(same[1], retracted(U, s, V, W @ V, W.T @ U)[1], atol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("factor", [1.05, 3.0])
def test_exact_recovery_stays_exact_at_the_incoherence_of_the_matrix(factor, dtype):
    L, S = corrupted(300, 260, 3, 0.3, 1, dtype=dtype)
    bound = factor * incoherence(L, 3)
    result = lr.robust_pca(L + S, 3, method="accaltproj", incoherence=bound, rng=0)
    assert low_rank_error(result, L) < 1e-6
    assert result.info.converged


def test_a_spiky_matrix_is_recovered_with_its_incoherence_and_refused_with_less():
    L, S = corrupted(200, 200, 2, 0.05)
    L[11] *= 6.0
    M = L + S
    free = lr.robust_pca(M, 2, method="accaltproj", incoherence=1.1 * incoherence(L, 2), rng=0)
    assert free.info.converged
    assert low_rank_error(free, L) < 1e-6
    with pytest.warns(lr.ConvergenceWarning):
        bound = lr.robust_pca(M, 2, method="accaltproj", incoherence=0.3 * incoherence(L, 2), rng=0)
    assert not bound.info.converged


def test_a_block_of_errors_that_passes_for_a_component_is_not_vouched_for():
    L, S = corrupted(200, 200, 3, 0.1)
    S[:20, :20] = 10 * abs(L).mean()
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.robust_pca(L + S, 4, method="accaltproj", incoherence=3.0, rng=0)
    assert not result.info.converged


def test_all_backends_agree_with_trimmed_rows(backend):
    L, S = corrupted(80, 70, 2, 0.1)
    L[5] *= 4.0
    given = backend.asarray(L + S)
    bound = 0.9 * incoherence(L, 2)
    options = {"method": "accaltproj", "incoherence": bound, "rng": 0, "maxiter": 6}
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.robust_pca(given, 2, **options)
    with pytest.warns(lr.ConvergenceWarning):
        expected = lr.robust_pca(L + S, 2, **options)
    assert backend.holds(result.U)
    U, s, Vh = (backend.to_numpy(x) for x in (result.U, result.s, result.Vh))
    eps = float(np.finfo(s.dtype).eps)
    gap = np.linalg.norm(U * s @ Vh - expected.U * expected.s @ expected.Vh) / np.linalg.norm(L)
    assert gap <= 1e4 * eps


@pytest.mark.parametrize("method", ["auto", "ircur", "scaled_gd", "pcp", "godec"])
def test_incoherence_is_refused_where_it_would_be_ignored(method):
    with pytest.raises(ValueError, match="incoherence goes with method='accaltproj'"):
        lr.robust_pca(np.ones((5, 4)), 1, method=method, incoherence=2.0)


@pytest.mark.parametrize("bad", [0.0, 0.99, -1.0, np.nan])
def test_incoherence_below_one_is_refused(bad):
    with pytest.raises(ValueError, match="incoherence must be"):
        lr.robust_pca(np.ones((5, 4)), 1, method="accaltproj", incoherence=bad)
