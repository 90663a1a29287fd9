"""What `tall_qr` promises: orthonormal to rounding at any condition."""

import numpy as np
import pytest
import scipy.sparse
from factor import oracles
from hypothesis import given, settings
from strategies import dtypes, random_array, seeds, sides
from strategies import lay_out as laid_out

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.factor import tall_qr as implementation
from lowrank_la.factor.tall_qr import orthonormalize


def conditioned(m, n, condition, dtype="float64", rng=0):
    """A matrix with singular values spread geometrically over `condition`."""
    return testing.matrix(m, n, np.logspace(0, -np.log10(condition), n), dtype=dtype, rng=rng)


def residual(A, Q, R):
    return oracles.relative_error(A, oracles.wide(Q) @ oracles.wide(R))


def check(A, r, c=1.0):
    """Orthonormal, reproducing, upper triangular, diagonal not negative."""
    eps, n = oracles.eps(A.dtype), A.shape[1]
    Q, R = (oracles.wide(part) for part in r)
    assert oracles.departure(Q) <= c * 8 * n * eps
    assert residual(A, Q, R) <= c * 10 * eps
    assert np.array_equal(R, np.triu(R))
    assert np.all(np.diagonal(R).real >= 0)
    assert np.max(np.abs(np.diagonal(R).imag), initial=0.0) <= 4 * eps * np.abs(R).max()


@pytest.mark.parametrize("shape", [(60, 7), (40, 40), (30, 1), (1, 1), (200, 30), (9, 8)])
def test_the_factors_reproduce_the_matrix(backend, shape):
    for dtype in backend.dtypes:
        A = random_array(shape, dtype, 1)
        r = lr.tall_qr(backend.asarray(A))
        assert backend.holds(r.Q)
        assert backend.holds(r.R)
        assert r.Q.dtype == r.R.dtype == backend.dtype(dtype)
        check(A, r)


@pytest.mark.parametrize("condition", [1e0, 1e4, 1e8, 1e10, 1e12, 1e14, 1e15])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_double_precision_holds_up_to_condition_1e15(condition, dtype):
    A = conditioned(3000, 40, condition, dtype)
    r = lr.tall_qr(A)
    assert oracles.departure(r.Q) <= 1e-13
    assert residual(A, *r) <= 2e-15
    check(A, r)


@pytest.mark.parametrize("condition", [1e0, 1e3, 1e5, 1e7, 1e9])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision_holds_beyond_its_own_condition(condition, dtype):
    check(conditioned(3000, 40, condition, dtype), lr.tall_qr(conditioned(3000, 40, condition, dtype)))


def test_badly_scaled_columns_are_harmless():
    A = random_array((2000, 20), "float64", 2) * np.logspace(-120, 120, 20)
    Q, R = lr.tall_qr(A)
    assert oracles.departure(Q) <= 1e-13
    columns = np.linalg.norm(Q @ R - A, axis=0) / np.linalg.norm(A, axis=0)
    assert columns.max() <= 1e-13


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("rank", [0, 1, 5])
def test_deficient_rank_still_gives_orthonormal_columns(dtype, rank):
    A = testing.matrix(400, 12, np.ones(rank), dtype=dtype, rng=3)
    check(A, lr.tall_qr(A))


def test_duplicate_and_zero_columns_are_harmless():
    A = random_array((300, 8), "float64", 4)
    A[:, 3], A[:, 5] = A[:, 2], 0.0
    check(A, lr.tall_qr(A))


def test_the_matrix_that_breaks_cholesky_is_harmless():
    A = testing.bad_cholesky_qr(500, 20)
    check(A, lr.tall_qr(A))


def test_sparse_rows_that_a_sketch_may_miss_are_harmless():
    A = np.zeros((4000, 20))
    A[np.arange(20) * 199, np.arange(20)] = np.logspace(0, -10, 20)
    check(A, lr.tall_qr(A))


def test_one_heavy_row_is_harmless():
    A = testing.heavy_row(2000, 15, weight=1e12, rng=5)
    check(A, lr.tall_qr(A))


@pytest.mark.parametrize("exponent", [-150, -300, 150, 300])
def test_extreme_scales_are_harmless_in_double(exponent):
    A = random_array((200, 6), "float64", 6)
    r = lr.tall_qr(A * 10.0**exponent)
    check(A * 1.0, (r.Q, r.R / 10.0**exponent), c=2)


@pytest.mark.parametrize("exponent", [-19, -30, 19, 30])
def test_extreme_scales_are_harmless_in_single(exponent):
    A = random_array((200, 6), "float32", 6)
    r = lr.tall_qr(A * np.float32(10.0**exponent))
    check(A, (r.Q, oracles.wide(r.R) / float(np.float32(10.0**exponent))), c=2)


def test_a_well_conditioned_matrix_agrees_with_householder():
    A = random_array((500, 12), "float64", 7)
    Q, R = np.linalg.qr(A)
    turn = np.sign(np.diagonal(R))
    r = lr.tall_qr(A)
    np.testing.assert_allclose(r.Q, Q * turn, rtol=0, atol=1e-13)
    np.testing.assert_allclose(r.R, turn[:, None] * R, rtol=0, atol=1e-12)


def test_info_tells_the_condition_after_preconditioning():
    r = lr.tall_qr(conditioned(1000, 30, 1e10))
    assert 1.0 <= r.info.condition <= 100.0
    assert r.info.method == "sketched"
    assert r.info.converged


def test_the_factors_are_a_function_of_the_matrix():
    A = conditioned(1000, 30, 1e12)
    first, second = lr.tall_qr(A), lr.tall_qr(A.copy())
    assert np.array_equal(first.Q, second.Q)
    assert np.array_equal(first.R, second.R)


def test_a_preconditioner_that_misses_is_noticed_and_made_up_for(monkeypatch):
    honest = implementation.be.householder_qr
    monkeypatch.setattr(implementation.be, "householder_qr", lambda M: (honest(M)[0], np.eye(M.shape[1])))
    r = lr.tall_qr(conditioned(1000, 30, 1e5))
    assert oracles.departure(r.Q) <= 1e-13


def test_a_wide_matrix_is_refused():
    with pytest.raises(ValueError, match="m ≥ n ≥ 1, got shape 3×4"):
        lr.tall_qr(np.ones((3, 4)))


@pytest.mark.parametrize("shape", [(0, 0), (3, 0)])
def test_an_empty_matrix_is_refused(shape):
    with pytest.raises(ValueError, match="tall_qr needs"):
        lr.tall_qr(np.ones(shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_entries_that_are_not_finite_are_refused(backend, bad):
    A = np.ones((8, 3))
    A[4, 1] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        lr.tall_qr(backend.asarray(A))


def test_sparse_matrices_are_refused_with_advice():
    with pytest.raises(TypeError, match="dense array"):
        lr.tall_qr(scipy.sparse.eye_array(5, format="csr"))


def test_half_precision_comes_back_in_half():
    Q, R = lr.tall_qr(random_array((50, 4), "float32", 8).astype(np.float16))
    assert Q.dtype == np.float16
    assert R.dtype == np.float32


def test_integers_and_lists_are_promoted():
    Q, R = lr.tall_qr([[1, 2], [3, 4], [5, 7]])
    np.testing.assert_allclose(Q @ R, [[1, 2], [3, 4], [5, 7]], rtol=0, atol=1e-14)


def test_the_result_unpacks_and_comes_back_from_disk(tmp_path):
    r = lr.tall_qr(random_array((50, 4), "complex128", 9))
    r.save(tmp_path / "qr.npz")
    back = lr.load(tmp_path / "qr.npz")
    assert np.array_equal(back.Q, r.Q)
    assert np.array_equal(back.R, r.R)
    assert back.info.condition == r.info.condition


@pytest.mark.parametrize("layout", ["F", "strided", "reversed", "offset", "read-only"])
def test_any_memory_layout_is_factored_and_left_alone(layout):
    A = laid_out(random_array((900, 20), "float64", 10), layout)
    before = A.copy()
    check(before, lr.tall_qr(A))
    assert np.array_equal(A, before)


@settings(max_examples=40)
@given(m=sides(1, 80), n=sides(1, 12), dtype=dtypes(), seed=seeds())
def test_any_tall_matrix_is_factored(m, n, dtype, seed):
    A = random_array((max(m, n), n), dtype, seed)
    check(A, lr.tall_qr(A), c=2)


@pytest.mark.parametrize("shape", [(5, 9), (9, 9), (600, 20), (9000, 40)])
@pytest.mark.parametrize("condition", [1e0, 1e9, 1e15])
def test_blocks_of_an_iteration_come_out_orthonormal(shape, condition):
    n = min(shape)
    A = testing.matrix(*shape, np.logspace(0, -np.log10(condition), n), rng=11)
    Q, R = orthonormalize(A)
    assert oracles.departure(Q) <= 1e-13
    assert residual(A, Q, R) <= 2e-14


def test_a_flag_that_is_neither_true_nor_false_is_refused():
    with pytest.raises(TypeError, match="check_finite must be True or False, got 'yes'"):
        lr.tall_qr(np.eye(3), check_finite="yes")
