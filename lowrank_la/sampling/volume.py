"""Volume sampling: sets of rows in proportion to the determinant of their Gram matrix."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..results import Info, Result
from . import designs
from .proposals import RowProposals
from .span import orthonormal_span


@dataclass(frozen=True, eq=False, repr=False)
class VolumeSample(Result):
    """Rows drawn by volume sampling: `indices` (size,), or (draws, size)."""

    indices: object
    info: Info

    _unpack = ("indices",)
    __references__ = ("derezinski_warmuth_2018",)


@dataclass(frozen=True, eq=False, repr=False)
class VolumeRescaledSample(Result):
    """Rows drawn with repetition, `indices` (size,), and the `weights` (size,) that multiply them."""

    indices: object
    weights: object
    info: Info

    _unpack = ("indices", "weights")
    __references__ = ("derezinski_warmuth_hsu_2018",)


@be.supports(blocks=True)
def volume_sample(A, size, *, draws=None, rng=None):
    """Sets `S` of `size` rows with ``P(S)`` proportional to ``det(A[S]ᴴ A[S])``.

    Parameters
    ----------
    A : array, sparse matrix or operator, shape (n, d) with n ≥ d
        Of full column rank.
    size : int
        Rows of a set, d…n.
    draws : int, optional
        Number of independent sets; one by default.
    rng : None, int, generator or Key

    Returns
    -------
    VolumeSample
        ``indices`` (size,) or (draws, size) on the device of `A`: distinct rows, the first d of them a set of the
        projection process.

    Raises
    ------
    ValueError
        If `size` is out of range, or `A` wide, empty, not finite or rank-deficient.
    TypeError
        If `size` is not an integer, or `A` not a matrix or a tensor that records gradients.

    Notes
    -----
    A set of the projection process of the span of `A` and a uniform subset of the other rows: by the Cauchy-Binet
    formula that has the law of volume sampling [1]_. O(nd²) preparation, O(d³ + size) a draw. The least squares
    solution on the chosen rows is unbiased, and the mean of the pseudo-inverse of ``A[S]``, padded with zeros, is that
    of `A`.

    References
    ----------
    .. [1] derezinski_warmuth_2018

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vander(np.linspace(-1.0, 1.0, 300), 4)
    >>> (rows,) = lr.volume_sample(A, 10, rng=0)
    >>> np.unique(rows).size
    10
    """
    labels = range(1 if draws is None else be.check_count("draws", draws, 0))
    proposals, key = _rows_of(A, "volume_sample"), be.resolve_rng(rng)
    size = be.check_count("size", size, proposals.count, proposals.size)
    places = designs.volume(proposals, size, key, labels)
    indices = proposals.decode(places[0] if draws is None else places)
    return VolumeSample(indices, Info(method="projection+uniform", rng=key.record))


@be.supports(blocks=True)
def volume_rescaled_sample(A, size, *, rng=None):
    """Rows and weights of a volume-rescaled design, with which weighted least squares is unbiased.

    Parameters
    ----------
    A : array, sparse matrix or operator, shape (n, d) with n ≥ d
        Of full column rank.
    size : int
        Number of rows, at least d; rows may repeat.
    rng : None, int, generator or Key

    Returns
    -------
    VolumeRescaledSample
        ``indices`` (size,) and ``weights`` (size,) in the library and on the device of `A`. A weight is
        ``√(d / leverage)`` and multiplies its row: the mean of ``‖diag(weights) A[indices] x‖²`` is ``size · ‖A x‖²``.

    Raises
    ------
    ValueError
        If `size` is less than d, or `A` wide, empty, not finite or rank-deficient.
    TypeError
        If `size` is not an integer, or `A` not a matrix or a tensor that records gradients.

    Notes
    -----
    One set of the projection process of the span of `A` and ``size - d`` rows drawn independently by leverage, in
    random order. Any sequence then has a probability in proportion to its leverages and to the determinant of its
    weighted Gram matrix, which makes the weighted least squares solution unbiased [1]_.

    References
    ----------
    .. [1] derezinski_warmuth_hsu_2018

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vander(np.linspace(-1.0, 1.0, 300), 4)
    >>> rows, weights = lr.volume_rescaled_sample(A, 12, rng=0)
    >>> x = np.linalg.lstsq(weights[:, None] * A[rows], weights * (A @ np.ones(4))[rows])[0]
    >>> np.allclose(x, 1.0)
    True
    """
    proposals, key = _rows_of(A, "volume_rescaled_sample"), be.resolve_rng(rng)
    size = be.check_count("size", size, proposals.count)
    places = designs.volume_rescaled(proposals, size, key, [0])[0]
    weights = np.sqrt(proposals.count / proposals.leverages[places])
    real = be.real_dtype(proposals.xp, proposals.V.dtype)
    weights = be.from_numpy(weights, proposals.xp, proposals.device, real)
    info = Info(method="projection+independent", rng=key.record)
    return VolumeRescaledSample(proposals.decode(places), weights, info)


def _rows_of(A, name):
    with be.single_blas():
        return RowProposals(orthonormal_span(A, name)[0])
