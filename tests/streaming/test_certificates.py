"""Certificates hold on random and adversarial streams, and wrong ones are found out."""

import warnings

import numpy as np
import pytest
from streaming import streams

import lowrank_la as lr
from lowrank_la.streaming import shrinking, truncated

SLACK = 1e-12  # of ‖A‖_F: rounding of the oracle
METHODS = ("auto", "gram", "qr", "truncated", "truncated")
SHORT, LONG = 600, 10_000


def svd_violation(seed):
    """What the certificate of stream `seed` says wrongly, or None."""
    given = streams.draw(seed)
    method, d = METHODS[seed % len(METHODS)], given.A.shape[1]
    rank = 1 + seed % d
    options = {"center": given.center, "forget": given.forget, "method": method, "oversample": seed % 3}

    def make():
        return lr.IncrementalSVD(rank, **options)

    estimator = streams.feed_apart(make, given) if seed % 7 == 6 else streams.feed(make(), given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)  # a Gram matrix says so when it is too coarse
        found = estimator.result()
    A = streams.effective(given, center=given.center, forget=given.forget)
    _, true, Vh = np.linalg.svd(A, full_matrices=True)
    size = np.linalg.norm(streams.effective(given, forget=given.forget))  # rounding of the mean is relative to this
    slack, k = SLACK * size, found.s.shape[0]
    true = np.concatenate([true, np.zeros(k)])[:k]
    lower, upper = found.error_bounds
    if (lower > true + slack).any() or (upper < true - slack).any():
        return f"{seed} {given.kind} {method}: {true} outside {lower} … {upper}"
    V = found.Vh.conj().T.astype(Vh.dtype)
    missed = np.linalg.norm(A - A @ V @ V.conj().T)
    eps = np.finfo(given.A.dtype).eps
    allowed = found.info.error * np.linalg.norm(A) * (1 + 1e-6) + 50 * eps * size
    if missed > allowed:
        return f"{seed} {given.kind} {method}: error {missed} above {allowed}"
    angle = found.info.angle_bound
    if angle is not None and k and k < d:
        sine = np.linalg.norm(Vh[k:] @ V, 2)
        if sine > angle + 50 * eps:
            return f"{seed} {given.kind} {method}: angle {sine} above {angle}"
    return None


def directions_violation(seed):
    """What the certificate of Frequent Directions on stream `seed` says wrongly, or None."""
    given = streams.draw(seed)
    size = 1 + seed % given.A.shape[1]
    buffer = size + 1 + seed % 7 * size

    def make():
        return lr.FrequentDirections(size, buffer=buffer, robust=bool(seed % 2))

    found = (streams.feed_apart(make, given) if seed % 7 == 6 else streams.feed(make(), given)).result()
    A = streams.effective(given)
    B = found.B.astype(A.dtype)
    gap = np.linalg.eigvalsh(A.conj().T @ A - B.conj().T @ B)
    energy, eps = np.linalg.norm(A) ** 2, np.finfo(given.A.dtype).eps
    slack = found.info.rounding + 50 * eps * energy
    if gap[0] < -slack or gap[-1] > found.delta + SLACK * energy:
        return f"{seed} {given.kind}: {gap[[0, -1]]} outside 0 … {found.delta}"
    tail = np.linalg.svd(A, compute_uv=False) ** 2
    best = min((tail[k:].sum() / (size + 1 - k) for k in range(size + 1)), default=0.0)
    if found.delta > best * (1 + 1e-6) + 2 * slack:
        return f"{seed} {given.kind}: delta {found.delta} above {best}"
    if found.shift and np.abs(gap - found.shift).max() > found.delta / 2 + slack:
        return f"{seed} {given.kind}: robust error above delta / 2"
    return None


@pytest.mark.parametrize("violation", [svd_violation, directions_violation])
def test_certificates_hold_on_random_and_adversarial_streams(violation):
    assert [found for found in map(violation, range(SHORT)) if found] == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("violation", [svd_violation, directions_violation])
def test_certificates_hold_on_ten_thousand_streams(violation, part):
    assert [found for found in map(violation, range(part, LONG, 4)) if found] == []


def test_forgetting_what_was_dropped_is_found_out(monkeypatch):
    kept = truncated._shortened
    monkeypatch.setattr(truncated, "_shortened", lambda state, *rest: kept(state, *rest) | {"spectral": 0.0})
    assert any(map(svd_violation, range(200)))


def test_a_single_orthonormalisation_is_found_out(monkeypatch):
    def careless(s, V, rows):
        rows = np.asarray(rows)
        P = rows @ V
        Q, R = np.linalg.qr((rows - P @ V.conj().T).conj().T)
        core = np.block([[np.diag(s), P.conj().T], [np.zeros((R.shape[0], s.shape[0])), R]])
        U, s, _ = np.linalg.svd(core, full_matrices=False)
        return s.astype(rows.real.dtype), (np.hstack([V, Q]) @ U).astype(rows.dtype)

    monkeypatch.setattr(truncated, "_updated", careless)
    monkeypatch.setattr(truncated, "_mended", lambda s, V: (s, V))
    generator = np.random.default_rng(0)
    broken = 0
    for _ in range(20):
        base = np.linalg.qr(generator.standard_normal((60, 8)))[0].T
        A = generator.standard_normal((200, 8)) @ base
        s = lr.IncrementalSVD(8, method="truncated", oversample=8).partial_fit(A).result().s
        broken += np.linalg.norm(s) > np.linalg.norm(A) * (1 + 1e-9)
    assert broken > 0


def test_taking_off_the_wrong_square_is_found_out(monkeypatch):
    def generous(w, size, noise):
        values = [float(x) for x in w][::-1]
        delta = values[size - 1] / 2 if len(values) > size else 0.0
        return [max(value - delta, 0.0) for value in values[:size]], values[size] if len(values) > size else 0.0

    monkeypatch.setattr(shrinking, "_settled", generous)
    assert any(map(directions_violation, range(100)))
