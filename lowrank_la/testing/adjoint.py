"""The dot test of adjoints."""

import numpy as np

from .. import _backend as be
from ..operators import as_operator
from .matrices import generator_of


def dot_test(op, rng=0, *, columns=3, factor=200.0):
    """Check that ``rmatmat`` of an operator is the adjoint of its ``matmat``.

    Parameters
    ----------
    op : LinearOperator, or what `as_operator` takes
        Of any namespace, dtype and device.
    rng : int or numpy.random.Generator, default 0
    columns : int, default 3
        Number of random vectors on each side.
    factor : float, default 200
        Discrepancy allowed, in units of roundoff.

    Returns
    -------
    float
        Largest ``|⟨A x, y⟩ - ⟨x, Aᴴ y⟩|`` relative to ``‖A x‖ ‖y‖ + ‖x‖ ‖Aᴴ y‖``.

    Raises
    ------
    AssertionError
        If a product has the wrong shape or dtype or is not finite, or the discrepancy is larger than ``factor * eps``.
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """
    op = op if hasattr(op, "rmatmat") and hasattr(op, "xp") else as_operator(op)
    columns, factor = be.check_count("columns", columns), be.check_positive("factor", factor)
    generator, (m, n) = generator_of(rng), op.shape
    is_complex = be.is_complex(op.dtype)

    def draw(size):
        values = generator.standard_normal((size, columns))
        values = values + 1j * generator.standard_normal((size, columns)) if is_complex else values
        return be.from_numpy(values, op.xp, op.device, op.dtype)

    X, Y = draw(n), draw(m)
    AX, AhY = op.matmat(X), op.rmatmat(Y)
    for name, product, rows in (("matmat", AX, m), ("rmatmat", AhY, n)):
        _require(
            tuple(product.shape) == (rows, columns),
            f"{name} returned shape {tuple(product.shape)} instead of {(rows, columns)}",
        )
        _require(product.dtype == op.dtype, f"{name} returned dtype {product.dtype} instead of {op.dtype}")
    X, Y, AX, AhY = (be.to_numpy(block).astype(np.complex128) for block in (X, Y, AX, AhY))
    for name, product in (("matmat", AX), ("rmatmat", AhY)):
        _require(bool(np.isfinite(product).all()), f"{name} returned values that are not finite")
    unit = max(np.abs(product).max(initial=0.0) for product in (AX, AhY)) or 1.0
    AX, AhY = AX / unit, AhY / unit  # products of any scale have norms that neither overflow nor vanish
    gap = np.abs(Y.conj().T @ AX - AhY.conj().T @ X)
    x, y, ax, ahy = (np.linalg.norm(block, axis=0) for block in (X, Y, AX, AhY))
    scale = y[:, None] * ax + ahy[:, None] * x
    worst = float(np.max(np.divide(gap, scale, out=np.zeros_like(gap), where=scale > 0), initial=0.0))
    limit = factor * be.eps(op.dtype)
    _require(worst <= limit, f"rmatmat is not the adjoint of matmat: relative discrepancy {worst:.1e} > {limit:.1e}")
    return worst


def _require(met, otherwise):
    """AssertionError in every mode of Python: an `assert` is gone with ``python -O``."""
    if not met:
        raise AssertionError(otherwise)
