"""Every sampler on inputs that upset implementations: each keeps the law of its matrix or refuses it by name."""

import numpy as np
import pytest
from sampling import laws

import lowrank_la as lr

BASE = laws.orthonormal(9, 3, 31) @ np.asarray([[2.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 0.7]])


def tied():
    A = BASE.copy()
    A[[3, 4]] = A[0]
    A[7] = -A[8]
    return A


def with_zero_rows():
    A = BASE.copy()
    A[[0, 5]] = 0.0
    return A


INPUTS = {
    "single": BASE.astype(np.float32),
    "off orthonormal": np.linalg.qr(BASE)[0] @ (np.eye(3) + 1e-3 * np.random.default_rng(0).standard_normal((3, 3))),
    "huge": BASE * 1e150,
    "tiny": BASE * 1e-150,
    "ill-conditioned": BASE * np.asarray([1.0, 1e-8, 1e-16]),
    "ties": tied(),
    "zero rows": with_zero_rows(),
    "all rows but one": laws.orthonormal(9, 8, 32) * np.geomspace(1.0, 30.0, 8),
}
SETS = {
    "ProjectionDPP": lambda A, draws: lr.ProjectionDPP(A).sample(draws, rng=1),
    "KDPP of a kernel": lambda A, draws: lr.KDPP(A.shape[1], A @ A.T).sample(draws, rng=2),
    "KDPP of a factor": lambda A, draws: lr.KDPP(A.shape[1], factor=A).sample(draws, rng=3),
    "volume_sample": lambda A, draws: lr.volume_sample(A, A.shape[1], draws=draws, rng=4).indices,
    "volume_rescaled_sample": lambda A, draws: np.stack(
        [lr.volume_rescaled_sample(A, A.shape[1], rng=seed).indices for seed in range(draws // 10)]
    ),
}


def basis(A):
    """Orthonormal basis in double precision, columns brought to one size first."""
    A = A.astype(float)
    Q = np.linalg.qr(A / np.max(np.abs(A), axis=0))[0]
    Q[np.all(A == 0, axis=1)] = 0.0
    return Q


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("sampler", SETS)
def test_sets_of_d_rows_keep_their_law(sampler, name):
    A = INPUTS[name]
    if name == "ill-conditioned" and sampler.startswith("KDPP"):
        with pytest.raises(ValueError, match=r"k must be at most the numerical rank of the kernel, [12], got 3"):
            SETS[sampler](A, 10)
        return
    draws = SETS[sampler](A, 10_000)
    law = laws.projection_law(basis(A))
    law[law < 1e-25] = 0.0  # of ties and zero rows
    assert laws.same_law(laws.counts(draws, 9), law / law.sum()) > laws.REJECT


@pytest.mark.parametrize("name", INPUTS)
def test_larger_sets_keep_their_law(name):
    A, size = INPUTS[name], min(8, INPUTS[name].shape[1] + 2)
    (draws,) = lr.volume_sample(A, size, draws=10_000, rng=5)
    law = laws.volume_law(basis(A), size)
    law[law < 1e-25] = 0.0
    assert laws.same_law(laws.counts(draws, 9), law / law.sum()) > laws.REJECT


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_probabilities_of_independent_rows_follow_the_span(name, p):
    A = INPUTS[name]
    found = lr.sample_rows(A, 4, p=p, rng=6)
    plain = lr.sample_rows(basis(A), 4, p=p, rng=6)
    limit = 1e3 * np.finfo(A.dtype).eps if p == 2 else 1e-2  # what Lewis weights are asked for there
    np.testing.assert_allclose(found.probabilities, plain.probabilities, rtol=0, atol=limit)
    assert abs(float(np.sum(found.probabilities)) - 4.0) <= 100 * np.finfo(A.dtype).eps
    assert np.all(found.probabilities[np.all(A == 0, axis=1)] == 0.0)
    assert np.all(np.isfinite(found.weights))


def test_probabilities_of_tied_rows_are_alike():
    for p in (1.0, 2.0, 3.0):
        q = lr.sample_rows(tied(), 4, p=p, rng=7).probabilities
        np.testing.assert_allclose(q[[3, 4, 8]], q[[0, 0, 7]], rtol=1e-9)


@pytest.mark.parametrize("sampler", SETS)
def test_dependent_columns_are_refused(sampler):
    with pytest.raises(ValueError, match="rank"):
        SETS[sampler](BASE @ np.asarray([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]), 10)


def test_a_process_of_any_size_never_takes_tied_or_zero_rows_together():
    for A, pairs in ((tied(), [(0, 3), (0, 4), (3, 4), (7, 8)]), (with_zero_rows(), [(0, 0), (5, 5)])):
        sets = [s.tolist() for s in lr.DPP(1e6 * A @ A.T).sample(300, rng=8)]
        assert not any(first in s and second in s for s in sets for first, second in pairs)


@pytest.mark.parametrize(("scale", "size"), [(1e-150, 0), (1e150, 3)])
def test_sizes_of_a_process_follow_the_scale_of_its_kernel(scale, size):
    assert {len(s) for s in lr.DPP(factor=scale**0.5 * BASE).sample(50, rng=9)} == {size}
