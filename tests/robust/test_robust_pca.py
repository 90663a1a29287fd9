"""Robust principal components: what every method promises, and what is refused."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from robust.matrices import corrupted, low_rank_error

import lowrank_la as lr
from lowrank_la import _backend as be

METHODS = ("accaltproj", "ircur", "scaled_gd", "godec", "pcp")
TO_A_RANK = METHODS[:-1]


@pytest.mark.parametrize("method", METHODS)
def test_both_parts_are_found_and_the_error_is_that_of_the_answer(method):
    L, S = corrupted(200, 170, 3, 0.15)
    result = lr.robust_pca(L + S, 3, method=method, rng=0)
    assert result.info.converged
    assert result.info.method == method
    assert low_rank_error(result, L) < 1e-6
    U, s, Vh, sparse = result
    assert scipy.sparse.issparse(sparse)
    assert np.linalg.norm(sparse.toarray() - S) < 1e-6 * np.linalg.norm(S)
    residual = np.linalg.norm(L + S - U * s @ Vh - sparse.toarray()) / np.linalg.norm(L + S)
    if result.info.error_kind == "exact":
        assert abs(residual - result.info.error) <= 1e-2 * result.info.error
    assert residual < 20 * 1e-7


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("seed", [0, 1])
def test_up_to_four_in_ten_entries_may_be_wrong(share, seed):
    L, S = corrupted(500, 500, 5, share, seed)
    result = lr.robust_pca(L + S, 5, method="accaltproj", rng=seed)
    assert result.info.converged
    assert result.info.iterations <= 35
    assert low_rank_error(result, L) <= 1e-6


@pytest.mark.parametrize("method", ["accaltproj", "ircur"])
@pytest.mark.parametrize("size", [0.1, 30.0, 1e6])
def test_the_size_of_the_errors_does_not_matter(method, size):
    L, S = corrupted(250, 250, 3, 0.2, 1, size=size)
    result = lr.robust_pca(L + S, 3, method=method, rng=0)
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-6


def test_errors_of_one_sign_are_no_harder():
    L, S = corrupted(300, 300, 3, 0.3, 2, size=5.0)
    result = lr.robust_pca(L + abs(S), 3, rng=0)
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-6


@pytest.mark.parametrize("method", ["accaltproj", "ircur", "pcp"])
def test_missing_entries_are_left_out(method):
    L, S = corrupted(260, 240, 3, 0.1)
    known = np.random.default_rng(5).random(L.shape) < 0.8
    result = lr.robust_pca(np.where(known, L + S, np.nan), 3, method=method, mask=known, rng=0, tol=1e-6)
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-4
    assert not result.S.toarray()[~known].any()


def test_the_rank_is_found():
    L, S = corrupted(300, 300, 4, 0.2)
    result = lr.robust_pca(L + S, rng=0)
    assert result.info.rank == 4
    assert result.info.rank_estimated
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-6


def test_too_large_a_rank_still_gives_parts_that_add_up():
    L, S = corrupted(250, 250, 3, 0.1)
    result = lr.robust_pca(L + S, 8, method="accaltproj", rng=0)
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-6


@pytest.mark.parametrize("method", TO_A_RANK)
@pytest.mark.parametrize("share", [0.0, 0.1])
@pytest.mark.parametrize("rank", [4, 6])
def test_directions_too_many_do_not_take_the_place_of_the_low_rank_part(method, share, rank):
    for seed in range(3):
        L, S = corrupted(120, 100, 3, share, seed)
        result = lr.robust_pca(L + S, rank, method=method, rng=0)
        assert result.info.converged
        assert low_rank_error(result, L) < 1e-6


@pytest.mark.parametrize("kappa", [20.0, 100.0])
def test_weak_directions_behind_a_gap_are_kept(kappa):
    L, S = corrupted(200, 180, 3, 0.1, kappa=kappa)
    result = lr.robust_pca(L + S, 3, method="scaled_gd", rng=0)
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-6
    assert result.info.rank == 3


@pytest.mark.parametrize("method", TO_A_RANK)
def test_factors_are_orthonormal_where_next_to_nothing_is_known(method):
    M = np.random.default_rng(0).standard_normal((40, 30))
    for row in (slice(3, 4), slice(3, 5)):
        known = np.zeros(M.shape, bool)
        known[row, 4:8] = True
        with pytest.warns(lr.ConvergenceWarning):
            result = lr.robust_pca(M, 2, method=method, mask=known, rng=0)
        for Q in (result.U, result.Vh.T):
            assert np.linalg.norm(Q.T @ Q - np.eye(2)) < 1e-12


def test_data_whose_norm_is_no_number_are_refused():
    with pytest.raises(ValueError, match="scale it down"), np.errstate(over="ignore"):
        lr.robust_pca(np.full((20, 20), 1.7e308), 1, rng=0)


def test_data_that_are_all_wrong_do_not_converge():
    noise = np.random.default_rng(0).standard_normal((150, 150))
    for method in TO_A_RANK:
        with pytest.warns(lr.ConvergenceWarning):
            result = lr.robust_pca(noise, 3, method=method, rng=0)
        assert not result.info.converged
    with pytest.raises(lr.ConvergenceError, match="accaltproj"):
        lr.robust_pca(noise, 3, rng=0, on_failure="raise")


def test_noise_is_reported_and_met_by_a_tolerance_of_its_size():
    L, S = corrupted(200, 200, 3, 0.15)
    noisy = L + S + 1e-3 * np.random.default_rng(3).standard_normal(L.shape)
    with pytest.warns(lr.ConvergenceWarning, match="size of the noise"):
        result = lr.robust_pca(noisy, 3, rng=0)
    assert low_rank_error(result, L) < 1e-3
    assert lr.robust_pca(noisy, 3, rng=0, tol=3e-3).info.converged


@pytest.mark.parametrize("method", METHODS)
def test_the_zero_matrix_has_zero_parts(method):
    result = lr.robust_pca(np.zeros((9, 7)), 2, method=method, rng=0)
    assert result.info.converged
    assert result.info.error == 0.0
    assert not result.s.any()
    assert result.S.nnz == 0


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (2, 3)])
def test_a_single_row_or_column_has_an_answer(shape):
    M = np.random.default_rng(0).standard_normal(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        result = lr.robust_pca(M, 1, rng=0)
    assert result.U.shape == (shape[0], 1)
    assert result.S.shape == shape
    assert np.linalg.norm(result.U * result.s @ result.Vh + result.S.toarray() - M) <= 1e-6 * np.linalg.norm(M) or (
        not result.info.converged
    )


@pytest.mark.parametrize("method", ["accaltproj", "ircur", "pcp"])
@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_extreme_scales_give_the_scaled_answer(method, scale):
    L, S = corrupted(150, 150, 2, 0.1)
    result = lr.robust_pca((L + S) * scale, 2, method=method, rng=0)
    assert result.info.converged
    assert low_rank_error(result, L * scale) < 1e-6
    assert abs(abs(result.S).max() / scale - abs(S).max()) < 1e-5


def test_single_precision_reaches_its_own_rounding():
    L, S = corrupted(250, 250, 3, 0.2, dtype="float32")
    result = lr.robust_pca(L + S, 3, rng=0)
    assert result.U.dtype == np.float32
    assert result.info.converged
    assert low_rank_error(result, L.astype(float)) < 200 * 2.0**-23


def test_complex_data_have_complex_parts():
    L, S = corrupted(250, 250, 3, 0.15, dtype="complex128")
    result = lr.robust_pca(L + S * (1 + 1j), 3, rng=0)
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-6


def test_all_backends_agree(backend):
    L, S = corrupted(80, 70, 2, 0.1)
    given = backend.asarray(L + S)
    tol = 1e-6 if be.is_double(given.dtype) else 1e-5
    for method in ("accaltproj", "pcp"):
        result = lr.robust_pca(given, 2, method=method, rng=0, tol=tol)
        assert backend.holds(result.U)
        assert backend.holds(result.s)
        U, s, Vh = (backend.to_numpy(x) for x in (result.U, result.s, result.Vh))
        assert np.linalg.norm(U * s @ Vh - L) < 100 * tol * np.linalg.norm(L)
        sparse = lr.as_operator(result.S)
        ones = backend.xp.ones((70, 1), dtype=given.dtype, device=backend.device)
        assert np.linalg.norm(backend.to_numpy(sparse @ ones)[:, 0] - S.sum(axis=1)) < 1e-3 * np.linalg.norm(S)


def test_bits_do_not_depend_on_the_number_of_workers():
    from threadpoolctl import threadpool_limits

    L, S = corrupted(700, 600, 3, 0.2)
    found = []
    for workers in (1, 2):
        with threadpool_limits(workers):
            found.append(lr.robust_pca(L + S, 3, rng=0))
    assert np.array_equal(found[0].U, found[1].U)
    assert np.array_equal(found[0].s, found[1].s)


def test_the_layout_of_the_data_does_not_matter_and_they_stay_as_they_are():
    L, S = corrupted(120, 90, 2, 0.1)
    M = L + S
    M.flags.writeable = False
    expected = lr.robust_pca(M, 2, rng=0)
    strided = np.zeros((240, 180))
    strided[::2, ::2] = M
    for other in (np.asfortranarray(M), strided[::2, ::2]):
        assert abs(lr.robust_pca(other, 2, rng=0).s - expected.s).max() < 1e-6 * expected.s[0]


def test_a_saved_result_keeps_its_sparse_part(tmp_path):
    L, S = corrupted(60, 50, 2, 0.1)
    result = lr.robust_pca(L + S, 2, rng=0)
    result.save(tmp_path / "parts.npz")
    loaded = lr.load(tmp_path / "parts.npz")
    assert abs(loaded.S - result.S).max() == 0
    assert np.array_equal(loaded.U, result.U)
    assert "RobustPCAResult" in repr(result)


def test_a_callback_sees_the_residuals_and_stops():
    L, S = corrupted(100, 100, 2, 0.1)
    seen = []
    with pytest.warns(lr.ConvergenceWarning, match="callback"):
        lr.robust_pca(L + S, 2, rng=0, callback=lambda state: seen.append(state.residual) or len(seen) == 3)
    assert len(seen) == 3


def test_a_sparse_part_alone_leaves_nothing_of_low_rank():
    M = np.where(np.random.default_rng(0).random((150, 150)) < 0.05, 5.0, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        result = lr.robust_pca(M, 2, rng=0)
    assert np.linalg.norm(result.s) < 1e-3 * np.linalg.norm(M)


def test_what_cannot_be_decomposed_is_refused_by_name():
    M = np.ones((5, 4))
    with pytest.raises(ValueError, match="mask="):
        lr.robust_pca(np.where(np.eye(5, 4) > 0, np.nan, M), 1)
    with pytest.raises(ValueError, match="mask is False everywhere"):
        lr.robust_pca(M, 1, mask=np.zeros((5, 4), bool))
    with pytest.raises(ValueError, match="shape"):
        lr.robust_pca(M, 1, mask=np.ones((4, 5), bool))
    with pytest.raises(TypeError, match="boolean"):
        lr.robust_pca(M, 1, mask=np.ones((5, 4)))
    with pytest.raises(ValueError, match="rank must be at most"):
        lr.robust_pca(M, 5)
    with pytest.raises(TypeError, match="dense"):
        lr.robust_pca(scipy.sparse.eye_array(5), 1)
    with pytest.raises(ValueError, match="method must be one of"):
        lr.robust_pca(M, 1, method="median")
    with pytest.raises(ValueError, match="tol"):
        lr.robust_pca(M, 1, tol=0.0)
