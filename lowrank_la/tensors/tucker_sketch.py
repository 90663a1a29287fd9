"""Tucker decomposition of a tensor that is seen once, as updates of blocks in any order."""

import numpy as np

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from ..results import Info
from ..sketch import Gaussian
from .given_arrays import numbers
from .modes import contract, contract_all
from .norms import safe_scale
from .st_hosvd import to_ranks
from .tucker_answer import TuckerResult
from .tucker_arguments import checked_ranks
from .tucker_gauge import canonical
from .tucker_state import read_arrays, read_header

_PROBES = 16
_FORMAT = "lowrank_la.tucker_sketch.1"


@be.supports(sparse=False, operators=False)
class TuckerSketch:
    """Linear sketch of a tensor, from which its Tucker decomposition is read off.

    Parameters
    ----------
    shape : tuple of int
        ``(n_1, …, n_N)``, N ≥ 2.
    rank : int or tuple of int
        As for `tucker`.
    width : int or tuple of int, optional
        Columns of the range sketch of each mode, at least its rank; ``3 · rank + 1`` by default.
    rng : int, numpy Generator, SeedSequence, torch or CuPy generator, optional
        Where the key comes from; a generator contributes a key alone. Sketches merge when their keys are equal.

    Raises
    ------
    ValueError
        If an argument is out of range; in `update` if the block does not fit the shape or is not finite.
    TypeError
        If a block is no array, or of another dtype, namespace or device than those before.

    Notes
    -----
    For each mode ``X_(n) Ω_n`` with the Khatri-Rao product `Ω_n` of Gaussian matrices, `width` columns; and the core
    sketch ``X ×_n Φ_n`` with Gaussian matrices of ``2 · width + 1`` rows [1]_. With ``Q_n`` orthonormal in the range of
    the first, the core is the least-squares solution of the second, truncated to the ranks. A further sketch of 16 rows
    a mode gives ``info.error``, an estimate: independent of the factors, within a quarter of the truth in most draws.
    The approximation is about twice as far off as the best one where the spectrum does not decay.

    Everything is linear in the tensor: updates of the same place add up, and so do merged sketches. Memory: ``Σ n_k w_k
    + Π (2 w_k + 1)`` numbers, and N times the first of these for the Gaussian matrices; work: N w multiplications an
    entry.

    References
    ----------
    .. [1] sun_guo_luo_tropp_udell_2020

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> i, j, k = np.ogrid[1.0:11.0, 1.0:9.0, 1.0:7.0]
    >>> X = i * j * k
    >>> sketch = lr.TuckerSketch(X.shape, 1, rng=0).update(X[4:], 4).update(X[:4], 0)
    >>> bool(np.linalg.norm(sketch.result().full() - X) < 1e-12 * np.linalg.norm(X))
    True
    """

    def __init__(self, shape, rank, *, width=None, rng=None):
        if not isinstance(shape, tuple | list) or len(shape) < 2:
            raise ValueError(f"shape must be a tuple of two lengths or more, got {shape!r}")
        self.shape = tuple(be.check_count("shape", n) for n in shape)
        modes = tuple(range(len(self.shape)))
        self.ranks = tuple(
            checked_ranks(
                be.check_count("rank", rank) if not isinstance(rank, tuple | list) else rank, self.shape, modes
            )
        )
        wide = [min(n, 3 * r + 1) for n, r in zip(self.shape, self.ranks, strict=True)]
        self.widths = tuple(wide if width is None else checked_ranks(width, self.shape, modes, "width"))
        if any(w < r for w, r in zip(self.widths, self.ranks, strict=True)):
            raise ValueError(f"width must be at least the rank in every mode, got {width!r} for ranks {self.ranks}")
        self.rng = be.resolve_rng(rng).value
        self._like, self._source, self._state, self._drawn = None, None, {}, {}

    def update(self, slab, index=0, *, check_finite=True):
        """Add a block to the tensor.

        Parameters
        ----------
        slab : array, shape (b_1, …, b_N)
        index : int or tuple of int
            Where the block begins: in the first mode, the others being whole, or in every mode.
        check_finite : bool
            Refuse NaN and infinite entries.

        Returns
        -------
        The sketch itself.
        """
        be.require_untracked(slab, "TuckerSketch")
        slab = numbers(slab, "slab")
        xp, place = be.namespace(slab), be.device(slab)
        index = self._checked_index(slab, index)
        dtype = be.compute_dtype(xp, slab.dtype, place)
        like, source = (
            xp.zeros((0,), dtype=dtype, device=place),
            be.dtype_name(slab.dtype if be.is_half(slab.dtype) else dtype),
        )
        self._require_alike(like, source)
        if be.check_flag("check_finite", check_finite):
            be.require_finite(slab, "slab")
        if 0 in slab.shape:
            return self
        with be.single_blas():
            added = self._sketches(xp.astype(slab, dtype, copy=False), index, like)
        state = {name: self._state[name] + part if self._state else part for name, part in added.items()}
        if check_finite and not all(map(be.all_finite, state.values())):
            raise ValueError(
                f"sums with this slab leave the range of {be.dtype_name(dtype)}; divide all by a power of two"
            )
        self._like, self._source, self._state = like, source, state
        return self

    def merge(self, other):
        """Add the tensor that another sketch of the same shape, ranks, widths and key has seen; returns this sketch."""
        if type(other) is not type(self):
            raise TypeError(f"TuckerSketch merges with its like, got {type(other).__name__}")
        for name in ("shape", "ranks", "widths", "rng"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise ValueError(f"sketches can't be merged: {name} is {mine!r} here and {theirs!r} there")
        if other._like is not None:
            self._require_alike(other._like, other._source)
            self._like, self._source = other._like, other._source
            self._state = {k: self._state[k] + part if self._state else part for k, part in other._state.items()}
        return self

    def copy(self):
        """An independent sketch in the same state."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def state_dict(self):
        """The state as a flat dict of arrays, numbers and strings: ``numpy.savez(path, **state)`` needs no pickle."""
        own = {name: np.asarray(getattr(self, name)) for name in ("shape", "ranks", "widths")}
        state = {name: be.namespace(part).asarray(part, copy=True) for name, part in self._state.items()}
        return {"format": _FORMAT, "rng": hex(self.rng), "source": self._source or ""} | own | state

    @classmethod
    def from_state_dict(cls, state, *, like=None):
        """The sketch that `state_dict` described; arrays are moved to the namespace and device of `like`."""
        shape, ranks, widths, key, source = read_header(state, _FORMAT)
        sketch = cls(shape, ranks, width=widths, rng=key)
        if source:
            shapes = {f"range.{k}": (n, w) for k, (n, w) in enumerate(zip(shape, sketch.widths, strict=True))}
            shapes |= {name: tuple(sketch._rows(name, k) for k in range(len(shape))) for name in ("core", "probe")}
            parts = read_arrays(state, shapes, source, like)
            part = parts["core"]
            sketch._like = be.namespace(part).zeros((0,), dtype=part.dtype, device=be.device(part))
            sketch._source, sketch._state = source, parts
        return sketch

    def result(self):
        """`TuckerResult` of what has been added so far; the state is not changed."""
        if self._like is None:
            raise ValueError("TuckerSketch has seen no entries yet; call update first")
        with be.single_blas():
            return self._report()

    def _report(self):
        xp, bases, scale = be.namespace(self._like), [], safe_scale(be.fro_norm(self._state["probe"]), self._like.dtype)
        state = self._state if scale == 1.0 else {name: part / scale for name, part in self._state.items()}
        core = state["core"]
        for k in range(len(self.shape)):
            Q = orthonormalize(state[f"range.{k}"])[0]
            core = _solved_along(core, k, be.matmul(self._map("core", k), Q))
            bases.append(Q)
        parts = to_ranks(core, list(self.ranks))
        turned = [Q if turn is None else be.matmul(Q, turn) for Q, turn in zip(bases, parts.factors, strict=True)]
        core, factors = canonical(parts.core, turned)
        seen = [be.mH(be.matmul(self._map("probe", k), U)) for k, U in enumerate(factors)]
        gap, size = state["probe"] - contract_all(core, seen), be.fro_norm(state["probe"])
        if be.is_half(getattr(xp, self._source)):
            factors = [xp.astype(U, getattr(xp, self._source)) for U in factors]
        info = Info(
            error=be.fro_norm(gap) / size if size > 0 else 0.0, error_kind="estimate", converged=True,
            reason="all updates taken", passes=1, method="single pass", rng=self.rng,
            details={"ranks": [int(r) for r in core.shape]},
        )  # fmt: skip
        return TuckerResult(core * scale, tuple(factors), info)

    def _sketches(self, block, index, like):
        """What `block` at `index` adds to each sketch."""
        order = len(self.shape)
        parts = [slice(at, at + b) for at, b in zip(index, block.shape, strict=True)]
        added = {f"range.{k}": self._range(block, parts, k, like) for k in range(order)}
        for name in ("core", "probe"):
            maps = [be.mH(self._map(name, k, like)[:, parts[k]]) for k in range(order)]
            added[name] = contract_all(block, maps)
        return added

    def _range(self, block, parts, k, like):
        """Rows `parts[k]` of ``X_(k) Ω_k`` that `block` adds, in a matrix of zeros (n_k, width)."""
        xp, T = be.namespace(block), block
        others = sorted((j for j in range(block.ndim) if j != k), key=lambda j: -block.shape[j])
        first, *more = others
        maps = {j: self._map(f"range.{k}", j, like, self.widths[k])[:, parts[j]] for j in others}
        T = xp.moveaxis(contract(T, first, be.mH(maps[first])), first, -1)
        left = [j for j in range(block.ndim) if j != first]
        for j in more:
            axis = left.index(j)
            shape = tuple(block.shape[j] if i == axis else 1 for i in range(len(left)))
            T = xp.sum(T * xp.reshape(maps[j].mT, (*shape, self.widths[k])), axis=axis)
            left.remove(j)
        whole = xp.zeros((self.shape[k], self.widths[k]), dtype=block.dtype, device=be.device(block))
        whole[parts[k], :] = T
        return whole

    def _map(self, name, k, like=None, rows=None):
        """Gaussian matrix (rows, n_k) of one sketch, drawn once."""
        like = self._like if like is None else like
        if (name, k) not in self._drawn:
            rows = self._rows(name, k) if rows is None else rows
            draw = Gaussian(
                rows, self.shape[k], be.Key(self.rng).child(f"tucker {name} {k}"), dtype=be.dtype_name(like.dtype)
            )
            xp, place = be.namespace(like), be.device(like)
            dense = draw.todense(xp=xp, device=place, dtype=be.dtype_name(like.dtype))
            self._drawn = self._drawn | {(name, k): dense}
        return self._drawn[name, k]

    def _rows(self, name, k):
        return min(self.shape[k], _PROBES if name == "probe" else 2 * self.widths[k] + 1)

    def _checked_index(self, slab, index):
        whole = not isinstance(index, tuple | list)
        index = tuple(index) if isinstance(index, tuple | list) else (index,) + (0,) * (len(self.shape) - 1)
        if slab.ndim != len(self.shape) or len(index) != len(self.shape):
            raise ValueError(
                f"slab and index must have {len(self.shape)} modes, got shape {tuple(slab.shape)}, index {index}"
            )
        index = tuple(be.check_count("index", at, 0) for at in index)
        if whole and tuple(slab.shape[1:]) != self.shape[1:]:
            raise ValueError(
                f"a slab at index {index[0]} must be whole in all modes but the first, {self.shape[1:]} there, "
                f"got shape {tuple(slab.shape)}; for a smaller block give index in every mode"
            )
        if any(at + b > n for at, b, n in zip(index, slab.shape, self.shape, strict=True)):
            raise ValueError(
                f"a slab of shape {tuple(slab.shape)} at {index} does not fit a tensor of shape {self.shape}"
            )
        return index

    def _require_alike(self, like, source):
        held = self._like
        if held is None:
            return
        same = be.kind(be.namespace(like)) == be.kind(be.namespace(held)) and be.device(like) == be.device(held)
        if not same or source != self._source:
            raise TypeError(
                f"TuckerSketch holds {be.kind(be.namespace(held))} {self._source} on {be.device(held)}, this is "
                f"{be.kind(be.namespace(like))} {source} on {be.device(like)}; convert it"
            )

    def __repr__(self):
        return f"TuckerSketch(shape={self.shape}, rank={self.ranks}, width={self.widths}, rng={self.rng})"


def _solved_along(X, k, A):
    """Least squares solution `Y` of ``Y ×_k A = X`` for tall `A`."""
    Q, R = be.householder_qr(A)
    xp, Y = be.namespace(X), contract(X, k, Q)
    flat = xp.reshape(xp.moveaxis(Y, k, 0), (Y.shape[k], -1))
    solved = xp.reshape(be.solve_upper(R, flat), (Y.shape[k], *(n for j, n in enumerate(Y.shape) if j != k)))
    return xp.moveaxis(solved, 0, k)
