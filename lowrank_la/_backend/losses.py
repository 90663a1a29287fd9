"""Sums over all entries of a matrix for models of it that are never formed: losses, slopes, products of residuals."""

import math

import numpy as np

from .. import _kernels
from .namespace import kind
from .sparse import writable_view
from .threads import fixed_partition, map_blocks

# The losses; the kernel is told of one by a tuple as long as its place here, from one.
_NAMES = (
    "gaussian", "huber", "poisson", "poisson_log", "bernoulli", "bernoulli_logit", "gamma", "rayleigh",
    "negative_binomial", "beta",
)  # fmt: skip
_KERNEL_FROM = 1 << 15  # entries: fewer are done before Numba is imported
_LEAST, _MOST = 1 << 15, 1 << 19  # entries of a thread's task
_PANEL = 256  # columns that a kernel goes through at a time
_WORTH = 16  # entries of a task for each number that it adds up apart, where that is not more than the most


def losses_compiled(count, dtype, xp):
    """Whether `loss_gradients` is for so many entries: a question of library, dtype and sizes alone."""
    return kind(xp) == "numpy" and np.dtype(dtype).kind == "f" and count >= _KERNEL_FROM


def loss_gradients(name, parameter, X, weights, left, right):
    """Sum of the losses of the entries of ``X`` under the model ``left @ right.T``, and its gradients.

    Parameters
    ----------
    name : str
        The loss.
    parameter : float
        Its parameter; of no meaning to losses that have none.
    X : array, shape (m, n)
        In C order, on the host.
    weights : array, shape (m, n), or None
        Factors of the losses.
    left, right : arrays, shapes (m, R) and (n, R)

    Returns
    -------
    value : float
    of_left, of_right : arrays of the shapes of `left` and `right`
    """
    (m, n), rank, chosen = X.shape, left.shape[1], (0,) * (_NAMES.index(name) + 1)
    kernel = _kernels.lookup("loss_sums", "numpy")
    X, left = writable_view(X), writable_view(np.ascontiguousarray(left))
    heavy = np.zeros((0, 0), X.dtype) if weights is None else writable_view(weights)
    turned = writable_view(np.ascontiguousarray(right.T))
    by_rows, parts = _parts(m, n, rank)
    of_long = np.zeros((m, rank) if by_rows else (rank, n), X.dtype)

    def run(part):
        of_short = np.zeros((rank, n) if by_rows else (m, rank), X.dtype)
        bounds = (part.start, part.stop)
        if by_rows:
            value = kernel(chosen, parameter, X, heavy, left, turned, of_long[part], of_short, bounds, (0, n))
        else:
            own = np.zeros((rank, part.stop - part.start), X.dtype)
            value = kernel(chosen, parameter, X, heavy, left, turned, of_short, own, (0, m), bounds)
            of_long[:, part] = own
        return value, of_short

    found = map_blocks(run, parts)
    of_short = sum((part for _, part in found[1:]), start=found[0][1])
    of_left, of_right = (of_long, of_short.T) if by_rows else (of_short, of_long.T)
    return math.fsum(value for value, _ in found), of_left, of_right


def residual_products(X, weights, left, right):
    """``Σ w (x - m_s) (x - m_t)`` over all entries of `X`, for some models of it: a host matrix in double precision.

    Parameters
    ----------
    X, weights : arrays, shape (m, n)
        In C order, on the host, real.
    left, right : lists of arrays, shapes (m, R) and (n, R)
        The models are ``left[s] @ right[s].T``.
    """
    (m, n), models, kernel = X.shape, len(left), _kernels.lookup("residual_products", "numpy")
    by_rows, parts = _parts(m, n, left[0].shape[1])
    arrays = (writable_view(X), writable_view(weights), np.stack(left), np.stack([part.T for part in right]))

    def run(part):
        out, bounds = np.zeros((models, models)), (part.start, part.stop)
        kernel(*arrays, out, *((bounds, (0, n)) if by_rows else ((0, m), bounds)))
        return out

    total = sum(map_blocks(run, parts))
    return np.tril(total) + np.tril(total, -1).T


def _parts(m, n, rank):
    """Whether rows are dealt out to tasks, else columns, and which of them to each: a question of shapes alone."""
    short, long = min(m, n), max(m, n)
    step = max(1, max(_LEAST, min(_MOST, _WORTH * short * rank)) // short)
    if m < n:
        step = max(_PANEL, step // _PANEL * _PANEL)
    return m >= n, fixed_partition(long, step)
