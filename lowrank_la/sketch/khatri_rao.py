"""Khatri-Rao products of small random factors, for vectors that are tensors."""

import math

import numpy as np

from .. import _backend as be
from .base import Sketch

_ENTRIES = 1 << 21  # numbers of a block: of S, of products on their way, of data that is put in order
_WIDE = 64  # columns from which on a product with each group of rows is worth a call
_LIMIT = 1 << 63


class KhatriRao(Sketch):
    r"""Rows that are Kronecker products of random rows of the lengths `n`: a sketch of tensors, stored as its factors.

    ``S[i, :] = d^(-1/2) ω_1[i, :] ⊗ … ⊗ ω_N[i, :]``, where the rows of the factors ``ω_k`` (d, n_k) are independent and
    uniform on the sphere of radius √n_k. S is drawn from ``d Σ n_k`` numbers. A tensor in C order is sketched without S
    being formed, its trailing modes first, in a few million numbers of memory and 2 d n p operations for n×p numbers;
    what is itself a Kronecker or Khatri-Rao product costs its factors alone (`apply_factored`).

    Parameters
    ----------
    d : int
        Rows of the sketch.
    n : int or tuple of int
        Sizes of the factors, the last one running fastest; S has as many columns as their product. An int is one
        factor, a dense sketch: that is what functions with the option `sketch` make of this class.
    rng : optional
        Seed, generator or `Key`.
    dtype : optional
        A complex dtype makes the factors complex, which lowers the variance.

    Notes
    -----
    For every x of length one ``‖S x‖²`` has mean 1 and a variance of at most ``(Π_k c_k - 1) / d``, with
    ``c_k = 3 n_k / (n_k + 2)``, for complex factors ``2 n_k / (n_k + 1)``. Real Kronecker vectors x attain it, and no
    other independent factors with E[SᴴS] = I have less for the worst x: Gaussian ones have ``c_k = 3`` and 2. Signs
    vary less for some x, and map others, such as ``(1, 1) ⊗ y``, to zero in half of all rows. The growth with N is that
    of [1]_: take complex factors, few modes (``n = (64, 64)`` rather than twelve times 2) or a larger d. Tensors
    without such structure are sketched about as well as by a Gaussian matrix, whose variance is ``2 / d``.

    References
    ----------
    .. [1] meyer_avron_2023
    .. [2] sun_guo_tropp_udell_2021

    Examples
    --------
    A tensor and the factors of the same tensor give the same sketch:

    >>> import numpy as np, lowrank_la as lr
    >>> a, b, c = np.arange(1.0, 31.0), np.ones(20), np.linspace(0.0, 1.0, 10)
    >>> X = np.einsum("i,j,k->ijk", a, b, c)
    >>> S = lr.sketch.KhatriRao(50, X.shape, rng=0)
    >>> bool(np.allclose(S.apply(X.reshape(-1)), S.apply_factored([a, b, c])))
    True
    """

    def __init__(self, d, n, rng=None, *, dtype=None):
        self.sizes = _checked_sizes(n)
        super().__init__(d, math.prod(self.sizes), rng, dtype=dtype)
        self._scales = {}

    def apply_factored(self, factors):
        """S times a Khatri-Rao product: ``S (A_1 ⊙ … ⊙ A_N)``, the elementwise product of all ``ω_k A_k`` over √d.

        Parameters
        ----------
        factors : sequence of arrays, shapes (n_k, r), or all of them (n_k,)
            One for every size in `n`, of one array library. Vectors stand for their Kronecker product.

        Returns
        -------
        array, shape (d, r) or (d,)
            What ``apply`` gives for the product of n rows, which is never formed: 2 d r Σ n_k operations.

        Raises
        ------
        ValueError
            If their number, shapes or numbers of columns do not fit.
        TypeError
            If one is no array.
        """
        arrays, name = self._checked_factors(factors)
        xp, place, product = be.namespace(*arrays), be.device(arrays[0]), None
        for k, A in enumerate(arrays):
            A = A if A.ndim == 2 else A[:, None]
            total = None
            for rows in be.fixed_partition(self.sizes[k], max(1, _ENTRIES // self.shape[0])):
                drawn = self._factor(k, slice(0, self.shape[0]), rows).astype(name)
                part = be.matmul(be.from_numpy(drawn, xp, place), xp.astype(A[rows, :], getattr(xp, name), copy=False))
                total = part if total is None else total + part
            product = total if product is None else product * total
        return product if arrays[0].ndim == 2 else product[:, 0]

    def _checked_factors(self, factors):
        if not isinstance(factors, tuple | list) or len(factors) != len(self.sizes):
            given = len(factors) if isinstance(factors, tuple | list) else type(factors).__name__
            raise ValueError(f"factors must be a list of {len(self.sizes)} arrays, for n={self.sizes}, got {given}")
        arrays = [be.dense_array(A, f"factors[{k}]") for k, A in enumerate(factors)]
        for k, A in enumerate(arrays):
            if A.ndim not in (1, 2) or A.shape[0] != self.sizes[k] or A.shape[1:] != arrays[0].shape[1:]:
                raise ValueError(
                    f"factors[{k}] must have {self.sizes[k]} rows, and all as many columns or none (vectors); got "
                    f"{[tuple(A.shape) for A in arrays]}"
                )
        libraries = sorted({be.kind(be.namespace(A)) for A in arrays})
        if len(libraries) > 1:
            raise TypeError(f"factors must be arrays of one library, got {', '.join(libraries)}: convert some")
        xp = be.namespace(*arrays)
        return arrays, self._joint_dtype(be.compute_dtype(xp, xp.result_type(*arrays), be.device(arrays[0])))

    def _factor(self, k, rows, cols):
        """``ω_k[rows, cols]`` in double precision on the host; the first factor carries 1/√d."""
        drawn = self._gaussian(k, rows, cols)
        drawn *= self._scale(k)[rows, None]
        return drawn

    def _gaussian(self, k, rows, cols):
        dtype = "complex128" if self.is_complex else "float64"
        return np.asarray(be.to_numpy(be.gaussian(self.key.child(f"factor {k}"), rows, cols, dtype)))

    def _scale(self, k):
        """What brings the Gaussian rows of factor `k` to their lengths, (d,); found once."""
        if k not in self._scales:
            d, n = self.shape[0], self.sizes[k]
            squares = np.zeros(d)
            for cols in be.fixed_partition(n, max(1, _ENTRIES // d)):
                parts = self._gaussian(k, slice(0, d), cols).view(np.float64)
                squares += np.sum(parts * parts, axis=1)
            self._scales = {**self._scales, k: np.sqrt((n / d if k == 0 else n) / squares)}
        return self._scales[k]

    def _columns(self, rows, cols, first, last):
        """Columns `cols` of the product of the factors from `first` to before `last`, as `_factor` gives them."""
        if first == last or cols.start == cols.stop:
            return np.ones((rows.stop - rows.start, cols.stop - cols.start))
        n = self.sizes[last - 1]
        low, high = cols.start // n, -(-cols.stop // n)
        if high - low == 2 and cols.stop - cols.start < n:
            cuts = slice(cols.start, low * n + n), slice(low * n + n, cols.stop)
            return np.concatenate([self._columns(rows, part, first, last) for part in cuts], axis=1)
        here = slice(cols.start - low * n, cols.stop - low * n)
        inner = self._factor(last - 1, rows, here if high - low == 1 else slice(0, n))
        if last - 1 == first:
            return inner
        outer = self._columns(rows, slice(low, high), first, last - 1)
        block = _times(outer[:, :, None], inner[:, None, :]).reshape(outer.shape[0], -1)
        return block if high - low == 1 else block[:, here]

    def _entries(self, rows, cols, dtype, xp, device):
        block = np.ascontiguousarray(self._columns(rows, cols, 0, len(self.sizes)), dtype)
        return block if xp is None else be.from_numpy(block, xp, device)

    def _apply_array(self, A):
        return self._contracted(A, False)

    def _rapply(self, A):
        return self._contracted(A.array.mT, True).mT if A.has("array") else super()._rapply(A)

    def _contracted(self, A, conjugated):
        """``S A``, or ``conj(S) A``: products with the trailing modes, then sums over the leading ones, in blocks."""
        xp, place, (d, n), p = be.namespace(A), be.device(A), self.shape, A.shape[1]
        dtype = getattr(xp, self._joint_dtype(A.dtype))
        cut = self._cut(p)
        inner = math.prod(self.sizes[cut:])

        def drawn(cols, *span):
            block = self._columns(slice(0, d), cols, *span)
            return be.from_numpy(block.conj() if conjugated else block, xp, place, dtype)

        total = None
        for cols in be.fixed_partition(inner, max(1, _ENTRIES // d)):
            right, most = drawn(cols, cut, len(self.sizes)), max(d, cols.stop - cols.start) * max(1, p)
            for lines in be.fixed_partition(n // inner, max(1, _ENTRIES // most)):
                data = A[lines.start * inner : lines.stop * inner, :]
                part = _tile(drawn(lines, 0, cut), right, data, cols, inner, dtype)
                total = part if total is None else total + part
        return total

    def _cut(self, p):
        """The first trailing mode: rows of their product to be formed against products to be summed up."""
        inner = [math.prod(self.sizes[k:]) for k in range(len(self.sizes))]
        return min(range(len(inner)), key=lambda k: inner[k] + p * (self.shape[1] / inner[k]))

    def __repr__(self):
        sizes = self.sizes[0] if len(self.sizes) == 1 else self.sizes
        return f"{type(self).__name__}({self.shape[0]}, {sizes}, rng={self.key!r})"


def _tile(left, right, A, cols, inner, dtype):
    """``Σ_l left[:, l] right A[l]`` for the columns `cols` of every group of `inner` rows of `A`."""
    xp, d, lines, p = be.namespace(A), left.shape[0], left.shape[1], A.shape[1]
    if lines == 1 or p >= _WIDE:
        total = None
        for k in range(lines):
            rows = xp.astype(A[k * inner + cols.start : k * inner + cols.stop, :], dtype, copy=False)
            part = left[:, k : k + 1] * be.matmul(right, rows)
            total = part if total is None else total + part
        return total
    grouped = xp.reshape(A.mT, (p, lines, inner))[:, :, cols]
    rows = xp.astype(xp.reshape(grouped, (p * lines, cols.stop - cols.start)), dtype, copy=False)
    products = xp.reshape(be.matmul(right, rows.mT), (d, p, lines))
    return xp.matmul(products, left[:, :, None])[:, :, 0]


def _times(a, b):
    """``a * b`` of NumPy arrays, complex ones from real products: libraries and places in a row round those alike."""
    if not np.iscomplexobj(a):
        return a * b
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), a.dtype)
    out.real = a.real * b.real - a.imag * b.imag
    out.imag = a.real * b.imag + a.imag * b.real
    return out


def _checked_sizes(n):
    if not isinstance(n, tuple | list):
        return (be.check_count("n", n),)
    if not n:
        raise ValueError(f"n must be an int or a tuple of one size or more, got {n!r}")
    sizes = tuple(be.check_count(f"n[{k}]", size) for k, size in enumerate(n))
    if math.prod(sizes) >= _LIMIT:
        raise ValueError(
            f"the sizes in n multiply to {math.prod(sizes)}, and a sketch has fewer than 2**63 columns: sketch some "
            f"modes at a time, got n={n!r}"
        )
    return sizes
