"""Truncated SVD of many blocks by a tree of small ones, with a bound of its error."""

import math
from dataclasses import dataclass, replace
from typing import Any

from .. import _backend as be
from ..factor.iteration import settle
from ..factor.signs import fix_vector_phases
from ..results import Info, Result
from .blocks_beside import one_block, require_finite_norms, source_dtype
from .concatenation import joined, kept_of
from .safe_rows import scaled

_FAN = 4  # nodes that are joined at a time
_EXTRA = 10  # singular values that inner nodes keep beyond the rank
_INNER = 0.1  # share of the squared tolerance that inner nodes may spend
_FAR = {
    "float32": 12,
    "float64": 100,
}  # exponents of two by which a block may be longer than the unit before it is changed
_LARGEST_POWER = {"float32": 120, "float64": 1000}


@dataclass(frozen=True, eq=False, repr=False)
class HierarchicalSVDResult(Result):
    """Leading singular vectors of blocks side by side, on the side that they share.

    Attributes
    ----------
    basis : array, shape (m, k)
        Left singular vectors of ``[A_1 … A_K]``; for ``axis=0`` right singular vectors of the blocks one above the
        other.
    s : array, shape (k,)
        Singular values, none above the true one; and the true one is at most ``hypot(s, info.gap)``.
    lower : float
        No basis of k columns has a smaller relative error.
    info : Info
        ``info.error`` bounds the relative Frobenius error of projecting the blocks onto the basis.
    """

    basis: Any
    s: Any
    lower: float
    info: Info

    _unpack = ("basis", "s")


@be.supports(sparse=False, operators=False)
def hierarchical_svd(blocks, rank=None, *, tol=None, axis=1, on_failure="warn", check_finite=True):
    """Truncated SVD of many blocks, each looked at once, by decompositions of a few blocks at a time.

    Parameters
    ----------
    blocks : iterable of arrays, shapes (m, n_j)
        Matrices that are laid side by side, one above the other for ``axis=0``. A generator is read once.
    rank : int, optional
        Columns of the basis, at most m; fewer come back where the blocks have fewer columns in sum.
    tol : float, optional
        Relative Frobenius error of the projection, in (0, 1). Give `rank`, `tol` or both.
    axis : {1, 0}
    on_failure : {"warn", "raise"}
        What to do when `rank` columns don't reach `tol`.
    check_finite : bool
        Refuse blocks that hold NaN or infinite values.

    Returns
    -------
    HierarchicalSVDResult

    Raises
    ------
    ValueError
        If there are no blocks, their shapes don't fit, one is not finite, or `rank` exceeds m.
    TypeError
        If a block is no array, or lies elsewhere than the others.

    Notes
    -----
    The tree is that of hierarchical approximate POD [1]_: leaves are blocks, four nodes are joined at a time, and
    each keeps the part that its share of the tolerance asks for. Here the bound is sharper than a triangle
    inequality. At every node the product of the matrix with its adjoint is that of the kept part and a positive
    semidefinite rest, so that the squared error is at most the sum of all squares that were dropped, plus rounding:
    ten eps a level. Inner nodes may drop a tenth of ``tol² ‖M‖²``, a half of it in the leaves and less on each level
    above; the root drops what is left. With `rank` alone inner nodes keep ten values more than that.

    The tree depends on the number of blocks alone. Memory: four factors a level, ``O(log K)`` of them, and the block
    at hand.

    References
    ----------
    .. [1] himpe_leibner_rave_2018

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> generator = np.random.default_rng(0)
    >>> left = generator.standard_normal((60, 4))
    >>> result = lr.hierarchical_svd((left @ generator.standard_normal((4, 30)) for _ in range(20)), tol=1e-6)
    >>> result.basis.shape, bool(result.info.error < 1e-12)
    ((60, 4), True)
    """
    if rank is None and tol is None:
        raise ValueError("give rank (columns of the basis) or tol (the relative Frobenius error allowed), or both")
    rank = None if rank is None else be.check_count("rank", rank)
    tol = None if tol is None else be.check_tol(tol)
    be.check_option("axis", axis, (0, 1))
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    if isinstance(blocks, str | bytes) or not hasattr(blocks, "__iter__"):
        raise TypeError(f"blocks must be a sequence or an iterator of matrices, got {type(blocks).__name__}")
    tree = _Tree(rank, tol)
    with be.single_blas():
        for place, block in enumerate(blocks):
            worked = one_block(block, place, axis)
            tree.add(worked, source_dtype(block, worked), be.check_flag("check_finite", check_finite))
        result = _assemble(tree, axis)
    settle(result.info, on_failure, "raise rank, or tol")
    return result


class _Tree:
    """Nodes that wait to be joined, by level; all in units of ``2**power``."""

    def __init__(self, rank, tol):
        self.rank, self.tol = rank, tol
        self.levels, self.count, self.power, self.like, self.source = [], 0, 0, None, None

    def add(self, A, source, check_finite):
        """One more leaf."""
        self.source = source if self.count == 0 or source == self.source else A.dtype
        self._require_alike(A)
        norm = be.fro_norm(A)
        if check_finite:
            require_finite_norms([norm], self.count)
        self._set_unit(norm, be.dtype_name(be.real_dtype(be.namespace(A), A.dtype)))
        self._put(kept_of(scaled(A, -self.power), self._cut(1)), 0)
        self.count += 1

    def root(self):
        """All nodes joined and nothing more cut off; None without a block."""
        nodes = [node for level in reversed(self.levels) for node in level]
        return joined(nodes, sum(int(node.s.shape[0]) for node in nodes)) if nodes else None

    def _put(self, node, level):
        while True:
            if level == len(self.levels):
                self.levels.append([])
            self.levels[level].append(node)
            if len(self.levels[level]) < _FAN:
                return
            node = joined(self.levels[level], self._cut(level + 2))
            self.levels[level] = []
            level += 1

    def _cut(self, level):
        """How many singular values a node on that level keeps: leaves are level 1."""
        share = 0.0 if self.tol is None else _INNER * self.tol**2 / (level * (level + 1))

        def cut(squares, energy):
            least = within(squares, share * energy)
            return least if self.rank is None else min(least, self.rank + _EXTRA)

        return cut

    def _require_alike(self, A):
        if self.like is None:
            if self.rank is not None:
                be.check_count("rank", self.rank, 1, int(A.shape[0]))
            self.like = A
            return
        if be.kind(be.namespace(A)) != be.kind(be.namespace(self.like)) or be.device(A) != be.device(self.like):
            raise TypeError(f"block {self.count} is of another namespace or device than block 0; move one of them")
        if A.dtype != self.like.dtype or A.shape[0] != self.like.shape[0]:
            raise ValueError(
                f"block {self.count} is {A.shape[0]} long in {be.dtype_name(A.dtype)} on the side that blocks share, "
                f"block 0 {self.like.shape[0]} in {be.dtype_name(self.like.dtype)}; they must agree"
            )

    def _set_unit(self, norm, name):
        if not (math.isfinite(norm) and norm > 0.0):
            return
        power = max(-_LARGEST_POWER[name], min(_LARGEST_POWER[name], math.frexp(norm)[1]))
        held = any(node.energy > 0.0 for level in self.levels for node in level)
        if held and power - self.power <= _FAR[name]:
            return
        shift, self.power = self.power - power, power
        self.levels = [[_in_units(node, shift) for node in level] for level in self.levels]


def within(squares, budget):
    """The least k for which the squares beyond the first k sum up to at most `budget`."""
    tail, k = 0.0, squares.shape[0]
    while k > 0 and tail + squares[k - 1] <= budget:
        k -= 1
        tail += squares[k]
    return k


def _in_units(node, shift):
    """The node in units that are ``2**-shift`` of those before."""
    factor = 2.0 ** max(-500, min(500, shift))
    numbers = {name: getattr(node, name) * factor * factor for name in ("energy", "dropped", "spectral")}
    return replace(node, s=node.s * factor, **numbers)


def _assemble(tree, axis):
    root = tree.root()
    if root is None:
        raise ValueError("blocks is empty; give at least one matrix")
    squares = be.to_numpy(root.s).astype("float64") ** 2
    k = squares.shape[0] if tree.rank is None else min(tree.rank, squares.shape[0])
    if tree.tol is not None:
        k = min(k, max(1, within(squares, tree.tol**2 * root.energy - root.dropped)))
    lower, upper = root.bounds(k)
    basis = root.U[:, :k]
    basis = be.namespace(basis).conj(basis) if axis == 0 and be.is_complex(basis.dtype) else basis
    met = tree.tol is None or upper <= tree.tol
    info = Info(
        error=upper,
        error_kind="bound",
        converged=met,
        reason="factored" if met else f"{k} columns leave a relative error of up to {upper:.3g}, tol={tree.tol:g}",
        passes=1,
        method="hapod",
        details={"blocks": tree.count, "levels": len(tree.levels), "gap": scaled(math.sqrt(root.spectral), tree.power)},
    )
    basis = be.namespace(basis).astype(fix_vector_phases(basis), tree.source, copy=False)
    return HierarchicalSVDResult(basis, scaled(root.s[:k], tree.power), lower, info)
