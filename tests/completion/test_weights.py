"""Weights of entries: zero ones, very large and very small ones, and those that are refused."""

import numpy as np
import pytest
import scipy.sparse
from completion.matrices import relative_error, sampled

import lowrank_la as lr
from lowrank_la import _backend as be


def spoiled(value, share=0.05):
    """A matrix of rank 2, its entries of which some are `value`, and weights that are zero there."""
    A, (rows, columns, values) = sampled(50, 40, 2, 6.0)
    bad = np.random.default_rng(5).random(values.size) < share
    return A, (rows, columns, np.where(bad, value, values)), np.where(bad, 0.0, 1.0)


@pytest.mark.parametrize("value", [1e6, 1e200, np.inf, np.nan])
def test_entries_of_weight_zero_say_nothing(value):
    A, (rows, columns, values), weights = spoiled(value)
    kept = weights > 0.0
    result = lr.complete((rows, columns, values), 2, shape=A.shape, weights=weights, rng=0, tol=1e-10)
    assert result.info.converged
    assert result.info.error <= 1e-8
    assert relative_error(result, A) <= 1e-8
    without = lr.complete(
        (rows[kept], columns[kept], values[kept]), 2, shape=A.shape, weights=weights[kept], rng=0, tol=1e-10
    )
    np.testing.assert_array_equal(result.U, without.U)
    assert result.info.oversampling == without.info.oversampling


def test_entries_of_weight_zero_are_left_out_of_every_kind_of_input(backend):
    A, (rows, columns, values), weights = spoiled(1e6)
    S, W = (scipy.sparse.coo_array((x, (rows, columns)), shape=A.shape).tocsr() for x in (values, weights))
    known, own = (np.full(A.shape, np.nan), np.ones(A.shape))
    known[rows, columns], own[rows, columns] = values, weights
    options = {"tol": 1e-5, "rng": 0}
    found = [lr.complete(backend.asarray(known), 2, weights=backend.asarray(own), **options)]
    if backend.name == "numpy":
        before = S.data.copy()
        found += [lr.complete(S, 2, weights=W, **options), lr.complete(S, 2, weights=W.data, **options)]
        np.testing.assert_array_equal(S.data, before)
    for result in found:
        assert relative_error([backend.to_numpy(x) for x in result], A) <= 1e-3


def test_a_matrix_with_too_few_positive_weights_is_not_determined():
    A, (rows, columns, values) = sampled(50, 40, 3, 3.0)
    weights = np.where(np.arange(values.size) % 4 == 0, 1.0, 0.0)
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.complete((rows, columns, values), 3, shape=A.shape, weights=weights, rng=0)
    assert not result.info.converged
    assert result.info.oversampling < 1.0


def test_a_place_given_twice_with_weights_zero_is_no_entry():
    A, (rows, columns, values) = sampled(50, 40, 2, 6.0)
    twice = [np.concatenate([x, x[:3], x[:3]]) for x in (rows, columns, values)]
    weights = np.ones(values.size + 6)
    weights[[0, 1, 2]] = weights[-6:-3] = weights[-3:] = 0.0
    result = lr.complete(tuple(twice), 2, shape=A.shape, weights=weights, duplicates="average", rng=0)
    reference = lr.complete((rows[3:], columns[3:], values[3:]), 2, shape=A.shape, weights=weights[3:-6], rng=0)
    np.testing.assert_array_equal(result.U, reference.U)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        ("float64", 2.0**664),
        ("float64", 2.0**-1060),
        ("float32", 2.0**116),
        ("float32", 2.0**664),
        ("float32", 2.0**-130),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_weights_and_penalties_of_any_common_size_give_one_answer(dtype, size, bias):
    A, (rows, columns, values) = sampled(50, 40, 2, 6.0, dtype)
    eps = be.eps(A.dtype)
    weights = np.where(np.arange(values.size) % 2, 1.0, 2.0)
    options = {"shape": A.shape, "holdout": 0, "rng": 0, "bias": bias, "maxiter": 2000, "tol": 16 * eps}
    found = [
        lr.complete((rows, columns, values), 2, weights=weights * factor, regularization=0.5 * factor, **options)
        for factor in (1.0, size)
    ]
    difference = found[0].U @ found[0].V.T - found[1].U @ found[1].V.T
    assert np.linalg.norm(difference) <= 100 * eps**0.5 * np.linalg.norm(A)


@pytest.mark.parametrize(
    ("weights", "error", "match"),
    [
        (np.ones((50, 40)), ValueError, "weights must be a vector"),
        (2.0, ValueError, "weights must be a vector"),
        ("complex", TypeError, "weights must be real numbers"),
        ("negative", ValueError, "weights must not be negative"),
        ("zero", ValueError, "not all zero"),
        ("inf", ValueError, "weights"),
    ],
)
def test_weights_that_make_no_sense_are_refused(weights, error, match):
    A, given = sampled(50, 40, 2, 6.0)
    ones = np.ones(given[2].size)
    named = {"complex": ones + 1j, "negative": -ones, "zero": 0 * ones, "inf": ones * np.inf}
    weights = named.get(weights, weights) if isinstance(weights, str) else weights
    with pytest.raises(error, match=match):
        lr.complete(given, 2, shape=A.shape, weights=weights)


def test_a_confidence_of_the_wrong_shape_is_called_by_its_name():
    A, (rows, columns, values) = sampled(50, 40, 2, 6.0)
    S = scipy.sparse.coo_array((values, (rows, columns)), shape=A.shape).tocsr()
    with pytest.raises(ValueError, match="confidence must be a vector"):
        lr.complete(S, 2, confidence=np.full(A.shape, 2.0))
    with pytest.raises(ValueError, match=r"confidence as a matrix must have the shape \(50, 40\)"):
        lr.complete(A, 2, confidence=np.full((50, 39), 2.0))
