"""Orthonormal features and weighted least squares: exactness, bias, conditioning and bad input."""

import math
from itertools import product

import numpy as np
import pytest
from strategies import random_array

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.sampling import designs
from lowrank_la.sampling.proposals import PointProposals
from lowrank_la.solve import weighted
from lowrank_la.solve.weighted import smallest_eigenvalue

METHODS = ("volume_rescaled", "repeated_dpp", "iid", "conditioned")
FAMILIES = (lr.Legendre, lr.Hermite, lr.Chebyshev)


def quadrature(family, count):
    """Nodes and weights of a Gauss rule for the probability of the family."""
    if family is lr.Legendre:
        x, w = np.polynomial.legendre.leggauss(count)
    elif family is lr.Hermite:
        x, w = np.polynomial.hermite_e.hermegauss(count)
    else:
        x, w = np.polynomial.chebyshev.chebgauss(count)
    return x, w / w.sum()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [1, 2, 13, 40])
def test_features_are_orthonormal(family, d):
    x, w = quadrature(family, d + 1)
    values = family(d)(x)
    np.testing.assert_allclose(values.T @ (w[:, None] * values), np.eye(d), rtol=0, atol=1e-12)
    np.testing.assert_allclose(family(d).leverage(x), np.sum(values**2, axis=1), rtol=1e-13)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [1, 2, 9, 30])
def test_quantiles_invert_the_mass_of_the_leverage(family, d):
    features = family(d)
    u = np.asarray([1e-6, 0.01, 0.2, 0.5, 0.77, 0.999])
    points = features.quantile(u)
    assert np.all(np.diff(points) > 0)
    assert features.quantile(np.asarray([0.5]))[0] == pytest.approx(0.0, abs=1e-12)
    low = -1.0 if family is not lr.Hermite else -2 * math.sqrt(d) - 10
    for point, mass in zip(points, u, strict=True):
        assert mass_below(family, features, low, point) / d == pytest.approx(mass, abs=1e-10)


def mass_below(family, features, low, point):
    """∫ leverage dμ from `low` to `point` by Gauss-Legendre panels, in the angle for the arcsine measure."""
    x, w = np.polynomial.legendre.leggauss(40)
    if family is lr.Chebyshev:
        low, point = 0.0, math.acos(-point)
    edges = np.linspace(low, point, 61)
    nodes = (edges[:-1, None] + edges[1:, None]) / 2 + x * (edges[1:, None] - edges[:-1, None]) / 2
    weights = w * (edges[1:, None] - edges[:-1, None]) / 2
    density = {
        lr.Legendre: lambda t: 0.5 * features.leverage(t),
        lr.Hermite: lambda t: np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi) * features.leverage(t),
        lr.Chebyshev: lambda t: features.leverage(-np.cos(t)) / math.pi,
    }[family]
    return float(np.sum(weights.ravel() * density(nodes.ravel())))


def test_features_of_any_library(backend):
    x = np.linspace(-0.9, 0.8, 7)
    for family in FAMILIES:
        values = family(6)(backend.asarray(x))
        assert backend.holds(values)
        eps = 2.0**-23 if backend.nearest("float64") == "float32" else 2.0**-52
        np.testing.assert_allclose(backend.to_numpy(values), family(6)(x), rtol=0, atol=200 * eps)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_functions_of_the_span_are_recovered(family, method):
    features = family(8)
    exact = np.linspace(1.0, -1.0, 8)
    calls = []

    def f(x):
        calls.append(x.shape)
        return features(x) @ exact

    coefficients, points, weights = lr.weighted_lstsq(features, f, 19, method=method, rng=1)
    assert calls == [(19,)]
    assert points.shape == weights.shape == (19,)
    np.testing.assert_allclose(coefficients, exact, rtol=0, atol=1e-12)
    np.testing.assert_allclose(weights, np.sqrt(8 / features.leverage(points)), rtol=1e-12)


def test_several_functions_at_once():
    features = lr.Legendre(5)
    r = lr.weighted_lstsq(features, lambda x: np.stack([x, x**2, np.exp(1j * x)], axis=1), 12, rng=2)
    assert r.coefficients.shape == (5, 3)
    np.testing.assert_allclose(r.coefficients[:, 0], [0, 1 / math.sqrt(3), 0, 0, 0], rtol=0, atol=1e-13)
    single = lr.weighted_lstsq(features, lambda x: np.exp(1j * x), 12, rng=2)
    np.testing.assert_allclose(single.coefficients, r.coefficients[:, 2], rtol=0, atol=1e-14)


def test_the_solution_is_that_of_the_weighted_problem():
    features = lr.Hermite(4)
    r = lr.weighted_lstsq(features, np.cos, 11, rng=3)
    rows = r.weights[:, None] * features(r.points)
    np.testing.assert_allclose(r.coefficients, np.linalg.lstsq(rows, r.weights * np.cos(r.points))[0], atol=1e-13)
    least = np.linalg.eigvalsh(rows.T @ rows / 11)[0]
    assert r.info.smallest_eigenvalue == pytest.approx(least, rel=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_a_matrix_gives_the_same_answer_on_every_backend(backend, dtype):
    A = np.random.default_rng(0).standard_normal((60, 4)).astype(dtype)
    b = np.sin(np.arange(60.0)).astype(np.zeros(1, dtype).real.dtype)
    given, values = backend.asarray(A), backend.asarray(b)
    r = lr.weighted_lstsq(given, lambda rows: backend.xp.take(values, rows, axis=0), 15, rng=4)
    assert backend.holds(r.coefficients)
    assert backend.holds(r.points)
    expected = lr.weighted_lstsq(A, lambda rows: b[rows], 15, rng=4)
    np.testing.assert_array_equal(backend.to_numpy(r.points), expected.points)
    single = "32" in backend.nearest("float64") or dtype == "float32"
    np.testing.assert_allclose(
        backend.to_numpy(r.coefficients), expected.coefficients, rtol=0, atol=1e-4 if single else 1e-12
    )


def test_complex_values_on_real_features_keep_their_imaginary_part(backend):
    if not any(name.startswith("complex") for name in backend.dtypes):
        pytest.skip("the device has no complex numbers")
    real = "float64" if "float64" in backend.dtypes else "float32"
    features = random_array((60, 4), real, 7) * 5.0
    exact = np.asarray([1.0, -2.0j, 3.0 + 1.0j, 0.5j]).astype("complex64" if real == "float32" else "complex128")
    values = backend.asarray(features @ exact)
    result = lr.weighted_lstsq(
        backend.asarray(features.astype(real)), lambda rows: be.namespace(values).take(values, rows, axis=0), 9, rng=0
    )
    assert np.max(np.abs(backend.to_numpy(result.coefficients) - exact)) <= 1e3 * np.finfo(real).eps


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_a_badly_scaled_matrix_is_solved_in_its_orthonormal_basis(scale):
    sizes = np.geomspace(1.0, 1e12, 8) * scale
    plain = np.vander(np.linspace(0.1, 1.0, 200), 8)
    r = lr.weighted_lstsq(plain * sizes, lambda rows: plain[rows] @ np.ones(8), 20, rng=5)
    np.testing.assert_allclose(r.coefficients * sizes, 1.0, rtol=0, atol=1e-7)


def test_the_mean_over_all_volume_rescaled_designs_is_the_least_squares_solution():
    generator = np.random.default_rng(6)
    A, b = generator.standard_normal((5, 2)), generator.standard_normal(5)
    Q = np.linalg.qr(A)[0]
    leverages = np.sum(Q**2, axis=1)
    mean, total = 0.0, 0.0
    for s in product(range(5), repeat=3):
        rows = list(s)
        gram = sum(2 / leverages[i] * np.outer(Q[i], Q[i]) for i in rows) / 3
        p = np.prod(leverages[rows] / 2) * np.linalg.det(gram) / (1 - 1 / 3)
        c = np.sqrt(2 / leverages[rows])
        total += p
        mean = mean + p * np.linalg.lstsq(c[:, None] * A[rows], c * b[rows], rcond=1e-13)[0]
    assert abs(total - 1.0) < 1e-12
    np.testing.assert_allclose(mean, np.linalg.lstsq(A, b)[0], rtol=0, atol=1e-12)


def test_conditioning_ranks_the_designs_as_the_theory_does():
    proposals, key = PointProposals(lr.Legendre(10)), be.Key(7)
    least = {}
    for name in ("independent", "volume_rescaled", "repeated"):
        places = getattr(designs, name)(proposals, 30, key, range(300))
        least[name] = np.asarray([smallest_eigenvalue(proposals, row) for row in places])
    median = {name: float(np.median(values)) for name, values in least.items()}
    # medians of the method notes, .238 / .318 / .508, within four standard errors of a median of 300
    for name, expected in {"independent": 0.238, "volume_rescaled": 0.318, "repeated": 0.508}.items():
        error = 1.2533 * least[name].std() / math.sqrt(300)
        assert abs(median[name] - expected) <= 4 * math.sqrt(2) * error
    assert np.mean(least["repeated"] > 0.5) > 0.4 > 0.15 > np.mean(least["volume_rescaled"] > 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("d", "size", "medians", "shares"),
    [(10, 30, (0.238, 0.318, 0.508), (0.02, 0.06, 0.52)), (20, 80, (0.228, 0.291, 0.492), None)],
)
def test_three_thousand_designs_have_the_conditioning_of_the_theory(d, size, medians, shares):
    proposals = PointProposals(lr.Legendre(d))
    for place, name in enumerate(("independent", "volume_rescaled", "repeated")):
        rows = getattr(designs, name)(proposals, size, be.Key(8), range(3000))
        least = np.asarray([smallest_eigenvalue(proposals, row) for row in rows])
        # the reference is itself that of 300 designs
        error = 1.2533 * least.std() * math.sqrt(1 / 300 + 1 / 3000)
        assert abs(float(np.median(least)) - medians[place]) <= 4 * error
        if shares:
            p = shares[place]
            assert abs(float(np.mean(least > 0.5)) - p) <= 4 * math.sqrt(p * (1 - p) * (1 / 300 + 1 / 3000))


def test_a_conditioned_design_keeps_its_promise():
    for seed in range(10):
        r = lr.weighted_lstsq(lr.Legendre(10), np.exp, 30, method="conditioned", delta=0.5, rng=seed)
        assert r.info.smallest_eigenvalue >= 0.5
        assert r.info.tries >= 1


def test_a_promise_that_cannot_be_kept_is_refused(monkeypatch):
    monkeypatch.setattr(weighted, "_TRIES", 40)
    with pytest.raises(ValueError, match="no design of 10 points"):
        lr.weighted_lstsq(lr.Legendre(10), np.exp, 10, method="conditioned", delta=0.01, rng=0)


def test_a_singular_design_is_reported():
    A = np.zeros((50, 2))
    A[0, 0], A[1:, 1] = 1.0, 1.0
    found = [lr.weighted_lstsq(A, lambda rows: np.ones(rows.shape[0]), 2, method="iid", rng=seed) for seed in range(20)]
    singular = [r for r in found if r.info.rank == 1]
    assert singular
    assert all(not r.info.converged and r.info.smallest_eigenvalue == 0.0 for r in singular)
    assert all(np.all(np.isfinite(r.coefficients)) for r in found)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((lr.Legendre(5), np.exp, 4), ValueError, "size must be at least 5"),
        ((lr.Legendre(5), 3.0, 9), TypeError, "f must be a function"),
        ((lr.Legendre(5), lambda x: x[:3], 9), ValueError, "f must return an array of shape"),
        ((lr.Legendre(5), lambda x: x * np.nan, 9), ValueError, "what f returned holds NaN"),
        (("Legendre", np.exp, 9), TypeError, "a matrix was expected"),
    ],
)
def test_bad_input_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        lr.weighted_lstsq(*arguments, rng=0)


@pytest.mark.parametrize(("option", "error"), [({"method": "leverage"}, ValueError), ({"delta": 1.0}, ValueError)])
def test_bad_options_are_refused(option, error):
    with pytest.raises(error, match="must"):
        lr.weighted_lstsq(lr.Legendre(3), np.exp, 9, **option)


@pytest.mark.parametrize("d", [0, 2.0, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_bad_numbers_of_polynomials_are_refused(family, d):
    with pytest.raises((TypeError, ValueError), match="d must be"):
        family(d)


def test_too_many_hermite_polynomials_are_refused():
    with pytest.raises(ValueError, match="between 1 and 128"):
        lr.Hermite(129)
    assert np.all(np.isfinite(lr.Hermite(128)(lr.Hermite(128).quantile(np.asarray([1e-12, 1.0])))))
