"""CP from the observed entries alone."""

import numpy as np
import pytest
import scipy.sparse as sp
from tensors import sparse_cases as cases

from lowrank_la import _backend as be
from lowrank_la._backend import fibres, losses
from lowrank_la.factor.iteration import Watch
from lowrank_la.tensors import cp_missing, filled_entries, row_solves
from lowrank_la.tensors.cp_missing import best_length, entries_of, fit_observed, starting_factors
from lowrank_la.tensors.filled_entries import FilledEntries
from lowrank_la.tensors.observed import read_observed
from lowrank_la.tensors.row_solves import ListedEntries

SHAPE = (9, 8, 7)


def problem(dtype="float64", share=0.5, rank=3, weighted=False, noise=0.0, shape=SHAPE):
    """A tensor of exact rank with noise, a mask, and weights."""
    generator = np.random.default_rng(3)
    X = cases.model(np.ones(rank), cases.factors_of(shape, rank, dtype))
    X = (X + noise * cases.numbers(generator, shape, dtype)).astype(dtype)
    mask = generator.random(shape) < share
    return X, mask, generator.random(shape) + 0.1 if weighted else None


def fitted(observed, rank, tol=1e-14, maxiter=2000, key=0):
    return fit_observed(observed, starting_factors(observed, rank, be.resolve_rng(key)), tol, Watch(maxiter))


def full(found):
    return cases.model(be.to_numpy(found.weights), [be.to_numpy(factor) for factor in found.factors])


def by_lstsq(X, mask, weights, factors, k):
    """Each row by LAPACK."""
    others = [factors[j] for j in range(X.ndim) if j != k]
    letters = "abcdef"[: len(others)]
    rows = np.einsum(",".join(letter + "z" for letter in letters) + f"->{letters}z", *others)
    data, seen = np.moveaxis(X, k, 0), np.moveaxis(mask, k, 0)
    heavy = np.ones(data.shape) if weights is None else np.moveaxis(weights, k, 0)
    out = []
    for i in range(X.shape[k]):
        root = np.sqrt(heavy[i][seen[i]])
        out.append(np.linalg.lstsq(rows[seen[i]] * root[:, None], data[i][seen[i]] * root, rcond=None)[0])
    return np.array(out)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
@pytest.mark.parametrize("compiled", [True, False])
def test_rows_move_to_the_least_squares_solution_over_their_entries(compiled, dtype, weighted, monkeypatch):
    monkeypatch.setattr(fibres, "_KERNEL_FROM", 0 if compiled else 1 << 60)
    X, mask, weights = problem(dtype, weighted=weighted, noise=0.3)
    observed = read_observed(X, mask, weights)
    factors = cases.factors_of(SHAPE, 3, dtype, seed=5)
    for k in range(3):
        moved = factors[k]
        for _ in range(2):
            moved = row_solves.solve_rows(observed, [*factors[:k], moved, *factors[k + 1 :]], k)
        expected = by_lstsq(X / observed.scale, mask, weights, factors, k)
        np.testing.assert_allclose(moved, expected, rtol=0, atol=5e4 * be.eps(np.dtype(dtype)))


def both_forms(observed, rank, monkeypatch, compiled=True):
    monkeypatch.setattr(losses, "_KERNEL_FROM", 0 if compiled else 1 << 60)
    return FilledEntries(observed, rank), ListedEntries(observed)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("compiled", [True, False])
def test_sums_over_a_filled_array_are_those_over_the_entries(compiled, dtype, weighted, monkeypatch):
    X, mask, weights = problem(dtype, weighted=weighted, noise=0.3)
    observed, factors = read_observed(X, mask, weights), cases.factors_of(SHAPE, 3, dtype, seed=5)
    filled, listed = both_forms(observed, 3, monkeypatch, compiled)
    bound = 5e3 * be.eps(np.dtype(dtype))
    for k in range(3):
        expected = listed.solve_rows(factors, k, 1.0)
        for error in (1.0, 0.0):
            found = filled.solve_rows(factors, k, error)
            np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.abs(expected).max())
    for one, two in zip(filled.pulls(factors), listed.pulls(factors), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=bound)
    models = [factors, cases.factors_of(SHAPE, 3, dtype, seed=6), [2 * factor for factor in factors]]
    products = listed.products(models)
    np.testing.assert_allclose(filled.products(models), products, rtol=0, atol=bound * products.max())


@pytest.mark.parametrize("shape", [(5, 4, 3), (30, 7), (7, 30), (3, 4, 2, 5)])
def test_a_filled_array_serves_every_library_and_order(backend, shape):
    X, mask, _ = problem(backend.nearest("float64"), shape=shape, share=0.7, rank=2, noise=0.1)
    factors = cases.factors_of(shape, 2, X.dtype, seed=5)
    filled = FilledEntries(read_observed(backend.asarray(X), mask), 2)
    listed, given = ListedEntries(read_observed(X, mask)), [backend.asarray(factor) for factor in factors]
    bound = 1e3 * be.eps(np.dtype(X.dtype))
    for k in range(len(shape)):
        found = filled.solve_rows(given, k, 0.0)
        assert backend.holds(found)
        expected = listed.solve_rows(factors, k, 0.0)
        np.testing.assert_allclose(be.to_numpy(found), expected, rtol=0, atol=bound * np.abs(expected).max())
    np.testing.assert_allclose(filled.products([given, given])[1, 0], listed.products([factors])[0, 0], rtol=bound)


def test_products_that_are_known_are_those_that_are_not():
    X, mask, _ = problem(noise=0.3)
    observed = read_observed(X, mask)
    models, kept = [cases.factors_of(SHAPE, 3, seed=seed) for seed in range(4)], ListedEntries(observed)
    for chosen in ([0], [0, 1, 2, 3], [2], [1, 2, 0], [0, 2], [3]):
        part = [models[i] for i in chosen]
        np.testing.assert_array_equal(kept.products(part), ListedEntries(observed).products(part))


@pytest.mark.parametrize(
    ("share", "rank", "dtype", "filled"),
    [(0.8, 3, "float64", True), (0.8, 3, "complex128", False), (0.1, 3, "float64", False), (0.8, 30, "float64", False)],
)
def test_arrays_are_filled_where_most_is_known_and_ranks_are_small(share, rank, dtype, filled, monkeypatch):
    monkeypatch.setattr(losses, "_KERNEL_FROM", 0)
    X, mask, _ = problem(dtype, share=share)
    assert isinstance(entries_of(read_observed(X, mask), rank), FilledEntries) == filled


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_both_forms_end_at_the_same_model(noise, monkeypatch):
    X, mask, _ = problem(noise=noise)
    observed, start = read_observed(X, mask), cases.factors_of(SHAPE, 3, seed=5)
    filled, listed = both_forms(observed, 3, monkeypatch)
    one, two = (fit_observed(observed, start, 1e-13, Watch(3000), entries=entries) for entries in (filled, listed))
    assert one.converged
    np.testing.assert_allclose(one.errors[:20], two.errors[:20], rtol=1e-7)
    np.testing.assert_allclose(full(one), full(two), rtol=0, atol=1e-6 if noise else 1e-11)


def test_the_residuals_of_a_filled_array_are_formed_in_slabs(monkeypatch):
    X, mask, _ = problem(noise=0.3)
    models = [cases.factors_of(SHAPE, 3, seed=seed) for seed in (5, 6)]
    filled, _ = both_forms(read_observed(X, mask), 3, monkeypatch, compiled=False)
    whole = filled.products(models)
    monkeypatch.setattr(filled_entries, "_SLAB", 100)
    np.testing.assert_allclose(filled.products(models), whole, rtol=1e-12)


def test_rows_in_many_parts_are_those_in_one(monkeypatch):
    X, mask, _ = problem()
    observed, factors = read_observed(X, mask), cases.factors_of(SHAPE, 3, seed=5)
    monkeypatch.setattr(fibres, "_KERNEL_FROM", 0)
    whole = row_solves.solve_rows(observed, factors, 1)
    monkeypatch.setattr(fibres, "ROWS", 1)
    np.testing.assert_array_equal(row_solves.solve_rows(observed, factors, 1), whole)


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
def test_a_tensor_of_exact_rank_is_recovered_from_half_of_its_entries(dtype):
    X, mask, _ = problem(dtype)
    found = fitted(read_observed(X, mask), 3)
    assert found.converged
    assert np.linalg.norm(full(found) - X) <= 1e5 * be.eps(np.dtype(dtype)) * np.linalg.norm(X)


def test_all_backends_recover_a_tensor(backend):
    X, mask, _ = problem(backend.nearest("float64"), shape=(4, 4, 3), share=0.9, rank=1)
    observed = read_observed(backend.asarray(X), mask)
    found = fitted(observed, 1, maxiter=40)
    assert all(backend.holds(factor) for factor in found.factors)
    assert np.linalg.norm(full(found) - X) <= 1e5 * be.eps(np.dtype(X.dtype)) * np.linalg.norm(X)


def test_a_sparse_array_of_observations_is_the_array_with_a_mask():
    X, mask, weights = problem(weighted=True, noise=0.1)
    places = np.nonzero(mask)
    stored, heavy = (sp.coo_array((x[mask], places), shape=SHAPE) for x in (X, weights))
    one, two = read_observed(X, mask, weights), read_observed(stored, "stored", heavy)
    np.testing.assert_array_equal(one.tensor.coords, two.tensor.coords)
    start = cases.factors_of(SHAPE, 2)
    found = [fit_observed(observed, start, 1e-3, Watch(5)).errors for observed in (one, two)]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_weights_of_zero_are_missing_entries():
    X, mask, _ = problem(noise=0.1)
    one, two = read_observed(X, mask), read_observed(X, None, mask.astype(float))
    np.testing.assert_array_equal(one.tensor.coords, two.tensor.coords)


def test_nan_is_missing_where_it_is_asked_for():
    X, mask, _ = problem()
    X[~mask] = np.nan
    np.testing.assert_array_equal(read_observed(X, "finite").tensor.coords, np.argwhere(mask))
    np.testing.assert_array_equal(read_observed(X, mask).tensor.coords, np.argwhere(mask))


def test_the_residual_never_rises():
    X, mask, weights = problem(noise=0.5, weighted=True)
    errors = fit_observed(read_observed(X, mask, weights), cases.factors_of(SHAPE, 3), 1e-9, Watch(100)).errors
    assert (np.diff(errors) <= 1e-12).all()


def test_extrapolation_saves_sweeps_and_ends_at_the_same_residual():
    X, mask, _ = problem(noise=0.05)
    observed, start = read_observed(X, mask), cases.factors_of(SHAPE, 3)
    runs = [fit_observed(observed, start, 1e-9, Watch(5000), accelerate=on) for on in (False, True)]
    assert len(runs[1].errors) < 0.7 * len(runs[0].errors)
    assert runs[1].errors[-1] <= runs[0].errors[-1] + 1e-6


def test_the_best_length_is_that_of_a_fine_grid():
    generator = np.random.default_rng(0)
    old, step = (cases.factors_of((6, 5, 4), 2, seed=seed) for seed in (1, 2))
    X = cases.model(np.ones(2), [a + 3.3 * d for a, d in zip(old, step, strict=True)])
    X += 0.1 * generator.standard_normal(X.shape)

    def gap(length):
        return (X - cases.model(np.ones(2), [a + length * d for a, d in zip(old, step, strict=True)])).reshape(-1)

    gaps = np.stack([gap(node) for node in range(4)])
    length = best_length(np.arange(4.0), gaps @ gaps.T)
    grid = np.linspace(1.0, 10.0, 9001)
    assert length == pytest.approx(grid[np.argmin([gap(x) @ gap(x) for x in grid])], abs=2e-3)


def test_a_slice_that_nothing_is_known_of_gets_the_mean_of_the_others_and_is_named():
    X, mask, _ = problem(share=0.8)
    mask[4] = False
    X[4] = np.nan
    found = fitted(read_observed(X, mask), 3)
    assert found.details["unseen"] == [[4], [], []]
    seen = [i for i in range(9) if i != 4]
    np.testing.assert_allclose(found.factors[0][4], found.factors[0][seen].mean(axis=0), rtol=1e-12)
    assert np.linalg.norm(full(found)[seen] - X[seen]) <= 1e-8 * np.linalg.norm(X[seen])


def test_zero_observations_give_a_zero_tensor():
    found = fit_observed(
        read_observed(np.zeros(SHAPE), np.ones(SHAPE, bool)), cases.factors_of(SHAPE, 2), 1e-8, Watch(9)
    )
    assert found.errors == [0.0]
    assert not full(found).any()


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_the_scale_of_the_data_does_not_matter(scale):
    X, mask, _ = problem()
    found = fitted(read_observed(scale * X, mask), 3)
    assert np.linalg.norm(full(found) / scale - X) <= 1e-8 * np.linalg.norm(X)


def test_a_rank_above_the_observations_of_a_row_does_no_harm():
    X, mask, _ = problem(share=0.1)
    found = fitted(read_observed(X, mask), 6, maxiter=200, tol=1e-6)
    assert all(np.isfinite(factor).all() for factor in found.factors)


def test_serology_has_the_error_of_the_literature():
    data = pytest.importorskip("tensorly.datasets").load_covid19_serology()
    X = np.asarray(data["tensor"])
    found = fitted(read_observed(X), 3, tol=1e-6)
    assert found.errors[-1] == pytest.approx(0.4697, abs=2e-4)


def test_cytokines_are_fitted_on_what_was_measured():
    X = np.asarray(pytest.importorskip("tensorly.datasets").load_IL2data()["tensor"])
    found = fitted(read_observed(X, "finite"), 3, tol=1e-6)
    assert found.errors[-1] <= 0.2749


@pytest.mark.parametrize(
    ("mask", "weights", "error", "message"),
    [
        (np.ones((2, 2), bool), None, ValueError, "shape"),
        (np.ones(SHAPE), None, TypeError, "boolean"),
        (np.zeros(SHAPE, bool), None, ValueError, "no entry observed"),
        ("stored", None, ValueError, "mask must be one of"),
        (None, -np.ones(SHAPE), ValueError, "non-negative"),
        (None, np.ones((2, 2)), ValueError, "shape"),
        (None, 1j * np.ones(SHAPE), TypeError, "real"),
    ],
)
def test_masks_and_weights_without_sense_are_refused(mask, weights, error, message):
    with pytest.raises(error, match=message):
        read_observed(np.ones(SHAPE), mask, weights)


def test_a_nan_that_is_observed_is_refused():
    X = np.ones(SHAPE)
    X[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="observed entries"):
        read_observed(X, np.ones(SHAPE, bool))


def test_a_sparse_array_needs_to_say_that_it_holds_observations():
    with pytest.raises(ValueError, match="mask='stored'"):
        read_observed(sp.coo_array(np.eye(3)), np.ones((3, 3), bool))


def test_trials_take_the_best_start(monkeypatch):
    X, mask, _ = problem(noise=0.1)
    observed, least = read_observed(X, mask), []
    plain = cp_missing.fit_observed

    def watched(*args, **options):
        found = plain(*args, **options)
        least.append((found.errors[-1], found.factors))
        return found

    monkeypatch.setattr(cp_missing, "fit_observed", watched)
    best = starting_factors(observed, 2, be.resolve_rng(0))
    assert best is min(least, key=lambda pair: pair[0])[1]
