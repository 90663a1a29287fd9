"""One random sign a column."""

from .sparse_sign import SparseSign


class CountSketch(SparseSign):
    """One entry ±1 in every column: n·p additions on an n×p matrix.

    An embedding of a k-dimensional subspace takes d of the order k²; as a range finder use `SparseSign`.

    Parameters
    ----------
    d, n : int
        Rows of the sketch, and length of the vectors that it takes.
    rng : optional
        Seed, generator or `Key`.
    dtype : optional
        Accepted for symmetry with the other sketches; the entries are real.

    References
    ----------
    .. [1] charikar_chen_farach_colton_2002
    .. [2] clarkson_woodruff_2017

    Examples
    --------
    >>> import lowrank_la as lr
    >>> abs(lr.sketch.CountSketch(8, 5, rng=0).todense()).sum(axis=0)
    array([1., 1., 1., 1., 1.])
    """

    def __init__(self, d, n, rng=None, *, dtype=None):
        super().__init__(d, n, rng, nnz=1, dtype=dtype)

    def __repr__(self):
        d, n = self.shape
        return f"{type(self).__name__}({d}, {n}, rng={self.key!r})"
