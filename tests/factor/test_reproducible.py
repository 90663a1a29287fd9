"""One seed, one answer: on every backend, for any number of workers, without touching anybody's generator."""

import numpy as np
import pytest
from factor import oracles

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la._backend import threads

ACCURACY = 1e-5  # within the reach of every method in single precision
CALLS = {
    "svd krylov": lambda A, rng: lr.svd(A, 6, method="krylov", accuracy=ACCURACY, rng=rng),
    "svd fused": lambda A, rng: lr.svd(A, 6, method="fused", accuracy=ACCURACY, rng=rng),
    "svd subspace": lambda A, rng: lr.svd(A, 6, method="subspace", accuracy=ACCURACY, rng=rng),
    "svd gram": lambda A, rng: lr.svd(A, 6, method="gram", accuracy=ACCURACY, rng=rng),
    "svd auto": lambda A, rng: lr.svd(A, 6, accuracy=ACCURACY, rng=rng),
    "svd tol": lambda A, rng: lr.svd(A, tol=1e-2, method="krylov", rng=rng),
    "eigh": lambda A, rng: lr.eigh(A, 6, method="krylov", accuracy=ACCURACY, rng=rng),
    "qb": lambda A, rng: lr.qb(A, 6, rng=rng),
    "qb tol": lambda A, rng: lr.qb(A, tol=1e-2, rng=rng),
    "nystrom": lambda A, rng: lr.nystrom(A, 6, rng=rng),
    "nystrom krylov": lambda A, rng: lr.nystrom(A, 6, method="krylov", accuracy=ACCURACY, rng=rng),
}


@pytest.fixture(scope="module")
def positive():
    """150×150, positive semidefinite, values falling by 0.8."""
    return testing.hermitian(150, testing.spectra["exponential_medium"](150), rng=1)


def same_bits(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True)) and a.info.error == b.info.error


@pytest.mark.parametrize("call", CALLS)
def test_one_seed_gives_the_same_bits(positive, call):
    assert same_bits(CALLS[call](positive, 3), CALLS[call](positive, 3))


@pytest.mark.parametrize("call", [c for c in CALLS if c not in ("svd auto", "svd gram")])
def test_another_seed_gives_other_bits(positive, call):
    first, second = CALLS[call](positive, 3), CALLS[call](positive, 4)
    assert not np.array_equal(first[0], second[0])


@pytest.mark.parametrize("call", CALLS)
def test_info_holds_the_key_that_repeats_the_draw(positive, call):
    first = CALLS[call](positive, None)
    assert isinstance(first.info.rng, int)
    assert same_bits(first, CALLS[call](positive, first.info.rng))


@pytest.mark.parametrize("call", CALLS)
def test_without_a_seed_every_call_draws_anew(positive, call):
    assert CALLS[call](positive, None).info.rng != CALLS[call](positive, None).info.rng


@pytest.mark.parametrize("call", CALLS)
def test_a_numpy_generator_contributes_a_key_and_moves_on(positive, call):
    generator = np.random.default_rng(7)
    first, second = CALLS[call](positive, generator), CALLS[call](positive, generator)
    again = CALLS[call](positive, np.random.default_rng(7))
    assert same_bits(first, again)
    assert first.info.rng != second.info.rng


def test_a_seed_sequence_seeds():
    A = testing.matrix(60, 40, "polynomial_half", rng=1)
    first, second = (lr.qb(A, 5, rng=np.random.SeedSequence(5)) for _ in range(2))
    assert same_bits(first, second)


@pytest.mark.parametrize("call", CALLS)
def test_a_torch_generator_draws_by_itself_and_repeats(positive, call):
    torch = pytest.importorskip("torch")
    A = torch.from_numpy(positive.copy())
    results = [CALLS[call](A, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    error = CALLS[call](positive, 3).info.error
    assert 0.2 * error <= results[0].info.error <= 5 * error


@pytest.mark.parametrize("call", CALLS)
def test_the_global_generators_are_left_alone(positive, call):
    before = np.random.get_state(legacy=False)  # noqa: NPY002  the legacy generator is the subject
    CALLS[call](positive, None)
    CALLS[call](positive, 3)
    after = np.random.get_state(legacy=False)  # noqa: NPY002  the legacy generator is the subject
    assert np.array_equal(before["state"]["key"], after["state"]["key"])
    assert before["state"]["pos"] == after["state"]["pos"]


@pytest.mark.parametrize("call", CALLS)
def test_the_global_torch_generator_is_left_alone(positive, call):
    torch = pytest.importorskip("torch")
    before = torch.get_rng_state()
    CALLS[call](torch.from_numpy(positive.copy()), None)
    assert torch.equal(before, torch.get_rng_state())


def with_workers(monkeypatch, count, function):
    monkeypatch.setattr(threads, "worker_count", lambda: count)
    return function()


@pytest.mark.parametrize("call", [*CALLS, "tall_qr"])
def test_any_number_of_workers_gives_the_same_bits(call, monkeypatch):
    A = testing.hermitian(900, testing.spectra["exponential_medium"](900), rng=2)

    def run():
        return lr.tall_qr(A[:, :60]) if call == "tall_qr" else CALLS[call](A, 5)

    first = with_workers(monkeypatch, 1, run)
    for count in (2, 3):
        assert same_bits(first, with_workers(monkeypatch, count, run))


@pytest.mark.parametrize("options", [{}, {"center": True}, {"method": "krylov"}, {"method": "fused"}])
def test_any_number_of_workers_gives_the_same_bits_on_sparse_matrices(options, monkeypatch):
    S = testing.sparse_tfidf(6000, 900, 60000, rng=3)
    first = with_workers(monkeypatch, 1, lambda: lr.svd(S, 5, rng=5, **options))
    for count in (2, 3):
        assert same_bits(first, with_workers(monkeypatch, count, lambda: lr.svd(S, 5, rng=5, **options)))


@pytest.mark.parametrize("call", CALLS)
def test_backends_agree_from_one_seed(backend, call):
    for dtype in backend.dtypes:
        host = testing.hermitian(60, testing.spectra["exponential_medium"](60), dtype=dtype, rng=4)
        reference, r = CALLS[call](host, 11), CALLS[call](backend.asarray(host), 11)
        c = 2000 * oracles.eps(dtype)
        assert np.linalg.norm(oracles.product(r) - oracles.product(reference)) <= c * np.linalg.norm(host)
        assert abs(r.info.error - reference.info.error) <= c
        assert r.info.method == reference.info.method
        assert r.info.products == reference.info.products


@pytest.mark.parametrize("method", ["krylov", "fused", "subspace", "gram"])
def test_backends_agree_on_the_vectors_from_one_seed(backend, method):
    dtype = backend.dtypes[-1]
    host = testing.matrix(80, 60, "exponential_medium", dtype=dtype, rng=5)
    U, s, Vh = lr.svd(host, 4, method=method, accuracy=ACCURACY, rng=11)
    r = lr.svd(backend.asarray(host), 4, method=method, accuracy=ACCURACY, rng=11)
    c = 5000 * oracles.eps(dtype)
    for ours, theirs in zip(r, (U, s, Vh), strict=True):
        assert np.max(np.abs(backend.to_numpy(ours) - theirs)) <= c


def test_memory_order_gives_the_same_answer_from_one_seed():
    A = testing.matrix(300, 200, "exponential_medium", rng=6)
    r, t = (lr.svd(M, 5, method="krylov", rng=1) for M in (A, np.asfortranarray(A)))
    assert np.max(np.abs(r.U - t.U)) <= 1e-12
    assert r.info.products == t.info.products
