"""Swaps that lower the error of the span of chosen columns."""

import numpy as np

from .. import _backend as be
from .places import largest_place


def refine(Y, indices, swaps, least_gain):
    """Exchange chosen columns of `Y` (l, n) for others while that lowers ``‖Y - P Y‖_F²``, P the projection on them.

    The effect of every exchange is known from a few products: with `E` what the columns leave of `Y`, taking out
    column t adds ``u_t c_t`` to it, where the unit vector u_t is the part of that column outside the others and
    ``c_t = u_tᴴ Y``; putting in column j then explains ``‖F_jᴴ F‖² / ‖F_j‖²`` of ``F = E + u_t c_t``.

    Parameters
    ----------
    Y : array, shape (l, n)
    indices : list of int
        Columns that are linearly independent.
    swaps : int
        Exchanges at most.
    least_gain : float
        Part of the error that an exchange has to save.

    Returns
    -------
    list of int
        The chosen columns, exchanged ones in the place of those they replace.
    """
    chosen = list(indices)
    for _ in range(swaps):
        place, column, saved = best_exchange(Y, chosen)
        if not saved > least_gain:
            break
        chosen[place] = column
    return chosen


def best_exchange(Y, chosen):
    """``(place, column, saved)`` of the best exchange; `saved` is its part of the present error."""
    xp, k = be.namespace(Y), len(chosen)
    columns = xp.take(Y, be.index_array(chosen, Y.shape[1], xp, be.device(Y)), axis=1)
    Q, R = xp.linalg.qr(columns, mode="complete")
    turned = be.adjoint_matmul(Q, Y)
    E = turned[k:, :]
    error = be.vdot_real(E) if E.shape[0] else 0.0
    if error == 0.0:
        return 0, chosen[0], 0.0
    C = _outside_the_others(R[:k, :], turned[:k, :])
    lost, gain = _effects(C, E)
    saved = (gain - lost[:, None]) * others(chosen, Y)[None, :]
    place, column = largest_place(saved)
    return place, column, float(saved[place, column]) / error


def _outside_the_others(R, explained):
    """Rows ``c_t``: rows of R⁻¹, normalised, are the vectors u_t in the basis of the chosen columns."""
    xp = be.namespace(R)
    T = be.solve_upper(R, xp.eye(R.shape[0], dtype=R.dtype, device=be.device(R)))
    T = T / xp.astype(xp.linalg.vector_norm(T, axis=1), T.dtype)[:, None]
    return be.matmul(T, explained)


def _effects(C, E):
    """What taking out each chosen column loses (k,), and what putting in each column then gains (k, n)."""
    xp, k = be.namespace(C), C.shape[0]
    both = xp.concat([C, E], axis=0)
    overlaps = _real_part_of_product(both, be.matmul(be.matmul(both, be.mH(E)), E))
    weight = xp.abs(C) ** 2
    lost = xp.sum(weight, axis=1)
    above = weight * lost[:, None] + 2 * overlaps[:k, :] + xp.sum(overlaps[k:, :], axis=0)[None, :]
    below = weight + xp.sum(xp.abs(E) ** 2, axis=0)[None, :]
    large = below > be.eps(C.dtype) * xp.max(below)
    return lost, xp.where(large, above / xp.where(large, below, xp.ones_like(below)), xp.zeros_like(below))


def _real_part_of_product(a, b):
    """``Re(a̅ b)`` entry by entry."""
    if not be.is_complex(a.dtype):
        return a * b
    xp = be.namespace(a)
    return xp.real(a) * xp.real(b) + xp.imag(a) * xp.imag(b)


def others(chosen, Y):
    """One for every column that is not chosen, zero for the rest."""
    host = np.ones(Y.shape[1], dtype=be.dtype_name(be.real_dtype(be.namespace(Y), Y.dtype)))
    host[chosen] = 0.0
    return be.from_numpy(host, be.namespace(Y), be.device(Y))


def work_of_exchange(shape, count):
    """Operations of one exchange among `count` columns of a matrix of that shape."""
    l, n = shape
    return 2.0 * n * (l * l + count * count + 2.0 * l * (l - count))
