"""Sparse matrices: what is read in place, what is copied, and products large enough for the kernels."""

import numpy as np
import pytest
import scipy.sparse
from strategies import random_array

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import operators as ops
from lowrank_la._backend import csr, threads

LAYOUTS = ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")


def dense(m=30, n=20, dtype="float64", density=0.2, seed=0):
    return random_array((m, n), dtype, seed) * (np.random.default_rng(seed).random((m, n)) < density)


@pytest.fixture
def always_compiled(monkeypatch):
    """Every product by a kernel, however small."""
    monkeypatch.setattr(csr, "_KERNEL_FROM", 1)


def close(got, expected, dtype="float64", factor=300.0):
    scale = np.max(np.abs(expected), initial=1.0)
    return np.max(np.abs(got - expected), initial=0.0) <= factor * be.eps(dtype) * scale


def views(a, layout):
    """The operator and its adjoint, each with its dense matrix."""
    op = lr.as_operator(scipy.sparse.coo_array(a).asformat(layout))
    return (op, a), (op.H, a.conj().T), (op.H.H, a)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(30, 20), (20, 30)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_compiled_products_agree_with_the_matrix(always_compiled, layout, shape, dtype):
    for op, a in views(dense(*shape, dtype=dtype), layout):
        X, Y = random_array((a.shape[1], 11), dtype, 1), random_array((a.shape[0], 11), dtype, 2)
        assert close(op.matmat(X), a @ X, dtype)
        assert close(op.rmatmat(Y), a.conj().T @ Y, dtype)
        assert close(op.normal(X), a.conj().T @ (a @ X), dtype)
        assert op.matmat(X).dtype == op.rmatmat(Y).dtype == op.normal(X).dtype == dtype


@pytest.mark.parametrize("layout", ["csr", "csc"])
@pytest.mark.parametrize("shape", [(30, 20), (20, 30)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_compiled_centred_products_agree_with_the_matrix(always_compiled, layout, shape, dtype):
    for op, a in views(dense(*shape, dtype=dtype), layout):
        centred, C = ops.CentredOperator(op), a - a.mean(axis=0)
        X = random_array((a.shape[1], 11), dtype, 1)
        assert close(op.column_means(), a.mean(axis=0))
        assert close(centred.normal(X), C.conj().T @ (C @ X))
        assert abs(centred.fro_norm() - np.linalg.norm(C)) < 20 * be.eps(dtype) * np.linalg.norm(C)


def test_a_large_mean_costs_the_centred_product_no_digits(always_compiled):
    a = dense(200, 12, density=1.0) + 1e6
    a[::7] = 0
    a[:, 3:] = dense(200, 9)
    centred, C = ops.CentredOperator(lr.as_operator(scipy.sparse.csr_array(a))), a - a.mean(axis=0)
    X = np.eye(12, 9)
    scale = np.linalg.norm(C) * np.linalg.norm(a)
    assert np.max(np.abs(centred.normal(X) - C.T @ (C @ X))) < 100 * be.eps("float64") * scale


def test_a_tiny_variance_on_a_large_mean_survives(always_compiled):
    a = np.full((400, 10), 1e6)
    a += random_array((400, 10), "float64")
    centred, C = ops.CentredOperator(lr.as_operator(scipy.sparse.csr_array(a))), a - a.mean(axis=0)
    assert abs(centred.fro_norm() - np.linalg.norm(C)) < 1e-8 * np.linalg.norm(C)


@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_the_arrays_stay_where_they_are(layout):
    A = scipy.sparse.coo_array(dense()).asformat(layout)
    op = lr.as_operator(A)
    for values in (op._csr.values, op.H._csr.values):
        assert np.shares_memory(values, A.data)
    assert np.shares_memory(op._csr.indices, A.indices)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_duplicates_are_added_up_on_a_copy(layout):
    rows, cols, values = [2, 0, 2, 1], [1, 3, 1, 0], [1.0, 2.0, 3.0, 4.0]
    A = scipy.sparse.coo_array((values, (rows, cols)), shape=(3, 4))
    if layout != "coo":
        A = A.asformat(layout)
        A.data, A.indices = np.repeat(A.data, 2) / 2, np.repeat(A.indices, 2)
        A.indptr = 2 * A.indptr
        A = type(A)((A.data, A.indices, A.indptr), shape=A.shape)
    before = [x.copy() for x in (A.data, *(A.coords if layout == "coo" else (A.indices, A.indptr)))]
    op = lr.as_operator(A)
    assert op.nnz == 3
    assert op.fro_norm() == pytest.approx(np.linalg.norm(A.toarray()), rel=1e-15)
    assert op.largest() == 4
    after = (A.data, *(A.coords if layout == "coo" else (A.indices, A.indptr)))
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))


def test_unsorted_rows_are_read_without_being_sorted():
    A = scipy.sparse.csr_array(
        (np.asarray([1.0, 2.0, 3.0]), np.asarray([2, 0, 1]), np.asarray([0, 2, 3])), shape=(2, 3)
    )
    X = np.eye(3)
    assert close(lr.as_operator(A).matmat(X), np.asarray([[2.0, 0, 1], [0, 3, 0]]))
    assert A.indices.tolist() == [2, 0, 1]
    assert not A.has_sorted_indices


@pytest.mark.parametrize(
    ("given", "computed"), [("int8", "float64"), ("bool", "float64"), ("uint16", "float64"), ("float32", "float32")]
)
def test_narrow_types_are_promoted(given, computed):
    a = (dense() > 0).astype(given)
    op = lr.as_operator(scipy.sparse.csr_array(a))
    assert op.dtype == computed
    assert op.source_dtype == given
    assert close(op.matmat(np.eye(20)), a.astype("float64"))


def test_extended_precision_is_refused_by_name():
    with pytest.raises(TypeError, match=r"longdouble|float128"):
        lr.as_operator(scipy.sparse.csr_array(dense().astype(np.longdouble)))


def test_one_dimensional_sparse_arrays_are_refused():
    with pytest.raises(ValueError, match="two-dimensional"):
        lr.as_operator(scipy.sparse.coo_array(np.ones(4)))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (4, 3)])
def test_matrices_without_entries_have_products(always_compiled, shape):
    for op, a in views(np.zeros(shape), "csr"):
        assert np.array_equal(op.matmat(np.ones((a.shape[1], 9))), np.zeros((a.shape[0], 9)))
        assert np.array_equal(op.normal(np.ones((a.shape[1], 9))), np.zeros((a.shape[1], 9)))
        assert op.fro_norm() == op.largest() == 0


def test_explicit_zeros_are_harmless(always_compiled):
    A = scipy.sparse.csr_array(dense())
    A.data[::3] = 0
    X = random_array((20, 9), "float64")
    assert close(lr.as_operator(A).normal(X), A.toarray().T @ (A.toarray() @ X))


def test_read_only_arrays_are_read(always_compiled):
    A = scipy.sparse.csr_array(dense())
    for part in (A.data, A.indices, A.indptr):
        part.flags.writeable = False
    X = random_array((20, 9), "float64")
    X.flags.writeable = False
    op = lr.as_operator(A)
    assert close(op.matmat(X), A.toarray() @ X)
    assert close(op.normal(X), A.toarray().T @ (A.toarray() @ X))


def test_long_indices_are_read(always_compiled):
    A = scipy.sparse.csr_array(dense())
    A.indices, A.indptr = A.indices.astype("int64"), A.indptr.astype("int64")
    X = random_array((20, 9), "float64")
    assert close(lr.as_operator(A).normal(X), A.toarray().T @ (A.toarray() @ X))


@pytest.mark.parametrize("order", ["F", "strided"])
def test_blocks_of_any_layout_are_multiplied(always_compiled, order):
    A, X = scipy.sparse.csr_array(dense()), random_array((20, 9), "float64")
    given = np.asfortranarray(X) if order == "F" else np.repeat(X, 2, axis=1)[:, ::2]
    assert close(lr.as_operator(A).normal(given), A.toarray().T @ (A.toarray() @ X))


@pytest.mark.parametrize("layout", ["csr", "csc"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_rows_columns_and_diagonal_stay_sparse(layout, dtype):
    for op, a in views(dense(dtype=dtype), layout):
        rows, cols = op.take_rows([3, 1, 3]), op.take_cols([0, 5, 5])
        assert scipy.sparse.issparse(rows)
        assert scipy.sparse.issparse(cols)
        np.testing.assert_array_equal(rows.toarray(), a[[3, 1, 3]])
        np.testing.assert_array_equal(cols.toarray(), a[:, [0, 5, 5]])
        np.testing.assert_array_equal(op.diag(), np.diagonal(a))


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_norms_neither_overflow_nor_underflow(scale):
    a = dense() * scale
    op = lr.as_operator(scipy.sparse.csr_array(a))
    assert op.fro_norm() == pytest.approx(np.linalg.norm(a / scale) * scale, rel=1e-13)
    assert op.largest() == np.max(np.abs(a))


def test_large_products_have_the_same_bits_for_any_number_of_threads(monkeypatch):
    op, X = lr.as_operator(scipy.sparse.csr_array(dense(5000, 300))), random_array((300, 20), "float64")
    found = set()
    for workers in (1, 2, 3):
        monkeypatch.setattr(threads, "worker_count", lambda workers=workers: workers)
        found.add(op.normal(X).tobytes() + op.matmat(X).tobytes() + ops.CentredOperator(op).normal(X).tobytes())
    assert be.kernel_pays(op._csr, 20)
    assert len(found) == 1


def test_cost_counts_the_nonzeros():
    op = lr.as_operator(scipy.sparse.csr_array(dense()))
    assert op.cost.flops == 2 * op.nnz
    assert op.cost.bytes == 12 * op.nnz
    assert not op.cost.dense


class TestTorch:
    """Sparse tensors of torch keep their values, device and type."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
    @pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
    @pytest.mark.parametrize("dtype", ["float32", "complex128"])
    def test_products_agree_with_the_matrix(self, torch, layout, dtype):
        a = dense(dtype=dtype)
        tensor = torch.tensor(a)
        op = lr.as_operator(getattr(tensor, f"to_sparse_{layout}")())
        for one, b in ((op, a), (op.H, a.conj().T)):
            X = random_array((b.shape[1], 4), dtype, 1)
            assert close(one.normal(torch.tensor(X)).numpy(), b.conj().T @ (b @ X), dtype)
            assert close(one.take_rows([2, 0]).to_dense().numpy(), b[[2, 0]], dtype)
            assert close(one.diag().numpy(), np.diagonal(b), dtype)
            assert close(one.column_means().numpy(), b.mean(axis=0), dtype)

    def test_duplicates_are_added_up(self, torch):
        tensor = torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 3), check_invariants=True)
        assert lr.as_operator(tensor).fro_norm() == 3
        assert not tensor.is_coalesced()

    def test_half_precision_is_promoted(self, torch):
        op = lr.as_operator(torch.eye(3, dtype=torch.bfloat16).to_sparse_coo())
        assert op.dtype == torch.float32
        assert op.source_dtype == torch.bfloat16
