"""Chebyshev expansions along one mode against NumPy's polynomials and SciPy's splines."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev as numpy_chebyshev
from scipy.interpolate import CubicSpline

from lowrank_la.tensors import chebyshev

EPS = np.finfo(float).eps


@pytest.mark.parametrize("m", [1, 2, 3, 8, 33])
def test_a_polynomial_is_recovered_from_its_values_at_the_nodes(m):
    expected = np.random.default_rng(m).standard_normal(m)
    values = numpy_chebyshev.chebval(chebyshev.nodes(m), expected)
    np.testing.assert_allclose(chebyshev.coefficient_matrix(m) @ values, expected, rtol=0, atol=20 * m * EPS)


def test_nodes_are_symmetric_to_the_last_bit_and_end_at_one():
    x = chebyshev.nodes(34)
    assert np.array_equal(x, -x[::-1])
    assert x[0] == 1.0


@pytest.mark.parametrize("m", [1, 2, 3, 20])
def test_series_are_evaluated_as_numpy_does(backend, m):
    c, x = np.random.default_rng(0).standard_normal((m, 3)), np.linspace(-1.0, 1.0, 7)
    expected = numpy_chebyshev.chebval(x, c).T
    coefficients = backend.asarray(c)
    for found in (
        chebyshev.clenshaw(coefficients, backend.asarray(x)),
        chebyshev.at_angles(coefficients, np.arccos(x)),
    ):
        eps = np.finfo(backend.to_numpy(found).dtype).eps
        np.testing.assert_allclose(backend.to_numpy(found), expected, rtol=0, atol=100 * m * eps)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 21])
def test_derivatives_and_integrals_are_those_of_the_polynomial(m):
    c = np.random.default_rng(1).standard_normal(m)
    derivative = np.append(numpy_chebyshev.chebder(c), 0.0)[:m] if m > 1 else np.zeros(1)
    np.testing.assert_allclose(chebyshev.derivative_matrix(m) @ c, derivative, rtol=0, atol=10 * m**2 * EPS)
    primitive = numpy_chebyshev.chebint(c)
    expected = numpy_chebyshev.chebval(1.0, primitive) - numpy_chebyshev.chebval(-1.0, primitive)
    np.testing.assert_allclose(chebyshev.integrals(m) @ c, expected, rtol=0, atol=10 * m * EPS)


@pytest.mark.parametrize("n", [4, 5, 6, 50])
def test_splines_are_the_not_a_knot_splines_of_scipy(n):
    y = np.random.default_rng(n).standard_normal((n, 2))
    expected = CubicSpline(chebyshev.cell_centres(n), y)(chebyshev.nodes(19))
    np.testing.assert_allclose(
        chebyshev.spline_values(y, 19), expected, rtol=0, atol=100 * EPS * np.abs(expected).max()
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_values_are_joined_by_a_polynomial(n):
    x = chebyshev.cell_centres(n)
    found = chebyshev.spline_values(x[:, None] ** np.arange(n), 5)
    np.testing.assert_allclose(found, chebyshev.nodes(5)[:, None] ** np.arange(n), rtol=0, atol=20 * EPS)


def test_splines_of_long_columns_by_panels_are_those_by_one_matrix(monkeypatch):
    y = np.random.default_rng(0).standard_normal((40, 2))
    whole = chebyshev.spline_values(y, 30)
    monkeypatch.setattr(chebyshev, "_LARGEST_SPLINE", 200)
    np.testing.assert_allclose(chebyshev.spline_values(y, 30), whole, rtol=0, atol=1000 * EPS)
