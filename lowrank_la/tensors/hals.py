"""Non-negative factors by hierarchical alternating least squares."""

from .. import _backend as be

_PASSES = 3
_SEED = 1e-3  # weight of a term that is started anew, relative to the mean one


def hals_update(B, gamma, A):
    """Non-negative factor that lowers ``‖X_(k) - A KRᵀ‖`` column by column, from `A` (n, R) on.

    Parameters
    ----------
    B : array, shape (n, R)
        The tensor times the Khatri-Rao product of the other factors.
    gamma : array, shape (R, R)
        Elementwise product of the Gram matrices of the other factors.

    Notes
    -----
    Three passes over the columns [1]_. A column that has become zero would stay so in all modes: it is replaced by
    a constant one of next to no weight.

    References
    ----------
    .. [1] cichocki_phan_2009
    """
    xp = be.namespace(B)
    A = xp.where(A > 0, A, xp.zeros_like(A))
    columns = [A[:, r] for r in range(A.shape[1])]
    diagonal = [float(entry) for entry in be.to_numpy(xp.linalg.diagonal(gamma))]
    for _ in range(_PASSES):
        for r, curvature in enumerate(diagonal):
            if curvature > 0.0:
                step = (B[:, r] - xp.stack(columns, axis=1) @ gamma[:, r]) / curvature
                moved = columns[r] + step
                columns[r] = xp.where(moved > 0, moved, xp.zeros_like(moved))
    A = xp.stack(columns, axis=1)
    largest = xp.max(A, axis=0)
    size = _SEED * xp.mean(largest)
    return xp.where((largest > 0)[None, :], A, size * xp.ones_like(A))
