"""Warm starts that mislead, scales whose squares leave the range, memory that follows the rank."""

import numpy as np
import pytest
import scipy.sparse as sp

import lowrank_la as lr

GAUSSIAN = np.random.default_rng(0).standard_normal((150, 100))
VALUES = np.linalg.svd(GAUSSIAN, compute_uv=False)[:3]
SCALES = (1e-160, 1e-99, 1e-85, 1e-70, 1e70, 1e80, 1e95, 1e150)


def hidden(M):
    return lr.operator(lambda X: M @ X, lambda Y: M.T @ Y, M.shape, M.dtype)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("wrap", [np.asarray, sp.csr_array, hidden])
@pytest.mark.parametrize("method", ["auto", "krylov", "fused", "subspace"])
def test_values_scale_with_the_matrix_far_from_one(scale, wrap, method):
    s = lr.svd(wrap(GAUSSIAN * scale), 3, method=method, rng=0).s
    np.testing.assert_allclose(s / scale, VALUES, rtol=1e-9)


@pytest.mark.parametrize("scale", SCALES)
def test_errors_do_not_depend_on_the_scale_of_an_operator(scale):
    found = [lr.qb(hidden(GAUSSIAN * factor), 5, rng=0).info.error for factor in (1.0, scale)]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("method", ["auto", "krylov", "fused", "subspace"])
def test_a_start_in_an_invariant_subspace_does_not_hide_larger_values(method):
    A = np.diag(np.r_[10.0, 9, 8, 7, 6, np.linspace(1, 0.1, 295)])
    s = lr.svd(A, 5, method=method, init=np.eye(300)[:, 100:140], rng=0).s
    np.testing.assert_allclose(s, [10, 9, 8, 7, 6], rtol=1e-10)


def test_eigenvectors_to_start_from_do_not_hide_larger_eigenvalues():
    A = np.diag(np.r_[10.0, 9, 8, 7, 6, np.linspace(1, 0.1, 295)])
    w = lr.eigh(A, 5, method="krylov", init=np.eye(300)[:, 100:140], rng=0).w
    np.testing.assert_allclose(w, [10, 9, 8, 7, 6], rtol=1e-10)


def test_the_factors_of_one_block_are_no_trap_when_another_block_grows():
    generator = np.random.default_rng(1)
    before = np.zeros((400, 300))
    before[:200, :150] = generator.standard_normal((200, 150))
    after = before.copy()
    after[200:, 150:] += 5 * generator.standard_normal((200, 150))
    s = lr.svd(sp.csr_array(after), 10, init=lr.svd(before, 40, rng=0), rng=0).s
    np.testing.assert_allclose(s, np.linalg.svd(after, compute_uv=False)[:10], rtol=1e-9)


@pytest.mark.parametrize("function", [lr.svd, lr.qb])
def test_a_tolerance_takes_memory_for_the_rank_it_finds(function):
    left, right = (np.random.default_rng(seed).standard_normal((size, 2)) for seed, size in ((0, 200_000), (1, 90_000)))
    r = function(lr.LowRank(left, np.array([3.0, 1.0]), right.T), tol=1e-3, rng=0)
    assert r.info.converged
    assert r.info.error <= 1e-3


def test_nystrom_by_krylov_is_the_same_at_any_scale_of_an_operator():
    K = np.diag(1.0 / np.arange(1, 201.0) ** 2)
    ranks = [len(lr.nystrom(hidden(K * factor), 60, tol=0.01, method="krylov", rng=0).w) for factor in (1.0, 1e-3)]
    assert ranks[0] == ranks[1]


def test_an_array_on_the_left_multiplies_a_result():
    r = lr.svd(GAUSSIAN, 3, rng=0)
    np.testing.assert_allclose(np.ones((2, 150)) @ r, np.ones((2, 150)) @ (r.U * r.s) @ r.Vh, rtol=0, atol=1e-11)


@pytest.mark.parametrize("scale", [1e-310, 1e300])
def test_subnormal_and_nearly_overflowing_columns_are_orthonormalised(scale):
    Q, R = lr.tall_qr(GAUSSIAN[:, :5] * scale)
    assert np.isfinite(R).all()
    np.testing.assert_allclose(Q.T @ Q, np.eye(5), rtol=0, atol=1e-9)


def test_subnormal_data_gives_finite_coefficients():
    assert np.isfinite(lr.qb(GAUSSIAN * 1e-312, 3, rng=0).B).all()


@pytest.mark.parametrize("index", [10**6, -1])
@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array])
def test_a_damaged_sparse_matrix_is_refused_before_a_kernel_reads_outside_it(form, index):
    A = form(GAUSSIAN)
    A.indices[5] = index
    with pytest.raises(ValueError, match="the sparse matrix is damaged"):
        lr.svd(A, 3)


def test_columns_to_start_from_have_to_fit_the_matrix():
    complex_start = np.ones((100, 2)) * 1j
    with pytest.raises(TypeError, match="init is complex"):
        lr.svd(GAUSSIAN, 3, init=complex_start)
    with pytest.raises(ValueError, match="init holds NaN"):
        lr.svd(GAUSSIAN, 3, init=np.full((100, 2), np.nan))


@pytest.mark.parametrize("method", ["fused", "hermitian", "subspace"])
def test_methods_that_work_to_a_rank_refuse_a_tolerance(method):
    with pytest.raises(ValueError, match="works to a rank"):
        lr.svd(GAUSSIAN, tol=0.1, method=method)


def test_reads_of_the_array_itself_are_counted():
    gram, dense = (lr.svd(GAUSSIAN, 3, method=method, rng=0).info for method in ("gram", "dense"))
    assert (dense.products, dense.passes) == (0, 1)
    assert gram.products == 100 + 3 + 2
    assert gram.passes == 2
