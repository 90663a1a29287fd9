"""Kruskal tensors: gauge, norms and dense form."""

import numpy as np
import pytest
from tensors import dense_cases as cases

from lowrank_la.tensors import kruskal

DTYPES = ("float64", "complex128")


@pytest.mark.parametrize("shape", cases.SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gauge_keeps_the_tensor_and_fixes_norms_order_and_signs(shape, dtype):
    factors = cases.factors_of(shape, 3, dtype)
    weights = np.array([1.0, -2.0, 3.0])
    size, unit = kruskal.gauge(weights, factors)
    expected = cases.model(factors, weights)
    np.testing.assert_allclose(cases.model(unit, size), expected, atol=1e-13 * abs(expected).max())
    assert (np.diff(size) <= 0).all()
    assert (size >= 0).all()
    for factor in unit[:-1]:
        np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1.0, atol=1e-14)
        largest = factor[abs(factor).argmax(axis=0), [0, 1, 2]]
        assert (largest.real > 0).all()
        np.testing.assert_allclose(largest.imag, 0.0, atol=1e-15)


def test_terms_without_mass_keep_unit_columns():
    factors = cases.factors_of((4, 5, 6), 3)
    factors[1][:, 1] = 0.0
    size, unit = kruskal.gauge(None, factors)
    assert size[-1] == 0.0
    for factor in unit:
        np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1.0, atol=1e-14)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_norms_of_columns_neither_overflow_nor_vanish(scale):
    unit, norm = kruskal.normalised(scale * np.array([[3.0, 0.0], [4.0, 0.0]]))
    np.testing.assert_allclose(norm, [5 * scale, 0.0], rtol=1e-15)
    np.testing.assert_allclose(unit, [[0.6, 1.0], [0.8, 0.0]], rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_and_inner_products_need_no_dense_tensor(dtype):
    shape, weights = (4, 5, 6), np.array([1.0, -0.5])
    one, two = cases.factors_of(shape, 2, dtype, 1), cases.factors_of(shape, 2, dtype, 2)
    expected = np.vdot(cases.model(one, weights), cases.model(two, weights)).real
    assert kruskal.model_inner(weights, one, weights, two) == pytest.approx(expected, rel=1e-12)
    assert kruskal.model_norm(weights, one) == pytest.approx(np.linalg.norm(cases.model(one, weights)), rel=1e-13)


def test_the_dense_form_is_that_of_all_libraries(backend):
    factors, weights = cases.factors_of((4, 1, 5, 3), 2), np.array([2.0, 1.0])
    dense = kruskal.full(backend.asarray(weights), [backend.asarray(factor) for factor in factors])
    assert backend.holds(dense)
    eps = 2e-7 if backend.nearest("float64") == "float32" else 1e-15
    np.testing.assert_allclose(backend.to_numpy(dense), cases.model(factors, weights), atol=50 * eps)
