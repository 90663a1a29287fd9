"""Dense Walsh-Hadamard transforms."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from strategies import LAYOUTS, lay_out

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la._backend import butterfly

LENGTHS = (1, 2, 4, 8, 12, 16, 20, 32, 40, 64, 92, 128, 256, 1024, 4096)


def numbers(shape, dtype="float64", rng=0):
    draws = np.random.default_rng(rng).standard_normal((2, *shape))
    return (draws[0] + 1j * draws[1] if dtype.startswith("complex") else draws[0]).astype(dtype)


def plain_butterfly(x):
    """The textbook transform of the last axis, whose additions are those of every kernel, in the same order."""
    x = x.copy()
    h = 1
    while h < x.shape[-1]:
        pairs = x.reshape(*x.shape[:-1], -1, 2, h)
        x = np.stack([pairs[..., 0, :] + pairs[..., 1, :], pairs[..., 0, :] - pairs[..., 1, :]], axis=-2).reshape(
            x.shape
        )
        h *= 2
    return x


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_the_transform_is_a_product_with_the_matrix(n, axis, dtype):
    shape = [3, 2, 5]
    shape[axis] = n
    x = numbers(shape, dtype)
    expected = np.moveaxis(np.moveaxis(x.astype("complex128"), axis, -1) @ lr.hadamard(n).T, -1, axis)
    error = np.linalg.norm(lr.fwht(x, axis) - expected)
    assert error <= (1 + np.log2(n)) * be.eps(dtype) * np.linalg.norm(expected)


@pytest.mark.parametrize("stages", range(18))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_give_the_bits_of_the_plain_butterfly(stages, dtype):
    rows = max(1, 5 - stages // 4)
    x = numbers((rows, 1 << stages), dtype)
    np.testing.assert_array_equal(lr.fwht(x), plain_butterfly(x))


@pytest.mark.parametrize("inner", [2, 3, 4, 5, 7, 8, 16, 17, 40, 63, 64, 100])
@pytest.mark.parametrize("stages", [1, 2, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_axis_gives_the_bits_of_the_last_one(inner, stages, dtype):
    x = numbers((2, 1 << stages, inner), dtype)
    np.testing.assert_array_equal(np.moveaxis(lr.fwht(x, 1), 1, 2), lr.fwht(np.moveaxis(x, 1, 2)))


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((1 << 19,), 0),
        ((1 << 20,), 0),
        ((3, 1 << 18), 1),
        ((1 << 10, 1 << 10), 0),
        ((1 << 10, 1 << 10), 1),
        ((2, 1 << 9, 700), 1),
        ((64, 8192), 0),
        ((64, 8192), 1),
        ((1 << 17, 4), 0),
    ],
)
def test_threads_change_no_bit(shape, axis, monkeypatch):
    x = numbers(shape, "float32")
    threaded = lr.fwht(x, axis)
    monkeypatch.setattr(butterfly, "_PARALLEL_FROM", 1 << 40)
    np.testing.assert_array_equal(threaded, lr.fwht(x, axis))
    moved = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    np.testing.assert_array_equal(np.moveaxis(threaded, axis, -1), plain_butterfly(moved))


def test_large_transforms_agree_with_chosen_rows():
    x, rows = numbers((1 << 18,)), np.asarray([0, 1, 77777, (1 << 18) - 1])
    parity = np.asarray([[bin(int(i) & r).count("1") % 2 for i in range(1 << 18)] for r in rows.tolist()])
    expected = (1.0 - 2.0 * parity) @ x
    np.testing.assert_allclose(lr.fwht(x)[rows], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("n", [8, 12, 256])
def test_backends_agree(backend, dtype, n):
    host = numbers((3, n, 2), backend.nearest(dtype))
    y = lr.fwht(backend.asarray(host), 1, norm="ortho")
    assert be.namespace(y) is backend.xp
    assert be.dtype_name(y.dtype) == host.dtype.name
    difference = np.max(np.abs(backend.to_numpy(y) - lr.fwht(host, 1, norm="ortho")))
    assert difference <= 100 * be.eps(host.dtype.name)


def test_integers_are_exact_on_every_backend(backend):
    host = np.random.default_rng(0).integers(-100, 100, (4, 48))
    y = backend.to_numpy(lr.fwht(backend.asarray(host.astype("int32"))))
    assert y.dtype.kind == "i"
    np.testing.assert_array_equal(y, host @ lr.hadamard(48).T)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "uint16", "int64", "uint64"])
def test_small_integers_do_not_wrap(dtype):
    x = np.full(16, np.iinfo(dtype).max if dtype not in ("bool", "int64", "uint64") else 1).astype(dtype)
    assert lr.fwht(x)[0] == 16 * int(x[0])


@pytest.mark.parametrize(("dtype", "value"), [("int64", 1 << 61), ("int64", -(1 << 63)), ("uint64", 1 << 60)])
def test_integers_that_could_overflow_are_refused(dtype, value):
    with pytest.raises(OverflowError, match=r"sums of 8 integers"):
        lr.fwht(np.asarray([value] * 8, dtype=dtype))


def test_the_largest_integers_that_fit_are_exact():
    x = np.asarray([(1 << 60) - 1] * 8)
    assert int(lr.fwht(x)[0]) == 8 * ((1 << 60) - 1)


@pytest.mark.parametrize("n", [2, 16, 64])
def test_sequency_order_counts_sign_changes(n):
    ordered = lr.fwht(np.eye(n, dtype=int), order="sequency")
    changes = (np.diff(ordered, axis=1) != 0).sum(axis=1)
    np.testing.assert_array_equal(changes, np.arange(n))
    np.testing.assert_array_equal(ordered, ordered.T)


def test_dyadic_order_reverses_bits():
    ordered = lr.fwht(np.eye(8, dtype=int), order="dyadic")
    np.testing.assert_array_equal(ordered, scipy.linalg.hadamard(8)[[0, 4, 2, 6, 1, 5, 3, 7]])


@pytest.mark.parametrize("order", ["natural", "sequency", "dyadic"])
def test_the_orthonormal_transform_is_its_own_inverse(order):
    x = numbers((4, 64))
    y = lr.fwht(x, order=order, norm="ortho")
    assert np.linalg.norm(y) == pytest.approx(np.linalg.norm(x), rel=1e-14)
    np.testing.assert_allclose(lr.fwht(y, order=order, norm="ortho"), x, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n", [12, 20, 28, 92, 116, 184])
def test_the_transposed_transform_is_the_adjoint_and_the_inverse(n):
    x, y = numbers((n,)), numbers((n,), rng=1)
    assert lr.fwht(x) @ y == pytest.approx(x @ lr.fwht(y, transpose=True), rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(lr.fwht(lr.fwht(x), transpose=True) / n, x, rtol=0, atol=1e-13)


def test_blocks_are_transformed_by_themselves():
    x = numbers((3, 48))
    blocks = lr.fwht(x, block=16)
    np.testing.assert_array_equal(blocks.reshape(3, 3, 16), lr.fwht(x.reshape(3, 3, 16)))
    np.testing.assert_array_equal(lr.fwht(x.T, 0, block=16), blocks.T)


@given(layout=st.sampled_from(LAYOUTS), stages=st.integers(0, 9), rows=st.integers(1, 9))
def test_memory_layouts_do_not_matter(layout, stages, rows):
    for shape, axis in (((rows, 1 << stages), 1), ((1 << stages, rows), 0)):
        plain = numbers(shape)
        given_layout = lay_out(plain, layout)
        np.testing.assert_array_equal(lr.fwht(given_layout, axis), lr.fwht(plain, axis))
        np.testing.assert_array_equal(given_layout, plain)


@pytest.mark.parametrize("n", [8, 12, 1024])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int64"])
@pytest.mark.parametrize("order", ["F", "C"])
def test_overwriting_gives_the_same_numbers_in_place(n, dtype, order):
    x = np.asarray(
        (100 * numbers((3, n), "complex128" if dtype == "complex128" else "float64")).astype(dtype), order=order
    )
    for axis in (0, 1) if n == 12 else (1,):
        if x.shape[axis] == 3:
            continue
        expected, given_array = lr.fwht(x, axis), x.copy(order="K")
        assert lr.fwht(given_array, axis, overwrite=True) is given_array
        np.testing.assert_array_equal(given_array, expected)


def test_overwriting_torch_shares_its_memory():
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(numbers((3, 64)))
    expected, place = lr.fwht(x), x.data_ptr()
    assert lr.fwht(x, overwrite=True) is x
    assert x.data_ptr() == place
    assert torch.equal(x, expected)


@pytest.mark.parametrize("shape", [(3, 1), (0, 4), (1,)])
def test_what_stays_as_it_is_comes_back_itself(shape):
    x = np.ones(shape)
    assert lr.fwht(x, overwrite=True) is x
    assert lr.fwht(x) is not x


def test_nothing_is_overwritten_without_being_asked():
    for x in (numbers((4, 64)), numbers((4, 64), "complex64"), np.arange(64)):
        copy = x.copy()
        for options in ({}, {"norm": "ortho"}, {"order": "sequency"}, {"block": 4}):
            lr.fwht(x, **options)
            np.testing.assert_array_equal(x, copy)


def test_half_precision_is_summed_in_single():
    x = np.full((1, 4096), 30.0, np.float16)
    y = lr.fwht(x, norm="ortho")
    assert y.dtype == np.float16
    assert y[0, 0] == np.float16(30.0 * 64)
    torch = pytest.importorskip("torch")
    y = lr.fwht(torch.full((4096,), 3.0, dtype=torch.bfloat16), norm="ortho")
    assert y.dtype == torch.bfloat16
    assert float(y[0]) == 192.0


@pytest.mark.parametrize("n", [1, 2, 8, 12, 20, 28, 36, 92, 116, 156, 188])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_are_exact_for_every_factor(n, dtype):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(numbers((2, n), dtype)).requires_grad_()
    for options in ({}, {"transpose": True, "norm": "ortho"}):
        assert torch.autograd.gradcheck(lambda v, options=options: lr.fwht(v, **options), x, fast_mode=n > 40)
    if n <= 12:
        assert torch.autograd.gradgradcheck(lambda v: lr.fwht(v, norm="ortho"), x)


def test_the_gradient_of_a_factor_that_is_not_symmetric_is_transposed():
    torch = pytest.importorskip("torch")
    H = lr.hadamard(92)
    assert not np.array_equal(H, H.T)
    x, g = torch.from_numpy(numbers((92,))).requires_grad_(), torch.from_numpy(numbers((92,), rng=1))
    lr.fwht(x).backward(g)
    np.testing.assert_allclose(x.grad, H.T @ g.numpy(), rtol=0, atol=1e-12)
    assert np.max(np.abs(x.grad.numpy() - H @ g.numpy())) > 1.0


def test_empty_batches_and_single_numbers():
    assert lr.fwht(np.zeros((0, 8))).shape == (0, 8)
    assert lr.fwht(np.zeros((0, 8), int)).dtype == np.int64
    np.testing.assert_array_equal(lr.fwht([5.0]), [5.0])
    np.testing.assert_array_equal(lr.fwht(np.ones((3, 1)), norm="ortho"), np.ones((3, 1)))


def test_nan_spreads_and_sums_are_scaled_before_they_can_overflow():
    assert np.all(np.isnan(lr.fwht([np.nan, 1.0, 1.0, 1.0])))
    np.testing.assert_allclose(lr.fwht(np.full(4, 8e307), norm="ortho"), [1.6e308, 0, 0, 0])


BAD = {
    "odd length": (lambda: lr.fwht(np.ones(26)), ValueError, r"axis -1 is 26.*24 and 28"),
    "an order not known": (lambda: lr.fwht(np.ones(668)), ValueError, r"is 668.*664 and 672"),
    "an empty axis": (lambda: lr.fwht(np.ones((3, 0))), ValueError, r"axis -1 is 0.*nearest valid length is 1"),
    "a single number": (lambda: lr.fwht(np.float64(3.0) * np.ones(())), ValueError, r"at least one axis"),
    "an axis too far": (lambda: lr.fwht(np.ones(4), 1), ValueError, r"axis must be between -1 and 0, got 1"),
    "an axis of floats": (lambda: lr.fwht(np.ones(4), 0.0), TypeError, r"axis must be an integer"),
    "an axis True": (lambda: lr.fwht(np.ones((4, 4)), True), TypeError, r"axis must be an integer"),
    "an unknown order": (lambda: lr.fwht(np.ones(4), order="walsh"), ValueError, r"order must be one of 'natural'"),
    "an unknown norm": (lambda: lr.fwht(np.ones(4), norm="forward"), ValueError, r"norm must be one of None, 'ortho'"),
    "a number for a flag": (lambda: lr.fwht(np.ones(4), transpose=1), TypeError, r"transpose must be True or False"),
    "overwrite as a number": (lambda: lr.fwht(np.ones(4), overwrite=1), TypeError, r"overwrite must be True or False"),
    "an order for twelve": (lambda: lr.fwht(np.ones(12), order="dyadic"), ValueError, r"defined for powers of two"),
    "a block that does not divide": (
        lambda: lr.fwht(np.ones(20), block=8),
        ValueError,
        r"block must divide the length 20",
    ),
    "a block without a matrix": (lambda: lr.fwht(np.ones(12), block=6), ValueError, r"block is 6.*4 and 8"),
    "a block in a list": (lambda: lr.fwht(np.ones(12), block=[4]), TypeError, r"block must be an integer"),
    "words": (lambda: lr.fwht(["a", "b"]), TypeError, r"dtype"),
    "nothing": (lambda: lr.fwht(None), TypeError, r"x must be an array"),
    "an order of zero": (lambda: lr.hadamard(0), ValueError, r"n must be at least 1"),
    "an order of six": (lambda: lr.hadamard(6), ValueError, r"n is 6.*4 and 8"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_calls_say_what_is_wrong(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()


def test_what_cannot_be_written_to_is_not_overwritten():
    x = numbers((8,))
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        lr.fwht(x, overwrite=True)
    with pytest.raises(TypeError, match="int64, which x can't hold"):
        lr.fwht(np.ones(8, np.int16), overwrite=True)
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="gradients recorded"):
        lr.fwht(torch.ones(8, requires_grad=True), overwrite=True)


@pytest.mark.slow
def test_kernels_for_wide_registers_give_the_same_bits(tmp_path):
    program = (
        "import llvmlite.binding as llvm\n"
        "host = llvm.get_host_cpu_features\n"
        "llvm.get_host_cpu_features = lambda: {'avx512f': not host().get('avx512f', False)}\n"
        "import lowrank_la._kernels.numba._butterflies\n"
        "llvm.get_host_cpu_features = host\n"
        "import numpy as np, lowrank_la as lr\n"
        "from test_fwht import numbers, plain_butterfly\n"
        "for dtype in ('float32', 'float64'):\n"
        "    for stages in range(15):\n"
        "        x = numbers((3, 1 << stages), dtype)\n"
        "        assert np.array_equal(lr.fwht(x), plain_butterfly(x)), (stages, dtype)\n"
        "        for inner in (2, 3, 8, 16, 37):\n"
        "            x = numbers((2, 1 << min(stages, 8), inner), dtype)\n"
        "            moved = np.ascontiguousarray(np.moveaxis(x, 1, 2))\n"
        "            assert np.array_equal(np.moveaxis(lr.fwht(x, 1), 1, 2), plain_butterfly(moved))\n"
    )
    folders = [str(Path(__file__).parent), *sys.path]
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": ":".join(p for p in folders if p)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
