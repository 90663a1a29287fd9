"""Where the largest entry is, on devices with and without 64-bit integers."""

from .. import _backend as be


def largest_place(x):
    """Index of the first largest entry of a real vector, or ``(row, column)`` of one of a matrix."""
    if x.ndim == 1:
        return int(be.to_numpy(x).argmax())
    row = largest_place(be.namespace(x).max(x, axis=1))
    return row, largest_place(x[row, :])
