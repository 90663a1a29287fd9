"""sparse_wht on functions that people have: polynomials, graph cuts, landscapes, boosted trees."""

import itertools
import math

import numpy as np
import pytest

import lowrank_la as lr


def random_bits(n, count=200, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (count, n), dtype=np.uint8)


def test_a_polynomial_of_degree_two_is_recovered():
    n, generator = 50, np.random.default_rng(0)
    J = np.where(generator.random((n, n)) < 0.1, generator.standard_normal((n, n)), 0.0)

    def energy(bits):
        spins = 1.0 - 2.0 * bits
        return np.sum(spins @ J * spins, axis=1)

    result = lr.sparse_wht(energy, n, degree=2, rng=0)
    assert result.info.certificate
    couplings = np.triu(J + J.T, 1)
    assert result.coefficients.size == np.count_nonzero(couplings) + 1
    for row, value in zip(result.indices, result.coefficients, strict=True):
        expected = couplings[tuple(np.flatnonzero(row))] if row.any() else np.trace(J)
        assert value == pytest.approx(expected, abs=1e-11)


def test_a_graph_is_read_off_its_cut_function():
    nodes, generator = 60, np.random.default_rng(1)
    edges = generator.permutation(list(itertools.combinations(range(nodes), 2)))[:150]
    weights = generator.random(150) + 0.5

    def cut(bits):
        return (bits[:, edges[:, 0]] != bits[:, edges[:, 1]]) @ weights

    result = lr.sparse_wht(cut, nodes, 151, rng=0)
    assert result.info.certificate
    assert result.info.samples <= 3.6 * 151 * (nodes + 3)
    found = {tuple(np.flatnonzero(row)): value for row, value in zip(*result, strict=True)}
    assert found.pop(()) == pytest.approx(0.5 * weights.sum())
    assert set(found) == {tuple(edge) for edge in edges.tolist()}
    for edge, weight in zip(edges.tolist(), weights, strict=True):
        assert found[tuple(edge)] == pytest.approx(-0.5 * weight, abs=1e-12)


def test_a_landscape_of_interacting_sites_is_recovered():
    n, k, generator = 30, 3, np.random.default_rng(2)
    tables = generator.random((n, 2 ** (k + 1)))
    neighbours = np.asarray([[i, *generator.choice(np.delete(np.arange(n), i), k, replace=False)] for i in range(n)])

    def fitness(bits):
        return sum(tables[i, bits[:, neighbours[i]] @ (1 << np.arange(k + 1))] for i in range(n)) / n

    result = lr.sparse_wht(fitness, n, rng=0)
    assert result.info.certificate
    bits = random_bits(n)
    np.testing.assert_allclose(result(bits), fitness(bits), rtol=0, atol=1e-11)
    subsets = {
        tuple(sorted(part))
        for row in neighbours.tolist()
        for size in range(k + 2)
        for part in itertools.combinations(row, size)
    }
    assert {tuple(np.flatnonzero(row).tolist()) for row in result.indices} <= subsets


def shapley(indices, coefficients):
    """Shapley values of the players: those of a character of odd size are shared by its players."""
    sizes = indices.sum(axis=1)
    odd = sizes % 2 == 1
    return -2.0 * (coefficients[odd] / sizes[odd]) @ indices[odd]


def test_boosted_trees_and_their_shapley_values_are_recovered():
    ensemble = pytest.importorskip("sklearn.ensemble")
    n, generator = 12, np.random.default_rng(3)
    X = generator.integers(0, 2, (300, n))
    y = X[:, 0] * X[:, 1] - 2.0 * X[:, 2] + 0.1 * generator.standard_normal(300)
    model = ensemble.GradientBoostingRegressor(n_estimators=8, max_depth=2, random_state=0).fit(X, y)
    result = lr.sparse_wht(model.predict, n, method="peeling", rng=0)
    assert result.info.certificate
    bits = random_bits(n)
    np.testing.assert_allclose(result(bits), model.predict(bits), rtol=0, atol=1e-11)
    np.testing.assert_allclose(shapley(*result), enumerated_shapley(model.predict, n), rtol=0, atol=1e-10)


def enumerated_shapley(f, n):
    """Shapley values of the game that `f` is, from all coalitions."""
    bits = np.asarray(list(itertools.product((0, 1), repeat=n)), np.uint8)
    values, sizes = f(bits), bits.sum(axis=1)
    shares = np.asarray(
        [math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) if s < n else 0.0 for s in sizes]
    )
    out = np.zeros(n)
    for i in range(n):
        without = np.flatnonzero(bits[:, i] == 0)
        out[i] = shares[without] @ (values[without + (1 << (n - 1 - i))] - values[without])
    return out
