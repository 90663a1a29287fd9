"""What is asked of a method, and what it hands back."""

from dataclasses import dataclass

from .. import _backend as be


@dataclass(frozen=True)
class Request:
    """One validated call, as the methods see it.

    ``rank`` is None when `tol` alone decides; ``norm`` is ‖A‖_F or None when unknown; ``start`` holds columns on the
    n side to start from (or None), ``image`` the product of `A` with the first block where that has been taken.
    """

    rank: int | None
    tol: float | None
    accuracy: float
    oversample: int
    key: object
    watch: object
    norm: float | None
    start: object = None
    image: object = None

    def wanted(self, shape):
        """Upper limit of the rank."""
        return min(shape) if self.rank is None else self.rank


@dataclass(frozen=True)
class Triplets:
    """Singular triplets, descending, with their residuals.

    ``tail`` is the sum of squares of the singular values left out when they are known one by one.
    ``error`` is an estimate of the relative error that the method made on its way, or None; ``search`` names the
    precision in which the subspace was looked for where that is not the one of the triplets.
    """

    U: object
    s: object
    Vh: object
    residuals: object
    converged: bool
    reason: str
    iterations: int
    method: str
    tail: float | None = None
    error: float | None = None
    search: str | None = None

    def swapped(self):
        """Triplets of the adjoint."""
        return _replace(self, U=be.mH(self.Vh), Vh=be.mH(self.U))

    def leading(self, count):
        """The first `count` triplets."""
        xp = be.namespace(self.s)
        known = self.tail is not None
        tail = self.tail + float(xp.sum(self.s[count:] ** 2)) if known else None
        return _replace(
            self, U=self.U[:, :count], s=self.s[:count], Vh=self.Vh[:count, :],
            residuals=self.residuals[:count], tail=tail,
        )  # fmt: skip


def zero_triplets(A, request, method):
    """Triplets of the zero matrix: vanishing values on the first coordinates (one when `tol` decides)."""
    count = 1 if request.tol is not None else request.rank
    xp, (m, n) = A.xp, A.shape
    s = xp.zeros((count,), dtype=be.real_dtype(xp, A.dtype), device=A.device)
    U, V = (xp.eye(size, count, dtype=A.dtype, device=A.device) for size in (m, n))
    return Triplets(U, s, V.mT, s, True, "the matrix is zero", 0, method, tail=0.0)


def _replace(triplets, **changes):
    from dataclasses import replace

    return replace(triplets, **changes)


def attainable(accuracy, A):
    """`accuracy`, checked, and at least what rounding leaves: 16 eps."""
    return max(be.check_tol(accuracy, "accuracy"), 16.0 * be.eps(A.dtype))


def smallest_rank(s, beyond, budget):
    """Least number of leading `s` (host, descending) whose discarded energy plus `beyond` is within `budget`.

    ``beyond`` is the squared error outside the computed values; None when even all of them don't suffice.
    """
    left = beyond
    if left > budget:
        return None
    count = len(s)
    while count > 0 and left + s[count - 1] ** 2 <= budget:
        left += s[count - 1] ** 2
        count -= 1
    return max(count, 1)
