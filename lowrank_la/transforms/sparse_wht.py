"""Walsh-Hadamard transform of functions with few coefficients, from few values."""

import warnings
from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..exceptions import ConvergenceError, ConvergenceWarning
from ..results import Info, Result
from .sparse_answer import of_cube, of_groups
from .sparse_groups import Sampler, code_of, in_order
from .sparse_oracle import oracle_of
from .sparse_plan import planned
from .sparse_search import search

_CHUNK = 1 << 24  # numbers of a product of characters


@dataclass(frozen=True, eq=False, repr=False)
class SparseWHTResult(Result):
    """``f(m) ≈ Σ coefficients[i] (-1)^⟨m, indices[i]⟩``; a function of bits (p, n) itself."""

    indices: Any
    coefficients: Any
    info: Info

    _unpack = ("indices", "coefficients")

    def __call__(self, bits):
        """Values of the expansion at rows of bits (p, n), in the library of the coefficients."""
        c = self.coefficients
        xp, device = be.namespace(c), be.device(c)
        real = be.real_dtype(xp, c.dtype)
        bits = be.dense_array(bits, "bits")
        n = self.indices.shape[1]
        if bits.ndim != 2 or bits.shape[1] != n:
            raise ValueError(f"bits must have shape (p, {n}), got {tuple(bits.shape)}")
        if not be.namespace(bits).all((bits == 0) | (bits == 1)):
            raise ValueError("bits must be zeros and ones")
        bits = be.namespace(bits).astype(bits != 0, be.namespace(bits).uint8)
        bits = xp.astype(be.from_numpy(be.to_numpy(bits), xp, device), real)
        frequencies = xp.astype(self.indices, real)
        step = max(1, _CHUNK // max(c.shape[0], 1))
        cuts = be.fixed_partition(bits.shape[0], step)
        parts = [_expanded(xp, bits[cut, :], frequencies, c) for cut in cuts]
        return xp.concat(parts) if parts else xp.zeros((0,), dtype=c.dtype, device=device)


def _expanded(xp, bits, frequencies, c):
    shared = xp.matmul(bits, xp.permute_dims(frequencies, (1, 0)))
    signs = 1.0 - 2.0 * (shared - 2.0 * xp.floor(0.5 * shared))
    return xp.matmul(xp.astype(signs, c.dtype), c[:, None])[:, 0]


@be.supports(sparse=False, operators=False)
def sparse_wht(
    f,
    n=None,
    sparsity=None,
    *,
    noise=None,
    degree=None,
    method="auto",
    bins=None,
    groups=3,
    repeats=None,
    verify=2,
    vote="soft",
    attempts=10,
    max_samples=None,
    checks=None,
    rng=None,
    on_failure="warn",
):
    r"""Frequencies and coefficients of ``f(m) = Σ c_k (-1)^⟨m, k⟩``, bits m, from few values of `f`.

    Parameters
    ----------
    f : callable or array (2**n,)
        A function that takes all points at once, a NumPy array of bits (p, n) of type uint8 (which wraps: signs are
        ``1.0 - 2.0 * bits``), and returns p real or complex numbers in any library. Or a stored vector, read as
        ``f.reshape((2,) * n)[tuple(bits)]``: the first bit is the most significant one of the index.
    n : int, optional
        Number of bits, also hundreds or thousands. Follows from a stored vector.
    sparsity : int, optional
        About how many coefficients differ from zero; too small a number costs further groups. By default found out:
        exact values tell it from the share of empty bins at few points, noisy ones by doubling the bins.
    noise : None, float or "unknown"
        None: values are exact, up to ``eps**(2/3)`` of their root mean square. A number: the standard deviation of
        independent noise in the values (for complex values of both parts together). "unknown": estimated from the
        emptiest bins; then there is no certificate where nothing stands out of the noise or peeling took more values
        than there are, and bins of two sizes have to agree where most of what is seen counts as noise.
    degree : int, optional
        Largest number of bits of a frequency. Bins then are read with a code, ``1 + degree ⌈log2(n + 1)⌉`` values
        instead of those of all bits where that is less; frequencies with more bits are not found.
    method : {"auto", "peeling", "dense"}
        "dense" looks at all ``2**n`` values; "auto" does so where that takes fewer.
    bins : int, optional
        Bins of each of the first groups, a power of two. By default at least 16 and the next power of two to ``0.55
        sparsity``; for exact values and a sparsity of 100 or more, three groups whose sizes differ by at most a factor
        of two, as few bins together as hold so many coefficients with room to spare.
    groups : int
        Groups of the first attempt, at least 1.
    repeats : int, optional
        Offsets with which each bit is voted on. By default 1, and as many as the noise asks for where that fails.
    verify : int
        Further random offsets of a group, which only verify.
    vote : {"soft", "hard"}
        Votes weighted by the values, or one each.
    attempts : int
        Decodings, each with more groups, until everything is explained.
    max_samples : int, optional
        Values that are not passed. By default 2**24, and more where `sparsity` or `bins` ask for it.
    checks : int, optional
        Random points that are compared with an answer before it is certified: 2144, or ``0.6 sparsity (1 + n +
        verify)`` where `sparsity` is at least 64 and that is less; all points of a cube that has no more. With 0 a
        certificate speaks of the bins alone.
    rng : None, int, generator or Key
    on_failure : {"warn", "raise"}
        Whether an answer without certificate warns or raises `ConvergenceError`.

    Returns
    -------
    SparseWHTResult
        ``indices`` (k, n) uint8, rows ascending as binary numbers, and ``coefficients`` (k,): in the library, dtype and
        device of a stored vector (integers: the widest real type), NumPy in double precision for a function.
        ``result(bits)`` evaluates the expansion. ``info.certificate``: whether the answer explains all values seen, see
        Notes. ``info.samples`` counts values, each time one is asked for; ``info.groups`` holds the bins of each group,
        ``info.unresolved`` (u, 2) group and number of the bins that are not explained, ``info.noise`` the standard
        deviation of the values, given or found, ``info.resolution`` the size from which a missing coefficient would
        have shown in its bins, ``info.checks`` the number of random points compared (0 where all values were looked
        at), ``info.iterations`` the attempts. ``info.error`` is ‖f - Σ‖ / ‖f‖ over the values seen:
        "exact" where those are the whole cube, else an "estimate" from random points.

    Raises
    ------
    ValueError
        If an argument is out of range, a stored vector has a length that is no power of two, or `f` returns numbers
        that are not finite (it is told at which bits), not one a point, real once and complex once, or so far apart
        that squares of both leave the range; or if `max_samples` does not allow the groups that are asked for.
    OverflowError
        If values are integers above 2**53.
    TypeError
        If `f` is neither a function nor a vector of numbers, records gradients, or an argument is of the wrong type.

    Warns
    -----
    ConvergenceWarning
        If there is no certificate.

    Notes
    -----
    A group looks at `f` on a random subspace of ``2**b`` points of GF(2)^n, shifted by offsets. A small transform for
    every offset hashes the frequencies into ``2**b`` bins. Offsets that differ in one bit q show bit q of the frequency
    of a bin that holds a single coefficient [1]_ [2]_. Such a coefficient is taken out of the bins of all groups, which
    leaves other bins with a single one, and so on. The subspaces are graphs of independent random linear maps of b bits
    to the others, not windows of bits, so structured supports, as of polynomials, do no harm: two frequencies share a
    bin with probability ``2**-b`` at most. The number of a bin then tells b bits of a frequency when the others are
    known. Exact values are read for those others alone, ``1 + n - b + verify`` values a bin; with noise all n are read
    and the bin checks them. A bin gives up a coefficient when its energy is above the
    noise, the frequency read from it belongs to it, and what is left has the energy of the noise (chi-square limits,
    one in a hundred in any bin). Then coefficients that cancelled are dropped and the others fitted to all values by
    least squares; exact values need that only in bins that still hold more than rounding.

    The certificate says that after this every bin, and all of them together, hold no more than noise, and that the
    answer agrees with `f` at m = ``info.checks`` random points that took no part in finding it. They lie on independent
    uniform affine subspaces of s = 32 points each (s = 4 where m is below 2144), on all of which an expansion is
    evaluated at once; any two points are independent. A difference that shows at a share p of all points, whichever
    they are, is missed with probability at most ``((1 - p) / (1 - p + s p))**(m / s)`` (from the mean and the variance
    of the hits in a subspace): one in a thousand for a share of 0.0034 where m = 2144, and for p = 8 / m with 64 points
    or more. An expansion with K coefficients that is not zero differs from zero at one point in K at least, so what
    escapes has very many coefficients: a function that is zero but at a few points. With noise the points show
    differences whose mean square is above ``4 √(2 / m)`` of its variance, coefficients below ``info.resolution`` can be
    missing, and every one that is given is large enough to tell each of its bits (five standard deviations); with
    "unknown" noise, many small ones beside those found, that together look like noise, can be missing as well. Where
    all values were looked at, coefficients are given that noise passes in one of a hundred cubes, and certified where
    it passes the smallest of them in one of a million.

    Exact values and a known sparsity: at most ``3.6 sparsity (1 + n + verify)`` values, from 64 coefficients on, unless
    frequencies share their bin in all groups (a few in a hundred runs below a thousand coefficients, rare above); then
    a small group is added to those that stay. Frequencies that form a subspace share bins far more often, and each
    further attempt doubles the bins: 32 to 128 of them take 4 to 7 ``sparsity (1 + n + verify)`` values on average, and
    33 at worst seen. Time is linear in the number of values; memory is 8 bytes a value, twice.
    What counts as exact follows from the precision ε of the numbers that `f` returns and their root mean square r: a
    bin of rounding holds up to ``ε**(2/3) r`` a value (4e-11 r in double precision), and at a random point a
    difference up to ``8 ε**(2/3) r √b`` passes, b the bins of the largest group.

    References
    ----------
    .. [1] scheibler_haghighatshoar_vetterli_2015
    .. [2] li_bradley_pawar_ramchandran_2015

    Examples
    --------
    >>> import lowrank_la as lr
    >>> def f(bits):
    ...     signs = 1.0 - 2.0 * bits
    ...     return 3.0 + 2.0 * signs[:, 0] * signs[:, 199] - signs[:, 7]
    >>> indices, coefficients = lr.sparse_wht(f, 200, rng=0)
    >>> [(row.nonzero()[0].tolist(), round(float(c), 12)) for row, c in zip(indices, coefficients)]
    [([], 3.0), ([7], -1.0), ([0, 199], 2.0)]
    """
    oracle, xp, device, dtype = oracle_of(f, n)
    n = oracle.n
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    key = be.resolve_rng(rng)
    plan = planned(
        n, sparsity=sparsity, noise=noise, degree=degree, method=method, bins=bins, groups=groups, repeats=repeats,
        verify=verify, vote=vote, attempts=attempts, max_samples=max_samples, checks=checks,
    )  # fmt: skip
    oracle.noise = plan.noise if isinstance(plan.noise, float) else 0.0
    outcome = None
    if plan.method != "dense" and n > 0:
        outcome = search(Sampler(oracle, code_of(n, plan.degree, plan.told(n)), key, plan.verify), plan)
    found = of_cube(oracle, plan, key) if outcome is None else of_groups(outcome, oracle, plan, key)
    result = _returned(found, oracle, xp, device, dtype)
    if not result.info.converged:
        _fail(result.info, on_failure)
    return result


def _returned(found, oracle, xp, device, dtype):
    """The result in ascending order of the frequencies, in the library of the caller."""
    keys, values, info = found
    order, indices = in_order(keys, oracle.n)
    coefficients = values[order]
    if oracle.scale not in (None, 1.0):
        coefficients *= oracle.scale
    if xp is not None:
        wide = be.compute_dtype(xp, dtype, device)
        coefficients = be.from_numpy(coefficients, xp, device, wide)
        if be.is_half(dtype):
            coefficients = xp.astype(coefficients, dtype)
        indices = be.from_numpy(indices, xp, device)
    return SparseWHTResult(indices, coefficients, info)


def _fail(info, on_failure):
    text = (
        f"sparse_wht has no certificate after {info.samples} values: {info.reason}; allow more max_samples or "
        "attempts, give noise if values are not exact, or expect a function that has many coefficients"
    )
    if on_failure == "raise":
        raise ConvergenceError(text)
    warnings.warn(text, ConvergenceWarning, stacklevel=3)
