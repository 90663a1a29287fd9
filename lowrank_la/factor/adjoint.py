"""A dot test of products that are somebody else's code: nothing that follows can tell a wrong adjoint."""

import math

from .. import _backend as be
from .rangefinder import gaussian_block

_INEXACT = 1e-2  # the gap up to which solves that stop early are as likely a cause as a wrong adjoint


def require_adjoint(A, key):
    """ValueError unless ``rmatmat`` is the adjoint of ``matmat`` in every part of the `MeteredOperator` `A`.

    Only parts whose products are not adjoint by construction are tried, each with one column on either side, counted
    as products of `A`. For Gaussian `x` and `y` the numbers ⟨y, A x⟩ and ⟨Aᴴ y, x⟩ differ by about ‖A - A'‖_F where
    the products belong to `A` and to the adjoint of `A'`. More than ∛eps of ‖A x‖ + ‖Aᴴ y‖, 6e-6 in double and 5e-3
    in single precision, is refused: solves inside the products may be inexact by 1e-6, a forgotten conjugation or a
    wrong factor shows by orders of magnitude more.
    """
    key = key.child("adjoint")
    for part in _uncertain(A.inner):
        m, n = part.shape
        x, y = gaussian_block(part, n, 1, key.child("right")), gaussian_block(part, m, 1, key.child("left"))
        forward, backward = part.matmat(x), part.rmatmat(y)
        A.read(1)
        A.read(1)
        gap = _gap(part.xp, x, y, forward, backward)
        if gap > be.eps(part.dtype) ** (1 / 3):
            raise ValueError(
                f"rmatmat of {part!r} is not the adjoint of matmat: ⟨y, A x⟩ and ⟨Aᴴ y, x⟩ differ by {gap:.1e} "
                f"of their size; {_advice(part, x, y, forward, backward, gap)}"
            )


def require_self_adjoint(A, key):
    """ValueError unless the products ``A x`` and ``A y`` alone agree that ⟨y, A x⟩ = ⟨A y, x⟩; `A` is metered."""
    n = A.shape[1]
    x, y = (gaussian_block(A, n, 1, key.child("adjoint").child(side)) for side in ("right", "left"))
    images = A.matmat(A.xp.concat([x, y], axis=1))
    gap = _gap(A.xp, x, y, images[:, :1], images[:, 1:])
    if gap > be.eps(A.dtype) ** (1 / 3):
        raise ValueError(
            f"A is not Hermitian: ⟨y, A x⟩ and ⟨A y, x⟩ differ by {gap:.1e} of their size; use svd, or ask solves "
            f"inside the products for {be.eps(A.dtype) ** (1 / 3) / 10:.0e}"
        )


def given_by_products(A):
    """Whether any part of the `MeteredOperator` `A` is somebody else's code."""
    return next(_uncertain(A.inner), None) is not None


def _uncertain(op):
    """The operators inside `op` whose products nobody vouches for."""
    for part in op.parts:
        yield from _uncertain(part)
    if not op.parts and not op.adjoint_by_construction:
        yield op


def _gap(xp, x, y, forward, backward):
    """``|yᴴ(A x) - (Aᴴy)ᴴ x|`` relative to ``‖A x‖ + ‖Aᴴ y‖``; zero where the products vanish or overflow."""
    size = max(float(xp.max(xp.abs(image))) for image in (forward, backward))
    if size == 0.0 or not math.isfinite(size):
        return 0.0
    forward, backward = forward / size, backward / size
    missed = float(xp.max(xp.abs(be.adjoint_matmul(y, forward) - be.adjoint_matmul(backward, x))))
    return missed / sum(float(xp.linalg.matrix_norm(image)) for image in (forward, backward))


def _advice(A, x, y, forward, backward, gap):
    conj = A.xp.conj
    if be.is_complex(A.dtype) and _gap(A.xp, x, conj(y), forward, conj(backward)) <= be.eps(A.dtype) ** (1 / 3):
        return "it returns Aᵀ Y, and Aᴴ Y is needed: the conjugation is missing"
    needed = "rmatmat(Y) has to return Aᴴ Y: check its transpose, its conjugation and the order of its factors"
    if gap > _INEXACT:
        return needed
    return f"{needed}; or the products are inexact: ask solves inside them for {be.eps(A.dtype) ** (1 / 3) / 10:.0e}"
