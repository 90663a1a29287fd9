"""A tensor seen along one mode: fibres in panels, Gram matrix, triangular factor, contraction."""

import math

import numpy as np

from .. import _backend as be

_PANEL = 1 << 20  # entries of a panel that has to be copied or converted
_CONVERTED = 1 << 19  # entries converted at a time for a product
_SHORT = 64  # columns below which fibres of several slices are gathered into one panel
_BLOCKS = 8
_AT_ONCE = 1 << 16  # entries up to which all fibres are factored together


def three_way(X, k):
    """`X` as (modes before k, mode k, modes after k), a view of an array in C order."""
    shape = tuple(X.shape)
    return be.namespace(X).reshape(X, (math.prod(shape[:k]), shape[k], math.prod(shape[k + 1 :])))


def unfolded(X, k):
    """Mode-k fibres as the columns of a matrix (n_k, rest), a copy unless `k` is the first mode."""
    xp = be.namespace(X)
    return xp.reshape(xp.moveaxis(X, k, 0), (X.shape[k], -1))


def over(fn, blocks, X):
    """``[fn(block) for block in blocks]``, on threads where `X` is on the host."""
    return be.map_blocks(fn, blocks) if be.kind(be.namespace(X)) == "numpy" else [fn(block) for block in blocks]


def contract(X, k, U):
    """``X ×_k Uᴴ`` for `U` (n_k, r)."""
    xp, shape, rank = be.namespace(X), tuple(X.shape), U.shape[1]
    U = xp.astype(U, X.dtype, copy=False)
    Y = be.contract_mode(three_way(X, k), be.mH(U), xp)
    return xp.reshape(Y, (*shape[:k], rank, *shape[k + 1 :]))


def expand(X, k, U):
    """``X ×_k U`` for `U` (n_k, r)."""
    return contract(X, k, be.mH(U))


def contract_all(X, factors, skip=()):
    """``X ×_k factors[k]ᴴ`` over all modes with a factor that are not in `skip`, those that shrink `X` most first."""
    for k in in_order(factors, skip):
        X = contract(X, k, factors[k])
    return X


def contract_side(X, factors, modes):
    """``X ×_k factors[k]ᴴ`` over the given modes; the first or the last two of an array on the host in one read."""
    return contract_and_measure(X, factors, modes, measure=False)[0]


def contract_and_measure(X, factors, modes, *, measure=True):
    """``(X ×_k factors[k]ᴴ, ‖X‖²)``, the norm from the same read where it can be; None unless `measure`."""
    modes, shape = sorted(modes), tuple(X.shape)
    last = [k for k in modes if k >= X.ndim - 2 and k > 0]
    if X.ndim - 1 not in last or not isinstance(X, np.ndarray):
        return _contract_from(X, factors, modes), be.vdot_real(X) if measure else None
    columns = [be.mH(factors[k].astype(X.dtype, copy=False)) for k in last]
    Y, square = be.contract_last_modes(X.reshape(-1, *shape[-len(last) :]), columns, measure=measure)
    Y, rest = Y.reshape(*shape[: -len(last)], *Y.shape[1:]), [k for k in modes if k not in last]
    return contract_all(Y, factors, skip=[k for k in range(X.ndim) if k not in rest]), square


def _contract_from(X, factors, modes):
    """``X ×_k factors[k]ᴴ`` over the given modes, in ascending order and without the last one of `X`."""
    k, shape = modes[0], tuple(X.shape)
    if isinstance(X, np.ndarray) and modes[1:2] == [k + 1] and k + 2 < X.ndim:
        columns = [be.mH(factors[j].astype(X.dtype, copy=False)) for j in (k, k + 1)]
        Y = be.contract_first_modes(X.reshape(math.prod(shape[:k]), *shape[k : k + 2], -1), columns)
        X, modes = Y.reshape(*shape[:k], *Y.shape[1:3], *shape[k + 2 :]), modes[2:]
    return contract_all(X, factors, skip=[k for k in range(X.ndim) if k not in modes])


def in_order(factors, skip=()):
    """Modes with a factor that are not in `skip`: those that shrink most first, the outermost of equals."""
    shrinking = {k: U.shape[1] / U.shape[0] for k, U in enumerate(factors) if U is not None and k not in skip}
    return sorted(shrinking, key=lambda k: (shrinking[k], min(len(factors) - 1 - k, k)))


def expand_all(core, factors):
    """``core ×_k factors[k]`` over all modes with a factor, those that grow it least first."""
    growth = {k: U.shape[0] / U.shape[1] for k, U in enumerate(factors) if U is not None}
    for k in sorted(growth, key=growth.get):
        core = expand(core, k, factors[k])
    return core


def contract_in_single(X, k, U):
    """``X ×_k Uᴴ`` in single precision: a slab of `X` at a time is converted."""
    xp, shape, rank = be.namespace(X), tuple(X.shape), U.shape[1]
    single = be.single_dtype(xp, X.dtype)
    U, cube = xp.astype(U, single, copy=False), three_way(X, k)
    left, _, right = cube.shape
    axis = 2 if left == 1 else 0
    slabs = be.fixed_partition(cube.shape[axis], max(1, _CONVERTED // (math.prod(cube.shape) // cube.shape[axis])))

    M, conjugate = be.mH(U), xp.conj(U) if be.is_complex(single) else U

    def product(part):
        if right == 1:
            return (xp.astype(cube[part, :, 0], single, copy=False) @ conjugate)[:, :, None]
        return M @ xp.astype(cube[:, :, part] if axis == 2 else cube[part, :, :], single, copy=False)

    if be.kind(xp) != "numpy":
        return xp.reshape(xp.concat([product(part) for part in slabs], axis=axis), (*shape[:k], rank, *shape[k + 1 :]))
    out = xp.empty((left, rank, right), dtype=single)

    def fill(part):
        out[(slice(None),) * axis + (part,)] = product(part)

    be.map_blocks(fill, slabs)
    return xp.reshape(out, (*shape[:k], rank, *shape[k + 1 :]))


def gram(X, k, dtype=None):
    """``X_(k) X_(k)ᴴ``, panels of fibres multiplied in `dtype` (that of `X` by default) and added up in it."""
    xp, dtype = be.namespace(X), X.dtype if dtype is None else dtype

    def block(ready):
        total = None
        for panel in ready:
            M = xp.astype(panel(), dtype, copy=False)
            product = be.mH(M) @ M
            total = product if total is None else total + product
        return total

    parts = over(block, _dealt(fibre_panels(X, k, same=dtype == X.dtype)), X)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    total = (total + be.mH(total)) / 2
    return xp.conj(total) if be.is_complex(total.dtype) else total


def triangle(X, k):
    """``R`` (q, n_k) with ``X_(k) = Rᵀ Qᵀ`` and orthonormal `Q`, q ≤ n_k: panels are factored one after the other."""
    xp = be.namespace(X)
    if math.prod(X.shape) <= _AT_ONCE:
        return be.householder_triangle(unfolded(X, k).mT)

    def block(ready):
        R = None
        for panel in ready:
            stacked = panel() if R is None else xp.concat([R, panel()], axis=0)
            R = be.householder_triangle(stacked)
        return R

    parts = over(block, _dealt(fibre_panels(X, k, least=4 * X.shape[k])), X)
    return parts[0] if len(parts) == 1 else be.householder_triangle(xp.concat(parts, axis=0))


def _dealt(panels):
    """The list in at most eight runs of neighbours."""
    return [panels[part] for part in be.fixed_partition(len(panels), -(-len(panels) // _BLOCKS))]


def fibre_panels(X, k, *, same=False, least=0):
    """Functions that return the mode-k fibres, as rows of matrices (p, n_k); views where the memory allows.

    Panels have `least` rows at least where there are as many, more where nothing has to be copied (`same`).
    """
    cube = three_way(X, k)
    left, n, right = cube.shape
    rows = max(least, (4 * _PANEL if same else _PANEL) // n, 1)
    if right == 1:
        return [lambda part=part: cube[part, :, 0] for part in _even(left, rows)]
    if right >= _SHORT:
        return [
            lambda i=i, part=part: cube[i, :, part].mT for i in range(left) for part in _even(right, max(rows, _SHORT))
        ]
    xp = be.namespace(cube)
    return [
        lambda part=part: xp.reshape(xp.permute_dims(cube[part, :, :], (0, 2, 1)), (-1, n))
        for part in _even(left, max(1, rows // right))
    ]


def _even(count, rows):
    """Slices of at most `rows` each, equally long; an even number of them where there are several."""
    parts = -(-count // rows)
    parts = min(count, max(parts, _BLOCKS)) if count > 8 * _SHORT else parts
    return be.fixed_partition(count, -(-count // parts))


def left_out(X, core, factors):
    """``‖X - core ×_k factors[k]‖_F`` as a float, by forming the model in slabs, in the widest precision there is."""
    xp = be.namespace(X)
    wide = be.widest_like(xp, X.dtype, be.device(X))
    core = xp.astype(core, wide, copy=False)
    factors = [None if U is None else xp.astype(U, wide, copy=False) for U in factors]
    axis = max(range(X.ndim), key=lambda k: X.shape[k])
    row = max(1, math.prod(X.shape) // X.shape[axis])

    def missed(part):
        index = tuple(part if k == axis else slice(None) for k in range(X.ndim))
        given = xp.astype(X[index], wide, copy=False)
        model = core if factors[axis] is not None else core[index]
        rows = [None if U is None else U[part, :] if k == axis else U for k, U in enumerate(factors)]
        return be.fro_norm(xp.reshape(given - expand_all(model, rows), (-1,)))

    slabs = be.fixed_partition(X.shape[axis], max(1, _PANEL // row))
    return math.hypot(*over(missed, slabs, X))
