"""What `nystrom` promises of positive semidefinite matrices, and its leave-one-out error."""

import numpy as np
import pytest
from factor import oracles
from hypothesis import given, settings
from strategies import dtypes, random_array, seeds, sides

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.factor import nystrom as implementation
from lowrank_la.factor.nystrom import factor_sketch


@pytest.mark.parametrize("method", ["sketch", "krylov"])
def test_a_matrix_of_exact_rank_is_recovered(backend, method):
    for dtype in backend.dtypes:
        host = testing.hermitian(50, np.linspace(3.0, 1.0, 5), dtype=dtype, rng=1)
        r = lr.nystrom(backend.asarray(host), 5, method=method, rng=0)
        assert oracles.true_error(host, r) <= 500 * oracles.eps(dtype)
        assert oracles.departure(r.V) <= 60 * oracles.eps(dtype)


def test_factors_live_where_the_data_live(backend):
    for dtype in backend.dtypes:
        A = backend.asarray(testing.hermitian(20, testing.spectra["polynomial_one"](20), dtype=dtype))
        w, V = lr.nystrom(A, 3, rng=0)
        assert backend.holds(w)
        assert backend.holds(V)
        assert V.dtype == A.dtype
        assert w.dtype == backend.dtype({"complex64": "float32", "complex128": "float64"}.get(dtype, dtype))


def test_eigenvalues_fall_and_are_not_negative():
    for dtype in ("float32", "complex128"):
        A = testing.hermitian(120, testing.spectra["exponential_fast"](120), dtype=dtype, rng=2)
        w = lr.nystrom(A, 60, rng=0).w
        assert np.all(w >= 0)
        assert np.all(np.diff(w) <= 0)


def brute_force(A, omega):
    """Root mean square over columns j of ‖(A - Â_j) ω_j‖, with Â_j made without column j."""
    total, count = 0.0, omega.shape[1]
    for j in range(count):
        rest = np.delete(omega, j, axis=1)
        Y = A @ rest
        missed = A @ omega[:, j] - Y @ np.linalg.solve(rest.conj().T @ Y, Y.conj().T @ omega[:, j])
        total += np.linalg.norm(missed) ** 2
    return (total / count) ** 0.5


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("spectrum", ["polynomial_half", "polynomial_two", "flat"])
def test_the_leave_one_out_error_is_that_of_brute_force_deletion(dtype, spectrum):
    A = testing.hermitian(60, testing.spectra[spectrum](60), dtype=dtype, rng=3)
    omega = random_array((60, 8), dtype, 4)
    _, _, missed = factor_sketch(omega, A @ omega)
    assert abs(missed / brute_force(A, omega) - 1) <= 1e-9


def test_a_sketch_without_the_left_out_column_estimates_its_error_without_bias():
    A = testing.hermitian(60, testing.spectra["polynomial_one"](60), rng=3)
    squares, truths = [], []
    for seed in range(300):
        omega = random_array((60, 9), "float64", seed)
        squares.append(factor_sketch(omega, A @ omega)[2] ** 2)
        w, V, _ = factor_sketch(omega[:, :8], A @ omega[:, :8])
        truths.append(np.linalg.norm(A - (V * w) @ V.T) ** 2)
    spread = np.std(np.subtract(squares, truths)) / 300**0.5
    assert abs(np.mean(squares) - np.mean(truths)) <= 4 * spread


def test_an_estimate_that_forgets_the_weights_is_noticed():
    A = testing.hermitian(60, testing.spectra["polynomial_half"](60), rng=3)
    omega = random_array((60, 8), "float64", 4)
    mutant = np.linalg.norm(A @ omega) / 8**0.5
    assert abs(mutant / brute_force(A, omega) - 1) > 1e-3


@pytest.mark.parametrize("spectrum", ["polynomial_half", "polynomial_one", "polynomial_two", "flat", "staircase"])
def test_the_estimate_is_within_a_factor_of_two_in_nineteen_of_twenty_draws(spectrum):
    A = testing.hermitian(120, testing.spectra[spectrum](120), rng=5)
    ratios = [r.info.error / oracles.true_error(A, r) for r in (lr.nystrom(A, 15, rng=seed) for seed in range(40))]
    assert np.mean([0.5 <= ratio <= 2.0 for ratio in ratios]) >= 0.95


@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32", "complex64"])
def test_a_matrix_of_condition_1e16_is_factored_stably(dtype):
    eps, n = oracles.eps(dtype), 150
    values = np.logspace(0, -16, n)
    A = testing.hermitian(n, values, dtype=dtype, rng=6)
    for rank in (10, 60, n):
        r = lr.nystrom(A, rank, rng=0)
        best = oracles.tails(values)[min(rank, n)]
        assert np.all(np.isfinite(oracles.wide(r.V)))
        assert oracles.departure(r.V) <= 100 * eps * n**0.5
        assert oracles.true_error(A, r) <= 10 * best + 1000 * eps
        assert r.info.error <= 40 * best + 1e4 * eps


def test_a_kernel_matrix_is_factored_stably():
    A = testing.rbf_kernel(150, rng=7)
    for M in (A, A.astype(np.float32)):
        r = lr.nystrom(M, 80, rng=0)
        best = oracles.tails(np.linalg.eigvalsh(A)[::-1].clip(min=0))[80]
        assert oracles.true_error(M, r) <= 10 * best + 1000 * oracles.eps(M.dtype)


def test_without_the_shift_an_ill_conditioned_core_has_no_factor(monkeypatch):
    A = testing.hermitian(80, np.logspace(0, -16, 80), rng=6)
    monkeypatch.setattr(implementation.be, "cholesky_upper", lambda G: None)
    with pytest.raises(ValueError, match="no Cholesky factor"):
        lr.nystrom(A, 40, rng=0)


def test_krylov_is_near_the_best_on_slow_decay():
    values = testing.spectra["polynomial_half"](200)
    A = testing.hermitian(200, values, rng=8)
    best = oracles.tails(values)[10]
    sketched, iterated = (lr.nystrom(A, 10, method=m, rng=0) for m in ("sketch", "krylov"))
    assert oracles.true_error(A, iterated) <= best * (1 + 1e-6)
    assert oracles.true_error(A, sketched) > oracles.true_error(A, iterated)
    np.testing.assert_allclose(iterated.w, values[:10], rtol=0, atol=1e-6)


def test_the_estimate_of_krylov_is_within_a_factor_of_two():
    for spectrum in ("polynomial_half", "polynomial_two", "staircase"):
        A = testing.hermitian(150, testing.spectra[spectrum](150), rng=9)
        for seed in range(5):
            r = lr.nystrom(A, 12, method="krylov", rng=seed)
            assert 0.5 <= r.info.error / oracles.true_error(A, r) <= 2.0


@pytest.mark.parametrize("copies", [20, 40])
def test_krylov_finds_multiple_eigenvalues_as_often_as_they_occur(copies):
    A = testing.hermitian(150, [2.0] * copies + [0.5] * 30, rng=10)
    w = lr.nystrom(A, copies, method="krylov", rng=0).w
    assert w.shape == (copies,)
    np.testing.assert_allclose(w, 2.0, rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", ["sketch", "krylov"])
@pytest.mark.parametrize("rank", [40, 60])
def test_all_columns_reproduce_the_matrix_and_say_so(method, rank):
    A = testing.hermitian(60, testing.spectra["polynomial_half"](60), rng=11)
    r = lr.nystrom(A, rank, method=method, oversample=60, rng=0)
    true = oracles.true_error(A, r)
    assert true <= 1.01 * oracles.tails(testing.spectra["polynomial_half"](60))[rank] + 1e-11
    assert 0.5 * true <= r.info.error <= max(2 * true, 1e-11)


def test_one_krylov_iteration_is_not_called_converged():
    A = testing.hermitian(200, testing.spectra["polynomial_half"](200), rng=14)
    with pytest.warns(lr.ConvergenceWarning, match="maxiter=1 reached"):
        r = lr.nystrom(A, 10, method="krylov", accuracy=1e-10, maxiter=1, rng=0)
    assert not r.info.converged
    assert 0.4 <= r.info.error / oracles.true_error(A, r) <= 2.5


def test_products_and_passes_are_those_that_the_operator_saw():
    for options in ({}, {"tol": 1e-2}, {"method": "krylov"}):
        counted = oracles.Counted(testing.hermitian(90, testing.spectra["exponential_medium"](90), rng=15))
        info = lr.nystrom(counted, 30, rng=0, **options).info
        assert (info.products, info.passes) == (counted.columns, counted.calls)


def test_a_sketch_costs_one_product_with_each_of_its_columns():
    A = testing.hermitian(90, testing.spectra["exponential_medium"](90), rng=15)
    info = lr.nystrom(A, 12, oversample=8, rng=0).info
    assert (info.products, info.passes) == (20, 1)


def test_an_operator_is_enough():
    A = testing.hermitian(120, testing.spectra["polynomial_one"](120), dtype="complex128", rng=16)
    for method in ("sketch", "krylov"):
        r = lr.nystrom(oracles.Counted(A), 10, method=method, rng=0)
        assert 0.5 <= r.info.error / oracles.true_error(A, r) <= 2.0


def test_sparse_matrices_agree_with_their_dense_twins():
    S = testing.sparse_tfidf(200, 80, 1500, rng=17)
    S = (S.T @ S).tocsr()
    r, t = (lr.nystrom(A, 10, rng=3) for A in (S, S.toarray()))
    np.testing.assert_allclose(r.w, t.w, rtol=0, atol=1e-10)


def test_a_matrix_that_is_not_positive_semidefinite_is_refused(backend):
    for dtype in backend.dtypes:
        host = testing.hermitian(40, np.linspace(1.0, -1.0, 40), dtype=dtype, rng=18)
        with pytest.raises(ValueError, match="not positive semidefinite"):
            lr.nystrom(backend.asarray(host), 10, rng=0)


def test_a_matrix_that_is_not_hermitian_is_refused():
    with pytest.raises(ValueError, match=r"not (Hermitian|positive semidefinite)"):
        lr.nystrom(np.triu(np.ones((30, 30))) * 3 + np.eye(30), 5, rng=0)


def test_negative_rounding_is_not_held_against_a_matrix():
    A = testing.hermitian(80, testing.spectra["exact_rank"](80), rng=19)
    assert lr.nystrom(A - 1e-17 * np.eye(80), 20, rng=0).info.error <= 1e-12


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="got shape 4×3"):
        lr.nystrom(np.ones((4, 3)), 1)


@pytest.mark.parametrize("method", ["dense", "fused", ""])
def test_other_methods_are_refused(method):
    with pytest.raises(ValueError, match="method"):
        lr.nystrom(np.eye(4), 1, method=method)


@pytest.mark.parametrize("exponent", [-150, 150])
def test_extreme_scales_are_harmless(exponent):
    A = testing.hermitian(100, testing.spectra["polynomial_one"](100), rng=20)
    for method in ("sketch", "krylov"):
        r, t = (lr.nystrom(M, 6, method=method, rng=0) for M in (A * 10.0**exponent, A))
        np.testing.assert_allclose(r.w / 10.0**exponent, t.w, rtol=1e-9)
        assert abs(r.info.error / t.info.error - 1) <= 1e-6


def test_the_zero_matrix_has_zero_eigenvalues_and_no_error():
    for method in ("sketch", "krylov"):
        r = lr.nystrom(np.zeros((30, 30)), 4, method=method, rng=0)
        assert np.array_equal(r.w, np.zeros(4))
        assert r.info.error == 0.0
        assert oracles.departure(r.V) <= 1e-13


def test_half_precision_gives_half_vectors_and_single_values():
    A = testing.hermitian(40, testing.spectra["polynomial_one"](40), dtype="float16", rng=21)
    w, V = lr.nystrom(A, 4, rng=0)
    assert (w.dtype, V.dtype) == (np.float32, np.float16)


def test_a_result_multiplies_and_comes_back_from_disk(tmp_path):
    A = testing.hermitian(40, testing.spectra["polynomial_one"](40), dtype="complex128", rng=22)
    r = lr.nystrom(A, 5, rng=0)
    x = random_array((40,), "complex128", 1)
    np.testing.assert_allclose(r @ x, r.V @ (r.w * (r.V.conj().T @ x)), rtol=0, atol=1e-13)
    r.save(tmp_path / "pairs.npz")
    back = lr.load(tmp_path / "pairs.npz")
    assert np.array_equal(back.w, r.w)
    assert np.array_equal(back.V, r.V)


@settings(max_examples=30)
@given(n=sides(1, 30), dtype=dtypes(), seed=seeds(), count=seeds())
def test_any_positive_matrix_is_never_approximated_worse_than_by_nothing(n, dtype, seed, count):
    F = random_array((n, max(1, n // 2)), dtype, seed)
    A = F @ F.conj().T
    r = lr.nystrom(A, 1 + count % n, rng=seed)
    assert oracles.true_error(A, r) <= 1.0 + 100 * oracles.eps(dtype)
    assert oracles.departure(r.V) <= 100 * oracles.eps(dtype) * n**0.5
