"""Gauss-Newton steps for CP."""

import numpy as np
import pytest
from tensors import dense_cases as cases

import lowrank_la as lr
from lowrank_la.tensors.gauss_newton import Point
from lowrank_la.tensors.tensor import as_tensor


def jacobian(factors):
    """The derivative of the dense model by all entries of all factors, by the product rule."""
    columns = []
    for k, factor in enumerate(factors):
        for place in np.ndindex(*factor.shape):
            unit = np.zeros_like(factor)
            unit[place] = 1.0
            columns.append(cases.model([*factors[:k], unit, *factors[k + 1 :]]).reshape(-1))
    return np.stack(columns, axis=1)


def flat(parts):
    return np.concatenate([part.reshape(-1) for part in parts])


@pytest.mark.parametrize("shape", [(4, 3, 5), (3, 2, 4, 2)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_product_with_the_normal_matrix_is_that_of_the_jacobian(shape, dtype):
    point = Point(as_tensor(cases.tensor(shape, 2, 0.3, dtype)), cases.factors_of(shape, 2, dtype))
    J, V = jacobian(point.factors), cases.factors_of(shape, 2, dtype, 9)
    expected = J.conj().T @ (J @ flat(V))
    np.testing.assert_allclose(flat(point.normal(V)), expected, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_gradient_is_that_of_the_jacobian(dtype):
    shape = (4, 3, 5)
    X = cases.tensor(shape, 2, 0.3, dtype)
    point = Point(as_tensor(X), cases.factors_of(shape, 2, dtype))
    rest = cases.model(point.factors) - X / np.linalg.norm(X)
    expected = jacobian(point.factors).conj().T @ rest.reshape(-1)
    np.testing.assert_allclose(flat(point.gradient()), expected, atol=1e-12 * abs(expected).max())
    assert point.error == pytest.approx(np.linalg.norm(rest), rel=1e-12)


def test_a_step_with_next_to_no_damping_solves_the_damped_normal_equations():
    point = Point(as_tensor(cases.tensor((5, 4, 6), 2)), cases.factors_of((5, 4, 6), 2))
    V, fall, _ = point.step(0.5)
    J = jacobian(point.factors)
    exact = np.linalg.solve(J.T @ J + 0.5 * np.eye(J.shape[1]), -flat(point.gradient()))
    assert np.linalg.norm(flat(V) - exact) <= 0.2 * np.linalg.norm(exact)
    model = -flat(point.gradient()) @ flat(V) - 0.5 * np.linalg.norm(J @ flat(V)) ** 2
    assert fall == pytest.approx(model, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_collinear_terms_are_found_to_rounding(seed):
    X = cases.collinear(20, 4, 0.95)
    result = lr.cp(X, 4, method="gauss_newton", init="random", rng=seed, tol=1e-14)
    assert result.info.error <= 1e-12
    assert cases.relative_error(X, result) <= 1e-12


@pytest.mark.slow
def test_95_of_100_starts_end_at_rounding():
    X = cases.collinear(50, 5, 0.95)
    results = [lr.cp(X, 5, method="gauss_newton", init="random", rng=seed, tol=1e-14) for seed in range(100)]
    assert sum(result.info.error <= 1e-12 for result in results) >= 95


def test_all_libraries_take_the_same_steps(backend):
    X = cases.tensor((6, 5, 4), 2, 0.2)
    single = backend.nearest("float64") == "float32"
    result = lr.cp(backend.asarray(X), 2, method="gauss_newton", rng=0)
    expected = lr.cp(X, 2, method="gauss_newton", rng=0)
    assert result.info.error == pytest.approx(expected.info.error, rel=1e-5 if single else 1e-12)
    for one, other in zip(result.factors, expected.factors, strict=True):
        np.testing.assert_allclose(backend.to_numpy(one), other, atol=5e-3 if single else 1e-10)


def test_complex_and_sparse_tensors_are_met_to_rounding():
    import scipy.sparse as sp

    X = cases.tensor((7, 6, 5), 2, dtype="complex128")
    assert lr.cp(X, 2, method="gauss_newton", rng=0, tol=1e-14).info.error <= 1e-13
    dense = cases.tensor((7, 6, 5), 2)
    found = lr.cp(sp.coo_array(dense), 2, method="gauss_newton", rng=0, tol=1e-14)
    assert cases.relative_error(dense, found) <= 1e-6
