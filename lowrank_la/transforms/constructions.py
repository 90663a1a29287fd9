"""Hadamard matrices whose order is no power of two, by the constructions that have a formula.

The sequences below are those of the literature: symmetric circulants (Williamson 1944, Holzmann, Kharaghani and
Tayfeh-Rezaie 2008) and Turyn-type sequences (Best, Đoković, Kharaghani and Ramp 2013). Every matrix is checked in
exact arithmetic by the tests.
"""

from functools import lru_cache

import numpy as np

from .finite_field import difference_characters, negatives, prime_power

_LARGEST = 1 << 12  # of an order looked for: its matrix is multiplied with as it is

# First halves of the symmetric first rows of four circulants of order v: the rest mirrors them.
_WILLIAMSON = {
    23: ("+--+-+-+++++", "+--++-+-+-++", "+++---++--++", "+--+--+++---"),
    29: ("+--+-++---+++++", "+-+-++---+--+++", "+++-++-++++---+", "+-+-+----++-++-"),
    39: ("+++--+-+-----+--++--", "+++--++-+---+-+--+--", "++++---+--++----+-+-", "+---++-+-+-----+++-+"),
    43: ("++---++++-+--+--++----", "+++-+-++--+-+-++++-+--", "++-++++++----+-+--++-+", "+---++--++++-+-+++-++-"),
}

# Turyn-type sequences of lengths n, n, n and n - 1.
_TURYN = {
    16: ("++++++--++--++++", "++++--+--+-----+", "++++--+-+-+-++--", "++++--++-+-+--+"),
    20: ("+++++--+++--+-+-+-++", "++++++-+-++--+++-+-+", "++++-+----++--+--++-", "++++-+++---+-++-+--"),
}


@lru_cache(maxsize=256)
def core_matrix(order):
    """A Hadamard matrix of the given order that isn't the double of another one, or None.

    Returns
    -------
    read-only int8 array, shape (order, order), or None
        None where no construction of this module has it. The order 1 is a core.
    """
    matrix = _built(order)
    if matrix is not None:
        matrix.flags.writeable = False
    return matrix


def _built(order):
    if order == 1:
        return np.ones((1, 1), np.int8)
    if order % 4 or order > _LARGEST:
        return None
    if _is_residue_field(order - 1, 3):
        return _first_paley(order - 1)
    if order % 8 == 4 and _is_residue_field(order // 2 - 1, 1):
        return _second_paley(order // 2 - 1)
    if order // 4 in _WILLIAMSON:
        return _williamson(_WILLIAMSON[order // 4])
    if (order // 4 + 1) // 3 in _TURYN and (order // 4 + 1) % 3 == 0:
        return _goethals_seidel(_t_sequences(*_TURYN[(order // 4 + 1) // 3]))
    return _product(order)


def _is_residue_field(q, rest):
    return q % 4 == rest and prime_power(q) is not None


def _first_paley(q):
    """Order ``q + 1`` for q = 3 modulo 4, in its symmetric form."""
    matrix = np.ones((q + 1, q + 1), np.int8)
    opposite = negatives(q)
    matrix[1:, 1:] = -difference_characters(q)[opposite]
    matrix[1 + opposite, 1 + np.arange(q)] -= 1
    return matrix


def _second_paley(q):
    """Order ``2 (q + 1)`` for q = 1 modulo 4; symmetric."""
    core = np.zeros((q + 1, q + 1), np.int8)
    core[0, 1:] = core[1:, 0] = 1
    core[1:, 1:] = difference_characters(q)
    off, on = np.asarray([[1, 1], [1, -1]], np.int8), np.asarray([[1, -1], [-1, -1]], np.int8)
    return np.kron(core, off) + np.kron(np.eye(q + 1, dtype=np.int8), on)


def _signs(text):
    return np.asarray([1 if sign == "+" else -1 for sign in text], np.int8)


def _circulant(row):
    places = np.arange(row.shape[0])
    return row[(places[None, :] - places[:, None]) % row.shape[0]]


def _williamson(halves):
    """Order 4v from four symmetric circulants of order v whose squares add up to 4v."""
    rows = [np.concatenate([half, half[:0:-1]]) for half in map(_signs, halves)]
    A, B, C, D = (_circulant(row) for row in rows)
    return np.block([[A, B, C, D], [-B, A, -D, C], [-C, D, A, -B], [-D, -C, B, A]])


def _t_sequences(X, Y, Z, W):
    """Four sequences of length 3n - 1, exactly one of which is not zero at each place, without autocorrelation."""
    X, Y, Z, W = (_signs(text).astype(np.int64) for text in (X, Y, Z, W))
    A, B = np.concatenate([Z, W]), np.concatenate([Z, -W])
    front, back = np.zeros(A.shape[0], np.int64), np.zeros(X.shape[0], np.int64)
    return [
        np.concatenate(parts)
        for parts in (((A + B) // 2, back), ((A - B) // 2, back), (front, (X + Y) // 2), (front, (X - Y) // 2))
    ]


def _goethals_seidel(sequences):
    """Order 4t from T-sequences of length t."""
    combinations = np.asarray([[1, 1, 1, 1], [-1, 1, 1, -1], [-1, -1, 1, 1], [-1, 1, -1, 1]])
    A, B, C, D = (_circulant(row).astype(np.int8) for row in combinations @ np.stack(sequences))
    B, C, D = (M[:, ::-1] for M in (B, C, D))
    Bt, Ct, Dt = (M[:, ::-1].T[:, ::-1] for M in (B, C, D))
    return np.block([[A, B, C, D], [-B, A, Dt, -Ct], [-C, -Dt, A, Bt], [-D, Ct, -Bt, A]])


def _product(order):
    """Kronecker product of two smaller cores."""
    for small in range(4, int(order**0.5) + 1, 4):
        if order % small == 0:
            left, right = core_matrix(small), core_matrix(order // small)
            if left is not None and right is not None:
                return np.kron(left, right)
    return None
