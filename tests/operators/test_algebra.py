"""Sums, multiples, products, adjoints and stacks: what they refuse and what they pass on."""

import numpy as np
import pytest
import scipy.sparse
from strategies import random_array

import lowrank_la as lr
from lowrank_la import operators as ops

A, B = random_array((6, 4), "float64", 1), random_array((6, 4), "float64", 2)


def op(a):
    return lr.as_operator(a)


def products_only(a):
    return lr.operator(lambda X: a @ X, lambda Y: a.conj().T @ Y, a.shape, a.dtype)


def one_sided(a):
    return lr.operator(lambda X: a @ X, None, a.shape, a.dtype)


def test_arrays_and_sparse_matrices_join_the_algebra_on_either_side():
    eye = np.eye(4)
    S = scipy.sparse.csr_array(B)
    for made, expected in (
        (op(A) + B, A + B),
        (B + op(A), A + B),
        (op(A) - B, A - B),
        (B - op(A), B - A),
        (op(A) + S, A + B),
        (-op(A), -A),
        (op(A) * 3, 3 * A),
        (np.float64(3) * op(A), 3 * A),
        (np.float32(3) * op(A), 3 * A),
        (S.T @ op(A), B.T @ A),
        (op(A) @ S.T, A @ B.T),
    ):
        assert isinstance(made, ops.LinearOperator)
        np.testing.assert_allclose(made @ np.eye(made.shape[1]), expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(np.ones(6) @ op(A), A.sum(axis=0), atol=1e-14)
    np.testing.assert_allclose(op(A) @ eye, A, atol=1e-14)


@pytest.mark.parametrize(
    "build",
    [
        lambda: op(A) + op(A.T),
        lambda: op(A) @ op(B),
        lambda: ops.StackedOperator([op(A), op(A.T)]),
        lambda: ops.StackedOperator([op(A), op(A.T)], axis=1),
        lambda: lr.LowRank(A, None, A.T) + lr.LowRank(A.T, None, A),
        lambda: lr.LowRank(A, None, A.T) @ lr.LowRank(A.T, None, A),
        lambda: lr.LowRank(A, None, A.T) @ op(A.T),
        lambda: lr.SparsePlusLowRank(A, A, scipy.sparse.csr_array(A)),
    ],
)
def test_shapes_that_do_not_fit_are_both_named(build):
    with pytest.raises(ValueError, match=r"\(\d, \d\).*\(\d, \d\)"):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda x, y: op(x) + op(y),
        lambda x, y: op(x) @ op(y.T),
        lambda x, y: ops.StackedOperator([op(x), op(y)]),
        lambda x, y: lr.LowRank(x, None, y.T),
        lambda x, y: ops.CentredOperator(op(x), y[0, :]),
        lambda x, y: op(x) @ y.T,
    ],
)
def test_operands_of_two_libraries_are_both_named(build):
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match=r"numpy on cpu.*strict on .*CPU_DEVICE"):
        build(A, strict.asarray(A))


def test_operands_of_two_devices_are_both_named():
    strict = pytest.importorskip("array_api_strict")
    x = strict.asarray(A, device=strict.Device("device1"))
    with pytest.raises(TypeError, match=r"CPU_DEVICE.*device1"):
        op(strict.asarray(A)) + op(x)


@pytest.mark.parametrize("wrap", ["scaled", "adjoint", "sum", "metered", "vertical", "horizontal", "plus_low_rank"])
def test_a_wrapper_lacks_what_its_operator_lacks(wrap):
    inner = products_only(A)
    low = lr.LowRank(A, None, np.eye(4))
    made = {
        "scaled": lambda: 2.0 * inner,
        "adjoint": lambda: inner.H,
        "sum": lambda: op(B) + inner,
        "metered": lambda: ops.MeteredOperator(inner),
        "vertical": lambda: ops.StackedOperator([op(B), inner]),
        "horizontal": lambda: ops.StackedOperator([op(B), inner], axis=1),
        "plus_low_rank": lambda: low + inner,
    }[wrap]()
    for capability in ("array", "fro_norm", "diag", "take_rows", "take_cols"):
        assert not made.has(capability)
    for call in (
        lambda: made.array,
        made.fro_norm,
        made.diag,
        lambda: made.take_rows([0]),
        lambda: made.take_cols([0]),
    ):
        with pytest.raises(lr.CapabilityError):
            call()


def test_products_with_a_missing_adjoint_are_refused_in_wrappers_too():
    made = [one_sided(A), 2.0 * one_sided(A), one_sided(A) + op(B), ops.StackedOperator([one_sided(A), op(B)])]
    for operator in made:
        assert not operator.has("rmatmat")
        assert not operator.has("normal")
        with pytest.raises(lr.CapabilityError, match="rmatmat"):
            operator.rmatmat(np.ones((operator.shape[0], 1)))
        np.testing.assert_array_equal(operator.matmat(np.zeros((4, 1))), 0.0)
    assert not one_sided(A).H.has("matmat")


def test_unknown_capabilities_are_refused():
    with pytest.raises(ValueError, match="capability must be one of"):
        op(A).has("rows")


def test_the_adjoint_swaps_rows_and_columns():
    a = random_array((5, 3), "complex128", 4)
    H = lr.as_operator(a).H
    np.testing.assert_array_equal(H.take_rows([2, 0]), a.conj().T[[2, 0]])
    np.testing.assert_array_equal(H.take_cols([4]), a.conj().T[:, [4]])
    np.testing.assert_array_equal(H.diag(), np.diagonal(a).conj())


def test_the_adjoint_of_a_real_array_is_a_view_of_it():
    assert np.shares_memory(lr.as_operator(A).H.array, A)


def test_the_adjoint_of_a_complex_array_is_not_formed():
    assert not lr.as_operator(A + 1j).H.has("array")


def test_mixed_precision_sums_are_as_exact_as_the_wider_term():
    narrow, wide = A.astype("float32"), B
    total = op(narrow) + op(wide)
    x = random_array((4, 2), "float64", 3)
    assert total.dtype == np.float64
    np.testing.assert_allclose(total @ x, (narrow.astype("float64") + wide) @ x, rtol=0, atol=1e-14)


def test_scaling_takes_numbers_alone():
    for alpha in ("2", [2.0], None):
        with pytest.raises(TypeError):
            alpha * op(A)
    assert (np.asarray(2.0)[()] * op(A)).alpha == 2.0


def test_an_empty_stack_and_a_wrong_axis_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        ops.StackedOperator([])
    with pytest.raises(ValueError, match="axis"):
        ops.StackedOperator([op(A)], axis=2)


def test_rows_of_a_vertical_stack_come_in_the_order_asked_for():
    stack = ops.StackedOperator([op(A), lr.as_operator(scipy.sparse.csr_array(B))])
    order = [11, 0, 6, 0, 5]
    np.testing.assert_array_equal(stack.take_rows(order), np.concatenate([A, B])[order])


@pytest.mark.parametrize("indices", [[0.5], [[0]], [-1], [6], [True]])
def test_bad_indices_are_refused(indices):
    with pytest.raises((IndexError, TypeError), match="indices"):
        op(A).take_rows(indices)


def test_costs_add_up():
    dense, sparse = op(A), lr.as_operator(scipy.sparse.eye_array(6, 4, format="csr"))
    total = (dense + sparse).cost
    assert total.flops == dense.cost.flops + sparse.cost.flops == 2 * 24 + 2 * 4
    assert total.bytes >= 24 * 8
    assert total.dense
    assert not (dense @ sparse.H).cost.flops < dense.cost.flops


def test_half_and_single_precision_scale_to_their_own_dtype():
    for dtype in ("float16", "float32"):
        scaled = 2.0 * op(A.astype(dtype))
        assert scaled.dtype == np.float32
        assert (scaled @ np.ones(4, "float32")).dtype == np.float32
        assert scaled.source_dtype == np.dtype(dtype)
