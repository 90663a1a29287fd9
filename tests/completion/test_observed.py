"""Observed entries: their order, and products with them, beside dense matrices."""

import numpy as np
import pytest
from completion.matrices import places

from lowrank_la import _backend as be
from lowrank_la._backend import entries as twins
from lowrank_la.operators.observed import Observed

DTYPES = ("float32", "float64", "complex64", "complex128")


def random(shape, dtype, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(shape)
    return (x + 1j * generator.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def example(m=23, n=17, count=150, dtype="float64", seed=0):
    rows, columns = places(m, n, count, seed)
    return rows, columns, random(rows.shape, dtype, seed)


def dense(rows, columns, values, m=23, n=17):
    A = np.zeros((m, n), values.dtype)
    A[rows, columns] = values
    return A


def check_sound(observed, rows, columns, values):
    """The six arrays list exactly these entries, in order on both sides."""
    order = np.lexsort((columns, rows))
    pointers = be.to_numpy(observed.row_pointers)
    lines = np.repeat(np.arange(observed.shape[0]), np.diff(pointers))
    np.testing.assert_array_equal(lines, rows[order])
    np.testing.assert_array_equal(be.to_numpy(observed.columns), columns[order])
    np.testing.assert_array_equal(
        be.to_numpy(observed.values), values[order].astype(be.to_numpy(observed.values).dtype)
    )
    by_columns = np.lexsort((rows, columns))
    np.testing.assert_array_equal(be.to_numpy(observed.rows), rows[by_columns])
    np.testing.assert_array_equal(
        be.to_numpy(observed.column_counts), np.bincount(columns, minlength=observed.shape[1])
    )
    np.testing.assert_array_equal(order[be.to_numpy(observed.order)], by_columns)


def test_entries_come_by_rows_and_by_columns_on_every_backend(backend):
    rows, columns, values = example()
    given = [backend.asarray(x) for x in (rows, columns, values)]
    check_sound(Observed.from_entries(*given, (23, 17)), rows, columns, values)


@pytest.mark.parametrize("index", ["int32", "int64"])
def test_compiled_sorting_gives_the_same_lists(index):
    rows, columns = places(400, 300, 40_000)
    values = random(rows.shape, "float64")
    observed = Observed.from_entries(rows.astype(index), columns.astype(index), values, (400, 300))
    check_sound(observed, rows, columns, values)
    again = Observed.from_rows(observed.row_pointers, observed.columns, observed.values, (400, 300))
    for name in ("column_pointers", "rows", "order"):
        np.testing.assert_array_equal(getattr(again, name), getattr(observed, name))
    assert observed.columns.dtype == np.int32


def test_products_agree_with_a_dense_matrix_on_every_backend(backend):
    for dtype in backend.dtypes:
        rows, columns, values = example(dtype=dtype)
        observed = Observed.from_entries(*(backend.asarray(x) for x in (rows, columns, values)), (23, 17))
        A, B, z = random((23, 3), dtype, 1), random((17, 3), dtype, 2), random((150,), dtype, 3)
        order = np.lexsort((columns, rows))
        Z = dense(rows[order], columns[order], z)
        limit = 100 * be.eps(dtype)
        a, b, c = (backend.asarray(x) for x in (A, B, z))
        dots = (A @ B.conj().T)[rows[order], columns[order]]
        np.testing.assert_allclose(backend.to_numpy(observed.dots(a, b)), dots, atol=limit)
        np.testing.assert_allclose(backend.to_numpy(observed.residual(a, b)), values[order] - dots, atol=limit)
        np.testing.assert_allclose(backend.to_numpy(observed.times(c, b)), Z @ B, atol=limit)
        np.testing.assert_allclose(backend.to_numpy(observed.adjoint_times(c, a)), Z.conj().T @ A, atol=limit)
        op = observed.to_operator(c)
        np.testing.assert_allclose(backend.to_numpy(op @ b), Z @ B, atol=limit)
        np.testing.assert_allclose(backend.to_numpy(op.H @ a), Z.conj().T @ A, atol=limit)


@pytest.mark.parametrize("k", [1, 3, 4, 7, 16, 29])
@pytest.mark.parametrize("dtype", DTYPES)
def test_kernels_agree_with_their_twins(dtype, k, monkeypatch):
    monkeypatch.setattr(twins, "_KERNEL_FROM", 0)
    rows, columns, values = example(dtype=dtype, count=120)
    observed = Observed.from_entries(rows, columns, values, (23, 17))
    A, B, z = random((23, k), dtype, 1), random((17, k), dtype, 2), random((120,), dtype, 3)
    for side, X in ((observed.row_side, B), (observed.column_side, A)):
        expected = twins.times_twin(side, z, X, be.namespace(z))
        np.testing.assert_allclose(be.entry_times(side, z, X, be.namespace(z)), expected, atol=200 * be.eps(dtype))
    expected = twins.dots_twin(observed.row_side, A, B, be.namespace(A))
    np.testing.assert_allclose(observed.dots(A, B), expected, atol=200 * be.eps(dtype))


def test_the_adjoint_is_the_adjoint():
    rows, columns, values = example(dtype="complex128")
    observed = Observed.from_entries(rows, columns, values, (23, 17))
    z, A, B = random((150,), "complex128", 4), random((23, 5), "complex128", 5), random((17, 5), "complex128", 6)
    left = np.vdot(observed.adjoint_times(z, A), B)
    assert abs(left - np.vdot(A, observed.times(z, B))) <= 1e3 * be.eps("float64") * abs(left)
    assert abs(np.vdot(z, observed.dots(A, B)) - np.vdot(observed.times(z, B), A)) <= 1e-12 * abs(left)


def test_portable_products_go_through_the_entries_in_chunks(monkeypatch):
    rows, columns, values = example()
    observed = Observed.from_entries(rows, columns, values, (23, 17))
    A, B = random((23, 3), "float64", 1), random((17, 3), "float64", 2)
    whole = observed.dots(A, B), observed.times(values, B), observed.adjoint_times(values, A)
    monkeypatch.setattr(twins, "_GATHERED", 40)
    parts = observed.dots(A, B), observed.times(values, B), observed.adjoint_times(values, A)
    for x, y in zip(whole, parts, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-13)


def test_a_repeated_place_is_named():
    with pytest.raises(ValueError, match="row 1, column 2"):
        Observed.from_entries(np.array([1, 0, 1]), np.array([2, 0, 2]), np.ones(3), (3, 3))


def test_repeated_places_are_averaged_when_asked_for(backend):
    rows, columns = backend.asarray([1, 0, 1, 1, 2]), backend.asarray([2, 0, 2, 2, 0])
    values = backend.asarray([1.0, 5.0, 2.0, 6.0, 4.0])
    observed = Observed.from_entries(rows, columns, values, (3, 3), "average")
    np.testing.assert_allclose(backend.to_numpy(observed.values), [5.0, 3.0, 4.0])
    weights = backend.asarray([1.0, 1.0, 1.0, 2.0, 1.0])
    observed, weights = Observed.from_entries(rows, columns, values, (3, 3), "average", weights)
    np.testing.assert_allclose(backend.to_numpy(observed.values), [5.0, 3.75, 4.0])
    np.testing.assert_allclose(backend.to_numpy(weights), [1.0, 4.0, 1.0])


@pytest.mark.parametrize("reuse", [(), ("values", "columns", "rows", "order")])
def test_entries_are_taken_out(backend, reuse):
    rows, columns, values = example()
    observed = Observed.from_entries(*(backend.asarray(x) for x in (rows, columns, values)), (23, 17))
    before = backend.to_numpy(observed.values).copy()
    chosen, used = [], set()
    order = np.lexsort((columns, rows))
    for place, entry in enumerate(order):
        if place % 7 == 0 and not used & {("r", rows[entry]), ("c", columns[entry])}:
            chosen.append(place)
            used |= {("r", rows[entry]), ("c", columns[entry])}
    rest = observed.without(np.array(chosen), reuse=reuse)
    keep = np.setdiff1d(np.arange(rows.size), order[chosen])
    check_sound(rest, rows[keep], columns[keep], values[keep])
    if not reuse:
        np.testing.assert_array_equal(backend.to_numpy(observed.values), before)


def test_an_entry_takes_twenty_bytes():
    rows, columns = places(400, 300, 40_000)
    observed = Observed.from_entries(rows, columns, random(rows.shape, "float64"), (400, 300))
    held = sum(getattr(observed, name).nbytes for name in ("values", "columns", "rows", "order"))
    assert held == 20 * observed.count
