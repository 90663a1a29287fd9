"""What `lstsq` promises: backward stable whatever the condition, and an honest estimate of that."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from factor import oracles
from solve.least_squares import UNIT, backward_error, by_svd, problem, relative
from strategies import random_array

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.solve import methods, preconditioner, refinement
from lowrank_la.solve.backward_error import Spectrum

TALL = ("auto", "cholesky", "sketched", "spir", "qr")
CONDITIONS = (1e0, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12, 1e14, 1e15, 1e16)


@pytest.mark.parametrize("residual", [1e-12, 1e-3, 10.0])
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("method", TALL)
def test_every_method_is_backward_stable_at_every_condition(method, condition, residual):
    A, b, _ = problem(1500, 50, condition, residual, seed=1)
    result = lr.lstsq(A, b, method=method, rng=0)
    true = backward_error(A, b, result.x)
    assert true <= 10 * UNIT["float64"]
    assert result.info.converged
    assert true / 3 - UNIT["float64"] <= result.info.backward_error <= 3 * true + UNIT["float64"]


@pytest.mark.parametrize("condition", [1e0, 1e2, 1e4, 1e6, 1e7])
@pytest.mark.parametrize("method", TALL)
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision_is_backward_stable_too(method, condition, dtype):
    A, b, _ = problem(2000, 40, condition, 1e-2, dtype, seed=2)
    result = lr.lstsq(A, b, method=method, rng=0)
    assert str(result.x.dtype) == dtype
    assert backward_error(A, b, result.x) <= 10 * UNIT[dtype]


@pytest.mark.parametrize("condition", [1e0, 1e8, 1e15])
@pytest.mark.parametrize("method", TALL)
def test_complex_problems_are_solved(method, condition):
    A, b, _ = problem(1200, 30, condition, 1e-3, "complex128", seed=3)
    assert backward_error(A, b, lr.lstsq(A, b, method=method, rng=0).x) <= 10 * UNIT["complex128"]


@pytest.mark.parametrize("residual", [1e-6, 0.1])
@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("method", TALL)
def test_the_solution_is_as_accurate_as_that_of_an_orthogonal_factorisation(method, condition, residual):
    ratios = []
    for seed in range(9):
        A, b, x = problem(2000, 40, condition, residual, seed=seed)
        reference = relative(scipy.linalg.lstsq(A, b)[0], x)
        ratios.append(relative(lr.lstsq(A, b, method=method, rng=0).x, x) / reference)
    assert np.median(ratios) <= 5


@pytest.mark.parametrize("method", [*TALL, "lsqr"])
def test_integer_solutions_of_consistent_systems_are_recovered(method):
    generator = np.random.default_rng(5)
    A = generator.integers(-3, 4, (900, 12)).astype(float)
    x = generator.integers(-9, 10, 12).astype(float)
    found = lr.lstsq(A, A @ x, method=method, rng=0).x
    np.testing.assert_allclose(found, x, rtol=0, atol=(1e-10 if method == "lsqr" else 1e-13))


@pytest.mark.parametrize("method", TALL)
def test_several_right_hand_sides_are_solved_each_as_well_as_alone(method):
    A, b, _ = problem(1500, 30, 1e9, 1e-3, seed=6, columns=4)
    b = b * [1.0, 1e-30, 1e30, 0.0]
    x = lr.lstsq(A, b, method=method, rng=0).x
    assert x.shape == (30, 4)
    assert not np.any(x[:, 3])
    for j in range(3):
        assert backward_error(A, b[:, j], x[:, j]) <= 10 * UNIT["float64"]


@pytest.mark.parametrize("ridge", [1e-20, 1e-10, 1e-2, 1e3])
@pytest.mark.parametrize("method", [*TALL, "lsqr"])
def test_a_ridge_shrinks_the_solution(method, ridge):
    A, b, _ = problem(900, 20, 1e3, 0.1, seed=7)
    result = lr.lstsq(A, b, method=method, ridge=ridge, rng=0)
    limit = 1e3**2 * (oracles.eps("float64") ** 0.75 if method == "lsqr" else oracles.eps("float64"))
    assert relative(result.x, by_svd(A, b, ridge)) <= limit
    if method != "lsqr":
        assert backward_error(A, b, result.x, ridge) <= 10 * UNIT["float64"]


@pytest.mark.parametrize("condition", [1e0, 1e6, 1e12])
@pytest.mark.parametrize("shape", [(30, 900), (60, 90), (40, 41)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_wide_matrix_gives_the_solution_of_least_norm(shape, condition, dtype):
    A, b, x = problem(*shape, condition, 0.0, dtype, seed=8)
    result = lr.lstsq(A, b)
    assert backward_error(A, b, result.x) <= 10 * UNIT[dtype]
    assert relative(result.x, x) <= 100 * condition * UNIT[dtype] * shape[0] ** 0.5
    assert result.info.backward_error <= 10 * UNIT[dtype]


@pytest.mark.parametrize("ridge", [1e-12, 1e-3, 10.0])
def test_a_ridge_on_a_wide_matrix(ridge):
    A, b, _ = problem(30, 400, 1e2, 0.0, seed=9)
    x = lr.lstsq(A, b, ridge=ridge).x
    assert relative(x, by_svd(A, b, ridge)) <= 1e-12


@pytest.mark.parametrize("shape", [(1200, 40), (60, 40), (40, 60), (40, 1200)])
@pytest.mark.parametrize("method", ["auto", "qr", "sketched", "spir"])
def test_without_full_rank_the_solution_of_least_norm_comes_back(shape, method):
    if method in ("sketched", "spir") and shape[0] < 4 * shape[1]:
        pytest.skip("for tall matrices")
    generator = np.random.default_rng(10)
    A = generator.standard_normal((shape[0], 25)) @ generator.standard_normal((25, shape[1]))
    b = generator.standard_normal(shape[0])
    result = lr.lstsq(A, b, method=method, rng=0)
    assert result.info.rank == 25
    assert relative(result.x, by_svd(A, b)) <= 1e-12
    assert backward_error(A, b, result.x) <= 10 * UNIT["float64"]


@pytest.mark.parametrize("scales", [np.logspace(0, 8, 20), np.logspace(4, -4, 20)])
def test_least_norm_means_the_norm_of_x_whatever_the_scale_of_the_columns(scales):
    generator = np.random.default_rng(11)
    B = generator.standard_normal((5000, 19))
    A = np.concatenate([B, B[:, :1]], axis=1) * np.where(np.arange(20) % 2, scales, 1.0)
    A[:, 19] = 3.0 * A[:, 0]
    x = generator.standard_normal(20)
    b = A @ x
    found = lr.lstsq(A, b, rng=0).x
    shared = (x[0] + 3.0 * x[19]) / 10.0
    lost = 100 * UNIT["float64"] * np.linalg.norm(b) / np.linalg.norm(A, axis=0)
    assert np.all(np.abs(found[1:19] - x[1:19]) <= lost[1:19])
    assert np.all(np.abs(found[[0, 19]] - [shared, 3.0 * shared]) <= lost[[0, 19]])
    assert found[19] == pytest.approx(3.0 * found[0], rel=1e-12)


def test_columns_of_very_different_scale_keep_their_digits():
    generator = np.random.default_rng(12)
    scales = np.logspace(-100, 100, 20)
    x = generator.standard_normal(20)
    for m in (300, 5000):
        A = generator.standard_normal((m, 20)) * scales
        found = lr.lstsq(A, A @ (x / scales), rng=0).x * scales
        assert lr.lstsq(A, A @ (x / scales), rng=0).info.rank == 20
        np.testing.assert_allclose(found, x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("density", [0.02, 0.3])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_sparse_matrices_are_solved_without_a_dense_copy(density, dtype):
    A = scipy.sparse.random_array((3000, 60), density=density, rng=13, format="csr").astype(dtype)
    A = A @ scipy.sparse.diags_array(np.logspace(0, -6, 60))
    b = np.random.default_rng(13).standard_normal(3000)
    result = lr.lstsq(A, b, rng=0)
    assert result.info.method == "spir"
    assert backward_error(A.toarray(), b, result.x) <= 10 * UNIT["float64"]
    assert result.info.converged


@pytest.mark.parametrize("shape", [(300, 120), (120, 300), (100, 100)])
def test_lsqr_solves_sparse_matrices_of_any_shape(shape):
    A = scipy.sparse.random_array(shape, density=0.2, rng=14, format="csc")
    b = np.random.default_rng(14).standard_normal(shape[0])
    result = lr.lstsq(A, b)
    assert result.info.method == "lsqr"
    assert result.info.backward_error <= np.finfo(float).eps ** 0.75
    assert backward_error(A.toarray(), b, result.x) <= 1.01 * result.info.backward_error


def test_products_alone_suffice():
    A, b, x = problem(900, 20, 1e3, 1e-3, seed=15, columns=2)
    op = lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)
    for method in ("auto", "spir", "lsqr"):
        result = lr.lstsq(op, b, method=method, rng=0)
        assert relative(result.x, x) <= 1e-6
    assert backward_error(A, b, lr.lstsq(op, b, method="spir", rng=0).x) <= 10 * UNIT["float64"]


def test_a_real_matrix_takes_a_complex_right_hand_side():
    A, b, _ = problem(900, 20, 1e3, 1e-3, seed=16, columns=2)
    mixed = b[:, 0] + 1j * b[:, 1]
    x = lr.lstsq(A, mixed, rng=0).x
    parts = lr.lstsq(A, b, rng=0).x
    np.testing.assert_allclose(x, parts[:, 0] + 1j * parts[:, 1], rtol=0, atol=1e-14)
    residual = np.linalg.norm(mixed - A @ x)
    np.testing.assert_allclose(lr.lstsq(A, mixed, rng=0).info.residuals, [residual], rtol=1e-12)


def test_a_tolerance_ends_the_refinement_and_is_met():
    A, b, _ = problem(4000, 50, 1e6, 1e-3, seed=17)
    loose = lr.lstsq(A, b, method="spir", tol=1e-6, rng=0)
    tight = lr.lstsq(A, b, method="spir", rng=0)
    assert loose.info.backward_error <= 1e-6
    assert loose.info.products < tight.info.products


def test_a_tolerance_that_is_not_met_is_said_and_can_raise():
    A = scipy.sparse.csr_array(problem(400, 300, 1e12, 1e-3, seed=18)[0])
    b = np.ones(400)
    with pytest.warns(lr.ConvergenceWarning, match="maxiter=20 reached"):
        result = lr.lstsq(A, b, tol=1e-15, maxiter=20)
    assert not result.info.converged
    with pytest.raises(lr.ConvergenceError, match="lsqr"):
        lr.lstsq(A, b, tol=1e-15, maxiter=20, on_failure="raise")


def test_a_callback_sees_the_backward_error_and_can_stop():
    A, b, _ = problem(4000, 50, 1e6, 1e-3, seed=19)
    seen = []
    with pytest.warns(lr.ConvergenceWarning, match="stopped by callback"):
        lr.lstsq(A, b, method="spir", rng=0, callback=lambda state: seen.append(state.backward_error) or True)
    assert len(seen) == 1
    assert seen[0] > 1e-12


def test_large_arrays_choose_by_their_condition():
    for condition, method in ((1e2, "cholesky"), (1e10, "sketched")):
        A, b, _ = problem(3000, 40, condition, 1e-3, seed=20)
        assert lr.lstsq(A, b, rng=0).info.method == method
    A, b, _ = problem(200, 100, 1e2, 1e-3, seed=20)
    assert lr.lstsq(A, b).info.method == "qr"


def test_a_sample_that_misjudges_the_condition_costs_time_only():
    A = np.random.default_rng(21).standard_normal((4000, 30))
    A[1] *= 1e14
    b = np.ones(4000)
    result = lr.lstsq(A, b, rng=0)
    assert backward_error(A, b, result.x) <= 10 * UNIT["float64"]


@pytest.mark.parametrize("condition", [1e7, 1e12, 1e15])
def test_a_sample_saves_the_sketch_and_its_read(condition, monkeypatch):
    A, b, _ = problem(3000, 40, condition, 1e-3, seed=27)
    sampled = lr.lstsq(A, b, method="sketched", rng=0)
    monkeypatch.setattr(preconditioner, "is_small_part", lambda shape: False)
    sketched = lr.lstsq(A, b, method="sketched", rng=0)
    assert sketched.info.passes >= sampled.info.passes >= 2
    assert max(backward_error(A, b, found.x) for found in (sampled, sketched)) <= 10 * UNIT["float64"]


@pytest.mark.parametrize("size", [1e3, 1e6, 1e9])
def test_a_sample_that_misses_heavy_rows_costs_a_sweep(size):
    A, b, _ = problem(4000, 30, 1e6, 1e-3, seed=28)
    A[[1, 500, 3999]] *= size
    result = lr.lstsq(A, b, method="sketched", rng=0)
    assert result.info.method == "sketched"
    assert 2 <= result.info.passes <= 6
    assert backward_error(A, b, result.x) <= 10 * UNIT["float64"]


@pytest.mark.parametrize("period", [25, 40, 75])
def test_rows_with_a_period_are_solved(period):
    A = np.random.default_rng(29).standard_normal((3000, 20)) * 1e-9
    A[::period] += np.random.default_rng(30).standard_normal((-(-3000 // period), 20))
    b = A @ np.ones(20)
    assert backward_error(A, b, lr.lstsq(A, b, method="sketched", rng=0).x) <= 10 * UNIT["float64"]


def test_a_direction_of_one_row_alone_is_found():
    A = np.random.default_rng(31).standard_normal((4000, 30))
    A[:, 29] = 0.0
    A[1234, 29] = 1e-3
    b = np.random.default_rng(32).standard_normal(4000)
    result = lr.lstsq(A, b, method="sketched", rng=0)
    assert (result.info.method, result.info.rank) == ("sketched", 30)
    assert backward_error(A, b, result.x) <= 10 * UNIT["float64"]


def test_residuals_of_a_wide_matrix_with_a_ridge_count_both_parts():
    A, b, _ = problem(20, 50, 1e2, 0.0, seed=33)
    x, info = (r := lr.lstsq(A, b, ridge=3.0)).x, r.info
    np.testing.assert_allclose(info.residuals, [np.hypot(np.linalg.norm(b - A @ x), 3.0**0.5 * np.linalg.norm(x))])


def test_one_row_that_a_sketch_may_miss_is_no_problem():
    A = np.zeros((6000, 20))
    sizes = np.logspace(0, -10, 20)
    A[np.arange(20) * 199, np.arange(20)] = sizes
    b = A @ (1 / sizes)
    for method in ("sketched", "spir", "qr"):
        np.testing.assert_allclose(lr.lstsq(A, b, method=method, rng=0).x, 1 / sizes, rtol=1e-13)


def test_the_answer_is_a_function_of_the_key():
    A, b, _ = problem(3000, 40, 1e12, 1e-3, seed=22)
    first = lr.lstsq(A, b, rng=3)
    assert np.array_equal(first.x, lr.lstsq(A.copy(), b, rng=3).x)
    assert np.array_equal(first.x, lr.lstsq(A, b, rng=first.info.rng).x)


def test_info_tells_what_was_done():
    A, b, _ = problem(3000, 40, 1e10, 1e-3, seed=23)
    info = lr.lstsq(A, b, rng=0).info
    assert (info.method, info.rank, info.passes) == ("sketched", 40, 2)
    assert info.iterations == 1
    np.testing.assert_allclose(info.residuals, [1e-3], rtol=1e-9)
    assert 1e8 <= info.condition <= 1e12


def test_the_result_unpacks_and_comes_back_from_disk(tmp_path):
    A, b, _ = problem(200, 10, 1e2, 1e-3, seed=24)
    result = lr.lstsq(A, b)
    (x,) = result
    result.save(tmp_path / "x.npz")
    back = lr.load(tmp_path / "x.npz")
    assert np.array_equal(back.x, x)
    assert back.info.backward_error == result.info.backward_error
    assert "backward error" in repr(result)


def test_the_estimate_sees_a_solution_that_is_not_backward_stable():
    A, b, _ = problem(2000, 40, 1e7, 1e-9, seed=25)
    x = np.linalg.solve(A.T @ A, A.T @ b)
    spectrum = Spectrum(np.linalg.qr(A, mode="r"))
    r = b - A @ x
    sizes, norms = np.linalg.norm([r, b], axis=1, keepdims=True)
    found = spectrum.backward_errors((A.T @ r)[:, None], sizes, x[:, None], norms)
    assert found[0] > 1e4 * UNIT["float64"]
    assert found[0] == pytest.approx(backward_error(A, b, x), rel=0.5)


@pytest.mark.parametrize("n", [8, 600])
def test_the_estimate_without_singular_values_is_the_one_with_them(n, monkeypatch):
    generator = np.random.default_rng(26)
    R = np.triu(generator.standard_normal((n, n))) + 3 * n**0.5 * np.eye(n)
    gradient, x = generator.standard_normal((2, n, 2))
    sizes, norms = np.asarray([1e-3, 1e2]), np.asarray([1.0, 5.0])
    small = n <= 512
    monkeypatch.setattr("lowrank_la.solve.backward_error.SMALL", 1024 if not small else 4)
    first = Spectrum(R).backward_errors(gradient, sizes, x, norms)
    monkeypatch.setattr("lowrank_la.solve.backward_error.SMALL", 4 if not small else 1024)
    np.testing.assert_allclose(first, Spectrum(R).backward_errors(gradient, sizes, x, norms), rtol=1e-10)


def test_a_preconditioner_that_misses_is_noticed_and_made_up_for(monkeypatch):
    honest = preconditioner.be.householder_qr
    monkeypatch.setattr(preconditioner.be, "householder_qr", lambda M: (honest(M)[0], np.eye(M.shape[1])))
    A, b, _ = problem(3000, 40, 1e5, 1e-3, seed=27)
    result = lr.lstsq(A, b, method="sketched", rng=0)
    assert backward_error(A, b, result.x) <= 10 * UNIT["float64"]


def test_a_sketched_solution_without_refinement_is_noticed(monkeypatch):
    A, b, _ = problem(3000, 50, 1e10, 1e-6, seed=28)
    assert lr.lstsq(A, b, method="spir", rng=0).info.method == "spir"
    monkeypatch.setattr(refinement, "_AT_LEAST", 0)
    monkeypatch.setattr(refinement, "_LEAST_GAIN", 0.0)
    seen = []
    result = lr.lstsq(A, b, method="spir", rng=0, callback=lambda state: seen.append(state.backward_error))
    assert seen[0] > 1e3 * UNIT["float64"]
    assert result.info.method == "spir+qr"
    assert backward_error(A, b, result.x) <= 10 * UNIT["float64"]


def test_many_columns_go_to_conjugate_gradients(monkeypatch):
    monkeypatch.setattr(methods, "_SKETCHED_COLUMNS", 20)
    monkeypatch.setattr(methods, "_GRAM_COLUMNS", 20)
    A, b, _ = problem(4000, 40, 1e10, 1e-3, seed=29)
    result = lr.lstsq(A, b, rng=0)
    assert result.info.method == "spir"
    assert backward_error(A, b, result.x) <= 10 * UNIT["float64"]


def test_more_columns_than_singular_values_are_computed_for():
    A = testing.matrix(2600, 520, np.logspace(0, -9, 520), rng=30)
    b = np.random.default_rng(30).standard_normal(2600)
    result = lr.lstsq(A, b, rng=0)
    assert result.info.rank == 520
    assert result.info.backward_error <= 10 * oracles.eps("float64") / 2
    assert backward_error(A, b, result.x) <= 10 * UNIT["float64"]


def test_a_solution_beyond_the_largest_number_is_refused():
    A, b = random_array((30, 4), "float64", 1) * 1e-310, random_array((30, 1), "float64", 2)[:, 0]
    with pytest.raises(ValueError, match="entries of the solution exceed the largest number of float64"):
        lr.lstsq(A, b)
    assert np.all(np.isfinite(lr.lstsq(A, b * 1e-300).x))
