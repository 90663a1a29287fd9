"""Hadamard matrices and the fields that they come from."""

import numpy as np
import pytest
import scipy.linalg

import lowrank_la as lr
from lowrank_la.transforms.constructions import core_matrix
from lowrank_la.transforms.finite_field import difference_characters, prime_power
from lowrank_la.transforms.orders import split_order

KNOWN = [1, 2, *range(4, 257, 4)]


@pytest.mark.parametrize("n", [*KNOWN, 924, 1284, 7392])
def test_every_order_is_exactly_orthogonal(n):
    H = lr.hadamard(n)
    assert H.dtype == np.int64
    assert set(np.unique(H)) <= {-1, 1}
    if n <= 1284:
        np.testing.assert_array_equal(H @ H.T, n * np.eye(n, dtype=int))
    else:
        rows = np.random.default_rng(0).choice(n, 50, replace=False)
        np.testing.assert_array_equal(H[rows] @ H.T, n * np.eye(n, dtype=int)[rows])


@pytest.mark.parametrize("n", [1, 2, 4, 64])
def test_powers_of_two_are_sylvester(n):
    np.testing.assert_array_equal(lr.hadamard(n), scipy.linalg.hadamard(n))


@pytest.mark.parametrize("n", [4, 12, 20, 28, 36, 52, 60, 100, 108, 140, 244])
def test_paley_matrices_are_symmetric(n):
    H = core_matrix(n)
    np.testing.assert_array_equal(H, H.T)


@pytest.mark.parametrize("n", [92, 116, 156, 172, 188, 236])
def test_orders_that_no_residues_give_are_not_symmetric(n):
    H = core_matrix(n)
    assert not np.array_equal(H, H.T)


def test_cores_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        core_matrix(12)[0, 0] = 0
    lr.hadamard(12)[0, 0] = 7
    assert core_matrix(12)[0, 0] == 1


@pytest.mark.parametrize(("n", "split"), [(3584, (28, 7)), (29568, (924, 5)), (1024, (1, 10)), (668, None), (6, None)])
def test_lengths_take_the_smallest_core(n, split):
    assert split_order(n) == split


@pytest.mark.parametrize("q", [3, 5, 9, 13, 25, 27, 49, 121, 125])
def test_characters_of_a_field_count_squares(q):
    Q = difference_characters(q)
    p, k = prime_power(q)
    assert p**k == q
    np.testing.assert_array_equal(Q.sum(axis=1), np.zeros(q))
    sign = 1 if q % 4 == 1 else -1
    np.testing.assert_array_equal(Q, sign * Q.T)
    np.testing.assert_array_equal(Q.astype(int) @ Q.T, q * np.eye(q, dtype=int) - 1)


@pytest.mark.parametrize("q", [1, 6, 12, 100])
def test_other_numbers_are_no_prime_powers(q):
    assert prime_power(q) is None


def test_matrices_come_in_the_library_and_dtype_asked_for(backend):
    H = lr.hadamard(12, xp=backend.xp, dtype=backend.dtype("float32"))
    assert H.dtype == backend.dtype("float32")
    np.testing.assert_array_equal(backend.to_numpy(H), lr.hadamard(12))


@pytest.mark.parametrize("dtype", [np.uint8, bool, "uint16", "nope", object])
def test_dtypes_that_do_not_hold_minus_one_are_refused(dtype):
    with pytest.raises(TypeError, match="dtype must be one of xp that holds -1"):
        lr.hadamard(2, dtype=dtype)


def test_half_precision_of_torch_is_a_dtype_like_any_other():
    torch = pytest.importorskip("torch")
    H = lr.hadamard(4, xp=torch, dtype=torch.bfloat16)
    assert H.dtype == torch.bfloat16
    assert np.array_equal(H.float().numpy(), lr.hadamard(4))


def test_the_name_of_a_namespace_is_none():
    with pytest.raises(TypeError, match="xp must be an array namespace"):
        lr.hadamard(4, xp="numpy")
