"""Sparse tensors: what they hold, and their products beside those of the dense tensor."""

import numpy as np
import pytest
import scipy.sparse as sp
from tensors import sparse_cases as cases

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la._backend import fibres
from lowrank_la.tensors import sparse_tensor
from lowrank_la.tensors.fibre_source import FibreSource
from lowrank_la.tensors.sparse_tensor import SparseTensor, as_sparse_tensor


def close(found, expected, dtype, size):
    np.testing.assert_allclose(be.to_numpy(found), expected, rtol=0, atol=200 * be.eps(np.dtype(dtype)) * size)


@pytest.fixture(params=["compiled", "portable"])
def form(request, monkeypatch):
    monkeypatch.setattr(fibres, "_KERNEL_FROM", 0 if request.param == "compiled" else 1 << 60)
    return request.param


def test_duplicates_are_summed_and_places_sorted():
    coords, values, dense = cases.entries((4, 3, 2))
    tensor = SparseTensor(coords, values, (4, 3, 2))
    assert (np.diff(np.ravel_multi_index(tensor.coords.T, tensor.shape)) > 0).all()
    found = np.zeros(tensor.shape)
    found[tuple(tensor.coords.T)] = tensor.values
    close(found, dense, "float64", 10)
    assert tensor.norm == pytest.approx(np.linalg.norm(dense))


@pytest.mark.parametrize("rank", [1, 3, 16, 21])
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
@pytest.mark.parametrize("shape", cases.SHAPES)
def test_products_equal_those_of_the_dense_tensor(shape, dtype, rank, form):
    X, dense = cases.coo(shape, dtype)
    tensor, factors = as_sparse_tensor(X), cases.factors_of(shape, rank, dtype)
    size = np.linalg.norm(dense) * max(1.0, rank) ** 0.5 * 20
    for k in range(len(shape)):
        close(tensor.mttkrp(factors, k), cases.mttkrp(dense, factors, k), dtype, size)
    weights = np.linspace(1.0, 2.0, rank).astype(np.dtype(dtype).type(0).real.dtype)
    full = cases.model(weights, factors)
    close(tensor.entries(weights, factors), full[tuple(tensor.coords.T)], dtype, np.abs(full).max())
    close(tensor.residual_norm(weights, factors), np.linalg.norm(dense - full), dtype, np.linalg.norm(full))
    inner = np.vdot(dense, full).real
    close(tensor.inner(weights, factors), inner, dtype, np.linalg.norm(full) * np.linalg.norm(dense))


@pytest.mark.parametrize("full", [0, 1 << 60])
@pytest.mark.parametrize("shape", cases.SHAPES)
def test_unfoldings_have_the_gram_matrices_of_the_dense_tensor(shape, full, backend, monkeypatch):
    monkeypatch.setattr(sparse_tensor, "_FULL", full)
    coords, values, dense = cases.entries(shape, "float32")
    tensor = SparseTensor(coords, backend.asarray(values), shape)
    for k in range(len(shape)):
        unfolded = np.moveaxis(dense, k, 0).reshape(shape[k], -1)
        close(tensor.unfolding_gram(k), unfolded @ unfolded.T, "float32", 100)


def test_a_filled_tensor_is_the_dense_one(backend):
    coords, values, dense = cases.entries((6, 5, 4), "float32")
    tensor = SparseTensor(coords, backend.asarray(values), (6, 5, 4))
    np.testing.assert_array_equal(be.to_numpy(tensor.filled()), dense.astype("float32"))
    other = SparseTensor.where(dense != 0, backend.asarray(dense[dense != 0].astype("float32")))
    np.testing.assert_array_equal(be.to_numpy(other.with_values(2 * other.values).filled()), 2 * dense)


def test_columns_are_told_apart_where_their_number_is_beyond_integers():
    shape, last = (4, *(2**13,) * 5), 2**13 - 1
    coords = np.array([[0, 0, 5, 7, 1, 1], [1, 0, 5, 7, 1, 1], [2, 1, 5, 7, 1, 1], [3, 0, 0, last, 0, last]])
    tensor = SparseTensor(coords, np.arange(1.0, 5.0), shape)
    expected = np.diag([1.0, 4.0, 9.0, 16.0])
    expected[0, 1] = expected[1, 0] = 2.0
    np.testing.assert_array_equal(tensor.unfolding_gram(0), expected)


def test_all_backends_agree(backend):
    shape = (6, 5, 4)
    coords, values, dense = cases.entries(shape)
    dtype = backend.nearest("float64")
    tensor = SparseTensor(coords, backend.asarray(values), shape)
    factors = cases.factors_of(shape, 3)
    given = [backend.asarray(factor) for factor in factors]
    for k in range(3):
        product = tensor.mttkrp(given, k)
        assert backend.holds(product)
        close(product, cases.mttkrp(dense, factors, k), dtype, 50)
    weights = backend.asarray(np.ones(3))
    expected = np.linalg.norm(dense - cases.model(np.ones(3), factors))
    close(tensor.residual_norm(weights, given), expected, dtype, 50)


def test_a_sparse_tensor_of_torch_is_read():
    torch = pytest.importorskip("torch")
    coords, values, dense = cases.entries((5, 4, 3))
    given = torch.sparse_coo_tensor(torch.tensor(coords.T), torch.tensor(values), (5, 4, 3), check_invariants=True)
    tensor = as_sparse_tensor(given)
    factors = cases.factors_of((5, 4, 3), 2)
    close(tensor.mttkrp([torch.tensor(f) for f in factors], 1), cases.mttkrp(dense, factors, 1), "float64", 50)


def test_the_generator_takes_over_replaced_factors(form):
    X, dense = cases.coo((6, 5, 4))
    tensor, factors = as_sparse_tensor(X), cases.factors_of((6, 5, 4), 5)
    plain = list(factors)
    for k, product in tensor.mttkrps(factors):
        close(product, cases.mttkrp(dense, plain, k), "float64", 1e3)
        factors[k] = plain[k] = product / 3.0


def test_the_source_takes_over_replaced_factors(form):
    X, dense = cases.coo((6, 5, 4))
    tensor, factors = as_sparse_tensor(X), cases.factors_of((6, 5, 4), 5)
    source = FibreSource(tensor)
    for k in (0, 1, 2, 1, 0):
        product = source.product(k, factors)
        close(product, cases.mttkrp(dense, factors, k), "float64", 1e4)
        factors[k] = product / 3.0


def test_large_sorts_and_products_run_compiled_and_equal_the_twins():
    shape, generator = (300, 40, 500), np.random.default_rng(0)
    coords = np.stack([generator.integers(0, n, 30_000) for n in shape], axis=1)
    tensor = SparseTensor(coords, generator.standard_normal(30_000), shape)
    linear = np.unique(np.ravel_multi_index(coords.T, shape))
    np.testing.assert_array_equal(np.ravel_multi_index(tensor.coords.T, shape), linear)
    factors = cases.factors_of(shape, 10)
    assert tensor.is_compiled(10)
    for k in range(3):
        twin = be.products_twin(tensor.places, tensor.values, factors, k, tensor.xp)
        close(tensor.mttkrp(factors, k), twin, "float64", np.abs(twin).max())
    close(tensor.entries(None, factors), be.entries_twin(tensor.places, factors, tensor.xp), "float64", 50)


def test_a_short_mode_at_the_end_leaves_the_longest_fibres():
    X, _ = cases.coo((3, 50, 2), count=200)
    tree = as_sparse_tensor(X).tree(0)
    assert tree.leaf == 1
    assert tree.fibres.shape[0] - 1 == 6


def test_the_number_of_workers_does_not_change_a_bit(monkeypatch):
    shape, generator = (200, 300, 100), np.random.default_rng(0)
    coords = np.stack([generator.integers(0, n, 20_000) for n in shape], axis=1)
    tensor, factors = SparseTensor(coords, generator.standard_normal(20_000), shape), cases.factors_of(shape, 16)
    one = tensor.mttkrp(factors, 1)
    monkeypatch.setattr(fibres, "map_blocks", lambda run, blocks: [run(block) for block in reversed(list(blocks))])
    np.testing.assert_array_equal(one, tensor.mttkrp(factors, 1))


def test_a_tensor_too_large_to_be_formed_has_its_residual_from_the_stored_entries():
    shape = (1000, 1000, 1000)
    generator = np.random.default_rng(0)
    coords = np.unique(generator.integers(0, 30, (500, 3)), axis=0)
    values = generator.standard_normal(coords.shape[0])
    factors = [np.zeros((1000, 3)) for _ in shape]
    for factor in factors:
        factor[:30] = generator.standard_normal((30, 3))
    dense = np.zeros((30, 30, 30))
    dense[tuple(coords.T)] = values
    expected = np.linalg.norm(dense - cases.model(np.ones(3), [factor[:30] for factor in factors]))
    tensor = SparseTensor(coords, values, shape)
    assert tensor.residual_norm(np.ones(3), factors) == pytest.approx(expected, rel=1e-10)


def test_a_residual_below_the_resolution_is_a_bound():
    shape = (1 << 10, 1 << 10, 1 << 10)
    factors = [np.zeros((1 << 10, 1)) for _ in shape]
    for factor in factors:
        factor[:4] = 0.5
    coords = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    tensor = SparseTensor(coords, np.full(64, 0.125), shape)
    assert 0.0 < tensor.residual_norm(np.ones(1), factors) < 1e-7


def test_an_empty_tensor_has_zero_products(form):
    tensor = SparseTensor(np.zeros((0, 3), int), np.zeros(0), (3, 4, 5))
    assert tensor.norm == 0.0
    assert not tensor.mttkrp(cases.factors_of((3, 4, 5), 2), 1).any()


def test_integers_and_half_precision_are_promoted():
    assert as_sparse_tensor(sp.coo_array(np.eye(3, dtype=np.int8))).values.dtype == np.float64
    coords = np.zeros((1, 3), int)
    assert SparseTensor(coords, np.ones(1, np.float16), (2, 2, 2)).values.dtype == np.float32


def test_the_input_is_left_alone():
    coords, values, _ = cases.entries((5, 4, 3))
    before = coords.copy(), values.copy()
    coords.flags.writeable = values.flags.writeable = False
    tensor = SparseTensor(coords, values, (5, 4, 3))
    tensor.mttkrp(cases.factors_of((5, 4, 3), 2), 0)
    np.testing.assert_array_equal(coords, before[0])
    np.testing.assert_array_equal(values, before[1])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (sp.coo_array(np.array([[1.0, np.nan]])), "NaN or infinite"),
        (sp.coo_array((3, 0)), "length zero"),
    ],
)
def test_sparse_tensors_without_sense_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        lr.cp(X, 1)


@pytest.mark.parametrize(
    ("coords", "error", "message"),
    [
        (np.array([[0, 3]]), ValueError, "places outside"),
        (np.array([[0, -1]]), ValueError, "places outside"),
        (np.array([[0, 1, 2]]), ValueError, "one column for each"),
        (np.array([[0.0, 1.0]]), TypeError, "must be integers"),
    ],
)
def test_coordinates_without_sense_are_refused(coords, error, message):
    with pytest.raises(error, match=message):
        SparseTensor(coords, np.ones(1), (3, 3))
