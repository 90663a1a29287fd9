"""The last rows of a stream, by merging alone: two stacks of chunk states, and never a subtraction."""

from .. import _backend as be
from . import packing
from .stream import MergeableStream, Stream

_CHUNKS = 8


@be.supports(operators=False)
class SlidingWindow(Stream):
    """A mergeable estimator of the last rows of a stream.

    Parameters
    ----------
    estimator : IncrementalSVD, FrequentDirections or another estimator that merges
        One that has seen no rows; its settings are those of every chunk.
    window : int
        Rows that are looked at: `result` is of at most so many, and of more than ``window - chunk`` once there are
        that many.
    chunk : int, optional
        Rows that leave the window together, at most `window`; an eighth of it by default.

    Raises
    ------
    TypeError
        If `estimator` does not merge.
    ValueError
        If it has seen rows, or a count is out of range.

    Notes
    -----
    Chunks arrive on a back stack with a running merge, and leave from a front stack whose entries hold the merge of
    all chunks above them; when the front is empty the back is turned over into it. A chunk is merged three times at
    most, and a query merges two states. The certificates are those of merged states: nothing is subtracted, so they
    hold. Memory: 2 · window / chunk states and the rows of one chunk.

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vstack([np.tile([5.0, 0.0], (90, 1)), np.tile([0.0, 2.0], (10, 1))])
    >>> recent = lr.SlidingWindow(lr.IncrementalSVD(1), 10, chunk=5).partial_fit(A)
    >>> s, Vh = recent.result()
    >>> round(float(s[0]) ** 2, 6)
    40.0
    """

    def __init__(self, estimator, window, *, chunk=None):
        super().__init__()
        if not isinstance(estimator, MergeableStream):
            raise TypeError(f"estimator must be one with merge(), got {type(estimator).__name__}")
        if estimator.rows_seen:
            raise ValueError(f"estimator must not have seen rows, it has seen {estimator.rows_seen}")
        self.estimator = estimator.copy()
        self.window = be.check_count("window", window)
        given = max(1, self.window // _CHUNKS) if chunk is None else chunk
        self.chunk = be.check_count("chunk", given, 1, self.window)
        self._takes_sparse, self._takes_weights = estimator._takes_sparse, estimator._takes_weights

    def state_dict(self):
        """The state as a flat dict; entries of the chunks have their place before their name."""
        with self._lock:
            state = {"format": packing.FORMAT, "class": type(self).__name__, "rows_seen": self.rows_seen}
            state |= {"window": self.window, "chunk": self.chunk}
            state |= _under("estimator", self.estimator)
            for name in ("back", "front"):
                state[f"count.{name}"] = len(self._state.get(name, ()))
                for place, held in enumerate(self._state.get(name, ())):
                    state |= _under(f"{name}.{place}", held)
            state["count.aggregate"] = int(self._state.get("aggregate") is not None)
            if self._state.get("aggregate") is not None:
                state |= _under("aggregate", self._state["aggregate"])
            return state | packing.packed_layout(self)

    @classmethod
    def from_state_dict(cls, state, *, like=None, estimator=None):
        """The window that `state_dict` described; `estimator` is one of the class that it held.

        Raises
        ------
        ValueError
            If the state is of another class or format, not complete, or `estimator` is missing.
        """
        state = packing.checked(cls, state)
        if not isinstance(estimator, MergeableStream):
            raise ValueError(
                "from_state_dict of a SlidingWindow needs estimator=, an object of the class it was made with"
            )
        kind = type(estimator)

        def part(prefix):
            return kind.from_state_dict(packing.under(f"{prefix}.", state), like=like)

        try:
            window = cls(part("estimator"), state["window"], chunk=state["chunk"])
            packing.restore_rows_seen(window, state)
            counts = {name: packing.whole_number(state, f"count.{name}") for name in ("back", "front", "aggregate")}
            if packing.has_layout(state):
                packing.restore_layout(window, state, like)
                held = {name: tuple(part(f"{name}.{i}") for i in range(counts[name])) for name in ("back", "front")}
                window._state = held | {"aggregate": part("aggregate") if counts["aggregate"] else None}
        except KeyError as error:
            raise ValueError(f"the state of SlidingWindow is not complete: {error} is missing") from None
        return window

    def __reduce__(self):
        return _rebuilt, (self.state_dict(), self.estimator)

    def _arguments(self):
        return {"estimator": self.estimator, "window": self.window, "chunk": self.chunk}

    def _block_rows(self):
        return self.chunk

    def _checked_weights(self, weights, batch, layout):
        return self.estimator._checked_weights(weights, batch, layout)

    def _empty_state(self):
        self.estimator.copy()._begin(self.layout)  # rows that it can't take are refused before any wait
        return {"back": (), "aggregate": None, "front": ()}

    def _absorb(self, block, weights):
        new = self.estimator.copy()
        native = block.native if hasattr(block, "native") else block
        new.partial_fit(native, **({} if weights is None else {"weights": weights}), check_finite=False)
        state = self._state
        if len(state["back"]) + len(state["front"]) > (self.window - block.shape[0]) // self.chunk:
            state = _without_oldest(state)
        aggregate = new.copy() if state["aggregate"] is None else state["aggregate"].copy().merge(new)
        self._state = {"back": (*state["back"], new), "aggregate": aggregate, "front": state["front"]}

    def _report(self):
        state = self._state
        parts = [state["front"][-1]] if state["front"] else []
        parts += [] if state["aggregate"] is None else [state["aggregate"]]
        whole = parts[0].copy()
        for part in parts[1:]:
            whole.merge(part)
        return whole.result()


def _without_oldest(state):
    """The stacks without the chunk that came first."""
    front, back = state["front"], state["back"]
    aggregate = state["aggregate"]
    if not front:
        suffix, front, back, aggregate = None, (), (), None
        for chunk in reversed(state["back"]):
            suffix = chunk.copy() if suffix is None else chunk.copy().merge(suffix)
            front = (*front, suffix)
    return {"back": back, "aggregate": aggregate, "front": front[:-1]}


def _under(prefix, estimator):
    return {f"{prefix}.{name}": value for name, value in estimator.state_dict().items()}


def _rebuilt(state, estimator):
    return SlidingWindow.from_state_dict(state, estimator=estimator)
