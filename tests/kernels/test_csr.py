"""The compiled CSR products beside their portable twins."""

import os
import threading

import numpy as np
import pytest
import scipy.sparse
from strategies import random_array

from lowrank_la import _backend as be
from lowrank_la import _kernels
from lowrank_la._backend import csr, threads

DTYPES = ("float32", "float64", "complex64", "complex128")
WIDTHS = (8, 9, 16, 25, 32, 33, 50, 70)


def matrix(m=60, n=45, dtype="float64", density=0.15, index="int32", seed=0):
    """A matrix with empty rows and columns, and one full row."""
    generator = np.random.default_rng(seed)
    dense = random_array((m, n), dtype, seed) * (generator.random((m, n)) < density)
    dense[3], dense[:, 7], dense[-2:] = 0, 0, 0
    dense[5] = random_array((n,), dtype, seed + 1)
    found = scipy.sparse.csr_array(dense)
    found.indices, found.indptr = found.indices.astype(index), found.indptr.astype(index)
    return found


@pytest.fixture
def always_compiled(monkeypatch):
    """Every product by a kernel, however small."""
    monkeypatch.setattr(csr, "_KERNEL_FROM", 1)


def close(got, expected, dtype, scale):
    return np.max(np.abs(got - expected)) <= 60 * be.eps(dtype) * scale


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_agree_with_their_twins(always_compiled, dtype, width):
    S = be.to_csr(matrix(dtype=dtype))[0]
    X, Y = random_array((45, width), dtype, 1), random_array((60, width), dtype, 2)
    size = np.linalg.norm(np.abs(S.native.toarray()), 2)
    forward, backward = csr.matmat_twin(S, X), csr.rmatmat_twin(S, Y)
    assert close(be.csr_matmat(S, X), forward, dtype, size * 10)
    assert close(be.csr_rmatmat(S, Y), backward, dtype, size * 10)
    shift = random_array((width,), dtype, 3)
    for given in (None, shift):
        T = forward - (0 if given is None else given)
        Z, sums = be.csr_normal(S, X, given)
        assert Z.dtype == sums.dtype == X.dtype
        assert close(Z, csr.rmatmat_twin(S, T), dtype, size**2 * 10)
        assert close(sums, T.sum(axis=0), dtype, size * 60)


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("widths", [("float32", "float64"), ("complex64", "complex128"), ("float64", "complex128")])
def test_indices_and_mixed_precision(index, widths):
    narrow, wide = widths
    S, X = matrix(dtype=narrow, index=index), random_array((45, 16 // (1 + (wide[0] == "c"))), wide)
    lanes = X.view("float64")
    out = np.zeros((60, X.shape[1]), wide)
    values = S.data.view("float32").reshape(-1, 2) if narrow == "complex64" else S.data
    kernel = _kernels.lookup("csr_matmat", "numpy")
    for first in (0, lanes.shape[1] - 8):
        panel = np.ascontiguousarray(lanes[:, first : first + 8])
        kernel(values, S.indices, S.indptr, panel, out.view("float64"), first, 0, 60)
    assert close(out, S.toarray().astype(wide) @ X, wide, 100)


@pytest.mark.parametrize("width", [8, 16, 32])
@pytest.mark.parametrize("first", [0, 5])
def test_a_kernel_writes_its_rows_and_lanes_alone(width, first):
    S, X, Y = matrix(), random_array((45, width), "float64", 1), random_array((60, 40), "float64", 2)
    arrays, D, lanes = (S.data, S.indices, S.indptr), S.toarray(), slice(first, first + width)

    out, expected = np.full((60, 40), 7.0), np.full((60, 40), 7.0)
    _kernels.lookup("csr_matmat", "numpy")(*arrays, X, out, first, 4, 31)
    expected[4:31, lanes] = D[4:31] @ X
    assert close(out, expected, "float64", 100)

    out = np.ones((45, width))
    _kernels.lookup("csr_rmatmat", "numpy")(*arrays, Y, first, out, 4, 31)
    assert close(out, 1 + D[4:31].T @ Y[4:31, lanes], "float64", 100)

    out, sums, shift = np.ones((45, width)), np.ones((1, width)), random_array((1, width), "float64", 3)
    _kernels.lookup("csr_normal", "numpy")(*arrays, X, shift, out, sums, 4, 31)
    T = D[4:31] @ X - shift
    assert close(out, 1 + D[4:31].T @ T, "float64", 1000)
    assert close(sums, 1 + T.sum(axis=0, keepdims=True), "float64", 1000)


def test_an_empty_range_changes_nothing():
    S, X, out = matrix(), random_array((45, 8), "float64"), np.full((60, 8), 3.0)
    _kernels.lookup("csr_matmat", "numpy")(S.data, S.indices, S.indptr, X, out, 0, 9, 9)
    assert np.all(out == 3)


@pytest.mark.parametrize("widest", [8, 16, 32])
@pytest.mark.parametrize("lanes", range(8, 140, 2))
def test_panels_cover_every_lane_once(widest, lanes):
    panels = csr._panels(lanes, widest)
    assert [lane for panel in panels for lane in range(lanes)[panel.columns]] == list(range(lanes))
    for panel in panels:
        assert panel.width in (8, 16, 32)
        assert panel.width <= widest
        assert 0 <= panel.first <= panel.start < panel.first + panel.width <= lanes


def products(S, X, Y, shift):
    results = be.csr_matmat(S, X), be.csr_rmatmat(S, Y), *be.csr_normal(S, X, shift)
    return b"".join(np.ascontiguousarray(r).tobytes() for r in results)


def large(seed=0):
    """Large enough for several row ranges and accumulators."""
    S = be.to_csr(matrix(4000, 300, density=0.15, seed=seed))[0]
    return (
        S,
        random_array((300, 33), "float64", 1),
        random_array((4000, 33), "float64", 2),
        random_array((33,), "float64"),
    )


def test_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    data, found = large(), set()
    assert be.kernel_pays(data[0], 33)
    for workers in (1, 2, 7):
        monkeypatch.setattr(threads, "worker_count", lambda workers=workers: workers)
        found.add(products(*data))
    assert len(found) == 1


def test_lanes_are_split_where_rows_are_few_for_their_columns(always_compiled, monkeypatch):
    S = be.to_csr(matrix(70, 45, density=0.05))[0]
    Y, found = random_array((70, 70), "float64"), set()
    for workers in (1, 2, 7):
        monkeypatch.setattr(threads, "worker_count", lambda workers=workers: workers)
        got = be.csr_rmatmat(S, Y)
        assert close(got, S.native.toarray().T @ Y, "float64", 100)
        found.add(got.tobytes())
    assert len(found) == 1


def test_eight_threads_at_once_get_the_same_bits():
    data, found = large(), []
    expected = products(*data)
    workers = [threading.Thread(target=lambda: found.append(products(*data) == expected)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [True] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_gets_the_same_bits():
    data = large()
    expected = products(*data)
    child = os.fork()
    if child == 0:
        os._exit(0 if products(*data) == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_unknown_kernels_and_other_hosts_have_none():
    assert _kernels.lookup("csr_matmat", "torch") is None
    assert _kernels.lookup("no such kernel", "numpy") is None
