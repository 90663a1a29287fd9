"""A few long rows, given as blocks one below the other: their Gram matrix, and combinations of them.

On the host a panel of columns of all blocks is brought together, in the dtype of the product, while it fits the cache;
the blocks themselves are never joined. The partition is a function of the shape alone.
"""

import numpy as np

from .dtypes import is_complex
from .namespace import kind, namespace
from .products import fresh_sum, mH
from .threads import fixed_partition, map_blocks
from .tiled_gram import compiled_gram_pays, long_gram

_RANGES = 8  # parts of the columns that threads share; their sum is part of the bits of the result
_PANEL_BYTES = 1 << 19
_LEAST_COLUMNS = 64


def gram_of_rows(blocks, dtype):
    """``M Mᴴ`` in `dtype`, exactly Hermitian, for the rows M of all `blocks` (each of shape (h, d))."""
    xp = namespace(*blocks)
    if kind(xp) != "numpy":
        M = xp.concat([xp.astype(block, dtype, copy=False) for block in blocks], axis=0)
        G = M @ mH(M)
        return (G + mH(G)) / 2
    blocks = [np.ascontiguousarray(block) for block in blocks]  # bits must not depend on the order in memory
    height, length = sum(block.shape[0] for block in blocks), blocks[0].shape[1]
    width = _panel_columns(height, dtype)
    real = all(block.dtype.kind == "f" and block.dtype.isnative for block in blocks)
    if real and len(blocks) <= 2 and compiled_gram_pays(dtype, length, height):
        upper, lower = blocks if len(blocks) == 2 else (blocks[0][:0], blocks[0])
        products = map_blocks(lambda c: long_gram(upper, lower, dtype, c.start, c.stop), _ranges(length, width))
        return fresh_sum(products, dtype)

    def product(columns):
        buffer, total = np.empty((height, min(width, columns.stop - columns.start)), dtype=dtype), None
        for part in fixed_partition(columns.stop - columns.start, width):
            panel = _gathered(blocks, slice(columns.start + part.start, columns.start + part.stop), buffer)
            G = panel @ (panel.conj().T if is_complex(panel.dtype) else panel.T)
            total = G if total is None else np.add(total, G, out=total)
        return total

    total = fresh_sum(map_blocks(product, _ranges(length, width)), dtype)
    return (total + total.conj().T) / 2 if is_complex(total.dtype) else total


def combined_rows(coefficients, blocks):
    """``C M`` for coefficients C (k, h) and the rows M of all `blocks`, in the dtype of the coefficients."""
    xp = namespace(coefficients)
    if kind(xp) != "numpy":
        return coefficients @ xp.concat(list(blocks), axis=0)
    height, length = coefficients.shape[1], blocks[0].shape[1]
    out = np.empty((coefficients.shape[0], length), dtype=coefficients.dtype)
    width = _panel_columns(height, out.dtype)

    def combine(columns):
        buffer = np.empty((height, min(width, columns.stop - columns.start)), dtype=out.dtype)
        for part in fixed_partition(columns.stop - columns.start, width):
            piece = slice(columns.start + part.start, columns.start + part.stop)
            out[:, piece] = coefficients @ _gathered(blocks, piece, buffer)

    map_blocks(combine, _ranges(length, width))
    return out


def _gathered(blocks, columns, buffer):
    """The columns of all blocks, in a buffer that is at least as wide."""
    panel, start = buffer[:, : columns.stop - columns.start], 0
    for block in blocks:
        panel[start : start + block.shape[0]] = block[:, columns]
        start += block.shape[0]
    return panel


def _panel_columns(height, dtype):
    columns = _PANEL_BYTES // (np.dtype(dtype).itemsize * max(1, height))
    return max(_LEAST_COLUMNS, columns // _LEAST_COLUMNS * _LEAST_COLUMNS)


def _ranges(length, width):
    """At most eight ranges of columns, whole panels but for the last."""
    panels = -(-length // width)
    return fixed_partition(length, width * max(1, -(-panels // _RANGES)))
