"""fwht: arrays of unusual memory and of unusual classes."""

import numpy as np
import pytest

import lowrank_la as lr


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">c16", ">i4"])
def test_bytes_in_the_other_order_are_read_right(dtype):
    x = np.arange(8).astype(dtype)
    y = lr.fwht(x)
    assert y.dtype.isnative
    assert np.array_equal(y, lr.fwht(x.astype(x.dtype.newbyteorder("="))))
    if dtype != ">i4":
        assert lr.fwht(x, overwrite=True) is x
        assert np.array_equal(x, y)


def test_masked_arrays_are_refused():
    with pytest.raises(TypeError, match="x must not be a masked array"):
        lr.fwht(np.ma.masked_array(np.ones(4), mask=[0, 0, 0, 1]))


def test_expanded_memory_is_not_overwritten():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="shows one number at many places"):
        lr.fwht(torch.ones(1).expand(8), overwrite=True)


def test_transforms_of_torch_func_are_refused_by_name():
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 8)
    for call in (torch.func.grad(lambda v: lr.fwht(v).sum()), torch.vmap(lr.fwht)):
        with pytest.raises(TypeError, match=r"fwht does not run inside torch\.func"):
            call(x)
