"""Products of a tensor with all factors but one."""

import numpy as np
import pytest
from tensors import dense_cases as cases

from lowrank_la import _backend as be
from lowrank_la import _kernels
from lowrank_la.tensors.dimension_tree import DimensionTree, Unfoldings, source_of
from lowrank_la.tensors.tensor import as_tensor


@pytest.mark.parametrize("shape", cases.SHAPES)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("rank", [1, 7])
def test_the_products_of_every_mode_are_those_of_einsum(shape, dtype, rank):
    X = cases.numbers(np.random.default_rng(0), shape, dtype)
    factors, tensor = cases.factors_of(shape, rank, dtype), as_tensor(X)
    for k, B in tensor.mttkrps(list(factors)):
        expected = cases.mttkrp(X, factors, k)
        size = 1e-14 * abs(expected).max()
        np.testing.assert_allclose(B, expected, atol=20 * size)
        np.testing.assert_allclose(tensor.mttkrp(factors, k), expected, atol=20 * size)


@pytest.mark.parametrize("shape", cases.SHAPES)
def test_factors_replaced_on_the_way_are_used_from_then_on(shape):
    X = cases.numbers(np.random.default_rng(0), shape)
    current, fresh = cases.factors_of(shape, 3, seed=1), cases.factors_of(shape, 3, seed=2)
    for k, B in as_tensor(X).mttkrps(current):
        np.testing.assert_allclose(B, cases.mttkrp(X, current, k), atol=1e-12)
        current[k] = fresh[k]


@pytest.mark.parametrize("shape", cases.SHAPES)
def test_a_tree_serves_any_order_of_updates(shape):
    X = cases.numbers(np.random.default_rng(0), shape)
    factors, tree = cases.factors_of(shape, 2), DimensionTree(as_tensor(X))
    generator = np.random.default_rng(3)
    for _ in range(30):
        k = int(generator.integers(len(shape)))
        np.testing.assert_allclose(tree.product(k, factors), cases.mttkrp(X, factors, k), atol=1e-12)
        j = int(generator.integers(len(shape)))
        factors[j] = generator.standard_normal(factors[j].shape)


@pytest.mark.parametrize(("order", "products"), [(3, 9), (4, 12), (5, 12)])
def test_large_products_are_three_in_two_sweeps_of_three_modes_and_two_a_sweep_beyond(order, products):
    shape = (4,) * order
    tree, factors = DimensionTree(as_tensor(np.ones(shape))), cases.factors_of(shape, 2)
    for _ in range(6):
        for k in range(order):
            product = tree.product(k, factors)
            factors[k] = product / np.linalg.norm(product)
    assert tree.products == products


@pytest.mark.parametrize("shape", cases.SHAPES)
def test_copied_unfoldings_of_small_tensors_give_the_same_products(shape):
    X = cases.numbers(np.random.default_rng(0), shape)
    factors, source = cases.factors_of(shape, 3), source_of(as_tensor(X))
    assert isinstance(source, Unfoldings)
    for k in range(len(shape)):
        np.testing.assert_allclose(source.product(k, factors), cases.mttkrp(X, factors, k), atol=1e-12)


def test_the_products_are_those_of_all_libraries(backend):
    shape = (4, 5, 3, 2)
    X, factors = cases.numbers(np.random.default_rng(0), shape), cases.factors_of(shape, 3)
    eps = 1e-6 if backend.nearest("float64") == "float32" else 1e-14
    for k, B in as_tensor(backend.asarray(X)).mttkrps([backend.asarray(factor) for factor in factors]):
        assert backend.holds(B)
        np.testing.assert_allclose(backend.to_numpy(B), cases.mttkrp(X, factors, k), atol=50 * eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(9, 5, 1), (130, 1100, 7), (131, 515, 4)])
def test_the_kernel_of_dot_products_is_its_twin(dtype, shape):
    m, K, rank = shape
    generator = np.random.default_rng(0)
    X, columns = (generator.standard_normal(s).astype(dtype) for s in ((m, K), (rank, K)))
    out = np.zeros((rank, m), dtype)
    kernel = _kernels.lookup("contract_last", "numpy")
    kernel(X, columns, out, 0, m // 2)
    kernel(X, columns, out, m // 2, m)
    np.testing.assert_allclose(out, columns @ X.T, atol=4 * K**0.5 * 5 * np.finfo(dtype).eps)


@pytest.mark.parametrize("sides", [(300, 1), (1, 300), (20, 15)])
def test_products_that_are_dealt_out_are_those_of_one_product(sides):
    left, right = sides
    generator = np.random.default_rng(0)
    X, columns = generator.standard_normal((left, 900, right)), generator.standard_normal((21, 900))
    found = be.contract_modes(X, left, right, columns)
    expected = np.einsum("lkq,rk->rlq", X, columns).reshape(21, -1)
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_norm_residual_inner_product_and_unfolding_grams_are_exact():
    X = cases.tensor((6, 5, 4, 3), 2, noise=0.3)
    factors, weights, tensor = cases.factors_of(X.shape, 3), np.array([1.0, -2.0, 0.5]), as_tensor(X)
    dense = cases.model(factors, weights)
    assert tensor.norm == pytest.approx(np.linalg.norm(X), rel=1e-14)
    assert tensor.residual_norm(weights, factors) == pytest.approx(np.linalg.norm(X - dense), rel=1e-13)
    assert tensor.inner(weights, factors) == pytest.approx(np.vdot(X, dense), rel=1e-11)
    for k in range(4):
        unfolding = np.moveaxis(X, k, 0).reshape(X.shape[k], -1)
        np.testing.assert_allclose(tensor.unfolding_gram(k), unfolding @ unfolding.T, atol=1e-11)
