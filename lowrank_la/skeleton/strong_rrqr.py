"""Strong rank-revealing QR: exchanges until no one would enlarge the volume of the chosen columns by much."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .places import largest_place
from .refinement import others

GROWTH = 2.0


def exchange(chosen, R, B, rest):
    """``(growth, place, column)`` of the exchange that enlarges the volume of the chosen columns most.

    Parameters
    ----------
    chosen : list of int
    R : array, shape (k, k)
        Triangular factor of the chosen columns.
    B : array, shape (k, n)
        All columns in the orthonormal basis of the chosen ones.
    rest : array, shape (n,)
        Squared lengths of what that basis leaves of the columns.

    Returns
    -------
    growth : float
        ``sqrt(|R⁻¹B|²_ij + rest_j ‖e_i R⁻¹‖²)``, the factor by which the volume grows.
    place, column : int
    """
    xp = be.namespace(B)
    identity = xp.eye(R.shape[0], dtype=R.dtype, device=be.device(R))
    reach = xp.sum(xp.abs(be.solve_upper(R, identity)) ** 2, axis=1)
    squares = xp.abs(be.solve_upper(R, B)) ** 2 + reach[:, None] * rest[None, :]
    squares = squares * others(chosen, B)[None, :]
    place, column = largest_place(squares)
    return float(squares[place, column]) ** 0.5, place, column


def strengthen(Y, chosen, most):
    """Columns of `Y` (l, n) exchanged until the volume can't be doubled, at most so many times."""
    xp, chosen = be.namespace(Y), list(chosen)
    for _ in range(most):
        Q, R = orthonormalize(xp.take(Y, be.index_array(chosen, Y.shape[1], xp, be.device(Y)), axis=1))
        B = be.adjoint_matmul(Q, Y)
        rest = be.column_sums(xp.abs(Y - be.matmul(Q, B)) ** 2)
        growth, place, column = exchange(chosen, R, B, rest)
        if growth <= GROWTH:
            break
        chosen[place] = column
    return chosen
