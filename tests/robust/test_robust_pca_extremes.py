"""Robust principal components: huge errors, short lines, copies, and what arguments mean."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from robust.matrices import corrupted, low_rank_error

import lowrank_la as lr
from lowrank_la.robust.doubts import doubtful_lines
from lowrank_la.robust.panels import Data

METHODS = ("accaltproj", "ircur", "scaled_gd", "godec", "pcp")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("size", "dtype"), [(1e12, "float64"), (1e200, "float64"), (1e5, "float32"), (1e20, "float32")]
)
def test_errors_however_huge_leave_the_low_rank_part_exact(method, size, dtype):
    L, S = corrupted(200, 200, 3, 0.1, size=size, dtype=dtype)
    result = lr.robust_pca(L + S, 3, method=method, rng=0)
    assert result.info.converged
    assert low_rank_error(result, L.astype(float)) < max(1e-6, 100 * np.finfo(dtype).eps)


def test_three_huge_errors_in_exact_data_leave_the_low_rank_part_exact():
    L, _ = corrupted(200, 200, 3, 0.0)
    M = L.copy()
    M[3, 4], M[7, 8], M[7, 9] = 1e13, -1e13, 1e5
    for method in METHODS:
        result = lr.robust_pca(M, 3, method=method, rng=0)
        assert low_rank_error(result, L) < 1e-6
        assert result.S.toarray()[3, 4] == pytest.approx(1e13)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("transposed", [False, True])
def test_short_lines_that_are_called_outliers_whole_speak_against_the_answer(method, transposed):
    for seed in range(4):
        L, S = corrupted(400, 12, 1, 0.1, seed)
        M, L = (x.T if transposed else x for x in (L + S, L))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lr.ConvergenceWarning)
            result = lr.robust_pca(M, 1, method=method, rng=0)
        assert not result.info.converged or low_rank_error(result, L) < 1e-6


def test_a_short_row_of_errors_alone_speaks_against_the_answer():
    L, S = corrupted(200, 15, 1, 0.05)
    M = L + S
    M[7] = 10.0 * np.random.default_rng(3).standard_normal(15)
    with pytest.warns(lr.ConvergenceWarning, match="most of 1 rows and columns"):
        result = lr.robust_pca(M, 1, rng=0)
    assert not result.info.converged


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_line_with_fewer_known_entries_than_the_rank_is_not_vouched_for(method, axis):
    L, S = corrupted(200, 180, 3, 0.05)
    known = np.random.default_rng(5).random(L.shape) < 0.95
    (known if axis == 0 else known.T)[5, 2:] = False
    with pytest.warns(lr.ConvergenceWarning, match="1 rows and columns have fewer known entries than the rank 3"):
        result = lr.robust_pca(np.where(known, L + S, np.nan), 3, method=method, mask=known, rng=0, tol=1e-6)
    assert not result.info.converged


def through_pickle(result):
    return pickle.loads(pickle.dumps(result))  # noqa: S301


@pytest.mark.parametrize("method", METHODS)
def test_a_result_can_be_pickled_and_copied(method):
    L, S = corrupted(60, 50, 2, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        result = lr.robust_pca(L + S, 2, method=method, rng=0)
    for other in (through_pickle(result), copy.deepcopy(result)):
        assert abs(other.S - result.S).max() == 0
        assert np.array_equal(other.U, result.U)
        assert other.info.error == result.info.error
        assert other.info.reason == result.info.reason


def test_a_share_of_outliers_is_refused_where_it_would_be_ignored():
    L, S = corrupted(200, 170, 2, 0.1)
    for method in ("auto", "accaltproj", "ircur", "pcp"):
        with pytest.raises(ValueError, match="sparsity goes with method 'scaled_gd' or 'godec'"):
            lr.robust_pca(L + S, 2, method=method, sparsity=0.2)


@pytest.mark.parametrize("method", ["scaled_gd", "godec"])
@pytest.mark.parametrize("size", [1.0, 10.0])
def test_a_share_of_outliers_that_is_not_too_small_leaves_the_answer_exact(method, size):
    L, S = corrupted(400, 400, 5, 0.1, size=size)
    for share in (0.1, 0.15, 0.3):
        result = lr.robust_pca(L + S, 5, method=method, sparsity=share, rng=0)
        assert result.info.converged
        assert low_rank_error(result, L) < 1e-6
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.robust_pca(L + S, 5, method=method, sparsity=0.05, rng=0)
    assert result.info.outlier_share < 0.07


def test_a_single_entry_among_zeros_is_an_outlier():
    M = np.zeros((300, 300))
    M[4, 5] = 2.0
    for method in METHODS:
        result = lr.robust_pca(M, 2, method=method, rng=0)
        assert not result.s.any()
        assert result.S.nnz == 1
        assert result.S[4, 5] == 2.0


def test_rounding_of_half_precision_factors_is_not_called_exact():
    L, S = corrupted(60, 50, 2, 0.1)
    result = lr.robust_pca((L + S).astype(np.float16), 2, rng=0, tol=1e-2)
    assert result.U.dtype == np.float16
    assert result.info.error_kind == "estimate"


def test_pursuit_stops_before_it_calls_noise_outliers():
    L, S = corrupted(300, 300, 3, 0.1)
    noisy = L + S + 1e-3 * np.random.default_rng(3).standard_normal(L.shape)
    assert lr.robust_pca(noisy, method="pcp", rng=0, tol=3e-3).info.converged
    with pytest.warns(lr.ConvergenceWarning, match="takes dense noise for one"):
        lr.robust_pca(noisy, method="pcp", rng=0)


def test_a_mask_of_another_library_is_refused_by_its_name():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="library of M, Tensor, got ndarray"):
        lr.robust_pca(torch.ones((5, 4)), 1, mask=np.ones((5, 4), bool))


@pytest.mark.parametrize(("share", "length"), [(0.6, 12), (0.7, 8), (0.8, 6)])
def test_short_lines_that_chance_explains_are_not_held_against_the_answer(share, length):
    data = Data(np.ones((4000, length)), None, 1.0)
    kept = np.random.default_rng(0).random(data.shape) < share
    assert (kept.sum(axis=1) < 0.3 * length).any()
    assert doubtful_lines(data, kept.sum(axis=1), kept.sum(axis=0), 1)[0] == 0
    kept[:1000, 1:] = False
    assert doubtful_lines(data, kept.sum(axis=1), kept.sum(axis=0), 1)[0] >= 900
