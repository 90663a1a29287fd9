"""Least squares for all lines of one side by array-API operations: the twins of the compiled row solvers."""

import numpy as np

from .. import _backend as be

BUCKETS = 4
"""Buckets of a sketch in units of the unknowns."""
SKETCH_SEED = 0x5EEDC0DE
_NUMBERS = 1 << 22  # numbers of Gram matrices or sketches held at once


def solve_together(lines, B, X, relax, effort):
    """All lines in one iteration of array-API operations."""
    xp, problem = lines.problem.xp, lines.problem
    system = _System(lines, B)
    r = system.residual(X)
    h = system.back(r)
    before = be.vdot_real(r if problem.weights is None else r * xp.sqrt(problem.weights)) if r.shape[0] else 0.0
    rhs = h - system.penalty(X)
    if lines.solver == "cholesky":
        step, left = _by_cholesky(system, rhs, lines.damping)
    elif lines.solver == "cg":
        step, left = _by_cg(system, rhs, effort, _jacobi(system))
    elif lines.solver == "nonneg":
        step, left = _by_descent(system, X, rhs, effort)
    else:
        step, left = _by_cg(system, rhs, effort, _of_sketch(system, rhs.shape[1], lines.damping))
    along = _inner(xp, step, h)
    curved = _inner(xp, step, rhs - left - system.penalty(step))
    return X + relax * step, before, max(before - relax * (2.0 * along - relax * curved), 0.0)


def _inner(xp, a, b):
    products = xp.conj(a) * b if be.is_complex(a.dtype) else a * b
    return float(xp.sum(xp.real(products) if be.is_complex(a.dtype) else products))


class _System:
    """The normal equations of all lines of one side."""

    def __init__(self, lines, B):
        self.lines, self.B, self.problem = lines, B, lines.problem
        self.xp = lines.problem.xp
        ridge = lines.ridge
        self.ridge = ridge if isinstance(ridge, float) else ridge[:, None]

    def penalty(self, X):
        """``λ X``."""
        return self.ridge * X

    def residual(self, X):
        """Values less the entries, in the order by rows."""
        observed, B = self.problem.observed, self.B
        return observed.residual(B, X) if self.lines.mirrored else observed.residual(X, B)

    def image(self, X):
        """The entries of the lines `X`, in the order by rows."""
        observed, B = self.problem.observed, self.B
        return observed.dots(B, X) if self.lines.mirrored else observed.dots(X, B)

    def back(self, z):
        """The adjoint of `image`, weighted."""
        observed, weights = self.problem.observed, self.problem.weights
        z = z if weights is None else z * weights
        return observed.adjoint_times(z, self.B) if self.lines.mirrored else observed.times(z, self.B)

    def diagonal(self):
        """Diagonals of the Gram matrices, shape of `X`."""
        squares = self.xp.astype(self.xp.abs(self.B) ** 2, self.B.dtype)
        weights, observed = self.problem.weights, self.problem.observed
        ones = self.xp.ones_like(observed.values) if weights is None else self.xp.astype(weights, observed.dtype)
        total = observed.adjoint_times(ones, squares) if self.lines.mirrored else observed.times(ones, squares)
        return total + self.ridge


def _jacobi(system):
    """The inverse diagonals as a function of right-hand sides."""
    xp, diagonal = system.xp, system.diagonal()
    nonzero = xp.abs(diagonal) > 0
    scale = xp.where(nonzero, 1.0 / xp.where(nonzero, diagonal, xp.ones_like(diagonal)), xp.zeros_like(diagonal))
    return lambda r: scale * r


def _of_sketch(system, k, damping):
    """The inverse Gram matrices of sketches as a function of right-hand sides."""
    xp, stacks = system.xp, []
    for lines, rows, positions in _gathered(system, k * BUCKETS):
        signs = be.from_numpy(_signs(positions.max(initial=0) + 1)[positions], xp, be.device(rows))
        size = lines.stop - lines.start
        bucket = be.index_array(positions % (BUCKETS * k), BUCKETS * k, xp, be.device(rows))
        local = be.line_numbers(_pointers(system, lines), xp)
        cells = xp.astype(local, bucket.dtype) * (BUCKETS * k) + bucket
        folded = be.segment_sum(xp.astype(signs, rows.dtype)[:, None] * rows, cells, size * BUCKETS * k, xp)
        folded = xp.reshape(folded, (size, BUCKETS * k, k))
        conjugate = xp.conj(folded) if be.is_complex(folded.dtype) else folded
        stacks.append(xp.linalg.inv(_penalised(system, conjugate.mT @ folded, lines, damping)))
    inverse = xp.concat(stacks, axis=0)
    return lambda r: (r[:, None, :] @ inverse)[:, 0, :]


def _signs(count):
    """±1 by the last bit of mixed counters: those of the compiled kernel."""
    z = (np.arange(count, dtype=np.uint64) + np.uint64(SKETCH_SEED)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.where(z >> np.uint64(63) == 0, 1.0, -1.0).astype(np.float32)


def _by_cg(system, rhs, effort, precondition):
    """Conjugate gradients for all lines at once; a line that is done stands still."""
    xp = system.xp
    real = xp.real if be.is_complex(rhs.dtype) else (lambda x: x)
    conj = xp.conj if be.is_complex(rhs.dtype) else (lambda x: x)
    d, r = xp.zeros_like(rhs), rhs
    p = precondition(r)
    rho = xp.sum(real(conj(r) * p), axis=1, keepdims=True)
    limit = effort.tol**2 * rho
    for _ in range(effort.steps):
        active = rho > limit
        if not bool(xp.any(active)):
            break
        z = system.back(system.image(p)) + system.penalty(p)
        curved = xp.sum(real(conj(p) * z), axis=1, keepdims=True)
        active = active & (curved > 0)
        zero = xp.zeros_like(rho)
        alpha = xp.astype(xp.where(active, rho / xp.where(active, curved, xp.ones_like(curved)), zero), rhs.dtype)
        d, r = d + alpha * p, r - alpha * z
        preconditioned = precondition(r)
        fresh = xp.sum(real(conj(r) * preconditioned), axis=1, keepdims=True)
        beta = xp.astype(xp.where(active, fresh / xp.where(active, rho, xp.ones_like(rho)), zero), rhs.dtype)
        rho = xp.where(active, fresh, zero)
        p = preconditioned + beta * p
    return d, r


def _by_cholesky(system, rhs, damping):
    """Gram matrices of a range of lines at a time, each solved with."""
    xp, steps, left = system.xp, [], []
    for lines, gram in _grams(system):
        here = rhs[lines, :]
        step = xp.linalg.solve(_penalised(system, gram, lines, damping).mT, here[:, :, None])[:, :, 0]
        steps.append(step)
        own = system.ridge if isinstance(system.ridge, float) else system.ridge[lines, :]
        left.append(here - (step[:, None, :] @ gram)[:, 0, :] - own * step)
    return xp.concat(steps, axis=0), xp.concat(left, axis=0)


def _by_descent(system, X, rhs, effort):
    """Coordinate descent on a range of lines at a time, a coordinate of all of them at once; nothing turns negative."""
    xp, steps, left = system.xp, [], []
    for lines, gram in _grams(system):
        own = system.ridge if isinstance(system.ridge, float) else system.ridge[lines, :]
        start, r = X[lines, :], xp.asarray(rhs[lines, :], copy=True)
        x, diagonal = xp.asarray(start, copy=True), xp.linalg.diagonal(gram) + own
        active = xp.ones((x.shape[0],), dtype=xp.bool, device=be.device(x))
        for _ in range(effort.steps):
            moved, size = xp.zeros_like(diagonal[:, 0]), xp.zeros_like(diagonal[:, 0])
            for l in range(x.shape[1]):
                pivot = diagonal[:, l]
                free = active & (pivot > 0.0)
                wanted = x[:, l] + r[:, l] / xp.where(free, pivot, xp.ones_like(pivot))
                fresh = xp.where(free, xp.where(wanted > 0.0, wanted, xp.zeros_like(wanted)), x[:, l])
                step = fresh - x[:, l]
                r = r - step[:, None] * gram[:, l, :]
                r[:, l] = r[:, l] - (own if isinstance(own, float) else own[:, 0]) * step
                x[:, l] = fresh
                moved, size = xp.maximum(moved, pivot * step**2), xp.maximum(size, pivot * fresh**2)
            active = active & (moved > effort.tol**2 * size)
            if not bool(xp.any(active)):
                break
        steps.append(x - start)
        left.append(r)
    return xp.concat(steps, axis=0), xp.concat(left, axis=0)


def _grams(system):
    """``(lines, Gram matrices)`` for ranges of lines."""
    xp, k = system.xp, system.B.shape[1]
    for lines, rows, _ in _gathered(system, k):
        conjugate = xp.conj(rows) if be.is_complex(rows.dtype) else rows
        outer = xp.reshape(conjugate[:, :, None] * rows[:, None, :], (-1, k * k))
        local, size = be.line_numbers(_pointers(system, lines), xp), lines.stop - lines.start
        yield lines, xp.reshape(be.segment_sum(outer, local, size, xp), (size, k, k))


def _penalised(system, gram, lines, damping):
    """Gram matrices with λ and a multiple of their mean diagonal added."""
    xp, k = system.xp, gram.shape[-1]
    eye = xp.eye(k, dtype=gram.dtype, device=be.device(gram))
    trace = xp.sum(xp.abs(xp.linalg.diagonal(gram)), axis=1)[:, None, None]
    own = system.ridge if isinstance(system.ridge, float) else system.ridge[lines, :][:, :, None]
    penalty = own + (damping / k) * trace
    penalty = xp.where(penalty > 0, penalty, xp.ones_like(penalty))
    return gram + xp.astype(penalty, gram.dtype) * eye[None, :, :]


def _pointers(system, lines):
    pointers = system.lines.side.pointers[lines.start : lines.stop + 1]
    return pointers - pointers[0]


def _gathered(system, width):
    """``(lines, rows, positions)`` for ranges of lines.

    The rows of the other factor are weighted; positions say where in its line each entry stands.
    """
    xp, side, weights = system.xp, system.lines.side, system.problem.weights
    pointers = be.to_numpy(side.pointers)
    for low, high in _ranges(pointers, width * system.B.shape[1]):
        entries = slice(int(pointers[low]), int(pointers[high]))
        rows = xp.take(system.B, side.indices[entries], axis=0)
        if weights is not None:
            chosen = weights[entries] if side.order is None else xp.take(weights, side.order[entries])
            rows = rows * xp.astype(xp.sqrt(chosen), rows.dtype)[:, None]
        counts = np.diff(pointers[low : high + 1])
        positions = np.arange(entries.stop - entries.start) - np.repeat(pointers[low:high] - pointers[low], counts)
        yield slice(low, high), rows, positions


def _ranges(pointers, numbers):
    """Ranges of lines with so few entries and lines that `numbers` for each of them stay within the limit."""
    low, size, most = 0, pointers.shape[0] - 1, max(1, _NUMBERS // numbers)
    while low < size:
        high = int(np.searchsorted(pointers, pointers[low] + most, side="right")) - 1
        high = min(max(high, low + 1), low + most, size)
        yield low, high
        low = high
