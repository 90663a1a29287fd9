"""Precision policy and dtype names."""

import numpy as np
import pytest

from lowrank_la import _backend as be


def test_names_are_the_same_in_every_library(backend):
    for name in (*backend.dtypes, "int32", "bool", "uint8"):
        assert be.dtype_name(backend.dtype(name)) == name


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64"), np.dtype(">f8")])
def test_names_of_every_spelling(dtype):
    assert be.dtype_name(dtype) == "float64"


def test_floating_types_stay_and_integers_become_the_widest_real(backend):
    for name in backend.dtypes:
        assert be.compute_dtype(backend.xp, backend.dtype(name), backend.device) == backend.dtype(name)
    widest = backend.dtype(backend.nearest("float64"))
    for name in ("int32", "uint8", "bool"):
        assert be.compute_dtype(backend.xp, backend.dtype(name), backend.device) == widest


def test_half_precision_is_factored_in_single():
    assert be.compute_dtype(np, np.dtype("float16")) == np.float32
    torch = pytest.importorskip("torch")
    xp = be.namespace(torch.zeros(1))
    for half in (torch.float16, torch.bfloat16):
        assert be.is_half(half)
        assert be.compute_dtype(xp, half) == torch.float32


@pytest.mark.parametrize("dtype", ["O", "U2", "M8[s]", "longdouble", "clongdouble"])
def test_other_types_are_refused(dtype):
    with pytest.raises(TypeError, match="can't be worked with"):
        be.compute_dtype(np, np.dtype(dtype))


def test_real_and_complex_partners(backend):
    for name in backend.dtypes:
        dtype = backend.dtype(name)
        real, complex_ = be.real_dtype(backend.xp, dtype), be.complex_dtype(backend.xp, dtype)
        assert be.is_complex(complex_)
        assert not be.is_complex(real)
        assert be.eps(real) == be.eps(complex_) == np.finfo(name).eps
        assert be.itemsize(complex_) == 2 * be.itemsize(real) == 2 * np.dtype(be.dtype_name(real)).itemsize


def test_the_widest_dtype_keeps_the_kind(backend):
    for name in backend.dtypes:
        dtype = backend.dtype(name)
        wide = be.widest_like(backend.xp, dtype, backend.device)
        assert be.is_complex(wide) == be.is_complex(dtype)
        assert be.dtype_name(wide) == backend.nearest("complex128" if be.is_complex(dtype) else "float64")


def test_bytes_of_other_types():
    assert [be.itemsize(np.dtype(name)) for name in ("int8", "uint16", "int64", "float16", "bool")] == [1, 2, 8, 2, 1]


def test_epsilon_of_half_types():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert be.eps(dtype) == torch.finfo(dtype).eps
