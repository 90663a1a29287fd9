"""CP of dense tensors by alternating least squares."""

import threading
import warnings

import array_api_strict
import numpy as np
import pytest
from tensors import dense_cases as cases

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.factor.iteration import Watch
from lowrank_la.tensors.cp_als import Sweeps, als
from lowrank_la.tensors.dimension_tree import DimensionTree
from lowrank_la.tensors.hals import hals_update
from lowrank_la.tensors.normal_solve import solve_normal
from lowrank_la.tensors.tensor import as_tensor

SHORT = pytest.mark.filterwarnings("ignore::lowrank_la.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("shape", [(7, 6, 5), (3, 4, 5, 6), (2, 3, 4, 3, 2)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_iterates_are_those_of_plain_alternating_least_squares(shape, dtype):
    X, plain = cases.tensor(shape, 3, 0.1, dtype), cases.factors_of(shape, 2, dtype, 5)
    state = Sweeps(as_tensor(X), DimensionTree(as_tensor(X)), plain)
    for _ in range(8):
        state.sweep()
        plain = cases.plain_sweep(X, plain)
        difference = cases.model(state.absorbed()) - cases.model(plain)
        assert np.linalg.norm(difference) <= 1e-10 * np.linalg.norm(X)


@pytest.mark.parametrize("shape", [(9, 8, 7), (6, 5, 7, 4), (5, 4, 6, 3, 4)])
@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
def test_a_tensor_of_exact_rank_is_recovered(shape, dtype):
    X = cases.tensor(shape, 3, dtype=dtype)
    result = lr.cp(X, 3, rng=0, tol=1e-10 if dtype != "float32" else 1e-6, maxiter=2000)
    assert result.info.converged
    assert cases.relative_error(X, result) <= (1e-6 if dtype != "float32" else 1e-5)
    assert {factor.dtype.name for factor in result.factors} == {dtype}
    assert not result.info.degenerate


@pytest.mark.parametrize("noise", [0.0, 1e-13, 1e-10, 1e-7, 1e-4, 0.3])
def test_the_reported_error_is_that_of_the_dense_model(noise):
    X = cases.tensor((12, 11, 10), 3, noise)
    result = lr.cp(X, 3, rng=0, tol=0.0, maxiter=60, on_failure="warn", method="gauss_newton")
    true = cases.relative_error(X, result)
    assert abs(result.info.error - true) <= max(0.01 * true, 8 * 2.0**-52)
    assert result.info.error_kind == "exact"


@SHORT
@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-4, 0.3])
def test_the_reported_error_is_right_in_single_precision(noise):
    X = cases.tensor((12, 11, 10), 3, noise, "float32")
    result = lr.cp(X, 3, rng=0, tol=0.0, maxiter=100)
    true = cases.relative_error(X, result)
    assert abs(result.info.error - true) <= max(0.01 * true, 8 * 2.0**-23)


def test_extrapolation_shortens_a_swamp_at_least_fivefold():
    X = cases.collinear(30, 4, 0.9)
    start = cases.factors_of(X.shape, 4, seed=3)
    tensor, sweeps = as_tensor(X), []
    for accelerate in (False, True):
        watch = Watch(3000)
        found = als(tensor, DimensionTree(tensor), start, 1e-9, watch, accelerate=accelerate)
        assert found.converged
        sweeps.append(watch.count)
    assert 5 * sweeps[1] <= sweeps[0]
    assert found.details["extrapolations"] > 0


def test_extrapolated_sweeps_never_raise_the_error():
    errors = np.array(lr.cp(cases.collinear(20, 4, 0.95), 4, rng=0, maxiter=2000, init="random").info.errors)
    assert (np.diff(errors) <= 1e-12).all()


def test_all_libraries_agree_from_one_seed(backend):
    X = cases.tensor((6, 5, 4), 2, 0.2)
    single = backend.nearest("float64") == "float32"
    for init in ("svd", "random"):
        expected = lr.cp(X, 2, rng=3, init=init, tol=1e-12 if not single else 1e-7, maxiter=2000)
        found = lr.cp(backend.asarray(X), 2, rng=3, init=init, tol=1e-12 if not single else 1e-7, maxiter=2000)
        for one, other in zip(found.factors, expected.factors, strict=True):
            assert backend.holds(one)
            np.testing.assert_allclose(backend.to_numpy(one), other, atol=2e-3 if single else 1e-10)
        assert found.info.error == pytest.approx(expected.info.error, rel=1e-4 if single else 1e-10)


def test_numpy_and_strict_take_the_same_sweeps():
    X = cases.tensor((6, 5, 4, 3), 3, 0.2)
    one, two = (lr.cp(A, 3, rng=1, maxiter=20, on_failure="warn", tol=1e-3) for A in (X, array_api_strict.asarray(X)))
    np.testing.assert_allclose(one.info.errors, two.info.errors, rtol=1e-10)


@pytest.mark.parametrize("shape", [(8, 6), (6, 8), (8, 1, 6), (1, 6, 1, 8), (5, 1)])
def test_a_matrix_gives_its_singular_value_decomposition(shape):
    X = np.random.default_rng(0).standard_normal(shape)
    long = [n for n in shape if n > 1] if min(shape) > 1 or len(shape) > 2 else list(shape)
    rank = min(2, *long)
    result = lr.cp(X, rank, rng=0)
    s = np.linalg.svd(X.reshape(long), compute_uv=False)
    np.testing.assert_allclose(result.weights, s[:rank], rtol=1e-10)
    assert result.info.error == pytest.approx(np.linalg.norm(s[rank:]) / np.linalg.norm(s), abs=1e-12)
    assert result.info.method == "svd"


@SHORT
@pytest.mark.parametrize("shape", [(3, 4, 2), (2, 1, 3, 2, 4, 3), (4, 1, 5), (3, 2)])
def test_a_rank_above_the_lengths_of_the_modes_fits_and_never_fails(shape):
    X = np.random.default_rng(0).standard_normal(shape)
    result = lr.cp(X, 12, rng=0, tol=1e-10, maxiter=300)
    assert result.info.error <= 0.2
    assert all(np.isfinite(factor).all() for factor in result.factors)


def test_the_zero_tensor_has_weights_zero():
    result = lr.cp(np.zeros((3, 4, 5)), 2, rng=0)
    assert (result.weights == 0).all()
    assert result.info.error == 0.0
    assert result.info.converged
    assert (result.full() == 0).all()


@SHORT
def test_zero_and_duplicate_columns_in_the_start_do_no_harm():
    X, start = cases.tensor((6, 5, 4), 2, 0.1), cases.factors_of((6, 5, 4), 3)
    start[0][:, 1] = 0.0
    start[1][:, 2], start[0][:, 2], start[2][:, 2] = start[1][:, 0], start[0][:, 0], start[2][:, 0]
    result = lr.cp(X, 3, init=(None, start), maxiter=50)
    assert np.isfinite(result.full()).all()
    assert result.info.error < 0.2


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_any_scale_gives_the_same_factors(scale):
    X = cases.tensor((6, 5, 4), 2, 0.1)
    one, two = lr.cp(X, 2, rng=0), lr.cp(X * scale, 2, rng=0)
    np.testing.assert_allclose(two.weights / scale, one.weights, rtol=1e-6)
    assert two.info.error == pytest.approx(one.info.error, rel=1e-6)


@pytest.mark.parametrize("layout", ["fortran", "strided", "read only", "list", "integers", "half"])
def test_layouts_and_types_of_the_input(layout):
    X = np.round(4 * cases.tensor((6, 5, 4), 2, 0.1)).astype("float64")
    given = {
        "fortran": lambda: np.asfortranarray(X),
        "strided": lambda: np.repeat(X, 2, axis=1)[:, ::2],
        "read only": X.copy,
        "list": X.tolist,
        "integers": lambda: X.astype("int32"),
        "half": lambda: X.astype("float16"),
    }[layout]()
    if layout == "read only":
        given.flags.writeable = False
    result, expected = lr.cp(given, 2, rng=0), lr.cp(X, 2, rng=0)
    assert result.factors[0].dtype == ("float16" if layout == "half" else "float64")
    assert result.weights.dtype == ("float32" if layout == "half" else "float64")
    np.testing.assert_allclose(result.weights, expected.weights, rtol=1e-3 if layout == "half" else 1e-12)


def test_the_input_and_the_start_are_untouched():
    X, start = cases.tensor((6, 5, 4), 2, 0.1), cases.factors_of((6, 5, 4), 2)
    kept, held = X.copy(), [factor.copy() for factor in start]
    lr.cp(X, 2, init=(np.ones(2), start))
    np.testing.assert_array_equal(X, kept)
    for factor, before in zip(start, held, strict=True):
        np.testing.assert_array_equal(factor, before)


def test_a_seed_reproduces_and_is_recorded():
    X = cases.tensor((6, 5, 4), 2, 0.3)
    one, two = lr.cp(X, 2, rng=7, init="random"), lr.cp(X, 2, rng=7, init="random")
    np.testing.assert_array_equal(one.weights, two.weights)
    assert one.info.rng == 7
    free = lr.cp(X, 2, init="random")
    np.testing.assert_array_equal(lr.cp(X, 2, init="random", rng=free.info.rng).weights, free.weights)


def test_a_result_survives_saving(tmp_path):
    result = lr.cp(cases.tensor((6, 5, 4), 2, 0.3), 2, rng=0)
    result.save(tmp_path / "cp.npz")
    loaded = lr.load(tmp_path / "cp.npz")
    np.testing.assert_array_equal(loaded.weights, result.weights)
    for one, two in zip(loaded.factors, result.factors, strict=True):
        np.testing.assert_array_equal(one, two)
    assert loaded.info.error == result.info.error
    assert loaded.shape == (6, 5, 4)


def test_threads_with_two_libraries_do_not_meet():
    X, found = cases.tensor((6, 5, 4), 2, 0.1), {}

    def work(name, A):
        found[name] = lr.cp(A, 2, rng=0)

    threads = [threading.Thread(target=work, args=pair) for pair in
               (("numpy", X), ("strict", array_api_strict.asarray(X)))]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert be.kind(be.namespace(found["strict"].weights)) == "strict"
    np.testing.assert_allclose(be.to_numpy(found["strict"].weights), found["numpy"].weights, rtol=1e-10)


def test_more_starts_are_never_worse():
    X = cases.tensor((5, 5, 5), 4, 0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, more = (lr.cp(X, 4, rng=0, starts=count, maxiter=200) for count in (1, 4))
    assert more.info.error <= one.info.error


def test_nonnegative_factors_are_found(backend):
    factors = [abs(factor) for factor in cases.factors_of((8, 7, 6), 3)]
    result = lr.cp(backend.asarray(cases.model(factors)), 3, rng=0, nonneg=True, maxiter=1000, tol=1e-7)
    for factor in result.factors:
        assert float(backend.xp.min(factor)) >= 0.0
    assert result.info.method == "hals"
    assert result.info.error <= 1e-3


def test_a_nonnegative_update_meets_the_optimality_conditions():
    generator = np.random.default_rng(0)
    Z = abs(generator.standard_normal((40, 4)))
    X = generator.standard_normal((5, 4)) @ Z.T + 2.0 + generator.standard_normal((5, 40))
    B, gamma, A = X @ Z, Z.T @ Z, np.ones((5, 4))
    for _ in range(300):
        A = hals_update(B, gamma, A)
    slope = A @ gamma - B
    assert (A >= 0).all()
    assert abs(slope[A > 1e-9]).max() <= 1e-9 * abs(B).max()
    assert slope[A <= 1e-9].min() >= -1e-9 * abs(B).max()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_normal_equations_are_solved_and_singular_ones_have_least_norm(dtype, backend):
    if backend.nearest(dtype) != dtype:
        pytest.skip("no double precision")
    Z = cases.numbers(np.random.default_rng(0), (30, 4), dtype) * [1.0, 1e4, 1e-3, 1.0]
    B, gamma = cases.numbers(np.random.default_rng(1), (6, 4), dtype), Z.conj().T @ Z
    A = backend.to_numpy(solve_normal(backend.asarray(B), backend.asarray(gamma)))
    np.testing.assert_allclose(A @ gamma.T, B, atol=1e-12 * np.linalg.cond(gamma) ** 0.5)
    gamma[:, 1], gamma[1] = 0.0, 0.0
    A = backend.to_numpy(solve_normal(backend.asarray(B), backend.asarray(gamma)))
    assert abs(A[:, 1]).max() <= 1e-12 * abs(A).max()


def test_the_gradient_vanishes_at_the_optimum_and_not_elsewhere():
    X = cases.tensor((6, 5, 4), 2, 0.3)
    assert lr.cp(X, 2, rng=0, tol=1e-14, maxiter=2000).info.gradient <= 1e-6
    with pytest.warns(lr.ConvergenceWarning, match="maxiter=1"):
        assert lr.cp(X, 2, rng=0, maxiter=1, init="random").info.gradient >= 1e-4


def test_terms_that_cancel_each_other_are_told():
    a, b = np.eye(2)
    X = sum(np.einsum("i,j,k->ijk", *v) for v in ((a, a, b), (a, b, a), (b, a, a)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = lr.cp(X, 2, rng=0, maxiter=2000, tol=1e-10, init="random")
    assert result.info.degenerate


def test_the_callback_stops():
    states = []
    with pytest.warns(lr.ConvergenceWarning, match="stopped by callback"):
        lr.cp(cases.tensor((6, 5, 4), 3, 0.5), 3, rng=0, init="random", tol=0.0,
              callback=lambda state: states.append(state.error) or state.iteration == 3)  # fmt: skip
    assert len(states) == 3


def test_falling_short_raises_when_asked():
    with pytest.raises(lr.ConvergenceError, match="maxiter=2"):
        lr.cp(cases.tensor((6, 5, 4), 3, 0.5), 3, rng=0, init="random", maxiter=2, on_failure="raise")


X3 = cases.tensor((4, 3, 2), 1)


@pytest.mark.parametrize(
    ("X", "options", "kind", "message"),
    [
        (X3, {"rank": 0}, ValueError, "rank"),
        (X3, {"rank": 2.0}, TypeError, "rank"),
        (X3, {"method": "guess"}, ValueError, "method"),
        (X3, {"tol": -1.0}, ValueError, "tol"),
        (X3, {"maxiter": 0}, ValueError, "maxiter"),
        (X3, {"starts": 0}, ValueError, "starts"),
        (X3, {"init": "zero"}, ValueError, "init"),
        (X3, {"init": 3}, TypeError, "init"),
        (X3, {"init": (None, [np.ones((4, 1))])}, ValueError, "shapes"),
        (X3, {"nonneg": 1}, TypeError, "nonneg"),
        (X3, {"nonneg": True, "method": "gauss_newton"}, ValueError, "nonneg"),
        (X3, {"nonneg": True, "init": (None, [-np.ones((n, 1)) for n in (4, 3, 2)])}, ValueError, "init"),
        (X3 + 1j, {"nonneg": True}, TypeError, "complex"),
        (X3 + 1j, {"method": "leverage"}, TypeError, "leverage"),
        (np.where(X3[0, 0, 0] == X3, np.nan, X3), {}, ValueError, "NaN"),
        (np.where(np.arange(3)[:, None] == 1, np.inf, X3), {}, ValueError, "infinite"),
        (np.ones(3), {}, ValueError, "modes"),
        (np.ones((3, 0, 2)), {}, ValueError, "modes"),
        ("tensor", {}, TypeError, "X"),
    ],
)
def test_bad_arguments_are_named(X, options, kind, message):
    with pytest.raises(kind, match=message):
        lr.cp(X, **{"rank": 1, **options})
