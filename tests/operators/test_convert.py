"""What `as_operator` accepts and what it refuses."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

import lowrank_la as lr
from lowrank_la import operators as ops

A = np.arange(6.0).reshape(3, 2)


def test_an_operator_is_its_own_operator():
    op = lr.as_operator(A)
    assert lr.as_operator(op) is op


def test_whatever_knows_its_operator_is_asked_for_it():
    class Knows:
        def __lowrank_operator__(self):
            return ops.DenseOperator(A)

    assert lr.as_operator(Knows()).shape == (3, 2)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(
    "wrap", [list, tuple, np.asarray, np.asmatrix, scipy.sparse.csr_array, scipy.sparse.lil_matrix]
)
def test_lists_arrays_matrices_and_sparse_matrices_are_accepted(wrap):
    op = lr.as_operator(wrap(A.tolist()))
    np.testing.assert_array_equal(op @ np.eye(2), A)
    assert type(op @ np.eye(2)) is np.ndarray


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", ">f4", ">f8", ">c16"])
def test_other_number_types_are_promoted(dtype):
    a = A.astype(dtype)
    op = lr.as_operator(a)
    assert op.dtype in (np.float32, np.float64, np.complex128)
    assert op.source_dtype == a.dtype
    np.testing.assert_array_equal(op @ np.eye(2, dtype=op.dtype), a.astype(op.dtype))


def test_supported_arrays_are_not_copied():
    for a in (A, A[::2], A.T, A.astype("complex64")):
        assert np.shares_memory(lr.as_operator(a).array, a)


@pytest.mark.parametrize("dtype", ["O", "U3", "M8[s]", "longdouble", [("x", "f8")]])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match="can't be worked with"):
        lr.as_operator(np.zeros((2, 2), dtype=dtype))


def test_masked_arrays_are_refused_with_advice():
    with pytest.raises(TypeError, match=r"masked.*fill"):
        lr.as_operator(np.ma.masked_array(A, A > 3))


@pytest.mark.parametrize("bad", [[1.0, 2.0], np.ones(3), np.ones((2, 2, 2)), np.float64(3.0), []])
def test_other_numbers_of_dimensions_are_refused(bad):
    with pytest.raises(ValueError, match="two-dimensional"):
        lr.as_operator(bad)


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match="equal length"):
        lr.as_operator([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("bad", [3.0, None, {"a": 1}, {1.0}, object()])
def test_other_things_are_refused_with_advice(bad):
    with pytest.raises(TypeError, match=r"lowrank_la.operator"):
        lr.as_operator(bad)


HYBRIDS = {
    "a row a place": lambda torch: torch.ones(3, 4).to_sparse(1),
    "a vector a place": lambda torch: torch.ones(3, 4, 5).to_sparse(2),
    "a vector a place, by rows": lambda torch: torch.ones(3, 4, 5).to_sparse_csr(dense_dim=1),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("make", HYBRIDS)
def test_torch_tensors_with_dense_dimensions_inside_sparse_ones_are_refused(make):
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"two sparse and no dense dimensions .* got [12] sparse and 1 dense"):
        lr.as_operator(HYBRIDS[make](torch))


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_sparse_tensors_of_other_dimensions_are_refused(shape):
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="two-dimensional sparse matrix was expected"):
        lr.as_operator(torch.ones(shape).to_sparse())


def test_data_in_blocks_become_block_operators(tmp_path):
    np.save(tmp_path / "a.npy", A)
    dask_array = pytest.importorskip("dask.array")
    kept = np.load(tmp_path / "a.npy", mmap_mode="r")
    for data in (dask_array.from_array(A, chunks=2), kept, str(tmp_path / "a.npy"), [tmp_path / "a.npy"]):
        op = lr.as_operator(data)
        assert isinstance(op, ops.BlockOperator)
        np.testing.assert_array_equal(op @ np.eye(A.shape[1]), A)
    assert np.shares_memory(lr.as_operator(kept).array, kept)
    assert not isinstance(lr.as_operator(np.asarray(kept) + 1), ops.BlockOperator)


def test_paths_of_nothing_readable_are_refused():
    with pytest.raises(ValueError, match=r"npy.*parquet"):
        lr.as_operator("matrix.txt")


def test_a_text_that_names_no_file_is_no_matrix():
    with pytest.raises(TypeError, match=r"a matrix was expected.*no file or folder 'matrix'"):
        lr.as_operator("matrix")


def test_scipy_operators_without_a_dtype_are_asked_for_one():
    class Untyped(scipy.sparse.linalg.LinearOperator):
        def __init__(self, a):
            self.a = a
            super().__init__(None, a.shape)

        def _matmat(self, X):
            return self.a @ X

        def _rmatmat(self, Y):
            return self.a.conj().T @ Y

        def __getattribute__(self, name):
            return None if name == "dtype" else super().__getattribute__(name)

    assert lr.as_operator(Untyped(A)).dtype == np.float64
    assert lr.as_operator(Untyped(A + 1j)).dtype == np.complex128
    assert lr.as_operator(Untyped(A.astype("int32"))).dtype == np.float64


def test_scipy_operators_without_an_adjoint_say_so_when_it_is_needed():
    op = lr.as_operator(scipy.sparse.linalg.LinearOperator((3, 2), matvec=lambda x: A @ x, dtype="float64"))
    np.testing.assert_array_equal(op @ np.ones(2), A.sum(axis=1))
    with pytest.raises(lr.CapabilityError, match="rmatmat"):
        op.rmatmat(np.ones((3, 1)))


def test_scipy_operators_that_return_complex_numbers_undeclared_are_refused():
    op = lr.as_operator(scipy.sparse.linalg.LinearOperator((3, 2), matvec=lambda x: 1j * (A @ x), dtype="float64"))
    with pytest.raises(TypeError, match=r"complex128.*float64"):
        op @ np.ones(2)


def test_integer_scipy_operators_are_promoted():
    op = lr.as_operator(scipy.sparse.linalg.aslinearoperator(np.arange(6).reshape(3, 2)))
    assert (op @ np.eye(2)).dtype == np.float64
