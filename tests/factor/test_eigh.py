"""What `eigh` promises of Hermitian matrices."""

import numpy as np
import pytest
import scipy.sparse
from factor import oracles
from hypothesis import given, settings
from strategies import dtypes, random_array, seeds, sides

import lowrank_la as lr
from lowrank_la import testing


def signed(n, seed=0):
    """Eigenvalues ±i^-1 with mixed signs."""
    return testing.spectra["polynomial_one"](n) * np.where(np.random.default_rng(seed).random(n) < 0.4, -1.0, 1.0)


def expected(eigenvalues, which, rank):
    order = {"LM": -np.abs(eigenvalues), "LA": -eigenvalues, "SA": eigenvalues}[which]
    return np.asarray(eigenvalues)[np.argsort(order, kind="stable")][:rank]


@pytest.mark.parametrize("which", ["LM", "LA", "SA"])
@pytest.mark.parametrize("method", ["auto", "krylov", "dense"])
def test_each_end_of_the_spectrum_comes_in_its_order(backend, which, method):
    for dtype in backend.dtypes:
        host = testing.hermitian(50, signed(50), dtype=dtype, rng=1)
        r = lr.eigh(backend.asarray(host), 5, which=which, method=method, rng=0)
        off = np.abs(oracles.wide(r.w) - expected(signed(50), which, 5))
        assert off.max() <= 60 * oracles.eps(dtype) + 1e-10
        assert oracles.departure(r.V) <= 60 * oracles.eps(dtype)
        assert oracles.pair_residuals(host, *r).max() <= 1.1e-6 + 60 * oracles.eps(dtype)


def test_factors_live_where_the_data_live(backend):
    for dtype in backend.dtypes:
        A = backend.asarray(testing.hermitian(20, signed(20), dtype=dtype))
        w, V = lr.eigh(A, 3, rng=0)
        assert backend.holds(w)
        assert backend.holds(V)
        assert V.dtype == A.dtype
        assert w.dtype == backend.dtype({"complex64": "float32", "complex128": "float64"}.get(dtype, dtype))


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("which", ["LM", "LA", "SA"])
def test_krylov_meets_its_accuracy_and_says_its_residuals(dtype, which):
    eigenvalues = signed(300)
    A = testing.hermitian(300, eigenvalues, dtype=dtype, rng=2)
    r = lr.eigh(A, 8, which=which, method="krylov", accuracy=1e-8, rng=0)
    true = oracles.pair_residuals(A, *r)
    assert r.info.converged
    assert true.max() <= 1.01e-8
    assert np.max(np.abs(true - r.info.residuals)) <= 1e-12
    np.testing.assert_allclose(r.w, expected(eigenvalues, which, 8), rtol=0, atol=1e-9)


@pytest.mark.parametrize("which", ["LM", "LA", "SA"])
def test_the_error_is_that_of_the_factors(which):
    A = testing.hermitian(200, signed(200), dtype="complex128", rng=3)
    for method in ("krylov", "dense"):
        r = lr.eigh(A, 6, which=which, method=method, rng=0)
        assert r.info.error_kind == "exact"
        assert abs(r.info.error**2 - oracles.true_error(A, r) ** 2) <= 60 * oracles.eps("float64")


def test_a_matrix_of_exact_rank_is_recovered_and_filled_up_with_zeros():
    A = testing.hermitian(150, [4.0, -3.0, 2.0], rng=4)
    for method in ("krylov", "dense"):
        r = lr.eigh(A, 6, method=method, rng=0)
        np.testing.assert_allclose(r.w, [4, -3, 2, 0, 0, 0], rtol=0, atol=1e-13)
        assert oracles.departure(r.V) <= 1e-13
        assert oracles.true_error(A, r) <= 1e-13


@pytest.mark.parametrize(("which", "values"), [("LA", [4, 2, 0, 0]), ("SA", [-3, 0, 0, 0])])
def test_zeros_fill_the_asked_end_where_the_rank_is_low(which, values):
    A = testing.hermitian(150, [4.0, -3.0, 2.0], rng=4)
    r = lr.eigh(A, 4, which=which, method="krylov", rng=0)
    np.testing.assert_allclose(r.w, values, rtol=0, atol=1e-12)
    assert oracles.pair_residuals(A, *r).max() <= 1e-11


@pytest.mark.parametrize("copies", [20, 33, 60])
@pytest.mark.parametrize("which", ["LM", "LA", "SA"])
def test_multiple_eigenvalues_are_found_as_often_as_they_occur(copies, which):
    sign = -1.0 if which == "SA" else 1.0
    A = testing.hermitian(200, [2.0 * sign] * copies + [0.5] * 30, rng=5)
    w = lr.eigh(A, copies, which=which, method="krylov", rng=0).w
    np.testing.assert_allclose(w, 2.0 * sign, rtol=0, atol=1e-10)


def test_the_identity_is_its_own_approximation():
    r = lr.eigh(np.eye(150), 40, method="krylov", rng=0)
    np.testing.assert_allclose(r.w, 1.0, rtol=0, atol=1e-12)
    assert abs(r.info.error - (110 / 150) ** 0.5) <= 1e-12


def test_sparse_matrices_have_the_pairs_of_their_dense_twins():
    S = scipy.sparse.random_array((200, 200), density=0.02, rng=np.random.default_rng(0))
    S = (S + S.T).tocsr()
    for which in ("LM", "LA", "SA"):
        w = lr.eigh(S, 5, which=which, accuracy=1e-9, rng=0).w
        np.testing.assert_allclose(w, expected(np.linalg.eigvalsh(S.toarray()), which, 5), rtol=0, atol=1e-8)


def test_an_operator_is_enough_and_its_products_are_counted():
    A = testing.hermitian(120, signed(120), dtype="complex128", rng=6)
    counted = oracles.Counted(A)
    info = lr.eigh(counted, 5, rng=0).info
    assert (info.products, info.passes) == (counted.columns, counted.calls)


def test_a_tolerance_returns_as_few_pairs_as_it_needs():
    eigenvalues = testing.spectra["exponential_medium"](90) * np.where(np.arange(90) % 2, -1, 1)
    A = testing.hermitian(90, eigenvalues, rng=7)
    for method in ("krylov", "dense"):
        r = lr.eigh(A, 40, tol=1.2e-2, method=method, rng=0)
        assert r.info.converged
        assert oracles.true_error(A, r) <= 1.2e-2
        assert len(r.w) <= oracles.optimal_rank(eigenvalues, 1.2e-2) + 2


def test_a_tolerance_that_the_rank_does_not_reach_is_said():
    A = testing.hermitian(90, testing.spectra["polynomial_half"](90), rng=8)
    for method in ("krylov", "dense"):
        with pytest.warns(lr.ConvergenceWarning):
            r = lr.eigh(A, 5, tol=1e-3, method=method, rng=0)
        assert not r.info.converged
        assert len(r.w) == 5


def test_a_warm_start_saves_products():
    A = testing.hermitian(300, testing.spectra["polynomial_half"](300), rng=9)
    cold = lr.eigh(A, 5, method="krylov", accuracy=1e-7, rng=0)
    warm = lr.eigh(A, 5, method="krylov", accuracy=1e-7, init=cold.V, rng=1)
    assert warm.info.converged
    assert warm.info.products < cold.info.products


@pytest.mark.parametrize("init", [np.ones((3, 2)), np.ones(60), "warm"])
def test_a_start_of_the_wrong_shape_is_refused(init):
    with pytest.raises((ValueError, TypeError), match="init"):
        lr.eigh(testing.hermitian(60, signed(60)), 3, method="krylov", init=init)


def test_one_iteration_gives_honest_residuals():
    A = testing.hermitian(300, testing.spectra["polynomial_half"](300), rng=10)
    with pytest.warns(lr.ConvergenceWarning, match="maxiter=1 reached"):
        r = lr.eigh(A, 10, method="krylov", accuracy=1e-12, maxiter=1, rng=0)
    assert (r.info.converged, r.info.iterations) == (False, 1)
    assert np.max(np.abs(oracles.pair_residuals(A, *r) - r.info.residuals)) <= 1e-12


def test_failure_raises_when_asked():
    A = testing.hermitian(300, testing.spectra["polynomial_half"](300), rng=10)
    with pytest.raises(lr.ConvergenceError, match="raise maxiter or loosen accuracy"):
        lr.eigh(A, 10, method="krylov", accuracy=1e-12, maxiter=1, on_failure="raise")


def test_a_callback_sees_every_iteration_and_can_stop():
    A = testing.hermitian(300, testing.spectra["polynomial_half"](300), rng=10)
    seen = []
    lr.eigh(A, 5, method="krylov", callback=lambda state: seen.append(state.iteration), rng=0)
    assert seen == list(range(1, len(seen) + 1))
    with pytest.warns(lr.ConvergenceWarning, match="stopped by callback"):
        lr.eigh(A, 5, method="krylov", callback=lambda state: True, rng=0)


def test_progress_shows_on_stderr(capsys):
    A = testing.hermitian(200, testing.spectra["polynomial_half"](200), rng=10)
    lr.eigh(A, 5, method="krylov", progress=True, rng=0)
    assert "eigh" in capsys.readouterr().err


def test_a_matrix_that_is_not_hermitian_is_refused(backend):
    for dtype in backend.dtypes:
        with pytest.raises(ValueError, match="not Hermitian"):
            lr.eigh(backend.asarray(random_array((12, 12), dtype, 1)), 3)


def test_a_complex_symmetric_matrix_is_not_hermitian():
    A = random_array((12, 12), "complex128", 1)
    with pytest.raises(ValueError, match="not Hermitian"):
        lr.eigh(A + A.T, 3)


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="square Hermitian matrix, got shape 4×3"):
        lr.eigh(np.ones((4, 3)), 1)


@pytest.mark.parametrize("which", ["SM", "lm", None, ""])
def test_other_ends_are_refused(which):
    with pytest.raises(ValueError, match="which"):
        lr.eigh(np.eye(4), 1, which=which)


@pytest.mark.parametrize("method", ["fused", "gram", ""])
def test_other_methods_are_refused(method):
    with pytest.raises(ValueError, match="method"):
        lr.eigh(np.eye(4), 1, method=method)


@pytest.mark.parametrize("which", ["LA", "SA"])
def test_a_tolerance_asks_for_the_largest_moduli(which):
    with pytest.raises(ValueError, match="tol needs which='LM'"):
        lr.eigh(np.eye(4), 1, tol=0.1, which=which)


def test_dense_needs_the_array():
    with pytest.raises(TypeError, match="'krylov'"):
        lr.eigh(scipy.sparse.eye_array(20, format="csr"), 3, method="dense")


@pytest.mark.parametrize("exponent", [-150, 150])
def test_extreme_scales_are_harmless(exponent):
    A = testing.hermitian(140, signed(140), rng=11)
    for method in ("krylov", "dense"):
        r = lr.eigh(A * 10.0**exponent, 4, method=method, rng=0)
        np.testing.assert_allclose(r.w / 10.0**exponent, expected(signed(140), "LM", 4), rtol=1e-9)
        assert abs(r.info.error - lr.eigh(A, 4, method=method, rng=0).info.error) <= 1e-9


def test_half_precision_gives_half_vectors_and_single_values():
    A = testing.hermitian(40, signed(40), dtype="float16", rng=12)
    w, V = lr.eigh(A, 4, rng=0)
    assert (w.dtype, V.dtype) == (np.float32, np.float16)


def test_a_result_multiplies_and_comes_back_from_disk(tmp_path):
    A = testing.hermitian(40, signed(40), dtype="complex128", rng=13)
    r = lr.eigh(A, 5, rng=0)
    w, V = r
    x = random_array((40,), "complex128", 1)
    np.testing.assert_allclose(r @ x, V @ (w * (V.conj().T @ x)), rtol=0, atol=1e-13)
    r.save(tmp_path / "pairs.npz")
    back = lr.load(tmp_path / "pairs.npz")
    assert np.array_equal(back.w, w)
    assert np.array_equal(back.V, V)


def test_all_methods_and_seeds_give_the_same_vectors():
    A = testing.hermitian(200, signed(200), dtype="complex128", rng=14)
    reference = lr.eigh(A, 4, method="dense").V
    for rng in (0, 1):
        V = lr.eigh(A, 4, method="krylov", accuracy=1e-11, rng=rng).V
        np.testing.assert_allclose(V, reference, rtol=0, atol=1e-9)


@settings(max_examples=30)
@given(n=sides(1, 30), dtype=dtypes(), seed=seeds(), count=seeds())
def test_pairs_of_any_hermitian_matrix_are_pairs(n, dtype, seed, count):
    A = random_array((n, n), dtype, seed)
    A = (A + A.conj().T) / 2
    rank = 1 + count % n
    for which in ("LM", "LA", "SA"):
        r = lr.eigh(A, rank, which=which, method="krylov", accuracy=1e-5, rng=seed)
        values = expected(np.linalg.eigvalsh(oracles.wide(A)), which, rank)
        top = max(np.abs(np.linalg.eigvalsh(oracles.wide(A))).max(), 1e-300)
        bound = (2e-5 + 100 * oracles.eps(dtype)) * top
        off = np.abs(np.abs(oracles.wide(r.w)) - np.abs(values)) if which == "LM" else np.abs(r.w - values)
        assert off.max() <= bound
