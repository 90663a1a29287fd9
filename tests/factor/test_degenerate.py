"""Few distinct singular values and a null space, blocks that fill the basis, zeros that compete for a place."""

import numpy as np
import pytest
import scipy.sparse as sp
from factor import oracles

import lowrank_la as lr
from lowrank_la import testing

SHAPES = {
    "projector": np.diag((np.arange(100) < 60) * 1.0),
    "levels": np.diag(np.r_[np.full(40, 3.0), np.full(30, 2.0), np.full(20, 1.0), np.zeros(60)]),
    "shift": np.eye(60, 60, 1),
    "partial isometry": np.eye(33, 31, 1) * (1 + 0j),
}
FORMS = {"array": lambda A: A, "sparse": sp.csr_array, "hidden": oracles.Counted}


def off_orthonormal(Q):
    return np.linalg.norm(Q.conj().T @ Q - np.eye(Q.shape[1]))


@pytest.fixture(scope="module")
def sparse():
    return sp.random_array((3000, 500), density=0.05, rng=np.random.default_rng(0), format="csr")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("tol", [0.3, 1e-5])
def test_a_tolerance_is_met_by_orthonormal_factors(name, form, tol):
    A = SHAPES[name]
    for seed in range(2):
        U, s, Vh = result = lr.svd(FORMS[form](A), tol=tol, method="krylov", rng=seed)
        assert result.info.converged
        assert np.linalg.norm(A - (U * s) @ Vh) <= 1.001 * tol * np.linalg.norm(A)
        assert max(off_orthonormal(U), off_orthonormal(Vh.conj().T)) <= 1e-12


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("tol", [0.5, 0.1])
def test_the_basis_of_qb_is_orthonormal(name, tol):
    Q, B = lr.qb(SHAPES[name], tol=tol, power=0, rng=1)
    assert off_orthonormal(Q) <= 1e-12
    assert np.linalg.norm(SHAPES[name] - Q @ B) <= 1.001 * tol * np.linalg.norm(SHAPES[name])


def test_a_start_wider_than_the_rank_tells_the_truth_and_costs_no_more(sparse):
    wide = lr.svd(sparse, 100, rng=0)
    changed = sparse.copy()
    changed.data *= 1 + 0.1 * np.random.default_rng(2).standard_normal(changed.nnz)
    cold, warm = lr.svd(changed, 5, rng=0), lr.svd(changed, 5, init=wide, rng=0)
    assert warm.info.converged
    assert true_residual(changed, warm) <= 1.01e-6
    assert warm.info.products <= 2 * cold.info.products


@pytest.mark.parametrize("oversample", [0, 2])
@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("hidden", [False, True])
def test_residuals_are_true_without_oversampling(sparse, rank, oversample, hidden):
    A = np.random.default_rng(1).standard_normal((300, 200)) if hidden else sparse
    result = lr.svd(oracles.Counted(A) if hidden else A, rank, oversample=oversample, rng=0)
    assert result.info.converged
    assert true_residual(A, result) <= 1.01e-6


@pytest.mark.parametrize("columns", [40, 80])
def test_a_wide_start_of_eigh_tells_the_truth(columns):
    A = testing.hermitian(200, np.random.default_rng(0).standard_normal(200), rng=1)
    init = np.random.default_rng(columns).standard_normal((200, columns))
    w, V = lr.eigh(A, 1, which="LA", method="krylov", init=init, rng=0)
    assert np.linalg.norm(A @ V - V * w) <= 1.01e-6 * abs(np.linalg.eigvalsh(A)).max()


def test_zeros_outside_the_range_compete_for_the_smallest_eigenvalues():
    left = sp.random_array((1000, 3), density=0.05, rng=np.random.default_rng(0)).tocsr()
    A = left @ left.T
    w, V = lr.eigh(A, 40, which="SA", rng=0)
    np.testing.assert_allclose(w, 0.0, atol=1e-12)
    assert np.linalg.norm(A @ V) <= 1e-11
    assert off_orthonormal(V) <= 1e-12
    np.testing.assert_allclose(lr.eigh(-A, 40, which="LA", rng=0).w, 0.0, atol=1e-12)
    assert (lr.eigh(A, 40, which="LA", rng=0).w[:3] > 1.0).all()


def test_a_tolerance_is_met_where_the_norm_is_unknown():
    rng = np.random.default_rng(5)
    A = rng.integers(0, 2, (150, 20)).astype(float) @ rng.integers(0, 2, (20, 120)).astype(float)
    for seed in range(25):
        U, s, Vh = lr.svd(oracles.Counted(A), tol=0.1, rng=seed)
        assert np.linalg.norm(A - (U * s) @ Vh) <= 0.1 * np.linalg.norm(A)


@pytest.mark.parametrize("asked", [{"rank": 1, "method": "krylov"}, {"tol": 0.1}])
def test_a_zero_matrix_known_by_its_products_alone_has_an_answer(asked):
    result = lr.svd(oracles.Counted(np.zeros((50, 40))), **asked)
    assert result.info.converged
    assert result.s.tolist() == [0.0]


def test_an_exhausted_space_of_squares_reports_measured_residuals():
    A = sp.csr_array(testing.matrix(1039, 383, 10.0 ** (-np.arange(1, 384) / 4.3), rng=3))
    result = lr.svd(A, 20, method="fused", accuracy=1e-9, rng=0)
    true = np.linalg.norm(A.T @ result.U - result.Vh.T * result.s, axis=0)
    assert result.info.converged
    assert (result.info.residuals >= 0.5 * true - 1e-15).all()


def true_residual(A, result):
    right = result.Vh.conj().T
    forward = np.linalg.norm(A @ right - result.U * result.s, axis=0)
    backward = np.linalg.norm(A.conj().T @ result.U - right * result.s, axis=0)
    return np.maximum(forward, backward).max() / result.s[0]
