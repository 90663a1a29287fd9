"""Exact draws of rows of a Khatri-Rao product by their leverage scores, without forming it."""

import math
from functools import reduce
from operator import mul

import numpy as np

from .. import _backend as be
from .normal_solve import pseudo_inverse

_LEAF = 8  # rows of a leaf, at least
_FLAT = 1 << 10  # rows up to which the masses of all of them are formed


class RowTree:
    """Draws rows t of a real matrix with probability proportional to ``(a_tᵀ g)²``, a vector g a draw.

    A binary tree over blocks of rows holds the Gram matrices of the parts: a draw costs ``O(R² log(n / R))``, and
    ``O(R n)`` without a tree up to `flat` rows, which is faster there.
    """

    def __init__(self, A, flat=_FLAT):
        self.xp = xp = be.namespace(A)
        n, rank = A.shape
        leaf = n if n <= flat else max(_LEAF, rank)
        self.depth = max(0, math.ceil(math.log2(max(1.0, n / leaf))))
        self.rows = leaf = -(-n // (1 << self.depth))
        missing = (leaf << self.depth) - n
        if missing:
            A = xp.concat([A, xp.zeros((missing, rank), dtype=A.dtype, device=be.device(A))], axis=0)
        self.leaves = xp.reshape(A, (1 << self.depth, leaf, rank))
        self.levels = [self.leaves.mT @ self.leaves] if self.depth else []
        for _ in range(self.depth):
            last = self.levels[0]
            self.levels.insert(0, last[::2, :, :] + last[1::2, :, :])

    @property
    def draws(self):
        """Uniform numbers that one draw takes."""
        return self.depth + 1

    def draw(self, g, uniforms):
        """Row numbers (J,) for the vectors `g` (J, R) from `uniforms` (J, draws) in (0, 1]."""
        xp = self.xp
        if self.depth == 0:
            inner = g @ self.leaves[0, :, :].mT
            return pick(inner * inner, uniforms[:, 0])
        node = xp.zeros(g.shape[0], dtype=be.widest_integer(xp, be.device(g))[0], device=be.device(g))
        total = xp.sum((g @ self.levels[0][0, :, :]) * g, axis=1)
        for depth in range(1, self.depth + 1):
            node = 2 * node
            grams = xp.take(self.levels[depth], node, axis=0)
            left = xp.sum((grams @ g[:, :, None])[:, :, 0] * g, axis=1)
            right = (uniforms[:, depth - 1] * total > left) & (total > left)
            total = xp.where(right, total - left, left)
            node = node + xp.astype(right, node.dtype)
        inner = (xp.take(self.leaves, node, axis=0) @ g[:, :, None])[:, :, 0]
        return node * self.rows + pick(inner * inner, uniforms[:, self.depth])


def pick(masses, uniforms):
    """For each row of non-negative `masses` (J, n) a column with that probability, from `uniforms` in (0, 1]."""
    xp = be.namespace(masses)
    sums = xp.cumulative_sum(masses, axis=1)
    below = sums < uniforms[:, None] * sums[:, -1:]
    kind = be.widest_integer(xp, be.device(masses))[0]
    return xp.sum(xp.astype(below, kind), axis=1, dtype=kind)


def draw_rows(trees, factors, grams, skip, count, key):
    """Rows of the Khatri-Rao product of all factors but `skip`, drawn by its exact leverage scores.

    Parameters
    ----------
    trees : list of RowTree, one a factor
    factors : list of real arrays, shapes (n_k, R)
    grams : list of arrays, shapes (R, R)
    skip : int
    count : int
        Number J of independent draws.
    key : Key

    Returns
    -------
    indices : list of integer arrays (J,), None in place of the mode `skip`
    rows : array, shape (J, R)
    probabilities : array, shape (J,)

    Notes
    -----
    The modes are drawn one after the other from their exact conditional law [1]_, a mixture of R distributions of the
    kind that a `RowTree` draws from.

    References
    ----------
    .. [1] bharadwaj_malik_murray_etal_2023
    """
    xp, rank = be.namespace(*factors), factors[0].shape[1]
    others = [j for j in range(len(factors)) if j != skip]
    inverse, kept = pseudo_inverse(reduce(mul, [grams[j] for j in others]))
    rows = xp.ones((count, rank), dtype=factors[0].dtype, device=be.device(factors[0]))
    indices = [None] * len(factors)
    for place, j in enumerate(others):
        mixture = reduce(mul, [grams[i] for i in others[place + 1 :]], inverse)
        V = _square_root(mixture)
        pairs = xp.reshape(V[:, None, :] * V[None, :, :], (rank * rank, rank))
        squares = xp.reshape(rows[:, :, None] * rows[:, None, :] * grams[j][None, :, :], (count, rank * rank))
        uniforms = be.uniform(key.child(j), slice(0, count), slice(0, 1 + trees[j].draws), rows.dtype, xp,
                              be.device(rows))  # fmt: skip
        masses = squares @ pairs
        chosen = pick(xp.where(masses > 0, masses, xp.zeros_like(masses)), uniforms[:, 0])
        indices[j] = trees[j].draw(xp.take(V.mT, chosen, axis=0) * rows, uniforms[:, 1:])
        rows = rows * xp.take(factors[j], indices[j], axis=0)
    return indices, rows, xp.sum((rows @ inverse) * rows, axis=1) / kept


def _square_root(matrix):
    """``L`` with ``L Lᵀ`` the Gram matrix `matrix`: Cholesky on the host, so that all libraries draw alike.

    Where the matrix is singular its diagonal is raised by rounding.
    """
    xp, host = be.namespace(matrix), be.to_numpy(matrix)
    wide = ((host + host.T) / 2).astype(np.float64)
    ridge = 4.0 * be.eps(host.dtype) * max(float(np.trace(wide)), np.finfo(np.float64).tiny)
    try:
        root = np.linalg.cholesky(wide)
    except np.linalg.LinAlgError:
        w, V = np.linalg.eigh(wide)
        wide = (V * np.maximum(w, 0.0)) @ V.T + ridge * np.eye(wide.shape[0])
        root = np.linalg.cholesky(wide)
    return be.from_numpy(root.astype(host.dtype), xp, be.device(matrix))
