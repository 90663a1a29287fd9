"""Inner products of the residuals of several models of a matrix, none of which is ever formed as a whole.

Residuals are formed in the precision of the entries, their products in double precision.
"""

import numpy as np

from ._jit import jit
from .losses import form_model

_COLUMNS = 256


@jit
def residual_products(X, weights, left, right, out, rows, columns):
    """Add ``Σ w (x - m_s) (x - m_t)`` over some entries to ``out[s, t]`` for all t ≤ s.

    Parameters
    ----------
    X, weights : arrays (m, n)
        In C order, real.
    left, right : arrays (models, m, R) and (models, R, n)
        In C order; the models are ``left[s] @ right[s]``.
    out : array (models, models) of double precision
    rows, columns : pairs of ints
        The entries in question, from and to.
    """
    models, rank = left.shape[0], left.shape[2]
    for first in range(columns[0], columns[1], _COLUMNS):
        width = min(_COLUMNS, columns[1] - first)
        panels = np.empty((models, rank, width), X.dtype)
        model, gaps, heavy = np.empty(width, X.dtype), np.empty((models, width)), np.empty(width)
        panels[:] = right[:, :, first : first + width]
        for i in range(rows[0], rows[1]):
            x, w = X[i][first : first + width], weights[i][first : first + width]
            for s in range(models):
                form_model(left[s][i], panels[s], model)
                _subtract(x, model, gaps[s])
            for s in range(models):
                _multiply(w, gaps[s], heavy)
                for t in range(s + 1):
                    out[s, t] += _dot(heavy, gaps[t])


@jit
def _subtract(x, model, gap):
    for j in range(gap.size):
        gap[j] = x[j] - model[j]


@jit
def _multiply(w, gap, out):
    for j in range(gap.size):
        out[j] = w[j] * gap[j]


@jit(reorder=True)
def _dot(x, y):
    total = 0.0
    for j in range(x.size):
        total += x[j] * y[j]
    return total
