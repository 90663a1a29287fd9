"""Functions that take another sketch than their own."""

import warnings

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.sampling import leverage

CLASSES = [
    lr.sketch.Gaussian,
    lr.sketch.Rademacher,
    lr.sketch.SparseSign,
    lr.sketch.SRHT,
    lr.sketch.Fastfood,
    lr.sketch.KhatriRao,
]


def coherent(m, n, rng=0):
    """A tall matrix a few of whose rows carry most of the energy."""
    A = np.random.default_rng(rng).standard_normal((m, n))
    A[: n // 2] *= 100.0
    return A


@pytest.mark.parametrize("sketch", CLASSES)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_matrix_of_exact_rank_is_recovered_with_any_columns(sketch, dtype):
    A = lr.testing.matrix(300, 200, np.arange(12.0, 0.0, -1.0), dtype=dtype)
    for options in ({"rank": 12}, {"tol": 1e-8, "block": 4}, {"rank": 12, "block": 5, "power": 0}):
        Q, B = lr.qb(A, sketch=sketch, rng=0, **options)
        assert Q.shape[1] == 12
        assert np.linalg.norm(A - Q @ B) <= 1e-11 * np.linalg.norm(A)


@pytest.mark.parametrize("sketch", CLASSES)
def test_the_range_is_about_as_good_as_with_gaussian_columns(sketch):
    s = 1.0 / np.arange(1, 201) ** 1.5
    A = lr.testing.matrix(300, 200, s, rng=0)
    best = np.linalg.norm(s[20:]) / np.linalg.norm(s)
    assert lr.qb(A, 20, sketch=sketch, rng=0).info.error <= 1.2 * best


@pytest.mark.parametrize("sketch", CLASSES)
@pytest.mark.parametrize("method", ["sketched", "spir"])
def test_least_squares_are_solved_to_rounding_with_any_sketch(sketch, method):
    A, b = coherent(3000, 20), np.random.default_rng(1).standard_normal(3000)
    result = lr.lstsq(A, b, method=method, sketch=sketch, rng=0)
    assert result.info.converged
    assert result.info.method == method
    np.testing.assert_allclose(result.x, np.linalg.lstsq(A, b, rcond=None)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("sketch", CLASSES)
def test_sketched_scores_are_as_close_as_asked(sketch):
    A = coherent(2000, 10)
    exact = lr.leverage_scores(A).scores
    for rng in range(3):
        found = lr.leverage_scores(A, method="sketched", accuracy=0.5, sketch=sketch, rng=rng)
        assert found.info.method == "sketched"
        assert np.max(np.abs(found.scores / exact - 1)) <= 0.5


def heavy(n, small, rng):
    """A few heavy rows above many light ones, whose scores are lost with any direction of the heavy ones."""
    generator = np.random.default_rng(rng)
    return np.vstack([generator.standard_normal((n, n)), small * generator.standard_normal((63 * n, n))])


@pytest.mark.parametrize("small", [1e-3, 1e-12])
@pytest.mark.parametrize("n", [8, 24])
def test_sampled_transforms_keep_scores_of_few_heavy_rows(n, small):
    A = heavy(n, small, 0)
    exact = lr.leverage_scores(A).scores
    for rng in range(6):
        found = lr.leverage_scores(A, method="sketched", sketch=lr.sketch.SRHT, rng=rng)
        assert found.info.converged
        assert np.max(np.abs(found.scores / exact - 1)) <= found.info.error


def test_scores_of_a_sketch_that_lost_directions_say_so(monkeypatch):
    monkeypatch.setattr(leverage, "rows_for_any_data", lambda sketch, m, n, accuracy: 2 * n)
    A, told = heavy(24, 1e-12, 0), 0
    exact = lr.leverage_scores(A).scores
    for rng in range(6):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = lr.leverage_scores(A, method="sketched", sketch=lr.sketch.SRHT, rng=rng)
        assert found.info.converged == (not caught) == bool(np.isfinite(found.info.error))
        assert caught or np.max(found.scores / exact) <= 1e3
        told += bool(caught)
    assert told


def test_hashed_rows_are_as_many_as_their_law_asks_for_or_refused():
    A = np.random.default_rng(0).standard_normal((4000, 2))
    found = lr.leverage_scores(A, method="sketched", accuracy=0.9, sketch=lr.sketch.CountSketch, rng=0)
    assert np.max(np.abs(found.scores / lr.leverage_scores(A).scores - 1)) <= 0.9
    with pytest.raises(ValueError, match=r"sketch=CountSketch needs .* rows for 20 columns"):
        lr.leverage_scores(coherent(3000, 20), method="sketched", sketch=lr.sketch.CountSketch, rng=0)


def test_backends_agree(backend):
    A = lr.testing.matrix(40, 30, np.arange(5.0, 0.0, -1.0), dtype=backend.nearest("float64"))
    Q, B = lr.qb(backend.asarray(A), 5, sketch=lr.sketch.SRHT, rng=0)
    difference = backend.to_numpy(Q) @ backend.to_numpy(B) - A
    assert np.linalg.norm(difference) <= 100 * be.eps(A.dtype) * np.linalg.norm(A)


BAD = {
    "an instance": (lambda A: lr.qb(A, 2, sketch=lr.sketch.SRHT(2, 5, 0)), TypeError, "sketch must be a class"),
    "an instance of many factors": (
        lambda A: lr.qb(A, 2, sketch=lr.sketch.KhatriRao(2, (5, 1), 0)),
        TypeError,
        "sketch must be a class",
    ),
    "a word": (lambda A: lr.lstsq(A, A[:, 0], method="spir", sketch="srht"), TypeError, "sketch must be a class"),
    "the base class": (lambda A: lr.qb(A, 2, sketch=lr.sketch.Sketch), TypeError, "got 'Sketch'"),
    "another class": (lambda A: lr.qb(A, 2, sketch=dict), TypeError, "got 'dict'"),
    "lstsq by qr": (
        lambda A: lr.lstsq(A, A[:, 0], sketch=lr.sketch.SRHT),
        ValueError,
        "'sketched' or 'spir', got 'auto'",
    ),
    "exact scores": (lambda A: lr.leverage_scores(A, sketch=lr.sketch.SRHT), ValueError, "method='sketched', got 'qr'"),
    "blocks": (lambda A: lr.qb(lr.block_source(A), 2, sketch=lr.sketch.SRHT), ValueError, "not for data in blocks"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_sketches_say_what_is_wrong(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call(np.random.default_rng(0).standard_normal((9, 5)))
