"""Argument checks state the value, what was expected and what to do."""

import math

import numpy as np
import pytest

from lowrank_la import _backend as be


class Index:
    def __index__(self):
        return 3


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), Index(), np.asarray(3)])
def test_every_kind_of_integer_counts(value):
    assert be.check_count("rank", value) == 3
    assert type(be.check_count("rank", value)) is int


@pytest.mark.parametrize("value", [3.0, np.float64(3), "3", None, True, False, [3], 3 + 0j])
def test_what_is_not_an_integer_is_refused_by_name(value):
    with pytest.raises(TypeError, match="oversample must be an integer"):
        be.check_count("oversample", value)


def test_counts_out_of_range_state_the_range():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        be.check_count("b", 0)
    with pytest.raises(ValueError, match="between 0 and 4, got 5"):
        be.check_count("b", 5, low=0, high=4)
    assert be.check_count("b", 0, low=0) == 0


def test_ranks_go_up_to_the_shorter_side():
    assert be.check_rank(4, (4, 9)) == 4
    with pytest.raises(ValueError, match=r"at most min\(m, n\) = 4 for a matrix of shape 4×9, got 5"):
        be.check_rank(5, (4, 9))
    with pytest.raises(ValueError, match="at least 1"):
        be.check_rank(0, (4, 9))
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="empty"):
            be.check_rank(1, shape)


@pytest.mark.parametrize("value", [1e-15, 0.5, np.float32(0.5), np.asarray(0.1)])
def test_tolerances_lie_between_zero_and_one(value):
    assert be.check_tol(value) == float(value)


@pytest.mark.parametrize("value", [0.0, 1.0, -1e-3, 2, math.nan, math.inf])
def test_tolerances_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=r"tol must lie in \(0, 1\)"):
        be.check_tol(value)


@pytest.mark.parametrize("value", [True, "small", None, 0.1j, [0.1]])
def test_tolerances_that_are_no_numbers_are_refused(value):
    with pytest.raises(TypeError, match="accuracy must be a number"):
        be.check_tol(value, "accuracy")


def test_rank_or_tolerance_or_both_are_needed():
    with pytest.raises(ValueError, match=r"give rank .* or tol"):
        be.check_rank_or_tol(None, None, (3, 3))
    assert be.check_rank_or_tol(2, None, (3, 3)) == (2, None)
    assert be.check_rank_or_tol(None, 0.1, (3, 3)) == (None, 0.1)
    assert be.check_rank_or_tol(2, 0.1, (3, 3)) == (2, 0.1)
    with pytest.raises(ValueError, match="empty"):
        be.check_rank_or_tol(None, 0.1, (0, 3))


def test_positive_numbers():
    assert be.check_positive("scale", 2) == 2.0
    assert be.check_positive("ridge", 0, zero=True) == 0.0
    for value in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="scale must be positive and finite"):
            be.check_positive("scale", value)
    for value in ("big", "3", None, 1j, True, np.complex128(1), np.ones(1)):
        with pytest.raises(TypeError, match="scale must be a number"):
            be.check_positive("scale", value)


def test_options_are_listed():
    assert be.check_option("method", "gram", ("auto", "gram")) == "gram"
    with pytest.raises(ValueError, match="method must be one of 'auto', 'gram'; got 'grem'"):
        be.check_option("method", "grem", ("auto", "gram"))
    for value in (np.array(["auto", "gram"]), np.array(["auto"]), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="method must be one of 'auto', 'gram'; got array"):
            be.check_option("method", value, ("auto", "gram"))
    for value in ([], {"auto": 1}):
        with pytest.raises(ValueError, match="method must be one of 'auto', 'gram'; got"):
            be.check_option("method", value, {"auto": None, "gram": None})


def test_truth_values_of_an_array_library_are_no_counts():
    for value in (np.bool_(True), np.array(True), pytest.importorskip("torch").tensor(True)):
        with pytest.raises(TypeError, match="rank must be an integer, got"):
            be.check_count("rank", value)


def test_flags_are_true_or_false():
    assert be.check_flag("center", True) is True
    assert be.check_flag("center", np.bool_(False)) is False
    for value in (1, 0.0, None, "True", np.ones(1, bool)):
        with pytest.raises(TypeError, match="center must be True or False, got"):
            be.check_flag("center", value)


def test_callbacks_can_be_called():
    assert be.check_callback(None) is None
    assert be.check_callback(print) is print
    with pytest.raises(TypeError, match=r"callback must be a function .* got 5 of type int"):
        be.check_callback(5)
