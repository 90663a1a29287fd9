"""Products of a tensor with all its factors but one (MTTKRP), partial products shared by the modes.

Partial products are held rank first, ``(R, …)``, so that a mode is contracted by batched products of matrices. They
stay until a factor that went into them is replaced, which is told by the identity of the arrays: factors are never
written to. With three modes a partial product serves two updates, and three large products two sweeps.
"""

import math

import numpy as np

from .. import _backend as be
from .fibre_source import FibreSource
from .kruskal import khatri_rao

SMALL = 1 << 12  # entries up to which unfoldings are copied


class DimensionTree:
    """The products of a dense tensor with factors that change one at a time.

    `step` is what the mode that is updated next is ahead of the last one, 1 or -1.
    """

    def __init__(self, tensor, step=1):
        self.tensor, self.xp, self.step = tensor, tensor.xp, step
        self.shape = tensor.shape
        self.split = balanced_split(self.shape)
        self.products = 0
        self._complex = be.is_complex(tensor.dtype)
        self._root = _Node(tuple(range(len(self.shape))), (), None)
        self._host = be.kind(self.xp) == "numpy"
        self._held, self._plans = [], {}

    def product(self, k, factors):
        """``X_(k) conj(KR)`` (n_k, R) with `factors` as they are now, from the smallest partial product that fits."""
        held = self._held
        while held and not held[-1].serves(k, factors):
            held.pop()
        node = held[-1] if held else self._root
        while True:
            node = self.contracted(node, self._kept(node, k), factors)
            if len(node.modes) == 1:
                return node.part.T
            held.append(node)

    def contracted(self, node, kept, factors):
        """The node that is left with the modes `kept` of `node`."""
        gone, left, right, leading = self._plan(node.modes, kept)
        if len(gone) == 1:
            columns, used = factors[gone[0]], (*node.used, (gone[0], factors[gone[0]]))
        else:
            columns = khatri_rao([factors[j] for j in gone])
            used = (*node.used, *((j, factors[j]) for j in gone))
        columns = be.in_rows((self.xp.conj(columns) if self._complex else columns).T)
        if node.part is None:
            self.products += 1
            return _Node(kept, used, be.contract_modes(self.tensor.array, left, right, columns, self.xp))
        rank, length = columns.shape
        reshape = np.reshape if self._host else self.xp.reshape
        if leading:
            part = columns[:, None, :] @ reshape(node.part, (rank, length, -1))
        else:
            part = reshape(node.part, (rank, -1, length)) @ columns[:, :, None]
        return _Node(kept, used, reshape(part, (rank, -1)))

    def _plan(self, modes, kept):
        """``(gone, left, right, leading)``: modes to sum over, entries before and after, whether they come first."""
        if (modes, kept) not in self._plans:
            gone = tuple(j for j in modes if j not in kept)
            left, right = math.prod(self.shape[: gone[0]]), math.prod(self.shape[gone[-1] + 1 :])
            self._plans[modes, kept] = gone, left, right, gone[0] < kept[0]
        return self._plans[modes, kept]

    def _kept(self, node, k):
        """The modes of the next node: half of them; of three all but the one that was updated last."""
        modes = node.modes
        if len(modes) == 2:
            return (k,)
        if node.part is None and len(modes) == 3:
            last = (k - self.step) % 3
            return tuple(j for j in modes if j != last)
        split = (len(modes) + 1) // 2 if node.part is not None else self.split
        return modes[:split] if k in modes[:split] else modes[split:]


class Unfoldings:
    """The products of a tensor so small that copies of its unfoldings cost less than to keep track of a tree."""

    def __init__(self, tensor):
        X = tensor.array
        self._unfoldings = [np.moveaxis(X, k, 0).reshape(X.shape[k], -1) for k in range(X.ndim)]

    def product(self, k, factors):
        """``X_(k) KR`` (n_k, R) with `factors` as they are now."""
        columns = None
        for j, factor in enumerate(factors):
            if j != k and columns is None:
                columns = factor
            elif j != k:
                columns = (columns[:, None, :] * factor).reshape(-1, factor.shape[1])
        return self._unfoldings[k] @ columns


def source_of(tensor):
    """What gives the products of `tensor` while its factors change: ``product(k, factors)``."""
    if tensor.is_sparse:
        return FibreSource(tensor)
    if hasattr(tensor, "source"):
        return tensor.source()
    small = isinstance(tensor.array, np.ndarray) and tensor.array.size <= SMALL and tensor.array.dtype.kind == "f"
    return Unfoldings(tensor) if small else DimensionTree(tensor)


class _Node:
    """A partial product: the modes that are left, and pairs of the modes and factors that went into it."""

    __slots__ = ("modes", "part", "used")

    def __init__(self, modes, used, part):
        self.modes, self.used, self.part = modes, used, part

    def serves(self, k, factors):
        return k in self.modes and all(factors[j] is used for j, used in self.used)


def mttkrps(tensor, factors):
    """Yield ``(k, B_k)`` over all modes; see `DenseTensor.mttkrps`."""
    tree = DimensionTree(tensor)
    for k in range(len(tensor.shape)):
        yield k, tree.product(k, factors)


def mttkrp(tensor, factors, k):
    """``X_(k) conj(KR)`` of one mode: the side that leaves the shorter partial product is contracted first."""
    left, right = math.prod(tensor.shape[:k]), math.prod(tensor.shape[k + 1 :])
    modes, tree = tuple(range(len(tensor.shape))), DimensionTree(tensor)
    node = _Node(modes, (), None)
    if 0 < k < len(modes) - 1:
        node = tree.contracted(node, modes[: k + 1] if left <= right else modes[k:], factors)
    return tree.contracted(node, (k,), factors).part.T


def balanced_split(shape):
    """Number s of leading modes for which ∏ of them and ∏ of the others have the least sum; 1 ≤ s < N."""
    return min(range(1, len(shape)), key=lambda s: math.prod(shape[:s]) + math.prod(shape[s:]))
