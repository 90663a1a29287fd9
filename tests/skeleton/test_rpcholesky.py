"""What `rpcholesky` promises: the law of its pivots, its error, and what it reads."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from factor.oracles import eps, relative_error

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la._backend import threads
from lowrank_la.exceptions import RankWarning
from lowrank_la.skeleton.cholesky_factor import accept
from lowrank_la.skeleton.rpcholesky import propose


def gaussian(x, y, length=0.5):
    return np.exp(-((x[:, None] - y[None, :]) ** 2) / (2 * length**2))


def decaying(n, dtype="float64", rng=1):
    return testing.hermitian(n, testing.spectra["exponential_medium"](n), dtype=dtype, rng=rng)


def trace_error(K, F):
    K, F = be.to_numpy(K), be.to_numpy(F)
    return float(np.trace(K - F @ F.conj().T).real / np.trace(K).real)


def test_a_matrix_of_exact_rank_is_recovered(backend):
    for dtype in backend.dtypes:
        host = testing.hermitian(40, np.linspace(3.0, 1.0, 5), dtype=dtype, rng=1)
        r = lr.rpcholesky(backend.asarray(host), 5, rng=0)
        F = backend.to_numpy(r.F)
        assert relative_error(host, F @ F.conj().T) <= 200 * eps(dtype)


def test_factors_live_where_the_data_live(backend):
    for dtype in backend.dtypes:
        F, indices = lr.rpcholesky(backend.asarray(decaying(20, dtype)), 3, rng=0)
        assert backend.holds(F)
        assert backend.holds(indices)
        assert be.dtype_name(F.dtype) == dtype
        assert F.shape == (20, 3)
        assert indices.shape == (3,)


def test_every_backend_draws_the_same_pivots_from_one_seed(backend):
    for dtype in backend.dtypes:
        host = decaying(60, dtype)
        ours, reference = (lr.rpcholesky(K, 10, rng=7) for K in (backend.asarray(host), host))
        np.testing.assert_array_equal(backend.to_numpy(ours.indices), reference.indices)
        assert relative_error(reference.F, backend.to_numpy(ours.F)) <= 1e3 * eps(dtype)


def test_the_error_is_that_of_the_returned_factor(backend):
    for dtype in backend.dtypes:
        host = decaying(50, dtype)
        r = lr.rpcholesky(backend.asarray(host), 12, rng=3)
        assert r.info.error_kind == "exact"
        assert abs(r.info.error - trace_error(host, r.F)) <= 100 * eps(dtype)


def test_the_factor_interpolates_its_columns():
    K = decaying(60)
    F, indices = lr.rpcholesky(K, 10, rng=0)
    rest = K - F @ F.T
    assert np.abs(rest[:, indices]).max() <= 50 * eps("float64") * K.max()
    assert np.linalg.eigvalsh(rest).min() >= -50 * eps("float64") * np.linalg.norm(K)
    assert len(set(indices.tolist())) == 10


def test_a_kernel_matrix_gives_the_factor_of_the_matrix_it_stands_for():
    x = np.random.default_rng(0).standard_normal(300)
    known = lr.rpcholesky(gaussian(x, x), 20, rng=5)
    for diag in (None, 1.0, np.ones(300), lambda points: np.ones(points.shape[0])):
        r = lr.rpcholesky(lr.KernelMatrix(x, gaussian, diag=diag), 20, rng=5)
        np.testing.assert_array_equal(r.indices, known.indices)
        np.testing.assert_allclose(r.F, known.F, rtol=0, atol=1e-7)


def test_a_kernel_matrix_is_read_in_few_columns_and_never_formed():
    n, asked = 4000, []

    def counted(x, y):
        asked.append(x.shape[0] * y.shape[0])
        return gaussian(x, y)

    r = lr.rpcholesky(lr.KernelMatrix(np.linspace(0, 10, n), counted, diag=1.0), 20, rng=0)
    assert sum(asked) <= r.info.entries + 1
    assert sum(asked) <= 22 * n
    assert max(asked) < n * n / 50


def test_other_inputs_give_the_factor_of_the_array():
    K = decaying(40)
    known = lr.rpcholesky(K, 8, rng=2)
    wrapped = lr.operator(lambda X: K @ X, lambda Y: K.T @ Y, K.shape, K.dtype)
    for given in (scipy.sparse.csr_array(K), scipy.sparse.csc_array(K), wrapped, K.tolist(), lr.as_operator(K) + 0 * K):
        r = lr.rpcholesky(given, 8, rng=2)
        np.testing.assert_array_equal(r.indices, known.indices)
        assert relative_error(known.F, r.F) <= 1e3 * eps("float64")


def test_an_operator_of_products_alone_says_what_its_diagonal_cost():
    K = decaying(30)
    r = lr.rpcholesky(lr.operator(lambda X: K @ X, None, K.shape, K.dtype), 4, rng=0)
    assert r.info.products >= 30


def test_a_tolerance_is_met_by_the_first_pivot_that_meets_it():
    K = decaying(80)
    for block in (1, 7, 64):
        F, _ = r = lr.rpcholesky(K, 80, tol=0.05, block=block, rng=0)
        k = F.shape[1]
        assert r.info.reason == "tolerance met"
        assert trace_error(K, F) <= 0.05 < trace_error(K, F[:, : k - 1])
        assert abs(r.info.error - trace_error(K, F)) <= 100 * eps("float64")


def test_a_rank_too_small_for_the_tolerance_warns_or_raises():
    K = decaying(40)
    with pytest.warns(lr.ConvergenceWarning, match="rank"):
        r = lr.rpcholesky(K, 3, tol=1e-6, rng=0)
    assert r.info.converged is False
    with pytest.raises(lr.ConvergenceError):
        lr.rpcholesky(K, 3, tol=1e-6, rng=0, on_failure="raise")


# The law: sequences of two pivots of a 6×6 matrix, by enumeration.


def small():
    rng = np.random.default_rng(4)
    G = rng.standard_normal((6, 4)) * np.array([2.0, 1.0, 0.5, 0.3])
    return G @ G.T


def law_of_sequences(K, length):
    """Probability of each ordered choice: each pivot in proportion to the diagonal left."""
    law = {}

    def descend(left, chosen, probability):
        if len(chosen) == length:
            law[chosen] = probability
            return
        weights = np.clip(np.diag(left), 0, None)
        for i in range(len(K)):
            if i not in chosen and weights[i] > 1e-12:
                column = left[:, i] / math.sqrt(left[i, i])
                descend(left - np.outer(column, column), (*chosen, i), probability * weights[i] / weights.sum())

    descend(K, (), 1.0)
    return law


def p_value(drawn, law):
    cells = sorted(law)
    counts = np.array([drawn.count(cell) if isinstance(drawn, list) else drawn.get(cell, 0) for cell in cells])
    assert counts.sum() == sum(drawn.values())
    expected = np.array([law[cell] for cell in cells]) * counts.sum()
    large = expected >= 5
    observed = np.append(counts[large], counts[~large].sum())
    expected = np.append(expected[large], expected[~large].sum())
    return scipy.stats.chisquare(observed[expected > 0], expected[expected > 0]).pvalue


def count(sequences):
    found = {}
    for sequence in sequences:
        found[sequence] = found.get(sequence, 0) + 1
    return found


def drawn_by_blocks(K, length, block, trials, accepting):
    """Sequences by rounds of proposals on bare arrays, as `rpcholesky` draws them."""
    rng = np.random.default_rng(11)
    for _ in range(trials):
        left, chosen = K.copy(), []
        while len(chosen) < length:
            weights = np.clip(np.diag(left), 0, None)
            weights[chosen] = 0.0
            proposed = propose(weights, 1.0 - rng.random(block))
            core = left[np.ix_(proposed, proposed)]
            places, _ = accepting(core, weights[proposed], 1.0 - rng.random(block), 1e-12, length - len(chosen))
            for i in proposed[places]:
                if left[i, i] > 1e-12:
                    column = left[:, i] / math.sqrt(left[i, i])
                    left = left - np.outer(column, column)
                chosen.append(int(i))
        yield tuple(chosen)


@pytest.mark.parametrize("block", [1, 3, 6])
def test_pivots_follow_the_law_for_every_block(block):
    K = small()
    law = law_of_sequences(K, 3)
    assert abs(sum(law.values()) - 1.0) <= 1e-12
    drawn = count(tuple(lr.rpcholesky(K, 3, block=block, rng=seed).indices.tolist()) for seed in range(2000))
    assert p_value(drawn, law) > 1e-4


@pytest.mark.parametrize("block", [2, 5])
def test_rounds_of_proposals_follow_the_law(block):
    K = small()
    drawn = count(drawn_by_blocks(K, 3, block, 20000, accept))
    assert p_value(drawn, law_of_sequences(K, 3)) > 1e-4


def accept_all(core, weights, uniform, floor, most):
    """A mutant: every distinct proposal is taken, without rejection."""
    places = []
    for j in range(len(weights)):
        left = core - core[:, places] @ np.linalg.pinv(core[np.ix_(places, places)]) @ core[places]
        if left[j, j] > 1e-9 and len(places) < most:
            places.append(j)
    return places, None


def accept_by_first_core(core, weights, uniform, floor, most):
    """A mutant: rejection against the diagonal at the start of the round, never lowered, repeats left out."""
    places, _ = accept_all(core, weights, uniform, floor, most)
    return [j for j in places if uniform[j] * weights[j] < core[j, j]], None


@pytest.mark.parametrize("mutant", [accept_all, accept_by_first_core])
def test_the_law_notices_blocks_without_rejection(mutant):
    K = small()
    drawn = count(drawn_by_blocks(K, 3, 5, 4000, mutant))
    assert p_value(drawn, law_of_sequences(K, 3)) < 1e-4


@pytest.mark.parametrize("mutant", ["uniform", "squared", "diagonal at the start"])
def test_the_law_notices_wrong_weights(mutant):
    K, rng = small(), np.random.default_rng(5)

    def draw():
        left, chosen = K.copy(), []
        for _ in range(3):
            weights = np.clip(np.diag(K if mutant == "diagonal at the start" else left), 0, None).copy()
            weights = weights**2 if mutant == "squared" else (weights > 1e-12) * 1.0 if mutant == "uniform" else weights
            weights[chosen] = 0.0
            i = int(rng.choice(6, p=weights / weights.sum()))
            column = left[:, i] / math.sqrt(left[i, i])
            left = left - np.outer(column, column)
            chosen.append(i)
        return tuple(chosen)

    assert p_value(count(draw() for _ in range(4000)), law_of_sequences(K, 3)) < 1e-4


def test_the_mean_trace_error_is_that_of_the_enumeration():
    K = small()

    def error(chosen):
        columns = K[:, list(chosen)]
        return np.trace(K - columns @ np.linalg.solve(K[np.ix_(chosen, chosen)], columns.T)) / np.trace(K)

    expected = sum(p * error(chosen) for chosen, p in law_of_sequences(K, 2).items())
    errors = np.array([lr.rpcholesky(K, 2, block=4, rng=seed).info.error for seed in range(1500)])
    assert abs(errors.mean() - expected) <= 4 * errors.std() / math.sqrt(errors.size)


def test_the_trace_error_stays_within_its_bound_on_average():
    K = testing.hermitian(200, testing.spectra["polynomial_two"](200), rng=0)
    values = np.sort(np.linalg.eigvalsh(K))[::-1]
    r, epsilon = 5, 1.0
    eta = values[r:].sum() / values.sum()
    k = math.ceil(r / epsilon + r * math.log(1 / (epsilon * eta)))
    mean = np.mean([lr.rpcholesky(K, k, rng=seed).info.error for seed in range(50)])
    assert mean <= (1 + epsilon) * eta


def test_the_blocks_of_one_seed_give_the_same_bits_every_time():
    x = np.random.default_rng(1).standard_normal(5000)
    K = lr.KernelMatrix(x, gaussian, diag=1.0)
    first, second = (lr.rpcholesky(K, 40, rng=9) for _ in range(2))
    np.testing.assert_array_equal(first.F, second.F)
    repeated = lr.rpcholesky(K, 40, rng=first.info.rng)
    np.testing.assert_array_equal(first.F, repeated.F)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_any_number_of_workers_gives_the_same_bits(monkeypatch, dtype):
    G = testing.matrix(3000, 60, "polynomial_half", dtype=dtype)
    x = np.random.default_rng(1).standard_normal(3000)
    for K in (G @ G.conj().T, lr.KernelMatrix(x, gaussian, diag=1.0)):
        found = []
        for workers in (1, 2, 5):
            monkeypatch.setattr(threads, "worker_count", lambda workers=workers: workers)
            found.append(lr.rpcholesky(K, 40, rng=9))
        for other in found[1:]:
            np.testing.assert_array_equal(found[0].indices, other.indices)
            np.testing.assert_array_equal(found[0].F, other.F)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_what_is_accepted_is_factored(dtype):
    rng = np.random.default_rng(3)
    for _ in range(20):
        core = testing.hermitian(12, testing.spectra["exponential_medium"](12), dtype=dtype, rng=int(rng.integers(1e6)))
        core = core[np.ix_(proposed := rng.integers(0, 12, 15), proposed)]
        places, L = accept(core, core.diagonal().real, rng.random(15), 1e-12, 6)
        assert len(set(proposed[places])) == len(places) <= 6
        assert relative_error(core[np.ix_(places, places)], L @ L.conj().T) <= 100 * eps(dtype)
        np.testing.assert_array_equal(L, np.tril(L))


# Hard cases.


def test_duplicate_points_are_chosen_once():
    x = np.repeat(np.linspace(0, 1, 10), 5)
    with pytest.warns(RankWarning):
        F, indices = r = lr.rpcholesky(lr.KernelMatrix(x, lambda a, b: 1.0 * (a[:, None] == b[None, :])), 30, rng=0)
    assert r.info.reason == "numerical rank reached"
    assert F.shape == (50, 10)
    assert len(np.unique(x[indices])) == 10


def test_the_zero_matrix_has_no_columns():
    with pytest.warns(RankWarning):
        F, indices = r = lr.rpcholesky(np.zeros((5, 5)), 2, rng=0)
    assert F.shape == (5, 0)
    assert indices.shape == (0,)
    assert r.info.error == 0.0


def test_a_single_point_is_its_own_factor():
    F, indices = lr.rpcholesky(np.array([[4.0]]), 1, rng=0)
    np.testing.assert_array_equal(F, [[2.0]])
    np.testing.assert_array_equal(indices, [0])


def test_full_rank_gives_the_matrix():
    K = decaying(20) + np.eye(20)
    F, indices = lr.rpcholesky(K, 20, rng=0)
    assert relative_error(K, F @ F.T) <= 100 * eps("float64")
    assert sorted(indices.tolist()) == list(range(20))


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e30, 1e150])
def test_the_scale_changes_nothing(scale):
    K = decaying(30)
    r, known = lr.rpcholesky(K * scale, 6, rng=0), lr.rpcholesky(K, 6, rng=0)
    np.testing.assert_array_equal(r.indices, known.indices)
    np.testing.assert_allclose(r.F / math.sqrt(scale), known.F, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "small", "n", "tol"), [("float32", 5e-7, 20000, 1e-3), ("float64", 1e-15, 10**6, 1e-10)]
)
def test_many_entries_too_small_to_be_pivots_are_part_of_the_error(dtype, small, n, tol):
    values = np.full(n, small, dtype)
    values[0] = 1.0
    with pytest.warns(lr.ConvergenceWarning):
        r = lr.rpcholesky(scipy.sparse.diags(values).tocsr(), 5, tol=tol, rng=0)
    rest = (n - 1) * small
    assert r.info.error == pytest.approx(rest / (1.0 + rest), rel=1e-6)
    assert r.info.reason == "numerical rank reached"
    assert r.info.converged is False


@pytest.mark.parametrize("scale", [1e-36, 1e36, 1e38])
def test_sums_of_squares_do_not_overflow_in_single_precision(backend, scale):
    if "float32" not in backend.dtypes:
        pytest.skip("no single precision")
    x = np.linspace(0, 1, 1000)
    K = gaussian(x, x, 0.2)
    r, known = (lr.rpcholesky(backend.asarray((K * s).astype(np.float32)), 5, rng=0) for s in (scale, 1.0))
    np.testing.assert_array_equal(backend.to_numpy(r.indices), backend.to_numpy(known.indices))
    F = backend.to_numpy(r.F).astype(np.float64) / math.sqrt(scale)
    assert relative_error(backend.to_numpy(known.F).astype(np.float64), F) <= 1e3 * eps("float32")
    assert r.info.error == pytest.approx(known.info.error, rel=1e-3)


def test_messages_are_in_the_units_of_the_matrix():
    with pytest.raises(ValueError, match=r"differ by 3\.00e\+29"):
        lr.rpcholesky(np.array([[1.0, 0.5], [0.2, 1.0]]) * 1e30, 2, rng=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_allowed_its_own_rounding(dtype):
    torch = pytest.importorskip("torch")
    x = np.linspace(0, 1, 300)
    K = torch.from_numpy(gaussian(x, x, 0.2)).to(getattr(torch, dtype))
    given = K.to(torch.float64).numpy()
    with pytest.warns(RankWarning):
        r = lr.rpcholesky(K, 20, rng=0)
    F = r.F.to(torch.float64).numpy()
    assert be.dtype_name(r.F.dtype) == dtype
    assert relative_error(given, F @ F.T) <= 10 * eps(K.dtype)


def test_half_precision_of_the_points_of_a_kernel_costs_it_no_digits():
    x = np.linspace(0, 1, 300).astype(np.float16)
    r = lr.rpcholesky(lr.KernelMatrix(x, lambda a, b: gaussian(a, b, 0.2), diag=1.0), 12, rng=0)
    assert r.F.shape == (300, 12)
    assert r.info.error <= 1e-4


def test_single_precision_reaches_its_rank_and_stops_there():
    x = np.linspace(0, 1, 500, dtype=np.float32)
    with pytest.warns(RankWarning):
        r = lr.rpcholesky(lr.KernelMatrix(x, lambda a, b: gaussian(a, b).astype(np.float32), diag=1.0), 200, rng=0)
    assert r.F.shape[1] < 30
    assert relative_error(gaussian(x, x), r.F.astype(float) @ r.F.T.astype(float)) <= 200 * eps("float32")


@pytest.mark.parametrize(
    ("K", "message"),
    [
        (np.diag([1.0, -1.0]), "not positive semidefinite"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "not positive semidefinite"),
        (np.array([[1.0, 0.5], [0.2, 1.0]]), "not Hermitian"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "NaN"),
        (np.array([[np.nan, 0.0], [0.0, 1.0]]), "NaN"),
        (np.ones((2, 3)), "square"),
        (np.ones((0, 0)), "empty"),
    ],
)
def test_matrices_that_have_no_factor_are_refused(K, message):
    with pytest.raises(ValueError, match=message):
        lr.rpcholesky(K, 2 if min(K.shape) else 1, rng=0)


def test_a_kernel_that_is_not_positive_semidefinite_is_refused():
    x = np.linspace(0, 1, 200)
    with pytest.raises(ValueError, match="not positive semidefinite"):
        lr.rpcholesky(lr.KernelMatrix(x, lambda a, b: 1 + 10 * np.abs(a[:, None] - b[None, :])), 20, rng=0)


def test_a_diagonal_that_is_not_that_of_the_kernel_is_refused():
    with pytest.raises(ValueError, match="diag"):
        lr.rpcholesky(lr.KernelMatrix(np.linspace(0, 1, 50), gaussian, diag=2.0), 5, rng=0)


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({"rank": 3.0}, TypeError, "rank"),
        ({"rank": 0}, ValueError, "rank"),
        ({"rank": 11}, ValueError, "rank"),
        ({"rank": 2, "tol": 0.0}, ValueError, "tol"),
        ({"rank": 2, "tol": "1e-3"}, TypeError, "tol"),
        ({"rank": 2, "block": 0}, ValueError, "block"),
        ({"rank": 2, "block": 1.5}, TypeError, "block"),
        ({"rank": 2, "rng": "seed"}, TypeError, "rng"),
        ({"rank": 2, "on_failure": "ignore"}, ValueError, "on_failure"),
    ],
)
def test_arguments_are_checked_by_name(options, error, name):
    with pytest.raises(error, match=name):
        lr.rpcholesky(decaying(10), **options)


def test_the_result_is_an_operator_and_can_be_saved(tmp_path):
    K = decaying(30)
    r = lr.rpcholesky(K, 5, rng=0)
    x = np.arange(30.0)
    np.testing.assert_allclose(r @ x, r.F @ (r.F.T @ x), rtol=1e-13)
    r.save(tmp_path / "factor.npz")
    again = lr.load(tmp_path / "factor.npz")
    np.testing.assert_array_equal(again.F, r.F)
    assert again.info.entries == r.info.entries


def test_a_callback_ends_the_draw():
    sizes = []

    def stop(state):
        sizes.append(state.size)
        return len(sizes) == 2

    r = lr.rpcholesky(decaying(60), 40, block=4, rng=0, callback=stop)
    assert r.F.shape[1] == sizes[-1] < 40
    assert r.info.reason == "stopped by callback"


def test_all_permutations_of_the_accepted_are_in_the_law():
    law = law_of_sequences(small(), 2)
    assert len(law) == len(list(itertools.permutations(range(6), 2)))
