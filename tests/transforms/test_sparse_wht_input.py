"""sparse_wht: wrong arguments, values that are refused, degrees and limits."""

import re
import warnings

import numpy as np
import pytest
from transforms.sparse_cases import function, is_right, planted, stored

import lowrank_la as lr
from lowrank_la.transforms.sparse_groups import code_of


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_by_place(value):
    def f(bits):
        return np.where(bits[:, 3] == 1, value, 1.0)

    with pytest.raises(ValueError, match=r"f must be finite, got (nan|inf) at the bits [01]{3}1[01]{16}$"):
        lr.sparse_wht(f, 20, 4, rng=0)
    x = np.ones(1 << 10)
    x[:] = value
    with pytest.raises(ValueError, match="f must be finite"):
        lr.sparse_wht(x, rng=0)


@pytest.mark.parametrize("shape", [lambda m: (m, 1), lambda m: (m + 1,), lambda m: (), lambda m: (1,)])
def test_functions_that_return_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="f must return one value for each row"):
        lr.sparse_wht(lambda bits: np.ones(shape(len(bits))), 20, 4, rng=0)


@pytest.mark.parametrize("length", [0, 3, 12, 1000])
def test_lengths_that_are_no_powers_of_two_are_refused(length):
    with pytest.raises(ValueError, match=f"power of two, got {length}"):
        lr.sparse_wht(np.ones(length))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((np.ones((4, 4)),), {}, ValueError, "one axis"),
        ((np.ones(8), 4), {}, ValueError, "n must be 3"),
        ((np.ones(8), 3, 9), {}, ValueError, "sparsity must be between 0 and 8"),
        ((np.ones(8), 3, 2.0), {}, TypeError, "sparsity must be an integer"),
        ((len,), {}, ValueError, "n must be given"),
        ((len, -1), {}, ValueError, "n must be at least 0"),
        ((5, 3), {}, TypeError, "f must be a function"),
        (("text", 3), {}, TypeError, "f must be a function"),
        ((np.array(["a", "b"]),), {}, TypeError, "numbers"),
        ((np.ones(8),), {"noise": -1.0}, ValueError, "noise must be"),
        ((np.ones(8),), {"noise": "much"}, ValueError, "noise must be"),
        ((np.ones(8),), {"noise": np.nan}, ValueError, "noise must be"),
        ((np.ones(8),), {"bins": 3}, ValueError, "bins must be a power of two"),
        ((np.ones(8),), {"bins": 16}, ValueError, "bins must be between 1 and 8"),
        ((np.ones(8),), {"groups": 0}, ValueError, "groups must be"),
        ((np.ones(8),), {"repeats": 0}, ValueError, "repeats must be"),
        ((np.ones(8),), {"verify": -1}, ValueError, "verify must be"),
        ((np.ones(8),), {"degree": 4}, ValueError, "degree must be"),
        ((np.ones(8),), {"vote": "loud"}, ValueError, "vote must be"),
        ((np.ones(8),), {"method": "fast"}, ValueError, "method must be"),
        ((np.ones(8),), {"attempts": 0}, ValueError, "attempts must be"),
        ((np.ones(8),), {"max_samples": 0}, ValueError, "max_samples must be"),
        ((lambda bits: bits[:, 0], 30, 6), {"max_samples": 10}, ValueError, "max_samples must be at least 2243"),
        ((len, 30, 6), {"max_samples": 10_000, "bins": 256}, ValueError, "at least 21344 for 3 groups of 256 bins"),
        ((len, 30, 6), {"bins": 8, "noise": "unknown"}, ValueError, "bins must be at least 16"),
        ((np.ones(8),), {"checks": -1}, ValueError, "checks must be"),
        ((np.ones(8, np.longdouble),), {}, TypeError, "convert them to float64"),
        ((lambda bits: np.ones(len(bits), np.longdouble), 30), {}, TypeError, "convert them to float64"),
        ((np.ma.masked_array(np.ones(8)),), {}, TypeError, "masked"),
        (([[1.0, 2.0], [3.0, 4.0]],), {}, ValueError, "one axis"),
        ((lambda bits: bits.sum(1).astype(np.int64) + 2**60, 20), {}, OverflowError, r"above 2\*\*53"),
        ((np.ones(8),), {"on_failure": "hide"}, ValueError, "on_failure must be"),
        ((np.ones(8),), {"rng": "seed"}, TypeError, "rng must be"),
        ((len, 60), {"method": "dense"}, ValueError, "n up to 30"),
        ((lambda bits: None, 30), {}, TypeError, "f must return numbers, got None"),
    ],
)
def test_bad_arguments_are_named(arguments, options, error, text):
    with pytest.raises(error, match=text):
        lr.sparse_wht(*arguments, **options)


def test_gradients_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="no gradients"):
        lr.sparse_wht(torch.ones(8, requires_grad=True))


def test_values_with_gradients_are_refused_by_name():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"sparse_wht has no gradients: pass values\.detach\(\) or call it under"):
        lr.sparse_wht(lambda bits: torch.ones(len(bits), requires_grad=True), 10)


@pytest.mark.parametrize("value", [1.5e308 * (1 + 1j), 1e-308 * (1 - 1j), 1.7e308j])
@pytest.mark.parametrize("n", [3, 60])
def test_complex_values_whose_modulus_leaves_the_range_are_worked_with(value, n):
    result = lr.sparse_wht(lambda bits: np.full(len(bits), value), n, rng=0)
    assert result.info.certificate
    np.testing.assert_allclose(result.coefficients.view(float), [value.real, value.imag], rtol=1e-15)
    if n == 3:
        np.testing.assert_array_equal(lr.sparse_wht(np.full(1 << n, value)).coefficients, [value])


def test_complex_values_below_the_normal_range_are_worked_with():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = lr.sparse_wht(lambda bits: 2.0**-1040 * (1.0 - 2.0 * bits[:, 3]) * (1 - 2j), 40, rng=0)
    assert result.info.certificate
    assert result.coefficients.tolist() == [2.0**-1040 * (1 - 2j)]


def test_an_expansion_is_evaluated_at_bits_alone():
    result = lr.sparse_wht(np.arange(8.0))
    np.testing.assert_array_equal(result(np.array([[0, 1, 1], [1, 1, 0]], bool)), [3.0, 6.0])
    for bits in ([[0.5, 0, 0]], [[-1, 0, 1]], [[2, 0, 0]], [[np.nan, 0, 0]], [[1j, 0, 0]]):
        with pytest.raises(ValueError, match="bits must be zeros and ones"):
            result(bits)
    with pytest.raises(TypeError, match="bits must not be a masked array"):
        result(np.ma.masked_array([[0, 1, 1]], [[0, 0, 1]]))
    torch = pytest.importorskip("torch")
    for dtype in (torch.bfloat16, torch.float16, torch.int64, torch.bool):
        assert result(torch.tensor([[0, 1, 1]], dtype=dtype)).tolist() == [3.0]


def test_functions_may_answer_in_any_library():
    torch = pytest.importorskip("torch")
    rows, values = planted(30, 10, seed=15)
    f = function(rows, values)
    result = lr.sparse_wht(lambda bits: torch.from_numpy(f(bits)), 30, 10, rng=0)
    assert isinstance(result.coefficients, np.ndarray)
    assert is_right(result, rows, values)


def test_nested_lists_are_stored_vectors():
    assert lr.sparse_wht([1.0, 2.0, 3.0, 4.0], rng=0).coefficients.tolist() == [2.5, -0.5, -1.0]


@pytest.mark.parametrize("first", [True, False])
def test_real_and_complex_values_from_one_function_are_refused(first):
    calls = []

    def f(bits):
        calls.append(len(bits))
        return bits[:, 0] * (1j if (len(calls) == 1) == first else 1.0)

    with pytest.raises(ValueError, match="real and complex"):
        lr.sparse_wht(f, 30, rng=0)


def test_degree_zero_allows_the_constant_alone():
    result = lr.sparse_wht(lambda bits: np.full(len(bits), 3.0), 30, degree=0, rng=0)
    assert result.coefficients.tolist() == [3.0]
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.sparse_wht(lambda bits: 3.0 + bits[:, 1], 30, degree=0, attempts=2, rng=0)
    assert np.all(result.indices == 0)


def test_the_whole_cube_keeps_to_the_degree():
    rows, values = planted(6, 8, seed=3)
    with pytest.warns(lr.ConvergenceWarning, match="above the degree"):
        result = lr.sparse_wht(stored(rows, values), degree=1, rng=0)
    light = rows.sum(axis=1) <= 1
    assert np.array_equal(result.indices, rows[light])
    assert result.info.error == pytest.approx(np.linalg.norm(values[~light]) / np.linalg.norm(values))


def test_degrees_hold_beyond_the_lengths_that_have_a_code():
    assert code_of(65536, 1, None).degree == 1
    assert code_of(65536, 1, None).stencil.shape[0] == 0


def test_values_stay_below_the_limit_that_is_given():
    rows, values = planted(30, 300, seed=1)
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.sparse_wht(function(rows, values), 30, 300, max_samples=5000, rng=0)
    assert result.info.samples <= 5000


@pytest.mark.parametrize("n", [8, 20, 40])
@pytest.mark.parametrize("options", [{}, {"groups": 5}, {"checks": 0}, {"bins": 16}, {"noise": 0.1, "repeats": 3}])
def test_as_many_values_as_a_message_asks_for_suffice(n, options):
    f = function(*planted(n, 4, seed=1))
    with pytest.raises(ValueError, match="max_samples must be at least") as told:
        lr.sparse_wht(f, n, max_samples=5, rng=0, **options)
    least = int(re.search(r"at least (\d+)", str(told.value)).group(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        assert lr.sparse_wht(f, n, max_samples=least, rng=0, **options).info.samples <= least
