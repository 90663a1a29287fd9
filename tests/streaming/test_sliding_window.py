"""The last rows of a stream, by merging alone."""

import numpy as np
import pytest
from streaming import streams

import lowrank_la as lr

MAKERS = {
    "gram": lambda: lr.IncrementalSVD(3, center=True),
    "truncated": lambda: lr.IncrementalSVD(3, method="truncated"),
    "directions": lambda: lr.FrequentDirections(6, buffer=12),
}
each = pytest.mark.parametrize("make", list(MAKERS.values()), ids=list(MAKERS))


def rows(n=1000, d=15, seed=0):
    A = streams.rows_of("decaying", n, d, "float64", np.random.default_rng(seed))
    return A * np.linspace(1.0, 3.0, n)[:, None]


@each
@pytest.mark.parametrize("chunk", [1, 7, 20, 38, 67, 100])
def test_only_the_last_rows_count_at_every_moment(make, chunk):
    A, window = rows(400), lr.SlidingWindow(make(), 100, chunk=chunk)
    for seen in range(30, 401, 37):
        window.partial_fit(A[window.rows_seen : seen])
        recent = A[seen - window.result().info.rows : seen]
        assert len(recent) <= 100
        assert len(recent) > min(seen, 100) - chunk
        recent = recent - recent.mean(axis=0) if getattr(window.estimator, "center", False) else recent
        true, found = np.linalg.svd(recent, compute_uv=False)[:3], window.result()
        assert (found.error_bounds[0][:3] <= true * (1 + 1e-12)).all()
        assert (found.error_bounds[1][:3] >= true * (1 - 1e-12)).all()


def test_a_full_state_is_exact_in_the_window():
    A, window = rows(), lr.SlidingWindow(lr.IncrementalSVD(3), 200, chunk=20)
    found = window.partial_fit(A).result()
    np.testing.assert_allclose(found.s, np.linalg.svd(A[-200:], compute_uv=False)[:3], rtol=1e-12)


def test_each_chunk_is_merged_a_few_times_however_long_the_stream(monkeypatch):
    merges, merge = [], lr.IncrementalSVD.merge
    monkeypatch.setattr(lr.IncrementalSVD, "merge", lambda self, other: merges.append(1) or merge(self, other))
    lr.SlidingWindow(lr.IncrementalSVD(2), 200, chunk=10).partial_fit(rows())
    assert len(merges) <= 2 * 100


def test_a_stale_window_is_found_out(monkeypatch):
    from lowrank_la.streaming import sliding_window

    monkeypatch.setattr(sliding_window, "_without_oldest", lambda state: state)
    A = rows()
    found = lr.SlidingWindow(lr.IncrementalSVD(3), 200, chunk=20).partial_fit(A).result()
    assert found.error_bounds[0][0] > np.linalg.norm(A[-200:], 2)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"estimator": lr.IncrementalSVD(2), "window": 0}, ValueError),
        ({"estimator": lr.IncrementalSVD(2), "window": 5, "chunk": 6}, ValueError),
        ({"estimator": lr.IncrementalSVD, "window": 5}, TypeError),
        ({"estimator": lr.IncrementalSVD(1).partial_fit(np.ones((1, 2))), "window": 5}, ValueError),
    ],
)
def test_options_out_of_range_are_refused(options, error):
    with pytest.raises(error):
        lr.SlidingWindow(**options)


def test_a_state_needs_its_class_to_be_read():
    state = lr.SlidingWindow(lr.IncrementalSVD(2), 50).partial_fit(rows(120)).state_dict()
    with pytest.raises(ValueError, match="estimator="):
        lr.SlidingWindow.from_state_dict(state)
    again = lr.SlidingWindow.from_state_dict(state, estimator=lr.IncrementalSVD(9))
    assert again.estimator.rank == 2
