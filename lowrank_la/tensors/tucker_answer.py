"""The result of a Tucker decomposition, and how it is made from what the methods return."""

import math
from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..results import Info, Result
from .modes import expand_all, left_out
from .tucker_gauge import canonical

_SUBTRACTED = 1e4


@dataclass(frozen=True, eq=False, repr=False)
class TuckerResult(Result):
    """``X ≈ core ×_k factors[i]``, k the i-th entry of `modes`.

    Attributes
    ----------
    core : array, shape (r_1, …, r_N)
        Slices of a mode are orthogonal to each other and of descending norm.
    factors : tuple of arrays, shapes (n_k, r_k)
        Orthonormal columns; the largest entry of each is positive (complex: real and positive).
    modes : tuple of int
        Modes that the factors belong to: all of them, unless some were left alone.
    info : Info
    """

    core: Any
    factors: tuple
    info: Info
    modes: tuple = ()

    _unpack = ("core", "factors")

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "modes", tuple(self.modes) or tuple(range(len(self.factors))))

    @property
    def ranks(self):
        """Shape of the core."""
        return tuple(int(r) for r in self.core.shape)

    @property
    def shape(self):
        """Shape of the tensor that is approximated."""
        sides = list(self.ranks)
        for k, U in zip(self.modes, self.factors, strict=True):
            sides[k] = int(U.shape[0])
        return tuple(sides)

    def full(self):
        """The dense tensor, in the dtype of the factors."""
        xp = be.namespace(self.core)
        given = self.factors[0].dtype
        core = xp.astype(self.core, be.compute_dtype(xp, self.core.dtype, be.device(self.core)), copy=False)
        factors = [None] * core.ndim
        for k, U in zip(self.modes, self.factors, strict=True):
            factors[k] = xp.astype(U, core.dtype, copy=False)
        return xp.astype(expand_all(core, factors), given, copy=False)


def assembled(X, parts, modes, scale, given_dtype, tol, info):
    """`TuckerResult` of `Parts` in its canonical form, with its true error.

    Parameters
    ----------
    X : object
        With `norm`, ``left_out(core, factors)``, the norm of the residual, and `fine`, whether that is exact or a
        bound; in the scale that `parts` are in.
    parts : Parts
    modes : tuple of int
    scale : float
        What the core is multiplied by in the end.
    given_dtype : dtype
        Half precision comes back in the factors.
    tol : float or None
        What was asked of the error.
    info : dict
        Entries of `Info`: method, converged, reason, iterations, rng, details.
    """
    xp = be.namespace(parts.core)
    factors = list(parts.factors)
    for k in modes:
        if factors[k] is None:
            n = parts.core.shape[k]
            factors[k] = xp.eye(n, dtype=parts.core.dtype, device=be.device(parts.core))
    core, factors = canonical(parts.core, factors)
    error, further = _error(X, core, factors)
    if tol is not None and info["converged"] and error > tol * (1 + 4 * be.eps(core.dtype)):
        info |= {"converged": False, "reason": info.pop("short")}
    info.pop("short", None)
    factors = tuple(factors[k] for k in modes)
    if be.is_half(given_dtype):
        factors = tuple(xp.astype(U, given_dtype) for U in factors)
    details = info.pop("details", {}) | {"ranks": [int(r) for r in core.shape]}
    kind = "exact" if X.fine or not further else "bound"
    info = Info(error=error, error_kind=kind, passes=parts.reads + further, details=details, **info)
    return TuckerResult(core if scale == 1.0 else core * scale, factors, info, tuple(modes))


def _error(X, core, factors):
    """Relative error, and further reads: by the norms of tensor and core, or where these cancel from the residual."""
    if X.norm == 0.0:
        return 0.0, 0
    size = be.fro_norm(be.namespace(core).reshape(core, (-1,)))
    square = 1.0 - (size / X.norm) ** 2
    if square > _SUBTRACTED * be.eps(core.dtype):
        return math.sqrt(square), 0
    return X.left_out(core, factors) / X.norm, 1


@dataclass(frozen=True)
class Given:
    """A dense tensor at a safe scale, and its norm."""

    array: Any
    norm: float
    fine = True

    def left_out(self, core, factors):
        """Norm of the residual."""
        return left_out(self.array, core, factors)
