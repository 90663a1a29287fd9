"""What `qb` promises: an orthonormal basis, its coefficients and an error that is followed to rounding."""

import warnings

import numpy as np
import pytest
from factor import oracles
from hypothesis import given, settings
from strategies import matrices, seeds

import lowrank_la as lr
from lowrank_la import testing


@pytest.mark.parametrize("shape", [(60, 30), (30, 60), (40, 40)])
def test_a_matrix_of_exact_rank_is_recovered_by_as_many_columns(backend, shape):
    for dtype in backend.dtypes:
        host = testing.matrix(*shape, np.linspace(3.0, 1.0, 5), dtype=dtype, rng=1)
        r = lr.qb(backend.asarray(host), tol=1e-2, rng=0)
        assert tuple(r.Q.shape) == (shape[0], 5)
        assert tuple(r.B.shape) == (5, shape[1])
        assert oracles.true_error(host, r) <= 50 * oracles.eps(dtype)


def test_factors_live_where_the_data_live(backend):
    for dtype in backend.dtypes:
        A = backend.asarray(testing.matrix(20, 12, "polynomial_one", dtype=dtype))
        Q, B = lr.qb(A, 3, rng=0)
        assert backend.holds(Q)
        assert backend.holds(B)
        assert Q.dtype == B.dtype == A.dtype


@pytest.mark.parametrize("power", [0, 1, 2, 3])
@pytest.mark.parametrize("block", [None, 1, 7])
def test_columns_are_orthonormal_and_coefficients_are_their_products(power, block):
    for dtype in ("float32", "float64", "complex64", "complex128"):
        A = testing.matrix(90, 60, "exponential_medium", dtype=dtype, rng=2)
        Q, B = lr.qb(A, 20, power=power, block=block, rng=0)
        assert oracles.departure(Q) <= 60 * oracles.eps(dtype)
        gap = np.linalg.norm(oracles.wide(Q).conj().T @ oracles.wide(A) - oracles.wide(B))
        assert gap <= 60 * oracles.eps(dtype) * np.linalg.norm(A)


def test_the_exact_error_is_the_error_of_the_factors():
    for power in (0, 1):
        A = testing.matrix(90, 60, "polynomial_one", rng=3)
        r = lr.qb(A, 12, power=power, rng=0)
        assert r.info.error_kind == "exact"
        assert abs(r.info.error**2 - oracles.true_error(A, r) ** 2) <= 60 * oracles.eps("float64")


def test_power_brings_the_error_to_the_least():
    values = testing.spectra["polynomial_half"](150)
    best = oracles.tails(values)[15]
    excess = []
    for power in (0, 1, 2):
        errors = [lr.qb(testing.matrix(200, 150, values, rng=4), 15, power=power, rng=s).info.error for s in range(8)]
        excess.append(np.mean(errors) / best - 1)
    assert excess[0] > excess[1] > excess[2] > 0


def test_the_expected_error_obeys_the_theorem_of_the_range_finder():
    values, rank, p = testing.spectra["polynomial_one"](100), 10, 6
    A = testing.matrix(120, 100, values, rng=5)
    squares = [lr.qb(A, rank + p, power=0, rng=s).info.error ** 2 for s in range(40)]
    bound = (1 + rank / (p - 1)) * oracles.tails(values)[rank] ** 2
    assert np.mean(squares) <= bound


@pytest.mark.parametrize("power", [0, 1, 2])
@pytest.mark.parametrize(("dtype", "tol"), [("float64", 1e-4), ("float64", 1e-10), ("float64", 1e-13)])
def test_double_precision_meets_tolerances_to_its_floor(dtype, tol, power):
    for spectrum in ("exponential_medium", "exponential_fast", "devil"):
        A = testing.matrix(180, 150, spectrum, dtype=dtype, rng=6)
        r = lr.qb(A, tol=tol, power=power, rng=0)
        assert r.info.converged
        assert oracles.true_error(A, r) <= 2 * tol
        assert oracles.departure(r.Q) <= 1e-12


@pytest.mark.parametrize("power", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision_meets_tolerances_to_its_floor(dtype, power):
    for spectrum in ("exponential_medium", "exponential_fast", "polynomial_two", "devil"):
        A = testing.matrix(180, 150, spectrum, dtype=dtype, rng=7)
        for tol in (1e-3, 1e-4, 5e-6):
            r = lr.qb(A, tol=tol, power=power, rng=0)
            assert r.info.converged
            assert oracles.true_error(A, r) <= 2 * tol


def test_a_tolerance_is_met_at_few_columns():
    for spectrum in ("exponential_medium", "staircase", "exponential_slow"):
        values = testing.spectra[spectrum](150)
        A = testing.matrix(180, 150, values, rng=8)
        r = lr.qb(A, tol=0.05, power=2, block=10, rng=0)
        assert oracles.true_error(A, r) <= 0.05 * (1 + 1e-6)
        assert r.Q.shape[1] <= oracles.optimal_rank(values, 0.05) + 3


def test_rounding_never_becomes_a_direction():
    A = testing.matrix(300, 200, "exponential_fast", dtype="float32", rng=9)
    for power in (0, 1, 2):
        with pytest.warns(lr.RankWarning):
            r = lr.qb(A, 150, power=power, block=16, rng=0)
        assert oracles.departure(r.Q) <= 1e-4
        assert oracles.true_error(A, r) <= 50 * oracles.eps("float32")
        assert r.Q.shape[1] < 60


def test_fewer_columns_than_asked_mean_the_numerical_rank():
    with pytest.warns(lr.RankWarning, match="Q has 3 of the 20 columns asked for"):
        r = lr.qb(testing.matrix(60, 40, [3.0, 2.0, 1.0], rng=10), 20, rng=0)
    assert r.Q.shape == (60, 3)
    assert r.info.error <= 1e-14
    assert r.info.converged


def test_fewer_columns_than_allowed_are_no_surprise_where_a_tolerance_decides():
    A = testing.matrix(60, 40, [3.0, 2.0, 1.0], rng=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lr.qb(A, 20, tol=1e-3, rng=0).Q.shape == lr.qb(A, tol=1e-3, rng=0).Q.shape == (60, 3)
        lr.qb(A, 3, rng=0)


def test_a_rank_that_the_tolerance_does_not_reach_is_said():
    A = testing.matrix(90, 60, "polynomial_half", rng=11)
    with pytest.warns(lr.ConvergenceWarning, match="loosen tol or allow a larger rank"):
        r = lr.qb(A, 5, tol=1e-3, rng=0)
    assert r.Q.shape[1] == 5
    assert not r.info.converged
    assert abs(r.info.error - oracles.true_error(A, r)) <= 1e-12


def test_failure_raises_when_asked():
    A = testing.matrix(90, 60, "polynomial_half", rng=11)
    with pytest.raises(lr.ConvergenceError, match="rank reached"):
        lr.qb(A, 5, tol=1e-3, on_failure="raise", rng=0)


def test_a_tolerance_below_rounding_is_not_claimed():
    A = testing.matrix(90, 60, "exponential_fast", dtype="float32", rng=12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        r = lr.qb(A, tol=1e-9, rng=0)
    assert not r.info.converged
    assert oracles.true_error(A, r) <= 50 * oracles.eps("float32")


def test_a_callback_sees_every_block_and_can_stop():
    A = testing.matrix(90, 60, "polynomial_half", rng=13)
    seen = []
    lr.qb(A, 20, block=5, callback=lambda state: seen.append(state.size), rng=0)
    assert seen == [5, 10, 15, 20]
    with pytest.warns(lr.ConvergenceWarning, match="stopped by callback"):
        r = lr.qb(A, tol=1e-3, block=5, callback=lambda state: state.size >= 10, rng=0)
    assert r.Q.shape[1] == 10
    assert not r.info.converged


def test_progress_shows_on_stderr(capsys):
    lr.qb(testing.matrix(90, 60, "polynomial_half"), 20, block=5, progress=True, rng=0)
    assert "qb" in capsys.readouterr().err


@pytest.mark.parametrize("power", [0, 1, 2])
def test_products_and_passes_are_those_that_the_operator_saw(power):
    counted = oracles.Counted(testing.matrix(70, 50, "polynomial_half", rng=14))
    info = lr.qb(counted, 8, power=power, rng=0).info
    assert (info.products, info.passes) == (counted.columns, counted.calls)
    assert info.products == 8 * (2 + 2 * power) + 10 + 2 + 2  # the probes of the error, scale and adjoint


def test_an_operator_of_unknown_norm_has_an_estimate_within_a_factor_of_two():
    for seed in range(10):
        A = testing.matrix(120, 90, "polynomial_one", dtype="complex128", rng=15)
        r = lr.qb(oracles.Counted(A), 10, rng=seed)
        assert r.info.error_kind == "estimate"
        assert 0.5 <= r.info.error / oracles.true_error(A, r) <= 2.0


def test_sparse_matrices_agree_with_their_dense_twins():
    S = testing.sparse_tfidf(200, 90, 1500, rng=16)
    r, t = (lr.qb(A, 10, rng=3) for A in (S, S.toarray()))
    np.testing.assert_allclose(r.Q @ r.B, t.Q @ t.B, rtol=0, atol=1e-11)
    assert abs(r.info.error - t.info.error) <= 1e-12


@pytest.mark.parametrize("exponent", [-150, 150])
def test_extreme_scales_are_harmless(exponent):
    A = testing.matrix(50, 40, "exponential_medium", rng=17)
    for options in ({"rank": 6}, {"tol": 1e-8}):
        r, t = (lr.qb(M, rng=0, **options) for M in (A * 10.0**exponent, A))
        np.testing.assert_allclose(r.B / 10.0**exponent, t.B, rtol=0, atol=1e-12)
        assert abs(r.info.error - t.info.error) <= 1e-12


def test_half_precision_comes_back_in_half():
    Q, B = lr.qb(testing.matrix(40, 30, "exponential_medium", dtype="float16"), 4, rng=0)
    assert Q.dtype == np.float16
    assert B.dtype == np.float32


def test_coefficients_of_half_precision_data_do_not_overflow():
    A = (np.abs(np.random.default_rng(0).standard_normal((200, 40))) * 9000).astype(np.float16)
    assert np.isfinite(lr.qb(A, 3, rng=0).B).all()


def test_a_result_multiplies_and_comes_back_from_disk(tmp_path):
    r = lr.qb(testing.matrix(40, 30, "exponential_medium", rng=18), 5, rng=0)
    x = np.arange(30.0)
    np.testing.assert_allclose(r @ x, r.Q @ (r.B @ x), rtol=0, atol=1e-13)
    r.save(tmp_path / "qb.npz")
    back = lr.load(tmp_path / "qb.npz")
    assert np.array_equal(back.Q, r.Q)
    assert np.array_equal(back.B, r.B)


@pytest.mark.parametrize("options", [{"power": -1}, {"block": 0}, {"rank": 0}, {"rank": 41}, {"tol": 0.0}, {}])
def test_values_out_of_range_are_refused(options):
    with pytest.raises(ValueError):
        lr.qb(np.ones((50, 40)), **options)


@settings(max_examples=40)
@given(a=matrices(), seed=seeds())
def test_a_basis_of_full_rank_reproduces_any_matrix(a, seed):
    r = lr.qb(a, min(a.shape), rng=seed)
    assert oracles.true_error(a, r) <= 100 * oracles.eps(a.dtype.name)
    assert oracles.departure(r.Q) <= 60 * oracles.eps(a.dtype.name) * max(1, min(a.shape) ** 0.5)


@pytest.mark.parametrize("block", [None, 1, 7])
def test_a_tolerance_is_met_where_the_norm_is_unknown(block):
    A = testing.matrix(150, 120, "polynomial_one", rng=1)
    for seed in range(10):
        r = lr.qb(oracles.Counted(A), tol=0.1, block=block, rng=seed)
        assert (r.info.converged, r.info.reason) == (True, "tolerance met")
        assert r.info.error <= 0.1
        assert oracles.true_error(A, r) <= 0.1 * (1 + 1e-6)


def test_the_reason_never_claims_a_tolerance_that_is_missed():
    for A in (np.eye(60, 60, 1), np.diag(np.r_[np.ones(60), np.zeros(40)])):
        for tol, seed in ((0.5, 0), (0.5, 1), (0.1, 1)):
            for wrap in (np.asarray, oracles.Counted):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", lr.ConvergenceWarning)
                    info = lr.qb(wrap(A), tol=tol, power=0, block=7, rng=seed).info
                assert info.converged or info.reason != "tolerance met"


@pytest.mark.parametrize("options", [{"rank": 3}, {"tol": 0.1}, {"rank": 3, "tol": 0.1}])
@pytest.mark.parametrize("wrap", [np.asarray, oracles.Counted])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_data_that_are_not_finite_have_no_error_when_let_pass(options, wrap, bad):
    A = testing.matrix(40, 30, "polynomial_one", rng=1)
    A[3, 4] = bad
    with pytest.warns(lr.ConvergenceWarning, match="NaN or infinite"):
        info = lr.qb(wrap(A), check_finite=False, rng=0, **options).info
    assert np.isnan(info.error)
    assert not info.converged
