"""CP from the observed entries alone: alternating least squares by rows, with exact extrapolation of sweeps."""

import math
from functools import cache

import numpy as np

from .. import _backend as be
from ..factor.iteration import Watch
from .cp_als import Fitted
from .filled_entries import filled_entries
from .kruskal import balanced
from .row_solves import ListedEntries

_EXTRAPOLATED_FROM = 3
_FARTHEST = 50.0  # multiples of the last step that are tried
_PATIENCE = 2
_TRIALS = 4  # random starts besides the spectral one
_TRIAL_SWEEPS = 10
_SETTLED = 1e-4  # change of a trial's residual, relative to itself, that a further sweep is not taken for
_SPECTRAL_UP_TO = 1 << 11  # length of a mode whose Gram matrix is formed for the start


def fit_observed(observed, factors, tol, watch, *, accelerate=True, means=True, settled=0.0, entries=None):
    """CP factors that minimise ``Σ w |x - model|²`` over the observed entries, from the starting `factors`.

    Parameters
    ----------
    observed : ObservedTensor
    factors : list of arrays, shapes (n_k, R)
        Where to start; the model is their sum of rank-one tensors, without weights.
    tol : float
        Change of the relative residual in a sweep, twice in a row, that ends the iteration.
    watch : Watch
    accelerate : bool
        Go along the step of a sweep to where the residual is least: it is a polynomial of the length. A sweep that is
        to confirm that the residual stands still is taken as it is.
    means : bool
        Give rows without observed entries the mean of the others.
    settled : float
        Change relative to the residual itself that ends the iteration as well.
    entries : FilledEntries or ListedEntries, optional
        What `entries_of` gives.

    Returns
    -------
    Fitted
        ``errors`` are relative to the weighted norm of the observed entries. Rows without observed entries are the mean
        of the other rows of their factor; ``details["unseen"]`` lists them for each mode.
    """
    xp, dtype = observed.tensor.xp, observed.tensor.dtype
    weights = xp.full(
        (factors[0].shape[1],), observed.scale, dtype=be.real_dtype(xp, dtype), device=be.device(factors[0])
    )
    fitted = Fitted(weights, [xp.astype(factor, dtype) for factor in factors], details={"unseen": observed.unseen})
    if observed.norm == 0.0:
        fitted.factors = [factor * 0 for factor in fitted.factors]
        fitted.errors, fitted.converged, fitted.reason = [0.0], True, "all observed entries are zero"
        return fitted
    entries = entries or entries_of(observed, factors[0].shape[1])
    waited = 0
    floor = 8 * be.eps(observed.tensor.dtype)
    while True:
        old, new = fitted.factors, _swept(entries, fitted.factors, fitted.errors[-1] if fitted.errors else math.inf)
        fitted.factors, square = (
            _extrapolated(entries, old, new)
            if accelerate and len(fitted.errors) >= _EXTRAPOLATED_FROM and not waited
            else (new, entries.products([new])[0, 0])
        )
        error = math.sqrt(square) / observed.norm
        change = abs(fitted.errors[-1] - error) if fitted.errors else math.inf
        fitted.errors.append(error)
        waited = waited + 1 if change < max(tol, settled * error) else 0
        over = watch.tick(error=error)
        fitted.converged = waited >= _PATIENCE or error <= floor
        if fitted.converged or over:
            break
    fitted.reason = "the fit no longer changes" if fitted.converged else watch.reason
    if fitted.converged and error <= floor:
        fitted.reason = "the observed entries are met to rounding"
    fitted.factors = _with_means(observed, fitted.factors) if means else fitted.factors
    return fitted


def entries_of(observed, rank):
    """The observed entries in the form in which sums over them cost least for models of `rank` terms."""
    return filled_entries(observed, rank) or ListedEntries(observed)


def relative_error(observed, entries, weights, factors):
    """``(error, "exact")`` of weights and factors at the observed entries."""
    if observed.norm == 0.0:
        return 0.0, "exact"
    weights = observed.tensor.xp.astype(weights / observed.scale, factors[0].dtype)
    scaled = [factors[0] * weights[None, :], *factors[1:]]
    return math.sqrt(entries.products([scaled])[0, 0]) / observed.norm, "exact"


def gradient(observed, entries, factors):
    """‖∇‖ of half the squared error, weights spread over the modes, over ``‖X‖^(2 - 1/N)`` of the observed entries."""
    if observed.norm == 0.0:
        return 0.0
    squares = sum(be.vdot_real(part) for part in entries.pulls(balanced(factors)))
    return math.sqrt(squares) / observed.norm ** (2.0 - 1.0 / len(factors))


def starting_factors(observed, rank, key, entries=None):
    """Where to start: the best of some starts after a few sweeps each.

    One start has the leading singular vectors of the unfoldings with zeros in place of what is missing, and Gaussian
    columns beyond them and for long modes; the others are Gaussian. The singular vectors alone often lead astray.
    """
    entries = entries or entries_of(observed, rank)
    spectral = _spectral(observed, rank, key.child("spectral"))
    best, least = None, math.inf
    for trial in range(_TRIALS + 1):
        factors = spectral if trial == 0 and spectral is not None else _gaussian(observed, rank, key.child(trial))
        found = fit_observed(
            observed, factors, 1e-12, Watch(_TRIAL_SWEEPS), means=False, settled=_SETTLED, entries=entries
        )
        if found.errors[-1] < least:
            best, least = found.factors, found.errors[-1]
    return best


def _gaussian(observed, rank, key):
    tensor = observed.tensor
    return [
        be.gaussian(key.child(k), slice(0, n), slice(0, rank), be.dtype_name(tensor.dtype), tensor.xp, tensor.device)
        for k, n in enumerate(tensor.shape)
    ]


def _spectral(observed, rank, key):
    """Singular vectors of the unfoldings, modes beyond a length excepted; None where all of them are too long."""
    tensor, factors = observed.tensor, _gaussian(observed, rank, key)
    if all(n > _SPECTRAL_UP_TO for n in tensor.shape):
        return None
    for k, n in enumerate(tensor.shape):
        if n <= _SPECTRAL_UP_TO:
            vectors = be.small_eigh(tensor.unfolding_gram(k))[1][:, max(0, n - rank) :]
            factors[k] = tensor.xp.concat([vectors, factors[k][:, vectors.shape[1] :]], axis=1)
    return factors


def _swept(entries, factors, error):
    factors = balanced(factors)
    for k in range(len(factors)):
        factors[k] = entries.solve_rows(factors, k, error)
    return factors


def _extrapolated(entries, old, new):
    """Factors at the best length of the step from `old` to `new`, which counts as one, and their squared residual.

    The residual of each entry is a polynomial of degree N in the length, known from its values at 0, 1, …, N.
    """
    steps = [b - a for a, b in zip(old, new, strict=True)]

    def at(length):
        return [a + length * d for a, d in zip(old, steps, strict=True)]

    nodes = np.arange(len(old) + 1.0)
    products = entries.products([old, new, *(at(float(node)) for node in nodes[2:])])
    length = best_length(nodes, products)
    if length is not None:
        moved = at(length)
        square = entries.products([moved])[0, 0]
        if square < products[1, 1]:
            return moved, square
    return new, products[1, 1]


def best_length(nodes, products):
    """The length in (1, 50] with the least squared residual, None where it is no less than at 1.

    `products` are those of residuals at the lengths `nodes`; in between they are interpolated.
    """
    basis = _interpolation(tuple(nodes))
    pairs = basis @ products @ basis.T
    square = np.array([np.trace(pairs[::-1], offset) for offset in range(1 - len(nodes), len(nodes))])
    roots = np.roots(np.polyder(square))
    real = roots.real[np.abs(roots.imag) <= 1e-6 * np.abs(roots)]
    candidates = [float(x) for x in real if 1.0 < x <= _FARTHEST]
    best = min(candidates, key=lambda x: np.polyval(square, x), default=None)
    return best if best is not None and np.polyval(square, best) < products[1, 1] else None


@cache
def _interpolation(nodes):
    """Matrix from values at the nodes to the coefficients of the polynomial through them, the highest one first."""
    return np.linalg.inv(np.vander(nodes))


def _with_means(observed, factors):
    """Rows that nothing was observed of replaced by the mean of the other rows."""
    xp = observed.tensor.xp
    factors = balanced(factors)
    for k, lines in enumerate(observed.unseen):
        if not lines:
            continue
        n = factors[k].shape[0]
        seen = np.ones(n)
        seen[lines] = 0.0
        share = xp.astype(be.from_numpy(seen.astype(np.float32), xp, be.device(factors[k])), factors[k].dtype)
        mean = xp.sum(share[:, None] * factors[k], axis=0) / max(1.0, float(seen.sum()))
        factors[k] = xp.where(share[:, None] != 0, factors[k], mean[None, :])
    return factors
