"""Products of a tensor with all factors but one."""

import numpy as np
import pytest
from tensors import dense_cases as cases
from threadpoolctl import threadpool_limits

import lowrank_la as lr
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
@pytest.mark.parametrize("shape", [(9, 5, 1), (130, 1100, 7), (131, 515, 4), (77, 40, 19), (3, 9, 24), (65, 8, 70)])
def test_the_kernel_of_sums_over_the_last_axis_is_its_twin_and_tells_the_norm(dtype, shape):
    m, K, rank = shape
    X, columns = _drawn(dtype, (m, K), (rank, K))
    out, turned = np.full((rank, m), np.nan, dtype), np.full((m, rank), np.nan, dtype)
    kernel = _kernels.lookup("contract_last", "numpy")
    squares = [kernel(X, columns, out.reshape(-1), 1, m, *part, True) for part in ((0, m // 2), (m // 2, m))]
    assert kernel(X, columns, turned.reshape(-1), rank, 1, 0, m, False) == 0.0
    np.testing.assert_allclose(out, columns @ X.T, atol=4 * (K * min(K, 512)) ** 0.5 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(turned, out.T)
    assert sum(squares) == pytest.approx(np.sum(X.astype(float) ** 2), rel=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(1, 9, 5, 1), (1, 1103, 1300, 7), (2, 515, 130, 4), (3, 8, 700, 2), (5, 100, 16, 24), (4, 13, 2100, 5)]
)
def test_the_kernel_of_sums_over_an_inner_axis_is_its_twin(dtype, shape):
    left, K, right, rank = shape
    X, columns = _drawn(dtype, (left, K, right), (rank, K))
    out, turned = np.full((left, rank, right), np.nan, dtype), np.full((rank, left, right), np.nan, dtype)
    kernel, half = _kernels.lookup("contract_first", "numpy"), right // 2
    for part in ((0, left, 0, half), (0, left, half, right)):
        kernel(X, columns, out.reshape(-1), rank * right, right, *part)
    kernel(X, columns, turned.reshape(-1), right, left * right, 0, left, 0, right)
    np.testing.assert_allclose(out, columns @ X, atol=4 * (K * min(K, 256)) ** 0.5 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(turned.transpose(1, 0, 2), out)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rank", "measure"), [(5, False), (18, True), (32, True)])
def test_the_last_two_modes_are_summed_over_in_one_read(dtype, rank, measure):
    X, inner, last = _drawn(dtype, (70, 90, 110), (11, 90), (rank, 110))
    found, square = be.contract_last_modes(X, [inner, last], measure=measure)
    scale = (90 * 110) ** 0.5 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, np.einsum("ljk,rj,sk->lrs", X, inner, last, optimize=True), atol=40 * scale)
    assert (square is None) is not measure
    if measure:
        assert square == pytest.approx(np.sum(X.astype(float) ** 2), rel=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize(
    "shape", [(1, 60, 60, 3000), (3, 31, 8, 7000), (2, 40, 700, 600), (5, 9, 8, 7), (1, 300, 60, 37)]
)
def test_two_neighbouring_modes_are_summed_over_in_one_read(dtype, shape):
    _, J, K, _ = shape
    X, first, second = _drawn(dtype, shape, (13, J), (16, K))
    X.flags.writeable = False
    found = be.contract_first_modes(X, [first, second])
    scale = (J * K) ** 0.5 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, np.einsum("ljkq,rj,sk->lrsq", X, first, second, optimize=True), atol=40 * scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [5, 16, 40])
def test_the_kernel_of_two_inner_sums_fills_its_columns_and_no_others(dtype, width):
    X, first, second = _drawn(dtype, (2, 30, 11, 90), (5, 30), (3, 11))
    out = np.full((2, 5, 3, 90), np.nan, dtype)
    _kernels.lookup("contract_first_both", "numpy")(X, first, second, out, 20, 20 + width)
    expected = np.einsum("ljkq,rj,sk->lrsq", X, first, second, optimize=True)
    scale = 330**0.5 * np.finfo(dtype).eps
    np.testing.assert_allclose(out[..., 20 : 20 + width], expected[..., 20 : 20 + width], atol=40 * scale)
    assert np.isnan(out[..., :20]).all()
    assert np.isnan(out[..., 20 + width :]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("sides", [(900, 1), (1, 900), (30, 30), (3, 300)])
def test_a_mode_is_summed_over_wherever_it_stands(dtype, sides):
    left, right = sides
    X, columns = _drawn(dtype, (left, 150, right), (21, 150))
    X.flags.writeable = False
    found = be.contract_mode(X, columns)
    assert found.shape == (left, 21, right)
    np.testing.assert_allclose(found, columns @ X, atol=20 * 150**0.5 * np.finfo(dtype).eps)


def test_products_are_the_same_bits_for_any_number_of_threads():
    X, columns, last = _drawn("float64", (40, 200, 90), (17, 200), (17, 90))
    Y, *pair = _drawn("float64", (1, 60, 60, 3000), (13, 60), (16, 60))

    def products():
        both, square = be.contract_last_modes(X.reshape(-1, 90), [last], measure=True)
        return be.contract_mode(X, columns), both, square, be.contract_first_modes(Y, pair)

    with threadpool_limits(1):
        alone = products()
    for found, expected in zip(products(), alone, strict=True):
        np.testing.assert_array_equal(found, expected)


def _drawn(dtype, *shapes):
    generator = np.random.default_rng(0)
    drawn = [generator.standard_normal(shape) for shape in shapes]
    return [(x + 1j * generator.standard_normal(x.shape) if dtype.startswith("c") else x).astype(dtype) for x in drawn]


@pytest.mark.parametrize("sides", [(300, 1), (1, 300), (20, 15)])
@pytest.mark.parametrize("rank", [11, 21])
def test_products_that_are_dealt_out_are_those_of_one_product(sides, rank):
    left, right = sides
    generator = np.random.default_rng(0)
    X, columns = generator.standard_normal((left, 900, right)), generator.standard_normal((rank, 900))
    found = be.contract_modes(X, left, right, columns)
    expected = np.einsum("lkq,rk->rlq", X, columns).reshape(rank, -1)
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


@pytest.mark.parametrize("shape", [(17, 16, 18), (9, 8, 10, 7), (5, 6, 4, 7, 6), (70, 80)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_entries_in_fortran_order_are_read_as_they_are(shape, dtype):
    X = np.asfortranarray(cases.tensor(shape, 3, 0.1, dtype))
    tensor, plain = as_tensor(X, backwards=True), as_tensor(np.ascontiguousarray(X))
    assert np.shares_memory(tensor.array, X)
    assert (tensor.shape, tensor.dtype, tensor.norm) == (plain.shape, plain.dtype, pytest.approx(plain.norm))
    factors, weights = cases.factors_of(shape, 4, dtype), np.arange(1.0, 5.0)
    for (k, ours), (_, theirs) in zip(tensor.mttkrps(factors), plain.mttkrps(factors), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10 * np.abs(theirs).max())
        np.testing.assert_allclose(tensor.unfolding_gram(k), plain.unfolding_gram(k), atol=1e-10 * plain.norm**2)
    assert tensor.residual(weights, factors)[0] == pytest.approx(plain.residual_norm(weights, factors))
    source = source_of(tensor)
    for _ in range(3):
        for k in range(len(shape)):
            expected = cases.mttkrp(X, factors, k)
            np.testing.assert_allclose(source.product(k, factors), expected, atol=1e-10 * np.abs(expected).max())
            factors[k] = factors[k] * 1.5
    assert source.products <= (5 if len(shape) == 3 else 6)


@pytest.mark.parametrize("method", ["als", "gauss_newton"])
def test_memory_order_does_not_change_a_decomposition(method):
    X = cases.tensor((18, 17, 16), 3, 0.1)
    one, other = (lr.cp(A, 3, rng=0, tol=1e-9, method=method) for A in (X, np.asfortranarray(X)))
    np.testing.assert_allclose(one.info.errors, other.info.errors, rtol=1e-10)
    np.testing.assert_allclose(one.full(), other.full(), atol=1e-9 * np.abs(X).max())
    with pytest.raises(ValueError, match=r"first at \(3, 1, 2\)"):
        lr.cp(np.asfortranarray(np.where(np.arange(X.size).reshape(X.shape) == 3 * 17 * 16 + 16 + 2, np.nan, X)), 3)
