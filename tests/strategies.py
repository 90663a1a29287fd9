"""Hypothesis strategies: shapes, ranks, dtypes, spectra and memory layouts."""

import numpy as np
from hypothesis import strategies as st

from lowrank_la import testing

FLOATS = ("float32", "float64", "complex64", "complex128")
LAYOUTS = ("C", "F", "strided rows", "strided columns", "strided", "reversed", "offset", "read-only")


def sides(low=1, high=24):
    """Numbers of rows or columns, ones more often than chance."""
    return st.one_of(st.just(low), st.integers(low, high))


def shapes(low=1, high=24):
    """``(m, n)``: tall, wide, square and single rows and columns."""
    return st.tuples(sides(low, high), sides(low, high))


def dtypes(names=FLOATS):
    """Names of dtypes."""
    return st.sampled_from(names)


def layouts():
    """Names of memory layouts for `lay_out`."""
    return st.sampled_from(LAYOUTS)


def spectra():
    """Keys of `lowrank_la.testing.spectra`."""
    return st.sampled_from(sorted(testing.spectra))


def ranks(shape):
    """Ranks that a matrix of `shape` can have."""
    return st.integers(1, min(shape))


def seeds():
    """Seeds."""
    return st.integers(0, 2**32 - 1)


def random_array(shape, dtype, seed=0):
    """Normal numbers, complex for complex dtypes."""
    generator = np.random.default_rng(seed)
    a = generator.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        a = a + 1j * generator.standard_normal(shape)
    return a.astype(dtype)


def lay_out(a, layout):
    """The matrix `a` in the memory layout of that name; equal entries, equal shape."""
    m, n = a.shape
    if layout == "F":
        return np.asfortranarray(a)
    if layout == "reversed":
        return np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1]
    if layout == "offset":
        host = np.zeros((m + 3, n + 5), dtype=a.dtype)
        host[2 : m + 2, 3 : n + 3] = a
        return host[2 : m + 2, 3 : n + 3]
    if layout.startswith("strided"):
        rows, cols = (1 if layout == "strided columns" else 2), (1 if layout == "strided rows" else 3)
        host = np.full((m * rows, n * cols), np.nan, dtype=a.dtype)
        host[::rows, ::cols] = a
        return host[::rows, ::cols]
    a = np.ascontiguousarray(a)
    if layout == "read-only":
        a = a.copy()
        a.flags.writeable = False
    return a


@st.composite
def matrices(draw, low=1, high=24, names=FLOATS):
    """NumPy matrices of any shape, dtype and memory layout."""
    a = random_array(draw(shapes(low, high)), draw(dtypes(names)), draw(seeds()))
    return lay_out(a, draw(layouts()))
