"""What all estimators of a row stream share: batches checked and re-blocked, states saved, copied and merged."""

import threading
from typing import ClassVar

from .. import _backend as be
from . import packing
from .rows import by_rows, cut, is_csr, joined, kept, read_rows, read_weights, require_finite_rows
from .undo import Undo


class Stream:
    """Base of the estimators that take rows as they arrive.

    A subclass names the scalars that its constructor takes in `_parameters` and keeps everything that it has learnt in
    ``self._state``, a flat dict of arrays, tuples of arrays, numbers, strings and None. Arrays in it are replaced,
    never written to: a batch that fails is undone by putting back the dict, and copies share arrays. Subclasses define

    ``_empty_state()``
        the state before the first row; ``self.layout`` (columns, dtype, xp, device) is known by then;
    ``_absorb(block, weights)``
        one block of `_block_rows()` consecutive rows, the last one of a query possibly shorter: an array by rows, or a
        `be.CSR` when ``_takes_sparse``. It is the caller's memory: read only, and not kept. `weights` (rows,) or None.
        Finite rows of any size have to be taken: they may have waited, and it is too late then to refuse them;
    ``_report()``
        the result of the state, from which all rows have been absorbed.

    Rows are cut at fixed positions of the stream, so that any splitting of the same rows into batches gives the same
    bits. Rows that fill no block wait; `result` works on a copy that has absorbed them. One lock makes all methods safe
    to call from several threads.
    """

    _parameters: tuple[str, ...] = ()
    _shapes: ClassVar[dict[str, tuple[str, ...]]] = {}  # names of the sizes of arrays that change, "columns" and others
    _takes_sparse = False
    _takes_weights = False
    _finite_inside = False  # whether `_absorb` always refuses blocks that are not finite, so that nobody else has to

    def __init__(self):
        self._lock = threading.RLock()
        self.layout = None
        self.rows_seen = 0
        self._state = {}
        self._pieces, self._waiting = [], 0  # rows that fill no block yet
        self._shelf = None  # memory of a whole block in which all pieces lie, from its first row on; ours alone

    def partial_fit(self, rows, *, weights=None, check_finite=True):
        """Take further rows.

        Parameters
        ----------
        rows : array or sparse matrix, shape (b, d)
            Any number of rows, none too. Not modified, and not kept beyond a copy of the rows that fill no block.
        weights : array, shape (b,), optional
            Non-negative weight of the squared length of each row, where the estimator knows weights.
        check_finite : bool
            Look for NaN and infinite entries before anything else. Without it rows that complete a block are looked at
            only as closely as the estimator needs; those that wait for one always are, so that no query fails later.

        Returns
        -------
        The estimator itself.

        Raises
        ------
        TypeError
            If the batch has another dtype, namespace or device than those before.
        ValueError
            If it has another number of columns, is not two-dimensional or not finite. The state is then as it was.
        """
        check_finite = be.check_flag("check_finite", check_finite)
        with self._lock, be.single_blas():
            batch, layout = read_rows(rows, self.layout, type(self).__name__, sparse=self._takes_sparse)
            weights = self._checked_weights(weights, batch, layout)
            if batch.shape[0] > 0:
                with Undo(self):
                    self._begin(layout)
                    self._take(batch, weights, check_finite)
        return self

    def result(self):
        """What the rows so far say; the state is not changed."""
        with self._lock:
            if self.layout is None:
                raise ValueError(f"{type(self).__name__} has seen no rows yet; call partial_fit first")
            settled = self._settled()
        with be.single_blas():
            return settled._report()

    def copy(self):
        """An independent estimator in the same state."""
        with self._lock:
            other = type(self)(**self._arguments())
            other.layout, other.rows_seen = self.layout, self.rows_seen
            other._state, other._pieces, other._waiting = dict(self._state), list(self._pieces), self._waiting
            self._shelf = None
        return other

    def state_dict(self):
        """The state as a flat dict of arrays, numbers and strings: ``numpy.savez(path, **state)`` needs no pickle."""
        with self._lock:
            return packing.packed(self)

    @classmethod
    def from_state_dict(cls, state, *, like=None):
        """The estimator that `state_dict` described, with the same bits.

        Parameters
        ----------
        state : mapping
            From `state_dict`, or what ``numpy.load`` gives for a file written from it.
        like : array, optional
            Arrays of the state are moved to its namespace and device.

        Raises
        ------
        ValueError
            If the state is of another class or format, not complete, or its entries don't fit each other.
        """
        return packing.unpacked(cls, state, like)

    def _block_rows(self):
        """Rows of one block; `self.layout` is known."""
        raise NotImplementedError

    def _empty_state(self):
        raise NotImplementedError

    def _absorb(self, block, weights):
        raise NotImplementedError

    def _report(self):
        raise NotImplementedError

    def _arguments(self):
        return {name: getattr(self, name) for name in self._parameters}

    def _begin(self, layout):
        if self.layout is None:
            self.layout = layout
            self._state = self._empty_state()

    def _take(self, batch, weights, check_finite):
        """Fill the block that waits, absorb whole ones where they lie, and keep what is left."""
        if check_finite and not self._finite_inside:
            require_finite_rows(batch)
        size, height, start = self._block_rows(), batch.shape[0], 0
        while start < height:
            ready = self._waiting + height - start >= size
            stop = height if not ready else start + size - self._waiting
            if ready and not self._waiting:
                stop = height - (height - start) % size
            block, part = cut(batch, start, stop), None if weights is None else weights[start:stop]
            if ready and not self._waiting:
                self._absorb_run(block, part, size)
            elif ready:
                self._put_aside(block, part, lasting=False)
                block, part = self._assembled()
                self._pieces, self._waiting = [], 0
                self._absorb_run(block, part, size)
            else:
                if self._finite_inside or not check_finite:
                    require_finite_rows(block)
                self._put_aside(block, None if part is None else self.layout.xp.asarray(part, copy=True), lasting=True)
            start = stop
        self.rows_seen += height

    def _put_aside(self, block, weights, *, lasting):
        """Take rows that fill no block: on the host into the memory of one, so that they need not be joined later.

        Without `lasting` they are no copies where that is not needed.
        """
        if be.kind(self.layout.xp) != "numpy" or is_csr(block):
            self._shelf = None
        elif not self._pieces and self._shelf is None:
            self._shelf = self.layout.xp.empty((self._block_rows(), self.layout.columns), dtype=self.layout.dtype)
        if self._shelf is None:
            block = kept(block) if lasting else block
        else:
            place = self._shelf[self._waiting : self._waiting + block.shape[0], :]
            place[...] = block
            block = place
        self._pieces.append((block, weights))
        self._waiting += block.shape[0]

    def _absorb_run(self, rows, weights, size):
        """Absorb whole blocks of `size` rows; what runs over several of them must give the bits of one at a time."""
        for part in be.fixed_partition(rows.shape[0], size):
            block = by_rows(cut(rows, part.start, part.stop))
            self._absorb(block, None if weights is None else weights[part])

    def _assembled(self):
        """All rows that wait, and their weights."""
        pieces = self._pieces
        rows = joined([piece for piece, _ in pieces]) if self._shelf is None else self._shelf[: self._waiting, :]
        if all(part is None for _, part in pieces):
            return rows, None
        xp = self.layout.xp
        dtype = be.widest_real(xp, self.layout.device)
        parts = [
            xp.ones((piece.shape[0],), dtype=dtype, device=self.layout.device) if part is None else part
            for piece, part in pieces
        ]
        return rows, parts[0] if len(parts) == 1 else xp.concat(parts)

    def _flush(self):
        """Absorb the rows that wait for a block to fill."""
        if self._pieces:
            block, part = self._assembled()
            self._pieces, self._waiting = [], 0
            self._absorb(by_rows(block), part)

    def _settled(self):
        """A copy that has absorbed all its rows."""
        other = self.copy()
        with be.single_blas():
            other._flush()
        return other

    def _checked_weights(self, weights, batch, layout):
        if weights is None:
            return None
        if not self._takes_weights:
            raise TypeError(f"{type(self).__name__} knows no weights; multiply the rows by their square roots")
        return read_weights(weights, batch.shape[0], layout)

    def __reduce__(self):
        return type(self).from_state_dict, (self.state_dict(),)

    def __repr__(self):
        given = ", ".join(f"{name}={value!r}" for name, value in self._arguments().items())
        return f"{type(self).__name__}({given}, rows: {self.rows_seen})"


class MergeableStream(Stream):
    """A `Stream` whose states add up: a subclass also defines ``_join(other)``, `other` settled and not empty."""

    def merge(self, other):
        """Take the rows that another estimator of the same class and parameters has seen; `other` is not changed.

        Returns
        -------
        The estimator itself.

        Raises
        ------
        TypeError
            If `other` is of another class, dtype, namespace or device.
        ValueError
            If it was made with other parameters, or saw rows of another length.
        """
        self._require_same_kind(other)
        with other._lock:
            other = other._settled()
        with self._lock, be.single_blas():
            if other.layout is None:
                return self
            with Undo(self):
                if self.layout is None:
                    self._adopt(other)
                else:
                    self._require_same_layout(other)
                    self._flush()
                    self._join(other)
                self.rows_seen += other.rows_seen
        return self

    def _adopt(self, other):
        """Take the state of the settled estimator `other`, before any rows."""
        self.layout, self._state = other.layout, dict(other._state)

    def _join(self, other):
        raise NotImplementedError

    def _mergeable_parameters(self):
        """Parameters that two states must share."""
        return self._arguments()

    def _require_same_kind(self, other):
        if type(other) is not type(self):
            raise TypeError(f"{type(self).__name__} merges with its like, got {type(other).__name__}")
        theirs = other._mergeable_parameters()
        for name, value in self._mergeable_parameters().items():
            if theirs[name] != value:
                raise ValueError(f"states can't be merged: {name} is {value!r} here and {theirs[name]!r} there")

    def _require_same_layout(self, other):
        mine, theirs = self.layout, other.layout
        if mine.columns != theirs.columns:
            raise ValueError(f"states can't be merged: rows have {mine.columns} columns here, {theirs.columns} there")
        same = be.kind(mine.xp) == be.kind(theirs.xp) and mine.device == theirs.device
        if not same or mine.source != theirs.source:
            raise TypeError(
                f"states can't be merged: {be.kind(mine.xp)} {mine.source} on {mine.device} here, "
                f"{be.kind(theirs.xp)} {theirs.source} on {theirs.device} there"
            )
