"""Namespaces, devices, the way to and from the host, and index arrays."""

import numpy as np
import pytest
from strategies import random_array

from lowrank_la import _backend as be


def test_arrays_go_to_a_device_and_come_back(backend):
    for name in backend.dtypes:
        a = random_array((4, 3), name, 1)
        x = be.from_numpy(a, backend.xp, backend.device)
        assert backend.holds(x)
        assert be.kind(be.namespace(x)) == backend.name
        assert x.dtype == backend.dtype(name)
        np.testing.assert_array_equal(be.to_numpy(x), a)


def test_a_dtype_may_be_asked_for_on_the_way(backend):
    x = be.from_numpy(np.arange(6.0).reshape(2, 3), backend.xp, backend.device, backend.dtype("float32"))
    assert x.dtype == backend.dtype("float32")
    np.testing.assert_array_equal(be.to_numpy(x), np.arange(6.0).reshape(2, 3))


def test_read_only_and_strided_arrays_travel(backend):
    a = np.arange(24.0, dtype="float32").reshape(4, 6)[::2, ::-1]
    a.flags.writeable = False
    np.testing.assert_array_equal(be.to_numpy(be.from_numpy(a, backend.xp, backend.device)), a)


def test_lazily_conjugated_tensors_come_back_conjugated():
    torch = pytest.importorskip("torch")
    x = torch.asarray([1 + 2j]).conj()
    np.testing.assert_array_equal(be.to_numpy(x), [1 - 2j])
    np.testing.assert_array_equal(be.to_numpy(x.imag), [-2])
    x = torch.ones(2, requires_grad=True)
    np.testing.assert_array_equal(be.to_numpy(x * 2), [2, 2])


@pytest.mark.parametrize("x", [[1.0], 3.0, "a", None, {1: 2}])
def test_what_is_no_array(x):
    assert not be.is_array(x)


def test_a_dtype_names_its_library(backend):
    if backend.name == "cupy":
        assert be.named_namespace(np.dtype("float64"), backend.device) is backend.xp
    else:
        assert be.named_namespace(backend.dtype("float32")) is backend.xp
        assert be.named_namespace(backend.dtype("float32"), backend.device) is backend.xp


@pytest.mark.parametrize("dtype", [None, float, "float64", np.float64, np.dtype("f4")])
def test_other_dtypes_are_numpys(dtype):
    assert be.kind(be.named_namespace(dtype)) == "numpy"


@pytest.mark.parametrize(
    "indices", [[2, 0, 2], (2, 0, 2), np.asarray([2, 0, 2], "uint8"), range(2, -1, -1), [], iter([1])]
)
def test_indices_of_every_kind_become_index_arrays(backend, indices):
    host = list(indices)
    got = be.index_array(host if not isinstance(indices, np.ndarray) else indices, 3, backend.xp, backend.device)
    assert backend.holds(got)
    taken = backend.xp.take(backend.asarray(np.arange(3.0)), got, axis=0)
    np.testing.assert_array_equal(be.to_numpy(taken), np.arange(3.0)[np.asarray(host, int)])
    assert be.index_array(got, 3, backend.xp, backend.device) is got or backend.name == "numpy"


@pytest.mark.parametrize(
    ("indices", "error"),
    [
        ([3], IndexError),
        ([-1], IndexError),
        ([[0]], IndexError),
        ([0.0], TypeError),
        ([True], TypeError),
        (["a"], TypeError),
    ],
)
def test_indices_that_do_not_fit_are_refused(indices, error):
    with pytest.raises(error, match="indices"):
        be.host_indices(indices, 3)


def test_synchronising_is_harmless(backend):
    x = backend.asarray(np.ones(2))
    be.synchronize(x)
    assert np.array_equal(backend.to_numpy(x), np.ones(2))
