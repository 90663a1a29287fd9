"""Volume sampling: laws, identities by enumeration, and bad input."""

from itertools import product
from math import comb

import numpy as np
import pytest
import scipy.sparse
from sampling import laws

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.sampling import designs
from lowrank_la.sampling.proposals import RowProposals

GENERATOR = np.random.default_rng(3)
A = GENERATOR.standard_normal((7, 2)) * np.geomspace(1, 5, 7)[:, None]
B = GENERATOR.standard_normal(7)
Q = np.linalg.qr(A)[0]
SOLUTION = np.linalg.lstsq(A, B)[0]


def weighted_solution(places, weights):
    return np.linalg.lstsq(weights[:, None] * A[list(places)], weights * B[list(places)])[0]


@pytest.mark.parametrize("size", [2, 3, 5, 7])
def test_a_projection_set_and_a_uniform_rest_have_the_law_of_volume_sampling(size):
    law = np.zeros(len(laws.subsets(7, size)))
    for place, s in enumerate(laws.subsets(7, size)):
        law[place] = sum(
            abs(np.linalg.det(Q[t])) ** 2 / comb(5, size - 2) for t in laws.subsets(7, 2) if set(t) <= set(s)
        )
    np.testing.assert_allclose(law, laws.volume_law(A, size), rtol=0, atol=1e-12)
    assert abs(law.sum() - 1.0) < 1e-12


@pytest.mark.parametrize("size", [2, 3, 5])
def test_volume_sampling_is_unbiased(size):
    law, sets = laws.volume_law(A, size), laws.subsets(7, size)
    solutions = np.asarray([np.linalg.lstsq(A[s], B[s])[0] for s in sets])
    inverses = np.zeros((len(sets), 2, 7))
    for i, s in enumerate(sets):
        inverses[i][:, s] = np.linalg.pinv(A[s])
    grams = np.asarray([np.linalg.inv(A[s].T @ A[s]) for s in sets])
    np.testing.assert_allclose(law @ solutions, SOLUTION, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.tensordot(law, inverses, 1), np.linalg.pinv(A), rtol=0, atol=1e-12)
    expected = (7 - 2 + 1) / (size - 2 + 1) * np.linalg.inv(A.T @ A)
    np.testing.assert_allclose(np.tensordot(law, grams, 1), expected, rtol=0, atol=1e-12)


def test_the_loss_of_a_set_of_d_rows_is_d_plus_one_times_the_best_on_average():
    law, sets = laws.volume_law(A, 2), laws.subsets(7, 2)
    losses = [np.sum((A @ np.linalg.solve(A[s], B[s]) - B) ** 2) for s in sets]
    assert abs(law @ losses - 3 * np.sum((A @ SOLUTION - B) ** 2)) < 1e-12 * np.sum(B**2) * 10


def rescaled_law(size):
    """Probability of every sequence of `size` rows under volume rescaling."""
    leverages = np.sum(Q**2, axis=1)
    sequences = list(product(range(7), repeat=size))
    law = np.zeros(len(sequences))
    for place, sequence in enumerate(sequences):
        for first, second in laws.subsets(size, 2):  # where the projection set sits; its two orders are alike
            t = [sequence[first], sequence[second]]
            rest = [sequence[j] for j in range(size) if j not in (first, second)]
            law[place] += np.linalg.det(Q[t]) ** 2 / 2 * np.prod(leverages[rest] / 2) / comb(size, 2)
    return sequences, law


@pytest.mark.parametrize("size", [2, 3, 4])
def test_volume_rescaled_sampling_is_unbiased_and_repeated_sets_are_not(size):
    sequences, law = rescaled_law(size)
    assert abs(law.sum() - 1.0) < 1e-12
    weights = np.sqrt(2 / np.sum(Q**2, axis=1))
    kept = law > 0
    solutions = [weighted_solution(s, weights[list(s)]) for s, keep in zip(sequences, kept, strict=True) if keep]
    np.testing.assert_allclose(law[kept] @ np.asarray(solutions), SOLUTION, rtol=0, atol=1e-11)
    if size == 4:
        pairs, p = laws.subsets(7, 2), laws.projection_law(Q)
        mean = sum(
            p[i] * p[j] * weighted_solution(s + t, weights[s + t])
            for (i, s), (j, t) in product(enumerate(pairs), repeat=2)
        )
        assert np.linalg.norm(mean - SOLUTION) > 1e-3 * np.linalg.norm(SOLUTION)


@pytest.mark.parametrize("size", [2, 3, 6, 7])
def test_sets_are_drawn_with_their_volumes(size):
    (draws,) = lr.volume_sample(A, size, draws=40_000, rng=size)
    assert laws.same_law(laws.counts(draws, 7), laws.volume_law(A, size)) > laws.REJECT


def test_sequences_are_drawn_with_their_rescaled_volumes():
    places = designs.volume_rescaled(RowProposals(Q), 3, be.Key(4), range(60_000))
    _, law = rescaled_law(3)
    found = np.bincount(places @ [49, 7, 1], minlength=343).astype(float)
    assert laws.same_law(found, law) > laws.REJECT


def test_uniform_sets_do_not_pass_for_volume_sampling():
    draws = np.argsort(np.random.default_rng(0).random((40_000, 7)), axis=1)[:, :3]
    assert laws.same_law(laws.counts(draws, 7), laws.volume_law(A, 3)) < laws.REJECT


def test_independent_rows_do_not_pass_for_volume_rescaling():
    places = designs.independent(RowProposals(Q), 3, be.Key(5), range(60_000))
    found = np.bincount(places @ [49, 7, 1], minlength=343).astype(float)
    assert laws.same_law(found, rescaled_law(3)[1]) < laws.REJECT


@pytest.mark.parametrize("name", ["volume_rescaled", "repeated", "independent"])
def test_every_design_draws_rows_by_leverage(name):
    leverages = np.sum(Q**2, axis=1)
    places = getattr(designs, name)(RowProposals(Q), 5, be.Key(6), range(20_000))
    assert places.shape == (20_000, 5)
    first = np.bincount(places[:, 3], minlength=7).astype(float)
    assert laws.same_law(first, leverages / 2) > laws.REJECT


def test_the_rest_of_a_large_set_of_many_rows_is_uniform():
    V = laws.orthonormal(300, 2, 5)
    (draws,) = lr.volume_sample(V, 12, draws=5000, rng=7)
    assert all(len(set(row)) == 12 for row in draws.tolist())
    found = np.bincount(draws[:, 2:].ravel(), minlength=300).astype(float)
    law = 10 * (1 - np.sum(V**2, axis=1)) / 298
    z = (found - 5000 * law) / np.sqrt(5000 * law * (1 - law))
    assert np.max(np.abs(z)) < 4.8


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_all_backends_draw_the_same_rows(backend, dtype):
    V = laws.orthonormal(40, 3, 6, dtype) * 3
    rows = lr.volume_sample(backend.asarray(V), 8, rng=1).indices
    assert backend.holds(rows)
    np.testing.assert_array_equal(backend.to_numpy(rows), lr.volume_sample(V, 8, rng=1).indices)
    rows, weights = lr.volume_rescaled_sample(backend.asarray(V), 8, rng=1)
    assert backend.holds(rows)
    assert backend.holds(weights)
    expected, expected_weights = lr.volume_rescaled_sample(V, 8, rng=1)
    np.testing.assert_array_equal(backend.to_numpy(rows), expected)
    np.testing.assert_allclose(backend.to_numpy(weights), expected_weights, rtol=1e-5)


def test_weights_are_the_root_of_d_over_leverage():
    rows, weights = lr.volume_rescaled_sample(A, 6, rng=2)
    np.testing.assert_allclose(weights, np.sqrt(2 / np.sum(Q**2, axis=1))[rows], rtol=1e-12)


def test_a_sparse_matrix_and_a_seed_give_the_same_rows_again():
    first = lr.volume_sample(scipy.sparse.csr_array(A), 4, rng=3)
    np.testing.assert_array_equal(lr.volume_sample(A, 4, rng=first.info.rng).indices, first.indices)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lr.volume_sample(A, 1), ValueError, "size must be between 2 and 7, got 1"),
        (lambda: lr.volume_sample(A, 8), ValueError, "size must be between 2 and 7, got 8"),
        (lambda: lr.volume_sample(A, 2.5), TypeError, "size must be an integer"),
        (lambda: lr.volume_sample(A, 3, draws=-1), ValueError, "draws must be"),
        (lambda: lr.volume_rescaled_sample(A, 1), ValueError, "size must be at least 2"),
        (lambda: lr.volume_sample(A.T, 3), ValueError, "no fewer rows than columns"),
        (lambda: lr.volume_sample(np.ones((5, 2)), 3), ValueError, "numerical rank 1 of 2"),
        (lambda: lr.volume_rescaled_sample(np.full((5, 2), np.nan), 3), ValueError, "NaN"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
