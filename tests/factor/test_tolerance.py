"""Tolerance mode: the error is met truly, at a rank near the least, down to the floor of the dtype."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from factor import oracles

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.factor import errors, krylov, qb
from lowrank_la.factor.request import smallest_rank

DECAYING = ("polynomial_one", "exponential_slow", "exponential_medium", "exponential_fast", "staircase", "devil")


@pytest.mark.parametrize("method", ["auto", "krylov"])
@pytest.mark.parametrize("spectrum", DECAYING)
@pytest.mark.parametrize("tol", [0.3, 1.2e-2, 1.2e-4])
def test_the_rank_is_within_two_of_the_least(method, spectrum, tol):
    values = testing.spectra[spectrum](90)
    A = testing.matrix(150, 90, values, rng=1)
    r = lr.svd(A, tol=tol, method=method, rng=0)
    best = oracles.optimal_rank(values, tol)
    assert r.info.converged
    assert oracles.true_error(A, r) <= tol * (1 + 1e-6)
    assert best <= len(r.s) <= best + 2


@pytest.mark.parametrize("method", ["auto", "krylov"])
@pytest.mark.parametrize(
    ("dtype", "tol"),
    [
        ("float64", 1e-9),
        ("float64", 1e-11),
        ("float64", 1e-13),
        ("complex128", 1e-13),
        ("float32", 5e-5),
        ("float32", 5e-6),
        ("complex64", 5e-6),
    ],
)
def test_tolerances_past_the_floor_of_the_classical_indicator_are_met(method, dtype, tol):
    for spectrum in ("exponential_medium", "exponential_fast", "devil"):
        values = testing.spectra[spectrum](200)
        A = testing.matrix(220, 200, values, dtype=dtype, rng=2)
        r = lr.svd(A, tol=tol, method=method, rng=0)
        best = oracles.optimal_rank(values, tol)
        assert r.info.converged
        assert oracles.true_error(A, r) <= 1.02 * tol
        assert len(r.s) <= best + 2


@pytest.mark.parametrize("function", [lr.svd, lr.qb])
def test_an_error_below_the_floor_is_an_estimate_within_a_factor_of_two(function):
    A = testing.matrix(250, 200, "exponential_medium", rng=3)
    for seed in range(5):
        r = function(A, tol=1e-10, rng=seed)
        assert r.info.converged
        if r.info.error_kind == "estimate":
            assert 0.5 <= r.info.error / oracles.true_error(A, r) <= 2.0


@pytest.mark.parametrize("function", [lr.svd, lr.qb])
def test_every_spectrum_is_met(function):
    for spectrum in testing.spectra:
        A = testing.matrix(80, 60, spectrum, rng=4)
        r = function(A, tol=0.05, rng=0)
        assert r.info.converged
        assert oracles.true_error(A, r) <= 0.05 * (1 + 1e-6)


@pytest.mark.parametrize("copies", [32, 33, 70])
def test_krylov_sees_through_multiple_values(copies):
    A = testing.matrix(150, 120, [1.0] * copies, rng=5)
    r = lr.svd(A, tol=1e-6, method="krylov", rng=0)
    assert r.info.converged
    assert len(r.s) == copies
    assert oracles.true_error(A, r) <= 1e-6


def test_rank_and_tolerance_stop_at_the_first_that_is_reached():
    values = testing.spectra["exponential_medium"](60)
    A = testing.matrix(90, 60, values, rng=6)
    for method in ("auto", "krylov", "gram"):
        r = lr.svd(A, 50, tol=1e-2, method=method, rng=0)
        assert r.info.converged
        assert len(r.s) <= oracles.optimal_rank(values, 1e-2) + 2


@pytest.mark.parametrize("method", ["auto", "krylov", "dense", "gram"])
def test_a_rank_reached_before_the_tolerance_is_said(method):
    A = testing.matrix(90, 60, "exponential_medium", rng=6)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        r = lr.svd(A, 5, tol=1e-4, method=method, rng=0)
    assert len(r.s) == 5
    assert abs(r.info.error - oracles.true_error(A, r)) <= 1e-6
    assert not r.info.converged
    assert any(isinstance(w.message, lr.ConvergenceWarning) for w in caught)


def test_a_rank_and_a_tolerance_together_still_meet_the_accuracy():
    A = testing.matrix(300, 200, "polynomial_half", rng=7)
    with pytest.warns(lr.ConvergenceWarning):
        r = lr.svd(A, 6, tol=1e-3, method="krylov", rng=0)
    assert oracles.residuals(A, *r).max() <= 1.1e-6


def test_a_wide_matrix_needs_the_rank_of_its_adjoint():
    values = testing.spectra["exponential_slow"](70)
    A = testing.matrix(70, 140, values, rng=8)
    assert len(lr.svd(A, tol=0.1, method="krylov", rng=0).s) <= oracles.optimal_rank(values, 0.1) + 2


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_sparse_matrices_meet_a_tolerance(dtype):
    S = testing.sparse_tfidf(200, 90, 1500, rng=9).astype(dtype)
    r = lr.svd(S, tol=0.2, rng=0)
    values = np.linalg.svd(S.toarray().astype(np.complex128), compute_uv=False)
    assert r.info.converged
    assert oracles.true_error(S.toarray(), r) <= 0.2 * (1 + 1e-4)
    assert len(r.s) <= oracles.optimal_rank(values, 0.2) + 2


def test_an_implicit_operator_of_unknown_norm_meets_a_tolerance_within_its_estimate():
    A = testing.matrix(200, 150, "exponential_medium", rng=10)
    for seed in range(5):
        r = lr.svd(oracles.Counted(A), tol=1e-3, rng=seed)
        assert r.info.converged
        assert r.info.error_kind == "estimate"
        assert oracles.true_error(A, r) <= 1.5e-3


def test_a_centred_sparse_matrix_meets_a_tolerance():
    S = testing.sparse_tfidf(300, 80, 2500, rng=11)
    centred = S.toarray() - S.toarray().mean(axis=0)
    r = lr.svd(S, tol=0.3, center=True, rng=0)
    assert r.info.converged
    assert oracles.true_error(centred, r) <= 0.3 * (1 + 1e-4)


def test_a_tolerance_stops_at_a_limit_of_iterations():
    A = testing.matrix(400, 300, "polynomial_half", rng=12)
    with pytest.warns(lr.ConvergenceWarning, match="maxiter=2 reached"):
        r = lr.svd(A, tol=1e-6, method="krylov", maxiter=2, rng=0)
    assert not r.info.converged
    assert r.info.iterations == 2
    assert abs(r.info.error - oracles.true_error(A, r)) <= 1e-6


def test_a_callback_can_stop_a_tolerance():
    A = testing.matrix(400, 300, "polynomial_half", rng=12)
    with pytest.raises(lr.ConvergenceError, match="stopped by callback"):
        lr.svd(A, tol=1e-6, method="krylov", callback=lambda state: True, on_failure="raise", rng=0)


def test_one_heavy_row_is_found_and_weighed():
    A = testing.heavy_row(120, 80, weight=1e4, rng=13)
    for tol in (0.1, 1e-4):
        r = lr.svd(A, tol=tol, method="krylov", rng=0)
        assert oracles.true_error(A, r) <= tol * (1 + 1e-6)
        assert len(r.s) <= oracles.optimal_rank(np.linalg.svd(A, compute_uv=False), tol) + 2


@pytest.mark.parametrize("matrix", [testing.hilbert(80), testing.cauchy(90, 70), testing.kahan(60)])
def test_classical_hard_matrices_meet_a_tight_tolerance(matrix):
    values = np.linalg.svd(matrix, compute_uv=False)
    r = lr.svd(matrix, tol=1e-12, method="krylov", rng=0)
    assert oracles.true_error(matrix, r) <= 1.02e-12
    assert len(r.s) <= oracles.optimal_rank(values, 1e-12) + 2


def test_the_smallest_rank_is_the_smallest():
    generator = np.random.default_rng(0)
    for _ in range(200):
        values = np.sort(generator.random(8))[::-1] * (generator.random(8) < 0.8)
        values = np.sort(values)[::-1]
        beyond, budget = 0.3 * generator.random(), generator.random()
        fitting = [k for k in range(9) if beyond + np.sum(values[k:] ** 2) <= budget]
        found = smallest_rank(list(values), beyond, budget)
        assert found == (max(min(fitting), 1) if fitting else None)


def test_ignoring_what_lies_outside_the_basis_misses_the_tolerance(monkeypatch):
    A = testing.matrix(220, 200, "polynomial_one", rng=2)
    assert oracles.true_error(A, lr.svd(A, tol=0.05, method="krylov", rng=0)) <= 0.05 * (1 + 1e-6)
    monkeypatch.setattr(krylov._Beyond, "energy", lambda self, engine, values: (0.0, 0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        mutant = lr.svd(A, tol=0.05, method="krylov", rng=0)
    assert oracles.true_error(A, mutant) > 0.05


def test_without_the_switch_to_probes_a_small_error_is_wrong(monkeypatch):
    A = testing.matrix(120, 100, "exponential_fast", rng=3)
    honest = lr.qb(A, 22, rng=0)
    assert 0.5 <= honest.info.error / oracles.true_error(A, honest) <= 2.0
    monkeypatch.setattr(errors, "_FLOOR", -1e300)
    monkeypatch.setattr(qb, "_FLOOR", -1e300, raising=False)
    monkeypatch.setattr(errors.math, "sqrt", lambda x: abs(x) ** 0.5)
    mutant = lr.qb(A, 22, rng=0)
    assert not 0.5 <= mutant.info.error / oracles.true_error(A, mutant) <= 2.0


def test_sparse_with_one_dense_row_meets_a_tolerance():
    S = scipy.sparse.random_array((150, 100), density=0.02, rng=np.random.default_rng(1), format="lil")
    S[3, :] = 5.0
    S = S.tocsr()
    r = lr.svd(S, tol=0.05, rng=0)
    assert oracles.true_error(S.toarray(), r) <= 0.05 * (1 + 1e-4)
