"""Robust principal components: an answer that is called converged is right, or the data do not tell."""

import warnings

import numpy as np
import pytest
from robust.matrices import low_rank_error

import lowrank_la as lr

TO_A_RANK = ("accaltproj", "ircur", "scaled_gd", "godec")
METHODS = (*TO_A_RANK, "pcp")


def answer(M, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        return lr.robust_pca(M, *args, rng=0, **options)


def gaussian(seed, m, rank, n, spectrum=1.0):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((m, rank)) * spectrum @ generator.standard_normal((rank, n)), generator


@pytest.mark.parametrize("size", [10, 20, 30, 39])
@pytest.mark.parametrize("seed", range(4))
def test_the_rank_of_a_small_clean_matrix_is_found(size, seed):
    L, _ = gaussian(seed, size, 2, size)
    result = answer(L)
    assert result.info.converged
    assert result.info.rank == 2
    assert low_rank_error(result, L) < 1e-10


@pytest.mark.parametrize("size", [30, 39])
@pytest.mark.parametrize("seed", range(4))
def test_a_small_matrix_with_outliers_is_not_called_found_at_a_wrong_rank(size, seed):
    L, generator = gaussian(seed, size, 2, size)
    result = answer(np.where(generator.random(L.shape) < 0.1, 10.0, L))
    assert not result.info.converged or low_rank_error(result, L) < 1e-5


@pytest.mark.parametrize("method", TO_A_RANK)
@pytest.mark.parametrize("rank", [5, 7, 10])
def test_clean_data_are_their_own_low_rank_part_whatever_rank_is_given(method, rank):
    L, _ = gaussian(4, 200, 5, 200, np.linspace(1.0, 0.3, 5))
    result = answer(L, rank, method=method)
    assert result.info.converged
    assert result.info.rank == 5
    assert result.S.nnz == 0
    assert low_rank_error(result, L) < 1e-12


@pytest.mark.parametrize("method", TO_A_RANK)
@pytest.mark.parametrize("size", [5, 12, 30])
def test_a_clean_outer_product_is_found(method, size):
    for seed in range(3):
        L = np.outer(*np.random.default_rng(seed).standard_normal((2, size)))
        result = answer(L, 1, method=method)
        assert result.info.converged
        assert low_rank_error(result, L) < 1e-12


def test_an_outlier_among_clean_data_is_not_taken_for_a_direction():
    L, _ = gaussian(0, 40, 2, 30)
    M = L.copy()
    M[3, 4] += 5.0
    result = answer(M, 3)
    assert low_rank_error(result, L) < 1e-6 or not result.info.converged


@pytest.mark.parametrize("rank", [7, 10])
@pytest.mark.parametrize("method", ["accaltproj", "ircur"])
def test_a_rank_too_large_is_lowered_where_entries_are_wrong(method, rank):
    for seed in range(2):
        L, generator = gaussian(seed, 200, 5, 200, np.linspace(1.0, 0.3, 5))
        M = np.where(generator.random(L.shape) < 0.1, 10 * generator.standard_normal(L.shape), L)
        result = answer(M, rank, method=method)
        assert result.info.rank == 5
        assert low_rank_error(result, L) < 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("transposed", [False, True])
def test_a_line_with_few_known_entries_keeps_them(method, transposed):
    L, _ = gaussian(0, 100, 3, 80)
    known = np.ones(L.shape, bool)
    known[5, 10:] = False
    L, known = (L.T, known.T) if transposed else (L, known)
    result = answer(L, 3, method=method, mask=known)
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-5


def test_many_lines_with_few_known_entries_keep_them():
    L, _ = gaussian(0, 100, 3, 80)
    known = np.ones(L.shape, bool)
    known[:20, 10:] = False
    result = answer(L, 3, mask=known)
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_blocks_that_share_no_line_are_not_vouched_for(method):
    L, _ = gaussian(0, 100, 2, 80)
    known = np.zeros(L.shape, bool)
    known[:50, :40] = known[50:, 40:] = True
    result = answer(L, 2, method=method, mask=known)
    assert not result.info.converged


def test_pursuit_in_single_precision_leaves_no_gross_error_in():
    L, generator = gaussian(0, 150, 3, 120)
    bad = generator.random(L.shape) < 0.1
    M = np.where(bad, 10 * generator.standard_normal(L.shape), L) + 1e-3 * generator.standard_normal(L.shape)
    result = answer(M.astype(np.float32), method="pcp")
    assert not result.info.converged or result.info.error < 1e-5
    gross = bad & (abs(M - L) > 0.1)
    assert (result.S.toarray()[gross] != 0).mean() > 0.99


def test_non_negative_factors_with_entries_set_to_zero_are_found():
    generator = np.random.default_rng(0)
    L = generator.random((300, 4)) @ generator.random((4, 250))
    result = answer(np.where(generator.random(L.shape) < 0.2, 0.0, L), 4)
    assert result.info.converged
    assert low_rank_error(result, L) < 1e-6


def test_columns_of_which_many_entries_agree_on_something_else_are_not_fitted_to_that():
    """A dark square crosses twenty frames: four in ten values of the pixels on its way are zero."""
    picture = lr.datasets.photograph()[::8, ::8]
    light = 1.0 + 0.2 * np.sin(np.arange(20) / 5)
    frames = light[:, None, None] * picture
    for t in range(20):
        frames[t, 10:18, t : t + 8] = 0.0
    result = lr.robust_pca(frames.reshape(20, -1), 1, rng=0)
    truth = np.outer(light, picture)
    assert result.info.converged
    assert np.linalg.norm(result.U * result.s @ result.Vh - truth) < 1e-6 * np.linalg.norm(truth)
