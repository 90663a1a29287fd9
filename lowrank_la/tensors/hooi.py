"""Higher-order orthogonal iteration: one mode after the other, the products with the other factors shared in a tree."""

import math

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .modes import contract, contract_all
from .st_hosvd import Parts
from .subspace import leading

_ROUNDING = 4.0


def best_subspace(Y, k, U):
    """The leading left singular vectors of ``Y_(k)``, as many as `U` has columns."""
    return leading(Y, k, U.shape[1])


def power_step(Y, k, U):
    """One orthogonal iteration from `U` towards `best_subspace`: what the subspace captures does not fall."""
    xp = be.namespace(Y)
    others = tuple(j for j in range(Y.ndim) if j != k)
    Z = contract(Y, k, U)
    Z = xp.conj(Z) if be.is_complex(Z.dtype) else Z
    return orthonormalize(xp.tensordot(Y, Z, axes=(others, others)))[0]


def sweep(X, factors, update, modes=None):
    """Update ``factors[k]``, in place, for all modes that have one; the core in the end.

    The product with one half of the factors serves the whole other half: two passes over `X`.
    """
    modes = [k for k, U in enumerate(factors) if U is not None] if modes is None else modes
    if len(modes) == 1:
        (k,) = modes
        factors[k] = update(X, k, factors[k])
        return contract(X, k, factors[k])
    left, right = halves(modes)
    sweep(contract_all(X, factors, skip=all_but(factors, right)), factors, update, left)
    return sweep(contract_all(X, factors, skip=all_but(factors, left)), factors, update, right)


def halves(modes):
    """The modes in two halves, the first one longer where they differ."""
    middle = (len(modes) + 1) // 2
    return modes[:middle], modes[middle:]


def all_but(factors, modes):
    """The modes that are not in `modes`."""
    return [k for k in range(len(factors)) if k not in modes]


def hooi(X, norm, parts, watch, tol):
    """``(Parts, converged, history)``: sweeps from `parts` until the core's norm changes by less than ``tol · norm``.

    Parameters
    ----------
    X : array
    norm : float
    parts : Parts
        Where to start from.
    watch : Watch
    tol : float
        Changes of a few rounding errors count as none.
    """
    factors, core, history = list(parts.factors), parts.core, []
    size, smallest = be.fro_norm(core), max(tol, _ROUNDING * be.eps(X.dtype)) * norm
    converged = all(U is None for U in factors)
    while not converged and not watch.over:
        core = sweep(X, factors, best_subspace)
        known, size = size, be.fro_norm(core)
        history.append(math.sqrt(max(0.0, norm**2 - size**2)) / norm)
        converged = abs(size - known) <= smallest
        watch.tick(error=history[-1])
    return Parts(core, factors, parts.reads + 2 * len(history), parts.sweeps + len(history)), converged, history
