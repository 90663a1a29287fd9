"""Chebyshev-Tucker approximations of functions, grids and sums of separable terms."""

import numpy as np
import pytest
from tensors.chebtuck_cases import ANALYTIC, CUBE, centres, quietly, random_points

import lowrank_la as lr
from lowrank_la import _backend as be

EPS = np.finfo(float).eps


@pytest.mark.parametrize("name", ANALYTIC)
def test_an_analytic_function_is_met_to_twelve_digits_at_a_degree_found_by_itself(name):
    f = ANALYTIC[name]
    g = lr.ChebTuck.fit(f, CUBE, tol=1e-12, rng=0)
    points = random_points(2000, 3)
    assert np.max(np.abs(g(points) - f(points))) <= 1e-12
    assert g.info.converged


def test_the_long_range_newton_kernel_takes_rank_thirteen_at_most():
    kernel = lr.newton_kernel(1024, terms=31).long_range()
    g = lr.ChebTuck.fit(kernel, tol=1e-7, degree=128)
    assert max(g.ranks) <= 13
    assert g.info.error <= 2e-8
    middle = [factor[512] for factor in kernel.factors]
    truth = (kernel.factors[0] * (kernel.weights * middle[2])) @ kernel.factors[1].T
    rows = [g.on_grid(k, 1024) for k in range(3)]
    found = np.einsum("abc,ia,jb,c->ij", g.core, rows[0], rows[1], rows[2][512], optimize=True)
    assert np.max(np.abs(found - truth)) <= 2e-8 * np.max(np.abs(truth))


def test_a_sum_of_terms_is_compressed_as_its_dense_tensor_is():
    kernel = lr.newton_kernel(48, terms=20).long_range()
    dense = np.einsum("r,ir,jr,kr->ijk", kernel.weights, *kernel.factors)
    a = lr.ChebTuck.fit(kernel, tol=1e-6)
    b = lr.ChebTuck.fit(dense, tol=1e-6)
    assert np.max(np.abs(a.to_grid(33) - b.to_grid(33))) <= 4e-6 * np.max(dense)
    true = np.linalg.norm(a.to_grid(48) - dense) / np.linalg.norm(dense)
    assert a.info.error == pytest.approx(true, rel=1e-2)


@pytest.mark.parametrize("tol", [1e-3, 1e-5, 1e-7])
def test_the_reported_error_of_a_grid_is_the_true_one_and_meets_the_tolerance(tol):
    x = centres(40)
    X = 1.0 / (3.0 + x[:, None, None] + 0.5 * x[:, None] * x + x**3)
    g = lr.ChebTuck.fit(X, tol=tol)
    true = np.linalg.norm(g.to_grid(40) - X) / np.linalg.norm(X)
    assert g.info.error == pytest.approx(true, rel=1e-6)
    assert true <= tol


def test_an_error_that_rough_data_leave_is_reported_and_warned_of():
    X = np.random.default_rng(0).standard_normal((12, 12, 12))
    with pytest.warns(lr.ConvergenceWarning, match="tail"):
        g = lr.ChebTuck.fit(X, tol=1e-6, degree=8)
    true = np.linalg.norm(g.to_grid(12) - X) / np.linalg.norm(X)
    assert g.info.error == pytest.approx(true, rel=1e-6)
    assert not g.info.converged
    with pytest.raises(lr.ConvergenceError):
        lr.ChebTuck.fit(X, tol=1e-6, degree=8, on_failure="raise")


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_polynomials_are_exact(order):
    rng = np.random.default_rng(order)
    C = rng.standard_normal((4,) * order)

    def f(x):
        total = C
        for k in reversed(range(order)):
            powers = x[:, k, None] ** np.arange(4)
            total = (
                np.einsum("...i,pi->p...", total, powers)
                if k == order - 1
                else np.einsum("p...i,pi->p...", total, powers)
            )
        return total

    g = lr.ChebTuck.fit(f, [(0.0, 2.0)] * order, degree=3, tol=1e-12, rng=0)
    points = 1.0 + random_points(50, order)
    np.testing.assert_allclose(g(points), f(points), rtol=0, atol=2000 * EPS * np.max(np.abs(f(points))))


def test_gradient_and_integral_are_those_of_the_function():
    f = lambda x: np.sin(x[:, 0]) * np.exp(x[:, 1]) + x[:, 2] ** 2  # noqa: E731
    domain = [(0.0, 1.0), (-1.0, 2.0), (2.0, 5.0)]
    g = lr.ChebTuck.fit(f, domain, tol=1e-13, rng=0)
    p = np.array([0.5, 0.5, 3.5]) + random_points(20, 3) * np.array([0.5, 1.5, 1.5])
    expected = np.stack([np.cos(p[:, 0]) * np.exp(p[:, 1]), np.sin(p[:, 0]) * np.exp(p[:, 1]), 2 * p[:, 2]], axis=1)
    np.testing.assert_allclose(g.grad(p), expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(g.derivative(1)(p), expected[:, 1], rtol=0, atol=1e-10)
    integral = 3 * (1 - np.cos(1.0)) * (np.exp(2.0) - np.exp(-1.0)) + 3 * (125 - 8) / 3
    assert g.integrate() == pytest.approx(integral, rel=1e-12)


def test_the_grid_holds_the_values_at_its_centres():
    g = lr.ChebTuck.fit(ANALYTIC["wave"], CUBE, tol=1e-8, rng=0)
    X = g.to_grid((3, 4, 5))
    points = np.stack([x.ravel() for x in np.meshgrid(centres(3), centres(4), centres(5), indexing="ij")], axis=1)
    np.testing.assert_allclose(X.ravel(), g(points), rtol=0, atol=1000 * EPS)


def test_factors_are_orthonormal_and_one_point_gives_one_number():
    g = lr.ChebTuck.fit(ANALYTIC["Runge"], CUBE, tol=1e-6, rng=0)
    for factor in g.factors:
        np.testing.assert_allclose(factor.T @ factor, np.eye(factor.shape[1]), rtol=0, atol=100 * EPS)
    assert g(np.zeros(3)).shape == ()
    assert g.grad(np.zeros(3)).shape == (3,)
    assert g(np.empty((0, 3))).shape == (0,)
    assert g.shape == tuple(d + 1 for d in g.degrees)


def test_complex_functions_keep_their_phase():
    f = lambda x: np.exp(1j * 5.0 * x[:, 0] * x[:, 1])  # noqa: E731
    g = lr.ChebTuck.fit(f, [(-1, 1)] * 2, tol=1e-12, rng=0)
    points = random_points(200, 2)
    np.testing.assert_allclose(g(points), f(points), rtol=0, atol=1e-12)
    assert isinstance(g.integrate(), complex)
    X = np.exp(1j * centres(20)[:, None] * centres(20))
    h = lr.ChebTuck.fit(X, tol=1e-5)
    assert np.linalg.norm(h.to_grid(20) - X) <= 1e-5 * np.linalg.norm(X)
    weights, factors = np.array([1.0 + 1j, 2.0]), [np.exp(1j * np.outer(centres(9), [1.0, 2.0])) for _ in range(3)]
    dense = np.einsum("r,ir,jr,kr->ijk", weights, *factors)
    k = lr.ChebTuck.fit((weights, factors), tol=1e-3)
    assert np.linalg.norm(k.to_grid(9) - dense) <= 1e-3 * np.linalg.norm(dense)


def test_every_library_gives_the_same_approximation(backend):
    kernel = lr.newton_kernel(16, terms=12).long_range()
    dense = np.einsum("r,ir,jr,kr->ijk", kernel.weights, *kernel.factors)
    points = backend.asarray(random_points(9, 3))
    inputs = {
        "grid": (backend.asarray(dense), dense),
        "terms": tuple(
            (move(kernel.weights), tuple(move(f) for f in kernel.factors)) for move in (backend.asarray, np.asarray)
        ),
    }
    for given, host in inputs.values():
        g, h = (quietly(f, tol=1e-3, degree=9) for f in (given, host))
        assert backend.holds(g.core)
        eps = be.eps(g.core.dtype)
        for found, expected in (
            (g(points), h(random_points(9, 3))),
            (g.to_grid(7), h.to_grid(7)),
            (g.grad(points), h.grad(random_points(9, 3))),
        ):
            assert backend.holds(found)
            np.testing.assert_allclose(
                backend.to_numpy(found), expected, rtol=0, atol=1000 * eps * np.abs(expected).max()
            )
        assert g.integrate() == pytest.approx(h.integrate(), rel=1000 * eps)


def test_a_function_gets_points_of_the_library_of_its_domain(backend):
    domain = backend.asarray(np.array(CUBE[:2]))

    def f(x):
        assert backend.holds(x)
        return be.namespace(x).exp(x[:, 0] * x[:, 1])

    g = quietly(f, domain, tol=1e-5, rng=0)
    assert backend.holds(g.core)
    h = quietly(lambda x: np.exp(x[:, 0] * x[:, 1]), CUBE[:2], tol=1e-5, rng=0)
    found = backend.to_numpy(g(backend.asarray(random_points(9, 2))))
    np.testing.assert_allclose(found, h(random_points(9, 2)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 5, 4), (2, 3, 1), (1, 1, 1), (4,), (5, 6), (2, 2, 2, 2, 2, 2)])
def test_short_modes_and_other_orders(shape):
    X = np.random.default_rng(0).standard_normal(shape)
    g = quietly(X, tol=1e-9)
    assert len(g.ranks) == len(shape)
    if max(shape) < 4:  # the splines are polynomials, and the data are met
        np.testing.assert_allclose(g.to_grid(shape), X, rtol=0, atol=1e-12)


def test_a_zero_tensor_and_zero_or_repeated_terms():
    g = lr.ChebTuck.fit(np.zeros((6, 5, 4)))
    assert g.info.error == 0.0
    assert g.ranks == (1, 1, 1)
    assert not np.any(g.to_grid(3))
    assert lr.ChebTuck.fit(lambda x: 0.0 * x[:, 0], CUBE, rng=0).info.error == 0.0
    column = np.cos(centres(12))[:, None]
    factors = [np.concatenate([column, column, 0 * column], axis=1)] * 3
    k = lr.ChebTuck.fit((np.ones(3), factors), tol=1e-4)
    assert k.ranks == (1, 1, 1)
    np.testing.assert_allclose(k.to_grid(12), 2 * np.einsum("i,j,k->ijk", *[column[:, 0]] * 3), rtol=0, atol=1e-3)
    assert lr.ChebTuck.fit((np.zeros(2), [np.ones((5, 2))] * 2)).info.error == 0.0


def test_terms_that_cancel_are_met_relative_to_what_is_left():
    x = centres(30)
    factors = [np.stack([np.sin(x + 1.0), np.sin(x + 1.0) + 1e-3 * np.cos(x)], axis=1)] * 2
    weights = np.array([1.0, -1.0])
    dense = np.einsum("r,ir,jr->ij", weights, *factors)
    g = lr.ChebTuck.fit((weights, factors), tol=1e-5)
    assert np.linalg.norm(g.to_grid(30) - dense) <= 1e-5 * np.linalg.norm(dense)


@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-8])
def test_the_error_of_terms_that_nearly_cancel_is_true(apart):
    i = np.arange(12.0)
    weights, factor = np.array([1.0, -1.0]), np.stack([np.ones(12), 1.0 + apart * np.cos(3.0 * i)], axis=1)
    dense = np.einsum("r,ir,jr,kr->ijk", weights, *[factor] * 3)
    g = quietly((weights, [factor] * 3), tol=1e-2, degree=4)
    rounding = 12**1.5 * EPS / np.linalg.norm(dense)
    true = np.linalg.norm(g.to_grid(12) - dense) / np.linalg.norm(dense)
    assert abs(g.info.error - true) <= 0.01 * true + 8 * rounding


def test_many_terms_have_their_error_estimated_from_entries(monkeypatch):
    from lowrank_la.tensors import chebtuck_error

    kernel = lr.newton_kernel(24, terms=14, centers=np.random.default_rng(0).uniform(-0.5, 0.5, (5, 3))).long_range()
    exact = quietly(kernel, tol=1e-3, degree=10, rng=0)
    monkeypatch.setattr(chebtuck_error, "EXACT", 0)
    sampled = quietly(kernel, tol=1e-3, degree=10, rng=0)
    assert (exact.info.error_kind, sampled.info.error_kind) == ("exact", "estimate")
    assert sampled.info.error == pytest.approx(exact.info.error, rel=0.2)


def test_inputs_of_any_layout_are_left_alone():
    X = np.asfortranarray(np.cos(np.arange(210.0).reshape(7, 6, 5) / 100.0))
    expected = quietly(np.ascontiguousarray(X), tol=1e-6).core
    X.flags.writeable = False
    np.testing.assert_allclose(quietly(X, tol=1e-6).core, expected, rtol=0, atol=100 * EPS * np.abs(expected).max())
    np.testing.assert_allclose(quietly(X[::1, :, ::-1][:, :, ::-1], tol=1e-6).core, expected, rtol=0, atol=1e-12)


def test_single_precision_stays_single_and_half_is_promoted():
    X = np.cos(np.arange(60.0).reshape(5, 4, 3) / 50.0)
    assert quietly(X.astype("float32"), tol=1e-3).core.dtype == "float32"
    assert quietly(X.astype("float16"), tol=1e-3).core.dtype == "float32"
    assert quietly(np.arange(24).reshape(2, 3, 4), tol=1e-3).core.dtype == "float64"


@pytest.mark.parametrize("scale", [1e300, 1e200, 1e-200])
def test_functions_grids_and_terms_of_any_scale_are_met(scale):
    f = lr.ChebTuck.fit(lambda x: scale * np.exp(np.sum(x, axis=1)), [(-1.0, 1.0)] * 2, tol=1e-10)
    assert f.info.error <= 1e-10
    assert f.integrate() / scale == pytest.approx((np.e - 1 / np.e) ** 2)
    X = np.exp(np.add.outer(np.linspace(0, 1, 12), np.linspace(0, 2, 10)))
    g = lr.ChebTuck.fit(scale * X, tol=1e-6)
    np.testing.assert_allclose(g.to_grid((12, 10)) / scale, X, rtol=1e-4)
    h = lr.ChebTuck.fit((np.array([scale]), [X[:, :1], X[:1].T]), tol=1e-6)
    np.testing.assert_allclose(h.to_grid((12, 10)) / scale, X, rtol=1e-4)
