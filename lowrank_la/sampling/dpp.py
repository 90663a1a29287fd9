"""Exact samples of determinantal point processes given by a kernel or its factor."""

import math
import warnings

import numpy as np

from .. import _backend as be
from .. import _kernels
from ..exceptions import RankWarning
from .proposals import RowProposals, host_to_indices
from .rejection import draw_sets, kernels_pay
from .spectrum import Spectrum, spectrum_of

_TRIES = 100_000  # an expected number of about √(2πk) would have to be exceeded more than a hundredfold
_NOTICEABLE = 1e-2  # eigenvalues above that decide about a DPP


class _Mixture:
    """A mixture of projection processes on subsets of the eigenvectors of a kernel."""

    _spectrum: Spectrum
    last_rng: int | None = None
    """Key of the latest call of `sample`: as `rng` it repeats that draw, also one without a seed."""

    def _subset(self, key, label):
        """Numbers of the eigenvectors that draw `label` takes."""
        raise NotImplementedError

    def _draws(self, size, rng):
        labels = range(1 if size is None else be.check_count("size", size, 0))
        key = be.resolve_rng(rng)
        self.last_rng = key.record
        subsets, projection = key.child("eigenvectors"), key.child("projection")

        def draw(label):
            columns = self._spectrum.columns(self._subset(subsets, label))
            if columns.shape[1] == 0:
                return np.empty(0, np.int64)
            return draw_sets(RowProposals(columns), projection, [label])[0][0]

        home = be.namespace(self._spectrum.vectors), be.device(self._spectrum.vectors)
        together = be.kind(home[0]) == "numpy" and len(labels) > 1
        drawn = be.map_blocks(draw, labels) if together else [draw(label) for label in labels]
        return drawn, home


@be.supports(blocks=True)
class DPP(_Mixture):
    """Sets of rows of any size with ``P(S) = det L[S, S] / det(I + L)``.

    Parameters
    ----------
    L : array, sparse matrix, operator or result, shape (n, n), optional
        Hermitian positive semidefinite. An operator that is not low-rank is multiplied with the identity: n products.
    factor : array, sparse matrix or operator, shape (n, r), optional
        `B` with ``L = B Bᴴ``, instead of `L`. Decomposed as it is, so that its condition is not squared.

    Raises
    ------
    ValueError
        If neither or both are given, or the kernel is not square, Hermitian, positive semidefinite and finite.
    TypeError
        If it is not a matrix, or a tensor that records gradients, which this sampler has not.

    Notes
    -----
    Eigenvector j takes part with probability λ_j / (1 + λ_j), and the chosen ones make a projection process [1]_:
    O(n³) or O(nr²) preparation, then O(nk) + O(k³) for a set of k rows. Eigenvalues are kept as logarithms, so that no
    scale overflows; those below n eps times the largest count as zero (8 r eps on the singular values of a factor),
    with a `RankWarning` where that is above 0.01.

    References
    ----------
    .. [1] hough_et_al_2006
    .. [2] kulesza_taskar_2012

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> x = np.linspace(0.0, 1.0, 200)
    >>> rows = lr.DPP(np.exp(-50.0 * (x[:, None] - x[None, :]) ** 2)).sample(rng=0)
    >>> np.unique(rows).size == rows.size
    True
    """

    def __init__(self, L=None, *, factor=None):
        self._spectrum = spectrum_of(L, factor, "DPP")
        if self._spectrum.log_dropped > math.log(_NOTICEABLE):
            _warn_of_rounding(self._spectrum)
        self._probabilities = _sigmoid(self._spectrum.log_values)

    @property
    def expected_size(self):
        """Mean number of rows of a sample."""
        return float(np.sum(self._probabilities))

    def _subset(self, key, label):
        u = be.to_numpy(be.uniform(key, [label], slice(0, self._spectrum.rank)))
        return np.flatnonzero(u[0] <= self._probabilities)

    def sample(self, size=None, *, rng=None):
        """Draw sets.

        Parameters
        ----------
        size : int, optional
            Number of independent draws; one by default.
        rng : None, int, generator or Key
            ``last_rng`` holds the key that repeats the draw.

        Returns
        -------
        array, or list of arrays
            Distinct row numbers in random order, in the library and on the device of the kernel; one array for each of
            `size` draws, since sets differ in size.
        """
        drawn, home = self._draws(size, rng)
        decoded = [host_to_indices(places, *home) for places in drawn]
        return decoded[0] if size is None else decoded

    def __repr__(self):
        return f"DPP(rank={self._spectrum.rank}, expected_size={self.expected_size:.3g})"


@be.supports(blocks=True)
class KDPP(_Mixture):
    """Sets of k rows with ``P(S)`` proportional to ``det L[S, S]``.

    Parameters
    ----------
    k : int
        Size of every sample, at most the numerical rank of the kernel.
    L, factor
        As for `DPP`; the law does not change when the kernel is scaled.

    Raises
    ------
    ValueError, TypeError
        As for `DPP`, and if `k` exceeds the numerical rank.

    Notes
    -----
    Sets of k eigenvectors are to be drawn in proportion to the product of their eigenvalues [1]_. Independent draws
    with the odds ``exp(t) λ_j`` have that law, given that k succeed, for any t: t is chosen so that k succeed on
    average, and draws are repeated until k do, about √(2πk) times at most on average. No elementary symmetric
    polynomials, whose products overflow, and exact at any scale.

    References
    ----------
    .. [1] kulesza_taskar_2012

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> rows = lr.KDPP(60, 1e6 * np.eye(400)).sample(rng=0)
    >>> np.unique(rows).size
    60
    """

    def __init__(self, k, L=None, *, factor=None):
        self.k = be.check_count("k", k)
        self._spectrum = spectrum_of(L, factor, "KDPP")
        rank = self._spectrum.rank
        if self.k > rank:
            raise ValueError(f"k must be at most the numerical rank of the kernel, {rank}, got {self.k}")
        self._probabilities = tilted(self._spectrum.log_values, self.k)

    def _subset(self, key, label):
        if self.k == self._spectrum.rank:
            return np.arange(self.k)
        return conditioned_bernoulli(self._probabilities, self.k, key, label)[0]

    def sample(self, size=None, *, rng=None):
        """Draw sets.

        Parameters
        ----------
        size : int, optional
            Number of independent draws; one by default.
        rng : None, int, generator or Key
            ``last_rng`` holds the key that repeats the draw.

        Returns
        -------
        array, shape (k,) or (size, k)
            Distinct row numbers in random order, in the library and on the device of the kernel.
        """
        drawn, home = self._draws(size, rng)
        places = drawn[0] if size is None else np.asarray(drawn, np.int64).reshape(len(drawn), self.k)
        return host_to_indices(places, *home)

    def __repr__(self):
        return f"KDPP(k={self.k}, rank={self._spectrum.rank})"


def tilted(log_values, k):
    """Probabilities ``sigmoid(t + log_values)`` with sum k."""
    low, high = -float(log_values.max()) - 800.0, -float(log_values.min()) + 800.0
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if np.sum(_sigmoid(middle + log_values)) < k:
            low = middle
        else:
            high = middle
    return _sigmoid((low + high) / 2 + log_values)


def conditioned_bernoulli(probabilities, k, key, label):
    """``chosen, tries``: successes of independent draws repeated until there are k, from row `label` of `key`."""
    r, first = probabilities.shape[0], 0
    if not isinstance(key, be.NativeKey) and kernels_pay(r * k):
        kernel, chosen = _kernels.lookup("bernoulli_until", "numpy"), np.empty(k, np.int64)
        words, row = be.kernel_words(key, "philox_uniform"), np.asarray([label], np.uint64)
        tries = kernel(words, row, 0, probabilities, k, _TRIES, chosen)
        if tries > 0:
            return chosen, tries
        raise ArithmeticError(f"{_TRIES} tries without {k} successes")
    while first < _TRIES:
        u = be.to_numpy(be.uniform(key, [label], slice(first * r, (first + 8) * r))).reshape(8, r)
        success = u <= probabilities
        right = np.flatnonzero(success.sum(axis=1) == k)
        if right.size:
            return np.flatnonzero(success[right[0]]), first + int(right[0]) + 1
        first += 8
    raise ArithmeticError(f"{_TRIES} tries without {k} successes")


def _warn_of_rounding(spectrum):
    size = math.exp(min(700.0, spectrum.log_dropped))
    warnings.warn(
        f"eigenvalues of the kernel below {size:.1e} can't be told from zero beside the largest and count as zero, "
        "though they would decide about rows; scale L down, or pass a factor",
        RankWarning,
        stacklevel=3,
    )


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)
