"""Core consistency: whether the terms of a CP decomposition interact as a trilinear model says."""

import math
import warnings
from itertools import product

from .. import _backend as be
from ..exceptions import RankWarning
from .modes import contract_all
from .norms import safely_scaled
from .pairs import kruskal_pair
from .tensor import as_tensor

_COLUMNS = 1 << 20  # numbers of a factor with repeated columns held at once


@be.supports(operators=False)
def core_consistency(X, result, *, check_finite=True):
    r"""Core consistency of a CP decomposition, in percent.

    Parameters
    ----------
    X : array or sparse array, shape (n_1, …, n_N)
        The decomposed tensor.
    result : CPResult or pair (weights, factors)
        With factors of shapes (n_k, R).
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    float
        ``100 (1 - ‖G - I‖² / R)``, G being the core that fits `X` best in the bases of the factors and I the
        superdiagonal core of ones that the decomposition presumes. Near 100 the terms are what the data show; far
        below, negative values too, they make up for each other. NaN, with a `RankWarning`, where a mode is shorter
        than R or the columns of a factor are linearly dependent: the best core is then not unique.

    Raises
    ------
    ValueError
        If the factors are not those of a tensor of the shape of `X`, or numbers are not finite.
    TypeError
        If `X` is no tensor, or `result` holds arrays of another library, complex weights, or complex factors of a real
        `X`.

    Notes
    -----
    The weights are spread evenly over the factors and ``G = X ×_1 A_1⁺ … ×_N A_N⁺`` [1]_, mode by mode for an array;
    for a sparse tensor by products over its entries, of cost ``nnz R^N``. Nothing of the size of `X` is formed.

    References
    ----------
    .. [1] bro_kiers_2003

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> generator = np.random.default_rng(0)
    >>> factors = [generator.random((n, 2)) for n in (6, 5, 4)]
    >>> X = np.einsum("ir,jr,kr->ijk", *factors)
    >>> bool(abs(lr.core_consistency(X, (np.ones(2), factors)) - 100) < 1e-9)
    True
    """
    found = consistency(X, result, check_finite=check_finite)
    if math.isnan(found):
        shapes = [tuple(factor.shape) for factor in kruskal_pair("result", result)[1]]
        warnings.warn(
            f"core_consistency: a factor of shapes {shapes} has linearly dependent columns, so that the best core is "
            "not unique; NaN is returned",
            RankWarning,
            stacklevel=2,
        )
    return found


def consistency(X, result, *, check_finite=True):
    """`core_consistency`, NaN without a warning."""
    tensor = as_tensor(X, check_finite=check_finite)
    weights, factors = kruskal_pair("result", result)
    shape = tuple(int(factor.shape[0]) for factor in factors)
    if shape != tensor.shape:
        raise ValueError(f"result must hold factors of a tensor of shape {tensor.shape}, got those of shape {shape}")
    xp, rank = tensor.xp, factors[0].shape[1]
    if be.namespace(weights) is not xp:
        raise TypeError("result must hold arrays of the library of X; convert one of them")
    if not be.is_complex(tensor.dtype) and any(be.is_complex(factor.dtype) for factor in factors):
        raise TypeError("result holds complex factors of a real X: pass a complex X, or factors that are real")
    tensor, scale = safely_scaled(tensor)
    weights = weights / scale
    spread = xp.abs(weights) ** (1.0 / len(factors))
    sign = xp.where(weights < 0, -xp.ones_like(weights), xp.ones_like(weights))
    factors = [factor * xp.astype(spread * (sign if k == 0 else 1), factor.dtype) for k, factor in enumerate(factors)]
    with be.single_blas():
        inverses = [_pseudo_inverse(xp.astype(factor, tensor.dtype)) for factor in factors]
        if any(inverse is None for inverse in inverses):
            return math.nan
        adjoints = [be.mH(inverse) for inverse in inverses]
        core = _sparse_core(tensor, inverses) if tensor.is_sparse else contract_all(tensor.array, adjoints)
        flat = xp.reshape(core, (-1,))
        diagonal = flat[:: sum(rank**k for k in range(len(factors)))]
        off = be.fro_norm(flat) ** 2 - be.fro_norm(diagonal) ** 2
        return 100.0 * (1.0 - (max(off, 0.0) + be.fro_norm(diagonal - 1.0) ** 2) / rank)


def _pseudo_inverse(factor):
    """``A⁺``, None where the columns of A are dependent to working precision."""
    if factor.shape[0] < factor.shape[1]:
        return None
    xp = be.namespace(factor)
    U, s, Vh = be.small_svd(factor)
    values = be.to_numpy(s)
    if not values[-1] > 4 * max(factor.shape) * be.eps(factor.dtype) * values[0]:
        return None
    return be.matmul(be.mH(Vh) / xp.astype(s, factor.dtype)[None, :], be.mH(U))


def _sparse_core(tensor, inverses):
    """The core by products over the entries with all combinations of columns of the modes but the first."""
    xp, rank = tensor.xp, inverses[0].shape[0]
    columns = [be.mH(inverse) for inverse in inverses]
    combinations = list(product(range(rank), repeat=len(inverses) - 1))
    longest = max(tensor.shape)
    parts = []
    for part in be.fixed_partition(len(combinations), max(1, _COLUMNS // longest)):
        chosen = list(zip(*combinations[part], strict=True))
        width = part.stop - part.start
        wide = [xp.zeros((tensor.shape[0], width), dtype=tensor.dtype, device=tensor.device)]
        for column, numbers in zip(columns[1:], chosen, strict=True):
            wide.append(xp.take(column, be.index_array(numbers, rank, xp, tensor.device), axis=1))
        parts.append(be.matmul(inverses[0], tensor.mttkrp(wide, 0)))
    return xp.reshape(xp.concat(parts, axis=1), (rank,) * len(inverses))
