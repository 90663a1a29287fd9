"""What `lp_sensitivities` promises: brackets that hold, and meet."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from factor import oracles
from strategies import random_array

import lowrank_la as lr
from lowrank_la.exceptions import ConvergenceError, ConvergenceWarning
from lowrank_la.sampling import duality
from lowrank_la.sampling.basis import row_basis
from lowrank_la.sampling.duality import NewtonStep, bracket
from lowrank_la.sampling.lp_norms import NormProblem
from lowrank_la.sampling.sensitivity import _FIXED_POINT

POWERS = (1.0, 1.2, 1.5, 2.5, 3.0, 4.0, 6.0)


def skewed(shape, seed=0, dtype="float64"):
    """Rows of sizes that differ by a factor of a hundred."""
    sizes = np.exp(np.random.default_rng(seed).standard_normal((shape[0], 1)))
    return (random_array(shape, dtype, seed) * sizes).astype(dtype)


def by_linear_programming(A, i):
    """Sensitivity at p = 1: the inverse of min Σ t with |A x| ≤ t and a_i x = 1."""
    m, n = A.shape
    block = np.block([[A, -np.eye(m)], [-A, -np.eye(m)]])
    found = scipy.optimize.linprog(
        np.concatenate([np.zeros(n), np.ones(m)]), A_ub=block, b_ub=np.zeros(2 * m),
        A_eq=np.concatenate([A[i], np.zeros(m)])[None, :], b_eq=[1.0], bounds=[(None, None)] * (n + m), method="highs",
    )  # fmt: skip
    assert found.status == 0
    return 1.0 / found.fun


def by_angles(A, p, count=200_000):
    """Sensitivities of a matrix with two columns, by trying directions."""
    angle = np.linspace(0.0, np.pi, count, endpoint=False)
    shares = np.abs(A @ np.stack([np.cos(angle), np.sin(angle)])) ** p
    return (shares / shares.sum(axis=0)).max(axis=1)


def by_minimisation(A, p, i):
    """Sensitivity for p > 1 by a quasi-Newton method on the directions that meet the constraint."""
    x0 = A[i] / (A[i] @ A[i])
    N = scipy.linalg.null_space(A[i][None, :])

    def value(z):
        r = A @ (x0 + N @ z)
        return (np.abs(r) ** p).sum(), N.T @ (A.T @ (p * np.sign(r) * np.abs(r) ** (p - 1)))

    found = scipy.optimize.minimize(value, np.zeros(N.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-12})
    return 1.0 / found.fun


def test_linear_programming_lies_within_the_bracket_at_one():
    A = skewed((80, 5))
    lower, upper, total = lr.lp_sensitivities(A, 1, tol=1e-3, rng=0)
    truth = np.array([by_linear_programming(A, i) for i in range(80)])
    assert np.all(lower <= truth * (1 + 1e-9))
    assert np.all(truth <= upper * (1 + 1e-9))
    assert np.all(upper <= 1.001 * lower)
    assert total[0] <= truth.sum() * (1 + 1e-9)
    assert truth.sum() <= total[1] * (1 + 1e-9)


@pytest.mark.parametrize("p", POWERS)
def test_all_directions_of_the_plane_confirm_the_bracket(p):
    A = skewed((40, 2), 1)
    lower, upper, _ = lr.lp_sensitivities(A, p, tol=1e-2, rng=0)
    truth = by_angles(A, p)
    assert np.all(truth <= upper * (1 + 1e-8))
    assert np.all(lower <= truth * (1 + 1e-6))
    assert np.all(upper <= 1.01 * lower)


@pytest.mark.parametrize("p", [1.5, 2.5, 4.0])
def test_a_general_minimiser_lies_within_the_bracket(p):
    A = skewed((60, 4), 2)
    lower, upper, _ = lr.lp_sensitivities(A, p, tol=1e-3, rng=0)
    for i in range(0, 60, 7):
        truth = by_minimisation(A, p, i)
        assert lower[i] * (1 - 1e-9) <= truth <= upper[i] * (1 + 1e-9)


@pytest.mark.parametrize("p", [*POWERS, 0.5, 2.0, 20.0])
def test_one_column_has_the_shares_of_its_norm(p):
    a = skewed((50, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        lower, upper, _ = lr.lp_sensitivities(a, p, rng=0)
    truth = np.abs(a[:, 0]) ** p / (np.abs(a) ** p).sum()
    np.testing.assert_allclose(lower, truth, rtol=1e3 * oracles.eps("float64"))
    assert np.all(truth <= upper * (1 + 1e-9))


def test_at_two_they_are_leverage_scores(backend):
    A = skewed((90, 4), dtype=backend.nearest("float64"))
    lower, upper, total = lr.lp_sensitivities(backend.asarray(A), 2)
    eps = oracles.eps(A.dtype)
    tau = (np.linalg.qr(oracles.wide(A))[0] ** 2).sum(axis=1)
    for bound in (lower, upper):
        assert backend.holds(bound)
        np.testing.assert_allclose(oracles.wide(bound), tau, rtol=0, atol=100 * eps)
    assert abs(total[0] - 4) <= 100 * eps


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_backends_agree_and_hold_the_bracket_of_double_precision(backend, p):
    for dtype in backend.dtypes:
        A = skewed((40, 2), 3, dtype)
        lower, upper, total = lr.lp_sensitivities(backend.asarray(A), p, rng=0)
        assert backend.holds(lower)
        exact = lr.lp_sensitivities(oracles.wide(A), p, tol=0.02 if A.dtype.kind == "c" else 1e-3, rng=0)
        slack = 1 + 2000 * oracles.eps(dtype)
        assert np.all(oracles.wide(lower) <= exact.upper * slack)
        assert np.all(exact.lower <= oracles.wide(upper) * slack)
        assert total[1] <= 1.06 * total[0]


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5, 3.0, 5.0])
def test_bounds_from_lewis_weights_hold_for_every_row(p):
    """Up to what the weights, iterated to `_FIXED_POINT`, are off: p/2 of it in φ, |p/2 - 1| in the excess, 1 in w."""
    A = skewed((60, 3), 4)
    w = lr.lewis_weights(A, p, tol=1e-12).weights
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        lower, upper, _ = lr.lp_sensitivities(A, p, rng=0, tol=0.9, maxiter=1)
    d = 3.0
    low, high = (w * d ** (p / 2 - 1), w) if p <= 2 else (w, w * d ** (p / 2 - 1))
    slack = (1 + p) * _FIXED_POINT
    assert np.all(lower >= low * (1 - slack))
    assert np.all(upper <= np.minimum(high, 1) * (1 + slack))
    assert np.all(lower <= upper)


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5, 3.0, 5.0])
def test_bounds_from_weights_that_have_not_converged_hold_too(p):
    from lowrank_la.sampling.lewis import LewisPoint
    from lowrank_la.sampling.lewis_bounds import lewis_bracket

    A = skewed((40, 2), 5)
    w = np.exp(0.7 * np.random.default_rng(5).standard_normal(40))
    scaled = w[:, None] ** (0.5 - 1 / p) * A
    tau = (np.linalg.qr(scaled)[0] ** 2).sum(axis=1)
    lower, upper = lewis_bracket(LewisPoint.at(np.log(w), np.log(tau)), p)
    truth = by_angles(A, p, 50_000)
    assert np.all(lower <= truth * (1 + 1e-4))
    assert np.all(truth <= upper * (1 + 1e-12))


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_upper_bounds_are_certified_at_any_point(p, monkeypatch):
    """One Newton step from a poor start: wide brackets, but brackets."""
    A = skewed((40, 2), 6)
    U = np.linalg.qr(A)[0]
    X = U.T / (U * U).sum(axis=1)
    lower, upper = bracket(NormProblem(U, None, p, np.ones(40)), U.T.copy(), X, 1e-9, 1)
    truth = by_angles(A, p)
    assert np.all(lower <= truth * (1 + 1e-8))
    assert np.all(truth <= upper * (1 + 1e-8))


def test_a_dual_point_that_misses_its_equation_would_have_been_noticed(monkeypatch):
    """Without the Newton correction y = ω r / λ does not solve Uᴴ y = t, and its norm bounds nothing."""
    A = skewed((40, 2), 6)
    U = np.linalg.qr(A)[0]
    X = U.T / (U * U).sum(axis=1)
    X = X + np.stack([-U[:, 1], U[:, 0]]) * np.random.default_rng(0).standard_normal(40) / (U * U).sum(axis=1)
    problem = NormProblem(U, None, 1.5, np.ones(40))
    _, gradient, H = problem.derivatives(X, np.full(40, 1e-3))
    step = NewtonStep.of(U.T, gradient, H)
    size, image, _ = problem.duals(X, NewtonStep(0 * step.delta, step.multiplier, step.ridge, None), np.full(40, 1e-3))
    mutant = (size / np.abs(step.multiplier)) ** 1.5
    truth = by_angles(A, 1.5)
    assert np.any(mutant < truth * 0.99)
    assert np.all(duality._upper(problem, U.T, step, size, image) >= truth)


def test_all_rows_bracketed_make_the_total_a_bound():
    r = lr.lp_sensitivities(skewed((100, 3)), 3.0, rng=0)
    assert r.info.error_kind == "bound"
    assert r.info.converged
    assert list(r.info.refined) == list(range(100))
    assert np.isclose(r.total[0], r.lower.sum())
    assert r.info.gap <= 0.05


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_the_total_from_draws_agrees_with_the_total_from_all_rows_but_one_time_in_a_hundred(p):
    """Twelve seeded draws; three misses have a probability of 2e-4."""
    A = skewed((1200, 3), 7)
    whole = lr.lp_sensitivities(A, p, tol=0.01, rng=0)
    assert whole.info.error_kind == "bound"
    misses = 0
    for seed in range(12):
        drawn = lr.lp_sensitivities(A, p, samples=800, tol=0.2, rng=seed)
        assert drawn.info.error_kind == "estimate"
        assert drawn.total[1] <= 1.2 * drawn.total[0]
        misses += drawn.total[0] > whole.total[1] or whole.total[0] > drawn.total[1]
    assert misses <= 2


def test_drawing_uniformly_would_have_been_noticed():
    """Two rows alone in their columns have the ratio 1 of sensitivity to weight, all others less."""
    A = np.zeros((1502, 4))
    A[:1500, :2], A[1500, 2], A[1501, 3] = random_array((1500, 2), "float64", 7), 1.0, 1.0
    whole = lr.lp_sensitivities(A, 1.0, tol=0.01, rng=0)
    drawn = lr.lp_sensitivities(A, 1.0, samples=800, rng=0)
    assert drawn.info.draws
    assert drawn.total[0] <= whole.total[1]
    assert whole.total[0] <= drawn.total[1]
    weights, chosen = lr.lewis_weights(A, 1.0).weights, np.random.default_rng(0).integers(0, 1502, 800)
    mutant = (4.0 * whole.lower[chosen] / weights[chosen]).mean()
    assert abs(mutant / whole.total[0] - 1) > 0.1


def test_chosen_rows_are_bracketed_and_labelled_and_the_others_have_lewis_bounds():
    A = skewed((3000, 4), 8)
    r = lr.lp_sensitivities(A, 3.0, rows=[5, 17, 2999], samples=100, tol=0.9, rng=0)
    inside = np.isin(np.arange(3000), r.info.refined)
    assert inside[[5, 17, 2999]].all()
    assert np.all(r.upper[inside] <= 1.9 * r.lower[inside])
    assert np.median(r.upper[~inside] / r.lower[~inside]) > 1.9
    assert np.all(r.lower <= r.upper)


def test_zero_rows_have_none(backend):
    A = skewed((60, 3), dtype=backend.nearest("float64"))
    A[[0, 30]] = 0.0
    _, upper, total = lr.lp_sensitivities(backend.asarray(A), 1.0, rng=0)
    assert np.all(oracles.wide(upper)[[0, 30]] == 0)
    assert total[0] > 1


def test_a_zero_matrix_has_none():
    r = lr.lp_sensitivities(np.zeros((6, 2)), 1.0)
    assert r.total == (0.0, 0.0)
    assert np.all(r.upper == 0)


def test_a_row_that_nothing_else_reaches_has_sensitivity_one():
    A = np.zeros((30, 3))
    A[1:, :2] = skewed((29, 2))
    A[0, 2] = 1e-3
    for p in (1.0, 1.5, 3.0, 8.0):
        lower, upper, _ = lr.lp_sensitivities(A, p, rng=0)
        assert abs(lower[0] - 1) <= 1e-6
        assert abs(upper[0] - 1) <= 1e-6


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_equal_rows_share(p):
    A = np.concatenate([np.eye(3)] * 4)
    lower, upper, total = lr.lp_sensitivities(A, p, rng=0)
    np.testing.assert_allclose(lower, np.full(12, 0.25), rtol=0.03)
    assert np.all(upper >= 0.25 * (1 - 1e-9))
    assert total[0] <= 3 * (1 + 1e-9)
    assert total[1] >= 3 * (1 - 1e-9)


@pytest.mark.parametrize("p", [1.0, 2.5])
def test_sparse_complex_and_deficient_data(p):
    S = skewed((150, 4), 9) * (np.random.default_rng(9).random((150, 4)) < 0.5)
    dense, sparse = (lr.lp_sensitivities(M, p, rng=0) for M in (S, scipy.sparse.csr_array(S)))
    np.testing.assert_allclose(dense.lower, sparse.lower, rtol=1e-6, atol=1e-12)
    C = skewed((60, 2), 9, "complex128")
    _, upper, _ = lr.lp_sensitivities(C, p, rng=0)
    for i, j in itertools.product(range(0, 60, 11), range(200)):
        x = random_array((2,), "complex128", j)
        assert abs(C[i] @ x) ** p <= upper[i] * (np.abs(C @ x) ** p).sum()
    D = S @ random_array((4, 6), "float64", 3)
    assert lr.lp_sensitivities(D, p, rng=0).info.rank == 4


def test_extreme_scales_are_harmless():
    A = skewed((50, 3), 10)
    first, second = (lr.lp_sensitivities(M, 3.0, rng=0) for M in (A, A * 1e150))
    np.testing.assert_allclose(first.upper, second.upper, rtol=1e-6)


def test_below_one_the_upper_bounds_are_those_of_lewis_weights_and_said_to_be():
    with pytest.warns(ConvergenceWarning, match="no certificate"):
        r = lr.lp_sensitivities(skewed((40, 2)), 0.5, rng=0)
    assert not r.info.converged
    assert np.all(r.lower <= by_angles(skewed((40, 2)), 0.5) * (1 + 1e-6))
    with pytest.raises(ConvergenceError):
        lr.lp_sensitivities(skewed((40, 2)), 0.5, rng=0, on_failure="raise")


def test_the_draw_is_recorded_and_repeated():
    A = skewed((800, 3))
    first = lr.lp_sensitivities(A, 3.0, samples=64, tol=0.5)
    second = lr.lp_sensitivities(A, 3.0, samples=64, tol=0.5, rng=first.info.rng)
    assert first.total == second.total
    assert np.array_equal(first.upper, second.upper)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"p": 0}, ValueError, "p must be positive"),
        ({"p": 1, "tol": 0.0}, ValueError, "tol must lie"),
        ({"p": 1, "rows": [50]}, IndexError, "must lie in"),
        ({"p": 1, "rows": [0.5]}, TypeError, "must be integers"),
        ({"p": 1, "samples": 0}, ValueError, "samples must be at least"),
    ],
)
def test_arguments_that_do_not_fit_are_named(options, error, message):
    with pytest.raises(error, match=message):
        lr.lp_sensitivities(skewed((50, 3)), **options)


def test_the_basis_is_the_one_of_the_matrix():
    A = skewed((200, 5))
    basis = row_basis(lr.as_operator(A))
    Q = basis.dense()
    assert oracles.departure(Q) <= 1e-14
    assert oracles.relative_error(A, Q @ basis.R) <= 1e-14


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_rows_whose_squares_vanish_are_bracketed(p, dtype):
    A = random_array((100, 3), dtype, 12)
    A[5] *= 1e-90
    A[7] *= 1e-170
    A[9] *= 1e-250
    r = lr.lp_sensitivities(A, p, tol=0.5, rng=0, on_failure="warn") if p >= 1 else unproven(A, p)
    lower, upper, total = r
    assert np.all(np.isfinite(lower) & np.isfinite(upper) & (lower <= upper * (1 + 1e-12)))
    assert np.all(np.isfinite(total))
    plain = random_array((100, 3), dtype, 12)
    big = np.delete(np.arange(100), [5, 7, 9])
    reference = lr.lp_sensitivities(plain[big], p, tol=0.5, rng=0) if p >= 1 else unproven(plain[big], p)
    assert np.all(lower[big] <= reference.upper * (1 + 1e-9))
    assert np.all(reference.lower <= upper[big] * (1 + 1e-9))


def unproven(A, p):
    with pytest.warns(lr.ConvergenceWarning):
        return lr.lp_sensitivities(A, p, tol=0.5, rng=0)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_a_tiny_row_has_the_sensitivity_of_a_larger_one_to_scale(p):
    """Neither 1e-9 nor 1e-60 of a row changes ‖A x‖, so that its sensitivity goes with its size to the power p."""
    A = random_array((100, 3), "float64", 12)
    found = []
    for size in (1e-9, 1e-60):
        A[7] = size * random_array((3,), "float64", 13)
        r = lr.lp_sensitivities(A, p, tol=1e-2, rows=[7], samples=99, rng=0, on_failure="warn")
        found.append((r.lower[7] / size**p, r.upper[7] / size**p))
    assert found[0][1] <= 1.01 * found[0][0]
    assert found[1][1] <= 1.01 * found[1][0]
    assert max(found[0][0], found[1][0]) <= min(found[0][1], found[1][1]) * (1 + 1e-8)


@pytest.mark.parametrize("p", [0.05, 0.5, 1.0, 1.5, 3.0, 6.0])
def test_rows_graded_over_three_hundred_orders_are_bracketed(p):
    A = random_array((60, 4), "float64", 14) * np.logspace(-150, 150, 60)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if p < 1 else "error", ConvergenceWarning)
        r = lr.lp_sensitivities(A, p, rng=0)
    lower, upper, total = r
    assert np.all(lower >= 0)
    assert np.all(lower <= upper)
    assert np.all(upper <= 1)
    assert total[0] <= r.info.rank ** max(1.0, p / 2) * (1 + 1e-12)
    assert total[1] >= r.info.rank ** min(1.0, p / 2) * (1 - 1e-12)


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_rows_whose_squares_vanish_in_single_precision_are_bracketed(backend, p):
    A = random_array((60, 3), "float64", 15)
    A[:20] *= np.logspace(-30, -5, 20)[:, None]
    for dtype in backend.dtypes:
        if np.dtype(dtype).kind == "f":
            r = lr.lp_sensitivities(backend.asarray(A.astype(dtype)), p, rng=0)
            assert np.all(oracles.wide(r.lower) <= oracles.wide(r.upper))
            assert r.info.converged


def test_one_column_graded_over_three_hundred_orders_has_the_shares_of_its_norm():
    a = np.logspace(-150, 150, 60)[:, None]
    lower, upper, _ = lr.lp_sensitivities(a, 1.0, rng=0)
    np.testing.assert_allclose(lower, a[:, 0] / a.sum(), rtol=2000 * oracles.eps("float64"))  # logarithms up to 700
    assert np.all(lower <= upper)
    assert np.all(upper <= 1.05 * lower)


@pytest.mark.parametrize("p", [1.0, 3.0, 8.0])
def test_an_upper_bound_is_no_less_than_a_lower_one(p):
    r = lr.lp_sensitivities(np.ones((5, 1)), p, rng=0)
    assert np.all(r.lower <= r.upper)
    assert r.total[0] <= r.total[1]
    assert r.info.error >= 0


def heavy_tailed():
    return np.random.default_rng(0).standard_t(1.2, (600, 3))


@pytest.mark.parametrize("samples", [1, 2, 8, 29])
def test_below_thirty_draws_the_total_keeps_proven_bounds(samples):
    A = heavy_tailed()
    whole = lr.lp_sensitivities(A, 1.0, tol=0.01, rng=0)
    for seed in range(5):
        with pytest.warns(ConvergenceWarning):
            r = lr.lp_sensitivities(A, 1.0, samples=samples, tol=0.05, rng=seed)
        assert r.info.error_kind == "bound"
        assert r.info.draws == 0
        assert r.total[0] <= whole.total[0]
        assert whole.total[1] <= r.total[1]


@pytest.mark.parametrize(("samples", "p"), [(30, 1.0), (64, 1.0), (64, 3.0), (200, 1.0)])
def test_few_draws_miss_the_total_in_one_of_a_hundred_cases_at_most(samples, p):
    """Forty seeds at a failure probability of 0.01: three misses would have a probability of 8e-3."""
    A = heavy_tailed()
    whole = lr.lp_sensitivities(A, p, tol=0.01, rng=0).total
    misses = 0
    for seed in range(40):
        low, high = lr.lp_sensitivities(A, p, samples=samples, tol=0.9, rng=seed).total
        misses += low > whole[1] or high < whole[0]
    assert misses <= 2


def test_the_total_of_rows_whose_weights_vanish_is_drawn():
    A = random_array((3000, 3), "float64", 16) * np.logspace(-250, 0, 3000)[:, None]
    r = lr.lp_sensitivities(A, 3.0, samples=200, tol=0.2, rng=0)
    assert r.info.draws
    assert r.info.converged
    assert r.total[1] >= 3
    assert r.total[0] <= 3**1.5
