"""Arguments out of range or of the wrong type are refused by name, with the value and what was expected."""

import re

import numpy as np
import pytest

import lowrank_la as lr

TO_RANK = ("svd", "qb", "eigh", "nystrom")


def by_name(name):
    return getattr(lr, name)


@pytest.mark.parametrize("name", TO_RANK)
def test_a_rank_above_the_shorter_side_is_refused_with_the_maximum(name):
    A = np.eye(5)
    with pytest.raises(ValueError, match=r"min\(m, n\) = 5"):
        by_name(name)(A, 6)


@pytest.mark.parametrize("rank", [3.0, np.float64(2), "2", True, False, [2], 2j, np.bool_(True)])
@pytest.mark.parametrize("name", TO_RANK)
def test_a_rank_that_is_no_integer_is_a_type_error(name, rank):
    with pytest.raises(TypeError, match="rank"):
        by_name(name)(np.eye(5), rank)


@pytest.mark.parametrize("rank", [0, -1])
@pytest.mark.parametrize("name", TO_RANK)
def test_a_rank_below_one_is_refused(name, rank):
    with pytest.raises(ValueError, match="rank must be at least 1"):
        by_name(name)(np.eye(5), rank)


@pytest.mark.parametrize("rank", [np.int32(2), np.uint8(2), np.array(2)])
def test_integers_of_numpy_are_ranks(rank):
    assert lr.svd(np.eye(5), rank, rng=0).s.shape == (2,)


@pytest.mark.parametrize("tol", [0.0, 1.0, -0.1, 1.5, np.nan, np.inf, 0, 1])
@pytest.mark.parametrize("name", TO_RANK)
def test_a_tolerance_outside_its_range_is_refused(name, tol):
    with pytest.raises(ValueError, match="tol must lie in"):
        by_name(name)(np.eye(5), 2, tol=tol)


@pytest.mark.parametrize("tol", ["0.1", True, [0.1], 0.1j, np.complex128(0.1), np.array([0.1]), np.str_("0.1")])
@pytest.mark.parametrize("name", TO_RANK)
def test_a_tolerance_that_is_no_number_is_a_type_error(name, tol):
    with pytest.raises(TypeError, match="tol"):
        by_name(name)(np.eye(5), 2, tol=tol)


@pytest.mark.parametrize("name", ["svd", "qb"])
def test_neither_rank_nor_tolerance_is_refused(name):
    with pytest.raises(ValueError, match="give rank"):
        by_name(name)(np.eye(5))


@pytest.mark.parametrize("method", ["arpack", "", None, "Dense"])
@pytest.mark.parametrize("name", ["svd", "eigh", "nystrom"])
def test_an_unknown_method_is_refused_with_the_choice(name, method):
    with pytest.raises(ValueError, match="method must be one of 'auto'"):
        by_name(name)(np.eye(5), 2, method=method)


@pytest.mark.parametrize("value", ["ignore", None, True])
@pytest.mark.parametrize("name", TO_RANK)
def test_an_unknown_failure_policy_is_refused(name, value):
    with pytest.raises(ValueError, match="on_failure must be one of"):
        by_name(name)(np.eye(5), 2, on_failure=value)


@pytest.mark.parametrize("accuracy", [0.0, -1e-6, np.nan, np.inf, 1.0, 2])
@pytest.mark.parametrize("name", ["svd", "eigh", "nystrom"])
def test_an_accuracy_outside_its_range_is_refused(name, accuracy):
    with pytest.raises(ValueError, match=r"accuracy must lie in \(0, 1\), got"):
        by_name(name)(np.eye(5), 2, accuracy=accuracy)


@pytest.mark.parametrize("options", [{"oversample": -1}, {"maxiter": 0}, {"maxiter": -5}])
@pytest.mark.parametrize("name", ["svd", "eigh", "nystrom"])
def test_counts_below_their_least_are_refused(name, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        by_name(name)(np.eye(5), 2, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"oversample": 1.5},
        {"maxiter": 10.0},
        {"maxiter": True},
        {"accuracy": "high"},
        {"accuracy": 1e-6j},
        {"accuracy": None},
    ],
)
@pytest.mark.parametrize("name", ["svd", "eigh", "nystrom"])
def test_numbers_of_the_wrong_type_are_type_errors(name, options):
    ((argument, value),) = options.items()
    with pytest.raises(TypeError, match=f"{argument} must be .*, got {re.escape(repr(value))} of type"):
        by_name(name)(np.eye(5), 2, **options)


@pytest.mark.parametrize("callback", [5, "stop", [print]])
@pytest.mark.parametrize("name", TO_RANK)
def test_a_callback_that_can_not_be_called_is_a_type_error(name, callback):
    with pytest.raises(TypeError, match=r"callback must be a function .* or None; got"):
        by_name(name)(np.eye(5), 2, callback=callback)


@pytest.mark.parametrize("value", ["yes", 1, 0, None, np.ones(2)])
@pytest.mark.parametrize("flag", ["progress", "check_finite"])
@pytest.mark.parametrize("name", TO_RANK)
def test_a_flag_is_true_or_false(name, flag, value):
    with pytest.raises(TypeError, match=f"{flag} must be True or False, got"):
        by_name(name)(np.eye(5), 2, **{flag: value})


@pytest.mark.parametrize("value", ["yes", 1, 0, None])
def test_centring_is_true_or_false(value):
    with pytest.raises(TypeError, match="center must be True or False, got"):
        lr.svd(np.eye(5), 2, center=value)


def test_flags_of_numpy_are_flags():
    assert lr.svd(np.eye(5), 2, center=np.bool_(True), progress=np.bool_(False)).mean is not None


@pytest.mark.parametrize("which", ["smallest", "SM", "SA"])
def test_the_smallest_singular_values_are_refused_with_advice(which):
    with pytest.raises(ValueError, match=r"which=.*Factor A once and pass its inverse.*method='dense'"):
        lr.svd(np.eye(5), 2, which=which)


def test_the_eigenvalues_of_smallest_modulus_are_refused_with_advice():
    with pytest.raises(ValueError, match=r"which='SM'.*pass its inverse.*which='SA'.*method='dense'"):
        lr.eigh(np.eye(5), 2, which="SM")


def test_the_advice_for_the_smallest_singular_values_leads_to_them():
    A = lr.testing.matrix(40, 40, "linear", rng=1)
    inverse = lr.operator(lambda X: np.linalg.solve(A, X), lambda Y: np.linalg.solve(A.T, Y), A.shape, A.dtype)
    V, s, Uh = lr.svd(inverse, 3, rng=0)
    np.testing.assert_allclose(1 / s, np.linalg.svd(A)[1][::-1][:3], rtol=1e-6)
    np.testing.assert_allclose(A @ V, Uh.T / s, rtol=0, atol=1e-5)


@pytest.mark.parametrize("which", ["LM", "largest ", None])
def test_other_ends_of_the_singular_values_are_refused(which):
    with pytest.raises(ValueError, match="which must be one of 'largest'"):
        lr.svd(np.eye(5), 2, which=which)


def test_the_largest_singular_values_are_the_default():
    same = lr.svd(np.diag([3.0, 2.0, 1.0]), 2, which="largest", rng=0)
    assert np.array_equal(same.s, lr.svd(np.diag([3.0, 2.0, 1.0]), 2, rng=0).s)


@pytest.mark.parametrize("A", [None, "matrix", 3.0, {1: 2}, object()])
@pytest.mark.parametrize("name", TO_RANK)
def test_what_is_no_matrix_is_a_type_error(name, A):
    with pytest.raises(TypeError, match="a matrix was expected"):
        by_name(name)(A, 1)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), ()])
@pytest.mark.parametrize("name", TO_RANK)
def test_other_dimensions_are_refused(name, shape):
    with pytest.raises(ValueError, match="two-dimensional"):
        by_name(name)(np.zeros(shape), 1)


@pytest.mark.parametrize("dtype", [object, "U3", "datetime64[s]"])
@pytest.mark.parametrize("name", TO_RANK)
def test_dtypes_that_hold_no_numbers_are_type_errors(name, dtype):
    with pytest.raises(TypeError):
        by_name(name)(np.zeros((4, 4)).astype(dtype), 1)


@pytest.mark.parametrize("name", TO_RANK)
def test_ragged_lists_are_refused(name):
    with pytest.raises(ValueError, match="rows of equal length"):
        by_name(name)([[1.0, 2.0], [3.0]], 1)


@pytest.mark.parametrize("name", TO_RANK)
def test_lists_of_matrices_are_refused_with_advice(name):
    with pytest.raises(ValueError, match=r"lowrank_la\.block_source"):
        by_name(name)([np.ones((3, 4)), np.ones((2, 4))], 1)


@pytest.mark.parametrize("name", TO_RANK)
def test_a_masked_array_is_refused_with_advice(name):
    with pytest.raises(TypeError, match="fill the missing entries"):
        by_name(name)(np.ma.masked_less(np.eye(4), 0.5), 1)


@pytest.mark.parametrize("rng", [-1, 1.5, "seed", True, [1]])
@pytest.mark.parametrize("name", TO_RANK)
def test_what_cannot_seed_is_refused(name, rng):
    with pytest.raises((TypeError, ValueError), match="rng"):
        by_name(name)(np.eye(5), 2, rng=rng)
