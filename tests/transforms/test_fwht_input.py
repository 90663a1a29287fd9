"""fwht: arrays of unusual memory and of unusual classes."""

import sys
import tracemalloc
import warnings

import numpy as np
import pytest

import lowrank_la as lr

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch itself, in forward mode


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


def test_windows_that_share_numbers_are_not_overwritten():
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(19.0), 8, writeable=True)
    with pytest.raises(ValueError, match="shows one number at many places"):
        lr.fwht(windows, overwrite=True)
    apart = windows[::8]
    expected = lr.fwht(apart.copy())
    assert lr.fwht(apart, overwrite=True) is apart
    assert np.array_equal(apart, expected)


def test_tensors_of_other_layouts_are_refused_by_name():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"a tensor of layout torch.sparse_coo: pass x\.to_dense\(\)"):
        lr.fwht(torch.eye(8).to_sparse())


@pytest.mark.parametrize("shape", [(0, 12), (12, 0), (3, 0, 12), (0, 24), (0, 8), (8, 0)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "complex128", "int32"])
def test_empty_batches_of_every_length_and_dtype_stay_empty(shape, dtype):
    x, options = np.zeros(shape, dtype), {"axis": 0} if shape[-1] == 0 else {}
    assert lr.fwht(x, **options).shape == shape
    if shape == (0, 24):
        assert lr.fwht(x, block=12).shape == shape
    if dtype in ("float32", "complex128"):
        assert lr.fwht(x, overwrite=True, **options) is x
    torch = pytest.importorskip("torch")
    assert tuple(lr.fwht(torch.from_numpy(x), **options).shape) == shape


@pytest.mark.parametrize("n", [8, 12, 20])
def test_a_rotation_does_not_overflow_where_its_result_does_not(n):
    y = lr.fwht(np.full(n, 1.7e308 / n**0.5), norm="ortho")
    assert y[0] == pytest.approx(1.7e308)


def filled(shape, dtype, rng):
    x = 10 * rng.standard_normal(shape)
    return x > 0 if dtype == "bool" else x.astype(dtype)


def laid_out(layout, shape, dtype):
    rng = np.random.default_rng(0)
    if layout == "transposed":
        return filled(shape[::-1], dtype, rng).T
    if layout == "every other":
        return filled([2 * n for n in shape], dtype, rng)[(slice(0, None, 2),) * len(shape)]
    return filled(shape, dtype, rng)


EVERY = [((8, 5), 0), ((5, 8), 1), ((12, 5), 0), ((5, 12), 1), ((3, 8, 4), 1), ((8,), 0), ((7, 24, 3), 1)]


@pytest.mark.parametrize("layout", ["transposed", "every other", "plain"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "int64", "bool", "complex64"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_every_layout_of_every_dtype_is_transformed(layout, dtype, library):
    for shape, axis in EVERY:
        x = laid_out(layout, shape, dtype)
        wide = x.astype(np.complex128 if dtype == "complex64" else np.float64)
        plain = np.moveaxis(np.tensordot(lr.hadamard(shape[axis]), wide, (1, axis)), 0, axis)
        x = pytest.importorskip("torch").from_numpy(x) if library == "torch" else x
        close = {"float16": 2e-3, "float32": 1e-6, "complex64": 1e-6}.get(dtype, 1e-12)
        for norm, expected in ((None, plain), ("ortho", plain / shape[axis] ** 0.5)):
            found = np.asarray(lr.fwht(x, axis, norm=norm))
            np.testing.assert_allclose(found, expected, rtol=0, atol=close * np.abs(expected).max())


@pytest.mark.parametrize(("shape", "axis"), [((9, 16), 1), ((16, 9), 0), ((5, 12, 3), 1), ((12, 7), 0), ((1, 16), 1)])
def test_half_precision_comes_in_pieces_that_give_the_same_numbers(shape, axis, monkeypatch):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float16)
    for options in ({}, {"norm": "ortho"}, {"transpose": True}):
        whole = lr.fwht(x, axis, **options)
        monkeypatch.setattr(sys.modules["lowrank_la.transforms.fwht"], "_PIECE", 40)
        np.testing.assert_array_equal(lr.fwht(x, axis, **options), whole)
        monkeypatch.undo()


def test_transforms_take_no_temporary_larger_than_their_input():
    assert measured_temporary(np.full((64, 1 << 16), 2.0**-12, np.float16)) < 0.3
    assert measured_temporary(np.ones((4, 1 << 19), np.float32)) < 0.1
    assert measured_temporary(np.ones((1 << 10, 3072), np.float32)) < 1.1
    assert measured_temporary(np.ones((64, 1 << 15), np.int64)) < 0.1


def measured_temporary(x):
    """Peak of memory beyond the result, in sizes of the input."""
    lr.fwht(x)
    tracemalloc.start()
    y = lr.fwht(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (peak - y.nbytes) / x.nbytes


CASES = [((8,), {}), ((3, 12), {"norm": "ortho"}), ((12, 5), {"axis": 0, "transpose": True}), ((2, 92, 2), {"axis": 1})]
CASES += [((4, 16), {"order": "sequency"}), ((2, 24), {"block": 12})]


@pytest.mark.parametrize(("shape", "options"), CASES)
def test_tangents_of_forward_mode_come_through(shape, options):
    torch = pytest.importorskip("torch")
    forward = torch.autograd.forward_ad
    x, tangent = (torch.randn(shape, dtype=torch.float64) for _ in range(2))
    for tracked in (False, True):
        with forward.dual_level():
            y = lr.fwht(forward.make_dual(x.clone().requires_grad_(tracked), tangent), **options)
            primal, turned = forward.unpack_dual(y)
        assert torch.equal(primal.detach(), lr.fwht(x, **options))
        assert torch.equal(turned.detach(), lr.fwht(tangent, **options))
    assert torch.autograd.gradcheck(lambda v: lr.fwht(v, **options), x.requires_grad_(), check_forward_ad=True)


@pytest.mark.parametrize(("shape", "options"), CASES)
def test_torch_func_differentiates_and_batches(shape, options):
    torch = pytest.importorskip("torch")

    def f(v):
        return lr.fwht(v, **options)

    x, batch = torch.randn(shape, dtype=torch.float64), torch.randn((5, *shape), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(f, x)
    for found in (torch.func.jacrev(f)(x), torch.func.jacfwd(f)(x)):
        torch.testing.assert_close(found, jacobian)
    expected = torch.stack([f(v) for v in batch])
    assert torch.equal(torch.vmap(f)(batch), expected)
    assert torch.equal(torch.vmap(f, in_dims=-1)(batch.movedim(0, -1)), expected)
    assert torch.equal(torch.vmap(torch.vmap(f))(batch[None]), expected[None])
    found = torch.func.hessian(lambda v: (f(v) ** 3).sum())(x)
    torch.testing.assert_close(found, torch.autograd.functional.hessian(lambda v: (f(v) ** 3).sum(), x))


@pytest.mark.parametrize(("shape", "options"), CASES)
def test_what_torch_records_is_the_transform_of_any_tensor(shape, options):
    torch = pytest.importorskip("torch")
    from torch.fx.experimental.proxy_tensor import make_fx

    def f(v):
        return lr.fwht(v, **options)

    seen, other = torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    for record in (
        lambda: torch.func.linearize(f, seen)[1],
        lambda: make_fx(f)(seen),
        lambda: torch.jit.trace(f, seen),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            recorded = record()
        torch.testing.assert_close(recorded(other), f(other))


@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node")
@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_batches_of_torch_func_are_recorded_too(dtype, monkeypatch):
    torch = pytest.importorskip("torch")
    from torch.fx.experimental.proxy_tensor import make_fx

    monkeypatch.setattr(sys.modules["lowrank_la.transforms.fwht"], "_PIECE", 40)
    f = torch.vmap(lambda v: lr.fwht(v, 0, norm="ortho"))
    seen, other = (torch.randn((3, 16, 12), dtype=getattr(torch, dtype)) for _ in range(2))
    close = {"rtol": 0.0, "atol": 1e-12 if dtype == "float64" else 1e-2}
    torch.testing.assert_close(make_fx(f)(seen)(other), f(other), **close)
    torch.testing.assert_close(torch.func.linearize(f, seen)[1](other), f(other), **close)


def test_what_torch_can_not_do_with_it_is_refused_by_name():
    torch = pytest.importorskip("torch")
    x = torch.ones(8, requires_grad=True)
    with pytest.raises(TypeError, match=r"use torch\.func"):
        torch.autograd.grad(lr.fwht(x), x, torch.eye(8), is_grads_batched=True)
    with pytest.raises(ValueError, match=r"inside a transform of torch\.func and can't be overwritten"):
        torch.vmap(lambda v: lr.fwht(v, overwrite=True))(torch.ones(3, 8))
