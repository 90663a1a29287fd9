"""Starts, solvers and new rows that make no sense, and answers that were stopped or saved."""

import numpy as np
import pytest
import scipy.sparse
from completion.matrices import sampled

import lowrank_la as lr

SHAPE = (50, 40)


@pytest.fixture(scope="module")
def given():
    return sampled(*SHAPE, 2, 6.0)[1]


ZEROS = (np.zeros((50, 2)), np.zeros((40, 2)))


@pytest.mark.parametrize(
    ("options", "positive"),
    [({"regularization": 0.1}, False), ({"nonneg": True}, True), ({"confidence": 1.0}, True)],
)
def test_a_start_of_zeros_is_refused_where_it_would_stay_zero(given, options, positive):
    rows, columns, values = given
    values = np.abs(values) if positive else values
    with pytest.raises(ValueError, match="not all zero"):
        lr.complete((rows, columns, values), 2, shape=SHAPE, init=ZEROS, **options)


@pytest.mark.parametrize("rank", [2, None])
@pytest.mark.parametrize(
    ("init", "error"),
    [
        ("foo", ValueError),
        ((1, 2), TypeError),
        ((np.ones((50, 2)),), TypeError),
        (([[1.0]], [[1.0]]), TypeError),
        ((np.ones(50), np.ones(40)), TypeError),
        (None, TypeError),
        (5, TypeError),
        ({}, TypeError),
    ],
)
def test_a_start_that_is_no_pair_of_factors_is_refused_with_a_rank_and_without(given, init, error, rank):
    with pytest.raises(error, match="init must be"):
        lr.complete(given, rank, shape=SHAPE, init=init)


@pytest.mark.parametrize("method", ["irls", "lmafit", "soft_impute"])
def test_a_solver_is_refused_by_methods_without_one(given, method):
    with pytest.raises(ValueError, match="solver='cg' belongs to method='altmin'"):
        lr.complete(given, 2, shape=SHAPE, method=method, solver="cg")


@pytest.mark.parametrize("options", [{}, {"regularization": 0.1}, {"nonneg": True}])
def test_a_stop_by_the_callback_is_called_that(given, options):
    with pytest.warns(lr.ConvergenceWarning, match="stopped by callback; let the callback"):
        result = lr.complete(given, 2, shape=SHAPE, callback=lambda state: True, rng=0, tol=1e-12, **options)
    assert "maxiter" not in result.info.advice
    with pytest.warns(lr.ConvergenceWarning, match="larger maxiter"):
        lr.complete(given, 2, shape=SHAPE, maxiter=1, rng=0, tol=1e-12, **options)


def test_figures_that_are_none_are_there_after_saving(given, tmp_path):
    result = lr.complete(given, 2, shape=SHAPE, rng=0, holdout=0)
    result.save(tmp_path / "x.npz")
    again = lr.load(tmp_path / "x.npz")
    assert set(again.info.details) == set(result.info.details)
    assert again.info.advice is None
    assert again.info.heldout_error is None
    assert again.info.residuals is None


def test_tensors_that_record_gradients_are_refused(given):
    torch = pytest.importorskip("torch")
    rows, columns, values = (torch.as_tensor(x) for x in given)
    tracked = [
        torch.ones(size, dtype=torch.float64, requires_grad=True) for size in ((50, 2), (50,), (values.shape[0],))
    ]
    options = (
        {"weights": tracked[2]},
        {"regularization": (tracked[1], torch.ones(40, dtype=torch.float64))},
        {"init": (tracked[0], torch.ones((40, 2), dtype=torch.float64))},
        {"confidence": tracked[2]},
    )
    for option in options:
        with pytest.raises(TypeError, match="no gradients"):
            lr.complete((rows, columns, values), 2, shape=SHAPE, **option)


@pytest.mark.filterwarnings("ignore::lowrank_la.ConvergenceWarning")
@pytest.mark.parametrize("form", ["plain", "penalised", "bias", "nonneg", "counts", "confidences"])
def test_rows_of_which_nothing_is_known_are_zero(given, form, backend):
    rows, columns, values = given
    options = {"penalised": {"regularization": 0.1}, "bias": {"bias": True}, "nonneg": {"nonneg": True}}.get(form, {})
    if form in ("counts", "confidences"):
        options = {"confidence": 2.0 if form == "counts" else backend.asarray(np.full(values.size, 2.0))}
    observed = tuple(backend.asarray(x) for x in (rows, columns, np.abs(values)))
    result = lr.complete(observed, 2, shape=SHAPE, rng=0, maxiter=5, **options)
    passed = {"confidence": 3.0} if form == "confidences" else {}
    nothing = [np.full((3, 40), np.nan)] + ([np.zeros((3, 40))] if form == "counts" else [])
    for new in nothing:
        found = backend.to_numpy(result.transform(backend.asarray(new), **passed))
        expected = np.zeros(found.shape)
        if form == "bias":
            expected[:, -2:] = [float(result.biases.mean), 1.0]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    if backend.name == "numpy":
        assert result.transform(scipy.sparse.csr_array((2, 40)), **passed).shape == (2, result.U.shape[1])


def test_messages_name_what_was_called(given):
    result = lr.complete(given, 2, shape=SHAPE, rng=0)
    with pytest.raises(TypeError, match=r"^transform needs a sparse matrix"):
        result.transform("abc")
    for rows, columns in ((1, 2), ([[1]], [[2]]), ([1], np.array(2))):
        with pytest.raises(ValueError, match="must be a one-dimensional array"):
            result.predict(rows, columns)
    C = np.random.default_rng(0).poisson(1.0, SHAPE).astype(float)
    with pytest.raises(ValueError, match="NaN says that nothing was"):
        lr.complete(C, 2, confidence=1 + 5 * C)
