"""Sampled CP: the law of the sampler, and the fits that come out."""

import numpy as np
import pytest
from tensors import dense_cases as cases

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.tensors import cp_sampled
from lowrank_la.tensors.krp_sampler import RowTree, draw_rows, pick

SHAPE, RANK = (5, 4, 3), 3


def leverage(factors):
    """Leverage scores of the Khatri-Rao product of two factors, as a matrix of probabilities."""
    rows = np.einsum("ir,jr->ijr", *factors)
    Q = np.linalg.qr(rows.reshape(-1, RANK))[0]
    return (np.linalg.norm(Q, axis=1) ** 2 / RANK).reshape(rows.shape[:2])


def counted(factors, skip, count, key):
    grams, trees = [factor.T @ factor for factor in factors], [RowTree(factor, 2) for factor in factors]
    indices, rows, probability = draw_rows(trees, factors, grams, skip, count, be.resolve_rng(key))
    return [index for index in indices if index is not None], rows, probability


def collinear_factors():
    """Factors whose product law is far from the joint one."""
    factors = cases.factors_of(SHAPE, RANK)
    return [factor + 2.0 * factor[:, :1] for factor in factors]


def distance(indices, law):
    """χ² of the draws for `law` over its degrees of freedom."""
    counts = np.zeros(law.shape)
    np.add.at(counts, tuple(indices), 1.0)
    expected = law * counts.sum()
    return ((counts - expected) ** 2 / expected).sum() / (law.size - 1)


@pytest.mark.parametrize("skip", [0, 1, 2])
def test_draws_have_the_law_of_leverage_scores(skip):
    factors = collinear_factors()
    indices, rows, probability = counted(factors, skip, 40_000, 1)
    others = [factor for j, factor in enumerate(factors) if j != skip]
    law = leverage(others)
    assert distance(indices, law) < 2.0
    np.testing.assert_allclose(probability, law[tuple(indices)], rtol=1e-9)
    np.testing.assert_allclose(rows, others[0][indices[0]] * others[1][indices[1]], rtol=1e-14)


def test_the_product_of_the_laws_of_the_modes_would_be_told_apart():
    factors = collinear_factors()
    indices, _, _ = counted(factors, 0, 40_000, 1)
    single = [np.linalg.norm(np.linalg.qr(factor)[0], axis=1) ** 2 / RANK for factor in factors[1:]]
    assert distance(indices, np.outer(*single)) > 10.0


@pytest.mark.parametrize(("flat", "depth"), [(0, 4), (1000, 0)])
def test_rows_are_drawn_by_their_squares_with_and_without_a_tree(flat, depth):
    A, g = np.random.default_rng(0).standard_normal((100, 2)), np.array([1.0, -0.5])
    tree, count = RowTree(A, flat), 40_000
    assert tree.depth == depth
    uniforms = be.uniform(be.resolve_rng(3), slice(0, count), slice(0, tree.draws))
    law = (A @ g) ** 2
    assert distance([tree.draw(np.tile(g, (count, 1)), uniforms)], law / law.sum()) < 1.5


def test_rows_without_mass_are_never_drawn():
    masses = np.tile([0.0, 1.0, 0.0, 2.0, 0.0], (1000, 1))
    uniforms = be.uniform(be.resolve_rng(0), slice(0, 1000), slice(0, 1))[:, 0]
    assert set(pick(masses, uniforms).tolist()) == {1, 3}


def test_the_sampled_gram_matrix_is_unbiased():
    factors = collinear_factors()
    _, rows, probability = counted(factors, 1, 60_000, 5)
    found = (rows / probability[:, None]).T @ rows / rows.shape[0]
    expected = (factors[0].T @ factors[0]) * (factors[2].T @ factors[2])
    whitened = np.linalg.inv(np.linalg.cholesky(expected))
    np.testing.assert_allclose(whitened @ found @ whitened.T, np.eye(RANK), atol=0.05)


@pytest.mark.parametrize("method", ["leverage", "random"])
def test_an_exact_tensor_is_met_to_rounding(method, backend):
    X = cases.tensor((14, 12, 10), 3)
    result = lr.cp(backend.asarray(X), 3, method=method, rng=0)
    assert backend.holds(result.weights)
    single = backend.nearest("float64") == "float32"
    assert result.info.error <= (1e-4 if single else 1e-9)
    assert result.info.converged


@pytest.mark.parametrize("method", ["leverage", "random"])
@pytest.mark.parametrize("shape", [(30, 25, 20), (12, 11, 10, 9)])
def test_a_noisy_tensor_is_fitted_almost_as_well_as_by_all_entries(method, shape):
    X = cases.tensor(shape, 3, 0.1)
    best = lr.cp(X, 3, rng=0).info.error
    result = lr.cp(X, 3, method=method, rng=0)
    assert result.info.error <= 1.005 * best
    assert cases.relative_error(X, result) == pytest.approx(result.info.error, rel=1e-10)


@pytest.mark.parametrize("k", range(4))
def test_fibres_are_those_of_the_tensor(k):
    shape = (3, 4, 5, 2)
    X, generator = np.arange(120.0).reshape(shape), np.random.default_rng(0)
    indices = [None if j == k else generator.integers(0, n, 17) for j, n in enumerate(shape)]
    from lowrank_la.tensors.tensor import as_tensor

    found = cp_sampled._fibres(as_tensor(X), k, indices)
    moved = np.moveaxis(X, k, -1)
    np.testing.assert_array_equal(found, moved[tuple(index for index in indices if index is not None)])


def test_a_seed_reproduces_sampled_fits():
    X = cases.tensor((10, 9, 8), 2, 0.1)
    one, two = (lr.cp(X, 2, method="leverage", rng=4) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)
