"""The projection sampler: its law, its cost, its twin, and inputs that should not upset it."""

import math

import numpy as np
import pytest
import scipy.sparse
from sampling import laws
from strategies import LAYOUTS, lay_out

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import _kernels
from lowrank_la.sampling import rejection
from lowrank_la.sampling.proposals import RowProposals
from lowrank_la.sampling.rejection import draw_sets


def drawn(V, size, rng):
    return be.to_numpy(lr.ProjectionDPP(V).sample(size, rng=rng)).astype(np.int64)


def test_probabilities_of_all_sets_sum_to_one():
    assert abs(laws.projection_law(laws.orthonormal(7, 3)).sum() - 1.0) < 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_sets_are_drawn_with_their_probabilities(dtype):
    V = laws.orthonormal(8, 3, 2, dtype)
    exact = np.linalg.qr(V.astype("complex128"))[0]
    draws = drawn(V, 200_000, 5)
    assert laws.same_law(laws.counts(draws, 8), laws.projection_law(exact)) > laws.REJECT


def test_inclusions_and_pairs_have_their_probabilities():
    V = laws.orthonormal(30, 5, 3)
    draws = drawn(V, 20_000, 6)
    assert laws.inclusion_test(draws, V) > laws.REJECT
    assert laws.pair_test(draws, V) > laws.REJECT


def test_all_orders_of_a_set_are_equally_likely():
    V = laws.orthonormal(4, 3, 4)
    orders = np.argsort(drawn(V, 60_000, 7), axis=1) @ [9, 3, 1]
    assert laws.same_law(np.unique(orders, return_counts=True)[1].astype(float), np.full(6, 1 / 6)) > laws.REJECT


@pytest.mark.parametrize("k", [1, 2, 7, 31, 32, 33, 80])
def test_the_number_of_proposals_is_that_of_the_theory(k):
    V = laws.orthonormal(400, k, 5)
    used = draw_sets(RowProposals(V), be.resolve_rng(1), range(400))[1]
    variance = sum(k * (k - j) / j**2 for j in range(1, k + 1))
    expected = k * sum(1 / j for j in range(1, k + 1))
    assert abs(used.mean() - expected) <= 4 * math.sqrt(variance / 400) + 1e-12


@pytest.mark.parametrize(("n", "k"), [(1, 1), (9, 8), (9, 9), (50, 49), (300, 40), (5000, 7)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_the_kernel_and_its_twin_draw_the_same_sets(n, k, dtype, monkeypatch):
    V = laws.orthonormal(n, k, 6, dtype)
    key, proposals = be.resolve_rng(2), RowProposals(V)
    compiled = draw_sets(proposals, key, range(40))
    monkeypatch.setattr(rejection, "kernels_pay", lambda work: False)
    twin = draw_sets(proposals, key, range(40))
    for a, b in zip(compiled, twin, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_one_scan_and_its_twin_leave_the_same_state(dtype):
    V = laws.orthonormal(200, 20, 7, dtype)
    places = np.arange(70, dtype=np.int64)
    rows, levels = np.ascontiguousarray(V[:70]), np.random.default_rng(0).random(70)
    leverages = np.sum(np.abs(rows) ** 2, axis=1)
    states = []
    for scan in (_kernels.lookup("scan_proposals", "numpy"), rejection.scan_proposals):
        Z, chosen = np.eye(20, dtype=dtype), np.zeros(20, np.int64)
        states.append((*scan(rows, places, leverages, levels, chosen, 0, Z), chosen, Z))
    (t, used, chosen, Z), (other_t, other_used, other_chosen, other_Z) = states
    assert (t, used) == (other_t, other_used)
    np.testing.assert_array_equal(chosen[:t], other_chosen[:t])
    np.testing.assert_allclose(Z[t:], other_Z[t:], rtol=0, atol=1e-13)
    np.testing.assert_allclose(Z[t:] @ Z[t:].conj().T, np.eye(20 - t), rtol=0, atol=1e-13)
    np.testing.assert_allclose(Z[t:] @ V[chosen[:t]].T, 0.0, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_all_backends_draw_the_same_sets(backend, dtype):
    V = laws.orthonormal(60, 6, 8, dtype)
    rows = lr.ProjectionDPP(backend.asarray(V)).sample(20, rng=3)
    assert backend.holds(rows)
    np.testing.assert_array_equal(backend.to_numpy(rows), drawn(V, 20, 3))


def test_a_draw_depends_on_the_seed_and_its_number_alone():
    process = lr.ProjectionDPP(laws.orthonormal(300, 12, 9))
    batch = process.sample(40, rng=4)
    np.testing.assert_array_equal(process.sample(7, rng=4), batch[:7])
    np.testing.assert_array_equal(process.sample(rng=4), batch[0])
    assert not np.array_equal(process.sample(rng=5), batch[0])
    assert process.sample(0, rng=4).shape == (0, 12)


def test_a_native_generator_draws(backend):
    if backend.name != "torch":
        pytest.skip("torch has generators of its own")
    import torch

    V = backend.asarray(laws.orthonormal(40, 4, 10))
    rows = lr.ProjectionDPP(V).sample(3, rng=torch.Generator(backend.device).manual_seed(1))
    assert [len(set(row)) for row in rows.tolist()] == [4, 4, 4]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("departure", [1e-6, 1e-3])
def test_a_basis_off_orthonormal_keeps_the_law_of_its_span(dtype, departure):
    Q = laws.orthonormal(8, 3, 11)
    mixed = Q @ (np.eye(3) + departure * np.random.default_rng(0).standard_normal((3, 3)))
    draws = drawn(mixed.astype(dtype), 100_000, 8)
    assert laws.same_law(laws.counts(draws, 8), laws.projection_law(Q)) > laws.REJECT


@pytest.mark.parametrize(
    "mixing", [np.diag([1e150, 1.0, 1e-150]), np.diag([1e-16, 1.0, 1.0]), 1e150 * np.eye(3), 1e-150 * np.eye(3)]
)
def test_scales_do_not_change_the_law(mixing):
    Q = laws.orthonormal(8, 3, 12)
    np.testing.assert_array_equal(drawn(Q @ mixing, 500, 9), drawn(4.0 * Q, 500, 9))


def test_a_condition_of_a_billion_keeps_the_law_of_the_span():
    Q = laws.orthonormal(8, 3, 13)
    mixing = np.asarray([[1.0, 1.0, 1.0], [0.0, 1e-4, 1e-4], [0.0, 0.0, 1e-9]])
    draws = drawn(Q @ mixing, 100_000, 10)
    assert laws.same_law(laws.counts(draws, 8), laws.projection_law(Q)) > laws.REJECT


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [2, 20, 90])
def test_all_rows_but_one_are_drawn(n, dtype):
    draws = drawn(laws.orthonormal(n, n - 1, 14, dtype), 50, 11)
    assert all(len(set(row)) == n - 1 for row in draws.tolist())


def test_zero_rows_are_never_drawn_and_tied_rows_are_drawn_alike():
    V = np.zeros((9, 2))
    V[[1, 4]] = [[0.5, 0.5], [0.5, -0.5]]
    V[[5, 8]] = V[[1, 4]]
    draws = drawn(V, 20_000, 12)
    found = laws.counts(draws, 9)
    law = laws.projection_law(V)
    assert found[law == 0].sum() == 0
    assert laws.same_law(found, law) > laws.REJECT
    assert set(np.unique(draws)) == {1, 4, 5, 8}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout_gives_the_same_sets_and_is_left_alone(layout):
    V = laws.orthonormal(80, 5, 15)
    given = lay_out(V, layout)
    before = given.copy()
    np.testing.assert_array_equal(drawn(given, 10, 13), drawn(V, 10, 13))
    np.testing.assert_array_equal(given, before)


def test_sparse_matrices_and_operators_are_taken():
    V = laws.orthonormal(50, 4, 16)
    expected = drawn(V, 5, 14)
    np.testing.assert_array_equal(drawn(scipy.sparse.csr_array(V), 5, 14), expected)
    np.testing.assert_array_equal(
        drawn(lr.operator(lambda X: V @ X, lambda Y: V.T @ Y, V.shape, V.dtype), 5, 14), expected
    )


@pytest.mark.parametrize(
    ("V", "message"),
    [
        (np.ones((3, 5)), "no fewer rows than columns, got shape 3×5"),
        (np.ones((5, 0)), "at least one column"),
        (np.asarray([[1.0], [np.nan]]), "ProjectionDPP got NaN"),
        (np.asarray([[1.0], [np.inf]]), "infinite"),
        (np.asarray([[1.0, 0.0], [1.0, 0.0]]), "column of zeros"),
        (np.ones((6, 2)), "numerical rank 1 of 2"),
        (np.vander(np.linspace(0, 1, 40), 25), "linearly dependent"),
    ],
)
def test_bad_features_are_refused_by_name(V, message):
    with pytest.raises(ValueError, match=message):
        lr.ProjectionDPP(V)


@pytest.mark.parametrize("size", [-1, 2.0, True, "3"])
def test_bad_sizes_are_refused(size):
    with pytest.raises((TypeError, ValueError), match="size must be"):
        lr.ProjectionDPP(np.eye(3)).sample(size)


@pytest.mark.parametrize("features", [lr.Legendre(6), lr.Hermite(6), lr.Chebyshev(6)])
def test_points_of_a_continuous_domain_have_the_leverage_as_intensity(features):
    points = lr.ProjectionDPP(features).sample(4000, rng=15)
    assert points.shape == (4000, 6)
    inside = np.sum(points < features.quantile(0.3), axis=1)
    assert abs(inside.mean() - 6 * 0.3) <= 4 * inside.std() / math.sqrt(4000)
    assert inside.std() < math.sqrt(6 * 0.3 * 0.7)  # repulsion: less than that of independent points


def test_two_points_of_a_continuous_domain_have_their_joint_distribution():
    points = np.sort(lr.ProjectionDPP(lr.Legendre(2)).sample(40_000, rng=16), axis=1)
    # the density of the pair is 3 (y - x)² / 2, so that P(both below 0) = 3/8 ∫∫_{[-1,0]²} (y - x)² = 1/16
    both = float(np.mean(points[:, 1] < 0))
    assert abs(both - 1 / 16) <= 4 * math.sqrt(1 / 16 * 15 / 16 / 40_000)


def test_a_draw_without_a_seed_is_recorded_and_repeated():
    process = lr.ProjectionDPP(np.linalg.qr(np.random.default_rng(5).standard_normal((60, 5)))[0])
    first, key = process.sample(20), process.last_rng
    np.testing.assert_array_equal(process.sample(20, rng=key), first)
    assert process.last_rng == key
