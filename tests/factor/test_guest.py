"""A good guest in its host program: many threads, forks, thread counts and the caller's arrays."""

import multiprocessing
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la._backend import threads
from lowrank_la.factor import iteration

CALLS = {
    "svd": lambda A: lr.svd(A, 5, rng=1),
    "svd krylov": lambda A: lr.svd(A, 5, method="krylov", rng=1),
    "svd fused": lambda A: lr.svd(A, 5, method="fused", rng=1),
    "svd subspace": lambda A: lr.svd(A, 5, method="subspace", rng=1),
    "svd gram": lambda A: lr.svd(A, 5, method="gram", rng=1),
    "svd dense": lambda A: lr.svd(A, 5, method="dense", rng=1),
    "svd tol": lambda A: lr.svd(A, tol=1e-2, method="krylov", rng=1),
    "svd centred": lambda A: lr.svd(A, 5, center=True, rng=1),
    "eigh": lambda A: lr.eigh(A, 5, method="krylov", rng=1),
    "eigh dense": lambda A: lr.eigh(A, 5, method="dense", rng=1),
    "qb": lambda A: lr.qb(A, 5, rng=1),
    "qb tol": lambda A: lr.qb(A, tol=1e-2, rng=1),
    "nystrom": lambda A: lr.nystrom(A, 5, rng=1),
    "nystrom krylov": lambda A: lr.nystrom(A, 5, method="krylov", rng=1),
    "tall_qr": lambda A: lr.tall_qr(A[:, :40]),
}


@pytest.fixture(scope="module")
def matrix():
    """700×700, positive semidefinite, large enough for worker threads."""
    return testing.hermitian(700, testing.spectra["exponential_medium"](700), rng=1)


def same_bits(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def blas_threads():
    return [library.get_num_threads() for library in threads._blas_libraries()]


@pytest.fixture
def two_blas_threads():
    """Two threads in every BLAS, put back afterwards."""
    before = blas_threads()
    for library in threads._blas_libraries():
        threads._set_threads(library, 2)
    yield
    for library, count in zip(threads._blas_libraries(), before, strict=True):
        threads._set_threads(library, count)


@pytest.mark.parametrize("call", CALLS)
def test_eight_threads_at_once_get_the_answer_of_one(call, matrix):
    expected = CALLS[call](matrix)
    gate = threading.Barrier(8)

    def work(_):
        gate.wait()
        return CALLS[call](matrix)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert all(same_bits(expected, r) for r in results)


def test_eight_threads_with_different_work_do_not_disturb_each_other(matrix):
    names = list(CALLS)[:8]
    expected = {name: CALLS[name](matrix) for name in names}
    gate = threading.Barrier(8)

    def work(name):
        gate.wait()
        return [CALLS[name](matrix) for _ in range(2)]

    with ThreadPoolExecutor(8) as pool:
        for name, results in zip(names, pool.map(work, names), strict=True):
            assert all(same_bits(expected[name], r) for r in results)


def test_sparse_kernels_serve_eight_threads_at_once():
    S = testing.sparse_tfidf(3000, 500, 40000, rng=2)
    expected = lr.svd(S, 5, center=True, rng=1)
    with ThreadPoolExecutor(8) as pool:
        assert all(same_bits(expected, r) for r in pool.map(lambda _: lr.svd(S, 5, center=True, rng=1), range(8)))


def _forked(connection, call, matrix):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = CALLS[call](matrix)
    connection.send(tuple(result))
    connection.close()
    os._exit(0)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("call", ["svd krylov", "svd gram", "eigh", "qb", "nystrom", "tall_qr"])
def test_a_forked_child_gets_the_answer_of_its_parent(call, matrix):
    expected = CALLS[call](matrix)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_forked, args=(sender, call, matrix))
    child.start()
    try:
        assert receiver.poll(60), "the child hangs"
        assert same_bits(tuple(expected), receiver.recv())
    finally:
        child.join(20)
        child.kill()


@pytest.mark.parametrize("call", CALLS)
def test_blas_thread_counts_are_put_back(call, matrix, two_blas_threads):
    CALLS[call](matrix)
    assert set(blas_threads()) == {2}


def test_blas_thread_counts_are_put_back_after_an_error(matrix, two_blas_threads):
    A = matrix.copy()
    A[3, 3] = np.nan
    for call in CALLS.values():
        with pytest.raises(ValueError, match="NaN or infinite"):
            call(A)
    assert set(blas_threads()) == {2}
    assert not threads._state["open"]


def test_blas_thread_counts_are_put_back_after_an_error_in_a_callback(matrix, two_blas_threads):
    def fails(state):
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        lr.svd(matrix, 5, method="krylov", callback=fails)
    assert set(blas_threads()) == {2}


class Bar:
    """A progress bar that knows whether it is shown."""

    def __init__(self, shown, label):
        self.shown, self.label = shown, label
        shown.append(label)

    def set_postfix(self, values):
        pass

    def update(self):
        pass

    def close(self):
        self.shown.remove(self.label)


@pytest.fixture
def shown(monkeypatch):
    """Labels of the progress bars that are shown."""
    labels = []
    monkeypatch.setattr(iteration, "_progress_bar", lambda label: Bar(labels, label))
    return labels


ITERATIVE = {
    "svd": lambda A, **options: lr.svd(A, 5, method="krylov", progress=True, **options),
    "eigh": lambda A, **options: lr.eigh(A, 5, method="krylov", progress=True, **options),
    "qb": lambda A, **options: lr.qb(A, 5, progress=True, **options),
    "nystrom": lambda A, **options: lr.nystrom(A, 5, method="krylov", progress=True, **options),
}


@pytest.mark.parametrize("name", ITERATIVE)
def test_a_progress_bar_shows_until_the_answer_is_there(name, matrix, shown):
    seen = []
    ITERATIVE[name](matrix, callback=lambda state: seen.append(list(shown)))
    assert seen[0] == [name]
    assert shown == []


@pytest.mark.parametrize("name", ITERATIVE)
def test_a_progress_bar_is_closed_after_an_error(name, matrix, shown):
    def fails(state):
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        ITERATIVE[name](matrix, callback=fails)
    assert shown == []
    with pytest.raises(ValueError, match="NaN or infinite"):
        ITERATIVE[name](np.full((700, 700), np.nan))
    assert shown == []


@pytest.mark.parametrize("name", ITERATIVE)
def test_no_progress_bar_shows_for_a_call_that_is_refused(name, matrix, shown):
    with pytest.raises((TypeError, ValueError)):
        ITERATIVE[name](matrix, callback=5)
    with pytest.raises((TypeError, ValueError)):
        ITERATIVE[name](matrix, rng="seed")
    assert shown == []


@pytest.mark.parametrize("call", CALLS)
def test_read_only_input_is_accepted_and_unchanged(call):
    A = testing.hermitian(130, testing.spectra["exponential_medium"](130), rng=3)
    before = A.copy()
    A.flags.writeable = False
    CALLS[call](A)
    assert np.array_equal(A, before)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("scale", [1.0, 1e160])
def test_writable_input_is_unchanged(call, scale):
    A = testing.hermitian(130, testing.spectra["exponential_medium"](130), rng=3) * scale
    before = A.copy()
    CALLS[call](A)
    assert np.array_equal(A, before)


@pytest.mark.parametrize("call", CALLS)
def test_results_do_not_share_memory_with_the_input(call):
    A = testing.hermitian(130, testing.spectra["exponential_medium"](130), rng=3)
    assert not any(np.shares_memory(part, A) for part in CALLS[call](A))


@pytest.mark.parametrize("make", ["csr_array", "csc_array", "coo_array"])
def test_sparse_input_is_unchanged(make):
    S = getattr(scipy.sparse, make)(testing.sparse_tfidf(200, 80, 1500, rng=4))
    before = S.copy()
    lr.svd(S, 4, center=True, rng=0)
    lr.qb(S * 1e150, 4, rng=0)
    assert np.array_equal(S.toarray(), before.toarray())
    assert S.format == before.format
    assert np.array_equal(S.data, before.data)


def test_unsorted_sparse_input_with_duplicates_is_unchanged():
    data, indices, indptr = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2, 0, 0, 1]), np.array([0, 2, 4, 4])
    S = scipy.sparse.csr_array((data, indices, indptr), shape=(3, 3))
    lr.svd(S, 2, rng=0)
    assert np.array_equal(S.indices, [2, 0, 0, 1])
    assert np.array_equal(S.data, [1, 2, 3, 4])


def test_the_start_is_unchanged(matrix):
    init = np.ones((700, 7))
    before = init.copy()
    for method in ("krylov", "fused", "subspace"):
        lr.svd(matrix, 5, method=method, init=init, rng=0)
    assert np.array_equal(init, before)


def test_warnings_filters_and_error_states_are_left_alone(matrix):
    filters, state = list(warnings.filters), np.geterr()
    for call in CALLS.values():
        call(matrix)
    assert list(warnings.filters) == filters
    assert np.geterr() == state


@pytest.mark.parametrize("call", CALLS)
def test_nothing_warns_on_an_ordinary_matrix(call):
    A = testing.hermitian(130, testing.spectra["exponential_medium"](130), rng=3)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        CALLS[call](A)


@pytest.mark.parametrize("call", CALLS)
def test_results_are_frozen_against_assignment(call, matrix):
    r = CALLS[call](matrix[:130, :130])
    with pytest.raises(AttributeError):
        r.info = None
