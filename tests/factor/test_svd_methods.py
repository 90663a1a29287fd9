"""The engines of `svd`: choice, warm starts, restarts, limits, callbacks and failures."""

import warnings

import numpy as np
import pytest
from factor import oracles

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.factor.golub_kahan import GolubKahan
from lowrank_la.factor.lanczos import Lanczos
from lowrank_la.factor.schedule import Schedule

ITERATIVE = ("krylov", "fused", "subspace")


@pytest.fixture(scope="module")
def slow_matrix():
    """300×200, values i^(-1/2)."""
    return testing.matrix(300, 200, "polynomial_half", rng=1)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_residual_of_block_krylov_is_the_true_one(dtype):
    A = testing.matrix(150, 90, "polynomial_half", dtype=dtype, rng=2)
    engine = GolubKahan(lr.as_operator(A), np.linalg.qr(A @ np.eye(90, 6))[0], 60)
    for _ in range(3):
        engine.step()
    U, s, Vh, residuals = engine.triplets()
    left, right = engine.vectors(U, Vh, 8)
    true = np.linalg.norm(A @ right.conj().T - left * s[:8], axis=0)
    np.testing.assert_allclose(residuals[:8], true, rtol=0, atol=50 * oracles.eps("float64"))
    np.testing.assert_allclose(A.conj().T @ left, right.conj().T * s[:8], rtol=0, atol=50 * oracles.eps("float64"))


def test_the_residual_of_block_krylov_stays_true_over_restarts():
    A = testing.matrix(150, 90, "polynomial_half", rng=2)
    engine = GolubKahan(lr.as_operator(A), np.linalg.qr(A @ np.eye(90, 6))[0], 60)
    for _ in range(4):
        for _ in range(3):
            engine.step()
        U, s, Vh, residuals = engine.triplets()
        left, right = engine.vectors(U, Vh, 8)
        true = np.linalg.norm(A @ right.T - left * s[:8], axis=0)
        np.testing.assert_allclose(residuals[:8], true, rtol=0, atol=100 * oracles.eps("float64"))
        engine.restart(U, s, Vh, 12)


def test_the_residual_of_block_lanczos_is_the_true_one():
    H = testing.hermitian(120, testing.spectra["polynomial_half"](120), dtype="complex128", rng=3)
    engine = Lanczos(lambda X: H @ X, np.linalg.qr(H[:, :5])[0], 60)
    for _ in range(4):
        engine.step()
    w, Y, residuals = engine.pairs()
    V = engine.vectors(Y)
    np.testing.assert_allclose(residuals, np.linalg.norm(H @ V - V * w, axis=0), rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", ["krylov", "fused"])
def test_restarts_under_a_small_memory_budget_converge(method):
    A = testing.matrix(600, 500, "polynomial_half", rng=4)
    counted = oracles.Counted(A)
    r = lr.svd(counted, 4, method=method, oversample=2, accuracy=1e-8, rng=0)
    assert r.info.converged
    assert oracles.residuals(A, *r).max() <= 1.1e-8
    np.testing.assert_allclose(r.s, testing.spectra["polynomial_half"](500)[:4], rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", ["auto", *ITERATIVE])
def test_a_warm_start_saves_products(slow_matrix, method):
    if method == "auto":
        method = "krylov"
    cold = lr.svd(slow_matrix, 6, method=method, accuracy=1e-7, rng=0)
    warm = lr.svd(slow_matrix, 6, method=method, accuracy=1e-7, init=cold, rng=1)
    assert warm.info.converged
    assert warm.info.products < cold.info.products


@pytest.mark.parametrize("method", ITERATIVE)
@pytest.mark.parametrize("shape", [(120, 80), (80, 120)])
@pytest.mark.parametrize("columns", [1, 8, 40])
def test_any_number_of_right_vectors_can_start_an_iteration(method, shape, columns):
    A = testing.matrix(*shape, "exponential_medium", rng=5)
    init = np.random.default_rng(0).standard_normal((shape[1], columns))
    r = lr.svd(A, 5, method=method, init=init, rng=0)
    np.testing.assert_allclose(r.s, testing.spectra["exponential_medium"](80)[:5], rtol=0, atol=2e-6)


@pytest.mark.parametrize("method", ITERATIVE)
def test_a_start_of_zeros_or_copies_still_finds_the_triplets(method):
    A = testing.matrix(120, 80, "exponential_medium", rng=5)
    for init in (np.zeros((80, 12)), np.ones((80, 12))):
        s = lr.svd(A, 5, method=method, init=init, rng=0).s
        np.testing.assert_allclose(s, testing.spectra["exponential_medium"](80)[:5], rtol=0, atol=2e-6)


@pytest.mark.parametrize("method", ITERATIVE)
def test_a_start_that_misses_the_leading_vectors_does_not_hide_them(method):
    A = np.diag(np.arange(80.0, 0.0, -1.0))
    A = np.vstack([A, np.zeros((40, 80))])
    r = lr.svd(A, 3, method=method, init=np.eye(80)[:, 40:44], rng=0)
    np.testing.assert_allclose(r.s, [80, 79, 78], rtol=1e-6)


@pytest.mark.parametrize("init", [np.ones((3, 2)), np.ones(80), "warm"])
def test_a_start_of_the_wrong_shape_is_refused(init):
    with pytest.raises(ValueError, match="init"):
        lr.svd(testing.matrix(120, 80, "flat"), 3, init=init)


@pytest.mark.parametrize("method", ITERATIVE)
def test_a_callback_sees_every_iteration(slow_matrix, method):
    seen = []
    r = lr.svd(slow_matrix, 5, method=method, callback=lambda state: seen.append(state.iteration), rng=0)
    assert seen == list(range(1, len(seen) + 1))
    assert r.info.iterations - 1 <= len(seen) <= r.info.iterations


@pytest.mark.parametrize("method", ITERATIVE)
def test_a_callback_can_stop(slow_matrix, method):
    with pytest.warns(lr.ConvergenceWarning, match="stopped by callback"):
        r = lr.svd(slow_matrix, 20, method=method, accuracy=1e-12, callback=lambda state: True, rng=0)
    assert not r.info.converged
    assert r.info.reason == "stopped by callback"
    assert r.info.iterations == 1
    assert r.s.shape == (20,)


@pytest.mark.parametrize("method", ITERATIVE)
def test_one_iteration_gives_honest_residuals(slow_matrix, method):
    with pytest.warns(lr.ConvergenceWarning, match="maxiter=1 reached"):
        r = lr.svd(slow_matrix, 10, method=method, accuracy=1e-12, maxiter=1, rng=0)
    assert (r.info.converged, r.info.iterations) == (False, 1)
    true = oracles.residuals(slow_matrix, *r)
    assert true.max() <= 1.01 * r.info.residuals.max() + 1e-13
    assert oracles.departure(r.U) <= 1e-12
    assert abs(r.info.error - oracles.true_error(slow_matrix, r)) <= 1e-12


@pytest.mark.parametrize("method", ITERATIVE)
def test_failure_raises_when_asked(slow_matrix, method):
    with pytest.raises(lr.ConvergenceError, match="maxiter=1 reached"):
        lr.svd(slow_matrix, 10, method=method, accuracy=1e-12, maxiter=1, on_failure="raise", rng=0)


def test_a_failure_says_what_to_try(slow_matrix):
    with pytest.raises(lr.ConvergenceError, match="raise maxiter, loosen accuracy"):
        lr.svd(slow_matrix, 10, method="krylov", accuracy=1e-12, maxiter=1, on_failure="raise")


def test_success_warns_of_nothing(slow_matrix):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lr.svd(slow_matrix, 5, rng=0)


def test_progress_shows_on_stderr(slow_matrix, capsys):
    lr.svd(slow_matrix, 5, method="krylov", progress=True, rng=0)
    assert "svd" in capsys.readouterr().err


def test_progress_is_silent_by_default(slow_matrix, capsys):
    lr.svd(slow_matrix, 5, method="krylov", rng=0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("method", ["dense", "gram"])
def test_direct_methods_take_progress_and_callback_too(method):
    r = lr.svd(testing.matrix(50, 40, "linear"), 3, method=method, progress=True, callback=lambda s: None, rng=0)
    assert r.info.converged


def test_gram_goes_on_where_its_squares_fall_short():
    values = np.concatenate([np.ones(5), np.full(35, 1e-9)]) * np.linspace(1.0, 0.5, 40)
    A = testing.matrix(90, 40, values, rng=6)
    r = lr.svd(A, 10, method="gram", accuracy=1e-12, rng=0)
    assert r.info.converged
    assert oracles.residuals(A, *r).max() <= 1.1e-12 + 50 * oracles.eps("float64")
    np.testing.assert_allclose(r.s, np.sort(values)[::-1][:10], rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["krylov", "fused", "gram", "subspace"])
def test_values_at_the_floor_of_squares_are_not_claimed(method):
    values = testing.spectra["exponential_fast"](40)
    A = testing.matrix(200, 40, values, dtype="float32", rng=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        r = lr.svd(A, 10, method=method, accuracy=1e-5, rng=0)
    if r.info.converged:
        assert oracles.residuals(A, *r).max() <= 1.1e-5 + 60 * oracles.eps("float32")


@pytest.mark.parametrize("method", ["auto", "krylov", "fused", "subspace", "gram"])
def test_default_arguments_are_met_in_single_precision(backend, method):
    for spectrum in ("exponential_medium", "polynomial_half"):
        for seed in range(4):
            A = testing.matrix(70, 60, spectrum, dtype="float32", rng=seed)
            r = lr.svd(backend.asarray(A), 6, method=method, rng=seed)
            off = np.abs(oracles.wide(r.s) - testing.spectra[spectrum](60)[:6])
            assert r.info.converged
            assert off.max() <= 60 * oracles.eps("float32")


def test_dense_needs_the_array():
    with pytest.raises(TypeError, match="'krylov' or 'fused'"):
        lr.svd(testing.sparse_tfidf(60, 40, 200), 3, method="dense")


def test_small_matrices_take_lapack():
    assert lr.svd(testing.matrix(50, 40, "linear"), 3).info.method == "dense"


def test_thin_implicit_matrices_do_not_form_an_array():
    r = lr.svd(oracles.Counted(testing.matrix(500, 300, "polynomial_one", rng=8)), 5, rng=0)
    assert r.info.method in ("fused", "krylov", "gram", "gram+krylov")


@pytest.mark.parametrize("shape", [(900, 400), (400, 900), (700, 700)])
def test_the_choice_of_auto_is_as_accurate_as_asked(shape):
    for spectrum in ("polynomial_half", "exponential_medium", "spiked_flat"):
        A = testing.matrix(*shape, spectrum, rng=9)
        r = lr.svd(A, 8, rng=0)
        assert r.info.converged
        assert oracles.residuals(A, *r).max() <= 1.1e-6 * r.s[0]


def test_a_schedule_tests_sooner_than_the_extrapolated_end():
    schedule = Schedule(1e-6)
    schedule.record(10, 1e-1)
    schedule.record(11, 1e-2)
    assert 12 <= schedule.next <= 14


def test_a_stagnating_schedule_tests_every_step():
    schedule = Schedule(1e-6)
    schedule.record(10, 1e-3)
    schedule.record(11, 1e-3)
    assert schedule.next == 12


def test_a_claim_of_convergence_from_a_wrong_residual_is_noticed(monkeypatch):
    A = testing.matrix(300, 200, "polynomial_half", rng=1)
    honest = GolubKahan.triplets
    monkeypatch.setattr(GolubKahan, "triplets", lambda self: (*honest(self)[:3], 1e-9 * honest(self)[3]))
    r = lr.svd(A, 10, method="krylov", rng=0)
    assert r.info.converged
    assert oracles.residuals(A, *r).max() > 1e-5


@pytest.mark.parametrize("oversample", [0, 1, 50])
@pytest.mark.parametrize("method", ITERATIVE)
def test_any_oversampling_works(method, oversample):
    A = testing.matrix(90, 60, "exponential_medium", rng=10)
    r = lr.svd(A, 6, method=method, oversample=oversample, rng=0)
    np.testing.assert_allclose(r.s, testing.spectra["exponential_medium"](60)[:6], rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_a_hermitian_matrix_can_be_taken_by_its_eigenpairs(dtype):
    values = testing.spectra["polynomial_half"](150)
    A = testing.hermitian(150, values * np.where(np.arange(150) % 3, 1, -1), dtype=dtype, rng=11)
    for given in (A, oracles.Counted(A)):
        r = lr.svd(given, 6, method="hermitian", accuracy=1e-5, rng=0)
        assert (r.info.method, r.info.converged) == ("hermitian", True)
        assert oracles.residuals(A, *r).max() <= 1.1e-5 + 60 * oracles.eps(dtype)
        np.testing.assert_allclose(r.s, values[:6], rtol=0, atol=1e-5)


@pytest.mark.parametrize("gap", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("center", [False, True])
def test_a_matrix_that_differs_from_its_adjoint_is_refused_by_the_method_that_needs_it(gap, center):
    A = testing.hermitian(60, testing.spectra["polynomial_half"](60), rng=12)
    A[3, 5] += gap
    with pytest.raises(ValueError, match=r"A is not Hermitian: A x and Aᴴ x differ by .* use method='auto'"):
        lr.svd(A, 4, method="hermitian", center=center, rng=0)


def test_a_strict_accuracy_asks_for_a_matrix_that_is_as_hermitian():
    A = testing.hermitian(60, testing.spectra["polynomial_half"](60), rng=12)
    A[3, 5] += 1e-11
    assert lr.svd(A, 4, method="hermitian", rng=0).info.converged
    with pytest.raises(ValueError, match="not Hermitian"):
        lr.svd(A, 4, method="hermitian", accuracy=1e-13, rng=0)


def test_a_matrix_that_is_not_square_has_no_eigenpairs():
    with pytest.raises(ValueError, match="needs a square matrix that equals its adjoint, got shape 4×3"):
        lr.svd(np.ones((4, 3)), 1, method="hermitian")


def test_an_answer_of_squares_that_went_on_with_the_matrix_says_so():
    values = np.concatenate([np.ones(5), np.full(35, 1e-9)]) * np.linspace(1.0, 0.5, 40)
    A = testing.matrix(90, 40, values, rng=6)
    assert lr.svd(A, 10, method="gram", accuracy=1e-12, rng=0).info.method == "gram+krylov"
    assert lr.svd(A, 10, method="fused", accuracy=1e-12, rng=0).info.method == "fused+krylov"
