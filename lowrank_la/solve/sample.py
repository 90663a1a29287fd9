"""A sample of the rows of a tall array: its scale and, for most arrays, a good guess at the triangular factor."""

from .. import _backend as be

_ROWS = 4  # of the sample, a column
_LARGE = 4  # samples in an array from which its guess is tried
_KEY = be.Key(0x5A)


def is_small_part(shape):
    """Whether the sample is a small part of an array of that shape."""
    return shape[0] >= _LARGE * _ROWS * shape[1]


def sampled_rows(array):
    """One row out of each of 4n stretches of equal length, at places that no period in the rows can meet."""
    m, n = array.shape
    count = min(m, _ROWS * n)
    step, xp = m // count, be.namespace(array)
    within = be.integers(_KEY, slice(0, count), slice(0, 1), step)[:, 0].tolist()
    places = [step * stretch + place for stretch, place in enumerate(within)]
    return xp.take(array, be.index_array(places, m, xp, be.device(array)), axis=0)


def sampled_triangle(array, below):
    """`R` of the sample, made as heavy as all rows together, and of the rows `below`; None where zero or not finite."""
    rows = sampled_rows(array)
    if not be.all_finite(rows):
        return None
    rows = rows * (array.shape[0] / rows.shape[0]) ** 0.5
    R = be.householder_qr(be.namespace(array).concat([rows, below], axis=0))[1]
    return R if be.fro_norm(R) > 0 else None
