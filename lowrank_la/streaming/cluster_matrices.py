"""Groups of matrices that one low-rank basis serves, each within an error that was asked for."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..factor.iteration import settle
from ..results import Info, Result
from .blocks_beside import read_blocks
from .cluster_bounds import ESTIMATORS, Incremental

_ADVICE = "raise rank or tol, or leave the blocks that are clusters of their own uncompressed"


@dataclass(frozen=True, eq=False, repr=False)
class ClusterResult(Result):
    """Clusters of matrices, and a basis for each.

    Attributes
    ----------
    labels : integer array, shape (number of blocks,)
        Cluster of each block; clusters are numbered in the order of their first blocks.
    upper, lower : arrays, shape (number of clusters,)
        Bounds of the relative Frobenius error of the best rank-`rank` approximation of each cluster side by side.
        `upper` also bounds the error of projecting its blocks onto its basis.
    bases : array, shape (m, sum of the widths)
        Orthonormal bases side by side, at most `rank` columns each; `basis` gives one of them.
    info : Info
        ``info.error`` bounds the relative error over all blocks, ``info.ratio`` is the number of entries over that of
        the factors.
    """

    labels: Any
    upper: Any
    lower: Any
    bases: Any
    starts: Any
    info: Info

    _unpack = ("labels",)

    def basis(self, cluster):
        """Orthonormal basis of a cluster: ``block ≈ U @ (Uᴴ @ block)``, for ``axis=0`` ``(block @ V) @ Vᴴ``."""
        starts = be.host_indices(self.starts, self.bases.shape[1] + 1)
        cluster = be.check_count("cluster", cluster, 0, len(starts) - 2)
        return self.bases[:, starts[cluster] : starts[cluster + 1]]

    def __repr__(self):
        counts = f"{self.upper.shape[0]} clusters of {self.labels.shape[0]} blocks"
        return f"ClusterResult({counts}, error ≤ {self.info.error:.3g})"


@be.supports(sparse=False, operators=False)
def cluster_matrices(
    blocks, rank, tol, *, method="incremental", order="residual", axis=1, skip=False, patience=10, on_failure="warn",
    check_finite=True,
):  # fmt: skip
    """Group matrices so that a common basis of `rank` columns approximates each group within `tol`.

    Parameters
    ----------
    blocks : sequence of arrays, shapes (m, n_j)
        Matrices that are laid side by side; one above the other, with a common number of columns, for ``axis=0``.
    rank : int
        Columns of a basis, at most m.
    tol : float
        Relative Frobenius error (not its square) that no cluster exceeds, in (0, 1).
    method : {"incremental", "residual", "weyl"}
        How the error of a cluster is bounded while it grows, from sharp to crude: a truncated decomposition, singular
        values of what each block adds to the span, singular values of single blocks.
    order : {"residual", "norm"}
        Candidates by what they add to the span of the first blocks, or by their norm, smallest first.
    axis : {1, 0}
    skip : bool
        Go on with the next candidate where one does not fit, instead of closing the cluster.
    patience : int
        Clusters in a row that no candidate joined, after which no more are tried.
    on_failure : {"warn", "raise"}
        What to do when a single block exceeds `tol` at this rank; it is a cluster of its own then.
    check_finite : bool
        Refuse blocks that hold NaN or infinite values.

    Returns
    -------
    ClusterResult

    Raises
    ------
    ValueError
        If `blocks` is empty, shapes don't fit, `rank` exceeds m, or a block is not finite.
    TypeError
        If a block is no array, or lies elsewhere than the others.
    ConvergenceError
        If a single block exceeds `tol` and ``on_failure="raise"``.

    Notes
    -----
    The approach is that of Shamrai [1]_, with bounds in the form in which they hold: the energy of a first block
    counts whole only up to `rank` columns, the values of residuals only in sum (where a direction may count with all
    blocks). The incremental estimate is kept as singular values instead of their squares, and as the sum of what was
    dropped, so that errors below √eps are seen. A cluster starts with the largest block and further large ones as
    long as `rank` columns suffice, which is without error; candidates join while the upper bound is at most `tol`.
    Bounds hold up to rounding, for which ten eps a truncation are added; those of "residual" and "weyl" are
    differences and end at about √eps.

    Each trial of the incremental method factors a matrix of m rows and ``2 rank + n_j`` columns; blocks are kept
    whole in memory.

    References
    ----------
    .. [1] shamrai_2026

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> generator = np.random.default_rng(0)
    >>> left = [generator.standard_normal((40, 3)) for _ in range(2)]
    >>> blocks = [left[j % 2] @ generator.standard_normal((3, 8)) for j in range(6)]
    >>> result = lr.cluster_matrices(blocks, rank=3, tol=0.1)
    >>> result.labels.tolist()
    [0, 1, 0, 1, 0, 1]
    """
    read = read_blocks(blocks, axis, check_finite)
    rank = be.check_count("rank", rank, 1, read.rows)
    tol = be.check_tol(tol)
    be.check_option("method", method, ESTIMATORS)
    be.check_option("order", order, ("residual", "norm"))
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    search = _Search(read, rank, tol, ESTIMATORS[method], order, be.check_flag("skip", skip))
    with be.single_blas():
        clusters = sorted(search.run(be.check_count("patience", patience)), key=lambda found: min(found[0]))
        kept = [search.final(cluster, state) for cluster, state in clusters]
        clusters = [cluster for cluster, _ in clusters]
    result = _assemble(read, clusters, kept, rank, tol, method, axis, search.trials)
    settle(result.info, on_failure, _ADVICE)
    return result


class _Search:
    """Clusters grown one after another from the blocks that are left."""

    def __init__(self, read, rank, tol, estimator, order, skip):
        self.read, self.rank, self.tol, self.estimator = read, rank, tol, estimator
        self.order, self.skip, self.trials = order, skip, 0

    def run(self, patience):
        left = sorted(range(len(self.read.blocks)), key=lambda j: -self.read.norms[j])
        clusters, barren = [], 0
        while left:
            cluster, state, power = self._seed(left)
            seeds = len(cluster)
            if barren < patience and state.bounds()[1] <= self.tol:
                state = self._grow(cluster, state, power, [j for j in left if j not in cluster])
            barren = 0 if len(cluster) > seeds else barren + 1
            clusters.append((cluster, state))
            left = [j for j in left if j not in cluster]
        return clusters

    def _seed(self, left):
        """The largest block, and the next largest ones while `rank` columns suffice."""
        power = self.read.power(left[0])
        cluster, columns = [left[0]], self.read.blocks[left[0]].shape[1]
        state = self.estimator.first(self.read.scaled(left[0], power), self.rank)
        for j in left[1:]:
            if columns + self.read.blocks[j].shape[1] > self.rank:
                break
            cluster.append(j)
            columns += self.read.blocks[j].shape[1]
            state = state.extended(self.read.scaled(j, power))
        return cluster, state, power

    def _grow(self, cluster, state, power, candidates):
        for j in self._ordered(cluster, state, power, candidates):
            self.trials += 1
            trial = state.extended(self.read.scaled(j, power))
            if trial.bounds()[1] <= self.tol:
                cluster.append(j)
                state = trial
            elif not self.skip:
                break
        return state

    def _ordered(self, cluster, state, power, candidates):
        if self.order == "norm":
            return sorted(candidates, key=lambda j: (self.read.norms[j], j))
        state = state if isinstance(state, Incremental) else self._decomposed(cluster, power, 0)
        U = state.kept.U[:, : self.rank]

        def outside(j):
            A = self.read.scaled(j, power)
            return be.fro_norm(A - be.matmul(U, be.adjoint_matmul(U, A)))

        distances = {j: outside(j) for j in candidates}
        return sorted(candidates, key=lambda j: (distances[j], j))

    def final(self, cluster, state):
        """The decomposition of a whole cluster, exact where truncation alone breaks the tolerance."""
        power = self.read.power(cluster[0])
        found = state if isinstance(state, Incremental) else self._decomposed(cluster, power)
        if found.bounds()[1] <= self.tol or len(cluster) == 1:
            return found.kept, found.bounds()
        found = self._decomposed(cluster, power, self.read.rows)
        return found.kept, found.bounds()

    def _decomposed(self, cluster, power, extra=None):
        options = {} if extra is None else {"extra": extra}
        state = Incremental.first(self.read.scaled(cluster[0], power), self.rank, **options)
        for j in cluster[1:]:
            state = state.extended(self.read.scaled(j, power))
        return state


def _assemble(read, clusters, kept, rank, tol, method, axis, trials):
    xp, device = read.xp, read.device
    labels = np.zeros(len(read.blocks), np.int64)
    for label, cluster in enumerate(clusters):
        labels[cluster] = label
    lower, upper = (np.asarray([bounds[side] for _, bounds in kept]) for side in (0, 1))
    energies = np.asarray([math.fsum((read.norms[j] / max(read.largest, 1e-300)) ** 2 for j in c) for c in clusters])
    total = float(energies.sum())
    error = math.sqrt(float((upper**2 * energies).sum()) / total) if total > 0.0 else 0.0
    bases = [
        part.U[:, :rank] if axis == 1 or not be.is_complex(part.U.dtype) else xp.conj(part.U[:, :rank])
        for part, _ in kept
    ]
    starts = np.cumsum([0] + [U.shape[1] for U in bases])
    real = be.dtype_name(be.widest_real(xp, device))
    above = int((upper > tol).sum())
    reason = f"{above} blocks exceed tol={tol:g} alone at rank {rank}" if above else "all clusters are within tol"
    columns = [sum(read.blocks[j].shape[1] for j in cluster) for cluster in clusters]
    stored = sum(min(rank * (read.rows + n), read.rows * n) for n in columns)
    info = Info(
        error=error,
        error_kind="bound",
        converged=above == 0,
        reason=reason,
        method=f"shamrai_{method}",
        details={"clusters": len(clusters), "ratio": read.rows * sum(columns) / max(stored, 1), "trials": trials},
    )
    indices = (
        be.index_array(labels, len(clusters), xp, device),
        be.index_array(starts, int(starts[-1]) + 1, xp, device),
    )
    return ClusterResult(
        indices[0],
        be.from_numpy(upper.astype(real), xp, device),
        be.from_numpy(lower.astype(real), xp, device),
        xp.astype(bases[0] if len(bases) == 1 else xp.concat(bases, axis=1), read.source, copy=False),
        indices[1],
        info,
    )
