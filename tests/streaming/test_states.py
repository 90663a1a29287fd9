"""States that were read: every entry is needed, and entries that don't fit each other are refused by name."""

import re

import numpy as np
import pytest
import scipy.sparse

import lowrank_la as lr

N, D = 130, 12
MAKERS = {
    "gram": lambda: lr.IncrementalSVD(3, center=True, forget=0.9, method="gram"),
    "qr": lambda: lr.IncrementalSVD(3, method="qr", center=True),
    "truncated": lambda: lr.IncrementalSVD(3, method="truncated", center=True, keep_u=True),
    "directions": lambda: lr.FrequentDirections(5, buffer=20),
    "sketch": lambda: lr.SinglePassSketch((N, D), 3, rng=7),
    "window": lambda: lr.SlidingWindow(lr.IncrementalSVD(3), 100, chunk=20),
    "top random": lambda: lr.TopEigenvector("random", rng=0),
    "top arbitrary": lambda: lr.TopEigenvector("arbitrary", rng=0),
    "oja": lambda: lr.OjaPCA(2, center=True, rng=0),
}
each = pytest.mark.parametrize("make", list(MAKERS.values()), ids=list(MAKERS))
A = np.random.default_rng(0).standard_normal((N, D)) / np.arange(1, D + 1)


def restored(estimator, state):
    """The estimator that `state` describes, of the class of `estimator`."""
    extra = {"estimator": estimator.estimator} if hasattr(estimator, "estimator") else {}
    return type(estimator).from_state_dict(state, **extra)


def short_name(key):
    """What a refusal has to name of a key: the last part that says something."""
    return next(part for part in reversed(key.split(".")) if not part.isdigit())


@each
@pytest.mark.parametrize("seen", [0, 7, 64, 65, N])
def test_every_missing_entry_is_refused_by_name(make, seen):
    estimator = make().partial_fit(A[:seen])
    state = estimator.state_dict()
    assert restored(estimator, state).rows_seen == seen
    for key in state:
        rest = {name: value for name, value in state.items() if name != key}
        with pytest.raises(ValueError, match=re.escape(short_name(key))):
            restored(estimator, rest)


def test_every_missing_entry_of_sparse_and_weighted_rows_is_refused_by_name():
    sparse = scipy.sparse.csr_array(np.where(A > 0, A, 0.0))
    estimator = lr.IncrementalSVD(3).partial_fit(sparse, weights=np.arange(1.0, N + 1))
    state = estimator.state_dict()
    assert {"waiting.values", "waiting.indices", "waiting.indptr", "waiting.weights"} <= set(state)
    for key in state:
        rest = {name: value for name, value in state.items() if name != key}
        with pytest.raises(ValueError, match=re.escape(short_name(key))):
            restored(estimator, rest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"waiting.rows": A[:50]}, "layout.waiting tells of 130"),
        ({"waiting.rows": A[:, :1]}, "12 columns"),
        ({"waiting.rows": A.astype("float32")}, "float32"),
        ({"waiting.rows": A[0]}, "12 columns"),
        ({"layout.waiting": 120}, "layout.waiting tells of 120"),
        ({"rows_seen": 100}, "layout.waiting is 130"),
        ({"rows_seen": -1}, "rows_seen must be"),
        ({"rows_seen": 2.5}, "rows_seen must be"),
        ({"layout.columns": 11}, "waiting.rows must be an array of 11 columns"),
        ({"layout.dtype": "floaty"}, "layout.dtype must be one of .*'floaty'"),
        ({"layout.source": "int7"}, "layout.source must be one of .*'int7'"),
        ({"layout.dtype": "float32"}, "layout.dtype is 'float32'"),
        ({"state.gram": np.eye(11)}, r"state.gram .*\(12, 12\).*\(11, 11\)"),
        ({"state.gram": 3.0}, "state.gram"),
        ({"state.weight": A}, "state.weight"),
        ({"parameter.colour": 3}, "colour"),
        ({"parameter.rank": 0}, "rank must be"),
        ({"state.colour": 3}, "colour"),
    ],
)
def test_entries_that_do_not_fit_each_other_are_refused_by_name(change, message):
    state = lr.IncrementalSVD(3).partial_fit(A).state_dict()
    with pytest.raises(ValueError, match=message):
        lr.IncrementalSVD.from_state_dict(state | change)


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (MAKERS["truncated"], {"state.V": np.eye(11)[:, :3]}, "state.V"),
        (MAKERS["truncated"], {"state.s": np.ones(2)}, "vectors"),
        (MAKERS["qr"], {"state.factor": np.eye(11)}, "state.factor"),
        (MAKERS["directions"], {"state.B": np.ones((3, 11))}, "state.B"),
        (MAKERS["sketch"], {"state.columns": np.ones((N - 1, 12))}, "state.columns"),
        (MAKERS["top arbitrary"], {"state.growth": np.ones(1)}, "rates"),
        (MAKERS["top random"], {"state.Z": np.ones((11, 3))}, "state.Z"),
        (MAKERS["oja"], {"state.Q": np.ones((12, 3))}, "state.Q"),
    ],
)
def test_arrays_of_another_shape_are_refused_by_name(make, change, message):
    estimator = make()
    estimator.partial_fit(A)
    settled = estimator._settled()
    with pytest.raises(ValueError, match=message):
        type(estimator).from_state_dict(settled.state_dict() | change)


def test_indices_outside_of_the_columns_are_refused():
    state = lr.IncrementalSVD(3).partial_fit(scipy.sparse.csr_array(A)).state_dict()
    indices, indptr = state["waiting.indices"].copy(), state["waiting.indptr"].copy()
    indices[5], indptr[5] = 12, 0
    with pytest.raises(ValueError, match=r"waiting\.indices"):
        lr.IncrementalSVD.from_state_dict(state | {"waiting.indices": indices})
    with pytest.raises(ValueError, match=r"waiting\.indptr"):
        lr.IncrementalSVD.from_state_dict(state | {"waiting.indptr": indptr})
