"""`lstsq` on every backend, dtype and layout, at the ends of the range, and on input that it refuses."""

import numpy as np
import pytest
import scipy.sparse
from factor import oracles
from hypothesis import given, settings
from hypothesis import strategies as st
from solve.least_squares import UNIT, backward_error, by_svd, problem, relative
from strategies import LAYOUTS, dtypes, lay_out, random_array, seeds, sides

import lowrank_la as lr

SHAPES = [(2000, 40), (90, 30), (30, 90), (12, 12)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_backend_gives_the_same_answer(backend, shape):
    for dtype in backend.dtypes:
        A, b, _ = problem(*shape, 1e2, 1e-2, dtype, seed=1, columns=2)
        result = lr.lstsq(backend.asarray(A), backend.asarray(b), rng=0)
        assert backend.holds(result.x)
        assert result.x.dtype == backend.dtype(dtype)
        assert backward_error(A, b, backend.to_numpy(result.x)) <= 10 * UNIT[dtype]
        reference = lr.lstsq(A, b, rng=0)
        assert result.info.method == reference.info.method
        assert relative(backend.to_numpy(result.x), reference.x) <= 1e4 * oracles.eps(dtype)


@pytest.mark.parametrize("method", ["cholesky", "sketched", "spir", "qr", "lsqr"])
def test_every_method_runs_on_every_backend(backend, method):
    dtype = backend.nearest("float64")
    A, b, _ = problem(700, 20, 1e2, 1e-2, dtype, seed=2)
    result = lr.lstsq(backend.asarray(A), backend.asarray(b), method=method, ridge=1e-3, rng=0)
    assert result.info.method == method
    limit = oracles.eps(dtype) ** 0.75 if method == "lsqr" else 10 * UNIT[dtype]
    assert backward_error(A, b, backend.to_numpy(result.x), 1e-3) <= limit


def test_without_full_rank_on_every_backend(backend):
    dtype = backend.nearest("float64")
    A = random_array((1800, 40), dtype, 3)
    A[:, 7], A[:, 20] = 0.0, A[:, 21]
    b = random_array((1800,), dtype, 4)
    result = lr.lstsq(backend.asarray(A), backend.asarray(b), rng=0)
    x = backend.to_numpy(result.x)
    assert result.info.rank == 38
    assert abs(x[7]) <= oracles.eps(dtype)
    assert abs(x[20] - x[21]) <= 100 * oracles.eps(dtype)
    assert relative(x, by_svd(A, b, cutoff=1e-5)) <= 1e3 * oracles.eps(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(2500, 30), (60, 30), (30, 400)])
def test_any_memory_layout_is_solved_and_left_alone(layout, shape):
    A, b, _ = problem(*shape, 1e8, 1e-3, seed=5, columns=2)
    A, b = lay_out(A, layout), lay_out(b, layout)
    copies = A.copy(), b.copy()
    assert backward_error(*copies, lr.lstsq(A, b, rng=0).x) <= 10 * UNIT["float64"]
    assert np.array_equal(A, copies[0])
    assert np.array_equal(b, copies[1])


@pytest.mark.parametrize("exponent", [-300, -150, 150, 300])
@pytest.mark.parametrize("shape", [(3000, 30), (60, 30), (30, 400)])
def test_extreme_scales_of_the_matrix_are_harmless(shape, exponent):
    A, b, _ = problem(*shape, 1e6, 1e-3, seed=6)
    scale = 10.0**exponent
    x = lr.lstsq(A * scale, b * scale, rng=0).x
    assert backward_error(A, b, x) <= 20 * UNIT["float64"]
    x = lr.lstsq(A * scale, b * 10.0 ** (exponent // 2), rng=0).x
    assert backward_error(A, b, x * 10.0 ** (exponent - exponent // 2)) <= 20 * UNIT["float64"]


@pytest.mark.parametrize("exponent", [-30, -15, 15, 30])
@pytest.mark.parametrize("shape", [(3000, 30), (60, 30), (30, 400)])
def test_extreme_scales_are_harmless_in_single(shape, exponent):
    A, b, _ = problem(*shape, 1e2, 1e-2, "float32", seed=7)
    scale = np.float32(10.0**exponent)
    assert backward_error(A, b, lr.lstsq(A * scale, b * scale, rng=0).x) <= 20 * UNIT["float32"]


@pytest.mark.parametrize("shape", [(5000, 20), (70000, 1)])
def test_one_row_of_another_scale_is_harmless(shape):
    A, b, _ = problem(*shape, 1e2, 1e-3, seed=8)
    A[1, :] *= 1e200
    result = lr.lstsq(A, b, rng=0)
    assert backward_error(A * 1e-100, b * 1e-100, result.x) <= 10 * UNIT["float64"]


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_a_ridge_goes_with_the_square_of_the_scale(scale):
    A, b, _ = problem(3000, 30, 1e3, 1e-3, seed=9)
    x = lr.lstsq(A * scale, b * scale, ridge=(0.1 * scale) ** 2, rng=0).x
    assert relative(x, by_svd(A, b, 0.01)) <= 1e-12


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (100000, 1), (1, 100000), (2, 2)])
def test_single_rows_and_columns(shape):
    A, b = random_array(shape, "float64", 10), random_array(shape[:1], "float64", 11)
    assert relative(lr.lstsq(A, b, rng=0).x, by_svd(A, b)) <= 1e-13


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (30000, 4)])
def test_a_zero_matrix_gives_zero(shape):
    result = lr.lstsq(np.zeros(shape), np.ones(shape[0]))
    assert not np.any(result.x)
    assert (result.info.rank, result.info.backward_error) == (0, 0.0)
    np.testing.assert_allclose(result.info.residuals, [shape[0] ** 0.5])


@pytest.mark.parametrize("shape", [(3000, 30), (60, 30), (30, 60)])
def test_a_zero_right_hand_side_gives_zero(shape):
    result = lr.lstsq(random_array(shape, "float64", 12), np.zeros(shape[0]), rng=0)
    assert not np.any(result.x)
    assert result.info.backward_error == 0.0
    assert result.info.converged


def test_zero_rows_and_columns_are_harmless():
    for m in (300, 5000):
        A = random_array((m, 20), "float64", 13)
        A[: m // 2], A[:, 3], A[:, 19] = 0.0, 0.0, 0.0
        b = random_array((m,), "float64", 14)
        result = lr.lstsq(A, b, rng=0)
        assert np.max(np.abs(result.x[[3, 19]])) <= oracles.eps("float64")
        assert result.info.rank == 18
        assert relative(result.x, by_svd(A, b)) <= 1e-13


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_solved_in_single(half):
    torch = pytest.importorskip("torch")
    A, b, _ = problem(500, 10, 10.0, 1e-2, "float32", seed=15)
    A, b = torch.asarray(A).to(getattr(torch, half)), torch.asarray(b).to(getattr(torch, half))
    x = lr.lstsq(A, b, rng=0).x
    assert x.dtype == A.dtype
    exact = by_svd(A.float().numpy(), b.float().numpy())
    assert relative(x.float().numpy(), exact) <= oracles.eps(A.dtype)


def test_half_precision_of_numpy_comes_back_in_half():
    A, b, _ = problem(500, 10, 10.0, 1e-2, "float32", seed=16)
    assert lr.lstsq(A.astype(np.float16), b.astype(np.float16), rng=0).x.dtype == np.float16


def test_integers_and_lists_are_promoted():
    x = lr.lstsq([[1, 0], [0, 2], [0, 0]], [3, 4, 5]).x
    np.testing.assert_allclose(x, [3.0, 2.0], rtol=0, atol=1e-15)


def test_the_precision_is_that_of_the_matrix():
    A, b, _ = problem(500, 10, 10.0, 1e-2, "float32", seed=17)
    assert lr.lstsq(A, b.astype(np.float64), rng=0).x.dtype == np.float32
    assert lr.lstsq(A.astype(np.float64), b, rng=0).x.dtype == np.float64


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(40, 5), (5, 40), (30000, 5)])
def test_entries_that_are_not_finite_are_refused(bad, shape):
    A, b = np.ones(shape), np.ones(shape[0])
    A[3, 4] = bad
    with pytest.raises(ValueError, match="A holds NaN or infinite"):
        lr.lstsq(A, b)
    with pytest.raises(ValueError, match="A holds NaN or infinite"):
        lr.lstsq(scipy.sparse.csr_array(A), b)
    b[2] = bad
    with pytest.raises(ValueError, match="b holds NaN or infinite"):
        lr.lstsq(np.ones(shape), b)


def test_unchecked_numbers_that_are_none_end_soon():
    A, b = random_array((3000, 20), "float64", 19), np.ones(3000)
    b[5] = np.nan
    with pytest.warns(lr.ConvergenceWarning):
        assert lr.lstsq(A, b, check_finite=False, rng=0).info.iterations <= 20


@pytest.mark.parametrize("shape", [(5,), (7, 2), (3, 2, 2), (3, 0), ()])
def test_a_right_hand_side_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match=r"b must have shape \(3,\) or \(3, k\)"):
        lr.lstsq(np.ones((3, 2)), np.ones(shape))


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3)])
def test_an_empty_matrix_is_refused(shape):
    with pytest.raises(ValueError, match="m ≥ 1 and n ≥ 1"):
        lr.lstsq(np.ones(shape), np.ones(shape[0]))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": "magic"}, ValueError, "method must be one of"),
        ({"tol": 0.0}, ValueError, r"tol must lie in \(0, 1\)"),
        ({"tol": "small"}, TypeError, "tol must be a number"),
        ({"ridge": -1.0}, ValueError, "ridge must be non-negative"),
        ({"ridge": 1e308}, ValueError, "ridge"),
        ({"maxiter": 0}, ValueError, "maxiter must be at least 1"),
        ({"on_failure": "ignore"}, ValueError, "on_failure must be one of"),
        ({"check_finite": 1}, TypeError, "check_finite must be True or False"),
        ({"callback": 3}, TypeError, "callback must be a function"),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        lr.lstsq(np.ones((4, 2)), np.ones(4), **options)


@pytest.mark.parametrize("method", ["cholesky", "sketched", "spir"])
def test_methods_for_tall_matrices_refuse_wide_ones(method):
    with pytest.raises(ValueError, match=f"method='{method}' needs m ≥ n, got shape 2×4"):
        lr.lstsq(np.ones((2, 4)), np.ones(2), method=method)


@pytest.mark.parametrize("method", ["cholesky", "sketched", "qr"])
def test_methods_for_arrays_refuse_sparse_matrices(method):
    with pytest.raises(TypeError, match="needs a dense array"):
        lr.lstsq(scipy.sparse.eye_array(4, format="csr"), np.ones(4), method=method)


def test_data_of_two_libraries_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="lstsq got data of two homes"):
        lr.lstsq(np.ones((4, 2)), torch.ones(4))


def test_tensors_that_record_gradients_are_refused():
    torch = pytest.importorskip("torch")
    for A, b in (
        (torch.ones(4, 2, requires_grad=True), torch.ones(4)),
        (torch.ones(4, 2), torch.ones(4, requires_grad=True)),
    ):
        with pytest.raises(TypeError, match="lstsq has no gradients"):
            lr.lstsq(A, b)


def test_a_wrong_adjoint_is_refused():
    A = random_array((50, 10), "complex128", 18)
    op = lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)
    with pytest.raises(ValueError, match="not the adjoint"):
        lr.lstsq(op, np.ones(50))


@settings(max_examples=60)
@given(m=sides(1, 60), n=sides(1, 20), k=st.integers(1, 3), dtype=dtypes(), seed=seeds())
def test_any_small_problem_is_solved(m, n, k, dtype, seed):
    A, b = random_array((m, n), dtype, seed), random_array((m, k), dtype, seed + 1)
    result = lr.lstsq(A, b)
    assert result.x.shape == (n, k)
    assert backward_error(A, b, result.x) <= 10 * UNIT[dtype]
